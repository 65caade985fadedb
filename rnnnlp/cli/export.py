"""rnnnlp export RUN."""

import argparse
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnnlp.cli.options import add_backend_options, add_reading_options, with_backend
from rnnnlp.cli.output import refuse_input, show, write_json
from rnnnlp.errors import UserError, option

if TYPE_CHECKING:
    from rnnnlp.training.model_folder import SavedModel

log = logging.getLogger(__name__)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", metavar="RUN", help="the folder of a trained model, or of an ensemble")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--quantize",
        choices=("int8",),
        help="how weights are stored; int8: rounded to int8 with a scale per row, about a quarter of the size",
    )
    what.add_argument(
        "--to",
        choices=("onnx", "web"),
        help="another format; onnx: a graph for ONNX Runtime, compared with the model; web: the same with a page that "
        "runs it in a browser (npm installs two libraries for it)",
    )
    parser.add_argument("--out", metavar="FOLDER", required=True, help="the new folder of the model")
    parser.add_argument("--overwrite", action="store_true", help="replace the run, model or export that is in --out")
    parser.add_argument(
        "--libraries",
        metavar="FOLDER",
        help="with --to web: a node_modules folder that has onnxruntime-web and @huggingface/tokenizers, where npm "
        "cannot install them",
    )
    parser.add_argument(
        "--data",
        help="data to evaluate on, before and after (default: validation split of the data that the model was trained "
        "on)",
    )
    add_reading_options(parser)
    parser.add_argument(
        "--json", metavar="FILE", help="also write figures and sizes as a JSON object; - for standard output"
    )
    add_backend_options(parser)


@with_backend
def run(options: argparse.Namespace) -> int:
    if options.libraries is not None and options.to != "web":
        raise UserError(f"{option('libraries')} is for {option('to')} web; leave it out")
    return to_another_format(options) if options.to else smaller(options)


def to_another_format(options: argparse.Namespace) -> int:
    """Writes a model for other programs, and says how much its results differ."""
    from rnnnlp.exchange.onnx_export import export_onnx
    from rnnnlp.exchange.web_export import export_web
    from rnnnlp.text import ReadOptions

    for name in ("data", *ReadOptions.given(options)):
        if getattr(options, name) is not None:
            raise UserError(
                f"{option(name)} means nothing beside {option('to')}: no figures are measured; leave it out"
            )
    refuse_input("json", options.json, runs=[options.run_folder])
    if options.to == "web":
        exported = export_web(options.run_folder, options.out, libraries=options.libraries, overwrite=options.overwrite)
    else:
        exported = export_onnx(options.run_folder, options.out, overwrite=options.overwrite)
    difference = exported.difference
    compared = "texts" if exported.kind == "classifier" else "tokens"
    figures = {
        "run": options.run_folder,
        "out": options.out,
        "to": options.to,
        "largest_difference": difference.largest,
        "largest_logit": difference.logit,
        "compared": difference.number,
        "bytes": dict(exported.files),
    }
    if options.json != "-":
        show(f"wrote {options.out}: {', '.join(exported.files)} ({sum(exported.files.values()) / 1e6:.2f} MB)")
        show(
            f"largest difference from the model's logits over {difference.number} {compared} of random tokens: "
            f"{difference.largest:.1e} (largest logit: {difference.logit:.3g})"
        )
    write_json(options.json, figures)
    return 0


def smaller(options: argparse.Namespace) -> int:
    """Writes a model with int8 weights, and shows figures and sizes before and after."""
    from rnnnlp.cli.evaluate import measured, overlap_with_training, reading_of, source_of
    from rnnnlp.text import ReadOptions
    from rnnnlp.text.sources import split_to_measure
    from rnnnlp.training.data_places import find_data, possible_places, refuse_data_of_run
    from rnnnlp.training.export import export
    from rnnnlp.training.task import Evaluation

    source = source_of(options)
    folder, training = source.folder, source.training
    measured_on = [options.data] if options.data else possible_places(training, folder)
    refuse_input("json", options.json, data=measured_on, runs=[options.run_folder])
    refuse_data_of_run(options.data, options.out)
    asked = Evaluation(**ReadOptions.given(options))

    def measure(place: Path, model: "SavedModel") -> dict[str, Any] | None:
        try:
            if not options.data and place == folder:
                training["data"] = find_data(training, folder)
            data = options.data or training["data"]
            own, trained = overlap_with_training(source, options.data)
            reading = reading_of(asked, training)
            split = "validation" if trained else split_to_measure(data, reading, rows=source.task.has_labels)
            asked_here = replace(asked, hold_out=trained, own_data=own)
            return measured(source._replace(folder=place), model, data, split, asked_here)
        except UserError as error:
            if options.data:
                raise
            log.warning("%s: exporting without figures: %s", folder, error.command_line)
            return None

    exported = export(
        source.task, folder, options.out, quantize=options.quantize, overwrite=options.overwrite, measure=measure
    )
    figures = {"run": options.run_folder, "out": options.out, "quantize": options.quantize, **vars(exported)}
    if options.json != "-":
        for line in lines(exported, options.quantize):
            show(line)
    write_json(options.json, figures)
    return 0


def lines(exported: Any, quantize: str) -> list[str]:
    """Figures and sizes for a person, before and after."""
    rows = []
    if exported.before and exported.after:
        rows.append((f"{exported.before['data']}, {exported.before['split']}", "before", quantize))
        for name, value in exported.before.items():
            if isinstance(value, float):
                rows.append((name, f"{value:.4f}", f"{exported.after[name]:.4f}"))
    rows.append(("size in MB", f"{exported.bytes_before / 1e6:.2f}", f"{exported.bytes_after / 1e6:.2f}"))
    width = max(len(name) for name, _, _ in rows)
    return [f"{name:<{width}} {before:>9} {after:>9}" for name, before, after in rows]
