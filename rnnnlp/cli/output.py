"""What commands share when they print and write."""

import json
from pathlib import Path
from typing import Any

from rnnnlp.errors import UserError


def write_json(path: str, figures: Any) -> None:
    try:
        Path(path).write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"--json {path} cannot be written ({error.strerror}); give another path") from None


def shorten(text: str, width: int = 160) -> str:
    """The text on one line, of at most `width` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 4] + " ..."
