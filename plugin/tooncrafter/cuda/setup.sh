#!/usr/bin/env bash
# Installs what compiles the CUDA parts, from pinned Python wheels, without root and without a GPU.
#
#   eval "$(bash plugin/tooncrafter/cuda/setup.sh)"        into ~/.cache/inbetween-cuda
#   eval "$(bash plugin/tooncrafter/cuda/setup.sh DIR)"    into DIR
#
# Fetches about 105 MB, keeps about 280 MB. Prints the `export` lines that the build needs; everything
# else goes to standard error. Running it again fetches nothing. Needs python3 with pip, and g++.
set -euo pipefail

wheels=(
    nvidia-cuda-nvcc==13.0.88    # nvcc, ptxas, fatbinary
    nvidia-nvvm==13.0.88         # the optimiser behind nvcc
    nvidia-cuda-crt==13.0.88     # headers of nvcc itself
    nvidia-cuda-runtime==13.0.96 # headers of CUDA, the static runtime
    nvidia-cuda-cccl==13.0.85    # cuda/std, which candle's kernels include
)

note() { echo "cuda setup: $*" >&2; }
fail() { note "$*"; exit 1; }

[ "$(uname -sm)" = "Linux x86_64" ] || fail "the wheels are for Linux on x86-64; install NVIDIA's CUDA 13 toolkit instead"
command -v g++ >/dev/null || fail "g++ is missing; on Debian: apt-get install g++"
python3 -m pip --version >/dev/null 2>&1 || fail "pip is missing; on Debian: apt-get install python3-pip"

sources="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
home="${1:-${XDG_CACHE_HOME:-$HOME/.cache}/inbetween-cuda}"
mkdir -p "$home"
home="$(cd "$home" && pwd)"
exec 9>"$home/lock"
flock 9

# A tree is moved into place as a whole, so that an interrupted run leaves nothing half done.
tree="$home/cuda-13.0"
if [ "$(cat "$tree/wheels.txt" 2>/dev/null)" != "${wheels[*]}" ]; then
    fresh="$(mktemp -d "$home/fresh.XXXXXX")"
    trap 'rm -rf "$fresh"' EXIT
    note "fetching ${wheels[*]}"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --dest "$fresh/wheels" "${wheels[@]}" >&2 || fail "the wheels could not be fetched; is there a network?"
    for wheel in "$fresh"/wheels/*.whl; do
        python3 -m zipfile -e "$wheel" "$fresh/unpacked"
    done
    new="$fresh/unpacked/nvidia/cu13"
    chmod +x "$new"/bin/* "$new"/nvvm/bin/*
    ln -s lib "$new/lib64"
    printf '%s' "${wheels[*]}" >"$new/wheels.txt"
    rm -rf "$tree"
    mv "$new" "$tree"
fi
# Beside the real one, because build scripts look for headers relative to the compiler that they call.
install -m 755 "$sources/nvcc-float.sh" "$tree/bin/nvcc-float"

probe="$(mktemp -d)"
trap 'rm -rf "$probe" "${fresh:-$probe}"' EXIT
echo '__global__ void probe(float *x) { x[threadIdx.x] *= 2; }' >"$probe/probe.cu"
"$tree/bin/nvcc" --ptx -arch=compute_80 -o "$probe/probe.ptx" "$probe/probe.cu" >&2 ||
    fail "the compiler was installed but does not work; delete $tree and try again"
note "ready: $("$tree/bin/nvcc" --version | sed -n 's/.*release \([^,]*\).*/nvcc \1/p') in $tree"

cat <<EXPORTS
export CUDA_HOME='$tree'
export NVCC='$tree/bin/nvcc-float'
export PATH='$tree/bin':"\$PATH"
export CUDARC_CUDA_VERSION=13000
export CUDA_COMPUTE_CAP=80
EXPORTS
