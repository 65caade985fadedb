#!/usr/bin/env bash
# Builds the native kernels with AddressSanitizer and UBSan, in a copy of the tree, and runs their tests: once as they are, and
# once with all cells on the row-wise schedule.
# Needs a C++17 compiler, CMake, nanobind, and the test requirements in the Python of $PYTHON.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -r CMakeLists.txt pyproject.toml rnnnlp tests "$folder"
cd "$folder"

# Python itself is not sanitized: the library must be loaded first, and Python's own memory at exit is not a leak of ours.
libraries="$(${CXX:-g++} -print-file-name=libasan.so) $(${CXX:-g++} -print-file-name=libubsan.so)"
for rowwise in OFF ON; do
    rm -f rnnnlp/kernels/native/_native*.so
    cmake -S . -B build -DSANITIZE=ON -DROWWISE_SCHEDULE=$rowwise -DPython_EXECUTABLE="$(command -v "$python")" \
        > cmake.log || { cat cmake.log; exit 1; }
    cmake --build build -j "$(nproc)" > build.log || { cat build.log; exit 1; }
    cp build/_native*.so rnnnlp/kernels/native/
    echo "row-wise schedule: $rowwise"
    LD_PRELOAD=$libraries ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 PYTHONPATH=. \
        "$python" -m pytest -p no:cacheprovider tests/kernels/test_native*.py
done
echo "no error found"
