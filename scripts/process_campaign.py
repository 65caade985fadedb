"""Forks, starts, interrupts and kills processes at random moments. None may hang, and all must end in the same bits.

    python scripts/process_campaign.py --only forks --count 20
    python scripts/process_campaign.py --only starts --count 50
    python scripts/process_campaign.py --only signals --count 100
    python scripts/process_campaign.py --only kills --count 100

The cases:

- forks: threads train, predict and generate, while the process forks ten times. Each child does the same as they.
- starts: a new process that can start only a few threads, whatever it asks for. It must give the usual bits, or say in
  one line what is wrong. It needs a C compiler.
- signals: one or two of SIGINT, SIGTERM and SIGHUP at a random moment of a command. Then the run is resumed.
- kills: SIGKILL while a run begins, is resumed, or replaces another, while a model is saved over another, and while two
  processes save into one folder. Afterwards the run must end in the bits of a run left alone, and one of the two models
  must be there and whole.

A run is that of a language model of characters or words, or of a classifier with a pretrained language model. Each seed
and number draw the same case, but its moments depend on the machine. A process that takes 60 seconds counts as hung.
"""

import sys


def main() -> int:
    from fuzzing.cases import parse, report, set_environment

    set_environment()
    from fuzzing.process_cases import KINDS, campaign

    options = parse(__doc__, 100, KINDS)
    return report(campaign(options), options)


if __name__ == "__main__":
    sys.exit(main())
