#!/usr/bin/env bash
# nvcc for models in floating point: leaves out the kernels of quantised weights.
#
# candle compiles its kernels for 4-bit and 8-bit weights whether anybody uses them or not: most of the
# compile time and most of the size of the result. Handed one of those files, this compiles an empty one
# of the same name instead. Everything else goes to nvcc as it is.
set -euo pipefail

nvcc="$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/nvcc"
arguments=("$@")
last=$((${#arguments[@]} - 1))
if [ "${CARGO_PKG_NAME:-}" = candle-kernels ] && [ "$last" -ge 0 ]; then
    case "${arguments[last]}" in
        */quantized.cu | */mmvq_gguf.cu | */mmq_gguf/*.cu | */moe/*.cu)
            empty="$(mktemp -d)"
            trap 'rm -rf "$empty"' EXIT
            name="$empty/$(basename "${arguments[last]}")"
            : >"$name"
            arguments[last]="$name"
            "$nvcc" "${arguments[@]}"
            exit
            ;;
    esac
fi
exec "$nvcc" "${arguments[@]}"
