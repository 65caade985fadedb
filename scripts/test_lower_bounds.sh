#!/bin/sh
# Runs the tests with the oldest versions of the dependencies that pyproject.toml allows, in a temporary environment.
# It needs Python 3.11 or later as python3 (or PYTHON), git, and a package index.
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
# The package is tested as it was installed: all files of the repository are there, but not the source of the package.
git -C "$root" ls-files -z --cached --others --exclude-standard -- . ':!rnnnlp' \
    | tar -C "$root" --null -T - -cf - | tar -C "$home" -xf -
cd "$home"
# What needs that source is left out: quotes of it, words in it, links to it, its list of cells, a build of its kernels.
OMP_NUM_THREADS=1 "$home/venv/bin/python" -m pytest \
    --ignore tests/test_documentation.py \
    --deselect tests/test_translations.py::test_the_derivation_quotes_the_code_and_its_blocks_run \
    --ignore tests/test_words.py \
    --deselect tests/test_howtos.py::test_links_lead_to_files_and_headings \
    --ignore tests/scripts/test_compare_installations.py \
    --ignore tests/scripts/test_sanitize.py \
    "$@"
