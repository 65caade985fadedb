"""rnnnlp generate RUN."""

import argparse
import logging
import sys

HELP = {
    "length": "at most so many tokens",
    "temperature": "below 1 safer, above 1 wilder; 0 takes the most probable token each time",
    "top_k": "choose among the k most probable tokens; 0: among all",
    "top_p": "choose among the fewest tokens that together have this probability",
    "repetition_penalty": "above 1: what was written lately becomes less probable",
    "repetition_window": "how many tokens are lately",
    "stop": "end before this text; may be given several times",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    from rnnnlp.generation import Sampling

    default = Sampling()
    parser.add_argument("run_folder", metavar="RUN", help="the folder of a trained character model")
    parser.add_argument("--prompt", default="", help="the text to go on from (default: none)")
    for name, text in HELP.items():
        option, value = f"--{name.replace('_', '-')}", getattr(default, name)
        if name == "stop":
            parser.add_argument(option, action="append", default=[], metavar="TEXT", help=text)
        else:
            parser.add_argument(option, type=type(value), default=value, metavar="X", help=f"{text} (default: {value})")
    parser.add_argument("--samples", type=int, default=1, metavar="N", help="so many texts (default: 1)")
    parser.add_argument("--seed", type=int, help="the same seed gives the same text (default: another one each time)")
    parser.add_argument("--backend", default=None, help="auto or numpy")


def run(options: argparse.Namespace) -> int:
    import numpy as np

    from rnnnlp import kernels
    from rnnnlp.errors import UserError
    from rnnnlp.generation import Sampling, samples
    from rnnnlp.models.char_lm import CharLM

    kernels.use(options.backend)
    values = {name: getattr(options, name) for name in HELP}
    sampling = Sampling(**values | {"stop": tuple(options.stop)})
    if options.samples < 1:
        raise UserError(f"--samples is {options.samples}; it must be at least 1")
    if options.seed is not None and options.seed < 0:
        raise UserError(f"--seed is {options.seed}; it must be at least 0")
    model = CharLM.from_pretrained(options.run_folder)
    assert model.tokenizer is not None
    if unknown := model.tokenizer.unknown_characters(options.prompt):
        logging.getLogger(__name__).warning(
            "the model has never seen %s; read as unknown", ", ".join(f"{c!r} (U+{ord(c):04X})" for c in unknown)
        )
    # What the terminal cannot show is replaced, never an error in the middle of a text.
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    rng = np.random.default_rng(options.seed)
    for number, sample in zip(range(options.samples), samples(model, options.prompt, sampling, rng=rng), strict=False):
        if number:
            print("\n" + "-" * 40)
        print(options.prompt, end="", flush=True)
        for text in sample:
            print(text, end="", flush=True)
    print()
    return 0
