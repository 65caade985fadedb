"""Two language models of words, one for each direction, from which a classifier can start."""

# N tokens, U unique tokens, T steps, B streams, D embedding, H hidden, V vocabulary

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnnlp.batches.streams import StreamWindow
from rnnnlp.kernels.backend import State
from rnnnlp.layers.dropout import Dropout
from rnnnlp.layers.embedding import Embedding
from rnnnlp.layers.linear import Linear
from rnnnlp.layers.loss import softmax_cross_entropy
from rnnnlp.layers.parameter import Parameter, parameters_of
from rnnnlp.layers.recurrent import Recurrent
from rnnnlp.layers.sampled_softmax import Sampler, WordOutput
from rnnnlp.models.config import BidirectionalLMConfig
from rnnnlp.models.model import Model
from rnnnlp.text import Tokenizer


class BidirectionalLM(Model):
    """A language model that reads forward and one that reads backward, with one embedding for both.

    The embedding's rows are the output's weights too (Press and Wolf 2017). After Peters et al. 2018; neither direction
    sees what the other reads, or the next word would be no riddle.
    """

    model_type = "bidirectional_lm"
    config_type = BidirectionalLMConfig

    def __init__(
        self,
        config: BidirectionalLMConfig,
        tokenizer: Tokenizer | None = None,
        *,
        rng: np.random.Generator,
        dtype: Any = np.float32,
    ):
        self.config, self.tokenizer, self.dtype = config, tokenizer, np.dtype(dtype)
        c = config
        self.embedding = Embedding(c.vocab_size, c.embedding_size, scale=c.embedding_size**-0.5, dtype=dtype, rng=rng)
        self.output = WordOutput(self.embedding.weight)
        self.directions = {
            name: OneWay(c, self.embedding, self.output, dtype=dtype, rng=rng) for name in ("forward", "reverse")
        }
        self.layers = {"embedding": self.embedding, **self.directions, "output": self.output}

    def gradients(
        self,
        windows: Sequence[StreamWindow],
        states: Sequence[State],
        sampler: Sampler,
        *,
        rng: np.random.Generator,
    ) -> tuple[float, int, list[State]]:
        """`loss_sum, count, final states` of a window and a state for each direction: nats among candidates.

        Adds the gradient of the mean loss into every parameter.
        """
        count = sum(len(window.targets) for window in windows)
        loss_sum, ends = 0.0, []
        for direction, window, state in zip(self.directions.values(), windows, states, strict=True):
            window_loss, state_T = direction.gradients(window, state, sampler, count=count, rng=rng)
            loss_sum += window_loss
            ends.append(state_T)
        return loss_sum, count, ends

    @classmethod
    def fit(cls, data: str, *, out: str | None = None, overwrite: bool = False, **options: Any) -> "BidirectionalLM":
        """Trains on the texts of `data`, which is what `--data` takes; labels, if it has any, are not read.

        The options are those of `rnnnlp pretrain`, such as `budget=600.0` (seconds). The run is kept in the folder
        `out`, if given; `SentimentClassifier.fit(..., from_=out)` starts from it.
        """
        from rnnnlp.training.config import pretraining_options
        from rnnnlp.training.fit import pretrain, run_folder

        with run_folder(out) as folder:
            return pretrain(*pretraining_options({"data": data, **options}, "options"), folder, overwrite=overwrite)


def both_ways(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A text `(length,)` as each direction reads it."""
    return ids, ids[::-1]


class OneWay:
    """A language model of text in the order in which it is given: that of reading, or from end to beginning.

    Embedding, recurrent layers, and a map back to the embedding's size, for the output's weights are its rows.
    """

    def __init__(
        self,
        config: BidirectionalLMConfig,
        embedding: Embedding,
        output: WordOutput,
        *,
        dtype: Any,
        rng: np.random.Generator,
    ):
        c = config
        self.embedding, self.output, self.dtype = embedding, output, np.dtype(dtype)
        self.recurrent = Recurrent(
            c.cell,
            c.embedding_size,
            c.hidden_size,
            num_layers=c.num_layers,
            dropout=c.dropout,
            dtype=dtype,
            rng=rng,
        )
        self.dropout = Dropout(c.dropout)
        self.projection = Linear(c.hidden_size, c.embedding_size, dtype=dtype, rng=rng)

    def parameters(self) -> dict[str, Parameter]:
        """Those of this direction alone."""
        return parameters_of({"recurrent": self.recurrent, "projection": self.projection})

    def zero_state(self, batch_size: int) -> State:
        """The state before any text, for `batch_size` streams."""
        return self.recurrent.zero_state(batch_size, self.dtype)

    def forward(
        self,
        ids: np.ndarray,
        batch_sizes: np.ndarray,
        state: State,
        *,
        rng: np.random.Generator | None = None,
        keep_tape: bool = True,
    ) -> tuple[np.ndarray, State, Any]:
        """`ids (N,)` -> `y (N, D)`, whose products with the embedding tell what follows, the final state, tape."""
        x, row_index, rows = self.embedding.unique(ids)  # (U, D), (N,)
        h, state_T, recurrent_tape = self.recurrent.forward(
            x, batch_sizes, state, rng=rng, row_index=row_index, keep_tape=keep_tape
        )  # (N, H)
        h, mask = self.dropout.forward(h, batch_sizes, rng=rng)
        y, projection_tape = self.projection.forward(h)  # (N, D)
        return y, state_T, (rows, recurrent_tape, mask, projection_tape)

    def backward(self, dy: np.ndarray, tape: Any) -> None:
        """`dy (N, D)` into the gradients of the parameters and of the embedding."""
        rows, recurrent_tape, mask, projection_tape = tape
        dh = self.projection.backward(dy, projection_tape)  # (N, H)
        dh = self.dropout.backward(dh, mask)
        dx, _ = self.recurrent.backward(dh, None, recurrent_tape)  # (U, D)
        self.embedding.backward(dx, rows)

    def loss(
        self, inputs: np.ndarray, targets: np.ndarray, batch_sizes: np.ndarray, state: State
    ) -> tuple[float, float, State]:
        """Nats over the whole vocabulary, summed over `targets (N,)`, and their number: `loss_sum, count, state`."""
        y, state_T, _ = self.forward(inputs, batch_sizes, state, keep_tape=False)
        return *self.output.loss(y, targets), state_T

    def gradients(
        self, window: StreamWindow, state: State, sampler: Sampler, *, count: int, rng: np.random.Generator
    ) -> tuple[float, State]:
        """`loss_sum, final state`: nats among candidates; adds the gradient of `loss_sum / count`."""
        y, state_T, tape = self.forward(window.inputs, window.batch_sizes, state, rng=rng)
        candidates = sampler.draw(window.targets, rng=rng)
        logits, output_tape = self.output.forward(y, candidates)  # (N, M)
        loss_sum, _, dlogits = softmax_cross_entropy(logits, candidates.targets)
        dlogits /= count
        self.backward(self.output.backward(dlogits, output_tape), tape)
        return loss_sum, state_T
