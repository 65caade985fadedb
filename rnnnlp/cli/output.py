"""What commands share when they print and write."""

import json
import os
from pathlib import Path
from typing import Any, TextIO

from rnnnlp.errors import UserError, option


def json_line(value: Any, stream: TextIO) -> str:
    r"""JSON in one line, to be written to `stream`. If its encoding is not UTF-8, other than ASCII becomes `\u....`."""
    encoding = (stream.encoding or "utf-8").lower().replace("_", "-")
    return json.dumps(value, ensure_ascii=encoding not in ("utf-8", "utf8"))


def write_json(path: str, figures: Any) -> None:
    try:
        Path(os.path.expanduser(path)).write_text(
            json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    except OSError as error:
        raise UserError(f"{option('json')} {path} cannot be written ({error.strerror}); give another path") from None
