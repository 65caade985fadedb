#!/usr/bin/env bash
# Compiles the native kernels for systems and processors that are not here, with every warning an error.
#
#     scripts/cross_compile.sh systems     # macOS (Arm, Intel) and Windows: compiles only
#     scripts/cross_compile.sh arm         # Linux on Arm: also runs the tests of the kernels in an emulator
#
# "systems" needs the package ziglang in the Python of $PYTHON: its compiler has the headers of these systems. Windows is
# compiled for MinGW, because nothing free has the headers of Visual Studio.
# "arm" needs Debian or Ubuntu with g++-aarch64-linux-gnu and qemu-user, and downloads a Python for Arm.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
sources=rnnnlp/kernels/native/src
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

compile() {  # target, file, options
    echo "$1 ${2#"$sources"/} ${*:3}"
    "$python" -m ziglang c++ -target "$1" -std=c++17 -O0 -Wall -Wextra -Werror -c -o "$folder/object" "-I$sources" "${@:2}"
}

systems() {
    local nanobind headers target file
    nanobind=$("$python" -m nanobind --include_dir)
    headers=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    for target in aarch64-macos x86_64-macos x86_64-windows-gnu; do
        for file in "$sources"/runtime/*.cpp "$sources"/decode/*.cpp; do compile "$target" "$file"; done
    done
    compile aarch64-macos "$sources/kernels.cpp" -DISA=neon
    for target in x86_64-macos x86_64-windows-gnu; do
        compile "$target" "$sources/kernels.cpp" -DISA=baseline
        compile "$target" "$sources/kernels.cpp" -DISA=avx2 -mavx2 -mfma -mbmi2
        compile "$target" "$sources/kernels.cpp" -DISA=avx512 -mavx2 -mfma -mbmi2 -mavx512f -mavx512vl -mavx512bw \
            -mavx512dq -mavx512cd -mprefer-vector-width=512
    done
    for file in "$sources"/bind/*.cpp; do compile aarch64-macos "$file" "-I$nanobind" "-I$headers"; done
}

arm() {
    local lists options package
    lists=$folder/lists
    mkdir -p "$lists/partial" "$folder/root" "$folder/packages"
    options=(-o "Dir::State::lists=$lists" -o APT::Architecture=arm64 -o APT::Architectures::=arm64
             -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=)
    apt-get "${options[@]}" update -qq
    (
        cd "$folder/packages"
        for package in python3.11 python3.11-minimal libpython3.11-{minimal,stdlib,dev} libc6 libstdc++6 libgcc-s1 zlib1g libssl3 \
            libffi8 libexpat1 liblzma5 libbz2-1.0 libsqlite3-0 libuuid1; do
            apt-get "${options[@]}" download -qq "$package:arm64"
        done
        for package in *.deb; do dpkg-deb -x "$package" "$folder/root"; done
    )
    "$python" -m pip install -q --target "$folder/site" --python-version 3.11 --only-binary=:all: \
        --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux_2_17_aarch64 \
        --platform manylinux2014_aarch64 numpy pytest hypothesis threadpoolctl tqdm safetensors tokenizers

    cmake -S . -B "$folder/build" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DWARNINGS_ARE_ERRORS=ON \
        -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ "-DCMAKE_CXX_FLAGS=-I$folder/root/usr/include" \
        "-DPython_EXECUTABLE=$(command -v "$python")" "-DPython_INCLUDE_DIR=$folder/root/usr/include/python3.11" > "$folder/log"
    cmake --build "$folder/build" -j "$(nproc)"
    cp -r rnnnlp tests pyproject.toml "$folder/site"
    rm -f "$folder"/site/rnnnlp/kernels/native/*.so
    cp "$folder"/build/_native*.so "$folder/site/rnnnlp/kernels/native/_native.cpython-311-aarch64-linux-gnu.so"
    cd "$folder/site"
    # QEMU 7.2 itself fails where the child of a fork starts a thread.
    QEMU_LD_PREFIX=$folder/root PYTHONHOME=$folder/root/usr PYTHONPATH=$folder/site OMP_NUM_THREADS=1 \
        qemu-aarch64 "$folder/root/usr/bin/python3.11" -m pytest -p no:cacheprovider \
        -k "not forked_process_has_threads" tests/kernels/test_cells.py tests/kernels/test_native_*.py
}

"${1:?systems or arm}"
