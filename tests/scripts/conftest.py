"""Lets tests import what stands beside the scripts, and gives the cases of campaigns more time than usual."""

import os
import sys
from pathlib import Path

from tests.conftest import PATIENCE

sys.path.append(str(Path(__file__).parents[2] / "scripts"))
os.environ.setdefault("RNNNLP_CASE_SECONDS", "60")
os.environ.setdefault("RNNNLP_CASE_PATIENCE", str(int(PATIENCE)))
