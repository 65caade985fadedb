"""`rnnnlp evaluate` for a classifier: its figures on data sets, and how they are shown."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnnnlp.cli.output import shorten
from rnnnlp.errors import UserError

SHOWN_MISTAKES = 5


def evaluate_classifier(folder: Path, data: str, training: dict[str, Any], options: Any) -> dict[str, Any]:
    """The figures on one data set."""
    from tqdm import tqdm

    from rnnnlp.layers.loss import softmax
    from rnnnlp.models.committee import load_classifier
    from rnnnlp.models.threshold import Threshold, label_index
    from rnnnlp.text import load_labelled
    from rnnnlp.training.baseline import baseline_probabilities
    from rnnnlp.training.evaluation import document_logits
    from rnnnlp.training.metrics import (
        classification_metrics,
        expected_calibration_error,
        most_confident_mistakes,
        threshold_table,
    )

    shown = mistakes_wanted(options)
    model = load_classifier(folder)
    names = model.labels
    wanted = options.threshold
    threshold = Threshold.parse(wanted, names) if wanted and "=" in wanted else None
    shown_class = label_index(wanted, names) if wanted is not None and threshold is None else None
    labelled = load_labelled(
        data,
        text_column=options.text_column or training.get("text_column"),
        label_column=options.label_column or training.get("label_column"),
        splits=tuple(dict.fromkeys(("train", options.split))) if options.baseline else (options.split,),
    ).relabelled(names)
    split = labelled.splits[options.split]
    extra: dict[str, Any] = {}
    if options.baseline:
        theirs = baseline_probabilities(labelled.splits["train"], split.texts, len(names))
        extra["baseline"] = classification_metrics(theirs, split.labels, names)
    with tqdm(total=len(split.texts), unit=" texts", desc=options.split, disable=None) as bar:
        logits = document_logits(model, split.texts, on_progress=bar.update)
    probabilities = model.probabilities(logits)
    predicted = threshold.decide(probabilities) if threshold else probabilities.argmax(axis=1)  # (n,)
    if shown_class is not None:
        extra["thresholds"] = threshold_table(probabilities[:, shown_class], split.labels == shown_class)
    extra["uncalibrated_error"] = expected_calibration_error(softmax(logits), split.labels)
    extra["temperature"] = model.temperature
    extra["mistakes"] = [
        {
            "text": shorten(split.texts[i]),
            "label": names[split.labels[i]],
            "prediction": names[predicted[i]],
            "probability": float(probabilities[i, predicted[i]]),
        }
        for i in most_confident_mistakes(probabilities, split.labels, shown, predicted)
    ]
    return classification_metrics(probabilities, split.labels, names, predicted) | extra


def mistakes_wanted(options: Any) -> int:
    """How many mistakes to show of each data set: some of one, none of several unless --mistakes says so."""
    if options.mistakes is None:
        return SHOWN_MISTAKES if len(options.data or [""]) == 1 else 0
    if options.mistakes < 0:
        raise UserError(f"--mistakes is {options.mistakes}; it must be at least 0")
    return options.mistakes


def report(results: Sequence[dict[str, Any]]) -> str:
    """The figures for a person: of one data set in full, of several, or next to the baseline, as a Markdown table."""
    parts = []
    if len(results) == 1:
        parts.append(f"{results[0]['data']}, {results[0]['split']}:\n{details(results[0])}")
    if len(results) > 1 or "baseline" in results[0]:
        parts.append(table(results))
    parts.extend(thresholds(result["thresholds"]) for result in results if "thresholds" in result)
    for result in results:
        if result["mistakes"]:
            of_which = f" in {result['data']}" if len(results) > 1 else ""
            parts.append("\n".join([f"most confident mistakes{of_which}:", *map(mistake, result["mistakes"])]))
    return "\n\n".join(parts)


def details(figures: dict[str, Any]) -> str:
    """All figures, with a row for each class."""
    labels = list(figures["per_class"])
    lines = [
        f"accuracy {figures['accuracy']:.4f}, macro-F1 {figures['macro_f1']:.4f} over {figures['examples']:,} texts",
        f"expected calibration error {figures['expected_calibration_error']:.4f}, uncalibrated "
        f"{figures['uncalibrated_error']:.4f} (temperature {figures['temperature']:.3f})",
        f"{'class':>16} {'precision':>9} {'recall':>7} {'F1':>7} {'texts':>7}   predicted as " + " ".join(labels),
    ]
    for label, row in zip(labels, figures["confusion_matrix"], strict=True):
        c = figures["per_class"][label]
        counts = " ".join(f"{n:{len(name)}d}" for n, name in zip(row, labels, strict=True))
        lines.append(
            f"{label:>16} {c['precision']:9.4f} {c['recall']:7.4f} {c['f1']:7.4f} {c['examples']:7d}"
            + 16 * " "
            + counts
        )
    return "\n".join(lines)


def table(results: Sequence[dict[str, Any]]) -> str:
    """A row for each data set, with the baseline beside it if there is one."""
    head = ["data set", "reviews", "accuracy (95 %)", "macro-F1", "ECE before", "ECE after"]
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
        head += ["TF-IDF accuracy (95 %)", "TF-IDF macro-F1"]
        for row, result in zip(rows, results, strict=True):
            row += [accuracy(result["baseline"]), f"{result['baseline']['macro_f1']:.4f}"]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def thresholds(rows: Sequence[dict[str, float]]) -> str:
    """What each threshold of a class gives; the best F1 is marked."""
    best = max(rows, key=lambda row: row["f1"])
    return "\n".join(
        [f"{'from':>5} {'precision':>9} {'recall':>7} {'F1':>7}"]
        + [
            f"{row['threshold']:5.2f} {row['precision']:9.4f} {row['recall']:7.4f} {row['f1']:7.4f}"
            + ("  best F1" if row is best else "")
            for row in rows
        ]
    )


def accuracy(figures: dict[str, Any]) -> str:
    low, high = figures["accuracy_interval"]
    return f"{figures['accuracy']:.4f} ({low:.4f} to {high:.4f})"


def mistake(found: dict[str, Any]) -> str:
    return f"  {found['prediction']} ({found['probability']:.0%}), but labelled {found['label']}: {found['text']}"
