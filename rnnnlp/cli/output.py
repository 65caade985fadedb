"""What commands share when they print and write."""

import json
from pathlib import Path
from typing import Any

from rnnnlp.errors import UserError, option


def write_json(path: str, figures: Any) -> None:
    try:
        Path(path).write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{option('json')} {path} cannot be written ({error.strerror}); give another path") from None
