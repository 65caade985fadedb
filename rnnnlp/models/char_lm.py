"""The character language model."""

# N tokens, U unique tokens, T steps, B streams, D embedding, H hidden, V vocabulary

from typing import Any

import numpy as np

from rnnnlp import kernels
from rnnnlp.kernels.backend import State
from rnnnlp.layers.dropout import Dropout
from rnnnlp.layers.embedding import Embedding
from rnnnlp.layers.linear import Linear
from rnnnlp.layers.loss import softmax_cross_entropy
from rnnnlp.layers.recurrent import Recurrent
from rnnnlp.models.config import CharLMConfig
from rnnnlp.models.model import Model
from rnnnlp.text import Tokenizer


class CharLM(Model):
    """Predicts each character from those before it: embedding, recurrent layers, softmax over the vocabulary."""

    model_type = "char_lm"
    config_type = CharLMConfig

    def __init__(
        self,
        config: CharLMConfig,
        tokenizer: Tokenizer | None = None,
        *,
        rng: np.random.Generator,
        dtype: Any = np.float32,
    ):
        self.config, self.tokenizer, self.dtype = config, tokenizer, np.dtype(dtype)
        c = config
        scale = c.embedding_size**-0.5 if c.tied_weights else 1.0
        self.embedding = Embedding(c.vocab_size, c.embedding_size, scale=scale, dtype=dtype, rng=rng)
        self.recurrent = Recurrent(
            c.cell,
            c.embedding_size,
            c.hidden_size,
            num_layers=c.num_layers,
            dropout=c.dropout,
            variational=c.variational,
            weight_drop=c.weight_drop,
            dtype=dtype,
            rng=rng,
        )
        self.dropout = Dropout(c.dropout, variational=c.variational)
        tied = self.embedding.weight if c.tied_weights else None
        self.head = Linear(c.hidden_size, c.vocab_size, tied=tied, dtype=dtype, rng=rng)
        self.layers = {"embedding": self.embedding, "recurrent": self.recurrent, "head": self.head}

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
        """`ids (N,)` -> `logits (N, V)` of the ids that follow, the final state, tape."""
        x, row_index, rows = self.embedding.unique(ids)  # (U, D), (N,)
        h, state_T, recurrent_tape = self.recurrent.forward(
            x, batch_sizes, state, rng=rng, row_index=row_index, keep_tape=keep_tape
        )  # (N, H)
        h, mask = self.dropout.forward(h, batch_sizes, rng=rng)
        logits, head_tape = self.head.forward(h)  # (N, V)
        return logits, state_T, (rows, recurrent_tape, mask, head_tape)

    def backward(self, dlogits: np.ndarray, tape: Any) -> None:
        """`dlogits (N, V)` into the gradients of all parameters; none goes past the beginning of the window."""
        rows, recurrent_tape, mask, head_tape = tape
        dh = self.head.backward(dlogits, head_tape)  # (N, H)
        dh = self.dropout.backward(dh, mask)
        dx, _ = self.recurrent.backward(dh, None, recurrent_tape)  # (U, D)
        self.embedding.backward(dx, rows)

    def loss(
        self, inputs: np.ndarray, targets: np.ndarray, batch_sizes: np.ndarray, state: State
    ) -> tuple[float, float, State]:
        """Nats, summed over `targets (N,)`, and their number: `loss_sum, count, final state`."""
        logits, state_T, _ = self.forward(inputs, batch_sizes, state, keep_tape=False)
        loss_sum, count, _ = softmax_cross_entropy(logits, targets)
        return loss_sum, count, state_T

    def gradients(
        self,
        inputs: np.ndarray,
        targets: np.ndarray,
        batch_sizes: np.ndarray,
        state: State,
        *,
        rng: np.random.Generator | None = None,
        label_smoothing: float = 0.0,
    ) -> tuple[float, float, State]:
        """As `loss`, and adds the gradient of the mean loss into every parameter."""
        logits, state_T, tape = self.forward(inputs, batch_sizes, state, rng=rng)
        loss_sum, count, dlogits = softmax_cross_entropy(logits, targets, label_smoothing=label_smoothing)
        dlogits /= count
        self.backward(dlogits, tape)
        return loss_sum, count, state_T

    @classmethod
    def fit(cls, data: str, *, out: str | None = None, overwrite: bool = False, **options: Any) -> "CharLM":
        """Trains a model on `data`, which is what `--data` takes (a file, a folder, a Hub name, a built-in set).

        The options are those of `rnnnlp train charlm`, such as `budget=60.0` (seconds) or `hidden_size=256`. The run
        is kept in the folder `out`, if given. Returns the model with the best weights on validation.
        """
        from rnnnlp.training.config import char_lm_options
        from rnnnlp.training.fit import run_folder, train_char_lm

        with run_folder(out) as folder:
            return train_char_lm(*char_lm_options({"data": data, **options}, "options"), folder, overwrite=overwrite)

    def writer(self) -> Any:
        """The model for writing text token by token: see `kernels.backend.DecoderProtocol`."""
        layers = [directions[0].weights() for directions in self.recurrent.layers]
        embedding, head = self.embedding.weight.value, self.head
        backend = kernels.of(embedding, self.config.cell)
        return backend.Decoder(self.config.cell, embedding, layers, head.weight.value, head.bias.value)

    def generate(self, prompt: str = "", **options: Any) -> str:
        """Text that follows `prompt`; the options are those of `rnnnlp.generation.Sampling`."""
        from rnnnlp.generation import Sampling, generate

        seed = options.pop("seed", None)
        return "".join(generate(self, prompt, Sampling(**options), rng=np.random.default_rng(seed)))
