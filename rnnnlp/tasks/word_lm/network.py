"""Two language models of words, one for each direction, from which a classifier can start."""

# N tokens, M candidates, T steps, B streams, D embedding, H hidden, V vocabulary

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rnnnlp.batches.streams import StreamWindow
from rnnnlp.kernels.backend import State
from rnnnlp.layers.dropout import Dropout
from rnnnlp.layers.embedding import Embedding
from rnnnlp.layers.linear import Linear
from rnnnlp.layers.loss import softmax_cross_entropy
from rnnnlp.layers.parameter import Parameter, parameters_of
from rnnnlp.layers.recurrent import Recurrent
from rnnnlp.layers.sampled_softmax import Sampler, WordOutput
from rnnnlp.tasks.language_modelling import WINDOW_TOKENS, LanguageModelTrunk
from rnnnlp.tasks.word_lm.config import WordLMConfig
from rnnnlp.text import Tokenizer
from rnnnlp.training.network import Network


class WordLMNetwork(Network):
    """A forward and a backward language model with a common embedding (after Peters et al. 2018).

    The rows of the embedding are the weights of the output too (Press and Wolf 2017). Neither direction sees what the
    other reads; otherwise the target would be visible.
    """

    model_type = "word_lm"
    public_class = "WordLM"
    config_type = WordLMConfig
    config: WordLMConfig

    def __init__(
        self,
        config: WordLMConfig,
        tokenizer: Tokenizer | None = None,
        *,
        rng: np.random.Generator,
        dtype: npt.DTypeLike = np.float32,
    ):
        super().__init__(config, tokenizer, rng=rng, dtype=dtype)
        c = config
        self.embedding = Embedding(
            c.vocab_size, c.embedding_size, scale=c.embedding_size**-0.5, dtype=self.dtype, rng=rng
        )
        self.output = WordOutput(self.embedding.weight)
        self.directions = {
            name: DirectionalLM(c, self.embedding, self.output, dtype=self.dtype, rng=rng)
            for name in ("forward", "reverse")
        }
        self.layers = {"embedding": self.embedding, **self.directions, "output": self.output}

    def gradients(
        self,
        windows: Sequence[StreamWindow],
        states: Sequence[State],
        sampler: Sampler,
        *,
        rng: np.random.Generator,
        batch_count: int | None = None,
    ) -> tuple[float, int, list[State]]:
        """Adds the gradient of the mean loss of a window for each direction into every parameter.

        The mean is over these targets, or over the `batch_count` targets of a whole batch that has these in it.

        Returns:
            Nats among the candidates summed over the targets, the number of targets, and the final states.
        """
        count = sum(len(window.targets) for window in windows)
        loss_sum, ends = 0.0, []
        for direction, window, state in zip(self.directions.values(), windows, states, strict=True):
            window_loss, state_T = direction.gradients(window, state, sampler, count=batch_count or count, rng=rng)
            loss_sum += window_loss
            ends.append(state_T)
        return loss_sum, count, ends


def both_directions(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A text `(length,)` as each direction reads it."""
    return ids, ids[::-1]


class DirectionalLM(LanguageModelTrunk):
    """A language model of text in the order in which it is given.

    Its head maps back to the size of the embedding, whose rows are the weights of the output: the outputs of `forward`
    are `(N, D)`.
    """

    def __init__(
        self,
        config: WordLMConfig,
        embedding: Embedding,
        output: WordOutput,
        *,
        dtype: np.dtype,
        rng: np.random.Generator,
    ):
        c = config
        self.embedding, self.output, self.dtype = embedding, output, dtype
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
        self.head = Linear(c.hidden_size, c.embedding_size, dtype=dtype, rng=rng)

    def parameters(self) -> dict[str, Parameter]:
        """The parameters of this direction alone."""
        return parameters_of({"recurrent": self.recurrent, "projection": self.head})

    @property
    def window_tokens(self) -> int:
        return WINDOW_TOKENS  # the output takes care of memory

    def loss(
        self, inputs: np.ndarray, targets: np.ndarray, batch_sizes: np.ndarray, state: State
    ) -> tuple[float, float, State]:
        """Nats over the whole vocabulary summed over `targets (N,)`, their number, and the final state."""
        y, state_T, _ = self.forward(inputs, batch_sizes, state, keep_tape=False)
        return *self.output.loss(y, targets), state_T

    def gradients(
        self, window: StreamWindow, state: State, sampler: Sampler, *, count: int, rng: np.random.Generator
    ) -> tuple[float, State]:
        """Adds the gradient of `loss_sum / count`; returns `loss_sum` among the candidates, and the final state."""
        y, state_T, tape = self.forward(window.inputs, window.batch_sizes, state, rng=rng)
        candidates = sampler.draw(window.targets, rng=rng)
        logits, output_tape = self.output.forward(y, candidates)  # (N, M)
        loss_sum, _, dlogits = softmax_cross_entropy(logits, candidates.targets)
        dlogits /= count
        self.backward(self.output.backward(dlogits, output_tape), tape)
        return loss_sum, state_T
