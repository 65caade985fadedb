"""Does what `rnnnlp evaluate` does."""

import sys

from rnnnlp.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
