"""The one error that is the user's to fix, and how its message names an option."""

import re

_MARKED = re.compile("\ue000(.*?)\ue001")  # private-use characters: no message has them by accident


def option(name: str) -> str:
    """The name of an option in the message of a `UserError`.

    Python code and the command line spell it differently: `hidden_size` and `--hidden-size`.
    """
    return f"\ue000{name}\ue001"


class OptionName(str):
    """The name of an option as an argument of a log message. The log of the command line spells it with dashes."""


class UserError(ValueError):
    """A mistake in what was asked for or given: a path, a value, the content of a file.

    The message is one line that names the value, what was expected and what to do. The command line prints it
    without a traceback and exits with code 2. In Python it is a `ValueError`.
    """

    def __init__(self, message: str) -> None:
        super().__init__(_MARKED.sub(r"\1", message))
        self.marked = message  # its option names are marked, to become part of another message

    @property
    def command_line(self) -> str:
        """The message with option names as the command line spells them."""
        return _MARKED.sub(lambda match: dashed(match[1]), self.marked)


def dashed(name: str) -> str:
    """The command line's spelling of an option; a name that is a keyword of Python ends in an underscore."""
    return f"--{name.rstrip('_').replace('_', '-')}"
