"""A hundred of the damaged run folders of scripts/damage_campaign.py, which has thousands."""

import subprocess
import sys
from pathlib import Path

CAMPAIGN = Path(__file__).parents[2] / "scripts" / "damage_campaign.py"


def test_damaged_runs_are_refused_or_do_what_whole_ones_do():
    process = subprocess.run(
        [sys.executable, str(CAMPAIGN), "--cases", "100", "--seed", "7"], capture_output=True, text=True, timeout=600
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert " refused" in process.stdout
