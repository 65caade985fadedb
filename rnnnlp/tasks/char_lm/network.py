"""The network of a character language model."""

# N tokens, T steps, B streams, D embedding, H hidden, V vocabulary

import numpy as np
import numpy.typing as npt

from rnnnlp import kernels
from rnnnlp.kernels.backend import DecoderProtocol, State
from rnnnlp.layers.dropout import Dropout
from rnnnlp.layers.embedding import Embedding
from rnnnlp.layers.linear import Linear
from rnnnlp.layers.loss import softmax_cross_entropy
from rnnnlp.layers.recurrent import Recurrent
from rnnnlp.layers.sampled_softmax import BLOCK
from rnnnlp.tasks.char_lm.config import CharLMConfig
from rnnnlp.tasks.language_modelling import WINDOW_TOKENS, LanguageModelTrunk
from rnnnlp.text import Tokenizer
from rnnnlp.training.network import Network


class CharLMNetwork(LanguageModelTrunk, Network):
    """Predicts each character from those before it: embedding, recurrent layers, softmax over the vocabulary.

    The outputs of `forward` are logits `(N, V)` of the ids that follow.
    """

    model_type = "char_lm"
    public_class, pipeline_tag = "CharLM", "text-generation"
    config_type = CharLMConfig
    config: CharLMConfig

    def __init__(
        self,
        config: CharLMConfig,
        tokenizer: Tokenizer | None = None,
        *,
        rng: np.random.Generator,
        dtype: npt.DTypeLike = np.float32,
    ):
        super().__init__(config, tokenizer, rng=rng, dtype=dtype)
        c = config
        scale = c.embedding_size**-0.5 if c.tied_weights else 1.0
        self.embedding = Embedding(c.vocab_size, c.embedding_size, scale=scale, dtype=self.dtype, rng=rng)
        self.recurrent = Recurrent(
            c.cell,
            c.embedding_size,
            c.hidden_size,
            num_layers=c.num_layers,
            dropout=c.dropout,
            variational=c.variational,
            weight_drop=c.weight_drop,
            dtype=self.dtype,
            rng=rng,
        )
        self.dropout = Dropout(c.dropout, variational=c.variational)
        tied = self.embedding.weight if c.tied_weights else None
        self.head = Linear(c.hidden_size, c.vocab_size, tied=tied, dtype=self.dtype, rng=rng)
        self.layers = {"embedding": self.embedding, "recurrent": self.recurrent, "head": self.head}

    @property
    def window_tokens(self) -> int:
        """The number of tokens that are predicted at a time in an evaluation: fewer with a large vocabulary."""
        return max(1, min(WINDOW_TOKENS, BLOCK // self.config.vocab_size))

    def loss(
        self, inputs: np.ndarray, targets: np.ndarray, batch_sizes: np.ndarray, state: State
    ) -> tuple[float, float, State]:
        """The loss of a window without dropout.

        Args:
            inputs: Ids `(N,)`.
            targets: The ids that follow, `(N,)`.
            batch_sizes: `(T,)`.
            state: The initial state.

        Returns:
            Nats summed over the targets, the number of targets, and the final state.
        """
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
        batch_count: float | None = None,
    ) -> tuple[float, float, State]:
        """As `loss`, with dropout if `rng` is given; adds the gradient of the mean loss into every parameter.

        The mean is over these targets, or over the `batch_count` targets of a whole batch that has these in it.
        """
        logits, state_T, tape = self.forward(inputs, batch_sizes, state, rng=rng)
        loss_sum, count, dlogits = softmax_cross_entropy(logits, targets, label_smoothing=label_smoothing)
        dlogits /= batch_count or count
        self.backward(dlogits, tape)
        return loss_sum, count, state_T

    def decoder(self) -> DecoderProtocol:
        """A decoder that generates token by token, with a copy of the weights."""
        layers = [directions[0].weights() for directions in self.recurrent.layers]
        embedding, head = self.embedding.weight.value, self.head
        backend = kernels.of(embedding, self.config.cell)
        return backend.Decoder(self.config.cell, embedding, layers, head.weight.value, head.bias.value)
