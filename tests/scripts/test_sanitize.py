"""`scripts/sanitize.sh` tests the library that it built: with another file in its place it must not pass."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "sanitize.sh"


@pytest.mark.skipif(shutil.which("bash") is None or shutil.which("g++") is None, reason="needs bash and g++")
def test_it_fails_with_a_broken_library(tmp_path: Path):
    library = tmp_path / "_native.so"
    library.write_text("this is no library")
    environment = os.environ | {"LIBRARY": str(library), "PYTHON": sys.executable}
    done = subprocess.run(["bash", str(SCRIPT)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "no error found" not in done.stdout
    assert "_native.so" in done.stderr.splitlines()[-1]
