"""Plots by matplotlib: training curves of runs, learning curves, and gradient norms over time."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnnlp.analysis.learning_curve import Point, baselines_of, by_size, seeds_of
from rnnnlp.display import visible
from rnnnlp.errors import UserError, option
from rnnnlp.files import replaced_file
from rnnnlp.training.records import is_number
from rnnnlp.training.run_folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
AXES = {"steps": "steps", "time": "training time (minutes)"}
SMOOTHING = 40  # the training loss is a running mean over 1/40 of the run
START = 0.05  # of a run: its high losses are outside the vertical axis
BAND = (10, 90)  # percentiles of the streams, shown around their median
FALLBACK_FONTS = (  # Chinese, Japanese and Korean, which the fonts of matplotlib lack: of Linux, Windows and macOS
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei"),
    *("Droid Sans Fallback", "NanumGothic", "Microsoft YaHei", "SimHei", "Yu Gothic", "MS Gothic", "Malgun Gothic"),
    *("PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Arial Unicode MS"),
)


@dataclass
class Curves:
    """The curves in the `metrics.jsonl` of a run. Losses are in nats per token; for a classifier, in nats per text.

    Attributes:
        steps: Steps of the training losses.
        seconds: Training times of the training losses.
        loss: Training losses.
        validation_steps: Steps of the evaluations.
        validation_seconds: Training times of the evaluations.
        validation_loss: Validation losses.
        accuracy: Validation accuracies of a classifier.
        sampled: Whether the training losses are among candidates, as in language-model pretraining. Those of validation
            are over the whole vocabulary, and so higher.
        sample: The last text that a language model generated to be looked at.
        last: The last record that has one of these losses.
    """

    steps: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    validation_steps: list[int] = field(default_factory=list)
    validation_seconds: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    sampled: bool = False
    sample: str | None = None
    last: dict[str, Any] = field(default_factory=dict)

    def add(self, record: dict[str, Any]) -> None:
        """Adds what the next record has."""
        if isinstance(record.get("sample"), str):
            self.sample = record["sample"]
        step, seconds, figures = record["step"], record.get("seconds"), record.get("validation")
        if not is_number(seconds):
            return
        if is_number(record.get("loss")):
            self.steps.append(step)
            self.seconds.append(seconds)
            self.loss.append(record["loss"])
            self.last = record
        if isinstance(figures, dict) and (loss := _loss(figures)) is not None:
            self.validation_steps.append(step)
            self.validation_seconds.append(seconds)
            self.validation_loss.append(loss)
            self.last = record
            self.sampled = self.sampled or "perplexity_forward" in figures
            if is_number(figures.get("accuracy")):
                self.accuracy.append(figures["accuracy"])

    def along(self, axis: str) -> tuple[np.ndarray, np.ndarray]:
        """The horizontal positions of the training losses and of the evaluations, on an axis of AXES."""
        if axis == "steps":
            return np.array(self.steps), np.array(self.validation_steps)
        return np.array(self.seconds) / 60, np.array(self.validation_seconds) / 60


def training_curves(folder: str | Path) -> Curves:
    """Reads the curves of a run, which may still be running.

    Raises:
        UserError: If the folder has no losses.
    """
    run = RunFolder(folder)
    curves = curves_of(run)
    if not curves.loss and not curves.validation_loss:
        raise UserError(f"{run.metrics_path} has no losses to draw; give the folder of a run that has trained a while")
    return curves


def curves_of(run: RunFolder) -> Curves:
    """The curves of a run; empty ones if nothing was logged yet."""
    curves = Curves()
    for record in run.metrics():
        curves.add(record)
    return curves


def _loss(figures: dict[str, Any]) -> float | None:
    """The validation loss in the unit of the training loss."""
    perplexity, loss = figures.get("perplexity"), figures.get("loss")
    if is_number(perplexity) and perplexity > 0:
        return math.log(perplexity)
    return loss if is_number(loss) else None


def check_output(path: str | Path) -> None:
    """Checks that a plot can be drawn.

    Raises:
        UserError: If matplotlib is not installed, or the file name does not end in one of FORMATS.
    """
    if Path(path).suffix.lower() not in FORMATS:
        raise UserError(f"{option('out')} is {path}; its name must end in {', '.join(FORMATS)}")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UserError(
            f"pictures need matplotlib; pip install 'rnnnlp[plot]', or give {option('json')} instead"
        ) from None


def save(figure: Figure, path: str | Path) -> None:
    """Writes a plot to a file.

    Raises:
        UserError: If the file cannot be written.
    """
    path = Path(path).expanduser()
    _add_fallback_fonts(figure)
    try:
        with replaced_file(path) as file, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from")  # a box says so, too
            figure.savefig(file, dpi=150, format=path.suffix[1:].lower())
    except OSError as error:
        raise UserError(f"{option('out')} {path} cannot be written ({error.strerror}); give another path") from None


def _add_fallback_fonts(figure: Figure) -> None:
    """Takes characters that the font of a figure's texts lacks from those of FALLBACK_FONTS that are installed."""
    from matplotlib.font_manager import fontManager
    from matplotlib.text import Text

    installed = set(fontManager.get_font_names())
    fallbacks = [name for name in FALLBACK_FONTS if name in installed]
    for text in figure.findobj(Text):
        text.set_fontfamily([*text.get_fontfamily(), *fallbacks])


def draw_curves(runs: Mapping[str, Curves], *, axis: str = "steps") -> Figure:
    """Draws the training and validation losses of runs; below them, the accuracies of classifiers.

    Args:
        runs: The curves of each run, by name.
        axis: The horizontal axis, one of AXES.
    """
    with_accuracy = any(curves.accuracy for curves in runs.values())
    figure = _figure(height=7.5 if with_accuracy else 5)
    heights = (3, 2) if with_accuracy else (1,)
    panels = list(figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)[:, 0])
    for number, (name, curves) in enumerate(runs.items()):
        _draw_run(panels, _label(name), curves, f"C{number % 10}", axis)
    panels[0].set(title="Training and validation loss", ylabel="loss (nats per prediction)")
    panels[0].set_ylim(top=1.02 * max(_highest(curves) for curves in runs.values()))
    among = "; pretraining: among candidates" if any(curves.sampled for curves in runs.values()) else ""
    panels[0].plot([], [], color="gray", label=f"training (running mean{among})")
    panels[0].plot([], [], "o--", color="gray", markersize=4, label="validation")
    panels[0].legend(frameon=False)
    panels[0].grid(alpha=0.3)
    if with_accuracy:
        panels[1].grid(alpha=0.3)
        panels[1].set(title="Accuracy on validation", ylabel="accuracy")
    panels[-1].set_xlabel(AXES[axis])
    panels[-1].set_xlim(left=0)
    return figure


def _highest(curves: Curves) -> float:
    """The highest loss that is shown."""
    return max(curves.loss[int(START * len(curves.loss)) :] + curves.validation_loss)


def _draw_run(panels: Sequence[Axes], label: str, curves: Curves, color: str, axis: str) -> None:
    x, validation_x = curves.along(axis)
    loss = np.array(curves.loss)
    panels[0].plot(x, loss, color=color, alpha=0.2, linewidth=0.8)
    width = max(1, len(loss) // SMOOTHING)
    if len(loss):
        middle = slice((width - 1) // 2, (width - 1) // 2 + len(loss) - width + 1)
        panels[0].plot(x[middle], np.convolve(loss, np.full(width, 1 / width), "valid"), color=color)
    panels[0].plot(validation_x, curves.validation_loss, "o--", color=color, markersize=4)
    panels[0].plot([], [], color=color, linewidth=4, label=label)
    if curves.accuracy:
        panels[1].plot(validation_x, curves.accuracy, "o--", color=color, markersize=4)


def draw_learning_curve(points: Sequence[Point], *, where: str) -> Figure:
    """Draws accuracy against the number of labels on a log scale, with the linear baselines.

    Args:
        points: Those of a learning curve.
        where: What is measured on.
    """
    sizes, figure = by_size(points), _figure(height=5)
    axes = figure.subplots()
    lines = {"rnnnlp": [[p.accuracy for p in found] for found in sizes.values()]}
    for name in baselines_of(points):
        lines[name] = [[p.baselines[name]["accuracy"] for p in found] for found in sizes.values()]
    for number, (name, values) in enumerate(lines.items()):
        means = [np.mean(v) for v in values]
        (line,) = axes.plot(list(sizes), means, "o--" if number else "o-", markersize=5, label=_label(name))
        if name == "rnnnlp":
            bounds = [min(v) for v in values], [max(v) for v in values]
            axes.fill_between(list(sizes), *bounds, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    axes.set_xticks(list(sizes), [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.set(title=f"Accuracy on {_label(where)}", xlabel="labelled texts to train on", ylabel="accuracy")
    seeds = sorted({len(found) for found in sizes.values()})
    axes.legend(frameon=False, title=None if seeds == [1] else f"mean of {seeds_of(seeds)}, with lowest and highest")
    axes.grid(alpha=0.3)
    return figure


def draw_gradient_norms(norms: Mapping[str, np.ndarray]) -> Figure:
    """Draws gradient norms over time on a log scale: the median and the spread over the streams.

    Args:
        norms: `(steps, streams)` of each model, by name, as from `gradient_norms`.
    """
    figure = _figure(height=5)
    axes = figure.subplots()
    for name, values in norms.items():
        back = np.arange(1, len(values) + 1)
        low, middle, high = np.percentile(values, (BAND[0], 50, BAND[1]), axis=1)
        (line,) = axes.plot(back, middle, label=_label(name))
        axes.fill_between(back, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set_yscale("log", nonpositive="mask")  # the gradient through relu units may be zero
    axes.set(
        title="Gradient of one step's loss that reaches each step before it",
        xlabel="steps back in time",
        ylabel="norm of the gradient of the state",
        xlim=(1, max(2, *map(len, norms.values()))),
    )
    streams = max(values.shape[1] for values in norms.values())
    axes.legend(frameon=False, title=f"median, {BAND[0]} % and {BAND[1]} % of {streams} positions")
    axes.grid(alpha=0.3)
    return figure


def _figure(*, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(8, height), layout="constrained")


def _label(name: str) -> str:
    return visible(name).replace("$", r"\$")  # otherwise matplotlib reads it as mathematics
