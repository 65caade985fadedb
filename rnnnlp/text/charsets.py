"""Which encoding bytes may have that are not UTF-8. What is read is never changed by a guess: it is proposed."""

import codecs
import re
from collections.abc import Callable

MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark is its beginning
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
SAMPLE = 1 << 16  # bytes that are looked at
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\v\f\r\x1b")
_ENOUGH = 0.8  # of the characters outside ASCII must be usual ones
_MANY = 20  # bytes outside ASCII: enough for a smaller fraction of them to be telling
_SURE = 8  # the least number of pairs from which Korean can be told
_PAIRS = re.compile(rb"[\x81-\xfe][\x30-\xfe]")
_IsUsual = Callable[[int, int], bool]

# The larger encoding, mostly a code page of Windows, that a file often has if it is said to be in a standard one.
_LARGER = {
    "big5": "cp950",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "tis-620": "cp874",
}

# Which pairs of bytes are usual characters. The first level of each set has the characters of everyday text.
_PAIRED: dict[str, _IsUsual] = {
    "cp949": lambda a, b: 0xB0 <= a <= 0xC8 and b >= 0xA1,
    "euc_jp": lambda a, b: (a in (0xA1, 0xA4, 0xA5) or 0xB0 <= a <= 0xCF) and b >= 0xA1,
    "gb18030": lambda a, b: (a in (0xA1, 0xA3) or 0xB0 <= a <= 0xD7) and b >= 0xA1,
    "cp950": lambda a, b: 0xA1 <= a <= 0xC6 and (0x40 <= b <= 0x7E or b >= 0xA1),
    "cp932": lambda a, b: a in (0x81, 0x82, 0x83) or 0x88 <= a <= 0x97,
}
_KANA = {"euc_jp": (0xA4, 0xA5), "cp932": (0x82, 0x83)}  # no Japanese text is without


def marked_encoding(head: bytes) -> str | None:
    """The encoding that the byte order mark at the start names."""
    if not head.startswith(tuple(MARKS)):
        return None
    return next((encoding for mark, encoding in MARKS.items() if head.startswith(mark)), None)


def unmarked_utf16(head: bytes, least: float = 0.5) -> str | None:
    """UTF-16 without a mark: every other byte is often zero, at `least` this fraction, and the others never are."""
    head = head[: len(head) & ~1][:SAMPLE]
    sides = head[::2], head[1::2]
    for side, other, encoding in ((sides[1], sides[0], "utf-16-le"), (sides[0], sides[1], "utf-16-be")):
        if len(side) >= 4 and side.count(0) >= least * len(side) and not other.count(0):
            try:
                text = codecs.getincrementaldecoder(encoding)().decode(head)
            except UnicodeDecodeError:
                continue
            if not _controls(text.encode("utf-8", "replace")):
                return encoding
    return None


def is_binary(sample: bytes) -> bool:
    """Whether a sample that is not UTF-8 is not text in any encoding."""
    return sample.count(0) > 0 or _controls(sample) > 0.02 * len(sample)


def is_mostly_controls(sample: bytes) -> bool:
    """Whether a sample is not text although it is UTF-8: more than a tenth of it are control characters."""
    return _controls(sample) > max(8, 0.1 * len(sample))


def _controls(sample: bytes) -> int:
    return len(sample) - len(sample.translate(None, _CONTROLS))


def likely_encoding(sample: bytes) -> str | None:
    """The encoding that a sample of text which is not UTF-8 may have; None if nothing fits well."""
    sample = sample[:SAMPLE]
    best = max(_PAIRED, key=lambda encoding: _usual_pairs(sample, encoding))
    if _usual_pairs(sample, best) >= _ENOUGH:
        return best
    outside = [byte for byte in sample if byte >= 0x80]
    letters = sum(chr(byte).isalpha() for byte in sample if byte < 0x80) + len(outside)
    if len(outside) > (0.2 if len(outside) > _MANY else 0.4) * letters:  # of Western text it is less
        lower = {"cp1251": range(0xE0, 0x100), "koi8_r": range(0xC0, 0xE0)}
        best = max(lower, key=lambda encoding: sum(byte in lower[encoding] for byte in outside))
        usual = sum(byte in lower[best] for byte in outside)
        return best if usual >= 0.75 * len(outside) else None
    return "cp1252" if _decodes(sample, "cp1252") else None


def larger_encoding(encoding: str, sample: bytes) -> str | None:
    """The larger encoding that a sample may have which is not valid in the named one; None if there is none."""
    larger = _LARGER.get(codecs.lookup(encoding).name)
    return larger if larger and _decodes(sample[:SAMPLE], larger) else None


def _usual_pairs(sample: bytes, encoding: str) -> float:
    """The fraction of the bytes outside ASCII that are, in an encoding of two bytes, usual characters."""
    if not _decodes(sample, encoding):
        return 0
    is_usual = _PAIRED[encoding]
    pairs = [(pair[0], pair[1]) for pair in _PAIRS.findall(sample)]
    if encoding == "cp949" and len(pairs) < _SURE:  # Chinese also has these pairs, and soon others
        return 0
    if encoding in _KANA and sum(lead in _KANA[encoding] for lead, _ in pairs) < 0.1 * len(pairs):
        return 0
    alone = sum(byte >= 0x80 for byte in _PAIRS.sub(b"", sample))
    return sum(is_usual(*pair) for pair in pairs) / max(len(pairs) + alone, 1)


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True
