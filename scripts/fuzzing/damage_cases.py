"""The cases of scripts/damage_campaign.py: damaged copies of `SUBJECTS`, and how each command ends."""

import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import datasets  # noqa: F401 (before the forks, for speed)
import numpy as np
import pyarrow.parquet  # noqa: F401
import tokenizers  # noqa: F401

import rnnnlp.training.run
from fuzzing.cases import FAILED, MEMORY, Ended, Options, Outcome, in_child, in_parallel, verdict
from fuzzing.damages import Damage, damages_of
from fuzzing.subjects import REVIEWS, SUBJECTS, TEXT, Command, Subject, must
from rnnnlp import kernels
from rnnnlp.cli.main import COMMANDS, main
from rnnnlp.tasks import TASKS, load_task

WRITES = ("resume", "overwrite", "plot and train")  # commands that write `Subject.result`
TRUSTED = ("special", "plant", "forge_entry")  # what happens to the cache only if its owner wants it
AMPLIFIED = "amplified"  # the kind of small inputs that need much
SHARES = {
    "classifier": 4,
    "charlm": 3,
    "word_lm": 2,
    "ensemble": 3,
    "saved": 2,
    "exported": 2,
    "cache": 3,
    "options": 1,
    "data": 3,
}


def kinds() -> list[str]:
    """The kinds of cases, each as often as it is drawn."""
    return [kind for kind, share in SHARES.items() for _ in range(share)] + [AMPLIFIED] * (amplified() is not None)


def amplified() -> Any:
    """fuzzing/amplification.py, or None where it is not there."""
    return import_module("fuzzing.amplification") if find_spec("fuzzing.amplification") else None


# -------------------------------------------------------------------------------------------------------- preparation


def import_everything() -> None:
    """Imports what a command may need, before the forks."""
    for name in COMMANDS:
        import_module(f"rnnnlp.cli.{name}")
    for name in TASKS:
        load_task(name)
    for name in ("CharLM", "Ensemble", "SentimentClassifier", "WordLM"):
        getattr(rnnnlp, name)
    kernels.use("auto", 1)


def prepare(home: Path, wanted: Collection[str]) -> None:
    """Makes all subjects twice, with different seeds."""
    (home / "text.txt").write_text(TEXT)
    (home / "reviews.csv").write_text(REVIEWS)
    os.environ["RNNNLP_CACHE"] = str(home / "cache")
    needed = {"saved": ("classifier", "charlm"), "cache": ("charlm",), "data": ("classifier", "charlm")}
    names = {need for kind in set(wanted) for need in (*needed.get(kind, ()), kind)}
    for name in (name for name in SUBJECTS if name in names):
        for seed in (0, 1):
            folder = home / f"{name}-{seed}"
            folder.mkdir()
            SUBJECTS[name].build(folder, home, seed)
            shutil.rmtree(folder.with_name(f"{folder.name}-made"), ignore_errors=True)
    if AMPLIFIED in wanted:
        (home / AMPLIFIED).mkdir()
        must(in_child(lambda: amplified().prepare(home / AMPLIFIED) or 0, home / "made", seconds=60, memory=None))


def make_beside(beside: Path, subject: Path) -> None:
    """What is beside the damaged folder and must not change, with what looks as if it could be removed."""
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    (beside / "precious.txt").write_text("12345 is a number, and this is a text that nobody may change\n")
    if (subject / "run").is_dir():
        shutil.copytree(subject / "run", beside / "run")
    else:
        (beside / "run").mkdir()
    drafts = beside / "drafts"
    for name in (".draft.tmp", "step-00000001", ".step-00000001.tmp", "checkpoints/.draft.tmp", "members/0"):
        (drafts / name).mkdir(parents=True)
        (drafts / name / "draft.txt").write_text("a draft\n")
    (drafts / ".lock").write_text("a lock\n")
    (drafts / ".config.json.1.tmp").write_text("an old draft\n")


def digest(folder: Path, *, but: Sequence[str] = ()) -> str:
    """A digest of all names, kinds, modes and contents in a folder."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.relative_to(folder).parts[0] in but:
            continue
        mode = path.lstat().st_mode
        found.update(f"{path.relative_to(folder)} {mode}\n".encode("utf-8", "surrogateescape"))
        if stat.S_ISREG(mode):
            found.update(content(path).encode())
        elif stat.S_ISLNK(mode):
            found.update(os.readlink(path).encode("utf-8", "surrogateescape"))
    return found.hexdigest()


# --------------------------------------------------------------------------------------------------------------- a case


class Result(NamedTuple):
    """How a command ended, and a digest of the files that it should have left."""

    ended: Ended
    files: tuple[str, ...]


class Worker:
    """Runs cases in a folder of its own.

    Args:
        place: The folder, which is made.
        home: The folder with the subjects.
        keep: Where the folders of failed cases are kept, or None.
    """

    def __init__(self, place: Path, home: Path, keep: Path | None):
        self.place, self.home, self.keep = place, home, keep
        self.folder, self.scratch, self.beside = place / "case", place / "scratch", place / "beside"
        self.home_of_amplified = place.with_name(f"{place.name}-{AMPLIFIED}")
        self.whole: dict[tuple[str, ...], Result] = {}
        place.mkdir()
        self.scratch.mkdir()

    def run(self, seed: int, case: int, only: str | None) -> Outcome:
        rng = np.random.default_rng([seed, case])
        drawn = kinds()[int(rng.integers(len(kinds())))]
        kind = only or drawn
        outcome = self.amplified(case) if kind == AMPLIFIED else self.drawn(case, kind, rng)
        if outcome.failed and self.keep:
            folder = self.home_of_amplified / "case" if kind == AMPLIFIED else self.place
            shutil.copytree(folder, self.keep / f"case-{case}", symlinks=True, dirs_exist_ok=True, ignore=ignore)
        return outcome

    def drawn(self, case: int, kind: str, rng: np.random.Generator) -> Outcome:
        """Damages a file or folder at random, and runs a command that reads it."""
        subject, whole = SUBJECTS[kind], self.home / f"{kind}-0"
        places = sorted((whole / subject.top).rglob("*")) or [whole / subject.top]
        if subject.top == "run":
            places.append(whole / "run")
        place = places[int(rng.integers(len(places)))].relative_to(whole)
        possible = damages_of(whole / place)
        damage = possible[int(rng.integers(len(possible)))]
        names = next((names for part, names in subject.read_by.items() if part in str(place)), tuple(subject.commands))
        if re.search(
            r"checkpoints(/step-\d+)?$", str(place)
        ):  # without the last checkpoint, an earlier one is the last
            names = tuple(name for name in names if name != "evaluate last")
        return self.damaged(case, kind, str(place), damage, names[int(rng.integers(len(names)))], rng)

    def damaged(self, case: int, kind: str, place: str, damage: str, name: str, rng: np.random.Generator) -> Outcome:
        """Does this damage to a file or folder, and runs the command of this name."""
        subject = SUBJECTS[kind]
        what = f"{damage} {place}, {name}"
        damaged = self.folder / ("data/classes" if place.startswith("data/classes") else place)
        undamaged = self.undamaged(kind, name, damaged)
        self.copy(kind)
        try:
            method = getattr(Damage(self.folder, self.home / f"{kind}-1", self.beside, rng), damage)
            method(self.folder / place)
        except (ValueError, IndexError, KeyError, FileExistsError) as error:
            return Outcome(case, kind, what, f"{FAILED}the damage was not done: {error!r}")
        before = digest(self.beside)
        result = self.command(subject, subject.commands[name], damaged)
        ended = self.judged(subject, result, undamaged, damage=damage, name=name)
        if digest(self.beside) != before or {path.name for path in self.place.iterdir()} - {
            "case",
            "scratch",
            "beside",
        }:
            ended = FAILED + "something outside of the folder changed"
        return Outcome(case, kind, what, ended, result.ended.seconds, result.ended.memory, result.ended.error)

    def amplified(self, case: int) -> Outcome:
        """Each of the small inputs that need much, in turn."""
        inputs = amplified()
        home = self.home_of_amplified
        if not home.exists():
            shutil.copytree(self.home / AMPLIFIED, home)
        chosen = inputs.CASES[case % len(inputs.CASES)]
        words = inputs.begin(chosen, home)
        ended = in_child(lambda: main(words), self.scratch)
        what = f"{chosen.name}, {' '.join(words[:2])}"
        return Outcome(case, AMPLIFIED, what, verdict(ended), ended.seconds, ended.memory, ended.error)

    def copy(self, kind: str) -> None:
        """An undamaged copy, and what is beside it."""
        for path in self.folder.rglob("*") if self.folder.exists() else ():
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.home / f"{kind}-0", self.folder, symlinks=True)
        make_beside(self.beside, self.folder)

    def undamaged(self, kind: str, name: str, damaged: Path) -> Result:
        """How a command ends with the undamaged folder."""
        subject = SUBJECTS[kind]
        key = (kind, name) if not subject.forged else (kind, name, str(damaged))
        if key not in self.whole and not subject.forged:
            self.copy(kind)
            self.whole[key] = self.command(subject, subject.commands[name], damaged)
            if self.whole[key].ended.code != 0:
                raise RuntimeError(f"{key}, undamaged: {self.whole[key].ended}")
        return self.whole.get(key) or Result(Ended(0, "", "", 0.0, 0), ())

    def command(self, subject: Subject, command: Command, damaged: Path) -> Result:
        cache = self.folder / "cache"
        os.environ["RNNNLP_CACHE"] = str(cache if subject.top == "cache" else self.home / "cache")
        ended = in_child(command(self.folder, self.home, damaged), self.scratch)
        files = tuple(content(self.folder / file) for file in subject.result)
        return Result(ended, files)

    def judged(self, subject: Subject, result: Result, whole: Result, *, damage: str, name: str) -> str:
        """ "refused", "as whole", "forged", or "FAILED: ..."."""
        ended = verdict(result.ended)
        forged = subject.forged or damage.startswith("forge")
        if ended == "refused" and subject.mended and damage not in TRUSTED:
            return FAILED + "refused, and should be mended"
        if ended != "done":
            return ended
        # The command status shows metrics.jsonl and training states as they are, unchecked; so does plot.
        same_out = name in ("status", "plot") or result.ended.out == whole.ended.out
        if same_out and (result.files == whole.files or name not in WRITES):
            return "as whole"
        if forged and not subject.mended:
            return "forged"
        if subject.mended and (damage == "forge_entry" or (damage in TRUSTED and same_out)):
            return "forged"
        return FAILED + ("another result" if not same_out else "other files")


def content(path: Path) -> str:
    """A digest of a file or folder; empty if there is none. Of a large file only the size counts."""
    if path.is_dir():
        return digest(path)
    if not path.is_file():
        return ""
    size = path.stat().st_size
    return str(size) if size > MEMORY else hashlib.sha256(path.read_bytes()).hexdigest()


def ignore(folder: str, names: list[str]) -> list[str]:
    """What cannot be copied: pipes, sockets, devices, and files that only seem to be large."""
    kept = (stat.S_ISREG, stat.S_ISDIR, stat.S_ISLNK)
    found = {name: os.lstat(os.path.join(folder, name)) for name in names}
    return [n for n, s in found.items() if not any(is_it(s.st_mode) for is_it in kept) or s.st_size > 1 << 28]


def campaign(options: Options) -> Iterator[Outcome]:
    """Runs the cases."""
    import_everything()
    with tempfile.TemporaryDirectory(prefix="rnnnlp-damage-") as name:
        home = Path(name)
        prepare(home, [options.only] if options.only else dict.fromkeys(kinds()))

        def work(cases: Iterable[int], job: int) -> Iterator[Outcome]:
            worker = Worker(home / f"worker-{job}", home, options.keep)
            for case in cases:
                yield worker.run(options.seed, case, options.only)

        changing = [f"worker-{job}{more}" for job in range(options.jobs) for more in ("", f"-{AMPLIFIED}")] + ["cache"]
        before = digest(home, but=changing)
        yield from in_parallel(options, work)
        if digest(home, but=changing) != before:
            yield Outcome(-1, "all", "all cases", FAILED + "the common data changed")
