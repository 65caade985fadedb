"""rnnnlp plot RUN... and rnnnlp plot --gradients."""

import argparse
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from rnnnlp.cli.output import write_json
from rnnnlp.errors import UserError, option

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rnnnlp.tasks.char_lm.network import CharLMNetwork


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.usage = (
        "rnnnlp plot RUN [RUN ...] --out FILE.png [--x steps|time]\n"
        "       rnnnlp plot --gradients [RUN ...] --out FILE.png [options]"
    )
    parser.add_argument("runs", nargs="*", metavar="RUN", help="folders of runs, running or not")
    parser.add_argument("--out", metavar="FILE", help="the picture: .png, .svg or .pdf")
    parser.add_argument("--json", metavar="FILE", help="the numbers of the picture as JSON; - for standard output")
    parser.add_argument(
        "--x", choices=("steps", "time"), default="steps", help="the horizontal axis (default: %(default)s)"
    )
    gradients = parser.add_argument_group(
        "gradients",
        "the norm of the gradient that a step's loss sends to each step before it, "
        "through trained language models, or through untrained ones if no RUN is given",
    )
    gradients.add_argument("--gradients", action="store_true", help="draw gradient norms, not training curves")
    gradients.add_argument("--steps", type=int, default=100, metavar="N", help="number of steps back (default: 100)")
    gradients.add_argument(
        "--streams", type=int, default=64, metavar="N", help="number of places in the text (default: 64)"
    )
    gradients.add_argument(
        "--data", help="the data whose validation text is read (default: of the run, or python-docs)"
    )
    gradients.add_argument(
        "--cells", default="lstm,gru,elman_tanh", help="cells of untrained models (default: %(default)s)"
    )
    gradients.add_argument(
        "--hidden-size", type=int, default=128, metavar="N", help="hidden units of untrained models (default: 128)"
    )
    gradients.add_argument(
        "--scale",
        type=float,
        default=1.0,
        metavar="X",
        help="factor for the recurrent weights of untrained models (default: 1)",
    )
    gradients.add_argument(
        "--seed", type=int, default=0, metavar="N", help="random seed of untrained models (default: 0)"
    )


def run(options: argparse.Namespace) -> int:
    from rnnnlp.analysis import plots

    if not options.out and not options.json:
        raise UserError(
            f"nothing to write; give {option('out')} FILE.png for a picture, or {option('json')} FILE for its numbers"
        )
    if options.out:
        plots.check_output(options.out)
    numbers, draw = gradients(options) if options.gradients else curves(options)
    if options.json == "-":
        print(json.dumps(numbers, ensure_ascii=False))
    elif options.json:
        write_json(options.json, numbers)
    if options.out:
        plots.save(draw(), options.out)
    return 0


def curves(options: argparse.Namespace) -> tuple[dict[str, Any], Callable[[], "Figure"]]:
    """The training curves of runs: numbers, and what draws them."""
    from rnnnlp.analysis.plots import draw_curves, training_curves

    if not options.runs:
        raise UserError(
            f"there is no RUN to draw; give the folders of runs, or {option('gradients')} for untrained models"
        )
    found = {name: training_curves(name) for name in options.runs}
    return {name: vars(of_run) for name, of_run in found.items()}, lambda: draw_curves(found, axis=options.x)


def gradients(options: argparse.Namespace) -> tuple[dict[str, Any], Callable[[], "Figure"]]:
    """The gradient norms of models: numbers, and what draws them."""
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
    """The name, model and validation ids of each run."""
    from pathlib import Path

    from rnnnlp.tasks.char_lm.network import CharLMNetwork
    from rnnnlp.text import encode_corpus, load_corpus
    from rnnnlp.training.model_folder import read_config

    for name in options.runs:
        model = CharLMNetwork.from_pretrained(name)
        training = read_config(Path(name)).get("training", {})
        data = options.data or training.get("data")
        if data is None:
            raise UserError(f"{name} does not say what it was trained on; give {option('data')}")
        corpus = load_corpus(
            data,
            text_column=None if options.data else training.get("text_column"),
            document_separator=training.get("document_separator"),
        )
        encoded = encode_corpus(corpus, model.tokenizer, splits=("validation",))
        yield name, model, encoded.ids["validation"]


def untrained_models(options: argparse.Namespace) -> Iterator[tuple[str, "CharLMNetwork", Any]]:
    """The name of each of `--cells`, an untrained model of it, and the validation ids."""
    from numpy import errstate

    from rnnnlp.batches.seeding import Stream, rng_for
    from rnnnlp.tasks.char_lm.config import CharLMConfig
    from rnnnlp.tasks.char_lm.network import CharLMNetwork
    from rnnnlp.text import encode_corpus, load_corpus

    encoded = encode_corpus(load_corpus(options.data or "python-docs"), "char", splits=("validation",))
    vocab_size = encoded.tokenizer.vocab_size
    for cell in options.cells.split(","):
        config = CharLMConfig(vocab_size=vocab_size, cell=cell.strip(), hidden_size=options.hidden_size)
        model = CharLMNetwork(config, encoded.tokenizer, rng=rng_for(options.seed, Stream.WEIGHTS))
        for layer in model.recurrent.layers:
            with errstate(over="ignore"):  # what is not finite is looked for in the gradients
                layer[0].W_h.value *= options.scale
        scaled = "" if options.scale == 1 else f", recurrent weights × {options.scale:g}"
        yield f"{config.cell}, {config.hidden_size} units, untrained{scaled}", model, encoded.ids["validation"]
