"""Small or odd files are read or refused in little time and 1 GB.

The campaign has more of them, and a limit of 5 seconds of processor time. Here it is 30 seconds, for slow machines.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PATIENCE

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
    environment = os.environ | {"RNNNLP_CASE_SECONDS": "30"}
    ended = subprocess.run(command, cwd=SCRIPTS, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "'refused': " in ended.stdout
