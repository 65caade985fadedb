"""The entry point of the command `rnnnlp`. While it imports the rest, Ctrl-C ends the process without a traceback."""

import signal


def main() -> int:
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from rnnnlp.cli.main import main as run

    if handler is signal.default_int_handler:
        signal.signal(signal.SIGINT, handler)
    return run()
