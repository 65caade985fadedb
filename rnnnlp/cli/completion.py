"""rnnnlp --print-completion SHELL: the script with which a shell completes commands, options and their values."""

import argparse
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from rnnnlp.cli.output import show
from rnnnlp.errors import UserError

OPTION = "--print-completion"
SHELLS = ("bash", "zsh", "tcsh")


class PrintCompletion(argparse.Action):
    """The action of the option: prints the script, and ends."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        for line in script(parser, values).splitlines():
            show(line)
        parser.exit()


def is_asked(called: str) -> bool:
    """Whether the first word of a command line is the option, so that the options of all commands are needed."""
    return called.split("=")[0] == OPTION


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script of a shell for a parser with all its commands.

    Raises:
        UserError: If `shtab` is not installed.
    """
    try:
        shtab = import_module("shtab")
    except ModuleNotFoundError:
        raise UserError(f"{OPTION} needs shtab; pip install 'rnnnlp[completion]'") from None
    for action in _actions(parser):
        if action.nargs != 0 and not action.choices:  # most values are paths; of no other is anything known
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    return str(shtab.complete(parser, shell))


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
