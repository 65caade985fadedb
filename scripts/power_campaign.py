"""Cuts the power at random moments, as a disk sees it, and uses what is left. Nothing may be lost that was there.

    python scripts/power_campaign.py --count 500 --seed 0

It records in which order a command writes, renames, removes and syncs, with a library that stands in for these
functions (so it needs a C compiler). A case plays the changes up to a random moment, leaves out some that were not
synced until then, and opens the folder. A fifth of the cases leaves out nothing: then the process was only killed.

- A run that begins, is resumed, or trains for longer must be resumed to the same bits; or if no checkpoint was synced
  yet, it can begin again in the same folder.
- A run, a model or an ensemble that replaces another: the old one or the new one must be there and whole.
- With what is left of the cache the figures must be the same.

`scripts/fuzzing/disk.py` says which changes may be lost. Lines of metrics.jsonl may be lost.
"""

import sys


def main() -> int:
    from fuzzing.cases import parse, report, set_environment

    set_environment()
    from fuzzing.power_cases import KINDS, campaign

    options = parse(__doc__, 500, KINDS)
    return report(campaign(options), options)


if __name__ == "__main__":
    sys.exit(main())
