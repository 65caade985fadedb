"""Reads random hostile text in thousands of ways. Each must end in a right result, or in one clear error.

    python scripts/fuzz_text.py --cases 20000 --seed 0

A case takes an input from a generator (any Unicode, files of every format, TOML, prompts), often changes some bytes at
random, and gives it to a tokenizer, a reader, the configuration, or a network. A case fails with any exception but
UserError, if it takes more than 5 seconds of processor time, 60 seconds of the clock or 1 GB of memory, or if what was
written cannot be read back. A failure may end its process; the next case then gets a new one.

Each seed and number make the same case.
"""

import itertools
import logging
import sys
import time


def main() -> int:
    from fuzzing.cases import parse, set_environment

    cases, seed = parse(__doc__, 20_000)
    set_environment()
    from fuzzing.text_cases import campaign

    logging.getLogger("rnnnlp").addHandler(logging.NullHandler())
    started = time.monotonic()
    counts = campaign(cases, seed)
    for key, ends in itertools.groupby(sorted(counts), key=lambda name: name.partition(":")[0]):
        print(f"{key}: " + ", ".join(f"{counts[end]} {end.partition(': ')[2]}" for end in ends))
    print(f"{counts.total()} cases in {time.monotonic() - started:.0f} s, {counts['FAILED']} failed")
    return int(counts["FAILED"] > 0)


if __name__ == "__main__":
    sys.exit(main())
