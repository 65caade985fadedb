"""rnnnlp generate RUN."""

import argparse

from rnnnlp.cli.options import add_backend_options
from rnnnlp.cli.output import output_file, refuse_input, show_bytes, show_text
from rnnnlp.errors import UserError, dashed, option

HELP = {
    "length": "maximum number of tokens to generate",
    "temperature": "sampling temperature: below 1 the text is more predictable, above 1 more random; "
    "0 always takes the most probable token",
    "top_k": "sample from the k most probable tokens; 0 samples from all",
    "top_p": "nucleus sampling: sample from the fewest tokens whose probabilities sum to at least this value",
    "repetition_penalty": "values above 1 make the text less repetitive: recent tokens become less probable",
    "repetition_window": "number of tokens that count as recent",
    "stop": "end the text before this string; may be given several times; the first one to be complete counts",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    from rnnnlp.tasks.char_lm.generate import Sampling

    default = Sampling()
    parser.add_argument(
        "run_folder",
        metavar="RUN",
        help="run folder of a trained character model, or a model on the Hub (owner/name)",
    )
    parser.add_argument("--prompt", default="", metavar="TEXT", help="text to continue (default: none)")
    for name, text in HELP.items():
        value = getattr(default, name)
        if name == "stop":
            parser.add_argument(dashed(name), action="append", default=[], metavar="TEXT", help=text)
        else:
            metavar = "N" if isinstance(value, int) else "X"
            parser.add_argument(
                dashed(name), type=type(value), default=value, metavar=metavar, help=f"{text} (default: {value})"
            )
    parser.add_argument("--samples", type=int, default=1, metavar="N", help="number of texts to generate (default: 1)")
    parser.add_argument(
        "--seed", type=int, metavar="N", help="random seed: the same seed gives the same text (default: random)"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="write prompt and text to this file, or - for standard output, as they are: no line end is added, "
        "and the bytes of a byte model are kept",
    )
    add_backend_options(parser)


def run(options: argparse.Namespace) -> int:
    from rnnnlp import kernels

    with kernels.running(options.backend, options.threads):
        write_samples(options)
    return 0


def write_samples(options: argparse.Namespace) -> None:
    import numpy as np

    from rnnnlp.tasks.char_lm.generate import Sampling, generate, samples
    from rnnnlp.tasks.char_lm.network import CharLMNetwork

    values = {name: getattr(options, name) for name in HELP}
    sampling = Sampling(**values | {"stop": tuple(options.stop)})
    if options.samples < 1:
        raise UserError(f"{option('samples')} is {options.samples}; it must be at least 1")
    if options.seed is not None and options.seed < 0:
        raise UserError(f"{option('seed')} is {options.seed}; it must be at least 0")
    model = CharLMNetwork.from_pretrained(options.run_folder)
    rng = np.random.default_rng(options.seed)
    if options.out is not None:
        if options.samples > 1:
            raise UserError(f"{option('samples')} is {options.samples} beside {option('out')}; it must be 1")
        refuse_input("out", options.out, runs=[options.run_folder])
        sample = generate(model, options.prompt, sampling, rng=rng, errors="surrogateescape")
        content = (options.prompt + "".join(sample)).encode("utf-8", "surrogateescape")
        if options.out == "-":
            show_bytes(content)
        else:
            with output_file("out", options.out) as file:
                file.write(content)
        return
    for number, sample in zip(range(options.samples), samples(model, options.prompt, sampling, rng=rng), strict=False):
        if number:
            show_text("\n" + "-" * 40 + "\n")
        show_text(options.prompt)
        for text in sample:
            show_text(text)
    show_text("\n")
