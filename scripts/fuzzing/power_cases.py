"""The cases of scripts/power_campaign.py: what is on the disk after a power cut, and whether it can be used."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fuzzing.cases import FAILED, Options, Outcome, in_child, in_parallel
from fuzzing.damage_cases import import_everything
from fuzzing.disk import Disk, recorded
from fuzzing.process_cases import command, network_of, old_or_new, result, resumed
from fuzzing.stand_ins import compiled
from fuzzing.subjects import REVIEWS, TEXT
from rnnnlp.folders import NEXT

KINDS = ("begin", "overwrite", "resume", "train longer", "save_pretrained", "ensemble", "cache")
SIZES = "--hidden-size 6 --embedding-size 5 --batch-size 4 --evaluations 3 --checkpoint-every 2 --keep-checkpoints 2"
TASKS = {
    "train charlm": f"--data {{home}}/text.txt --bptt 8 --steps 6 {SIZES}",
    "train sentiment": f"--data {{home}}/reviews.csv --min-frequency 1 --pretraining 1 --steps 6 {SIZES}",
}
UNSYNCED = ("metrics",)  # lines of metrics.jsonl are not synced
Change = tuple[str, list[str], bytes]


class Scene(NamedTuple):
    """A command whose changes were recorded, and what must be true after a power cut.

    Attributes:
        what: What is done.
        before: A copy of the folder before that.
        folder: Where the folder was then.
        changes: What the command changed.
        judge: Says what became of the folder, given it and the number of changes before the cut: "the old model",
            ..., or "FAILED: ...".
    """

    what: str
    before: Path
    folder: Path
    changes: list[Change]
    judge: Callable[[Path, int], str]


class Studio:
    """Records commands.

    Args:
        home: A folder for everything.
        library: The recorder.
    """

    def __init__(self, home: Path, library: Path):
        self.home, self.library = home, library
        self.scratch = home / "scratch"

    def run(self, line: str, scratch: Path | None = None) -> tuple[int, str]:
        ended = in_child(command(line), scratch or self.scratch, seconds=60, memory=None)
        return ended.code, ended.error

    def record(self, what: str, folder: Path, action: str, judge: Callable[[Path, int], str]) -> Scene:
        """Runs Python code in a new process, and records what it changes in a folder."""
        import sys

        folder.parent.mkdir(exist_ok=True)
        before, log = self.home / f"before-{folder.parent.name}", self.home / f"log-{folder.parent.name}"
        shutil.copytree(folder.parent, before)
        environment = os.environ | {
            "LD_PRELOAD": str(self.library),
            "RECORD_ROOT": str(folder.parent),
            "RECORD_LOG": str(log),
        }
        inodes = {str(path.relative_to(folder.parent)): path.stat().st_ino for path in folder.parent.rglob("*")}

        def start() -> int:
            os.execve(sys.executable, [sys.executable, "-c", action], environment)

        ended = in_child(start, self.scratch, seconds=60, memory=None)
        if ended.code != 0:
            raise RuntimeError(f"{what}: {ended}")
        names = {str(inode): str((before / name).stat().st_ino) for name, inode in inodes.items()}
        return Scene(what, before, folder, renumbered(recorded(log), names), judge)

    def scenes(self, kind: str) -> list[Scene]:
        return list(getattr(self, kind.replace(" ", "_"))())

    # ----------------------------------------------------------------------------------------------------------- scenes

    def line(self, task: str, folder: Path, more: str = "") -> str:
        return f"{task} {TASKS[task].format(home=self.home)} --out {folder} {more}"

    def whole(self, task: str, more: str = "") -> dict[str, Any]:
        """The result of a run that nothing disturbed."""
        folder = self.home / "whole" / "run"
        code, error = self.run(self.line(task, folder, f"{more} --overwrite"))
        if code != 0:
            raise RuntimeError(error)
        return result(folder)

    def begin(self) -> Iterator[Scene]:
        for task in TASKS:
            whole = self.whole(task)
            folder = self.place()
            code = main_of(self.line(task, folder))
            changes: list[Change] = []

            def judge(state: Path, cut: int, task=task, whole=whole, run=str(folder), changes=changes) -> str:
                promised = is_synced(changes[:cut], run)
                again = "" if promised else self.line(task, state, "--overwrite")
                return resumed(task, state, whole, again=again, scratch=scratch_of(state), but=UNSYNCED)

            scene = self.record(f"begin {task}", folder, code, judge)
            changes.extend(scene.changes)
            yield scene

    def overwrite(self) -> Iterator[Scene]:
        task = "train charlm"
        whole = self.whole(task)
        folder = self.place()
        self.run(self.line(task, folder, "--seed 1"))
        old = result(folder)

        def judge(state: Path, cut: int) -> str:
            return old_or_new(task, state, old, whole, scratch=scratch_of(state), but=UNSYNCED)

        yield self.record(f"overwrite {task}", folder, main_of(self.line(task, folder, "--overwrite")), judge)

    def resume(self) -> Iterator[Scene]:
        for task in TASKS:
            whole = self.whole(task)
            folder = self.place()
            self.run(self.line(task, folder))
            for path in sorted((folder / "checkpoints").iterdir())[1:]:
                shutil.rmtree(path)

            def judge(state: Path, cut: int, task=task, whole=whole) -> str:
                return resumed(task, state, whole, scratch=scratch_of(state), but=UNSYNCED)

            yield self.record(f"resume {task}", folder, main_of(f"{task} --resume {folder}"), judge)

    def train_longer(self) -> Iterator[Scene]:
        task = "train charlm"
        folder = self.place()
        self.run(self.line(task, folder))
        reference = self.home / "whole" / "run"
        shutil.rmtree(reference, ignore_errors=True)
        shutil.copytree(folder, reference)
        self.run(f"{task} --resume {reference} --steps 10")
        whole = result(reference)

        def judge(state: Path, cut: int) -> str:
            return resumed(task, state, whole, more="--steps 10", scratch=scratch_of(state), but=UNSYNCED)

        yield self.record(f"train {task} for longer", folder, main_of(f"{task} --resume {folder} --steps 10"), judge)

    def save_pretrained(self) -> Iterator[Scene]:
        task = "train charlm"
        folder, other = self.place(), self.home / "other"
        self.run(self.line(task, other, "--seed 1 --overwrite"))
        self.run(self.line(task, self.home / "first", "--overwrite"))
        network_of(task, self.home / "first").save_pretrained(folder)
        code = f"from rnnnlp import CharLM\nCharLM.from_pretrained({str(other)!r}).save_pretrained({str(folder)!r})"
        yield self.record("save_pretrained over a model", folder, code, self.one_of(task, folder, other))

    def ensemble(self) -> Iterator[Scene]:
        task = "train sentiment"
        member = (
            "--hidden-size 6 --embedding-size 5 --batch-size 4 --steps 100 --evaluations 2 --lr 0.1 --min-frequency 1"
        )
        members = []
        for name, more in (("a", ""), ("b", "--cell gru")):
            folder = self.home / name
            self.run(f"{task} --data {self.home}/reviews.csv {member} {more} --out {folder} --overwrite")
            members.append(str(folder))
        folder, other = self.place(), self.home / "ensemble"
        self.run(f"ensemble {members[0]} {members[1]} --out {folder}")
        self.run(f"ensemble {members[1]} {members[0]} --out {other}")
        code = main_of(f"ensemble {members[1]} {members[0]} --out {folder} --overwrite")
        yield self.record("ensemble over an ensemble", folder, code, self.one_of(task, folder, other))

    def cache(self) -> Iterator[Scene]:
        folder = self.place()
        run, text = self.home / "for-the-cache", self.home / "text.txt"
        self.run(self.line("train charlm", run, "--overwrite"))
        line = f"plot --gradients {run} --data {text} --steps 10 --json -"  # keeps the ids also of a small text
        first = in_child(command(line), self.scratch, memory=None).out

        def judge(state: Path, cut: int) -> str:
            def plot() -> int:
                os.environ["RNNNLP_CACHE"] = str(state)
                return command(line)()

            ended = in_child(plot, scratch_of(state), memory=None)
            if ended.code != 0:
                return f"{FAILED}ended with {ended.code}: {ended.error[-300:]}"
            return "the same figures" if ended.out == first else FAILED + "other figures"

        code = f"import os\nos.environ['RNNNLP_CACHE'] = {str(folder)!r}\n" + main_of(line)
        yield self.record("an entry of the cache", folder, code, judge)

    # ----------------------------------------------------------------------------------------------------------- judges

    def place(self) -> Path:
        """A new path for a run: its parent is what is recorded."""
        number = len(list(self.home.glob("place-*")))
        parent = self.home / f"place-{number}"
        parent.mkdir()
        return parent / "run"

    def one_of(self, task: str, old: Path, new: Path) -> Callable[[Path, int], str]:
        """Judges a folder that must hold the one model or the other."""

        def answer(folder: Path) -> object:
            from rnnnlp import CharLM, SentimentClassifier

            if task == "train charlm":
                return CharLM.from_pretrained(folder).generate("All", length=20, seed=1)
            return SentimentClassifier.from_pretrained(folder).predict_proba(["it is good", "bad"]).tolist()

        wanted = {str(answer(old)): "the old model", str(answer(new)): "the new model"}

        def judge(state: Path, cut: int) -> str:
            try:
                found = str(answer(state))
            except Exception as error:
                return f"{FAILED}the model is lost: {error}"
            return wanted.get(found, FAILED + "another model")

        return judge


def scratch_of(state: Path) -> Path:
    """A folder for the output of a command, beside the disk."""
    return state.parent.with_name(f"{state.parent.name}-scratch")


def main_of(line: str) -> str:
    """Python code that runs a command."""
    return f"from rnnnlp.cli.main import main\nimport sys\nsys.exit(main({line.split()!r}))"


def is_synced(changes: list[Change], run: str) -> bool:
    """Whether a checkpoint of this run, and the folders above it, were synced: from then on one must be there."""
    published = set()  # folders whose sync puts a checkpoint on the disk
    for kind, fields, _ in changes:
        if kind == "rename" and fields[1] == f"{run}/{NEXT}":  # the first checkpoint
            published.add(run)
        elif kind == "rename" and fields[1].startswith(f"{run}/checkpoints/step-"):
            published.add(f"{run}/checkpoints")
        elif kind == "syncfolder" and fields[0] in published:
            return True
    return False


def renumbered(changes: Iterable[Change], inodes: dict[str, str]) -> list[Change]:
    """The changes, with the inodes of the copy of the folder in place of those that were there."""
    known, renamed = dict(inodes), []
    for kind, fields, data in changes:
        fields = list(fields)
        if kind == "create":
            known[fields[1]] = fields[1] = f"new {fields[1]} {len(renamed)}"
        elif kind in ("write", "truncate", "sync"):
            fields[0] = known[fields[0]]
        renamed.append((kind, fields, data))
    return renamed


def one_case(scene: Scene, rng: np.random.Generator, place: Path) -> tuple[str, str]:
    """Cuts the power at a random moment, and judges what is on the disk; returns what was done, and how it ended."""
    shutil.rmtree(place, ignore_errors=True)
    cut = int(rng.integers(len(scene.changes) + 1))
    disk = Disk(scene.before)
    root = str(scene.folder.parent)
    for kind, fields, data in scene.changes[:cut]:
        moved = [f.replace(root, str(scene.before), 1) if f.startswith(root) else f for f in fields]
        disk.apply(kind, moved, data)
    only_killed = bool(rng.random() < 0.2)
    disk.write_state(rng, place, cut=not only_killed)
    what = f"{scene.what}, {'killed' if only_killed else 'power cut'} after {cut} of {len(scene.changes)} changes"
    if cut:
        kind, fields, _ = scene.changes[cut - 1]
        names = (f"{Path(f).parent.name}/{Path(f).name}" for f in fields if "/" in f)
        what += f", the last: {kind} {' '.join(names)}"
    return what, scene.judge(place / scene.folder.name, cut)


def campaign(options: Options) -> Iterator[Outcome]:
    """Runs the cases."""
    import_everything()
    with tempfile.TemporaryDirectory(prefix="rnnnlp-power-") as name:
        home = Path(name)
        os.environ["RNNNLP_CACHE"] = str(home / "cache")
        (home / "text.txt").write_text(TEXT)
        (home / "reviews.csv").write_text(REVIEWS)
        library = compiled("recorder", home)
        if library is None:
            yield Outcome(0, "all", "no C compiler", "skipped: no C compiler")
            return
        studio = Studio(home, library)
        scenes = {kind: studio.scenes(kind) for kind in ([options.only] if options.only else KINDS)}

        def work(cases: Iterable[int], job: int) -> Iterator[Outcome]:
            for case in cases:
                rng = np.random.default_rng([options.seed, case])
                drawn = KINDS[int(rng.integers(len(KINDS)))]
                kind = options.only or drawn
                scene = scenes[kind][int(rng.integers(len(scenes[kind])))]
                place = home / f"disk-{job}"  # as deep as the places where the changes were recorded
                what, ended = one_case(scene, rng, place)
                if ended.startswith(FAILED) and options.keep:
                    shutil.copytree(place, options.keep / f"case-{case}", dirs_exist_ok=True)
                yield Outcome(case, kind, what, ended)

        yield from in_parallel(options, work)
