"""What the language models of characters and of words share: the trunk, carried states, and the loss on a text."""

# N tokens, U unique tokens, T steps, B streams, D embedding, H hidden, K outputs

import hashlib
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from rnnnlp.batches.shards import Shard
from rnnnlp.batches.streams import StreamWindow
from rnnnlp.errors import UserError
from rnnnlp.kernels.backend import State
from rnnnlp.layers.dropout import Dropout
from rnnnlp.layers.embedding import Embedding
from rnnnlp.layers.linear import Linear
from rnnnlp.layers.recurrent import Recurrent
from rnnnlp.text import Corpus, EncodedCorpus, encode_corpus, load_corpus
from rnnnlp.text.corpus import separator_of
from rnnnlp.text.given import GivenTexts, as_texts, refuse_names_of_files, without_missing
from rnnnlp.text.read_options import ReadOptions
from rnnnlp.text.sources import ALL_SPLITS, GIVEN
from rnnnlp.training.data_places import are_own_data
from rnnnlp.training.distributed import for_each_shard
from rnnnlp.training.estimator import Estimator
from rnnnlp.training.model_folder import training_of
from rnnnlp.training.run_folder import RunFolder
from rnnnlp.training.task import Evaluation

EVALUATION_STREAMS = 64  # of the evaluations of a run
PARTS = {"the training text": "train", "the validation text": "validation"}
WINDOW_TOKENS = 8192  # predicted at a time
WARMUP = 200  # tokens that a stream reads before its first counted one

log = logging.getLogger(__name__)


class TrunkTape(NamedTuple):
    """What the layers of a trunk keep for the backward pass."""

    rows: np.ndarray  # of the embedding, (U,)
    recurrent: Any
    mask: np.ndarray | None
    head: np.ndarray


class LanguageModelTrunk:
    """Embedding, recurrent layers, dropout, linear head: from ids to an output for each token."""

    embedding: Embedding
    recurrent: Recurrent
    dropout: Dropout
    head: Linear
    dtype: np.dtype[Any]

    def zero_state(self, batch_size: int) -> State:
        """The state before any text, for `batch_size` streams: for each of h (and c) zeros `(L, B, H)`."""
        return self.recurrent.zero_state(batch_size, self.dtype)

    def forward(
        self,
        ids: np.ndarray,
        batch_sizes: np.ndarray,
        state: State,
        *,
        rng: np.random.Generator | None = None,
        keep_tape: bool = True,
    ) -> tuple[np.ndarray, State, TrunkTape]:
        """Runs the network over a batch.

        Args:
            ids: `(N,)`, packed and time-major.
            batch_sizes: `(T,)`.
            state: The initial state, as `zero_state`.
            rng: For dropout; None evaluates without it.
            keep_tape: False where no `backward` follows.

        Returns:
            The outputs `(N, K)`, the final state, and the tape.
        """
        x, row_index, rows = self.embedding.unique(ids)  # (U, D), (N,)
        h, state_T, recurrent_tape = self.recurrent.forward(
            x, batch_sizes, state, rng=rng, row_index=row_index, keep_tape=keep_tape
        )  # (N, H)
        h, mask = self.dropout.forward(h, batch_sizes, rng=rng)
        y, head_tape = self.head.forward(h)  # (N, K)
        return y, state_T, TrunkTape(rows, recurrent_tape, mask, head_tape)

    def state_after(self, ids: np.ndarray, batch_sizes: np.ndarray, state: State) -> State:
        """The final state of `forward` without dropout; no outputs are computed and no tape is kept."""
        x, row_index, _ = self.embedding.unique(ids)  # (U, D), (N,)
        _, state_T, _ = self.recurrent.forward(x, batch_sizes, state, rng=None, row_index=row_index, keep_tape=False)
        return state_T

    def backward(self, dy: np.ndarray, tape: TrunkTape) -> None:
        """Adds the gradients of all parameters; none flows past the beginning of the window.

        Args:
            dy: The gradient of the outputs, `(N, K)`.
            tape: Of the forward pass.
        """
        dh = self.head.backward(dy, tape.head)  # (N, H)
        dh = self.dropout.backward(dh, tape.mask)
        dx, _ = self.recurrent.backward(dh, None, tape.recurrent)  # (U, D)
        self.embedding.backward(dx, tape.rows)


def carried_state(window: StreamWindow, state: State) -> State:
    """The state at the beginning of a window: that of the window before, or zeros in the streams that are reset."""
    return tuple(np.where(window.reset[:, None], 0, s) for s in state)  # (L, B, H)


def state_of_shard(state: State, shard: Shard) -> State:
    """The part of a state `(L, B, H)` that belongs to the streams of a shard, not copied."""
    return tuple(s[:, shard.part(s.shape[1])] for s in state)


def carry(state: State, state_T: State) -> None:
    """Makes `state`, in place, that at the end of a window."""
    for s, s_T in zip(state, state_T, strict=True):
        s[...] = s_T


def whole_state(state: State, shards: int) -> State:
    """A copy of a state `(L, B, H)`, put together from the shards of all processes."""
    parts = for_each_shard(shards, lambda shard: state_of_shard(state, shard))
    return tuple(np.concatenate(of_array, axis=1) for of_array in zip(*parts, strict=True))


def given_corpus(
    data: Any, validation_data: Any = None, *, column: str | None, separator: str | None
) -> tuple[Corpus | None, str]:
    """What `fit` was given: the corpus of texts, or None for data that have a name; and the name.

    Args:
        data: Texts in any container, an open file, which is one text, or a name.
        validation_data: Texts to validate on, beside texts.
        column: The column of a table.
        separator: What stands between two texts, as `document_separator`.

    Raises:
        UserError: For what is not text, or validation data without texts beside them.
    """
    if isinstance(data, str | os.PathLike):
        if validation_data is not None:
            raise UserError("validation_data is given beside a path; give both as texts, or put both into one folder")
        return None, os.fspath(data)
    splits = {"train": (_given_texts(data, "data", column),)}
    if validation_data is not None:
        splits["validation"] = (_given_texts(validation_data, "validation_data", column),)
    return Corpus(GIVEN, splits, separator=separator_of(separator)), GIVEN


def _given_texts(texts: Any, name: str, column: str | None) -> GivenTexts:
    """Texts in any container; what can be read, such as an open file, is one text."""
    whole = [texts.read()] if callable(getattr(texts, "read", None)) else texts
    found = without_missing(as_texts(whole, name, column), name)
    refuse_names_of_files(found, name)
    return GivenTexts(found)


class CorpusOptions(Protocol):
    """The options that say what text a language model is trained on."""

    @property
    def data(self) -> str: ...
    @property
    def reading(self) -> ReadOptions: ...
    @property
    def document_separator(self) -> str | None: ...
    @property
    def tokenizer(self) -> str: ...


def corpus_of(options: CorpusOptions, given: Corpus | None = None, *, unlabelled: bool = False) -> Corpus:
    """The text to train on: the given one, or what the options name.

    A tokenizer of bytes takes any bytes: those of files, and surrogates in given texts.

    Args:
        options: How to train.
        given: The texts that `fit` was given, if it was given texts.
        unlabelled: Whether to also read the texts without a label of a data set with labels.
    """
    if given is not None:
        return replace(given, any_bytes=options.tokenizer == "byte")
    reading = options.reading.for_tokenizer(options.tokenizer)
    return load_corpus(options.data, reading, document_separator=options.document_separator, unlabelled=unlabelled)


def corpus_given_again(
    folder: str | os.PathLike[str], data: Any, validation_data: Any = None
) -> tuple[Corpus | None, str]:
    """As `given_corpus`, read as the run in a folder did."""
    trained = {} if isinstance(data, str | os.PathLike) else training_of(RunFolder(folder).path)
    names = {"column": "text_column", "separator": "document_separator"}
    return given_corpus(data, validation_data, **{name: trained.get(of) for name, of in names.items()})


def train_and_validation(encoded: EncodedCorpus) -> tuple[np.ndarray, np.ndarray]:
    """The ids of the two splits `(length,)`; their number is logged. UserError if there is nothing to validate on."""
    train, validation = encoded.ids["train"], encoded.ids["validation"]
    require_two(validation, "the validation split")
    log.info("%s: %d tokens to train on, %d to validate on", encoded.source, len(train), len(validation))
    return train, validation


def digests_of_corpus(encoded: EncodedCorpus) -> dict[str, str]:
    """The digest of the text of each split that training reads, and of all of it, to recognise it again."""
    digests = {name: f"{encoded.digests[split]}:{encoded.characters[split]}" for name, split in PARTS.items()}
    return digests | {"the text as a whole": encoded.text_digest}  # also what is not in the vocabulary


def digests_of_ids(train: np.ndarray, validation: np.ndarray) -> dict[str, str]:
    """As `digests_of_corpus`, for ids `(length,)` that come from elsewhere than a corpus."""
    return {name: hashlib.sha256(ids.data).hexdigest() for name, ids in zip(PARTS, (train, validation), strict=True)}


def ends_fingerprint(ids: np.ndarray) -> str:
    """The length of a text and a hash of its ends, by which checkpoints of 0.1 and of an early 0.2 recognise it."""
    ends = np.concatenate([ids[:4096], ids[-4096:]]).astype(np.int64)
    return f"{len(ids)}:{hashlib.sha256(ends.tobytes()).hexdigest()[:16]}"


class LanguageModel(Protocol):
    """A `CharLMNetwork`, or one direction of a `WordLMNetwork`."""

    def zero_state(self, batch_size: int) -> State: ...

    def state_after(self, ids: np.ndarray, batch_sizes: np.ndarray, state: State) -> State: ...

    def loss(
        self, inputs: np.ndarray, targets: np.ndarray, batch_sizes: np.ndarray, state: State
    ) -> tuple[float, float, State]: ...

    @property
    def window_tokens(self) -> int:
        """The number of tokens that are predicted at a time in an evaluation: what memory allows."""


def require_two(ids: np.ndarray, what: str = "the split") -> None:
    """UserError unless there is a token to predict from another one."""
    if len(ids) < 2:
        raise UserError(f"{what} has {len(ids)} tokens; to predict one from another it must have 2: give more text")


def language_model_loss(
    model: LanguageModel,
    ids: np.ndarray,
    *,
    streams: int = 1,
    shards: int = 1,
    on_progress: Callable[[int], Any] = lambda tokens: None,
) -> tuple[float, int]:
    """The loss on a text.

    With one stream the state is carried through the whole text: that is the exact figure. More streams cut the text
    into segments and read them in parallel, many times faster. Each stream first reads the WARMUP tokens before its
    segment, so the figure is nearly the same.

    Args:
        model: The language model.
        ids: The text, `(length,)`.
        streams: The number of streams.
        shards: The number of parts into which the streams are cut for several processes.
        on_progress: Called with the number of tokens done since the last call.

    Returns:
        Nats summed over all tokens but the first, and the number of those tokens.
    """
    require_two(ids)
    streams = max(1, min(streams, (len(ids) - 1) // (2 * WARMUP)))
    length, longer = divmod(len(ids) - 1, streams)  # the first `longer` streams have one token more
    begin = np.arange(streams) * length + np.minimum(np.arange(streams), longer)  # (B,)

    def of_shard(shard: Shard) -> tuple[float, int]:
        part = shard.part(streams)
        if part.start == part.stop:
            return 0.0, 0
        return _loss_of_streams(model, ids, begin[part], length, max(0, longer - part.start), on_progress)

    losses, counts = zip(*for_each_shard(shards, of_shard), strict=True)
    return sum(losses), sum(counts)


def _loss_of_streams(
    model: LanguageModel,
    ids: np.ndarray,
    begin: np.ndarray,
    length: int,
    longer: int,
    on_progress: Callable[[int], Any],
) -> tuple[float, int]:
    """As `language_model_loss`, for streams that begin at `begin (B,)`; the first `longer` have a token more."""
    streams = len(begin)
    state = _warm_state(model, ids, begin)
    loss_sum, count = 0.0, 0
    steps = max(1, model.window_tokens // streams)
    for start, stop, B in [(t, min(t + steps, length), streams) for t in range(0, length, steps)] + [
        (length, length + 1, min(longer, streams))
    ]:
        if B == 0:
            continue
        indices = (begin[:B] + np.arange(start, stop)[:, None]).ravel()  # (N,)
        carried = tuple(s[:, :B] for s in state)
        batch_sizes = np.full(stop - start, B)
        window_loss, window_count, state = model.loss(ids[indices], ids[indices + 1], batch_sizes, carried)
        loss_sum += window_loss
        count += int(window_count)
        on_progress(int(window_count))
    return loss_sum, count


def _warm_state(model: LanguageModel, ids: np.ndarray, begin: np.ndarray) -> State:
    """The state of each stream after the tokens before its position in `begin (B,)`; the text's first has none."""
    state = model.zero_state(len(begin))
    cold = int(begin[0] == 0)
    others = len(begin) - cold
    if others:
        indices = (begin[cold:] + np.arange(-WARMUP, 0)[:, None]).ravel()
        warm = model.state_after(ids[indices], np.full(WARMUP, others), model.zero_state(others))
        for s, w in zip(state, warm, strict=True):
            s[:, cold:] = w
    return state


class MeasuredText(NamedTuple):
    """What `corpus_of` reads of the options, for a text that a trained model is measured on."""

    data: str
    reading: ReadOptions
    document_separator: str | None
    tokenizer: str


class LanguageModelEstimator(Estimator):
    """What the public classes of language models share: they are measured on texts."""

    _loss: ClassVar[str]  # the figure of `evaluate` that `score` is the negative of
    _unlabelled: ClassVar[bool] = False  # whether texts without a label are read, too

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            input_tags=InputTags(one_d_array=True, two_d_array=False, string=True),
        )

    def _figures(self, ids: np.ndarray, characters: int) -> dict[str, Any]:
        """The figures of a text of this length, as ids `(tokens,)`."""
        raise NotImplementedError

    def evaluate(self, data: Any, *, split: str = ALL_SPLITS) -> dict[str, Any]:
        """The loss of the model on a text, with the names that `rnnnlp evaluate --json` has.

        The text is read as one, from its beginning to its end, so the figures are exact. Options of reading are those
        of the training; `encoding` and `quoting` only count for the data that trained the model. To measure another
        file that is not UTF-8, open it with its encoding and give the open file.

        Args:
            data: Texts in any container, or an open file; or a path, a Hub name or a built-in data set, as for `fit`.
            split: The split of data that have a name: "train", "validation", "test", or "all" for all of it. If the
                data that trained the model have no validation split, it is the last tenth of the text, as in training;
                so it is of given texts. Other data without that split have none.

        Returns:
            Of a character model `nats_per_char`, `bits_per_char`, the `perplexity` of a token, and the number of
            `tokens`. Of word models the `loss` in nats per token and the `perplexity`, both of the mean over the two
            directions, `perplexity_forward`, `perplexity_reverse`, and the number of `tokens`.

        Raises:
            UserError: If it is not a text, there is no such split, or it has fewer than two tokens.
            NotFittedError: Before `fit`.
        """
        tokenizer = self._fitted().tokenizer
        given, name = given_corpus(data, column=self.text_column, separator=self.document_separator)
        as_trained = given is not None or are_own_data(name, self.training_, self._folder)
        reading = Evaluation(own_data=as_trained).reading(self.get_params())
        text = MeasuredText(name, reading, self.document_separator, tokenizer.kind)
        corpus = corpus_of(text, given, unlabelled=self._unlabelled)
        try:
            encoded = encode_corpus(corpus, tokenizer, splits=(split,), hold_out=as_trained, keep=False)
        except UserError as error:
            if isinstance(error.__cause__, UnicodeDecodeError) and not as_trained:
                error.add_note("encoding only counts for the data of the training; here give open(path, encoding=...)")
            raise
        with self._kernels():
            return self._figures(encoded.ids[split], encoded.characters[split])

    def score(self, data: Any, y: None = None) -> float:
        """How well the model predicts a text: greater is better, as searches of scikit-learn expect.

        Args:
            data: As for `evaluate`.
            y: Nothing; scikit-learn passes it.

        Returns:
            Minus the nats per character of a character model. They compare models whose tokenizers differ, unless one
            is of words, which leaves out a part of the text. Minus the nats per token of word models.

        Raises:
            UserError: As for `evaluate`.
            NotFittedError: Before `fit`.
        """
        return -float(self.evaluate(data)[self._loss])
