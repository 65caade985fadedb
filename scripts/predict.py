"""Does what `rnnnlp predict` does."""

import sys

from rnnnlp.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["predict", *sys.argv[1:]]))
