"""A few cases of each campaign in `scripts/`, and proof that their judges see what is wrong.

Each campaign forks from a process without threads, so a slice of it runs in a process of its own.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import PATIENCE

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the campaigns need Linux"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]
SCRIPTS = Path(__file__).parents[2] / "scripts"
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


@pytest.mark.parametrize(
    "words",
    [
        "damage_campaign.py --count 25 --seed 7",
        "process_campaign.py --count 4 --seed 7",
        pytest.param("power_campaign.py --count 8 --seed 7 --only overwrite", marks=needs_compiler),
        "fuzz_text.py --count 50 --seed 7",
    ],
)
def test_no_case_of_a_small_campaign_fails(words: str):
    script, *options = words.split()
    count = options[1]
    command = [sys.executable, str(SCRIPTS / script), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{count} cases in " in done.stdout
    assert "0 failed" in done.stdout


TOKENIZE = """
from rnnnlp.text import train_tokenizer
texts = ["the quick brown fox", "jumps over the lazy dog"] * 20
for kind in ("word", "bpe"):
    print([ids.tolist() for ids in train_tokenizer(kind, texts, vocab_size=300).encode_batch(texts)])
"""


@needs_compiler
def test_tokenizers_work_where_no_thread_can_be_started(tmp_path: Path):
    from fuzzing.stand_ins import compiled

    environment = {key: value for key, value in os.environ.items() if key != "TOKENIZERS_PARALLELISM"}
    environment |= {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "3"}
    limited = environment | {"LD_PRELOAD": str(compiled("few_threads", tmp_path)), "MOST_THREADS": "1"}
    usual, with_one = (
        subprocess.run([sys.executable, "-c", TOKENIZE], env=env, check=True, capture_output=True, text=True).stdout
        for env in (environment, limited)
    )
    assert usual == with_one


# ------------------------------------------------------------------------------------------ the verdict on one process


def fails(what: str) -> Callable[[], int]:
    def traceback() -> int:
        raise KeyError("tokens")

    def hang() -> int:
        while True:
            time.sleep(60)

    def compute() -> int:
        while True:
            pass

    def take_memory() -> int:
        bytearray(2 << 30)
        return 0

    def take_memory_politely() -> int:
        from rnnnlp.cli.main import fail

        try:
            bytearray(2 << 30)
        except MemoryError:
            return fail("there is not enough memory")
        return 0

    def command_the_terminal() -> int:
        print("\x1b[2J")
        return 0

    def turn_the_text() -> int:
        print("\u202egood")
        return 0

    def two_errors() -> int:
        sys.stderr.write("rnnnlp: error: one\nrnnnlp: error: two\n")
        return 2

    def error_in_two_lines() -> int:
        sys.stderr.write("rnnnlp: error: one\nand more\n")
        return 2

    def another_code() -> int:
        return 70

    def crash() -> int:
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # ignored in the background of a shell
        os.kill(os.getpid(), signal.SIGQUIT)
        return 0

    return locals()[what]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("traceback", "traceback: KeyError"),
        ("hang", "hung"),
        ("compute", "too slow"),
        ("take_memory", "traceback: MemoryError"),
        ("take_memory_politely", "too much memory"),
        ("command_the_terminal", "control characters"),
        ("turn_the_text", "control characters"),
        ("two_errors", "not one line"),
        ("error_in_two_lines", "not one line"),
        ("another_code", "ended with 70"),
        ("crash", "ended with -3"),
    ],
)
def test_the_judge_of_a_process_sees(what: str, said: str, tmp_path: Path):
    from fuzzing import cases
    from fuzzing.cases import FAILED, SECONDS, in_child, verdict

    seconds, patience = 1 if what == "compute" else SECONDS, 1 if what == "hang" else cases.PATIENCE
    ended = in_child(fails(what), tmp_path / "scratch", seconds=seconds, patience=patience)
    assert verdict(ended).startswith(FAILED + said)


def test_the_judge_of_a_process_lets_pass_what_is_right(tmp_path: Path):
    from fuzzing.cases import in_child, verdict

    from rnnnlp.cli.main import fail

    assert verdict(in_child(lambda: print("a\tb") or 0, tmp_path / "scratch")) == "done"
    assert verdict(in_child(lambda: fail("one line"), tmp_path / "scratch")) == "refused"


def test_a_case_may_not_read_what_its_mode_forbids(tmp_path: Path):
    from fuzzing.cases import in_child

    (tmp_path / "secret").write_text("")
    (tmp_path / "secret").chmod(0)
    ended = in_child(lambda: len((tmp_path / "secret").read_text()), tmp_path / "scratch")
    assert "PermissionError" in ended.error


def test_the_command_that_repeats_a_case_has_its_kind_in_quotes(capsys: pytest.CaptureFixture[str]):
    from fuzzing.cases import FAILED, Options, Outcome, report

    outcome = Outcome(3, "train longer", "resume", FAILED + "hung")
    assert report([outcome], Options(range(4), 7, 1, "train longer", None)) == 1
    assert "--seed 7 --first 3 --count 1 --only 'train longer'\n" in capsys.readouterr().out


def test_the_folder_of_a_failed_case_is_kept(tmp_path: Path, monkeypatch):
    from fuzzing import text_cases
    from fuzzing.cases import Options

    def run_case(seed: int, case: int, folder: Path, only: str | None) -> str:
        (folder / "text.txt").write_text("a text")
        raise KeyError("tokens")

    monkeypatch.setattr(text_cases, "run_case", run_case)
    (tmp_path / "work").mkdir()
    options = Options(range(4), 0, 1, None, tmp_path / "kept")
    assert text_cases.one_case(options, 3, tmp_path / "work", tmp_path / "scratch").failed
    assert (tmp_path / "kept/case-3/text.txt").read_text() == "a text"


# --------------------------------------------------------------------------------------------- the verdict on the whole


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    from fuzzing.damage_cases import prepare

    home = tmp_path_factory.mktemp("campaign")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNNNLP_CACHE", str(home / "cache"))
        prepare(home, ["charlm"])
        yield home


def test_the_judge_of_damage_sees_a_loader_that_takes_everything(home: Path, tmp_path: Path, monkeypatch):
    from fuzzing.damage_cases import Worker
    from safetensors.numpy import load_file

    worker = Worker(tmp_path / "worker", home, None)
    case = (0, "charlm", "run/model.safetensors", "exchange_other", "generate")
    assert worker.damaged(*case, np.random.default_rng(0)).ended == "refused"
    monkeypatch.setattr("rnnnlp.training.network.load_tensors", lambda path, **given: load_file(path))
    assert worker.damaged(*case, np.random.default_rng(0)).ended == "FAILED: another result"


@pytest.mark.parametrize("name", ["precious.txt", "drafts/step-00000001/draft.txt", "new.txt", "../left.txt"])
def test_the_judge_of_damage_sees_what_changes_outside(home: Path, tmp_path: Path, monkeypatch, name: str):
    from fuzzing.damage_cases import Worker
    from fuzzing.subjects import main

    worker = Worker(tmp_path / "worker", home, None)

    def write(words: list[str]) -> int:
        (worker.beside / name).write_text("mine")
        return main(words)

    monkeypatch.setattr("fuzzing.subjects.main", write)
    outcome = worker.damaged(0, "charlm", "run/README.md", "append", "generate", np.random.default_rng(0))
    assert outcome.ended == "FAILED: something outside of the folder changed"


def test_a_damaged_cache_must_be_mended():
    from fuzzing.cases import Ended
    from fuzzing.damage_cases import Result, Worker
    from fuzzing.subjects import SUBJECTS

    whole = Result(Ended(0, "1.5\n", "", 0.0, 0), ("weights", "entries"))
    refused = Result(Ended(2, "", "rnnnlp: error: no\n", 0.0, 0), ("weights", "entries"))
    still_damaged = whole._replace(files=("weights", "others"))
    other = whole._replace(ended=whole.ended._replace(out="1.6\n"))

    def judged(result: Result) -> str:
        options = {"damage": "zeros", "name": "plot and train"}
        return Worker.judged(None, SUBJECTS["cache"], result, whole, **options)  # type: ignore[arg-type]

    assert judged(whole) == "as whole"
    assert [judged(result).startswith("FAILED") for result in (refused, still_damaged, other)] == [True] * 3


def test_the_judge_of_bits_names_what_differs(home: Path, tmp_path: Path):
    from fuzzing.process_cases import differences, result

    run = Path(shutil.copytree(home / "charlm-0/run", tmp_path / "run"))
    whole = result(run)
    assert differences(run, whole) == []
    state = run / "checkpoints/step-00000003/training_state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"evaluations": 99}))
    (run / ".left.tmp").touch()
    assert differences(run, whole) == ["training state (evaluations)", ".left.tmp"]
    assert differences(run, result(home / "charlm-1/run"))
    (run / "model.safetensors").unlink()
    assert "FileNotFoundError" in differences(run, whole)[0]


# ------------------------------------------------------------------------------------------------------------- the disk


def states(before: Path, changes: list[tuple[str, list[str], bytes]], to: Path) -> set[str]:
    """What a disk may hold after some changes and a power cut, as text."""
    from fuzzing.disk import Disk

    found = set()
    to.mkdir()
    for seed in range(50):
        disk = Disk(before)
        for change in changes:
            disk.apply(*change)
        disk.write_state(np.random.default_rng(seed), to / str(seed))
        files = sorted(path for path in (to / str(seed)).rglob("*") if path.is_file())
        found.add(" ".join(f"{path.name}={path.read_text()}" for path in files).replace("\0", "0"))
    return found


def test_a_disk_loses_what_is_not_synced(tmp_path: Path):
    before = tmp_path / "before"
    before.mkdir()
    (before / "a").write_text("old")
    inode = str((before / "a").stat().st_ino)
    a, b = str(before / "a"), str(before / "b")
    new = [("create", [b, "1"], b""), ("write", ["1", "0", "3"], b"new")]
    rename: list[tuple[str, list[str], bytes]] = [("rename", [b, a], b"")]
    synced = [*new, ("sync", ["1"], b"")]
    assert states(before, [], tmp_path / "0") == {"a=old"}
    assert {"a=old", "a=new", "a=", "a=n00"} <= states(before, new + rename, tmp_path / "1")
    assert states(before, synced + rename, tmp_path / "2") == {"a=old", "a=old b=new", "a=new"}
    folder = ("syncfolder", [str(before)], b"")
    assert states(before, [*synced, *rename, folder], tmp_path / "3") == {"a=new"}
    appended = [("write", [inode, "3", "2"], b"er")]
    assert states(before, appended, tmp_path / "4") == {"a=old", "a=older", "a=olde", "a=old00", "a=olde0"}
    emptied = [("truncate", [inode, "0"], b""), ("write", [inode, "0", "1"], b"n")]
    assert states(before, emptied, tmp_path / "5") == {"a=old", "a=n", "a=", "a=0"}


def test_a_synced_checkpoint_must_be_there_after_a_power_cut():
    from fuzzing.power_cases import is_synced

    first = [("rename", ["/run/.next.tmp", "/run/.rnnnlp-next"], b""), ("syncfolder", ["/run"], b"")]
    later = [("rename", ["/run/checkpoints/.tmp", "/run/checkpoints/step-00000002"], b"")]
    assert not is_synced(first[:1], "/run")
    assert is_synced(first, "/run")
    assert not is_synced([*later, first[1]], "/run")
    assert is_synced([*later, ("syncfolder", ["/run/checkpoints"], b"")], "/run")


@needs_compiler
def test_the_judge_of_power_cuts_sees_a_run_that_never_syncs(home: Path, tmp_path: Path, monkeypatch):
    from fuzzing.power_cases import Studio, one_case
    from fuzzing.stand_ins import compiled

    monkeypatch.setenv("RNNNLP_CACHE", str(home / "cache"))
    for name in ("text.txt", "reviews.csv"):
        shutil.copy(home / name, tmp_path)
    library = compiled("recorder", tmp_path)
    assert library is not None
    scene = next(Studio(tmp_path, library).train_longer())
    unsynced = scene._replace(changes=[c for c in scene.changes if c[0] not in ("sync", "syncfolder")])
    ended = [one_case(unsynced, np.random.default_rng(seed), tmp_path / "disk-0")[1] for seed in range(4)]
    assert any(end.startswith("FAILED") for end in ended)
