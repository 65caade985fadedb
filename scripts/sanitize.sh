#!/usr/bin/env bash
# Builds the native kernels with AddressSanitizer and UBSan, in a copy of the tree, and runs their tests: once as they are, and
# once with all cells on the row-wise schedule.
# Needs a C++17 compiler, CMake, nanobind, and the test requirements in the Python of $PYTHON.
# LIBRARY=FILE tests this library instead of building one.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -r CMakeLists.txt pyproject.toml rnnnlp tests "$folder"
cd "$folder"

# An editable installation of rnnnlp would be imported before the copy.
cat > sitecustomize.py <<'END'
import sys

sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in type(finder).__module__]
END
export PYTHONPATH=$folder

# Python itself is not sanitized: the library must be loaded first, and Python's own memory at exit is not a leak of ours.
libraries="$(${CXX:-g++} -print-file-name=libasan.so) $(${CXX:-g++} -print-file-name=libubsan.so)"
build() {
    cmake -S . -B build -DSANITIZE=ON -DROWWISE_SCHEDULE=$1 -DPython_EXECUTABLE="$(command -v "$python")" \
        > cmake.log || { cat cmake.log; exit 1; }
    cmake --build build -j "$(nproc)" > build.log || { cat build.log; exit 1; }
    cp build/_native*.so rnnnlp/kernels/native/
}

for rowwise in OFF ON; do
    rm -f rnnnlp/kernels/native/_native*.so
    if [ -n "${LIBRARY:-}" ]; then
        cp "$LIBRARY" rnnnlp/kernels/native/_native.so
    else
        build $rowwise
    fi
    echo "row-wise schedule: $rowwise"
    export LD_PRELOAD=$libraries ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    "$python" -c 'import sys
from rnnnlp.kernels.native import _native
sys.exit(not _native.__file__.startswith(sys.argv[1] + "/") and f"{_native.__file__} is not the library of {sys.argv[1]}")' "$folder"
    "$python" -m pytest -p no:cacheprovider tests/kernels/test_native*.py
    unset LD_PRELOAD
done
echo "no error found"
