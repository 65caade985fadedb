"""Prints the section of a version of CHANGELOG.md: the text of its release.

It fails if pyproject.toml has another version, or the changelog has no section for it or changes that are not released.

    python scripts/release_notes.py 0.3.0
"""

import argparse
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def notes(version: str, changelog: str, project: str) -> str:
    """The section of a version.

    Args:
        version: Such as "0.3.0".
        changelog: The content of CHANGELOG.md.
        project: The content of pyproject.toml.

    Raises:
        SystemExit: If one of them is not ready for a release of that version.
    """
    packaged = tomllib.loads(project)["project"]["version"]
    if packaged != version:
        raise SystemExit(f"pyproject.toml has version {packaged}, and the tag is of {version}; change one of them")
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
    read = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("CHANGELOG.md", "pyproject.toml")}
    print(notes(parser.parse_args().version, read["CHANGELOG.md"], read["pyproject.toml"]))


if __name__ == "__main__":
    main()
