"""Prints the section of a version of CHANGELOG.md: the text of its release.

It fails if a file that names the version has another one, or the changelog has no section for it or changes that are
not released.

    python scripts/release_notes.py 0.3.0
"""

import argparse
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSIONS = {  # where each file names the version
    "pyproject.toml": r'^version = "(.*)"$',
    "rnnnlp/version.py": r'^__version__ = "(.*)"$',
    "CITATION.cff": r"^version: (.*)$",
}


def versions() -> dict[str, str]:
    """The version that each file names."""
    return {
        name: re.findall(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)[0]
        for name, pattern in VERSIONS.items()
    }


def notes(version: str, changelog: str, named: dict[str, str]) -> str:
    """The section of a version.

    Args:
        version: Such as "0.3.0".
        changelog: The content of CHANGELOG.md.
        named: The version that each file names.

    Raises:
        SystemExit: If one of them is not ready for a release of that version.
    """
    for name, other in named.items():
        if other != version:
            raise SystemExit(f"{name} has version {other}, and the tag is of {version}; change one of them")
    sections = dict(re.findall(r"^## (\S+).*\n((?:(?!## ).*\n?)*)", changelog, re.MULTILINE))
    if sections.get("Unreleased", "").strip():
        raise SystemExit(f"CHANGELOG.md has changes under Unreleased; move them under {version}")
    if re.search(rf"^## {re.escape(version)} .*unreleased", changelog, re.MULTILINE):
        raise SystemExit(f"CHANGELOG.md calls {version} unreleased; write the date of the release")
    if not (text := sections.get(version, "").strip()):
        raise SystemExit(f"CHANGELOG.md has no section {version}; write what changed for users")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version")
    print(notes(parser.parse_args().version, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), versions()))


if __name__ == "__main__":
    main()
