#!/usr/bin/env bash
# Builds the native kernels with sanitizers, in a copy of the tree, and runs the tests of kernels, layers and generation:
# with AddressSanitizer and UBSan, the same with all cells on the row-wise schedule, and with ThreadSanitizer.
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
# Threads of OpenBLAS and of the tokenizers are not sanitized, so what they do would look like errors.
echo "race:tokenizers.abi3.so" > suppressions
export PYTHONPATH=$folder OPENBLAS_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:log_path=$folder/report  # Python leaks at its end
export UBSAN_OPTIONS=print_stacktrace=1:log_path=$folder/report TSAN_OPTIONS=die_after_fork=0:exitcode=66:log_path=$folder/report:suppressions=$folder/suppressions

build() {  # sanitizers, row-wise schedule
    cmake -S . -B build -DSANITIZE="$1" -DROWWISE_SCHEDULE="$2" -DPython_EXECUTABLE="$(command -v "$python")" \
        > cmake.log || { cat cmake.log; exit 1; }
    cmake --build build -j "$(nproc)" > build.log || { cat build.log; exit 1; }
    cp build/_native*.so rnnnlp/kernels/native/
}

# Python itself is not sanitized, so the sanitizer must be loaded before it, and where it expects to be. The library of C++
# must be there before the first exception.
with_sanitizer() {  # sanitizer, command
    local loaded
    loaded="$("${CXX:-g++}" "-print-file-name=lib$1.so") $("${CXX:-g++}" -print-file-name=libstdc++.so)"
    shift
    LD_PRELOAD=$loaded setarch -R "$@"
}

check() {  # sanitizers, row-wise schedule, the sanitizer's library, its function that each of our files calls
    echo "$1, row-wise schedule: $2"
    rm -f rnnnlp/kernels/native/_native*.so
    if [ -n "${LIBRARY:-}" ]; then
        cp "$LIBRARY" rnnnlp/kernels/native/_native.so
    else
        build "$1" "$2"
    fi
    # The library that is tested is this one, and a sanitizer watches it.
    with_sanitizer "$3" "$python" - "$folder/" "$4" <<'END'
import sys
from pathlib import Path

from rnnnlp.kernels.native import _native

library, (folder, function) = Path(_native.__file__), sys.argv[1:]
if not str(library).startswith(folder):
    sys.exit(f"{library} is not the library of {folder}")
if function.encode() not in library.read_bytes():
    sys.exit(f"{library} was built without the sanitizer: it does not call {function}")
END
    with_sanitizer "$3" "$python" -m pytest -p no:cacheprovider tests/kernels/test_native*.py tests/layers \
        tests/tasks/char_lm/test_generate.py || { cat report* 2> /dev/null; exit 1; }
}

check address,undefined OFF asan __asan_report
check address,undefined ON asan __asan_report
check thread OFF tsan __tsan_func_entry
echo "no error found"
