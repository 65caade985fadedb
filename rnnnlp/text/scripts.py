"""Which script a text is written in."""

import unicodedata
from collections import Counter

_NAMES = {"cjk": "han", "hiragana": "kana", "katakana": "kana"}  # of the first word of a character's Unicode name


def main_script(text: str) -> str | None:
    """The script of most letters of a text, such as "latin", "han" or "thai"; None if it has no letters."""
    letters = Counter(character for character in text if character.isalpha())
    scripts: Counter[str] = Counter()
    for letter, number in letters.items():
        first = unicodedata.name(letter, "unknown").split()[0].lower()
        scripts[_NAMES.get(first, first)] += number
    return scripts.most_common(1)[0][0] if scripts else None
