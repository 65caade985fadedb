"""What a language model makes of a text, token by token: surprise, and the values of its hidden units.

That single units come to track quotes, brackets or the place in a line is due to Karpathy, Johnson and Fei-Fei 2015
("Visualizing and Understanding Recurrent Networks").
"""

# T tokens, V vocabulary, H hidden, L layers, F features

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.kernels.cells import Cell
from rnnnlp.layers.loss import softmax
from rnnnlp.layers.recurrent import Direction
from rnnnlp.tasks.char_lm.network import CharLMNetwork

LIKELIEST = 10  # tokens that are named at each place
ROWS = 256  # tokens whose probabilities of the whole vocabulary are computed at a time
BEST = 8  # units that are named for each feature
CLOSING = {"(": ")", "[": "]", "{": "}", "「": "」", "『": "』", "《": "》", "（": "）", "“": "”", "„": "“"} | {
    "«": "»",
    "»": "«",
}
QUOTES = '"“”„「」『』«»'


@dataclass(frozen=True)
class TokenTrace:
    """What a language model makes of a text.

    Attributes:
        ids: `(T,)`.
        spans: The characters of each token, `(T, 2)`.
        surprise: -log p of each token in nats, `(T,)`; NaN for the first, before which nothing was read.
        likeliest: The ids that are most probable after each token, `(T, min(LIKELIEST, V))`.
        p: Their probabilities, of the same shape.
        states: h of each layer after each token, `(L, T, H)`.
    """

    ids: np.ndarray
    spans: np.ndarray
    surprise: np.ndarray
    likeliest: np.ndarray
    p: np.ndarray
    states: np.ndarray


@dataclass(frozen=True)
class Ranked:
    """A unit whose h rises and falls with a feature."""

    layer: int
    index: int
    correlation: float  # Pearson's


def read(model: CharLMNetwork, text: str) -> TokenTrace:
    """Reads a text with a state of zeros at its beginning.

    Raises:
        UserError: If the text has no token.
    """
    ids = model.tokenizer.encode(text).astype(np.int64)  # (T,)
    if len(ids) == 0:
        raise UserError("the text has no token; give one that the tokenizer of the model reads")
    hs = _states(model, ids)  # (L, T, H)
    likeliest, of_likeliest = [], []
    surprise = np.full(len(ids), np.nan)  # (T,)
    for t in range(0, len(ids), ROWS):
        logits, _ = model.head.forward(hs[-1, t : t + ROWS])  # (ROWS, V)
        p = softmax(logits.astype(np.float64))  # (ROWS, V)
        likeliest.append(most_probable(p, LIKELIEST))
        of_likeliest.append(np.take_along_axis(p, likeliest[-1], axis=1))
        after = ids[t + 1 : t + 1 + len(p)]
        of_next = p[np.arange(len(after)), after]
        surprise[t + 1 : t + 1 + len(p)] = -np.log(np.maximum(of_next, 1e-300))
    spans = model.tokenizer.spans(text)
    return TokenTrace(ids, spans, surprise, np.concatenate(likeliest), np.concatenate(of_likeliest), hs)


def most_probable(p: np.ndarray, number: int) -> np.ndarray:
    """The ids of the largest probabilities of each row, the largest first, and the smaller id first of equal ones.

    Args:
        p: The probabilities, `(T, V)`.
        number: How many are wanted, K; fewer if V is smaller.

    Returns:
        `(T, K)`.
    """
    number = min(number, p.shape[1])
    smallest = np.partition(p, -number, axis=1)[:, -number]  # (T,), of those that are wanted
    found = []
    for row, limit in zip(p, smallest.tolist(), strict=True):
        candidates = np.flatnonzero(~(row < limit))  # all, if they are not finite
        found.append(candidates[np.argsort(-row[candidates], kind="stable")[:number]])
    return np.stack(found)


def values_of(model: CharLMNetwork) -> tuple[str, ...]:
    """The names of what `unit_values` takes: the states of the cell, and its gates."""
    return _values_of(model.recurrent.cell)


def unit_values(model: CharLMNetwork, reading: TokenTrace, layer: int, index: int, value: str = "h") -> np.ndarray:
    """The values `(T,)` of a unit: its h, another state of the cell, or a gate.

    Args:
        model: The language model.
        reading: What `read` made of a text.
        layer: The number of the layer, from 0.
        index: The number of the unit in it.
        value: One of `values_of`.

    Raises:
        UserError: If there is no such unit or value.
    """
    L, _, H = reading.states.shape
    if not (0 <= layer < L and 0 <= index < H):
        raise UserError(f"unit {index} of layer {layer} is not there; the model has {L} layers of {H} units, from 0")
    if value not in values_of(model):
        raise UserError(f"a unit has no value {value[:50]!r}; it must be one of {', '.join(values_of(model))}")
    if value == "h":
        return np.asarray(reading.states[layer, :, index])
    direction = model.recurrent.layers[layer][0]
    x = model.embedding.forward(reading.ids)[0] if layer == 0 else reading.states[layer - 1]  # (T, D)
    return steps_of(direction, np.ascontiguousarray(x))[value][:, index]


def steps_of(direction: Direction, x: np.ndarray) -> dict[str, np.ndarray]:
    """Gates and states after each step of a layer, by name, each `(T, H)`: by the equations of `definition.py`."""
    cell, weights = direction.cell, direction.weights()
    state = cell.zero_state((1, direction.hidden_size), x.dtype)
    pre = direction.project(x)  # (T, G*H)
    found: dict[str, list[np.ndarray]] = {name: [] for name in _values_of(cell)}
    for t in range(len(x)):
        state, saved = cell.step(pre[t : t + 1], state, weights.W_h, weights.extra)
        step = dict(zip(cell.saved, saved, strict=False)) | dict(zip(cell.states, state, strict=True))
        for name, values in found.items():
            values.append(step[name][0])
    return {name: np.stack(values) for name, values in found.items()}


def rank_units(reading: TokenTrace, features: dict[str, np.ndarray]) -> dict[str, list[Ranked]]:
    """The units that track each feature best, by the correlation of their h with it.

    Args:
        reading: What `read` made of a text.
        features: Values `(characters,)` of each feature, as from `text_features`.

    Returns:
        For each feature that varies in the text its best units, the best first.
    """
    L, T, H = reading.states.shape
    h = reading.states.transpose(1, 0, 2).reshape(T, L * H).astype(np.float64)  # (T, L*H)
    h -= h.mean(axis=0)
    length = np.sqrt((h * h).sum(axis=0))
    found = {}
    for name, of_characters in features.items():
        feature = of_characters[np.minimum(reading.spans[:, 0], len(of_characters) - 1)].astype(np.float64)  # (T,)
        feature -= feature.mean()
        norm = np.sqrt((feature * feature).sum())
        if norm < 1e-9:
            continue
        r = np.divide(feature @ h, norm * length, out=np.zeros(L * H), where=length > 1e-9)  # (L*H,)
        best = np.argsort(-np.abs(r), kind="stable")[:BEST]
        found[name] = [Ranked(int(k // H), int(k % H), float(r[k])) for k in best]
    return found


def text_features(text: str, marked: Sequence[tuple[int, int]] = ()) -> dict[str, np.ndarray]:
    """What a unit may track, a value for each character of a text: `(characters,)` each.

    Args:
        text: The text.
        marked: Places `(start, end)` that a person has marked.
    """

    def is_(test: Callable[[str], bool]) -> np.ndarray:
        return np.array([test(c) for c in text], float)

    features = {
        "line": _place_in_line(text),
        "quotes": _inside_quotes(text),
        "brackets": _inside_brackets(text),
        "digits": is_(str.isdigit),
        "capitals": is_(str.isupper),
        "spaces": is_(str.isspace),
        "punctuation": is_(lambda c: not _is_of_word(c) and not c.isspace()),
        "words": _place_in_word(text),
    }
    if marked:
        of_marks = np.zeros(len(text))
        for start, end in marked:
            of_marks[start:end] = 1
        features["marked"] = of_marks
    return features


def _values_of(cell: Cell) -> tuple[str, ...]:
    """The states and gates of a cell; without the gates, if it does not say what it saves."""
    return tuple(dict.fromkeys((*cell.states, *(gate for gate in cell.gates if gate in cell.saved))))


def _states(model: CharLMNetwork, ids: np.ndarray) -> np.ndarray:
    """h of each layer `(L, T, H)` after each of the ids `(T,)`."""
    ones = np.ones(len(ids), np.int64)  # batch_sizes (T,)
    x, _ = model.embedding.forward(ids)  # (T, D)
    hs = []
    for (direction,) in model.recurrent.layers:
        zero = direction.cell.zero_state((1, direction.hidden_size), x.dtype)
        x, _, _ = direction.forward(x, ones, zero, rng=None, keep_tape=False)  # (T, H)
        hs.append(x)
    return np.stack(hs)


def _place_in_line(text: str) -> np.ndarray:
    """The number of characters since the last line end."""
    places, place = [], 0
    for c in text:
        places.append(place)
        place = 0 if c == "\n" else place + 1
    return np.array(places, float)


def _is_of_word(c: str) -> bool:
    """Whether a character is a letter, a mark on one, or a digit."""
    return unicodedata.category(c)[0] in "LMN"


def _place_in_word(text: str) -> np.ndarray:
    """The number of characters since the last one that is not of a word."""
    places, place = [], 0
    for c in text:
        place = place + 1 if _is_of_word(c) else 0
        places.append(place)
    return np.array(places, float)


def _inside_quotes(text: str) -> np.ndarray:
    """1 inside of quotation marks; an empty line closes all.

    A straight one opens and closes. The ones that open in English or French close in German.
    """
    opened, values = "", []  # the mark that opened
    for k, c in enumerate(text):
        if c in QUOTES:
            closes = opened != "" if c == '"' else c not in CLOSING or CLOSING.get(opened) == c
            opened = "" if closes else c
        elif text[k : k + 2] == "\n\n":
            opened = ""
        values.append(float(opened != ""))
    return np.array(values)


def _inside_brackets(text: str) -> np.ndarray:
    """The number of brackets that are open."""
    waiting: list[str] = []
    depths = []
    for c in text:
        if c in CLOSING and c not in QUOTES:
            waiting.append(CLOSING[c])
        elif waiting and c == waiting[-1]:
            waiting.pop()
        depths.append(len(waiting))
    return np.array(depths, float)
