"""Command-line options made from the fields of a configuration, so that names and defaults have one place."""

import argparse
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields
from functools import wraps
from keyword import iskeyword
from pathlib import Path
from typing import Any, get_type_hints

from rnnnlp.config import Config, describe, seconds
from rnnnlp.errors import UserError, dashed
from rnnnlp.files import open_regular
from rnnnlp.text.read_options import ReadOptions

LONGEST_TOML = 1 << 18  # bytes
_TOML_TEXT = re.compile(  # strings and comments; also strings without an end, so that none is searched for twice
    r'''"""(?:[^\\]|\\.)*?(?:"{3,5}|\\?\Z)|\'\'\'.*?(?:\'{3,5}|\Z)|"(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?|\#[^\n]*''',
    re.DOTALL,
)
_LONG_KEY = re.compile(r"[\w-][ \t]*\.[ \t]*[\w-]+[ \t]*\.")  # no option has a table; long keys take long to parse


def add_config_options(parser: Any, config: type[Config], *, leave_out: Iterable[str] = ()) -> None:
    """Adds an option for each field of `config`; those not given are absent from the namespace."""
    hints = get_type_hints(config)
    for field in fields(config):
        if field.name in leave_out:
            continue
        kind = hints[field.name]
        kind = next(k for k in getattr(kind, "__args__", (kind,)) if k is not type(None))
        described = describe(config, field.name)
        default: Any = field.default
        if kind is bool:
            default = "yes" if default else "no"
        shown = "" if default in (MISSING, None) else f" (default: {default})"
        if described.get("auto"):
            shown = " (default: chosen from data and time)"
        extra: dict[str, Any] = {"action": argparse.BooleanOptionalAction} if kind is bool else {"type": kind}
        if field.name == "budget":
            extra = {"type": duration, "metavar": "TIME"}
        elif field.name == "report_to":
            extra = {"nargs": "+", "metavar": "TRACKER"}
        elif kind is not bool:
            extra["metavar"] = {int: "N", float: "X", str: field.name.rstrip("_").rsplit("_", 1)[-1].upper()}[kind]
        parser.add_argument(
            dashed(field.name),
            dest=field.name,
            default=argparse.SUPPRESS,
            help=(described["help"] + shown).replace("%", "%%"),
            **extra,
        )


def add_backend_options(parser: argparse.ArgumentParser) -> None:
    """The kernels and threads of a command that computes."""
    parser.add_argument(
        "--backend", help="kernels: native (C++), numpy, or auto, native if it was built (default: auto)"
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="number of threads (default: OMP_NUM_THREADS, or all cores)"
    )


def with_backend(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Makes a command run with the kernels and threads of `add_backend_options`, and say so."""

    @wraps(run)
    def on_backend(options: argparse.Namespace) -> int:
        from rnnnlp.training.launcher import share_of_processors
        from rnnnlp.training.run import running

        threads = share_of_processors() if options.threads is None else options.threads
        with running(options.backend, threads):
            return run(options)

    return on_backend


def add_reading_options(parser: Any, *, labels: bool = True) -> None:
    """How files are read. An option that is not given is None."""
    add_config_options(parser, ReadOptions, leave_out=() if labels else ("label_column",))
    parser.set_defaults(**{field.name: None for field in fields(ReadOptions)})


def duration(text: str) -> float | str:
    """The type of an option that is a duration. One such as +10m stays as it is: the run knows its sum."""
    try:
        return text if text.startswith("+") else seconds(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def read_toml(path: str) -> dict[str, Any]:
    """The options in a TOML file, by the names of the command line with - or _."""
    try:
        with open_regular(Path(path)) as file:
            text = file.read(LONGEST_TOML + 1).decode("utf-8-sig").replace("\r\n", "\n")
        if len(text) > LONGEST_TOML or _LONG_KEY.search(_TOML_TEXT.sub("text", text)):
            raise UserError(f"{path} is too long, or has a key of many parts; write lines such as lr = 0.01")
        content = tomllib.loads(text)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; give the path of a TOML file") from None
    except UserError:
        raise
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid TOML ({error}); write lines such as lr = 0.01") from None
    return {name.replace("-", "_") + "_" * iskeyword(name): value for name, value in content.items()}
