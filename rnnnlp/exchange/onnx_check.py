"""Comparing an ONNX graph with the model that it was made of, by ONNX Runtime."""

# B texts or streams, T tokens, V vocabulary, K classes

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.exchange.onnx_classifier import ClassifierGraph, TokenInput
from rnnnlp.exchange.onnx_language_model import AFTER, BEFORE
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.ensemble import Ensemble
from rnnnlp.tasks.sentiment.linear import characters_of
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.text import Tokenizer

MOST = 1e-4  # by which a logit may differ, or by this share of the largest one if that is above 1
LENGTHS = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144)  # tokens of the texts that are compared
COPIES = 4  # texts of each length
STREAMS, STEPS = 3, 40  # of a language model


class Difference(NamedTuple):
    """How much the outputs of a graph differ from those of its model.

    Attributes:
        largest: The largest difference of two logits.
        logit: The largest logit, without its sign.
        number: The number of texts, or of tokens of a language model, that were compared.
    """

    largest: float
    logit: float
    number: int

    def require_small(self) -> None:
        """UserError if it is more than rounding."""
        if not self.largest <= MOST * max(1.0, self.logit):
            raise UserError(
                f"the logits of the ONNX graph differ by up to {self.largest:.3g} from the model's, whose largest "
                f"is {self.logit:.3g}; at most {MOST:g} is rounding: update onnxruntime, or report this"
            )


def session(content: bytes) -> Any:
    """A session of ONNX Runtime on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def padded(rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Ids `(B, T)`, with zeros after the end of each row, and the lengths of the rows `(B,)`; both int64."""
    lengths = np.array([len(row) for row in rows], np.int64)
    ids = np.zeros((len(rows), int(lengths.max())), np.int64)
    for of_row, row in zip(ids, rows, strict=True):
        of_row[: len(row)] = row
    return ids, lengths


def feeds(inputs: Sequence[TokenInput], characters: bool, texts: Sequence[str]) -> dict[str, np.ndarray]:
    """The inputs of a classifier's graph for some texts."""
    found: dict[str, np.ndarray] = {}
    for one in inputs:
        blank = np.array([one.blank])
        encoded = one.tokenizer.encode_batch(map(str.strip, texts), one.max_length)
        found[one.ids], found[one.lengths] = padded([ids if len(ids) else blank for ids in encoded])
    if characters:
        found["characters"], found["character_lengths"] = padded([characters_of(text) for text in texts])
    return found


def random_texts(tokenizer: Tokenizer) -> list[str]:
    """An empty text, and texts of random tokens of a vocabulary."""
    rng = np.random.default_rng(0)
    lengths = [length for length in LENGTHS for _ in range(COPIES)]
    return ["", *(tokenizer.decode(rng.integers(tokenizer.vocab_size, size=length).tolist()) for length in lengths)]


def compare_classifier(
    content: bytes, made: ClassifierGraph, model: SentimentNetwork | Ensemble, texts: Sequence[str] | None = None
) -> Difference:
    """Compares the outputs of a graph with those of its classifier, by default on random texts."""
    texts = random_texts(made.inputs[0].tokenizer) if texts is None else texts
    logits, probabilities = session(content).run(
        ["logits", "probabilities"], feeds(made.inputs, made.characters, texts)
    )
    expected = model.logits_of(texts)
    of_logits, of_probabilities = (
        float(np.abs(found - wanted).max())
        for found, wanted in ((logits, expected), (probabilities, model.probabilities(expected)))
    )
    return Difference(float(np.maximum(of_logits, of_probabilities)), float(np.abs(expected).max()), len(texts))


def compare_language_model(content: bytes, network: CharLMNetwork) -> Difference:
    """Compares the logits of a graph with those of its language model, on two windows of random ids."""
    ids = np.random.default_rng(0).integers(network.config.vocab_size, size=(STREAMS, 2 * STEPS))  # (B, T)
    state, running = network.zero_state(STREAMS), session(content)
    names = network.recurrent.cell.states
    of_graph: Mapping[str, np.ndarray] = {
        BEFORE.format(name): s for name, s in zip(names, network.zero_state(STREAMS), strict=True)
    }
    difference, largest = 0.0, 0.0
    for window in (ids[:, :STEPS], ids[:, STEPS:]):
        logits, *after = running.run(["logits", *map(AFTER.format, names)], {"ids": window, **of_graph})
        of_graph = {BEFORE.format(name): s for name, s in zip(names, after, strict=True)}
        packed, state, _ = network.forward(
            window.T.ravel().astype(np.int32), np.full(STEPS, STREAMS), state, keep_tape=False
        )
        expected = packed.reshape(STEPS, STREAMS, -1).transpose(1, 0, 2)  # (B, T, V)
        difference = float(np.maximum(difference, np.abs(logits - expected).max()))  # which keeps NaN, unlike max
        largest = float(np.maximum(largest, np.abs(expected).max()))
    return Difference(difference, largest, ids.size)
