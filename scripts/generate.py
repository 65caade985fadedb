"""Does what `rnnnlp generate` does."""

import sys

from rnnnlp.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["generate", *sys.argv[1:]]))
