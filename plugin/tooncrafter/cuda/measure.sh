#!/usr/bin/env bash
# Proves and times ToonCrafter on the NVIDIA GPU of this machine, and writes the tables into PERFORMANCE.md.
#
#   bash plugin/tooncrafter/cuda/measure.sh [CHECKPOINT]
#
# Without a CHECKPOINT random weights in the released layout are written to target/cuda/random.safetensors
# (5.3 GB); times and memory do not depend on the numbers. Needs a driver of version 580 or newer, cuBLAS,
# cuRAND and cuDNN 9 for CUDA 13, and what the CPU build needs; fetches the compiler. Takes about half an hour.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

exports="$(bash plugin/tooncrafter/cuda/setup.sh)"
eval "$exports"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target/cuda}"
out="$CARGO_TARGET_DIR/measured"
mkdir -p "$out"
checkpoint="${1:-$CARGO_TARGET_DIR/random.safetensors}"
report="plugin/tooncrafter/PERFORMANCE.md"

# part NAME COMMAND..: runs it, keeps what it says, and goes on when it fails: a table with one failure in it
# says more than none.
failed=()
part() {
    local name="$1"
    shift
    printf '\n== %s\n' "$name"
    if ! "$@" 2>&1 | tee "$out/$name.txt"; then
        failed+=("$name")
        echo "FAILED" >>"$out/$name.txt"
    fi
}
tooncrafter() {
    local features="$1"
    shift
    cargo "$1" --quiet -p inbetween-tooncrafter --features "$features" "${@:2}"
}

nvidia-smi --query-gpu=name,memory.total,driver_version,clocks.max.sm --format=csv,noheader | tee "$out/gpu.txt" ||
    { echo "nvidia-smi does not answer: is there an NVIDIA driver?"; exit 1; }

for features in cuda cudnn; do
    for dtype in f32 bf16; do
        part "goldens-$dtype-$features" env GOLDENS_DEVICE=cuda GOLDENS_DTYPE="$dtype" \
            cargo test --quiet --release -p inbetween-tooncrafter --features "$features" --test goldens
    done
    part "ops-$features" tooncrafter "$features" bench --bench ops -- --device cuda
    for dtype in f32 bf16; do
        part "full-$dtype-$features" tooncrafter "$features" bench --bench full -- --device cuda \
            --checkpoint "$checkpoint" --dtype "$dtype" text image encode unet unet decode decode
    done
    part "pipeline-$features" tooncrafter "$features" bench --bench full -- --device cuda \
        --checkpoint "$checkpoint" --dtype bf16 --steps 50 generate
done
# Where the time goes, kernel by kernel, where NVIDIA's profiler is installed.
if command -v nsys >/dev/null; then
    bench="$(find "$CARGO_TARGET_DIR/release/deps" -name 'full-*' -type f -perm -u+x -printf '%T@ %p\n' | sort -n | tail -n 1)"
    part profile nsys profile --force-overwrite=true --output="$out/unet" --stats=true \
        "${bench#* }" --device cuda --checkpoint "$checkpoint" --dtype bf16 unet
fi

# Everything between the two marks is replaced.
table="$out/table.md"
{
    echo "Measured $(date +%Y-%m-%d), commit $(git rev-parse --short HEAD), on: $(cat "$out/gpu.txt")"
    echo
    echo "Command: \`bash plugin/tooncrafter/cuda/measure.sh\`. Parts that failed: ${failed[*]:-none}."
    for file in "$out"/{goldens,full,pipeline,ops,profile}*.txt; do
        [ -e "$file" ] || continue
        printf '\n### %s\n\n' "$(basename "$file" .txt)"
        grep -vE '^$|^running ' "$file" | head -n 80 | sed 's/^/    /'
    done
} >"$table"
sed -i -e '/^<!-- gpu: begin -->$/,/^<!-- gpu: end -->$/{/^<!-- gpu: begin -->$/{p;r '"$table"'
};/^<!-- gpu: end -->$/p;d}' "$report"
printf '\n%s now has the table; failed: %s\n' "$report" "${failed[*]:-none}"
[ ${#failed[@]} -eq 0 ]
