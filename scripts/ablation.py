"""Trains one variant of the character model as `rnnnlp train charlm` does, to see what each part of it is worth.

    python scripts/ablation.py --list
    python scripts/ablation.py --data FILE --variant NAME [--minutes X | --steps N] [--json FILE] [OPTION ...]
    python scripts/ablation.py --table FILE

The options are those of `rnnnlp train charlm`; they come before those of the variant. A run prints one line, and
with --json appends its figures to a file of JSON lines, which --table turns into Markdown. The validation figure is
that of the best evaluation on the whole split. Some variants are experiments in NumPy, slower than native kernels would
be; "products" are the multiplications a character in matrix products, for a fair reading of their time.
"""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

OWN = ("variant", "minutes", "json", "list", "table")  # options that are not of the training


def main(words: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if words is None else words)
    from rnnnlp.cli.main import fail, say_aloud
    from rnnnlp.errors import UserError
    from rnnnlp.training.loop import Interrupted

    options = parsed(words)
    try:
        if options.list:
            print(listed())
        elif options.table:
            from variants.results import read, table

            print(table(read(options.table)))
        else:
            say_aloud()
            result = one_run(options) | {"command": command(words)}
            print(line(result))
            if options.json:
                with options.json.open("a", encoding="utf-8") as file:
                    print(json.dumps(result), file=file)
    except UserError as error:
        return fail(str(error))
    except OSError as error:
        return fail(f"{error.filename}: {error.strerror}")
    except Interrupted as stop:
        return stop.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def parsed(words: Sequence[str]) -> argparse.Namespace:
    from rnnnlp.cli.options import add_config_options
    from rnnnlp.cli.train import HELP
    from rnnnlp.config import CharLMConfig
    from rnnnlp.training.options import FROM_DATA, CharLMTraining

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--variant", default="baseline", metavar="NAME", help="what to train (default: baseline)")
    parser.add_argument("--minutes", type=float, metavar="X", help="the same as --budget, in minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the figures to this file of JSON lines")
    parser.add_argument("--list", action="store_true", help="say what the variants are")
    parser.add_argument("--table", type=Path, metavar="FILE", help="a Markdown table of such a file")
    add_config_options(parser.add_argument_group("training"), CharLMTraining, HELP)
    add_config_options(parser.add_argument_group("model"), CharLMConfig, HELP, leave_out=FROM_DATA)
    return parser.parse_args(words)


def one_run(options: argparse.Namespace) -> dict[str, Any]:
    """Trains as asked; raises UserError before anything is read if that makes no sense."""
    from variants.names import VARIANTS
    from variants.training import train

    from rnnnlp.errors import UserError

    if options.variant not in VARIANTS:
        raise UserError(f"--variant is {options.variant}; it must be one of {', '.join(VARIANTS)}")
    if options.json and not options.json.parent.is_dir():
        raise UserError(f"--json is {options.json}; there is no folder {options.json.parent}")
    given = {name: value for name, value in vars(options).items() if name not in OWN}
    if options.minutes is not None:
        if "budget" in given:
            raise UserError("--minutes and --budget are the same; give one of them")
        given["budget"] = 60 * options.minutes
    variant = VARIANTS[options.variant]
    for name in variant.unused:
        if name in given:
            raise UserError(
                f"--{name.replace('_', '-')} changes nothing in the variant {options.variant}; leave it out"
            )
    return {"variant": options.variant} | train(variant, given)


def command(words: Sequence[str]) -> str:
    """How to make a figure again, without where it was written."""
    kept = list(words)
    for place, word in enumerate(words):
        if word == "--json":
            del kept[place : place + 2]
        elif word.startswith("--json="):
            kept.remove(word)
    return shlex.join(["python", "scripts/ablation.py", *kept])


def line(result: dict[str, Any]) -> str:
    options = " ".join(f"{name}={value}" for name, value in result["options"].items())
    return (
        f"{result['variant']} ({options}): {result['steps']} steps, {result['step_seconds']:.4f} s a step (median), "
        f"{result['seconds']:.1f} s of training ({result['seconds_with_evaluations']:.1f} s in all), "
        f"validation {result['validation']:.4f} nats per character, "
        f"{result['parameters']} parameters, {result['products']} products a character, "
        f"{result['products_by_step']} of them step by step"
    )


def listed() -> str:
    from variants.names import VARIANTS

    return "\n".join(f"{name:<16} {v.about}{f' ({v.paper})' if v.paper else ''}" for name, v in VARIANTS.items())


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
