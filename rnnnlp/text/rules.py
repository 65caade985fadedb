"""How texts are split into words and subwords, and normalized before that: the patterns in a `tokenizer.json`."""

from typing import Any

from rnnnlp.errors import UserError
from rnnnlp.text.scripts import ALPHABETIC, FOLLOWING, IDEOGRAPHIC, JOINERS, SEPARATORS, STACKERS, character_class

# Only the names of HTML elements, because reviews also have <sigh> and <3. No pattern matches across a line end, so
# encoding line by line gives the same ids as encoding at once.
_HTML_ELEMENTS = (
    "a|abbr|b|big|blockquote|body|br|center|cite|code|dd|del|div|dl|dt|em|font|h[1-6]|head|hr|html|i|img|ins|li|ol|p|pre|q|"
    "s|script|small|span|strike|strong|style|sub|sup|table|tbody|td|th|thead|tr|tt|u|ul"
)
_BLANK = r"[^\S\n]"  # a white space that ends no line
_HTML_REPLACEMENTS = (  # letters of both cases are meant
    (rf"</?(?:{_HTML_ELEMENTS})(?:{_BLANK}[^<>\n]*)?/?>|<!--[^<>\n]*-->", " "),
    (r"&(?:nbsp|#160|#xa0);", " "),
    (r"&(?:quot|#34|#x22);", '"'),
    (r"&(?:apos|#0?39|#x27);", "'"),
    (r"&(?:lt|#60|#x3c);", "<"),
    (r"&(?:gt|#62|#x3e);", ">"),
    (r"&(?:amp|#38|#x26);", "&"),  # last, or &amp;lt; would become <
)
NORMALIZERS: dict[str | None, tuple[tuple[str, str], ...]] = {None: (), "html": _HTML_REPLACEMENTS}

# Rules that split a text into words. A tokenizer keeps the rules that it was trained with. Rules that saved tokenizers
# have are never changed: new ones are added at the end. Since rules 3 they are written so that the library in
# JavaScript, @huggingface/tokenizers, takes them too: without `&&`, and with `(?i:...)` in place of `(?i)...`.

PORTABLE = 3  # the first rules that the library in JavaScript takes; they give the same ids as those before
WITHIN_LINES = 4  # the first rules whose tags end in their line; before, the name of an element could end it


def _split_words(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Removed", "invert": True}


def _split_lines_and_words(*of_words: dict[str, Any], use_regex: bool) -> dict[str, Any]:
    lines = {"type": "Split", "pattern": {"String": "\n"}, "behavior": "MergedWithPrevious", "invert": False}
    of_bytes = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": use_regex}
    return {"type": "Sequence", "pretokenizers": [lines, *of_words, of_bytes]}


def _old_word_pattern() -> str:
    """Until version 0.2: only Chinese and Japanese are without spaces."""
    unspaced = r"\p{Han}\p{Hiragana}\p{Katakana}"
    word = rf"[\w&&[^{unspaced}]]+"
    return rf"[{unspaced}]|{word}(?:['’]{word})*|([^\w\s])\1{{0,2}}"


def _word_pattern(*, intersections: bool = False) -> str:
    """Grapheme clusters of scripts without spaces between words; words of others; up to three equal signs.

    A cluster is a letter with the marks and the stacked letters that follow it. A word may have apostrophes and other
    marks inside. The marks that separate Tibetan syllables, and spaces without width, are not signs.

    Args:
        intersections: Write words with `&&`, as rules 2 do; what matches is the same.
    """
    unspaced = character_class(IDEOGRAPHIC | ALPHABETIC)
    cluster = rf"[{unspaced}](?:[{STACKERS}][{unspaced}]|[\p{{M}}{FOLLOWING}])*"
    letter = rf"[^\W{unspaced}]"
    word = rf"{letter}+(?:[{JOINERS}]+{letter}*)*"
    if intersections:
        word = rf"[\w&&[^{unspaced}]][\w{JOINERS}&&[^{unspaced}]]*"
    sign = rf"[^\w\s{JOINERS}{SEPARATORS}]\p{{M}}*"
    return rf"{cluster}|{word}(?:['’·׳״]{word})*|({sign})\1{{0,2}}"


# As in GPT-2 (Radford et al. 2019), but marks and joiners belong to the word or the sign before them.
_SUBWORD_PATTERN = (
    rf"'(?:[stmd]|re|ve|ll)| ?[\p{{L}}\p{{M}}][\p{{L}}\p{{M}}{JOINERS}]*| ?\p{{N}}+"
    r"| ?[^\s\p{L}\p{M}\p{N}][^\s\p{L}\p{N}]*|\s+(?!\S)|\s+"
)
_EACH_SUBWORD = {"type": "Split", "pattern": {"Regex": _SUBWORD_PATTERN}, "behavior": "Isolated", "invert": False}

WORD_RULES = (
    _split_words(_old_word_pattern()),
    _split_words(_word_pattern(intersections=True)),
    _split_words(_word_pattern()),
    _split_words(_word_pattern()),  # as before, and so below: the normalizer is another
)
BPE_RULES = (
    _split_lines_and_words(use_regex=True),
    _split_lines_and_words(_EACH_SUBWORD, use_regex=False),
    _split_lines_and_words(_EACH_SUBWORD, use_regex=False),  # as before; the normalizer is written differently
    _split_lines_and_words(_EACH_SUBWORD, use_regex=False),
)


def normalizer_json(name: str | None, lowercase: bool, rules: int) -> dict[str, Any] | None:
    """The normalizer in the file of a tokenizer.

    Args:
        name: One of `NORMALIZERS`.
        lowercase: Whether letters are read in lower case.
        rules: Those of the tokenizer, counted from 1.

    Raises:
        UserError: If there is no normalizer of that name.
    """
    if name not in NORMALIZERS:
        raise UserError(f"normalizer is {name!r}; it must be one of {', '.join(map(repr, NORMALIZERS))}")
    in_both_cases = "(?i){}" if rules < PORTABLE else "(?i:{})"
    blank = r"\s" if rules < WITHIN_LINES else _BLANK
    replacements = [(in_both_cases.format(p.replace(_BLANK, blank)), content) for p, content in NORMALIZERS[name]]
    steps: list[dict[str, Any]] = [
        {"type": "Replace", "pattern": {"Regex": pattern}, "content": content} for pattern, content in replacements
    ]
    if lowercase:
        steps.append({"type": "Lowercase"})
    return {"type": "Sequence", "normalizers": steps} if steps else None
