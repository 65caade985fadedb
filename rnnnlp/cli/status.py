"""rnnnlp status RUN."""

import argparse
from collections import deque
from typing import TYPE_CHECKING, Any

from rnnnlp.cli.output import show

if TYPE_CHECKING:
    from rnnnlp.training.run_folder import RunFolder

LAST_LOSSES = 5
NO_PROGRESS = "a saved model has no progress to show: give the folder of a run"
SIZES = ("cell", "hidden_size", "num_layers")  # shown where the network has them


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", metavar="RUN", help="run folder; the run may still be training")


def run(options: argparse.Namespace) -> int:
    from rnnnlp.training.model_folder import read_config
    from rnnnlp.training.run_folder import RunFolder, read_state

    folder = RunFolder(options.run_folder)
    config, state = read_config(folder.path), read_state(folder.latest_checkpoint(NO_PROGRESS))
    first = folder.language_model()
    if state.step == 0 and first.checkpoints() and pretrains(folder, first):
        show(f"{folder.path} pretrains a language model first: {first.path}")
        folder, config, state = first, read_config(first.path), read_state(first.latest_checkpoint())
    checkpoints, process = folder.checkpoints(), folder.process()
    last: dict[str, Any] = {}
    losses: deque[float] = deque(maxlen=LAST_LOSSES)
    for record in folder.metrics():
        last = record
        if isinstance(record.get("loss"), float):
            losses.append(record["loss"])
    step = last.get("step", state.step)
    seconds = folder.seconds() - state.seconds + last.get("seconds", state.seconds)  # of pretraining and folds, too
    sizes = [f"{name} {config['model'][name]}" for name in SIZES if name in config["model"]]
    best = ", ".join(f"{name} {value:.4g}" for name, value in state.best_metrics.items() if isinstance(value, float))
    lines = {
        "model": ", ".join([config["model_type"], *sizes]),
        "data": config.get("training", {}).get("data"),
        "process": "none" if process is None else f"{process or 'another process'} is training in it",
        "step": f"{step}, {last.get('progress', 0):.0%} of the run" if last else step,
        "time": f"{seconds:.0f} seconds",
        "losses": ", ".join(f"{loss:.4f}" for loss in losses) or "none yet",
        "best": best or "not validated yet",
        "checkpoints": ", ".join(path.name for path in checkpoints),
    }
    for name, value in lines.items():
        show(f"{name:12} {value}")
    return 0


def pretrains(folder: "RunFolder", first: "RunFolder") -> bool:
    """Whether a run that has not begun pretrains its language model now, or was stopped while it did."""
    return first.process() is not None or (folder.process() is None and not any(folder.metrics()))
