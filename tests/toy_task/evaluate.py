"""The figures of the toy task, and how they are shown."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnnlp.text import encode_corpus, load_corpus
from rnnnlp.training.task import Evaluation
from tests.toy_task.network import ToyNetwork


def toy_metrics(network: ToyNetwork, ids: np.ndarray, letters: int) -> dict[str, Any]:
    """Nats per letter of a text, and the number of guessed letters."""
    bags = np.lib.stride_tricks.sliding_window_view(ids[:-1], letters).T  # (T, N)
    loss_sum, count = network.loss(bags, ids[letters:])
    return {"loss": loss_sum / count, "letters": int(count)}


def evaluate(
    network: ToyNetwork, folder: Path, data: str, split: str, training: Mapping[str, Any], asked: Evaluation
) -> dict[str, Any]:
    ids = encode_corpus(load_corpus(data), network.tokenizer, splits=(split,)).ids[split]
    return toy_metrics(network, ids, training["bptt"])


def report(results: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"{found['data']}: {found['loss']:.4f} nats per letter" for found in results]
