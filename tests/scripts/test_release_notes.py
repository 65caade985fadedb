"""A release has the version of its tag, and the changes of that version as its text."""

from pathlib import Path

import pytest
from release_notes import notes, versions

from rnnnlp import __version__

NAMED = {"pyproject.toml": "0.3.0", "CITATION.cff": "0.3.0"}
CHANGELOG = "# Changelog\n\n## 0.3.0 (2026-12-01)\n\n### Install\n\n- Wheels.\n\n## 0.2.0\n\n- Cells.\n"


def test_the_section_of_a_version_is_found():
    assert notes("0.3.0", CHANGELOG, NAMED) == "### Install\n\n- Wheels."


@pytest.mark.parametrize(
    ("version", "changelog", "message"),
    [
        ("0.3.1", CHANGELOG, "pyproject.toml has version 0.3.0"),
        ("0.3.0", CHANGELOG.replace("0.3.0", "0.2.9"), "has no section 0.3.0"),
        ("0.3.0", CHANGELOG.replace("- Wheels.", "").replace("### Install", ""), "has no section 0.3.0"),
        ("0.3.0", CHANGELOG.replace("# Changelog\n", "# Changelog\n\n## Unreleased\n\n- New.\n"), "under Unreleased"),
        ("0.3.0", CHANGELOG.replace("2026-12-01", "unreleased"), "calls 0.3.0 unreleased"),
    ],
)
def test_a_release_that_is_not_ready_is_refused(version: str, changelog: str, message: str):
    with pytest.raises(SystemExit, match=message):
        notes(version, changelog, NAMED)


@pytest.mark.parametrize("name", NAMED)
def test_a_file_with_another_version_is_refused(name: str):
    with pytest.raises(SystemExit, match=f"{name} has version 0.2.0, and the tag is of 0.3.0"):
        notes("0.3.0", CHANGELOG, NAMED | {name: "0.2.0"})


def test_all_files_name_the_version_of_the_package():
    assert versions() == dict.fromkeys(["pyproject.toml", "rnnnlp/version.py", "CITATION.cff"], __version__)


def test_the_changelog_of_this_version_is_read():
    root = Path(__file__).parents[2]
    changelog = (root / "CHANGELOG.md").read_text()
    released = changelog[changelog.index("## 0.2.0") :].replace(" (unreleased)", "", 1)
    assert "- " in notes("0.2.0", released, {"pyproject.toml": "0.2.0"})
