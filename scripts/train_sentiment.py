"""The same as `rnnnlp train sentiment`, for those who like a script."""

import sys

from rnnnlp.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", "sentiment", *sys.argv[1:]]))
