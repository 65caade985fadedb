"""Trains one variant of the character model, to measure what each part of the model is worth.

    python scripts/ablation.py --list
    python scripts/ablation.py --data FILE --variant NAME [--minutes X | --steps N] [--json FILE] [OPTION ...]
    python scripts/ablation.py --table FILE

OPTION is any option of `rnnnlp train charlm`; it takes precedence over that of the variant. A run prints one line.
With --json it also appends its figures to a file of JSON lines, and --table prints such a file as a Markdown table.

The validation figure is the best evaluation on the whole validation split. Variants that the library does not have run
in NumPy, more slowly than native kernels would. Compare their work by the multiplications per character in matrix
products instead: all of them, and those that must be done step after step.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

OWN = ("variant", "minutes", "json", "list", "table")  # options that are not of the training


def main(words: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if words is None else words)
    from rnnnlp.cli.main import reported

    options = parse(words)
    return reported(lambda: do(options, words))


def do(options: argparse.Namespace, words: Sequence[str]) -> None:
    """What the options ask for: the list of variants, the table of a file, or a training."""
    if options.list:
        print(variants_text())
    elif options.table:
        from variants.results import read, table

        print(table(read(options.table)))
    else:
        result = run(options) | {"command": command(words)}
        print(line(result))
        if options.json:
            with options.json.open("a", encoding="utf-8") as file:
                print(json.dumps(result), file=file)


def parse(words: Sequence[str]) -> argparse.Namespace:
    from rnnnlp.cli.options import add_config_options
    from rnnnlp.tasks.char_lm.config import CharLMConfig, CharLMOptions

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--variant", default="baseline", metavar="NAME", help="what to train (default: baseline)")
    parser.add_argument("--minutes", type=float, metavar="X", help="the same as --budget, in minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the figures to this file of JSON lines")
    parser.add_argument("--list", action="store_true", help="print the variants and train nothing")
    parser.add_argument("--table", type=Path, metavar="FILE", help="print a file of --json as a Markdown table")
    add_config_options(parser.add_argument_group("training"), CharLMOptions)
    add_config_options(parser.add_argument_group("network"), CharLMConfig, leave_out=CharLMConfig.from_data)
    return parser.parse_args(words)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Trains a variant and returns its figures.

    Raises:
        UserError: For options that make no sense, before any data are read.
    """
    from variants.names import VARIANTS
    from variants.training import train

    from rnnnlp.errors import UserError, option

    if options.variant not in VARIANTS:
        raise UserError(f"{option('variant')} is {options.variant}; it must be one of {', '.join(VARIANTS)}")
    if options.json and not options.json.parent.is_dir():
        raise UserError(f"{option('json')} is {options.json}; there is no folder {options.json.parent}")
    given = {name: value for name, value in vars(options).items() if name not in OWN}
    if options.minutes is not None:
        if "budget" in given:
            raise UserError(f"{option('minutes')} and {option('budget')} are the same; give one of them")
        given["budget"] = 60 * options.minutes
    variant = VARIANTS[options.variant]
    for name in variant.unused:
        if name in given:
            raise UserError(f"{option(name)} changes nothing in the variant {options.variant}; leave it out")
    return {"variant": options.variant} | train(variant, given)


def command(words: Sequence[str]) -> str:
    """The command that repeats a run, without --json."""
    kept = list(words)
    for index, word in enumerate(words):
        if word == "--json":
            del kept[index : index + 2]
        elif word.startswith("--json="):
            kept.remove(word)
    return shlex.join(["python", "scripts/ablation.py", *kept])


def line(result: dict[str, Any]) -> str:
    """The figures of a run for a person."""
    options = " ".join(f"{name}={value}" for name, value in result["options"].items())
    return (
        f"{result['variant']} ({options}): {result['steps']} steps in {result['seconds']:.1f} s, "
        f"{result['step_seconds']:.4f} s per step (median), "
        f"validation {result['validation']:.4f} nats per character, {result['parameters']} parameters, "
        f"{result['multiplications']} multiplications per character, "
        f"{result['sequential_multiplications']} of them step after step"
    )


def variants_text() -> str:
    """One line for each variant: its name, what it changes, and the paper."""
    from variants.names import VARIANTS

    return "\n".join(f"{name:<16} {v.about}{f' ({v.paper})' if v.paper else ''}" for name, v in VARIANTS.items())


if __name__ == "__main__":
    sys.exit(main())
