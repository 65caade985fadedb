"""The same as `rnnnlp combine`, for those who like a script."""

import sys

from rnnnlp.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["combine", *sys.argv[1:]]))
