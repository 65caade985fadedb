"""Steps of replicas between two sums, sums in bfloat16, and the gradient noise scale."""

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from rnnnlp.batches.shards import Shard
from rnnnlp.errors import UserError
from rnnnlp.layers.parameter import Parameter
from rnnnlp.tasks import load_task
from rnnnlp.training.averaging import AveragedWeights
from rnnnlp.training.divergence import Diverged, DivergenceDetector
from rnnnlp.training.gradient_sum import gradients_of_batch
from rnnnlp.training.local_steps import LocalSteps
from rnnnlp.training.loop import is_passed
from rnnnlp.training.noise_scale import NoiseScale
from rnnnlp.training.objective import BatchLoss, ShardLoss
from rnnnlp.training.optimizers import OPTIMIZERS
from rnnnlp.training.run import resume
from rnnnlp.training.wire import WIRES
from tests.runs import trained

SMALL: dict[str, Any] = {"hidden_size": 6, "embedding_size": 4, "evaluations": 1, "seed": 5, "threads": 1}
TEXT = "".join(f"line {i} of a text that is read by several.\n" for i in range(60))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("data") / "text.txt"
    place.write_text(TEXT)
    return place


class Pulled:
    """An objective of two parameters: a vector that each shard pulls to its own place, and rows of a table."""

    steps_per_epoch = 1

    def __init__(self, places: list[float]) -> None:
        self.places = places
        self.table, self.vector = Parameter(np.ones((9, 2), np.float32)), Parameter(np.zeros(3, np.float32))
        self.network: Any = self
        self.batches = 0
        self.drawn: list[float] = []

    def parameters(self) -> dict[str, Parameter]:
        return {"table": self.table, "vector": self.vector}

    def zero_grad(self) -> None:
        self.table.zero_grad()
        self.vector.zero_grad()

    def next_batch(self) -> None:
        self.batches += 1

    def gradients(self, shard: Shard, *, rng: np.random.Generator) -> ShardLoss:
        self.drawn.append(rng.random())
        difference = self.vector.value - np.float32(self.places[shard.index])
        self.vector.add(difference / shard.total)
        row = 2 * shard.index
        self.table.add_rows(np.array([row]), self.table.value[[row]] / shard.total)
        return ShardLoss(float(np.sum(difference**2)), 1.0, 10)


def local_steps(objective: Any, kind: str = "sgd", *, momentum: float = 0.0, **options: Any) -> LocalSteps:
    own = OPTIMIZERS[kind](objective.parameters(), momentum=momentum)
    return LocalSteps(objective, own, **{"shards": len(objective.places), "wire": "float32"} | options)


def advance(
    steps: LocalSteps, rates: Iterable[float], max_norm: float = 0.0, averaged: AveragedWeights | None = None
) -> Any:
    averaged = averaged or AveragedWeights(steps.parameters, 0.0)
    rng = np.random.default_rng(0)
    return steps.train(rates, averaged, DivergenceDetector(), max_norm=max_norm, rng=rng, seed=0)


def test_all_go_to_the_mean_of_the_replicas():
    objective = Pulled([1.0, 4.0])
    steps, value, table = local_steps(objective), 0.0, np.ones(9)
    for _ in range(3):
        found = advance(steps, [0.1, 0.2])
        value = np.mean([(value - place) * 0.9 * 0.8 + place for place in (1.0, 4.0)])
        table[[0, 2]] *= (1 + 0.9 * 0.8) / 2  # each row is moved by one replica of the two
        np.testing.assert_allclose(objective.vector.value, value, rtol=1e-5)
        np.testing.assert_allclose(objective.table.value[:, 0], table, rtol=1e-5)
    assert objective.batches == 6
    assert found.batch.tokens == 2 * 2 * 10
    assert steps.optimizer.steps == 6


def test_each_replica_has_its_own_generator_in_each_step():
    objective = Pulled([1.0, 4.0])
    steps, rng = local_steps(objective), np.random.default_rng(0)
    for _ in range(2):
        advance(steps, [0.1, 0.2])
    assert objective.drawn == [Shard(i, 2).rng(rng, 0, step).random() for step in range(4) for i in range(2)]


def test_averages_count_the_steps_of_the_replicas():
    objective = Pulled([1.0, 4.0])
    steps = local_steps(objective)
    steps.optimizer.steps = 100
    averaged = AveragedWeights(steps.parameters, 0.5)
    before = averaged.values["table"].copy()
    advance(steps, [0.1] * 4, averaged=averaged)
    expected = 0.5**4 * before + (1 - 0.5**4) * objective.table.value
    np.testing.assert_allclose(averaged.values["table"], expected, rtol=1e-5)


@pytest.mark.parametrize("place", np.linspace(1e4, 2e4, 8))
def test_mean_second_moments_are_not_negative(place: float):
    objective = Pulled([place, 0.0, 0.0])
    steps = local_steps(objective, "adamw", momentum=0.9, wire="bf16")
    advance(steps, [0.0])  # moments of large gradients
    objective.places[:] = [0.0, 0.0, 0.0]
    advance(steps, [0.0] * 1500)  # they fade to less than what is rounded off
    assert all((array >= 0).all() for array in steps.optimizer.slots["v"].values())


def test_replicas_clip_the_gradient_of_their_own_part():
    objective = Pulled([1000.0, 1000.0])
    found = advance(local_steps(objective), [1.0], max_norm=1.0)
    assert found.gradient_norm > 1000
    moved = np.linalg.norm(objective.vector.value)
    assert 0.99 < moved <= 1.0


def test_moments_of_all_replicas_are_averaged():
    objective = Pulled([1.0, 3.0, 5.0])
    steps = local_steps(objective, "adamw", momentum=0.9)
    advance(steps, [0.0])
    np.testing.assert_allclose(steps.optimizer.slots["m"]["vector"], -0.1 * 3, rtol=1e-5)
    np.testing.assert_allclose(steps.optimizer.slots["v"]["vector"], 0.01 * np.mean([1, 9, 25]), rtol=1e-4)
    assert (steps.optimizer.slots["v"]["table"][1::2] == 0).all()


def test_a_replica_that_diverges_is_told_before_the_mean_is_taken():
    objective = Pulled([1.0, 1.0])

    def rates() -> Iterator[float]:
        for place in (1.0, float("nan"), 1.0):
            objective.places[1] = place
            yield 0.1

    with pytest.raises(Diverged, match=r"step 2: the loss is nan and the gradient norm nan \(largest in vector"):
        advance(local_steps(objective), rates())
    assert objective.vector.value.tolist() == [0.0] * 3


def test_a_run_with_local_steps_resumes_to_the_same_bits(text: Path, tmp_path: Path):
    options = {"data": str(text), "bptt": 8, "batch_size": 8, "shards": 4, "sync_every": 4, "steps": 22} | SMALL
    trained("char_lm", tmp_path / "whole", checkpoint_every=10, keep_checkpoints=9, **options)
    checkpoints = sorted(path.name for path in tmp_path.glob("whole/checkpoints/*"))
    assert checkpoints == ["step-00000000", "step-00000012", "step-00000020", "step-00000022"]  # at sums
    records = [json.loads(line) for line in (tmp_path / "whole/metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records if "loss" in record] == [12, 20]
    shutil.copytree(tmp_path / "whole", tmp_path / "run")
    for step in (20, 22):
        shutil.rmtree(tmp_path / f"run/checkpoints/step-000000{step}")
    resume(load_task("char_lm"), tmp_path / "run")
    for name in ("model.safetensors", "training_state.safetensors"):
        place = f"checkpoints/step-00000022/{name}"
        found, expected = (load_file(tmp_path / run / place) for run in ("run", "whole"))
        assert found.keys() == expected.keys()
        for tensor, values in expected.items():
            assert found[tensor].tobytes() == values.tobytes(), tensor


def test_local_steps_need_several_shards(text: Path, tmp_path: Path):
    for option in ({"sync_every": 2}, {"wire": "bf16"}):
        with pytest.raises(UserError, match="means nothing for a batch of one shard; start several processes, or give"):
            trained("char_lm", tmp_path / "run", data=str(text), steps=2, **option, **SMALL)


@pytest.mark.parametrize(
    ("every", "before", "after", "passed"),
    [(10, 9, 10, True), (10, 10, 11, False), (7, 12, 16, True), (7, 14, 20, False), (1, 0, 1, True)],
)
def test_multiples_between_two_steps(every: int, before: int, after: int, passed: bool):
    assert is_passed(every, before, after) == passed


# ------------------------------------------------------------------------------------------------------------- bfloat16


def test_bfloat16_is_the_nearest_of_eight_bits():
    one = np.float32(1)
    step = np.float32(2**-7)  # between two numbers from 1 on
    values = np.array([1, 1 + step / 4, 1 + step / 2, 1 + 3 * step / 2, -(1 + 0.6 * step), 0, 3e38, 1e-39], np.float32)
    expected = [1, 1, 1, 1 + 2 * step, -(1 + step), 0]
    found = WIRES["bf16"].rounded(values)
    assert found[:6].tolist() == expected
    assert abs(found[6] / values[6] - one) < 2**-8
    assert values[1] == 1 + step / 4  # not changed
    special = WIRES["bf16"].rounded(np.array([np.inf, -np.inf, np.nan], np.float32))
    assert special[0] == np.inf
    assert special[1] == -np.inf
    assert np.isnan(special[2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_sent_is_what_arrives(dtype: Any):
    wire = WIRES["bf16"]
    values = wire.rounded(np.random.default_rng(0).normal(size=1000).astype(dtype))
    assert values.dtype == dtype
    packed = wire.packed(values)
    assert packed.nbytes == 2000
    arrived = wire.unpacked(packed, np.dtype(dtype))
    assert arrived.dtype == dtype
    assert (arrived == values).all()


def test_gradients_in_bfloat16_are_nearly_those_in_float32():
    found = {}
    for wire in ("float32", "bf16"):
        objective: Any = Pulled([1.1, 2.3, 3.7])
        gradients_of_batch(objective, 3, rng=np.random.default_rng(0), seed=0, step=0, wire=wire)
        found[wire] = objective.vector.grad
    assert (found["bf16"] != found["float32"]).all()
    np.testing.assert_allclose(found["bf16"], found["float32"], rtol=2**-7)


# ---------------------------------------------------------------------------------------------------------- noise scale


def test_the_noise_scale_of_known_gradients():
    """Gradients of single targets have mean 2 and variance 9, in each of 5 numbers: 9 / 4."""
    rng = np.random.default_rng(0)
    scale, shards, of_shard, numbers = NoiseScale(), 4, 8, 5
    assert scale.targets is None
    found = []
    for step in range(3000):
        single = 2 + 3 * rng.normal(size=(shards, of_shard, numbers))
        gradients = single.sum(axis=1) / (shards * of_shard)  # as objectives add them up
        batch = BatchLoss(1.0, 99, float(shards * of_shard), float(np.sum(gradients**2)))
        scale.update(batch, shards, float(np.linalg.norm(gradients.sum(axis=0))))
        if step > 50:
            found.append(scale.targets)
    assert np.median(np.array(found, float)) == pytest.approx(9 / 4, rel=0.1)


def test_a_batch_that_was_not_measured_tells_nothing():
    scale = NoiseScale()
    scale.update(BatchLoss(1.0, 9, 9.0), 4, 1.0)
    assert scale.targets is None


def test_the_shards_of_a_batch_are_measured():
    objective: Any = Pulled([1.0, 3.0])
    batch = gradients_of_batch(objective, 2, rng=np.random.default_rng(0), seed=0, step=0, measured=True)
    assert batch.squares == pytest.approx(3 * (0.5**2 + 1.5**2) + 2 * 2 * 0.5**2)
    batch = gradients_of_batch(objective, 2, rng=np.random.default_rng(0), seed=0, step=0)
    assert batch.squares is None


def test_metrics_have_the_noise_scale_of_shards(text: Path, tmp_path: Path):
    options = {"data": str(text), "bptt": 8, "batch_size": 8, "steps": 20} | SMALL
    for shards in (1, 4):
        trained("char_lm", tmp_path / str(shards), shards=shards, **options)
    assert '"noise_scale": ' in (tmp_path / "4/metrics.jsonl").read_text()
    assert '"noise_scale": ' not in (tmp_path / "1/metrics.jsonl").read_text()
