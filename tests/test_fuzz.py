"""A few hundred of the cases of scripts/fuzz_text.py, which has tens of thousands."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[1] / "scripts"


def test_hostile_text_ends_in_a_right_result_or_one_clear_error():
    words = [sys.executable, str(SCRIPTS / "fuzz_text.py"), "--cases", "400", "--seed", "7"]
    process = subprocess.run(words, capture_output=True, text=True, timeout=240)
    assert process.returncode == 0, process.stdout + process.stderr
    assert "400 cases in" in process.stdout
    assert "0 failed" in process.stdout
