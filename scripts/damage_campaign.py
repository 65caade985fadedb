"""Damages run folders at random and opens them. Each must be refused in one line, or work as if undamaged.

    python scripts/damage_campaign.py --cases 2000 --seed 0

A case is a copy of a small run, one damage, and one command in a process of its own. The process may take 5 seconds of
processor time, 60 seconds of the clock, and 1 GB of memory. A case fails if there is a traceback, a process that hangs
or takes too much memory, or a command that succeeds with another result than on the undamaged run. "Forged" damage has
the right checksums, as if made on purpose. There another result is no failure, but everything else is.

Each seed and number make the same case.
"""

import sys


def main() -> int:
    from fuzzing.cases import parse, set_environment

    cases, seed = parse(__doc__, 2000)
    set_environment()
    from fuzzing.damage_runs import campaign

    counts = campaign(cases, seed, print)
    print(", ".join(f"{count} {ended}" for ended, count in sorted(counts.items())))
    return int(any(ended.startswith("FAILED") for ended in counts))


if __name__ == "__main__":
    sys.exit(main())
