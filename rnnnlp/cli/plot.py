"""rnnnlp plot RUN... and rnnnlp plot --gradients."""

import argparse
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from rnnnlp.cli.options import add_reading_options
from rnnnlp.cli.output import refuse_input, require_writable, write_json
from rnnnlp.errors import UserError, option

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rnnnlp.tasks.char_lm.network import CharLMNetwork


OF_GRADIENTS = {"steps": 100, "streams": 64, "data": None, "text_column": None, "encoding": None, "quoting": None}
OF_UNTRAINED = {"cells": "lstm,gru,elman_tanh", "hidden_size": 128, "scale": 1.0, "seed": 0}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.usage = (
        "rnnnlp plot RUN [RUN ...] --out FILE.png [--x steps|time]\n"
        "       rnnnlp plot --gradients [RUN ...] --out FILE.png [options]"
    )
    parser.add_argument("runs", nargs="*", metavar="RUN", help="run folders; a run may still be training")
    parser.add_argument("--out", metavar="FILE", help="write the plot to this file: .png, .svg or .pdf")
    parser.add_argument("--json", metavar="FILE", help="write the numbers of the plot as JSON; - for standard output")
    parser.add_argument(
        "--x",
        choices=("steps", "time"),
        help="horizontal axis: steps or training time (default: steps)",
    )
    gradients = parser.add_argument_group(
        "gradients",
        "Vanishing and exploding gradients: plot the norm of the gradient of one step's loss at each earlier step. The "
        "models are the character models in RUN or, without RUN, untrained models of --cells.",
    )
    gradients.add_argument("--gradients", action="store_true", help="plot gradient norms instead of training curves")
    gradients.add_argument("--steps", type=int, metavar="N", help="number of steps back (default: 100)")
    gradients.add_argument("--streams", type=int, metavar="N", help="number of positions in the text (default: 64)")
    gradients.add_argument(
        "--data", metavar="DATA", help="data whose validation split is read (default: data of the run, or python-docs)"
    )
    add_reading_options(gradients, labels=False)
    gradients.add_argument(
        "--cells",
        metavar="CELL,...",
        help=f"cells of untrained models (default: {OF_UNTRAINED['cells']})",
    )
    gradients.add_argument(
        "--hidden-size",
        type=int,
        metavar="N",
        help="hidden units of untrained models (default: 128)",
    )
    gradients.add_argument(
        "--scale",
        type=float,
        metavar="X",
        help="factor for the initial recurrent weights of untrained models (default: 1)",
    )
    gradients.add_argument("--seed", type=int, metavar="N", help="random seed of untrained models (default: 0)")


def run(options: argparse.Namespace) -> int:
    from rnnnlp.analysis import plots

    if not options.out and not options.json:
        raise UserError(
            f"nothing to write; give {option('out')} FILE.png for a picture, or {option('json')} FILE for its numbers"
        )
    check_and_set_defaults(options)
    if options.out:
        plots.check_output(options.out)
    for name in ("out", "json"):
        refuse_input(name, getattr(options, name), data=[options.data], runs=options.runs)
        require_writable(name, getattr(options, name))
    numbers, draw = gradients(options) if options.gradients else curves(options)
    write_json(options.json, numbers)
    if options.out:
        plots.save(draw(), options.out)
    return 0


def check_and_set_defaults(options: argparse.Namespace) -> None:
    """UserError for an option that means nothing for this plot; sets those that were not given to their defaults."""
    for name, default in {"x": "steps", **OF_GRADIENTS, **OF_UNTRAINED}.items():
        if getattr(options, name) is None:
            setattr(options, name, default)
        elif name == "x" and options.gradients:
            raise UserError(f"{option(name)} means nothing with {option('gradients')}; leave it out")
        elif name != "x" and not options.gradients:
            raise UserError(f"{option(name)} means nothing without {option('gradients')}; leave it out")
        elif name in OF_UNTRAINED and options.runs:
            raise UserError(f"{option(name)} means nothing for the trained models of RUN; leave it out")


def curves(options: argparse.Namespace) -> tuple[dict[str, Any], Callable[[], "Figure"]]:
    """The numbers of the training curves of runs, and a function that draws them."""
    from rnnnlp.analysis.plots import draw_curves, training_curves

    if not options.runs:
        raise UserError(
            f"there is no RUN to draw; give the folders of runs, or {option('gradients')} for untrained models"
        )
    found = {name: training_curves(name) for name in options.runs}
    return {name: vars(of_run) for name, of_run in found.items()}, lambda: draw_curves(found, axis=options.x)


def gradients(options: argparse.Namespace) -> tuple[dict[str, Any], Callable[[], "Figure"]]:
    """The numbers of the gradient norms of models, and a function that draws them."""
    from numpy import float64, median

    from rnnnlp.analysis.gradient_flow import gradient_norms
    from rnnnlp.analysis.plots import draw_gradient_norms

    for name, least in (("steps", 1), ("streams", 1), ("seed", 0)):
        if getattr(options, name) < least:
            raise UserError(f"{option(name)} is {getattr(options, name)}; it must be at least {least}")
    models = trained_models(options) if options.runs else untrained_models(options)
    norms = {
        name: gradient_norms(model.copy(float64), ids, steps=options.steps, streams=options.streams)
        for name, model, ids in models
    }
    numbers = {name: {"median": median(n, axis=1).tolist(), "streams": n.T.tolist()} for name, n in norms.items()}
    return numbers, lambda: draw_gradient_norms(norms)


def trained_models(options: argparse.Namespace) -> Iterator[tuple[str, "CharLMNetwork", Any]]:
    """Yields the name, the model and the validation ids of each run."""
    from dataclasses import replace
    from pathlib import Path

    from rnnnlp.tasks.char_lm.network import CharLMNetwork
    from rnnnlp.text import ReadOptions, encode_corpus, load_corpus
    from rnnnlp.text.sources import ALL_SPLITS
    from rnnnlp.text.tables import USUAL_TEXT_COLUMNS, Table
    from rnnnlp.training.data_places import find_data
    from rnnnlp.training.model_folder import training_of
    from rnnnlp.training.task import Evaluation

    for name in options.runs:
        folder = Path(os.path.expanduser(name))
        model = CharLMNetwork.from_pretrained(folder)
        training = training_of(folder)
        data = options.data or find_data(training, folder)
        for output in ("out", "json"):
            refuse_input(output, getattr(options, output), data=[data])
        reading = Evaluation(own_data=not options.data, **ReadOptions.given(options)).reading(training)
        corpus = load_corpus(
            data,
            reading.for_tokenizer(model.tokenizer.kind),
            document_separator=training.get("document_separator"),
        )
        tables = [part for parts in corpus.splits.values() for part in parts if isinstance(part, Table)]
        has_column = all(table.columns_like(corpus.text_column, USUAL_TEXT_COLUMNS) for table in tables)
        if options.data and options.text_column is None and not has_column:
            corpus = replace(corpus, text_column=None)  # other data without the column of the run
        split = "validation" if corpus.splits.keys() & {"train", "validation"} else ALL_SPLITS
        encoded = encode_corpus(corpus, model.tokenizer, splits=(split,))
        yield name, model, encoded.ids[split]


def untrained_models(options: argparse.Namespace) -> Iterator[tuple[str, "CharLMNetwork", Any]]:
    """Yields a name, an untrained model and the validation ids for each of `--cells`."""
    from numpy import errstate

    from rnnnlp.batches.seeding import RandomStream, rng_for
    from rnnnlp.kernels import CELLS
    from rnnnlp.tasks.char_lm.config import CharLMConfig
    from rnnnlp.tasks.char_lm.network import CharLMNetwork
    from rnnnlp.text import ReadOptions, encode_corpus, load_corpus

    corpus = load_corpus(options.data or "python-docs", ReadOptions.of(options))
    encoded = encode_corpus(corpus, "char", splits=("validation",))
    vocab_size = encoded.tokenizer.vocab_size
    for cell in options.cells.split(","):
        if cell.strip() not in CELLS:
            raise UserError(f"{option('cells')} has {cell.strip()!r}; it must be of {', '.join(CELLS)}")
        config = CharLMConfig(vocab_size=vocab_size, cell=cell.strip(), hidden_size=options.hidden_size)
        model = CharLMNetwork(config, encoded.tokenizer, rng=rng_for(options.seed, RandomStream.WEIGHTS))
        for layer in model.recurrent.layers:
            with errstate(over="ignore"):  # gradients that are not finite raise an error later
                layer[0].W_h.value *= options.scale
        scaled = "" if options.scale == 1 else f", recurrent weights × {options.scale:g}"
        yield f"{config.cell}, {config.hidden_size} units, untrained{scaled}", model, encoded.ids["validation"]
