"""rnnnlp models."""

import argparse

from rnnnlp.cli.output import show, write_json


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", metavar="FILE", help="write the list as JSON, one object per model; - for standard output"
    )


def run(options: argparse.Namespace) -> int:
    from rnnnlp.tasks.sentiment.bundled import bundled_models

    models = list(bundled_models().values())
    as_json = [{**model.to_mapping(), "folder": str(model.folder)} for model in models]
    write_json(options.json, as_json)
    if options.json == "-":
        return 0
    if not models:
        show("no model is bundled with this installation")
    for model in models:
        figures = ", ".join(f"{data} {accuracy:.3f}" for data, accuracy in model.figures.items())
        labels = ", ".join(model.labels)
        show(model.name, f"{model.language}, {model.bytes / 1e6:.1f} MB, version {model.version} of {model.date}")
        show("", f"for: {model.use} ({labels})")
        show("", f"accuracy: {figures}")
    return 0
