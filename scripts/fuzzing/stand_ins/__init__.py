"""Functions of the C library that fail or note what they do, in place of the usual ones (LD_PRELOAD)."""

import shutil
import subprocess
from pathlib import Path


def compiled(name: str, folder: Path) -> Path | None:
    """Compiles `name`.c into a library in `folder`; None where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library = folder / f"{name}.so"
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    return library
