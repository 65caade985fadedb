"""Learning curves: how accurate a classifier is with 100, 300, 1000, ... labelled texts, beside linear baselines."""

# n texts, K classes

import functools
import hashlib
import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from rnnnlp.analysis.linear_baseline import MODELS, fit_baselines
from rnnnlp.display import markdown_table
from rnnnlp.errors import OptionName, UserError, option
from rnnnlp.files import open_regular, sync_folder
from rnnnlp.tasks.sentiment.bundled import bundled_models, is_bundled
from rnnnlp.text import LabelledSplit, load_labelled
from rnnnlp.text.labelled import LabelledData, hold_out_validation, warn_of_copies
from rnnnlp.text.read_options import ReadOptions
from rnnnlp.text.sources import find_source
from rnnnlp.training.metrics import Z_95, classification_metrics
from rnnnlp.training.model_folder import training_of
from rnnnlp.training.progress import BAR
from rnnnlp.training.records import is_number
from rnnnlp.training.run import kept_or_temporary, running, train, with_limit
from rnnnlp.training.task import Task

ALL = "all"  # in place of a size
SIZES = "100,300,1000,3000"
MEASURED = 0.2  # fraction of each class of train that is measured on if there is no such split
LARGEST_FILE = 1 << 26  # bytes of a file of finished trainings
BEGIN = b'{"labels": '  # of a line of it

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Point:
    """The figures of one training.

    Attributes:
        labels: The number of labelled texts that trained it.
        seed: The seed of the training, and of the choice of its texts.
        accuracy: The accuracy on the texts that are measured.
        macro_f1: The macro-F1 on them.
        seconds: The time of the training.
        baselines: The accuracy, macro-F1 and setting of each linear baseline on the same texts, by name.
    """

    labels: int
    seed: int
    accuracy: float
    macro_f1: float
    seconds: float
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class CurveData:
    """Labelled texts: those that parts are drawn from, and those that are measured.

    Attributes:
        loaded: The data, with "train" and the measured split.
        split: The name of the measured split.
        held_out: Whether that is a part of train.
    """

    loaded: LabelledData
    split: str
    held_out: bool

    @classmethod
    def load(cls, name: str, reading: ReadOptions | None = None, split: str = "validation") -> Self:
        """Loads data by name. Without a validation split, a part of train (MEASURED) is held out and measured on.

        Raises:
            UserError: If the data cannot be read, or have no such split.
        """
        held_out = split == "validation" and split not in find_source(name, reading, rows=True).splits
        loaded = load_labelled(
            name,
            reading,
            splits=("train", split),
            validation_fraction=MEASURED if held_out else 0,
            unlabelled=True,
        )
        if not loaded.splits[split].texts:
            raise UserError(f"{name} has too few texts to measure on; give more of each class")
        warn_of_copies(loaded, split)
        return cls(loaded, split, held_out)

    @property
    def train(self) -> LabelledSplit:
        return self.loaded.splits["train"]

    @property
    def measured(self) -> LabelledSplit:
        return self.loaded.splits[self.split]

    @property
    def where(self) -> str:
        """What is measured on, for people."""
        of = f"{MEASURED:.0%} of each class of train, held out" if self.held_out else f"the {self.split} split"
        return f"{len(self.measured):,} texts, {of}"

    @property
    def digest(self) -> str:
        """A checksum of all texts and labels."""
        found = hashlib.sha256(json.dumps(self.loaded.classes.names).encode())
        for split in (self.train, self.measured):
            found.update(np.ascontiguousarray(split.labels, "<i8").tobytes())
            for text in split.texts:
                content = text.encode("utf-8", "surrogatepass")
                found.update(len(content).to_bytes(8, "little") + content)
        return found.hexdigest()

    def part(self, size: int, seed: int) -> LabelledSplit:
        """A random part of train of this size; see `rows_of_part`."""
        chosen = np.zeros(len(self.train), bool)
        chosen[rows_of_part(self.train.labels, size, seed)] = True
        return self.train.where(chosen)


def rows_of_part(labels: np.ndarray, size: int, seed: int) -> np.ndarray:
    """The rows `(size,)` of a random part of labelled texts.

    Each class has its share, and at least two rows if there are two. A part of the same seed is in all larger ones.
    """
    rng = np.random.default_rng(seed)
    rank = np.empty(len(labels))
    for k in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == k))
        rank[rows] = (np.arange(len(rows)) + 0.5) / len(rows)  # evenly spread, so that every beginning has its share
        rank[rows[:2]] -= 1  # these come first
    return np.argsort(rank, kind="stable")[:size]


def usable_sizes(wanted: str | Sequence[int | str], labels: np.ndarray) -> list[int]:
    """The numbers of labelled texts to train on, in order; those that the texts are not enough for are logged.

    Args:
        wanted: Numbers, or "all"; as one string with commas between them.
        labels: The labels of the training texts, `(n,)`.

    Raises:
        UserError: If one is not a number above 0, or none is left.
    """
    counts = np.bincount(labels)
    least, most = int(np.minimum(counts, 2).sum()), len(labels)
    found = set()
    for item in wanted.split(",") if isinstance(wanted, str) else wanted:
        text = str(item).strip()
        if text != ALL and not (text.isascii() and text.isdigit() and len(text) < 16 and int(text) > 0):
            raise UserError(
                f"{option('sizes')} has {text!r}; it must be numbers of texts or {ALL}, such as {SIZES},{ALL}"
            )
        size = most if text == ALL else int(text)
        if size > most:
            log.warning("%s labels are left out: there are %s texts to train on", f"{size:,}", f"{most:,}")
        elif size < least:
            log.warning("%s labels are left out: two texts of each class are %s", f"{size:,}", f"{least:,}")
        else:
            found.add(size)
    if not found:
        raise UserError(
            f"{option('sizes')} has no number from {least} (two texts of each class) to {most} (all training texts); "
            f"give some, or {ALL}"
        )
    return sorted(found)


class Kept:
    """Finished trainings in a file, a line of JSON each, so that a curve can be interrupted and continued.

    Args:
        path: The file; None keeps nothing.
        of: What all its lines have in common: data, options.
    """

    def __init__(self, path: str | os.PathLike[str] | None, of: Mapping[str, Any]):
        self.path, self._of = None if path is None else Path(path).expanduser(), json.loads(json.dumps(dict(of)))
        self.points: dict[tuple[int, int], Point] = {}
        if self.path is not None:
            if self.path.exists():
                self._read(self.path)
            try:
                self.path.open("a").close()  # better now than after the first training
                sync_folder(self.path.parent)
            except OSError as error:
                raise UserError(
                    f"{option('json')} {path} cannot be written ({error.strerror}); give another path"
                ) from None

    def _read(self, path: Path) -> None:
        with open_regular(path) as file:
            content = file.read(LARGEST_FILE)
        whole = content.rfind(b"\n") + 1  # bytes of complete lines
        rest = content[whole:]
        # After a power cut there may be anything behind the complete lines.
        cut_off = bool(rest) and (bool(whole) or BEGIN.startswith(rest[: len(BEGIN)])) and len(content) < LARGEST_FILE
        for number, line in enumerate((content[:whole] if cut_off else content).splitlines(), start=1):
            record, point = _read_line(line)
            if point is None:
                raise UserError(
                    f"{option('json')} {path}, line {number}, is not a training of a curve; give another file"
                )
            for name, value in self._of.items():
                if record.get(name) != value:
                    raise UserError(
                        f"{option('json')} {path} has trainings with other {name}; give the same as there, or another "
                        "file"
                    )
            self.points[point.labels, point.seed] = point
        if cut_off:
            os.truncate(path, whole)

    def add(self, point: Point) -> None:
        """Keeps a point, on the disk too."""
        self.points[point.labels, point.seed] = point
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(self.line(point) + "\n")
                file.flush()
                os.fsync(file.fileno())

    def line(self, point: Point) -> str:
        return json.dumps(asdict(point) | self._of)


def _read_line(line: bytes) -> tuple[dict[str, Any], Point | None]:
    """A line of `Kept`: all of it, and its point; None if it has none."""
    try:
        record = json.loads(line)
        point = Point(**{name: record[name] for name in Point.__dataclass_fields__})
        figures = [point.accuracy, point.macro_f1, point.seconds]
        figures += [theirs[name] for theirs in point.baselines.values() for name in ("accuracy", "macro_f1")]
        if all(map(is_number, figures)) and type(point.labels) is type(point.seed) is int:
            return record, point
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    return {}, None


def learning_curve(
    task: Task,
    values: Mapping[str, Any],
    data: CurveData,
    sizes: Sequence[int],
    *,
    seeds: int = 3,
    baselines: bool = True,
    kept: Kept | None = None,
) -> list[Point]:
    """Trains a classifier on parts of the training texts, and measures each.

    A training sees only its part, and holds out validation texts from that, as it would for a user with so few labels.

    Args:
        task: What to train.
        values: The options of a training by name, as for `Task.options_from`. Its seed is the first of the seeds.
        data: The texts.
        sizes: The numbers of labelled texts: see `usable_sizes`.
        seeds: The number of seeds; each chooses other parts of the texts.
        baselines: Whether to also fit linear baselines on the same texts.
        kept: Trainings that are finished; those of this call are added, each as soon as it is finished.

    Returns:
        A point for each size and seed.

    Raises:
        UserError: For a mistake in options or data.
    """
    kept = Kept(None, {}) if kept is None else kept
    options = with_limit(task.options_from(values).training)
    wanted = [(size, options.seed + k) for size in sizes for k in range(seeds)]
    log.info("learning curve of %d trainings, measured on %s", len(wanted), data.where)
    of_all: dict[str, dict[str, float]] = {}  # baselines of all texts, which are the same for each seed
    with running(options.backend, options.threads):
        for number, (size, seed) in enumerate(wanted, start=1):
            point, part = kept.points.get((size, seed)), data.part(size, seed)
            if point is not None and (point.baselines or not baselines):
                continue
            measure = _trained(task, {**values, "seed": seed}, data, part) if point is None else asdict(point)
            if baselines:
                theirs = of_all or _baselines(data, part)
                of_all = theirs if size == len(data.train) else {}
                measure["baselines"] = theirs
            point = Point(**{**measure, "labels": size, "seed": seed})
            kept.add(point)
            log.info("%d of %d: %s", number, len(wanted), _sentence(point))
    return [kept.points[key] for key in wanted]


def _trained(task: Task, values: Mapping[str, Any], data: CurveData, part: LabelledSplit) -> dict[str, Any]:
    """The figures of one training."""
    source = data.loaded.source
    with _quiet(), kept_or_temporary(None) as folder:
        splits = hold_out_validation(part, source)
        given = LabelledData(splits, data.loaded.classes, source, data.loaded.unlabelled, held_out=True)
        started = time.monotonic()
        network: Any = train(task, task.options_from(values), folder, data=given)
        seconds = time.monotonic() - started
        start = training_of(folder).get("from_")
    if start is not None and is_bundled(start):
        _say_start(start)
    return _figures(network.predict_proba(data.measured.texts), data) | {"seconds": round(seconds, 2)}


@functools.cache
def _say_start(name: str) -> None:
    """Cached, so that it is said once."""
    log.warning(
        "the trainings start from the bundled model %s; figures of %s, which trained it, are too good: give %s none",
        *(name, " and ".join(bundled_models()[name].trained_on), OptionName("from_")),
    )


def _baselines(data: CurveData, part: LabelledSplit) -> dict[str, dict[str, float]]:
    found = fit_baselines(part, len(data.loaded.classes))
    return {b.name: _figures(b.predict_proba(data.measured.texts), data) | b.setting for b in found}


def _figures(probabilities: np.ndarray, data: CurveData) -> dict[str, float]:
    metrics = classification_metrics(probabilities, data.measured.labels, data.loaded.classes.names)
    return {name: round(metrics[name], 6) for name in ("accuracy", "macro_f1")}


def _sentence(point: Point) -> str:
    beside = ", ".join(f"{name} {figures['accuracy']:.3f}" for name, figures in point.baselines.items())
    shown = f"{point.labels:,} labels, seed {point.seed}: accuracy {point.accuracy:.3f}, {point.seconds:.0f} s"
    return f"{shown} ({beside})" if beside else shown


@contextmanager
def _quiet() -> Iterator[None]:
    """Only warnings are logged inside; a terminal has a progress bar."""
    logger = logging.getLogger("rnnnlp")
    level = logger.level
    logger.setLevel(max(level, BAR))
    try:
        yield
    finally:
        logger.setLevel(level)


# ----------------------------------------------------------------------------------------------------- for people


def by_size(points: Sequence[Point]) -> dict[int, list[Point]]:
    """The points of each number of labels, in order."""
    return {size: [p for p in points if p.labels == size] for size in sorted({p.labels for p in points})}


def baselines_of(points: Sequence[Point]) -> list[str]:
    """The names of the baselines that all points have."""
    return [kind.name for kind in MODELS if all(kind.name in p.baselines for p in points)]


def seeds_of(numbers: Sequence[int]) -> str:
    """The number of seeds of each size in words, from the different ones in order."""
    return f"{numbers[0]} to {numbers[-1]} seeds" if len(numbers) > 1 else f"{numbers[0]} seeds"


def mean_of(points: Sequence[Point], value: Callable[[Point], float]) -> float:
    return float(np.mean([value(p) for p in points]))


def table(points: Sequence[Point]) -> list[str]:
    """A Markdown table with a row for each number of labels: means over the seeds, and the lowest and highest."""
    names, sizes = baselines_of(points), by_size(points)
    differ = len({len(found) for found in sizes.values()}) > 1  # of a curve that was interrupted
    head = ["labels", *(["seeds"] if differ else []), "accuracy (lowest to highest)", "macro-F1"]
    head += [f"{name} {what}" for name in names for what in ("accuracy", "macro-F1")] + ["seconds"]
    rows = []
    for size, found in sizes.items():
        accuracies = [p.accuracy for p in found]
        row = [
            f"{size:,}",
            *([str(len(found))] if differ else []),
            f"{np.mean(accuracies):.3f} ({min(accuracies):.3f} to {max(accuracies):.3f})",
            f"{mean_of(found, lambda p: p.macro_f1):.3f}",
        ]
        for name in names:
            row += [f"{np.mean([p.baselines[name][what] for p in found]):.3f}" for what in ("accuracy", "macro_f1")]
        rows.append([*row, f"{mean_of(found, lambda p: p.seconds):.0f}"])
    return markdown_table(head, rows)


def outlook(points: Sequence[Point], measured: int) -> str:
    """A sentence on what more labels would bring, as far as the last two sizes tell.

    The differences are taken seed by seed, because a larger part of a seed has the smaller one in it.

    Args:
        points: Those of a learning curve.
        measured: The number of texts that they were measured on.
    """
    sizes = by_size(points)
    if len(sizes) < 2:
        return "What more labels would bring is seen from two sizes on."
    (few, before), (many, after) = list(sizes.items())[-2:]
    of_seed = {p.seed: p.accuracy for p in before}
    gains = [100 * (p.accuracy - of_seed[p.seed]) for p in after if p.seed in of_seed]
    if not gains:
        return "What more labels would bring is seen from two sizes of one seed on."
    gain, ratio = float(np.mean(gains)), many / few
    accuracy = (mean_of(before, lambda p: p.accuracy) + mean_of(after, lambda p: p.accuracy)) / 2
    accuracy = (accuracy * measured + 2) / (measured + 4)  # two hits and two misses added (Agresti and Coull 1998)
    # How much two accuracies may differ by chance (95 %). If half of the errors are the same, a share of 1 - accuracy
    # of the texts is an error of one of the two alone.
    noise = 100 * Z_95 * math.sqrt((1 - accuracy) / measured)
    spread = f"{min(gains):+.1f} to {max(gains):+.1f} over {len(gains)} seeds" if len(gains) > 1 else "one seed only"
    said = (
        f"{ratio:.3g} times the labels, from {few:,} to {many:,}, brought {gain:+.1f} points of accuracy ({spread}; "
        f"±{noise:.1f} for {measured:,} texts measured)."
    )
    if min(gains) <= 0 or gain < noise:
        return f"{said} That may be chance: more labels of this kind may bring little."
    doubling = gain / math.log2(ratio)
    return f"{said} That is {doubling:+.1f} for each doubling. Gains shrink: expect less from {2 * many:,} labels."
