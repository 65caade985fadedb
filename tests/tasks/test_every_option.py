"""Every option of a training changes what comes out: none is stored and then forgotten."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from rnnnlp.tasks import TASKS, load_task
from rnnnlp.training.task import network_options
from tests.runs import trained

BASE: dict[str, Any] = {
    **{"steps": 3, "evaluations": 1, "batch_size": 4, "lr": 0.05, "backend": "numpy", "seed": 1},
    **{"hidden_size": 6, "embedding_size": 6, "num_layers": 2, "dropout": 0.3, "min_frequency": 1, "averaging": 0.5},
}
OF_TASK: dict[str, dict[str, Any]] = {
    "char_lm": {"bptt": 8},
    "word_lm": {"bptt": 8, "samples": 4},
    "sentiment": {"linear": False, "folds": 0, "tokenizer": "word", "adversarial": 0.0, "crop": 20},
}
# Another value of each option, and what it needs besides.
CHANGES: dict[str, tuple[Any, dict[str, Any]]] = {
    "seed": (2, {}),
    "tokenizer": ("bpe", {"vocab_size": 300}),
    "vocab_size": (270, {"tokenizer": "bpe"}),
    "min_frequency": (8, {"tokenizer": "word"}),
    "batch_size": (3, {}),
    "shards": (2, {}),
    "sync_every": (2, {"shards": 2}),
    "wire": ("bf16", {"shards": 2}),
    "bptt": (3, {}),
    "optimizer": ("sgd", {}),
    "lr": (0.02, {}),
    "momentum": (0.3, {}),
    "weight_decay": (0.5, {}),
    "schedule": ("constant", {}),
    "warmup": (0.9, {}),
    "max_norm": (0.01, {"optimizer": "sgd"}),
    "label_smoothing": (0.3, {}),
    "averaging": (0.0, {}),
    "epochs": (1, {"epochs": 2, "steps": None}),
    "steps": (4, {}),
    "evaluations": (3, {}),
    "checkpoint_every": (1, {}),
    "keep_checkpoints": (1, {"checkpoint_every": 1}),
    "validation_tokens": (20, {}),
    "shuffle_blocks": (16, {}),
    "samples": (9, {}),
    "pretraining": (1, {}),
    "lr_decay": (0.5, {}),
    "linear": (True, {}),
    "folds": (2, {}),
    "class_weights": ("balanced", {}),
    "crop": (2, {}),
    "adversarial": (0.5, {}),
    "virtual_adversarial": (0.5, {}),
    "cell": ("gru", {}),
    "embedding_size": (5, {}),
    "hidden_size": (5, {}),
    "num_layers": (1, {}),
    "dropout": (0.6, {}),
    "weight_drop": (0.5, {}),
    "variational": (True, {"variational": False}),
    "tied_weights": (True, {}),
    "bidirectional": (False, {}),
    "pooling": ("last", {}),
    "max_length": (2, {}),
    "ngram_buckets": (64, {}),
}
# What says where the data are, how long training goes on, or how it runs; and what other options are chosen by.
ELSEWHERE = {
    *("data", "text_column", "label_column", "encoding", "quoting", "document_separator", "from_", "preset"),
    *("budget", "max_epochs", "patience", "on_divergence", "report_to", "backend", "threads"),
}


def options_of(task: str) -> list[str]:
    found = load_task(task)
    names = [f.name for f in fields(found.options)] + [f.name for f in network_options(found.network.config_type)]
    return [name for name in dict.fromkeys(names) if name not in {*found.leave_out, *ELSEWHERE}]


def outcome(task: str, data: Path, folder: Path, options: dict[str, Any]) -> Any:
    """The tensors of each checkpoint and the figures of a run."""
    trained(task, folder, data=str(data), **options)
    tensors = {
        path.relative_to(folder).as_posix(): {name: array.tolist() for name, array in load_file(path).items()}
        for path in folder.rglob("*.safetensors")
    }
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return tensors, [{k: v for k, v in record.items() if k in ("step", "loss", "validation")} for record in records]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("data")
    lines = [f"{'good' if i % 3 else 'bad'} film number {i % 7}, seen {'once more ' * (i % 4)}today" for i in range(60)]
    text, table = folder / "text.txt", folder / "texts.jsonl"
    text.write_text("\n".join(lines))
    rows = [{"text": line, "label": "bad" if i % 3 == 0 else "good"} for i, line in enumerate(lines)]
    table.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return {task: table if load_task(task).has_labels else text for task in TASKS}


@pytest.mark.parametrize(("task", "name"), [(task, name) for task in TASKS for name in options_of(task)])
def test_an_option_changes_the_outcome(task: str, name: str, data: dict[str, Path], tmp_path: Path):
    value, besides = CHANGES[name]
    options = BASE | OF_TASK[task] | besides
    first = outcome(task, data[task], tmp_path / "first", options)
    assert outcome(task, data[task], tmp_path / "changed", options | {name: value}) != first


@pytest.mark.parametrize("task", TASKS)
def test_the_outcome_of_the_same_options_is_the_same(task: str, data: dict[str, Path], tmp_path: Path):
    first, again = (outcome(task, data[task], tmp_path / name, BASE | OF_TASK[task]) for name in ("first", "again"))
    assert first == again
