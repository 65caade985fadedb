"""A new cell, and a new parameter of a cell, need nothing but their definition: they are proven, trained and saved."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rnnnlp import CharLM, kernels
from rnnnlp.kernels.backend import Array, State
from rnnnlp.kernels.cells import CELLS, Cell, Extra
from rnnnlp.kernels.definition import Saved, Step, StepBackward
from rnnnlp.layers.recurrent import Direction, Recurrent
from rnnnlp.tasks.char_lm.config import CharLMConfig
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.config import SentimentConfig
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.sentiment.transfer import start_from
from rnnnlp.text import CharTokenizer
from rnnnlp.training.model_folder import read_config
from tests.kernels.minimal_gated_unit import minimal_gated_unit
from tests.recurrences import EVEN, RAGGED, check_kernel, check_recurrent, numpy_kernel

__all__ = ["minimal_gated_unit"]


def gain_step(pre: Array, state: State, W_h: Array, extra: State) -> Step:
    (h_before,), (gain, shift) = state, extra  # (B, H), (H,), (H, H)
    p = h_before @ W_h.T
    h = np.tanh(pre + gain * p + h_before @ shift)
    return (h,), (h_before, p, h)


def gain_step_backward(dstate: State, saved: Saved, W_h: Array, extra: State) -> StepBackward:
    (dh,), (h_before, p, h), (gain, shift) = dstate, saved, extra
    da = dh * (1 - h * h)
    dp = da * gain
    return da, (dp @ W_h + da @ shift.T,), dp.T @ h_before, ((da * p).sum(axis=0), h_before.T @ da)


@pytest.fixture
def with_gain() -> Iterator[str]:
    """An Elman network whose product has a gain, and that has one more matrix of its own."""
    extra = (Extra("gain", initial=1.0), Extra("shift", shape=lambda H: (H, H)))
    CELLS["gain"] = Cell("gain", gates=("h",), extra=extra, step=gain_step, step_backward=gain_step_backward)
    yield "gain"
    del CELLS["gain"]


@pytest.fixture(params=["minimal_gated_unit", "with_gain"])
def cell(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("T", [1, 2, 5])
@pytest.mark.parametrize("lengths", [RAGGED, EVEN], ids=["ragged", "even"])
def test_gradients_of_the_cell(cell: str, lengths: dict, T: int, reverse: bool):
    check_kernel(numpy_kernel(cell), CELLS[cell], lengths[T], reverse=reverse)


@pytest.mark.parametrize("weight_drop", [0.0, 0.4])
def test_gradients_of_layers(cell: str, weight_drop: float):
    options = {"weight_drop": weight_drop} if weight_drop else {}
    check_recurrent(Recurrent, cell, RAGGED[5], num_layers=2, **options)


@pytest.mark.parametrize("backend", ["auto", "numpy"])
def test_it_trains_a_character_model(cell: str, backend: str, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """In float32: where there are native kernels they do the rest, and a message says once who runs the cell."""
    caplog.set_level(logging.INFO)
    kernels._said.clear()
    text = tmp_path / "text.txt"
    text.write_text("".join(f"line {i} of a text, as long as {i * i} grains of sand.\n" for i in range(300)))
    options = {"embedding_size": 16, "hidden_size": 32, "batch_size": 16, "bptt": 40, "evaluations": 2, "seed": 3}
    model = CharLM(cell=cell, steps=60, lr=0.01, backend=backend, **options).fit(text, out=tmp_path / "run")
    network = model.network_
    said = [record for record in caplog.records if f"do not have the cell {cell}" in record.getMessage()]
    native = read_config(tmp_path / "run")["made_with"]["backend"] == "native"
    assert len(said) == native
    ids = network.tokenizer.encode(text.read_text())[:4000]
    loss_sum, count, _ = network.loss(ids[:-1], ids[1:], np.ones(len(ids) - 1, np.int64), network.zero_state(1))
    assert loss_sum / count < 2.0 < np.log(network.tokenizer.vocab_size)  # nats a character
    again = CharLM.from_pretrained(tmp_path / "run")
    for name, parameter in network.parameters().items():
        np.testing.assert_array_equal(again.network_.parameters()[name].value, parameter.value)
    assert again.generate("line ", length=20, seed=1) == model.generate("line ", length=20, seed=1)


def test_parameters_of_its_own_are_named_counted_and_transferred(with_gain: str):
    direction = Direction(
        with_gain, 3, 4, reverse=False, weight_drop=0.0, dtype=np.dtype(float), rng=np.random.default_rng(0)
    )
    shapes = {name: parameter.value.shape for name, parameter in direction.parameters().items()}
    assert shapes == CELLS[with_gain].parameter_shapes(3, 4)
    assert shapes["gain"] == (4,)
    assert shapes["shift"] == (4, 4)
    assert (direction.extra["gain"].value == 1).all()
    assert np.ptp(direction.extra["shift"].value) > 0
    tokenizer, rng = CharTokenizer("\n abc"), np.random.default_rng(0)
    sizes = {"cell": with_gain, "embedding_size": 3, "hidden_size": 4}
    lm = CharLMNetwork(CharLMConfig(tokenizer.vocab_size, **sizes), tokenizer, rng=rng)
    assert lm.config.num_parameters == sum(p.value.size for p in lm.parameters().values())
    lm.parameters()["recurrent.0.forward.gain"].value[...] = rng.normal(size=4)
    config = SentimentConfig(tokenizer.vocab_size, labels=("no", "yes"), bidirectional=False, **sizes)
    classifier = SentimentNetwork(config, tokenizer, rng=rng)
    start_from(lm, classifier)
    for name in ("gain", "shift", "W_h", "b_h"):
        path = f"recurrent.0.forward.{name}"
        np.testing.assert_array_equal(classifier.parameters()[path].value, lm.parameters()[path].value)
