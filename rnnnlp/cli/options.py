"""Command-line options made from the fields of a configuration, so that names and defaults stand in one place."""

import argparse
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from keyword import iskeyword
from pathlib import Path
from typing import Any, get_type_hints

from rnnnlp.errors import UserError
from rnnnlp.models.config import Config, option

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> float:
    """A duration: "90s", "10m", "1.5h", "1h30m", or a number of seconds."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration; write it as 90s, 10m, 1.5h or 1h30m")
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def add_config_options(
    parser: Any,
    config: type[Config],
    help_texts: Mapping[str, str],
    *,
    leave_out: Iterable[str] = (),
    chosen: Iterable[str] = (),
) -> None:
    """An option for each field of `config`; those not given are absent from the namespace.

    Those `chosen` by the training itself have no fixed default.
    """
    hints = get_type_hints(config)
    for field in fields(config):
        if field.name in leave_out:
            continue
        kind = hints[field.name]
        kind = next(k for k in getattr(kind, "__args__", (kind,)) if k is not type(None))
        shown = "" if field.default in (MISSING, None) or kind is bool else f" (default: {field.default})"
        if field.name in chosen:
            shown = " (default: chosen for text and time)"
        extra: dict[str, Any] = {"action": argparse.BooleanOptionalAction} if kind is bool else {"type": kind}
        if field.name == "budget":
            extra = {"type": seconds, "metavar": "TIME"}
        elif kind is not bool:
            extra["metavar"] = {int: "N", float: "X", str: field.name.rstrip("_").rsplit("_", 1)[-1].upper()}[kind]
        parser.add_argument(
            option(field.name),
            dest=field.name,
            default=argparse.SUPPRESS,
            help=help_texts[field.name] + shown.replace("%", "%%"),
            **extra,
        )


def read_toml(path: str) -> dict[str, Any]:
    """The options in a TOML file, by the names of the command line with - or _."""
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--config {path}: {error.strerror}; give the path of a TOML file") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"--config {path} is not valid TOML ({error}); write lines such as lr = 0.01") from None
    options = {name.replace("-", "_") + "_" * iskeyword(name): value for name, value in content.items()}
    if isinstance(options.get("budget"), str):
        try:
            options["budget"] = seconds(options["budget"])
        except argparse.ArgumentTypeError as error:
            raise UserError(f"--config {path}: budget {error}") from None
    return options
