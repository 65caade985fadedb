"""Several processes train one model: the same bits for any number of them, one line when they end."""

import dataclasses
import os
import signal
import socket
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from rnnnlp.batches.shards import WHOLE, Node, Shard, nodes_of, shards_of
from rnnnlp.cli.main import main
from rnnnlp.errors import UserError
from rnnnlp.files import CorruptFileError
from rnnnlp.layers.parameter import Parameter
from rnnnlp.tasks import load_task
from rnnnlp.text.builtin import SAMPLE_REVIEWS, sample_folder
from rnnnlp.training.distributed import Alone, processes, working_with
from rnnnlp.training.gradient_sum import gradients_of_batch
from rnnnlp.training.launcher import SIZES
from rnnnlp.training.loop import Trainer
from rnnnlp.training.model_folder import training_of
from rnnnlp.training.mpi import OverMPI, together
from rnnnlp.training.objective import ShardLoss
from rnnnlp.training.run import resume
from tests.conftest import PATIENCE
from tests.runs import trained

STEPS = 6
SMALL = (
    "--hidden-size 9 --embedding-size 5 --evaluations 2 --checkpoint-every 2 --seed 5 --threads 1 --shards 6".split()
)
TEXT = [*SMALL, "--data", "{text}", "--steps", str(STEPS), "--batch-size", "7"]
REVIEWS = [*SMALL, "--data", "{reviews}", "--steps", str(STEPS), "--batch-size", "16", "--dropout", "0.3"]
RUNS = {
    "charlm": ["train", "charlm", *TEXT, "--bptt", "8", "--dropout", "0.2", "--num-layers", "2"],
    "pretrain": ["pretrain", *TEXT, "--bptt", "5", "--samples", "4"],
    "sentiment": ["train", "sentiment", *REVIEWS, "--ngram-buckets", "64", "--adversarial", "0.1"],
    "pretraining": ["train", "sentiment", *REVIEWS, "--pretraining", "1", "--virtual-adversarial", "0.1"],
    "local steps": ["train", "charlm", *TEXT, "--bptt", "8", "--dropout", "0.2", "--sync-every", "4", "--wire", "bf16"],
}
MPIEXEC = Path(sys.executable).with_name("mpiexec")


@pytest.fixture(scope="module")
def mpiexec() -> None:
    if not MPIEXEC.exists():
        if os.environ.get("RNNNLP_REQUIRE_MPI"):
            pytest.fail("mpiexec is not there; install the extra mpi")
        pytest.skip("needs the extra mpi")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("data")
    (folder / "text.txt").write_text("".join(f"line {i} of a text that is read by several.\n" for i in range(60)))
    lines = (sample_folder(SAMPLE_REVIEWS) / "train.jsonl").read_text("utf-8").splitlines()
    (folder / "reviews.jsonl").write_text("\n".join(lines[:90]) + "\n", "utf-8")
    return {"text": folder / "text.txt", "reviews": folder / "reviews.jsonl"}


def words(kind: str, data: dict[str, Path], out: Path) -> list[str]:
    return [*(word.format(**data) for word in RUNS[kind]), "--out", str(out)]


def started(processes: int, arguments: list[str], code: str = "") -> subprocess.Popen:
    """The command with several processes; `code` is run before it in each."""
    program = f"import sys; {code}\nfrom rnnnlp.cli.start import main; sys.exit(main())"
    command = [str(MPIEXEC), "-n", str(processes), sys.executable, "-c", program, *arguments]
    environment = os.environ | {"MPIR_CVAR_ENABLE_HEAVY_YIELD": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def ended(processes: int, arguments: list[str], code: str = "") -> tuple[int, list[str]]:
    """The exit code, and the lines on standard error."""
    process = started(processes, arguments, code)
    _, said = process.communicate(timeout=PATIENCE)
    return process.returncode, said.splitlines()


def tensors(run: Path) -> dict[str, bytes]:
    newest = max(run.glob("checkpoints/step-*"))
    files = (run / "model.safetensors", newest / "model.safetensors", newest / "training_state.safetensors")
    return {f"{i} {name}": value.tobytes() for i, file in enumerate(files) for name, value in load_file(file).items()}


# ----------------------------------------------------------------------------------------------------- shards and sums


@pytest.mark.parametrize("shards", [1, 2, 5, 24])
@pytest.mark.parametrize("processes", [1, 2, 3, 4, 7, 30])
def test_the_nodes_of_all_processes_are_all_shards_in_order(shards: int, processes: int):
    nodes = [nodes_of(rank, processes, Node(0, shards)) for rank in range(processes)]
    assert [i for of_process in nodes for node in of_process for i in range(*node)] == list(range(shards))
    for rank, of_process in enumerate(nodes):
        assert [shard.index for shard in shards_of(rank, processes, shards)] == [
            i for node in of_process for i in range(*node)
        ]


def test_half_of_the_shards_are_one_node():
    assert nodes_of(1, 4, Node(0, 24)) == [Node(6, 12)]
    assert nodes_of(0, 3, Node(0, 24)) == [Node(0, 6), Node(6, 7), Node(7, 8)]


def test_sums_do_not_depend_on_who_adds():
    values = np.random.default_rng(0).normal(size=24).astype(np.float32)

    def leaf(node: Node) -> np.float32 | None:
        return values[node.begin] if node.end - node.begin == 1 else None

    root = Node(0, 24)
    expected = root.sum(leaf, np.add)
    for size in (2, 3, 5, 8):
        known = {node: node.sum(leaf, np.add) for rank in range(size) for node in nodes_of(rank, size, root)}
        assert root.sum(known.get, np.add) == expected


def test_one_shard_draws_from_the_generator_of_the_run():
    rng = np.random.default_rng(0)
    assert WHOLE.rng(rng, seed=1, step=2) is rng
    first, second, later = (
        shard.rng(rng, 1, step).random() for shard, step in ((Shard(0, 2), 2), (Shard(1, 2), 2), (Shard(0, 2), 3))
    )
    assert len({first, second, later}) == 3
    assert Shard(1, 2).rng(rng, 1, 2).random() == second


class First(Alone):
    """The first of two processes; the second one, which computes the one shard of a batch, is made up."""

    size = 2
    theirs: Any = None

    def exchange(self, own: list[Any]) -> list[Any]:
        return [own, [self.theirs]]


def test_the_generator_of_the_process_that_computes_the_shard_is_saved():
    trainer = Trainer.__new__(Trainer)
    trainer.shards, trainer.rng, first = 1, np.random.default_rng(0), First()
    assert trainer.rng_state() == trainer.rng.bit_generator.state
    first.theirs = np.random.default_rng(1).bit_generator.state
    with working_with(first):
        assert trainer.rng_state() == first.theirs


class Second(Alone):
    """The second of two processes, on a computer without the run folder; `told` is what the first one finds."""

    rank, size = 1, 2

    def __init__(self, *told: Any) -> None:
        self.told = list(told)

    def first(self, function: Any) -> Any:
        found = self.told.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def test_a_damaged_checkpoint_is_said_where_the_run_folder_is_not(tmp_path: Path):
    second = Second(None, CorruptFileError("run/checkpoints/step-00000002 is damaged; repair"))
    with working_with(second), pytest.raises(CorruptFileError, match="step-00000002 is damaged; repair"):
        resume(load_task("char_lm"), tmp_path / "run")


def test_data_that_moved_are_found_where_the_run_folder_is_not(data: dict[str, Path], tmp_path: Path):
    """The first process finds them by what the run keeps."""
    task, found = load_task("char_lm"), []
    network = trained("char_lm", tmp_path / "first", data=str(data["text"]), hidden_size=4, steps=1, evaluations=1)
    config: Any = task.training.from_mapping(training_of(tmp_path / "first") | {"data": "gone.txt"})

    def reopen(network: Any, config: Any, run: Any, *, data: Any) -> Any:
        found.append(config.data)
        raise UserError("read")

    second = Second(None, (network, config), "/data/moved.txt")
    with working_with(second), pytest.raises(UserError, match="read"):
        resume(dataclasses.replace(task, reopen=reopen), tmp_path / "run")
    assert found == ["/data/moved.txt"]


def test_how_to_resume_is_said_before_a_cross_validation(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """A process may be lost while the folds are trained."""
    alone, options = Alone(), {"hidden_size": 4, "embedding_size": 3, "folds": 2, "steps": 1, "evaluations": 1}
    alone.resume_with = "mpiexec -n 2 rnnnlp train sentiment --resume run"
    with working_with(alone), caplog.at_level("INFO", "rnnnlp"):
        trained("sentiment", tmp_path / "run", data="sample-reviews", **options)
        resume(load_task("sentiment"), tmp_path / "run")
    said = [record.message for record in caplog.records]
    line = f"if a process is lost, resume with: {alone.resume_with}"
    assert said.count(line) == 2
    assert said.index(line) < next(i for i, words in enumerate(said) if words.startswith("cross-validation with 2"))


class Rows:
    """An objective whose shards have gradients in some rows of a table, and in all of a vector."""

    steps_per_epoch = 1

    def __init__(self) -> None:
        self.table, self.vector = Parameter(np.zeros((9, 2), np.float32)), Parameter(np.zeros(3, np.float32))
        self.network: Any = self
        self.drawn: list[float] = []

    def parameters(self) -> dict[str, Parameter]:
        return {"table": self.table, "vector": self.vector}

    def zero_grad(self) -> None:
        self.table.zero_grad()
        self.vector.zero_grad()

    def next_batch(self) -> None:
        pass

    def gradients(self, shard: Shard, *, rng: np.random.Generator) -> ShardLoss:
        i = shard.index
        self.drawn.append(rng.random())
        self.table.add_rows(np.array([i, i + 1]), np.full((2, 2), 1.0 + i, np.float32))
        self.vector.add(np.full(3, 2.0**i, np.float32))
        return ShardLoss(3.0, 2.0, 10)


def test_gradients_of_shards_are_added_with_their_rows():
    objective: Any = Rows()
    objective.table.add_rows(np.array([8]), np.ones((1, 2), np.float32))  # of an earlier step
    batch = gradients_of_batch(objective, 4, rng=np.random.default_rng(0), seed=0, step=0)
    assert batch == (1.5, 40, 8.0, None)
    assert objective.vector.grad.tolist() == [15.0] * 3
    assert objective.vector.rows is None
    assert objective.table.rows.tolist() == [0, 1, 2, 3, 4]
    assert objective.table.grad[:, 0].tolist() == [1, 3, 5, 7, 4, 0, 0, 0, 0]


@pytest.mark.parametrize(("seed", "step"), [(0, 0), (0, 1), (1, 0)])
def test_each_shard_of_a_step_has_its_own_generator(seed: int, step: int):
    objective: Any = Rows()
    rng = np.random.default_rng(0)
    gradients_of_batch(objective, 2, rng=rng, seed=seed, step=step)
    assert objective.drawn == [Shard(i, 2).rng(rng, seed, step).random() for i in range(2)]


@pytest.mark.parametrize("kind", ["charlm", "sentiment", "pretrain"])
def test_shards_change_only_the_rounding(kind: str, data: dict[str, Path], tmp_path: Path):
    task = {"charlm": "char_lm", "pretrain": "word_lm"}.get(kind, kind)
    options: dict[str, Any] = {"hidden_size": 9, "embedding_size": 5, "steps": 3, "batch_size": 7, "threads": 1}
    options |= {"data": str(data["reviews" if kind == "sentiment" else "text"]), "dropout": 0.0, "evaluations": 1}
    if kind == "sentiment":
        options |= {"class_weights": "balanced"}
    if kind == "pretrain":
        options |= {"samples": 4096, "bptt": 5, "vocab_size": 30}  # so that all words are candidates
    whole, cut = (trained(task, tmp_path / str(shards), shards=shards, **options) for shards in (1, 10))
    for name, p in whole.parameters().items():
        tolerance = 0.02 if kind == "pretrain" else 1e-4
        np.testing.assert_allclose(cut.parameters()[name].value, p.value, atol=tolerance, err_msg=name)


# --------------------------------------------------------------------------------------------------- several processes


@pytest.mark.usefixtures("mpiexec")
@pytest.mark.parametrize("kind", list(RUNS))
def test_any_number_of_processes_gives_the_same_bits(kind: str, data: dict[str, Path], tmp_path: Path):
    assert main(words(kind, data, tmp_path / "1")) == 0
    for size in (2, 4) if kind in ("charlm", "sentiment") else (3,):
        out = tmp_path / str(size)
        code, said = ended(size, words(kind, data, out), "from rnnnlp.training import mpi; mpi.CHUNK = 99")
        assert code == 0, said
        assert sum("done; use it with" in line for line in said) == 1
        assert any(f"resume with: mpiexec -n {size} rnnnlp" in line for line in said)
        assert tensors(out) == tensors(tmp_path / "1")


@pytest.mark.usefixtures("mpiexec")
@pytest.mark.parametrize("shards", ["6", "1"])
def test_a_stopped_run_goes_on_with_another_number_of_processes(shards: str, data: dict[str, Path], tmp_path: Path):
    assert main([*words("charlm", data, tmp_path / "whole"), "--shards", shards]) == 0
    out = tmp_path / "run"
    stop = "from rnnnlp.training import loop; import os, signal; first = loop.gradients_of_batch\n"
    stop += "def stopping(*a, **k):\n  if k['step'] == 3 and os.environ['PMI_RANK'] == '1':\n"
    stop += "    signal.raise_signal(signal.SIGTERM)\n  return first(*a, **k)\nloop.gradients_of_batch = stopping"
    code, said = ended(3, [*words("charlm", data, out), "--shards", shards], stop)
    assert code == 128 + signal.SIGTERM
    assert said[-1].startswith("rnnnlp: stopped by SIGTERM; resume with: mpiexec -n 3 rnnnlp train charlm --resume")
    code, said = ended(2, ["train", "charlm", "--resume", str(out)])
    assert code == 0, said
    assert tensors(out) == tensors(tmp_path / "whole")


@pytest.mark.usefixtures("mpiexec")
@pytest.mark.parametrize("more", [[], ["--steps", "40", "--evaluations", "40", "--patience", "1", "--lr", "1e-9"]])
def test_a_signal_during_the_last_checkpoint_is_one_to_all(more: list[str], data: dict[str, Path], tmp_path: Path):
    """Also where the patience has ended the training."""
    stop = "from rnnnlp.training import loop; import os, signal; first = loop.Trainer.save_checkpoint\n"
    stop += "def stopping(trainer, folder=None):\n  first(trainer, folder)\n"
    stop += "  if trainer.over and os.environ['PMI_RANK'] == '1': signal.raise_signal(signal.SIGTERM)\n"
    stop += "loop.Trainer.save_checkpoint = stopping"
    code, said = ended(2, [*words("charlm", data, tmp_path / "run"), *more], stop)
    assert code == 128 + signal.SIGTERM, said
    assert any("stopped early" in line for line in said) == bool(more)
    assert said[-1].startswith("rnnnlp: stopped by SIGTERM; resume with: mpiexec -n 2 rnnnlp train charlm --resume")


@pytest.mark.usefixtures("mpiexec")
def test_a_callback_stops_all_processes_at_the_same_step(data: dict[str, Path], tmp_path: Path):
    stop = "from rnnnlp import Callback, StopTraining; from rnnnlp.training import run; first = run.reports_to\n"
    stop += "class Stop(Callback):\n  def step(self, step, figures):\n    raise StopTraining\n"
    stop += "run.reports_to = lambda callbacks, names: first([Stop()], names)"
    code, said = ended(3, [*words("charlm", data, tmp_path / "run"), "--steps", "40"], stop)
    assert code == 0, said
    assert "a callback has stopped the training" in said
    assert max((tmp_path / "run/checkpoints").iterdir()).name == "step-00000010"


@pytest.mark.usefixtures("mpiexec")
@pytest.mark.parametrize("how", ["signal", "divergence"])
def test_trackers_of_a_run_that_stops_may_take_their_time(how: str, data: dict[str, Path], tmp_path: Path):
    told = tmp_path / "told"
    code = "from rnnnlp.training import divergence, loop, mpi, reporting; import os, signal, time\n"
    code += "first, mpi.END_SECONDS = loop.gradients_of_batch, 1.5\n"
    stop = "signal.raise_signal(signal.SIGTERM)" if how == "signal" else "raise divergence.Diverged('step 3: no')"
    code += f"def stopping(*a, **k):\n  if k['step'] == 3: {stop}\n"
    code += "  return first(*a, **k)\nloop.gradients_of_batch = stopping\n"
    code += "def slow(reports, status, figures):\n  if os.environ['PMI_RANK'] == '0':\n    time.sleep(3)\n"
    code += f"    open({str(told)!r}, 'w').write(status)\nreporting.Reports.end = slow"
    ended_with, said = ended(2, words("charlm", data, tmp_path / "run"), code)
    assert told.read_text() == ("interrupted" if how == "signal" else "failed")
    assert ended_with == (128 + signal.SIGTERM if how == "signal" else 2), said
    assert said[-1].startswith("rnnnlp: stopped by SIGTERM" if how == "signal" else "rnnnlp: error: step 3: no")


@pytest.mark.usefixtures("mpiexec")
@pytest.mark.parametrize("kind", ["charlm", "sentiment"])
def test_checkpoints_by_time_are_at_the_same_step_in_all_processes(kind: str, data: dict[str, Path], tmp_path: Path):
    """Though the first process alone writes the first one, and takes its time."""
    slow = "from rnnnlp.training import loop; import time; loop.CHECKPOINT_SECONDS = 0.5\n"
    slow += "first = loop.Trainer.save_checkpoint\n"
    slow += "def slowly(trainer, folder=None):\n  time.sleep(0.4 if folder else 0)\n  return first(trainer, folder)\n"
    slow += "gradients = loop.gradients_of_batch\n"
    slow += "def pausing(*a, **k):\n  time.sleep(0.15)\n  return gradients(*a, **k)\n"
    slow += "loop.Trainer.save_checkpoint, loop.gradients_of_batch = slowly, pausing"
    arguments = words(kind, data, tmp_path / "run")
    where, more = arguments.index("--checkpoint-every"), ["--steps", "12", "--evaluations", "1"]
    code, said = ended(2, [*arguments[:where], *arguments[where + 2 :], "--keep-checkpoints", "9", *more], slow)
    assert code == 0, said
    assert len(list((tmp_path / "run").glob("checkpoints/step-*"))) > 3


@pytest.mark.usefixtures("mpiexec")
def test_a_mistake_of_all_is_said_once(data: dict[str, Path], tmp_path: Path):
    code, said = ended(2, [*words("charlm", data, tmp_path / "run"), "--dropout", "3"])
    assert (code, said) == (2, ["rnnnlp: error: --dropout is 3.0; it must be at least 0 and below 1"])


@pytest.mark.usefixtures("mpiexec")
def test_an_error_of_the_first_process_ends_all(data: dict[str, Path], tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/mine.txt").write_text("")
    code, said = ended(3, words("charlm", data, tmp_path / "run"))
    assert code == 2
    assert [line for line in said if "error" in line] == [
        f"rnnnlp: error: --out {tmp_path / 'run'} is not empty and not a run; give the name of a new folder"
    ]


@pytest.mark.usefixtures("mpiexec")
@pytest.mark.parametrize("how", ["raise RuntimeError('no luck')", "os.kill(os.getpid(), 9)"])
def test_a_process_that_fails_ends_all(how: str, data: dict[str, Path], tmp_path: Path):
    fail = "from rnnnlp.training import loop; import os; first = loop.gradients_of_batch\n"
    fail += f"def failing(*a, **k):\n  if k['step'] == 3 and os.environ['PMI_RANK'] == '1': {how}\n"
    fail += "  return first(*a, **k)\nloop.gradients_of_batch = failing"
    code, said = ended(2, words("charlm", data, tmp_path / "run"), fail)
    assert code == (70 if "raise" in how else 9)
    if "raise" in how:
        assert [line for line in said if "no luck" in line] == [said[-1]]
        assert f"; resume with: mpiexec -n 2 rnnnlp train charlm --resume {tmp_path / 'run'}" in said[-1]
    assert main(["train", "charlm", "--resume", str(tmp_path / "run")]) == 0


@pytest.mark.usefixtures("mpiexec")
def test_a_computer_that_cannot_be_reached_ends_all(data: dict[str, Path], tmp_path: Path):
    lost = "from mpi4py import MPI; from rnnnlp.training import loop, watch; import os, threading\n"
    lost += "rank, waits, first = os.environ['PMI_RANK'], threading.Event(), loop.gradients_of_batch\n"
    lost += "MPI.Get_processor_name = lambda: 'node' + rank\n"
    lost += "watch.own_addresses = lambda: ['127.0.0.1']\n"
    lost += (
        "watch.wait_for_loss = lambda connections: next(iter(connections)) if waits.wait() and rank == '0' else None\n"
    )
    lost += "def waiting(*a, **k):\n  if k['step'] == 3:\n    waits.set()\n"
    lost += "    if rank == '1': threading.Event().wait()\n  return first(*a, **k)\nloop.gradients_of_batch = waiting"
    code, said = ended(2, words("charlm", data, tmp_path / "run"), lost)
    assert code == 69
    last = "process 1 on node1 cannot be reached any more; resume with: "
    last += f"mpiexec -n 2 rnnnlp train charlm --resume {tmp_path / 'run'}"
    assert [line for line in said if "cannot be reached" in line] == [last]
    assert main(["train", "charlm", "--resume", str(tmp_path / "run")]) == 0


@pytest.mark.usefixtures("mpiexec")
def test_processes_with_different_options_are_refused(data: dict[str, Path], tmp_path: Path):
    more = "import os; sys.argv += ['--lr', '0.0' + os.environ['PMI_RANK'] + '1']"
    code, said = ended(2, words("charlm", data, tmp_path / "run"), more)
    assert (code, len(said)) == (2, 1)
    assert "the processes of one launcher were asked for different things; give" in said[0]


@pytest.mark.usefixtures("mpiexec")
@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("gradient_sum.made_with = lambda: {'rnnnlp': os.environ['PMI_RANK']}", "process 1 has another installation"),
        (
            "CharLMObjective.fingerprint = lambda self: {'text': os.environ['PMI_RANK']}",
            "process 1 has other data",
        ),
    ],
)
def test_processes_with_other_data_or_kernels_are_refused(
    what: str, message: str, data: dict[str, Path], tmp_path: Path
):
    imports = "import os; from rnnnlp.training import gradient_sum\n"
    imports += "from rnnnlp.tasks.char_lm.objective import CharLMObjective\n"
    code, said = ended(2, words("charlm", data, tmp_path / "run"), imports + what)
    assert code == 2
    assert [line for line in said if "error" in line] == [said[-1]]
    assert message in said[-1]


def test_another_mpi_than_that_of_the_launcher(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(OverMPI, "_started", Namespace(size=1))
    monkeypatch.setenv("PMI_SIZE", "4")
    with pytest.raises(UserError, match="4 processes were started together, and MPI knows of 1; start"), together():
        pass


def test_slurm_processes_that_do_not_know_of_each_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    for name in (*SIZES, "PMIX_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "16")
    with together():
        assert processes().size == 1
    assert "Slurm started 16 processes" in caplog.text


def test_without_the_extra_a_launcher_is_told_what_to_install(data: dict[str, Path], tmp_path: Path):
    program = "import sys; sys.modules['mpi4py'] = None\nfrom rnnnlp.cli.start import main; sys.exit(main())"
    command = [sys.executable, "-c", program, *words("charlm", data, tmp_path / "run")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PMI", "OMPI"))}
    for rank, rank_on_host in ((0, "0"), (1, "1"), (1, "0")):  # the last one is on another computer
        launched = environment | {"PMI_SIZE": "2", "PMI_RANK": str(rank), "MPI_LOCALRANKID": rank_on_host}
        done = subprocess.run(command, env=launched, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 2
        assert done.stderr.count("\n") == (1 if rank_on_host == "0" else 0)
        remedy = f"install them on {socket.gethostname()}: pip install 'rnnnlp[mpi]'"
        assert (remedy in done.stderr) == (rank_on_host == "0")


def test_one_process_does_not_import_mpi(data: dict[str, Path], tmp_path: Path):
    program = "import sys; from rnnnlp.cli.main import main; main(); assert 'mpi4py' not in sys.modules"
    command = [sys.executable, "-c", program, *words("charlm", data, tmp_path / "run")]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
