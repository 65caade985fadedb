"""Linear models of n-grams beside the network. They are convex, so fitting finds the optimum, also on few texts.

Each view of a text has a model of its own: what is counted, and how the counts are weighted.
"""

# n texts, M n-grams of these, F n-grams of the vocabulary, V views, K classes, C columns of the weights: 1 for two
# classes, else K

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rnnnlp.batches.ngrams import NgramCounts, count_ngrams, ngrams_in
from rnnnlp.tasks.sentiment.explain import Contribution
from rnnnlp.text import Tokenizer
from rnnnlp.text.characters import code_points

SPACE = ord(" ")
MAX_NGRAMS = 1 << 20  # of a vocabulary: rarer ones are left out
CHUNK = 2000  # texts whose features are computed at a time
TINY = 1e-12  # in place of the squared norm of a text without a known n-gram


@dataclass(frozen=True)
class View:
    """What a linear model sees of a text.

    Attributes:
        characters: Whether it sees characters, in lower case, and not tokens.
        shortest: Smallest n of its n-grams.
        longest: Largest n.
        log_count_ratios: Whether features are weighted by log-count ratios, as in NB-SVM, and not by inverse document
            frequency.
    """

    characters: bool
    shortest: int
    longest: int
    log_count_ratios: bool = False


# Part of what saved weights mean: add views, but never change one.
VIEWS = {
    "words": View(characters=False, shortest=1, longest=2),
    "ratios": View(characters=False, shortest=1, longest=3, log_count_ratios=True),
    "characters": View(characters=True, shortest=2, longest=5),
    "character_ratios": View(characters=True, shortest=1, longest=3, log_count_ratios=True),
}


class NgramModel:
    """Logistic regression on weighted, normalised counts of n-grams.

    The feature of an n-gram is `(1 + log(count)) * scale`, and each text's features have the norm 1. `scale` is the
    inverse document frequency. With log-count ratios it is 1, and the normalised features are multiplied by the ratios
    (Wang and Manning 2012); `weight` then holds the product of both.

    Args:
        view: What it sees of a text.
        ngrams: The number F of n-grams of its vocabulary.
        classes: Number of classes K.
    """

    def __init__(self, view: View, ngrams: int, classes: int):
        columns = 1 if classes == 2 else classes
        self.view, self.classes = view, classes
        self.ngrams = np.zeros(ngrams, np.int64)  # (F,): hashes in ascending order
        self.scale = np.zeros(ngrams, np.float32)  # (F,)
        self.weight = np.zeros((ngrams, columns), np.float32)  # (F, C)
        self.bias = np.zeros(columns, np.float32)  # (C,)

    @property
    def is_ordered(self) -> bool:
        """Whether the hashes are in ascending order, as a search for one of them needs."""
        return bool((np.diff(self.ngrams) > 0).all() and self.ngrams.min(initial=0) >= 0)

    def arrays(self) -> dict[str, np.ndarray]:
        """All that is saved, by name."""
        return {"ngrams": self.ngrams, "scale": self.scale, "weight": self.weight, "bias": self.bias}

    def features(self, found: NgramCounts) -> np.ndarray:
        """The values `(M,)` of the features, from the counts of n-grams of the vocabulary."""
        values = (1 + np.log(found.counts)) * self.scale[found.ngrams]  # (M,)
        squares = row_sums(values[:, None] ** 2, found.starts)  # (n, 1)
        norms = np.sqrt(np.maximum(squares[:, 0], TINY))
        features: np.ndarray = values / np.repeat(norms, np.diff(found.starts))
        return features

    def logits(self, texts: Sequence[str], documents: Sequence[np.ndarray]) -> np.ndarray:
        """The logits `(n, K)`.

        Args:
            texts: The texts.
            documents: The ids of their tokens.
        """
        parts = [np.zeros((0, self.classes), np.float32)]
        for i in range(0, len(texts), CHUNK):
            found = ngrams_of(self.view, texts[i : i + CHUNK], documents[i : i + CHUNK])
            parts.append(self.logits_of_counts(found.of(self.ngrams)))
        return np.concatenate(parts)

    def logits_of_counts(self, found: NgramCounts) -> np.ndarray:
        """The logits `(n, K)` of texts with these counts of n-grams of the vocabulary."""
        values = self.features(found)[:, None] * self.weight[found.ngrams]  # (M, C)
        return spread(row_sums(values, found.starts) + self.bias)

    def contributions(self, ids: np.ndarray, dz: np.ndarray) -> np.ndarray:
        """What each token or character of a text adds to `sum(dz * z)`, `(len(ids),)`.

        An n-gram's contribution is divided equally among its occurrences, and among their tokens that are not spaces.

        Args:
            ids: Those of the text, as `ngrams_of` reads them.
            dz: The gradient of the columns of its logits, `(C,)`.
        """
        view, of_ids = self.view, np.zeros(len(ids))
        space = SPACE if view.characters else None
        found = count_ngrams([ids], view.shortest, view.longest, space=space).of(self.ngrams)
        of_ngrams = np.zeros(len(self.ngrams))  # (F,)
        of_ngrams[found.ngrams] = self.features(found) * (self.weight[found.ngrams] @ dz) / found.counts
        own = np.asarray(ids != space, np.float64)  # (len(ids),)
        document = np.zeros(len(ids), np.int64)
        for n, starts, ngrams in ngrams_in(ids, document, view.shortest, view.longest, space=space):
            places = np.minimum(np.searchsorted(self.ngrams, ngrams), len(self.ngrams) - 1)
            share = np.where(self.ngrams[places] == ngrams, of_ngrams[places], 0)
            share = share / np.maximum(1, sum(own[starts + k] for k in range(n)))
            for k in range(n):
                np.add.at(of_ids, starts + k, share * own[starts + k])
        return of_ids


class LinearModel:
    """The models of some views, stacked: the logits are the sum of w_v * logits_v.

    Args:
        ngrams: The number of n-grams of the vocabulary of each view, by its name.
        classes: Number of classes K.
    """

    def __init__(self, ngrams: Mapping[str, int], classes: int):
        self.views = {name: NgramModel(VIEWS[name], number, classes) for name, number in ngrams.items()}
        self.weights = np.zeros(len(self.views))  # (V,)

    def arrays(self) -> dict[str, np.ndarray]:
        """All that is saved, by name."""
        arrays = {"weights": self.weights}
        for name, model in self.views.items():
            arrays |= {f"{name}.{of_model}": array for of_model, array in model.arrays().items()}
        return arrays

    def logits(self, texts: Sequence[str], documents: Sequence[np.ndarray]) -> np.ndarray:
        """The logits `(n, K)`.

        Args:
            texts: The texts.
            documents: The ids of their tokens.
        """
        models = zip(self.weights.tolist(), self.views.values(), strict=True)
        return np.sum([w * model.logits(texts, documents) for w, model in models], axis=0)

    def add_biases(self, biases: np.ndarray) -> None:
        """Adds to the logits of each class, `(K,)`, in the model with the largest weight, which must not be 0."""
        largest = int(self.weights.argmax())
        bias = list(self.views.values())[largest].bias  # (C,)
        bias += (biases if len(bias) > 1 else biases[1:] - biases[:1]) / self.weights[largest]  # see `spread`

    def contributions(
        self, texts: Sequence[str], tokenizer: Tokenizer, max_length: int, dlogits: np.ndarray
    ) -> list[list[Contribution]]:
        """What each token and each character of each text adds to `sum(dlogits * logits)`.

        Args:
            texts: The texts.
            tokenizer: The tokenizer of the model.
            max_length: The number of tokens that are read of a text.
            dlogits: The gradient of its logits, `(n, K)`.
        """
        columns = (dlogits[:, 1:] - dlogits[:, :1]) / 2 if dlogits.shape[1] == 2 else dlogits  # (n, C), see `spread`
        found: list[list[Contribution]] = []
        for text, dz in zip(texts, columns, strict=True):
            (ids,) = tokenizer.encode_batch([text], max_length)
            spans = tokenizer.spans(text, max_length)
            of_tokens, of_characters = np.zeros(len(ids)), np.zeros(len(text))
            for w, model in zip(self.weights.tolist(), self.views.values(), strict=True):
                if model.view.characters:
                    places = places_in(text)
                    if len(places):
                        np.add.at(of_characters, places, w * model.contributions(characters_of(text), dz))
                elif len(ids):
                    of_tokens += w * model.contributions(ids, dz)
            found.append(
                [Contribution(a, b, weight) for (a, b), weight in zip(spans.tolist(), of_tokens.tolist(), strict=True)]
            )
            found[-1] += [
                Contribution(k, k + 1, of_characters[k].item()) for k in np.flatnonzero(of_characters).tolist()
            ]
        return found


def ngrams_of(view: View, texts: Sequence[str], documents: Sequence[np.ndarray]) -> NgramCounts:
    """The n-grams that a view sees of texts, or of the ids of their tokens."""
    if view.characters:
        return count_ngrams(list(map(characters_of, texts)), view.shortest, view.longest, space=SPACE)
    return count_ngrams(documents, view.shortest, view.longest)


def spread(z: np.ndarray) -> np.ndarray:
    """Logits `(n, K)` from `(n, C)`: for two classes these are the log-odds of the second."""
    return np.concatenate([-z / 2, z / 2], axis=1) if z.shape[1] == 1 else z


def row_sums(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The sums of the rows of a sparse matrix: from `(M, C)` to `(n, C)`; 0 for an empty row."""
    sums = np.zeros((len(starts) - 1, values.shape[1]), values.dtype)
    filled = np.flatnonzero(np.diff(starts))
    if len(filled):
        sums[filled] = np.add.reduceat(values, starts[filled])
    return sums


def characters_of(text: str) -> np.ndarray:
    """The code points of a text in lower case, with one space between words and at both ends."""
    return code_points(f" {' '.join(text.lower().split())} ", "surrogatepass")


def places_in(text: str) -> np.ndarray:
    """The place in a text of each of its `characters_of`. A space has that of a neighbour."""
    lowered = [place for place, character in enumerate(text) for _ in character.lower()]
    places: list[int] = []
    for word in re.finditer(r"\S+", text.lower()):
        places += [word.start(), *range(word.start(), word.end())]
    last = places[-1:] or [0, 0]  # also of the space at the end
    return np.array([lowered[place] for place in places + last] if lowered else [], np.int64)
