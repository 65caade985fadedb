"""Which scripts texts are written in, and which tokenizers suit them."""

import string
import unicodedata
from collections import Counter
from collections.abc import Container, Sequence
from functools import cache
from itertools import islice

import numpy as np

from rnnnlp.text.characters import CODE_POINTS, code_points

Ranges = tuple[tuple[int, int], ...]  # the first and the last code point of each range

# Letters and marks of the scripts that are written without spaces between words. The patterns in rules.py, which are
# part of saved tokenizers, are made of them: a change here needs a new pattern there.
IDEOGRAPHIC: dict[str, Ranges] = {  # a character is a word or a syllable
    "han": (
        *((0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3021, 0x3029), (0x3038, 0x303C), (0x3400, 0x4DBF), (0x4E00, 0x9FFF)),
        *((0xF900, 0xFAFF), (0x16FE2, 0x16FE3), (0x16FF0, 0x16FF1), (0x20000, 0x3FFFD)),
    ),
    "kana": (  # hiragana and katakana, with their marks of length and repetition
        *((0x3031, 0x3035), (0x3041, 0x3096), (0x309D, 0x309F), (0x30A1, 0x30FA), (0x30FC, 0x30FF), (0x31F0, 0x31FF)),
        *((0xFF66, 0xFF9D), (0x1AFF0, 0x1B16F)),
    ),
    "bopomofo": ((0x2EA, 0x2EB), (0x3105, 0x312F), (0x31A0, 0x31BF)),
    "yi": ((0xA000, 0xA48C),),
    "tangut": ((0x16FE0, 0x16FE0), (0x17000, 0x18AFF), (0x18D00, 0x18D7F)),
    "nushu": ((0x16FE1, 0x16FE1), (0x1B170, 0x1B2FB)),
    "khitan": ((0x16FE4, 0x16FE4), (0x18B00, 0x18CFF)),
}
ALPHABETIC: dict[str, Ranges] = {  # a letter is not a word: a syllable has several
    "thai": ((0xE01, 0xE3A), (0xE40, 0xE4E)),
    "lao": ((0xE81, 0xEBD), (0xEC0, 0xECE), (0xEDC, 0xEDF)),
    "myanmar": (
        *((0x1000, 0x103F), (0x1050, 0x108F), (0x109A, 0x109D), (0xA9E0, 0xA9EF), (0xA9FA, 0xA9FE)),
        *((0xAA60, 0xAA76), (0xAA7A, 0xAA7F), (0x116D0, 0x116E3)),
    ),
    "khmer": ((0x1780, 0x17D3), (0x17D7, 0x17D7), (0x17DC, 0x17DD)),
    "tai_le": ((0x1950, 0x1974),),
    "new_tai_lue": ((0x1980, 0x19C9),),
    "tai_tham": ((0x1A20, 0x1A7F), (0x1AA7, 0x1AA7)),
    "tai_viet": ((0xAA80, 0xAADD),),
    "ahom": ((0x11700, 0x1172B), (0x11740, 0x11746)),
    "buginese": ((0x1A00, 0x1A1B),),
    "balinese": ((0x1B00, 0x1B4C),),
    "batak": ((0x1BC0, 0x1BF3),),
    "javanese": ((0xA980, 0xA9C0), (0xA9CF, 0xA9CF)),
    "cham": ((0xAA00, 0xAA4D),),
    "makasar": ((0x11EE0, 0x11EF6),),
    "kawi": ((0x11F00, 0x11F42),),
}
SYLLABIC: dict[str, Ranges] = {"tibetan": ((0xF00, 0xF00), (0xF40, 0xFBC))}  # a mark separates syllables
UNSPACED = {**IDEOGRAPHIC, **ALPHABETIC, **SYLLABIC}
SPACED: dict[str, Ranges] = {
    "latin": (
        *((0x41, 0x5A), (0x61, 0x7A), (0xAA, 0xAA), (0xBA, 0xBA), (0xC0, 0xD6), (0xD8, 0xF6), (0xF8, 0x2B8)),
        *((0x1D00, 0x1D25), (0x1E00, 0x1EFF), (0x2C60, 0x2C7F), (0xA722, 0xA7FF), (0xAB30, 0xAB64), (0xFB00, 0xFB06)),
        *((0xFF21, 0xFF3A), (0xFF41, 0xFF5A)),
    ),
    "greek": ((0x370, 0x373), (0x376, 0x377), (0x37B, 0x37D), (0x386, 0x386), (0x388, 0x3FF), (0x1F00, 0x1FFC)),
    "cyrillic": ((0x400, 0x481), (0x48A, 0x52F), (0x1C80, 0x1C8A), (0xA640, 0xA66E), (0xA680, 0xA69D)),
    "armenian": ((0x531, 0x556), (0x560, 0x588), (0xFB13, 0xFB17)),
    "hebrew": ((0x5D0, 0x5EA), (0x5EF, 0x5F2), (0xFB1D, 0xFB4F)),
    "arabic": (
        *((0x620, 0x64A), (0x66E, 0x6D3), (0x6D5, 0x6D5), (0x6EE, 0x6EF), (0x6FA, 0x6FC), (0x750, 0x77F)),
        *((0x870, 0x8C9), (0xFB50, 0xFDFB), (0xFE70, 0xFEFC)),
    ),
    "syriac": ((0x710, 0x74F), (0x860, 0x86A)),
    "thaana": ((0x780, 0x7B1),),
    "devanagari": ((0x900, 0x963), (0x971, 0x97F), (0xA8E0, 0xA8F1)),
    "bengali": ((0x980, 0x9E3), (0x9F0, 0x9F1)),
    "gurmukhi": ((0xA01, 0xA5E), (0xA70, 0xA75)),
    "gujarati": ((0xA81, 0xAE3), (0xAF9, 0xAFF)),
    "odia": ((0xB01, 0xB63), (0xB71, 0xB71)),
    "tamil": ((0xB82, 0xBD7),),
    "telugu": ((0xC00, 0xC63),),
    "kannada": ((0xC80, 0xCE3),),
    "malayalam": ((0xD00, 0xD63), (0xD7A, 0xD7F)),
    "sinhala": ((0xD81, 0xDDF),),
    "georgian": ((0x10A0, 0x10FF), (0x1C90, 0x1CBF), (0x2D00, 0x2D2D)),
    "hangul": (
        *((0x1100, 0x11FF), (0x3131, 0x318E), (0xA960, 0xA97C), (0xAC00, 0xD7A3), (0xD7B0, 0xD7FB), (0xFFA0, 0xFFDC)),
    ),
    "ethiopic": ((0x1200, 0x135F), (0x1380, 0x138F), (0x2D80, 0x2DDE), (0xAB01, 0xAB2E)),
    "cherokee": ((0x13A0, 0x13FD), (0xAB70, 0xABBF)),
    "canadian": ((0x1400, 0x167F), (0x18B0, 0x18F5)),
    "mongolian": ((0x1820, 0x18AA),),
}
_SCRIPTS = (*UNSPACED, *SPACED)

# Grapheme clusters: a letter, and what must stay with it.
STACKERS = "\u1039\u17d2\u1a60\u1b44\ua9c0\U00011f42"  # the letter after one is written below the letter before it
FOLLOWING = "\u0e33\u0eb3\uff9e\uff9f\u200c\u200d"  # like marks, though they are none by their category
JOINERS = "\u200c\u200d"  # the zero-width joiner and non-joiner inside of words
SEPARATORS = "\u200b\u0f0b\u0f0c"  # between words or syllables: a space without width, the tsheg

_KANA = 0.2  # for each Chinese character: a text with more kana is Japanese
_IDEOGRAPH = 3  # letters that say about as much as one Chinese character
_SOME = 0.1  # of all letters: a smaller share of a script changes nothing
_SAMPLE_TEXTS, _SAMPLE_CHARACTERS = 1000, 200_000
_RUNNING_WORDS, _FEWEST_WORDS = 5000, 500
_ONCE = 0.38  # of 5000 running words
_PUNCTUATION = string.punctuation + "«»„“”‘’…–—।،؟"


def character_class(scripts: dict[str, Ranges]) -> str:
    """The characters of some scripts, as in a character class of a regular expression."""
    both = [(chr(first), chr(last)) for ranges in scripts.values() for first, last in ranges]
    return "".join(first if first == last else f"{first}-{last}" for first, last in both)


def begins_cluster(text: str, position: int) -> bool:
    """Whether a grapheme cluster begins at a position: the text may be cut there without taking a letter apart."""
    if position <= 0 or position >= len(text):
        return True
    character, before = text[position], text[position - 1]
    if unicodedata.category(character).startswith("M") or character in FOLLOWING:
        return before.isspace()
    return not ((before == "\u200d" and not character.isspace()) or (before in STACKERS and character.isalpha()))


def script_shares(texts: Sequence[str]) -> dict[str, float]:
    """The share of each script in the letters of a sample of texts, the largest first.

    Scripts that do not occur are left out. The Chinese characters of Japanese texts count as kana.
    """
    return _shares(texts, han=1)


def main_script(text: str) -> str | None:
    """The script that most of a text is written in, such as "latin", "han" or "thai"; None if it has no letters.

    A Chinese character counts as much as three letters. Japanese is "kana", Korean is "hangul".
    """
    return next(iter(_shares([text], han=_IDEOGRAPH)), None)


def _shares(texts: Sequence[str], han: int) -> dict[str, float]:
    """As `script_shares`; a Chinese character counts as `han` letters."""
    points = code_points("".join(_sample(texts)), "surrogatepass")
    counts = np.bincount(_script_table()[points], minlength=1 + len(_SCRIPTS))[1:]
    letters = dict(zip(_SCRIPTS, counts.tolist(), strict=True))
    if letters["kana"] > _KANA * letters["han"]:
        letters["kana"] += letters.pop("han")
        letters["kana"] *= han
    else:
        letters["han"] *= han
    total = sum(letters.values())
    found = sorted((name for name, count in letters.items() if count), key=lambda name: -letters[name])
    return {name: letters[name] / total for name in found}


def is_unspaced(texts: Sequence[str]) -> bool:
    """Whether most letters of texts are of scripts without spaces between words, such as Chinese or Thai."""
    return _share_of(UNSPACED, script_shares(texts)) > 0.5


def suggested_tokenizers(texts: Sequence[str]) -> tuple[str, ...]:
    """The kinds of tokenizers that suit texts, the likeliest first.

    It is one where the scripts of the texts decide. There are several where only a measurement can tell:

    - scripts without spaces whose letters are not words, such as Thai
    - texts of mixed scripts
    - Korean, and languages whose words have many forms, such as Turkish and Finnish
    """
    shares = script_shares(texts)
    unspaced = _share_of(UNSPACED, shares)
    if _share_of(ALPHABETIC, shares) > _SOME:
        return ("char", "bpe", "word")
    if unspaced >= 1 - _SOME:
        return ("word",)
    plain = unspaced <= _SOME and shares.get("hangul", 0) <= _SOME and not _has_many_forms(texts)
    return ("word",) if plain else ("word", "char", "bpe")


def _has_many_forms(texts: Sequence[str]) -> bool:
    """Whether more of the running words occur only once than in languages whose words have few forms.

    Of 5000 running words, 20 to 30 % occur once in English, 35 % in German, 45 to 50 % in Turkish, Finnish and Tamil.
    """
    tokens = (token.strip(_PUNCTUATION) for text in _sample(texts) for token in text.casefold().split())
    running = list(islice((token for token in tokens if token[:1].isalpha()), _RUNNING_WORDS))
    if len(running) < _FEWEST_WORDS:
        return False
    once = sum(count == 1 for count in Counter(running).values())
    return once / len(running) > _ONCE * (_RUNNING_WORDS / len(running)) ** 0.2  # shorter texts repeat fewer words


def _sample(texts: Sequence[str]) -> list[str]:
    """The beginnings of some of the texts, evenly spread."""
    chosen = texts[:: max(1, -(-len(texts) // _SAMPLE_TEXTS))]
    characters = _SAMPLE_CHARACTERS // max(1, len(chosen))
    return [text[:characters] for text in chosen]


@cache
def _script_table() -> np.ndarray:
    """For each code point 1 + the index of its script in `_SCRIPTS`, or 0."""
    table = np.zeros(CODE_POINTS, np.uint8)  # unused pages of it cost no memory
    for i, ranges in enumerate((UNSPACED | SPACED).values()):
        for first, last in ranges:
            table[first : last + 1] = 1 + i
    return table


def _share_of(scripts: Container[str], shares: dict[str, float]) -> float:
    return sum(share for name, share in shares.items() if name in scripts)
