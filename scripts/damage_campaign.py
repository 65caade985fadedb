"""Damages and forges files at random and opens them. Each must be refused in one line, or work as if undamaged.

    python scripts/damage_campaign.py --count 5000 --seed 0 --jobs 2

A case is a copy of a small run, model, ensemble, cache, options file or data set; one damage; and one command, or its
Python counterpart, in a process of its own. The process may take 5 seconds of processor time, 60 seconds of the clock,
and 1 GiB of address space beyond that of Python with everything imported. A case fails if

- there is a traceback, a control character in the output, more than one line of error, or an exit code but 0 and 2,
- the process hangs, or takes more than it may,
- a command succeeds with another result than without the damage, or
- anything outside of the damaged folder has changed.

"Forged" damage has the right checksums, as if made on purpose, and data have none. There another result is not a
failure, but everything else is. A damaged entry of the cache must be mended: the result must be right, and the entry as
before.

Each seed and number make the same case. A failure prints the command that repeats it.
"""

import sys


def main() -> int:
    from fuzzing.cases import parse, report, set_environment

    set_environment()
    from fuzzing.damage_cases import campaign, kinds

    options = parse(__doc__, 2000, dict.fromkeys(kinds()))
    return report(campaign(options), options)


if __name__ == "__main__":
    sys.exit(main())
