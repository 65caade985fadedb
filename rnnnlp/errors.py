"""The one error that is the user's to mend."""


class UserError(ValueError):
    """A mistake in what was asked for or given: a path, a value, a file's content.

    The message is one line that names the value, what was expected and what to do. The command line prints it
    without a traceback and exits with code 2; in Python it is a `ValueError`.
    """
