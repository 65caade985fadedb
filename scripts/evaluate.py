"""The same as `rnnnlp evaluate`, for those who like a script."""

import sys

from rnnnlp.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
