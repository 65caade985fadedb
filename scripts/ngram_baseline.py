"""Measures an interpolated character n-gram model on a text: the baseline for a character language model.

    python scripts/ngram_baseline.py --data shakespeare.txt --order 4

Text and splits are those of `rnnnlp train charlm --tokenizer char`. Without a validation split, the last tenth of the
text is held out. The model is that of Witten and Bell (1991): the more different characters have followed a context,
the more weight the shorter context gets. The script also prints how small bzip2 and xz make the validation split alone,
and the whole text.
"""

import argparse
import bz2
import lzma
import math
import sys
from collections import Counter
from collections.abc import Sequence

from rnnnlp.cli.main import reported
from rnnnlp.errors import UserError, option

SPLITS = ("train", "validation")
UNSEEN = "\ufffd"


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--data", required=True, help="the text: as for rnnnlp train charlm")
    parser.add_argument(
        "--order", type=int, default=5, metavar="N", help="n, which includes the predicted character (default: 5)"
    )
    given = parser.parse_args(words)
    return reported(lambda: measure(given.data, given.order))


def measure(data: str, order: int) -> None:
    """Prints the figures of a text."""
    if order < 1:
        raise UserError(f"{option('order')} is {order}; it must be at least 1")
    train, validation = texts(data)
    model = WittenBell(train, order)
    nats = model.nats_per_char(validation)
    print(f"{len(train)} training and {len(validation)} validation characters, {len(model.alphabet)} unique")
    print(f"Witten-Bell, order {order}: {nats:.4f} nats, {nats / math.log(2):.4f} bits per character")
    for name, compress in (("bzip2 -9", bz2.compress), ("xz -9", lambda data: lzma.compress(data, preset=9))):
        alone, whole = (8 * len(compress(text.encode())) / len(text) for text in (validation, train + validation))
        print(f"{name}: {alone:.3f} bits per character for the validation split alone, {whole:.3f} for the whole text")


def texts(spec: str) -> tuple[str, str]:
    """The training and the validation text of `spec`, with U+FFFD for each unseen character."""
    from rnnnlp.text import encode_corpus, load_corpus

    encoded = encode_corpus(load_corpus(spec), "char", splits=SPLITS)
    tokenizer = encoded.tokenizer
    characters = [UNSEEN if k == tokenizer.unknown_id else tokenizer.decode([k]) for k in range(tokenizer.vocab_size)]
    train, validation = ("".join(characters[k] for k in encoded.ids[split].tolist()) for split in SPLITS)
    return train, validation


class WittenBell:
    """The n-gram model of Witten and Bell (1991).

    p(c | context) = (count(context c) + followers(context) * p(c | shorter)) / (count(context) + followers(context)),
    where followers(context) is the number of different characters that have followed the context.

    Args:
        text: What to train on.
        order: n, the length of a context plus the predicted character.
    """

    def __init__(self, text: str, order: int):
        self.order, self.alphabet = order, set(text)
        self.counts: list[Counter[str]] = []  # of each string of 1, 2, ... characters
        self.contexts: list[Counter[str]] = []  # of each string of 0, 1, ... characters that another one follows
        self.followers: list[Counter[str]] = []  # the number of different characters that follow it
        for n in range(1, order + 1):
            counts = Counter(text[i : i + n] for i in range(len(text) - n + 1))
            contexts: Counter[str] = Counter()
            for string, count in counts.items():
                contexts[string[:-1]] += count
            self.counts.append(counts)
            self.contexts.append(contexts)
            self.followers.append(Counter(string[:-1] for string in counts))

    def probability(self, context: str, character: str) -> float:
        """The probability of a character after a context."""
        p = 1 / (len(self.alphabet) + 1)  # all unseen characters count as one
        for n in range(min(len(context), self.order - 1) + 1):
            end = context[len(context) - n :]
            if end not in self.contexts[n]:
                break
            followers = self.followers[n][end]
            p = (self.counts[n][end + character] + followers * p) / (self.contexts[n][end] + followers)
        return p

    def nats_per_char(self, text: str) -> float:
        """The loss on a text."""
        known: Counter[str] = Counter(text[max(0, i + 1 - self.order) : i + 1] for i in range(len(text)))
        return -sum(n * math.log(self.probability(s[:-1], s[-1])) for s, n in known.items()) / len(text)


if __name__ == "__main__":
    sys.exit(main())
