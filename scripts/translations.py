"""Tells which translations are older than their originals.

    python scripts/translations.py                                        # exit code 1 if one is
    python scripts/translations.py --accept docs/zh-TW/quickstart.md      # after you have brought it up to date

A translation begins with the comment `<!-- translation of ORIGINAL, DIGEST -->`. The digest is that of the text of the
original when it was translated. Tables that are rendered from results do not count. To translate a new page, write the
comment without a digest, and accept the page.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMENT = re.compile(r"\A<!-- translation of (\S+?)(?:, ([0-9a-f]{16}))? -->\n")
RENDERED = re.compile(r"(<!-- results:[\w-]+ -->\n).*?(<!-- /results -->)", re.DOTALL)


def translations(root: Path) -> dict[Path, tuple[Path, str | None]]:
    """The original of each translation, and the digest that the translation was made from."""
    found = {}
    for path in sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")]):
        if match := COMMENT.match(path.read_text(encoding="utf-8")):
            found[path] = (root / match[1], match[2])
    return found


def digest(original: Path) -> str:
    """16 hexadecimal figures that change with the text of a page."""
    text = RENDERED.sub(r"\1\2", original.read_text(encoding="utf-8"))
    return sha256("\n".join(line.rstrip() for line in text.strip().splitlines()).encode()).hexdigest()[:16]


def stale(root: Path) -> dict[Path, Path]:
    """The original of each translation that is older than it."""
    return {path: original for path, (original, made_of) in translations(root).items() if digest(original) != made_of}


def accept(path: Path, root: Path) -> None:
    """Records that a translation says what its original says now."""
    text = path.read_text(encoding="utf-8")
    if not (match := COMMENT.match(text)):
        raise ValueError(f"{path} does not begin with <!-- translation of ORIGINAL -->; write that line first")
    comment = f"<!-- translation of {match[1]}, {digest(root / match[1])} -->\n"
    path.write_text(comment + text[match.end() :], encoding="utf-8")


def main(words: Sequence[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accept", nargs="+", type=Path, default=[], metavar="PAGE", help="pages that are up to date")
    try:
        for path in parser.parse_args(words).accept:
            accept(path, root)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    old = stale(root)
    for path, original in old.items():
        name = path.relative_to(root)
        print(f"{name} is older than {original.relative_to(root)}; translate what has changed, then --accept {name}")
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main())
