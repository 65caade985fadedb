"""War and Peace by the protocol of Karpathy, Johnson and Li, "Visualizing and Understanding Recurrent Networks" (2015).

    python scripts/reproduce_warpeace.py --data warpeace/input.txt --cells lstm,gru --sizes 64,128,256

The text as it is: 80 % to train, 10 % to choose the best weights, 10 % to test. As in char-rnn, the program that the
first author published, the text is first cut into 100 pieces, one for each stream of a batch, and each piece is split,
so that the test text is spread over the whole book. The last tenth of the book (--pieces 1) is an essay on history, and
harder. The test split is read once for each network, at its end, as one stream.

A finished row is kept in --out and not trained again with the same options; an interrupted one goes on. Several of
these processes may work on different rows in the same --out.
"""

import argparse
import itertools
import json
import logging
import sys
from pathlib import Path
from typing import Any

from rnnnlp.cli.main import fail, say_aloud
from rnnnlp.errors import UserError

# The paper's test figures, nats per character, by cell and number of layers, then by size. Its networks of two and
# three layers have as many parameters as those of one, not as many units, but for the largest.
PUBLISHED = {
    ("lstm", 1): {64: 1.449, 128: 1.277, 256: 1.189, 512: 1.161},
    ("gru", 1): {64: 1.398, 128: 1.230, 256: 1.198, 512: 1.170},
    ("lstm", 2): {512: 1.092},
}

# How a layer of so many units is trained; every column is also an option. docs/results.md says which rows were made so.
COLUMNS = ("lr", "dropout", "batch_size", "bptt", "epochs")
RECIPES = {
    64: (3.0e-3, 0.0, 32, 64, 160),
    128: (3.0e-3, 0.0, 32, 64, 80),
    256: (3.0e-3, 0.1, 32, 64, 24),
    512: (1.5e-3, 0.25, 64, 128, 20),
}
RATES = {"lstm": 1.0, "gru": 1.0, "elman": 0.2}  # times lr

# Options of the training that may be given besides.
OTHERS = {"embedding_size": int, "weight_drop": float, "weight_decay": float, "averaging": float, "seed": int}
CELLS = {"lstm": "lstm", "gru": "gru_reset_first", "elman": "elman_tanh"}  # as char-rnn has them
SHARES = (0.8, 0.9)  # where train and validation end


def parsed(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="the text")
    parser.add_argument("--out", type=Path, default=Path("runs/warpeace"), help="where splits, runs and rows are kept")
    parser.add_argument("--cells", default="lstm,gru", help="of lstm, gru, elman")
    parser.add_argument("--layers", default="1", help="such as 1,2,3")
    parser.add_argument("--sizes", default="64,128,256", help="units of a layer, such as 64,128,256,512")
    parser.add_argument(
        "--pieces", type=int, default=100, help="split the text in each of so many pieces (default: 100)"
    )
    parser.add_argument("--steps", type=int, help="instead of --epochs")
    parser.add_argument("--minutes", type=float, help="instead of --epochs")
    parser.add_argument("--threads", type=int, help="processor threads to use")
    parser.add_argument("--backend", default="auto", help="auto, numpy or native")
    for name in COLUMNS:
        kind = float if name in ("lr", "dropout") else int
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help="default: by size, in this script")
    for name, kind in OTHERS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help="as of rnnnlp train charlm")
    return parser.parse_args(words)


def splits_folder(given: argparse.Namespace) -> Path:
    return given.out / f"data-{given.pieces}"


def write_splits(data: Path, pieces: int, folder: Path) -> None:
    """The first 80 % of each piece of the text, the next 10 % and the rest, as files that a corpus is read from."""
    from rnnnlp.files import write_atomically
    from rnnnlp.text.readers import read_text

    text = "".join(read_text(data))
    edges = [len(text) * piece // pieces for piece in range(pieces + 1)]
    splits: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for start, stop in itertools.pairwise(edges):
        ends = [start + int(share * (stop - start)) for share in SHARES]
        for split, part in zip(splits.values(), itertools.pairwise((start, *ends, stop)), strict=True):
            split.append(text[slice(*part)])
    folder.mkdir(parents=True, exist_ok=True)
    for name, parts in splits.items():
        content, path = "".join(parts).encode(), folder / f"{name}.txt"
        if not path.exists() or path.read_bytes() != content:  # another process may be reading it
            write_atomically(path, content)


def options_of(cell: str, layers: int, size: int, given: argparse.Namespace) -> dict[str, Any]:
    """All options of one training."""
    recipe = RECIPES[min(RECIPES, key=lambda known: abs(known - size))]
    options = {"data": str(splits_folder(given)), "cell": CELLS[cell], "num_layers": layers, "hidden_size": size}
    options["weight_decay"] = 0.0
    options |= dict(zip(COLUMNS, recipe, strict=True))
    options["lr"] *= RATES[cell]
    options |= {name: getattr(given, name) for name in (*COLUMNS, *OTHERS) if getattr(given, name) is not None}
    if given.steps or given.minutes:
        del options["epochs"]
        options |= {"steps": given.steps} if given.steps else {"budget": 60 * given.minutes}
    return options | {"evaluations": 10, "patience": 0, "validation_tokens": 1_000_000, "backend": given.backend}


def train(options: dict[str, Any], threads: int | None, run: Path) -> Any:
    """The model with the best weights on validation, from a run that may have been interrupted."""
    from rnnnlp.training.model_folder import CONFIG, read_config
    from rnnnlp.training.options import char_lm_options
    from rnnnlp.training.run import resume, train_char_lm
    from rnnnlp.training.run_folder import RunFolder

    config, model_options = char_lm_options(options | {"threads": threads}, "options")
    if (run / CONFIG).is_file() and RunFolder(run).checkpoints():
        before = read_config(run)
        same_model = all(before["model"][name] == value for name, value in model_options.items())
        if same_model and before["training"] | {"threads": threads} == config.to_mapping():
            return resume(run, "char_lm")
    return train_char_lm(config, model_options, run, overwrite=True)


def measured(cell: str, layers: int, size: int, given: argparse.Namespace) -> dict[str, Any]:
    """The row of one network: from its file, or trained and tested now."""
    from rnnnlp.files import write_atomically
    from rnnnlp.text import encode_corpus, load_corpus
    from rnnnlp.tasks.language_modelling import language_model_loss
    from rnnnlp.training.run_folder import RunFolder, read_state

    options = options_of(cell, layers, size, given)
    run = given.out / f"{cell}-{layers}x{size}"
    kept = run.with_suffix(".json")
    if kept.exists() and (row := json.loads(kept.read_bytes()))["options"] == options:
        return row
    model = train(options, given.threads, run)
    state = read_state(RunFolder(run).latest_checkpoint())
    ids = encode_corpus(load_corpus(options["data"]), model.tokenizer, splits=("test",)).ids["test"]
    loss_sum, count = language_model_loss(model, ids)
    published = PUBLISHED.get((cell, layers), {}).get(size)
    row = {"network": run.name, "published": published, "test": loss_sum / count, "steps": state["step"]}
    row |= {"validation": state["best_metrics"]["nats_per_char"], "seconds": state["seconds"], "options": options}
    write_atomically(kept, json.dumps(row, indent=1).encode())
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """Nats per character on the test split: theirs, ours, the difference."""
    lines = ["| network | published | ours | difference | validation | steps | seconds |", "|" + " --- |" * 7]
    for row in rows:
        theirs = row["published"]
        shown, difference = ("-", "-") if theirs is None else (f"{theirs:.3f}", f"{row['test'] - theirs:+.3f}")
        figures = f"{row['test']:.4f} | {difference} | {row['validation']:.4f} | {row['steps']} | {row['seconds']:.0f}"
        lines.append(f"| {row['network']} | {shown} | {figures} |")
    return "\n".join(lines)


def numbers(option: str, text: str) -> list[int]:
    words = text.split(",")
    if not all(word.isdecimal() and int(word) for word in words):
        raise UserError(f"--{option} is {text!r}; it must be numbers with commas between them, such as 1,2")
    return [int(word) for word in words]


def main(words: list[str]) -> int:
    from rnnnlp.training.loop import Interrupted

    given = parsed(words)
    say_aloud()
    try:
        cells = given.cells.split(",")
        if unknown := [cell for cell in cells if cell not in CELLS]:
            raise UserError(f"--cells has {unknown[0]!r}; it must be of {', '.join(CELLS)}")
        if not given.data.is_file():
            raise UserError(f"--data {given.data}: no such file; give the text of War and Peace")
        layers, sizes = numbers("layers", given.layers), numbers("sizes", given.sizes)
        if not 1 <= given.pieces <= 1000:
            raise UserError(f"--pieces is {given.pieces}; it must be from 1 to 1000")
        write_splits(given.data, given.pieces, splits_folder(given))
        rows = []
        for cell, number, size in itertools.product(cells, layers, sizes):
            rows.append(measured(cell, number, size, given))
            print(table(rows[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    except UserError as error:
        return fail(str(error))
    except Interrupted as stopped:
        logging.getLogger("rnnnlp").info("%s; the same command goes on", stopped)
        return stopped.exit_code
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
