"""The same as `rnnnlp generate`, for those who like a script."""

import sys

from rnnnlp.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["generate", *sys.argv[1:]]))
