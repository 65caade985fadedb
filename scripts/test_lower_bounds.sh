#!/bin/sh
# Runs the tests with the oldest versions of the dependencies that pyproject.toml allows, in a temporary environment.
# It needs Python 3.11 or later as python3 (or PYTHON), and a package index.
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
# The package is tested as it was installed, without its source, so documents cannot be compared with the source.
OMP_NUM_THREADS=1 "$home/venv/bin/python" -m pytest --ignore tests/test_documentation.py "$@"
