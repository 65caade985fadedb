#!/usr/bin/env bash
# Makes the figures of README.md again, from public data sets: all in their order, or those of one row.
#
#     scripts/reproduce.sh --list                           # the rows, and how long each takes
#     scripts/reproduce.sh --sets ~/data                    # all rows
#     scripts/reproduce.sh --sets ~/data --row 8            # one row
#
# Without an environment that has rnnnlp, one is made in .venv. The options are explained by --help.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
if ! "$python" -P -c 'import rnnnlp' 2> /dev/null; then
    python=.venv/bin/python
    [ -x "$python" ] || python3 -m venv .venv
    "$python" -P -c 'import rnnnlp' 2> /dev/null || "$python" -m pip install -q -e .
fi
exec "$python" -m scripts.reproduce "$@"
