"""War and Peace by the protocol of Karpathy, Johnson and Li, "Visualizing and Understanding Recurrent Networks" (2015).

    python scripts/reproduce_warpeace.py --data warpeace/input.txt --cells lstm,gru --sizes 64,128,256

80 % of the text is for training, 10 % for choosing the best weights, and 10 % for the test. As in char-rnn, the program
of the first author, the text is first cut into 100 segments, one for each stream of a batch, and each segment is split.
The test text is thus spread over the whole book. With --segments 1 it is the last tenth of the book, an essay on
history, which is harder to predict. The test split is read once for each network, after its training, as one stream.

--out keeps each finished row, and the same options do not train it again. An interrupted row continues. Several
processes may work on different rows in the same --out.
"""

import argparse
import hashlib
import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnnnlp.errors import UserError, option

# The test losses of the paper in nats per character, by cell and number of layers, then by size. Except for the largest
# size, its networks of two and three layers have as many parameters as those of one layer, not as many units.
PUBLISHED = {
    ("lstm", 1): {64: 1.449, 128: 1.277, 256: 1.189, 512: 1.161},
    ("gru", 1): {64: 1.398, 128: 1.230, 256: 1.198, 512: 1.170},
    ("lstm", 2): {512: 1.092},
}

# How a layer of each size is trained. Each column is also an option. docs/results/war-and-peace.md has the results.
COLUMNS = ("lr", "momentum", "dropout", "weight_decay", "batch_size", "bptt", "epochs")
RECIPES = {
    64: (3.0e-3, 0.9, 0.0, 0.0, 32, 64, 160),
    128: (3.0e-3, 0.9, 0.0, 0.0, 32, 64, 80),
    256: (3.0e-3, 0.9, 0.1, 0.0, 32, 64, 24),
    512: (7.0e-3, 0.6, 0.2, 0.15, 16, 64, 10),
}
LR_FACTORS = {"lstm": 1.0, "lstm_rms_norm": 1.0, "gru": 1.0, "elman": 0.2}

# Further options of the training.
OTHERS = {"embedding_size": int, "weight_drop": float, "averaging": float, "seed": int}
CELLS = {  # the cells of char-rnn, and the default of charlm
    "lstm": "lstm",
    "lstm_rms_norm": "lstm_rms_norm",
    "gru": "gru_reset_first",
    "elman": "elman_tanh",
}
SPLITS = {"train": 0.8, "validation": 0.9, "test": 1.0}  # where each ends, as a fraction of a segment


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--data", required=True, type=Path, help="the text")
    parser.add_argument("--out", type=Path, default=Path("runs/warpeace"), help="folder of splits, runs and rows")
    parser.add_argument(
        "--cells", default="lstm,gru", help="some of lstm, lstm_rms_norm, gru, elman (default: lstm,gru)"
    )
    parser.add_argument("--layers", default="1", help="numbers of layers, such as 1,2,3 (default: 1)")
    parser.add_argument("--sizes", default="64,128,256", help="numbers of hidden units (default: 64,128,256)")
    parser.add_argument(
        "--segments", type=int, default=100, metavar="N", help="number of segments, each of them split (default: 100)"
    )
    parser.add_argument("--steps", type=int, metavar="N", help="number of optimizer steps, instead of --epochs")
    parser.add_argument("--minutes", type=float, metavar="X", help="training time, instead of --epochs")
    parser.add_argument("--threads", type=int, metavar="N", help="number of threads (default: all cores)")
    parser.add_argument("--backend", default="auto", help="auto, numpy or native (default: auto)")
    for name in COLUMNS:
        kind = int if name in ("batch_size", "bptt", "epochs") else float
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help="default: by size, see this script")
    for name, kind in OTHERS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help="the option of rnnnlp train charlm")
    return parser.parse_args(words)


def splits_folder(given: argparse.Namespace) -> Path:
    """Another folder for another text, so that what is kept of one is not taken for that of the other."""
    digest = hashlib.sha256(given.data.read_bytes()).hexdigest()[:8]
    return given.out / f"data-{given.segments}-{digest}"


def write_splits(data: Path, segments: int, folder: Path) -> None:
    """Cuts a text into segments and writes the train, validation and test part of all of them as files."""
    from rnnnlp.files import write_atomically
    from rnnnlp.text.decoding import read_text

    text = "".join(read_text(data))
    edges = [len(text) * k // segments for k in range(segments + 1)]
    parts: dict[str, list[str]] = {name: [] for name in SPLITS}
    for start, stop in itertools.pairwise(edges):
        begin = start
        for name, fraction in SPLITS.items():
            end = start + int(fraction * (stop - start))
            parts[name].append(text[begin:end])
            begin = end
    folder.mkdir(parents=True, exist_ok=True)
    for name in SPLITS:
        content, path = "".join(parts[name]).encode(), folder / f"{name}.txt"
        if not path.exists() or path.read_bytes() != content:  # another process may be reading it
            write_atomically(path, content)


def options_of(cell: str, layers: int, size: int, given: argparse.Namespace) -> dict[str, Any]:
    """All options of one training."""
    recipe = RECIPES[min(RECIPES, key=lambda known: abs(known - size))]
    options = {"data": str(splits_folder(given)), "cell": CELLS[cell], "num_layers": layers, "hidden_size": size}
    options |= dict(zip(COLUMNS, recipe, strict=True))
    options["lr"] *= LR_FACTORS[cell]
    options |= {name: getattr(given, name) for name in (*COLUMNS, *OTHERS) if getattr(given, name) is not None}
    if given.steps or given.minutes:
        del options["epochs"]
        options |= {"steps": given.steps} if given.steps else {"budget": 60 * given.minutes}
    return options | {"evaluations": 10, "patience": 0, "validation_tokens": 1_000_000, "backend": given.backend}


def train(values: dict[str, Any], threads: int | None, run: Path) -> Any:
    """Trains a network, or continues its interrupted run if that has the same options.

    Returns:
        The network with the weights that were best on validation.
    """
    from rnnnlp.tasks.char_lm.config import CharLMConfig
    from rnnnlp.tasks.char_lm.task import TASK
    from rnnnlp.training.model_folder import CONFIG, read_config
    from rnnnlp.training.run import resume
    from rnnnlp.training.run import train as train_from_start
    from rnnnlp.training.run_folder import RunFolder

    options = TASK.options_from({**values, "threads": threads})
    if (run / CONFIG).is_file() and RunFolder(run).checkpoints():
        before = read_config(run)
        chosen = {name: before["model"][name] for name in ("vocab_size", "embedding_size")}  # unless they are given
        network = CharLMConfig(**chosen | options.network).to_mapping()
        if before["model"] == network and before["training"] | {"threads": threads} == options.training.to_mapping():
            return resume(TASK, run)
    return train_from_start(TASK, options, run, overwrite=True)


def measure(cell: str, layers: int, size: int, given: argparse.Namespace) -> dict[str, Any]:
    """The row of one network: from its file if that has the same options, or trained and tested now."""
    from rnnnlp.files import write_atomically
    from rnnnlp.tasks.language_modelling import language_model_loss
    from rnnnlp.text import encode_corpus, load_corpus
    from rnnnlp.training.run_folder import RunFolder, read_state

    options = options_of(cell, layers, size, given)
    run = given.out / f"{cell}-{layers}x{size}"
    kept = run.with_suffix(".json")
    if kept.exists() and (row := json.loads(kept.read_bytes()))["options"] == options:
        return row
    network = train(options, given.threads, run)
    state = read_state(RunFolder(run).latest_checkpoint())
    ids = encode_corpus(load_corpus(options["data"]), network.tokenizer, splits=("test",)).ids["test"]
    loss_sum, count = language_model_loss(network, ids)
    row = {
        "network": run.name,
        "published": PUBLISHED.get((cell, layers), {}).get(size),
        "test": loss_sum / count,
        "validation": state.best_metrics["nats_per_char"],
        "steps": state.step,
        "seconds": state.seconds,
        "options": options,
    }
    write_atomically(kept, json.dumps(row, indent=1).encode())
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table of the test losses in nats per character, with those of the paper."""
    lines = ["| network | published | rnnnlp | difference | validation | steps | seconds |", "|" + " --- |" * 7]
    for row in rows:
        published = row["published"]
        shown, difference = ("-", "-") if published is None else (f"{published:.3f}", f"{row['test'] - published:+.3f}")
        figures = f"{row['test']:.4f} | {difference} | {row['validation']:.4f} | {row['steps']} | {row['seconds']:.0f}"
        lines.append(f"| {row['network']} | {shown} | {figures} |")
    return "\n".join(lines)


def numbers(name: str, text: str) -> list[int]:
    """The numbers in an option such as "1,2"."""
    words = text.split(",")
    if not all(word.isdecimal() and int(word) for word in words):
        raise UserError(f"{option(name)} is {text!r}; it must be numbers with commas between them, such as 1,2")
    return [int(word) for word in words]


def rows_of(given: argparse.Namespace) -> list[dict[str, Any]]:
    """The rows of all networks that were asked for.

    Raises:
        UserError: For a wrong option.
    """
    cells = given.cells.split(",")
    if unknown := [cell for cell in cells if cell not in CELLS]:
        raise UserError(f"{option('cells')} has {unknown[0]!r}; it must be some of {', '.join(CELLS)}")
    if not given.data.is_file():
        raise UserError(f"{option('data')} {given.data}: no such file; give the text of War and Peace")
    layers, sizes = numbers("layers", given.layers), numbers("sizes", given.sizes)
    if not 1 <= given.segments <= 1000:
        raise UserError(f"{option('segments')} is {given.segments}; it must be from 1 to 1000")
    write_splits(given.data, given.segments, splits_folder(given))
    rows = []
    for cell, number, size in itertools.product(cells, layers, sizes):
        rows.append(measure(cell, number, size, given))
        print(table(rows[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    return rows


def main(words: Sequence[str] | None = None) -> int:
    from rnnnlp.cli.main import reported

    given = parse(words)
    return reported(lambda: print(table(rows_of(given))))


if __name__ == "__main__":
    sys.exit(main())
