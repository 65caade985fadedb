"""Does what `rnnnlp train charlm` does."""

import sys

from rnnnlp.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", "charlm", *sys.argv[1:]]))
