"""The native kernels while several threads of Python call them: the results have the same bits as alone.

`scripts/sanitize.sh` runs this with ThreadSanitizer.
"""

# H hidden, V vocabulary

import threading

import numpy as np

from rnnnlp.kernels import CELLS
from rnnnlp.kernels.backend import LayerWeights
from tests.kernels.native_or_skip import native, random

H, V = 40, 300
CELL = CELLS["lstm"]
GATES = len(CELL.gates)


def training_step() -> dict[str, np.ndarray]:
    """Each kernel of a training step once. What comes out."""
    sizes, ids = np.array([9, 9, 5, 5, 1]), np.random.default_rng(0).integers(0, V, 29).astype(np.int32)
    table, W_h, W_out, b_out = random(V, GATES * H) / 8, random(GATES * H, H) / 8, random(V, H), random(V)
    state = CELL.zero_state((9, H), np.dtype(np.float32))
    h, end, tape = native.forward("lstm", native.gather_rows(table, ids), sizes, state, W_h)
    mean, largest = native.mean_and_max(h, sizes)
    logits = native.matmul_nt(h, W_out, b_out)
    _, _, dlogits = native.softmax_cross_entropy(logits, ids)
    dW_out = native.matmul_tn(dlogits, h)
    dh = native.matmul(dlogits, W_out) + native.mean_and_max_backward(mean, mean, h, largest, sizes)
    dpre, _, dW_h, _ = native.backward(dh, state, tape)
    native.add_rows(dpre, ids, table)
    moments = [np.zeros_like(W_out), np.zeros_like(W_out)]
    native.adam([W_out], [dW_out], moments[:1], moments[1:], rows=[None], decays=[0.1], lr=0.01, step=1)
    layer = LayerWeights(random(GATES * H, 8), W_h, random(GATES * H), ())
    decoder = native.Decoder("lstm", random(V, 8), [layer], W_out, b_out)
    tokens = decoder.sample(np.random.default_rng(1).random(20), top_k=20, top_p=0.9)
    return {
        "states": np.stack(end),
        "pooled": np.stack([mean, largest]),
        "dW_out": dW_out,
        "dW_h": dW_h,
        "table": table,
        "W_out": W_out,
        "moments": np.stack(moments),
        "logits": decoder.logits,
        "tokens": np.array(tokens),
    }


def test_training_steps_in_four_threads_while_the_pool_changes():
    expected = training_step()
    before, wrong, done = native.threads(), [], threading.Event()

    def train() -> None:
        for _ in range(12):
            for name, result in training_step().items():
                if not np.array_equal(result, expected[name]):
                    wrong.append(name)

    def resize() -> None:
        while not done.is_set():
            for threads in (1, 2, 3):
                native.set_threads(threads)

    trainers, resizer = [threading.Thread(target=train) for _ in range(4)], threading.Thread(target=resize)
    try:
        for thread in [*trainers, resizer]:
            thread.start()
        for thread in trainers:
            thread.join()
    finally:
        done.set()
        resizer.join()
        native.set_threads(before)
    assert not wrong
