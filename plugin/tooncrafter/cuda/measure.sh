#!/usr/bin/env bash
# Proves and times ToonCrafter on the NVIDIA GPU of this machine, and writes the tables into PERFORMANCE.md.
#
#   bash plugin/tooncrafter/cuda/measure.sh [CHECKPOINT]
#   bash plugin/tooncrafter/cuda/measure.sh --rehearse
#
# Without a CHECKPOINT, random weights in the released layout are written to target/cuda/random.safetensors (5.3 GB),
# since times and memory do not depend on the values. Needs a driver of version 580 or newer, cuBLAS, cuRAND and cuDNN 9
# for CUDA 13, and what the CPU build needs; fetches the compiler and builds first. The parts after the build take 12
# minutes at most: each has a limit of its own, and what would run into the limit of all is left out and named.
#
# --rehearse does every step on the CPU with the small model of the tests, the kernels emulated, one part failing on
# purpose, and writes the table into a copy of PERFORMANCE.md: it proves this script, not a GPU.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

rehearse=no
if [ "${1:-}" = --rehearse ]; then
    rehearse=yes
    shift
fi
report=plugin/tooncrafter/PERFORMANCE.md
if [ $rehearse = yes ]; then
    device=cpu features=emulation
    export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
    out="$CARGO_TARGET_DIR/rehearsed"
    checkpoint="$out/tiny.safetensors"
    # A fresh file each time: the layout of the small model may have changed.
    rm -f "$checkpoint"
    model=(--tiny)
else
    device=cuda features=cudnn
    exports="$(bash plugin/tooncrafter/cuda/setup.sh)"
    eval "$exports"
    export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target/cuda}"
    out="$CARGO_TARGET_DIR/measured"
    checkpoint="${1:-$CARGO_TARGET_DIR/random.safetensors}"
    model=()
fi
mkdir -p "$out"
rm -f "$out"/*.txt
budget=720

# part NAME SECONDS COMMAND..: runs it, keeps what it says, and goes on when it fails: a table with one failure in it
# says more than none.
failed=() skipped=()
part() {
    local name="$1" limit="$2" left=$((budget - SECONDS))
    shift 2
    printf '\n== %s\n' "$name"
    if [ "$left" -lt 5 ]; then
        skipped+=("$name")
        echo "left out: the time for all parts is over" | tee "$out/$name.txt"
        return
    fi
    [ "$limit" -lt "$left" ] || limit=$left
    local began=$SECONDS
    if ! timeout "$limit" "$@" 2>&1 | tee "$out/$name.txt"; then
        failed+=("$name")
        echo "FAILED after $((SECONDS - began)) s" | tee -a "$out/$name.txt"
    fi
}
tooncrafter() { cargo "$1" --quiet -p inbetween-tooncrafter --features "$features" "${@:2}"; }
# The newest program of that name; `cargo bench` would look at the sources again inside a part's time.
program() {
    find "$CARGO_TARGET_DIR/release/deps" -name "$1-*" -type f -perm -u+x -printf '%T@ %p\n' |
        sort -n | tail -n 1 | cut -d ' ' -f 2
}

if [ $rehearse = yes ]; then
    { sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1; echo "(a rehearsal without a GPU)"; } |
        paste -sd ' ' | tee "$out/place"
else
    nvidia-smi --query-gpu=name,memory.total,driver_version,clocks.max.sm --format=csv,noheader | tee "$out/place" ||
        { echo "nvidia-smi does not answer: is there an NVIDIA driver?"; exit 1; }
fi

# Built before the time counts.
tooncrafter bench --no-run
tooncrafter test --release --no-run --lib --test goldens
ops="$(program ops)" full="$(program full)" kernels="$(program kernels)" goldens="$(program goldens)"
if [ $rehearse = no ] && [ ! -e "$checkpoint" ]; then
    "$full" --checkpoint "$checkpoint"
fi
SECONDS=0

for dtype in f32 bf16; do
    part "goldens-$dtype" 90 env GOLDENS_DEVICE=$device GOLDENS_DTYPE=$dtype CARGO_MANIFEST_DIR="$PWD/plugin/tooncrafter" "$goldens"
done
part kernels 60 "$kernels" --device $device
if [ $rehearse = yes ]; then
    part emulation 180 "$(program inbetween_tooncrafter)" cuda::
    part fails-on-purpose 10 false
fi
part pipeline 240 "$full" --device $device --checkpoint "$checkpoint" --dtype bf16 "${model[@]}" --steps 50,25,16 generate
part parts 120 "$full" --device $device --checkpoint "$checkpoint" --dtype bf16 "${model[@]}" text image encode unet unet decode decode
part isolated 60 "$ops" --device $device norm softmax
# A few names in the rehearsal: at full size the CPU would take minutes.
names=()
[ $rehearse = no ] || names=("linear 2560 x 1280" "over time" "5 x 8, 1280")
part ops 120 "$ops" --device $device "${names[@]}"
# Where the time goes, launch by launch, where NVIDIA's profiler is installed; operation by operation elsewhere.
if [ $rehearse = no ] && command -v nsys >/dev/null; then
    part profile 120 nsys profile --force-overwrite=true --output="$out/unet" --stats=true --report cuda_gpu_kern_sum \
        "$full" --device $device --checkpoint "$checkpoint" --dtype bf16 unet
    # The first lines of the statistics are the slowest launches.
    grep -A 13 'Time (%)' "$out/profile.txt" >"$out/slowest.txt" || true
else
    grep ' ms ' "$out/ops.txt" | sed -E 's/^(.{44}) +([0-9.]+) +([0-9.]+) ms/\3 ms \1|/' | sort -rn | head -n 10 |
        sed 's/|.*//' >"$out/slowest.txt" || true
fi

# What to look at first: what is wrong before what is slow.
look() {
    local name worst
    for name in "${failed[@]}"; do
        echo "- $name failed: $(grep -m 1 -E 'WRONG|FAILED|error|panicked' "$out/$name.txt" || echo 'see its output')"
    done
    for name in "${skipped[@]}"; do echo "- $name did not run: there was no time left"; done
    worst="$(sed -nE 's/^(.{44}).* ([0-9.]+) x limit$/\2 \1/p' "$out/isolated.txt" | sort -rn | head -n 1)"
    [ -z "$worst" ] || echo "- furthest from its limit in isolation: $worst (times the limit)"
    worst="$(sed -nE 's/^(.{44}).* ([0-9.]+) x plain$/\2 \1/p' "$out/ops.txt" | sort -rn | head -n 1)"
    [ -z "$worst" ] || echo "- furthest from a plain product: $worst (times its time)"
    worst="$(head -n 1 "$out/slowest.txt")"
    [ -z "$worst" ] || echo "- slowest: $worst"
}

# Everything between the two marks is replaced.
if [ $rehearse = yes ]; then
    cp "$report" "$out/PERFORMANCE.md"
    report="$out/PERFORMANCE.md"
fi
table="$out/table"
{
    echo "Measured $(date +%Y-%m-%d), commit $(git rev-parse --short HEAD), on: $(cat "$out/place")"
    echo
    command="bash plugin/tooncrafter/cuda/measure.sh$([ $rehearse = no ] || echo ' --rehearse')"
    echo "Command: \`$command\`, $SECONDS s after the build. Parts that failed: ${failed[*]:-none}; left out: ${skipped[*]:-none}."
    printf '\n### Look first at\n\n'
    look
    for name in goldens-f32 goldens-bf16 kernels emulation pipeline parts isolated slowest ops; do
        [ -e "$out/$name.txt" ] || continue
        printf '\n### %s\n\n' "$name"
        grep -vE '^$|^running ' "$out/$name.txt" | head -n 80 | sed 's/^/    /' || true
    done
} >"$table"
sed -i -e '/^<!-- gpu: begin -->$/,/^<!-- gpu: end -->$/{/^<!-- gpu: begin -->$/{p;r '"$table"'
};/^<!-- gpu: end -->$/p;d}' "$report"
printf '\n'
look
printf '%s now has the table; failed: %s\n' "$report" "${failed[*]:-none}"

if [ $rehearse = yes ]; then
    grep -q '^### Look first at$' "$report" || { echo "the table was not written"; exit 1; }
    # Nothing else may fail, and the part that fails on purpose must be seen to.
    [ "${failed[*]}" = fails-on-purpose ]
else
    [ ${#failed[@]} -eq 0 ]
fi
