#!/usr/bin/env bash
# Builds the native kernels with AddressSanitizer and UBSan, in a copy of the tree, and runs their tests.
# Needs what a build needs (a C++17 compiler, CMake, nanobind) and the test requirements in the Python of $PYTHON.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -r CMakeLists.txt pyproject.toml rnnnlp tests "$folder"
rm -f "$folder"/rnnnlp/kernels/native/_native*.so
cmake -S "$folder" -B "$folder/build" -DSANITIZE=ON -DPython_EXECUTABLE="$(command -v "$python")" > "$folder/cmake.log" ||
    { cat "$folder/cmake.log"; exit 1; }
cmake --build "$folder/build" -j "$(nproc)" > "$folder/build.log" || { cat "$folder/build.log"; exit 1; }
cp "$folder"/build/_native*.so "$folder/rnnnlp/kernels/native/"

# Python itself is not sanitized: the library must be loaded first, and Python's own memory at exit is not a leak of ours.
cd "$folder"
export LD_PRELOAD="$(${CXX:-g++} -print-file-name=libasan.so) $(${CXX:-g++} -print-file-name=libubsan.so)"
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
PYTHONPATH=. "$python" -m pytest -p no:cacheprovider tests/kernels/test_native*.py
echo "no error found"
