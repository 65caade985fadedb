"""What is installed of a bundled model: its card, its folder, and its entry in the list of bundled models."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bundling.jobs import Job, Row, left_out_of, say, seconds_of
from bundling.models import BUNDLED, FAILURES, LABELS

JOINED = "\nSome of the texts with labels are two or three short ones of the same label, joined."


def write_card(job: Job, figures: dict[str, Row]) -> None:
    """Writes the model card, the README.md of the model."""
    from rnnnlp.files import write_atomically
    from rnnnlp.version import __version__

    model, texts, left_out = job.model, job.finished["texts"], left_out_of(job.model, job.options)
    rows = "\n".join(
        f"| {name} | {row['domain']} | {row['texts']:,} | {row['accuracy']:.4f} | {row['float32']:.4f} "
        f"| {row['macro_f1']:.4f} | {row['calibration_error']:.4f} |"
        for name, row in figures.items()
    )
    hours = (seconds_of(job.options.pretrained or job.folder / "pretrained") + job.finished["fine-tune"]) / 3600
    card = f"""---
language: {model.code}
library_name: rnnnlp
pipeline_tag: text-classification
---

# {model.name}

A classifier of opinions in {model.language}: {" or ".join(LABELS)}. It is bundled with rnnnlp {__version__}.

    rnnnlp predict --model {model.name} "a text" "another text"

- Version {model.version}, {today()}, {job.finished["quantize"] / 1e6:.1f} MB, weights in int8.
- For: {model.use}.
- Not for: decisions about people, or anything that a mistake in one of ten texts makes worthless.

## Data

{bullets(line for name, line in model.data.items() if name not in left_out)}

{texts["pretraining"]:,} texts for pretraining, {texts["labelled/train"]:,} with labels for training and
{texts["labelled/validation"]:,} for validation, to which the temperature of the probabilities was fitted.
{f"Left out: {', '.join(left_out)}." if left_out else ""}

## Figures

"In" is other texts of a data set that the model was trained on; "out" is a data set that it was not trained on.

| data | domain | texts | accuracy | before int8 | macro F1 | calibration error |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
{rows}

## Known failures

{bullets(FAILURES)}

## How it was made

Two language models, one in each direction, were trained on the texts. The classifier started from them. Both took
{hours:.1f} hours.{JOINED if model.joined else ""}
Linear models of {" and ".join(model.views)} decide with it: {job.finished["linear"]["linear"]:.0%} of the
logits are theirs. Seed {job.options.seed}: `scripts/train_bundled_models.py`.
"""
    write_atomically(job.folder / "model" / "README.md", card.encode())


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def install(job: Job, figures: dict[str, Row]) -> None:
    """Copies the model to where the package finds it, and brings the list of bundled models up to date."""
    from rnnnlp.files import write_atomically
    from rnnnlp.folders import replacement

    out, model = job.options.out, job.model
    made, installed = job.folder / "model", out / model.name
    before = installed.iterdir() if installed.is_dir() else ()
    names = {path.name for path in (*made.iterdir(), *before) if not path.name.startswith(".")}
    with replacement(installed, names) as new:  # who opens it meanwhile finds the old model or the new one
        shutil.copytree(made, new, dirs_exist_ok=True)
    index = out / "index.json"
    entries = {entry["name"]: entry for entry in json.loads(index.read_bytes())} if index.exists() else {}
    described = {name: value for name, value in asdict(model).items() if name in ("name", "language", "scripts", "use")}
    entries[model.name] = {
        **described,
        "labels": LABELS,
        "bytes": size_of(out / model.name),
        "figures": {name: round(row["accuracy"], 4) for name, row in figures.items()},
        "version": model.version,
        "date": today(),
    }
    ordered = [entries[name] for name in BUNDLED if name in entries]
    write_atomically(index, json.dumps(ordered, indent=1, ensure_ascii=False).encode() + b"\n")
    say(f"{model.name}: installed in {out / model.name}")


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
