#!/usr/bin/env bash
# The worker built with CUDA on a machine that may have none of it: it must start, and say what is missing.
#
#   bash .ci/cuda-test.sh WORKER
#
# Drivers of several kinds are stood in for by a small library under the driver's name.
set -euo pipefail

worker="$(readlink -f "$1")"
key="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/resources/samples/walk/key_a.png"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"

echo "no CUDA library is needed to start"
if readelf -d "$worker" | grep NEEDED | grep -Ei 'cuda|cublas|curand|nvrtc|cudnn|nvidia'; then
    echo "the worker names a library of CUDA"
    exit 1
fi

"$worker" models random model.safetensors --tiny >/dev/null
generate() {
    "$worker" generate "$key" "$key" --checkpoint model.safetensors --tiny --size 64x64 --frames 4 \
        --steps 1 --out out "$@"
}

# expect WORDS: `--device cuda` is refused with these words, `--device auto` takes the CPU.
expect() {
    local said status=0
    said="$(generate --device cuda 2>&1)" || status=$?
    [ "$status" -eq 8 ] || { echo "exit code $status instead of 8: $said"; exit 1; }
    [[ "$said" == *"$1"* ]] || { echo "not said: $1"; echo "said: $said"; exit 1; }
    said="$(generate --device auto 2>&1)" || { echo "auto does not take the CPU: $said"; exit 1; }
    [[ "$said" == *"on the CPU"*"$1"* ]] || { echo "auto does not say why: $said"; exit 1; }
    echo "$1"
}

cat >driver.c <<'C'
int cuDriverGetVersion(int *version) { *version = VERSION; return 0; }
int cuInit(unsigned flags) { return INIT; }
int cuDeviceGetCount(int *count) { *count = COUNT; return 0; }
int cuDeviceGetAttribute(int *value, int what, int device) { *value = what == 75 ? MAJOR : 0; return 0; }
int cuGetErrorString(int error, const char **text) { *text = "stood in for"; return 0; }
C
# driver VERSION INIT COUNT MAJOR
driver() {
    mkdir -p lib
    cc -shared -fPIC -w -DVERSION="$1" -DINIT="$2" -DCOUNT="$3" -DMAJOR="$4" driver.c -o lib/libcuda.so.1
}

if ldconfig -p 2>/dev/null | grep -q 'libcuda\.so\.1'; then
    echo "there is a real driver: the stand-ins are left out"
    exit 0
fi
expect "there is no NVIDIA driver"
export LD_LIBRARY_PATH="$folder/lib"
driver 12040 0 1 8
expect "too old: it speaks CUDA 12.4, needed is 13.0; install driver 580"
driver 13000 803 1 8
expect "does not start: error 803, stood in for"
driver 13000 0 0 8
expect "finds no card"
driver 13000 0 1 7
expect "compute capability is 7.0, needed is 8.0"
driver 13000 0 1 8
expect "cuBLAS is missing"
cc -shared -fPIC -o lib/libcublas.so.13 -x c /dev/null
cc -shared -fPIC -o lib/libcurand.so.10 -x c /dev/null
expect "cuDNN 9 is missing"
