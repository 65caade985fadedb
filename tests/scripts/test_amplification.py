"""Small or odd files are read or refused in 5 seconds of processor time and 1 GB; the campaign has more of them."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
RUN = """
import sys
from fuzzing.cases import set_environment
set_environment()
from fuzzing import amplification
counts = amplification.campaign(print, amplification.QUICK)
print(dict(counts))
sys.exit(counts["FAILED"])
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="limits memory, for which it needs Linux")
def test_small_files_cost_little():
    command = [sys.executable, "-c", RUN]
    ended = subprocess.run(command, cwd=SCRIPTS, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "'refused': " in ended.stdout
