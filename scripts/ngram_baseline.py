"""What an interpolated n-gram model of the characters reaches on a text: the figure that a network has to beat.

    python scripts/ngram_baseline.py --data shakespeare.txt --order 4

Text and splits are those of `rnnnlp train charlm --tokenizer char`: without a validation split, the last tenth is held
out. The model is Witten and Bell's (1991): the more different characters have followed a context, the more a shorter
context counts. `--order` characters are looked at at most, the predicted one among them. Beside it stand what bzip2 and
xz make of the validation split alone, and of the whole text.
"""

import argparse
import bz2
import lzma
import math
import sys
from collections import Counter
from collections.abc import Sequence

from rnnnlp.cli.main import fail
from rnnnlp.errors import UserError

SPLITS = ("train", "validation")


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--data", required=True, help="what to measure on, as for rnnnlp train charlm")
    parser.add_argument("--order", type=int, default=5, help="characters, with the predicted one (default: 5)")
    given = parser.parse_args(words)
    try:
        if given.order < 1:
            raise UserError(f"--order is {given.order}; it must be at least 1")
        train, validation = texts(given.data)
        model = WittenBell(train, given.order)
        nats = model.nats_per_char(validation)
    except UserError as error:
        return fail(str(error))
    except KeyboardInterrupt:
        return 130
    print(f"{len(train)} characters to train on, {len(validation)} to validate, {len(model.alphabet)} different ones")
    print(f"Witten-Bell, order {given.order}: {nats:.4f} nats, {nats / math.log(2):.4f} bits per character")
    for name, compress in (("bzip2 -9", bz2.compress), ("xz -9", lambda data: lzma.compress(data, preset=9))):
        alone, whole = (8 * len(compress(text.encode())) / len(text) for text in (validation, train + validation))
        print(f"{name}: {alone:.3f} bits per character of validation alone, {whole:.3f} of the whole text")
    return 0


def texts(spec: str) -> tuple[str, str]:
    """The training and the validation text of `spec`."""
    from rnnnlp.text import encode_corpus, load_corpus

    encoded = encode_corpus(load_corpus(spec), "char", splits=SPLITS)
    train, validation = (encoded.tokenizer.decode(encoded.ids[split]) for split in SPLITS)
    return train, validation


class WittenBell:
    """p(c | context) = (count(context c) + kinds(context) * p(c | shorter)) / (count(context) + kinds(context))."""

    def __init__(self, text: str, order: int):
        self.order, self.alphabet = order, set(text)
        self.counts: list[Counter[str]] = []  # of the strings of 1, 2, ... characters
        self.contexts: list[Counter[str]] = []  # how often a string of 0, 1, ... characters was followed by one
        self.kinds: list[Counter[str]] = []  # and by how many different ones
        for n in range(1, order + 1):
            counts = Counter(text[i : i + n] for i in range(len(text) - n + 1))
            contexts: Counter[str] = Counter()
            for string, count in counts.items():
                contexts[string[:-1]] += count
            self.counts.append(counts)
            self.contexts.append(contexts)
            self.kinds.append(Counter(string[:-1] for string in counts))

    def probability(self, context: str, character: str) -> float:
        p = 1 / (len(self.alphabet) + 1)  # all that were never seen are one more
        for n in range(min(len(context), self.order - 1) + 1):
            shown = context[len(context) - n :]
            if shown not in self.contexts[n]:
                break
            kinds = self.kinds[n][shown]
            p = (self.counts[n][shown + character] + kinds * p) / (self.contexts[n][shown] + kinds)
        return p

    def nats_per_char(self, text: str) -> float:
        known: Counter[str] = Counter(text[max(0, i + 1 - self.order) : i + 1] for i in range(len(text)))
        return -sum(n * math.log(self.probability(s[:-1], s[-1])) for s, n in known.items()) / len(text)


if __name__ == "__main__":
    sys.exit(main())
