#!/usr/bin/env bash
# Calls the native kernels as Python does, with random arrays, guided by the code that they reach, with AddressSanitizer
# and UBSan: see scripts/fuzzing/border.cpp.
#
#     scripts/fuzz_border.sh [SECONDS]     # 600 by default; CORPUS=FOLDER keeps the inputs for the next time
#
# Needs Clang with libFuzzer, CMake, and NumPy and nanobind in the Python of $PYTHON. It stops at an error, and keeps the
# input in the current folder.
set -euo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
corpus=${CORPUS:-$folder/corpus}
mkdir -p "$corpus"

CXX=${CXX:-clang++} cmake -S "$source" -B "$folder" -DFUZZ=ON -DSANITIZE=address,undefined,fuzzer-no-link \
    -DPython_EXECUTABLE="$(command -v "$python")" > "$folder/log" || { cat "$folder/log"; exit 1; }
cmake --build "$folder" --target fuzz_border -j "$(nproc)" > "$folder/log" || { cat "$folder/log"; exit 1; }

# The program has its own interpreter, which must find the modules of $PYTHON.
PYTHONHOME=$("$python" -c 'import sys; print(sys.base_prefix)')
PYTHONPATH=$("$python" -c 'import sys; print(":".join(filter(None, sys.path)))')
export PYTHONHOME PYTHONPATH OPENBLAS_NUM_THREADS=1 ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1
fuzz=("$folder/fuzz_border" -rss_limit_mb=1024 -timeout=5 -max_len=400 -len_control=0)

if FUZZ_FAULT=1 "${fuzz[@]}" -runs=1 -artifact_prefix="$folder/" 2> "$folder/log"; then
    echo "a write past the end of an array was not found: this build has no sanitizer" >&2
    exit 1
fi
grep -q "heap-buffer-overflow" "$folder/log" || { cat "$folder/log" >&2; exit 1; }
"${fuzz[@]}" -max_total_time="${1:-600}" -print_final_stats=1 "$corpus"
echo "no error found"
