"""Tells how far the defaults of a character model are from the best of a grid of sizes and learning rates.

    python scripts/check_defaults.py --data shakespeare.txt,warpeace.txt --budgets 30s,66s --json grid.jsonl

OPTION is any option of `rnnnlp train charlm`; all runs have it. For each text and budget, the first run has nothing
else. The others have the size of the first times each of --sizes, and its learning rate times each of --rates. Every
run trains for the whole budget, one after another. What counts is the loss of its best weights on the whole validation
split, as `rnnnlp evaluate` gives it.

With --json, each finished run is a line of that file, and the same command does not train it again.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

UNITS = 64  # the defaults choose multiples of it

Row = dict[str, Any]


def main(words: Sequence[str] | None = None) -> int:
    from rnnnlp.cli.main import reported

    given = vars(parse(words))
    return reported(lambda: check(given.pop("data").split(","), given.pop("budgets").split(","), given))


def check(data_sets: Sequence[str], budgets: Sequence[str], options: dict[str, Any]) -> None:
    """Prints the table of each text and budget."""
    for data, budget in itertools.product(data_sets, budgets):
        print("\n".join(table(list(rows_of(data, budget, **options)))), flush=True)


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    from rnnnlp.cli.options import add_config_options
    from rnnnlp.tasks.char_lm.config import CharLMConfig, CharLMOptions

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--data", required=True, help="the texts, with commas between them")
    parser.add_argument("--budgets", default="66s", help="training times, such as 30s,66s (default: 66s)")
    parser.add_argument("--sizes", type=factors, default=(0.75, 1.0, 1.5), help="factors (default: 0.75,1,1.5)")
    parser.add_argument("--rates", type=factors, default=(0.6, 1.0, 1.6), help="factors (default: 0.6,1,1.6)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the runs in this file of JSON lines")
    own = ("data", "budget")
    add_config_options(parser.add_argument_group("training"), CharLMOptions, leave_out=own)
    add_config_options(parser.add_argument_group("network"), CharLMConfig, leave_out=CharLMConfig.from_data)
    return parser.parse_args(words)


def factors(text: str) -> tuple[float, ...]:
    """The numbers in an option such as "0.5,1,2"."""
    return tuple(float(word) for word in text.split(","))


def rows_of(
    data: str, budget: str, *, sizes: Sequence[float], rates: Sequence[float], json: Path | None, **options: Any
) -> Iterator[Row]:
    """The run of the defaults, then those of the grid around it: those that `json` has, and new ones.

    Raises:
        UserError: For a wrong option.
    """
    options |= {"data": data, "budget": budget}
    default = kept_or_trained(options, json)
    yield default
    chosen = set()
    for size, rate in itertools.product(sizes, rates):
        units, lr = max(UNITS, UNITS * round(size * default["units"] / UNITS)), float(f"{rate * default['lr']:.1e}")
        if (units, lr) not in chosen | {(default["units"], default["lr"])}:
            chosen.add((units, lr))
            yield kept_or_trained(options | {"hidden_size": units, "lr": lr}, json)


def kept_or_trained(options: Mapping[str, Any], kept: Path | None) -> Row:
    """The row of a run, trained only if the file lacks it."""
    if kept is not None and kept.exists():
        for line in kept.read_text(encoding="utf-8").splitlines():
            if (row := json.loads(line))["options"] == options:
                return row
    row = trained(options)
    if kept is not None:
        with kept.open("a", encoding="utf-8") as file:
            print(json.dumps(row), file=file)
    return row


def trained(options: Mapping[str, Any]) -> Row:
    """Trains a model, and tells what was chosen and reached."""
    from rnnnlp.tasks.char_lm.evaluate import evaluate
    from rnnnlp.tasks.char_lm.task import TASK
    from rnnnlp.training.model_folder import read_config
    from rnnnlp.training.run import train
    from rnnnlp.training.run_folder import RunFolder, read_state
    from rnnnlp.training.task import Evaluation

    with TemporaryDirectory(prefix="rnnnlp-") as folder:
        run = Path(folder, "run")
        network: Any = train(TASK, TASK.options_from(options), run)
        state, config = read_state(RunFolder(run).latest_checkpoint()), read_config(run)
        asked = Evaluation(own_data=True)
        figures = evaluate(network, run, options["data"], "validation", config["training"], asked)
    row = {
        "options": dict(options),
        "units": config["model"]["hidden_size"],
        "lr": config["training"]["lr"],
        "steps": state.step,
        "nats_per_char": figures["nats_per_char"],
    }
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def table(rows: Sequence[Row]) -> list[str]:
    """The lines of a Markdown table, the best run first; the first of `rows` is that of the defaults."""
    default, best = rows[0], min(row["nats_per_char"] for row in rows)
    options = default["options"]
    return [
        f"{options['data']}, {options['budget']}: the defaults are {default['nats_per_char'] - best:.4f} from the best",
        "| units | learning rate | steps | validation, nats per character |",
        "| --- | --- | --- | --- |",
        *(
            f"| {row['units']} | {row['lr']:g} | {row['steps']} | {row['nats_per_char']:.4f}"
            f"{' (defaults)' if row is default else ''} |"
            for row in sorted(rows, key=lambda row: row["nats_per_char"])
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
