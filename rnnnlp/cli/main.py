"""The command `rnnnlp`: runs a command, and reports a user error in one line, with exit code 2."""

import argparse
import difflib
import io
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from typing import NoReturn

from rnnnlp.cli.completion import OPTION, SHELLS, PrintCompletion, is_asked
from rnnnlp.cli.output import LogHandler, show
from rnnnlp.display import command_line
from rnnnlp.errors import UserError, dashed

LONGEST_MESSAGE = 2000  # characters
DEBUG = "RNNNLP_DEBUG"  # environment variable: 1 shows where an internal error was raised
INTERNAL_ERROR = 70  # exit code, EX_SOFTWARE of sysexits.h
QUIET = "--quiet"  # of every command
SIMILAR = 0.7  # how similar a wrong name is to the option that was probably meant; 1 is the same
RENAMED_COMMANDS = {"combine": "ensemble"}  # of version 0.1

COMMANDS = {
    "train": "train a character language model or a sentiment classifier",
    "pretrain": "pretrain word language models on unlabelled texts, for a classifier to start from",
    "sweep": "train one run per configuration file, with any number of processes, and compare the results",
    "ensemble": "make an ensemble of trained classifiers, with stacking weights",
    "generate": "generate text with a trained character model",
    "evaluate": "evaluate a trained model on a data set: accuracy and F1, or bits per character and perplexity",
    "export": "export a trained model: with int8 weights, to ONNX, or as a web page that runs in a browser",
    "push": "upload a trained model to the Hugging Face Hub, with a model card",
    "predict": "classify texts with a trained classifier or a bundled model: labels, probabilities, explanations",
    "serve": "serve trained models: a web page to explore them, and an HTTP interface for programs",
    "models": "list the bundled models, which predict without training and can be trained further",
    "curve": "measure the learning curve of a classifier: accuracy against number of labels, with linear baselines",
    "plot": "plot training curves, or vanishing and exploding gradients",
    "quickstart": "try everything: train, evaluate and use two small models on built-in data in a few minutes",
    "status": "show the progress of a run: step, time, losses, best validation metrics",
    "info": "show the versions, kernels and threads of this installation",
}

EXAMPLES = """examples:
  rnnnlp predict "What a lovely film."
  rnnnlp quickstart
  rnnnlp train charlm --data book.txt --budget 5m --out runs/book
  rnnnlp generate runs/book --prompt "Once upon a time"
  rnnnlp train sentiment --data reviews/ --budget 10m --out runs/reviews
  rnnnlp evaluate runs/reviews --split test
  rnnnlp predict runs/reviews "What a lovely film."
  rnnnlp plot runs/book runs/reviews --out curves.png

'rnnnlp COMMAND --help' explains the options of a command."""


class Parser(argparse.ArgumentParser):
    """An argument parser that raises `UserError` for a mistake."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; '{self.prog} --help' lists the options")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: The words of the command line; by default those of this process.

    Returns:
        The exit code: 0 if done, 2 for a user error, 70 for an internal error, 128 + n if stopped by signal n.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    return reported(lambda: run_command(words))


def reported(action: Callable[[], int | None]) -> int:
    """Runs a command, or a script, with a log on standard error; says in one line why it failed.

    Args:
        action: Does the work. It returns the exit code, or None for 0.

    Returns:
        The exit code, as of `main`.
    """
    try:
        with streams_that_take_any_text(), log_to_stderr():
            return last_word(*outcome(action))
    except KeyboardInterrupt as stop:
        return last_word(getattr(stop, "exit_code", 130), "rnnnlp: stopped")


def outcome(action: Callable[[], int | None]) -> tuple[int, str]:
    """Does the work; returns the exit code, and the line that says why it ended, if there is one."""
    try:
        try:
            return action() or 0, ""
        finally:
            sys.stdout.flush()  # so a full disk is noticed here
    except UserError as error:
        return failure(error.command_line)
    except MemoryError as error:
        return failure(f"there is not enough memory ({str(error) or 'none left'}); choose a smaller model or batch")
    except BrokenPipeError:  # the reader of the output has ended, such as `head`
        discard_output()
        return 141, ""
    except OSError as error:
        discard_output()
        cause = error.strerror or error
        return failure(f"{error.filename or 'reading or writing'}: {cause}; make room or allow access, then try again")
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # `tokenizers` has some that are not an Exception
        from rnnnlp.training.launcher import launched_processes

        if os.environ.get(DEBUG) == "1":
            if launched_processes() == 1:
                raise
            for line in traceback.format_exc().splitlines():  # the other processes would wait for one that ends here
                show(line, to=sys.stderr)
        what = f"internal error: {type(error).__name__}: {error}"
        notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
        return failure(f"{what}; please report it ({DEBUG}=1 shows where){notes}", "rnnnlp", INTERNAL_ERROR)


def run_command(words: list[str]) -> int:
    """Runs the command of these words; returns the exit code."""
    parser = Parser(
        prog="rnnnlp",
        description="Recurrent networks on text: train, evaluate, predict and generate on an ordinary computer.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    from rnnnlp import __version__
    from rnnnlp.threads import limit_blas_threads

    limit_blas_threads()
    parser.add_argument("--version", action="version", version=f"rnnnlp {__version__}")
    parser.add_argument(
        OPTION,
        choices=SHELLS,
        action=PrintCompletion,
        default=argparse.SUPPRESS,
        help="print the completion script for this shell: it completes commands and options",
    )
    add_quiet(parser)
    called = next((word for word in words if word != QUIET), "")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, help_text in COMMANDS.items():
        command = commands.add_parser(
            name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".", allow_abbrev=False
        )
        if called == name or is_asked(called):  # load only the options of the command that runs
            load_command(name, command)
    if called in RENAMED_COMMANDS:
        raise UserError(f"the command {called} is now {RENAMED_COMMANDS[called]}; use that name")
    options = parse(parser, words)
    from rnnnlp.config import as_given

    for name, value in vars(options).items():
        if type(value) in (int, float):
            as_given(type(value), value, name)  # refuses what no option can be
    with quiet() if getattr(options, "quiet", False) else nullcontext():
        return options.run(options) or 0


def load_command(name: str, parser: argparse.ArgumentParser) -> None:
    """Gives a parser all options of a command, and the function that runs it."""
    module = import_module(f"rnnnlp.cli.{name}")
    module.add_options(parser)
    parser.set_defaults(run=module.run)
    for command in with_subcommands(parser):
        add_quiet(command)


def with_subcommands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser, and those of the words that follow its own."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from with_subcommands(command)


def add_quiet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        QUIET,
        action="store_true",
        default=argparse.SUPPRESS,
        help="print results, warnings and errors only: no progress, and nothing about what was chosen",
    )


def discard_output() -> None:
    """Discards what standard output and standard error cannot take. Otherwise Python would try again at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def parse(parser: Parser, words: list[str]) -> argparse.Namespace:
    """Parses the options. Unlike in argparse, texts and runs may also follow an option."""
    options, left = parser.parse_known_args(words)
    for name in ("texts", "runs"):
        if hasattr(options, name) and not any(word.startswith("-") and word != "-" for word in left):
            getattr(options, name).extend(left)
            left = []
    if left:
        command = " ".join(filter(None, (parser.prog, options.command, getattr(options, "kind", None))))
        from rnnnlp.training.earlier import RENAMED_OPTIONS

        for old, new in RENAMED_OPTIONS.items():
            used = any(word.partition("=")[0] == dashed(old) for word in left)
            task = getattr(options, "task", None)
            if used and task is not None and new in task.network.config_type.__dataclass_fields__:
                raise UserError(f"{dashed(old)} is now {dashed(new)}; use that name")
        raise UserError(
            f"{' '.join(left)}: there is no such option; '{command} --help' lists the options"
            f"{suggestion(left, parser, options)}"
        )
    return options


def suggestion(left: list[str], parser: argparse.ArgumentParser, options: argparse.Namespace) -> str:
    """What was probably meant by words that belong to no option, as a question; empty if nothing is similar."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return suggestion(left, action.choices[getattr(options, action.dest)], options)
    known = [name for name in parser._option_string_actions if name.startswith("--")]
    name = left[0].partition("=")[0]
    meant: list[str] = []
    if name.startswith("-"):
        meant = difflib.get_close_matches(name.replace("_", "-"), known, 1, SIMILAR)
    elif len(left) == 1 and dashed("data") in known and getattr(options, "data", None) is None:
        meant = [f"{dashed('data')} {command_line(left[0])}"]
    return f"; did you mean {meant[0]}?" if meant else ""


def fail(message: str) -> int:
    """Prints the line of a user's mistake; returns the exit code."""
    return last_word(*failure(message))


def failure(message: str, prefix: str = "rnnnlp: error", code: int = 2) -> tuple[int, str]:
    """The exit code of an error, and its line."""
    if len(message) > LONGEST_MESSAGE:  # the beginning says what is wrong, the end what to do
        message = f"{message[: LONGEST_MESSAGE // 2]} ... {message[-LONGEST_MESSAGE // 2 :]}"
    return code, f"{prefix}: {message}"


def last_word(code: int, line: str) -> int:
    """Prints the line that says why the command ended, once for all processes; returns the exit code."""
    from rnnnlp.training.launcher import launched_processes

    if code and launched_processes() != 1:
        from rnnnlp.training.mpi import ending

        with ending(code) as rank:
            if line and rank is not None:
                show(f"{line} (process {rank})" if rank else line, to=sys.stderr)
    elif line:
        show(line, to=sys.stderr)
    return code


@contextmanager
def streams_that_take_any_text() -> Iterator[None]:
    """Makes standard output and standard error take any text: they write escapes for what their encoding lacks."""
    changed = []
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed before this process began
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper) and stream.errors != "backslashreplace":
            changed.append((stream, stream.errors))
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        for stream, errors in changed:
            with suppress(OSError, ValueError):  # it cannot be written, or is closed
                stream.reconfigure(errors=errors)


@contextmanager
def log_to_stderr() -> Iterator[None]:
    """Prints the log messages of the library to standard error."""
    logger = logging.getLogger("rnnnlp")
    before = logger.handlers, logger.level, logger.propagate
    logger.handlers, logger.propagate = [LogHandler()], False
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.handlers, level, logger.propagate = before
        logger.setLevel(level)


@contextmanager
def quiet() -> Iterator[None]:
    """Only warnings and errors are logged inside, so no progress bar is drawn either."""
    logger = logging.getLogger("rnnnlp")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


if __name__ == "__main__":
    sys.exit(main())
