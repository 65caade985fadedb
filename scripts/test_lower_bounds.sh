#!/bin/sh
# Installs the oldest versions of the dependencies that pyproject.toml allows, into an environment of its own that is
# removed again, and runs the tests with them. Needs Python 3.11 or later as python3 (or PYTHON) and an index of packages.
#
#     scripts/test_lower_bounds.sh [options of pytest]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
"${PYTHON:-python3}" -m venv "$home/venv"
"$home/venv/bin/pip" install --quiet uv
"$home/venv/bin/uv" pip install --quiet --python "$home/venv/bin/python" --resolution lowest-direct "$root[test]"
"$home/venv/bin/uv" pip freeze --python "$home/venv/bin/python"
cp -r "$root/tests" "$root/scripts" "$root/data" "$root/docs" "$root/README.md" "$root/pyproject.toml" "$home"
cd "$home"
# The documents are compared with the sources, which are not here: the tests are of the package as it was installed.
OMP_NUM_THREADS=1 "$home/venv/bin/python" -m pytest --ignore tests/test_documentation.py "$@"
