"""JavaScript of the project, run by node."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.conftest import PATIENCE


def in_node(folder: Path, code: str, given: Any = None) -> Any:
    """What an asynchronous function with this body returns, as JSON has it; the modules are in a folder."""
    script = (
        f"const given = {json.dumps(given)}; const run = async () => {{ {code} }};"
        "console.log(JSON.stringify(await run()));"
    )
    done = subprocess.run(
        ["node", "--input-type=module"], input=script, capture_output=True, text=True, cwd=folder, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
