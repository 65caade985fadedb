"""Reads random hostile text in thousands of ways. Each must end in a right result, or in one clear error.

    python scripts/fuzz_text.py --count 20000 --seed 0 --jobs 2

A case takes an input from a generator (any Unicode, files of every format, TOML, prompts), often changes some bytes at
random, and gives it to a tokenizer, a reader, the configuration, or a network, in a process of its own. It fails with
any exception but UserError, if it takes more than 5 seconds of processor time, 60 seconds of the clock, or 1 GiB beyond
what the process had before, or if what was written cannot be read back.

Each seed and number make the same case. A failure prints the command that repeats it.
"""

import sys


def main() -> int:
    from fuzzing.cases import parse, report, set_environment

    set_environment()
    from fuzzing.text_cases import ACTIONS, campaign

    options = parse(__doc__, 20_000, ACTIONS)
    return report(campaign(options), options)


if __name__ == "__main__":
    sys.exit(main())
