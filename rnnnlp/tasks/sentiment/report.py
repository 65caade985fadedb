"""The figures of a classifier for a person: of one data set in full, of several as a Markdown table."""

from collections.abc import Mapping, Sequence
from typing import Any

from rnnnlp.display import aligned_right, columns, markdown_table, visible

Figures = Mapping[str, Any]


def report(results: Sequence[Figures]) -> list[str]:
    """The lines of the figures for a person; next to a baseline also one data set is a Markdown table."""
    parts = []
    if len(results) == 1:
        parts.append([f"{results[0]['data']}, {results[0]['split']}:", *details(results[0])])
    if len(results) > 1 or "baseline" in results[0]:
        parts.append(table(results))
    several = len(results) > 1
    for result in results:
        if "thresholds" in result:
            head = [f"thresholds in {result['data']}:"] if several else []
            parts.append([*head, *thresholds(result["thresholds"])])
    for result in results:
        if result["mistakes"]:
            of_which = f" in {result['data']}" if several else ""
            parts.append([f"most confident mistakes{of_which}:", *map(mistake, result["mistakes"])])
    first, *others = parts
    return first + [line for part in others for line in ("", *part)]


def details(figures: Figures) -> list[str]:
    """All figures, with a row for each class."""
    labels, matrix = list(map(visible, figures["per_class"])), figures["confusion_matrix"]
    first = max(16, *map(columns, labels))
    widths = [max(columns(name), *(len(str(row[k])) for row in matrix)) for k, name in enumerate(labels)]
    lines = [
        f"accuracy {figures['accuracy']:.4f}, macro-F1 {figures['macro_f1']:.4f} over {figures['examples']:,} texts",
        f"expected calibration error {figures['expected_calibration_error']:.4f}, uncalibrated "
        f"{figures['uncalibrated_error']:.4f} (temperature {figures['temperature']:.3f})",
        f"{'class':>{first}} {'precision':>9} {'recall':>7} {'F1':>7} {'texts':>7}   predicted as "
        + " ".join(map(aligned_right, labels, widths)),
    ]
    for label, c, row in zip(labels, figures["per_class"].values(), matrix, strict=True):
        counts = " ".join(f"{n:{width}d}" for n, width in zip(row, widths, strict=True))
        lines.append(
            f"{aligned_right(label, first)} {c['precision']:9.4f} {c['recall']:7.4f} {c['f1']:7.4f} {c['examples']:7d}"
            + 16 * " "
            + counts
        )
    return lines


def table(results: Sequence[Figures]) -> list[str]:
    """A row for each data set, with the baseline beside it if there is one."""
    head = ["data set", "texts", "accuracy (95 %)", "macro-F1", "ECE before", "ECE after"]
    rows = [
        [
            result["data"],
            f"{result['examples']:,}",
            accuracy(result),
            f"{result['macro_f1']:.4f}",
            f"{result['uncalibrated_error']:.4f}",
            f"{result['expected_calibration_error']:.4f}",
        ]
        for result in results
    ]
    if "baseline" in results[0]:
        head += ["baseline accuracy (95 %)", "baseline macro-F1"]
        for row, result in zip(rows, results, strict=True):
            row += [accuracy(result["baseline"]), f"{result['baseline']['macro_f1']:.4f}"]
    return markdown_table(head, rows)


def thresholds(rows: Sequence[Mapping[str, float]]) -> list[str]:
    """Precision, recall and F1 at each threshold of a class; the best F1 is marked."""
    best = max(rows, key=lambda row: row["f1"])
    return [f"{'from':>5} {'precision':>9} {'recall':>7} {'F1':>7}"] + [
        f"{row['threshold']:5.2f} {row['precision']:9.4f} {row['recall']:7.4f} {row['f1']:7.4f}"
        + ("  best F1" if row is best else "")
        for row in rows
    ]


def accuracy(figures: Figures) -> str:
    low, high = figures["accuracy_interval"]
    return f"{figures['accuracy']:.4f} ({low:.4f} to {high:.4f})"


def mistake(found: Figures) -> str:
    return f"  {found['prediction']} ({found['probability']:.0%}), but labelled {found['label']}: {found['text']}"
