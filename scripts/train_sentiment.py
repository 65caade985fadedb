"""Does what `rnnnlp train sentiment` does."""

import sys

from rnnnlp.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", "sentiment", *sys.argv[1:]]))
