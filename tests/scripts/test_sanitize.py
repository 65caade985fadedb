"""`scripts/sanitize.sh` tests the library that it built: with another one in its place it must not pass."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "sanitize.sh"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not all(map(shutil.which, ("bash", "g++", "setarch"))),
    reason="needs Linux, bash, g++ and setarch",
)


def last_word_with(library: Path) -> str:
    environment = os.environ | {"LIBRARY": str(library), "PYTHON": sys.executable}
    done = subprocess.run(["bash", str(SCRIPT)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "no error found" not in done.stdout
    return done.stderr.splitlines()[-1]


def test_it_fails_with_a_file_that_is_no_library(tmp_path: Path):
    library = tmp_path / "_native.so"
    library.write_text("this is no library")
    assert "_native.so" in last_word_with(library)


def test_it_fails_with_a_library_that_no_sanitizer_watches():
    native = pytest.importorskip("rnnnlp.kernels.native._native", reason="not built", exc_type=ImportError)
    assert "was built without the sanitizer" in last_word_with(Path(native.__file__))
