#!/usr/bin/env bash
# The plug-in and the command line of Linux on arm64, under qemu; pictures are compared with those of this machine.
#
#   .ci/arm64-test.sh BUILT OUT      BUILT: folder with the arm64 programs; needs those of `cargo build --release
#                                    --workspace` as well
set -euo pipefail

built="$1" out="$2" system=arm64
source "$(dirname "${BASH_SOURCE[0]}")/other-system.sh"
export INBETWEEN_CACHE_MB=0
arm() { qemu-aarch64 -L /usr/aarch64-linux-gnu "$@"; }

# As the plug-in folder of an arm64 machine has it.
"$project/target/release/bundle" --target aarch64-unknown-linux-gnu --built "$built" --out "$out/packed"
bundle="$out/packed/AIInbetween.ofx.bundle"
arm "$built/host-tests" describe "$bundle" >"$out/describe.log" || die "the plug-in does not load; see $out/describe.log"
grep -q org.inbetween.AIInbetween "$out/describe.log" || die "the plug-in is not listed; see $out/describe.log"
say "the plug-in loads and describes itself"

for sample in walk stride; do
    keys=("$samples/$sample/key_a.png" "$samples/$sample/key_b.png")
    options=(--engine flow --in-betweens 2)
    arm "$built/inbetween" render "${keys[@]}" "${options[@]}" --out "$out/$sample-arm64" >"$out/$sample.log"
    "$project/target/release/inbetween" render "${keys[@]}" "${options[@]}" --out "$out/$sample-here" >>"$out/$sample.log"
    compare "$sample"
done
host=(--context general --clip "Source=$samples/walk/key_a.png" --clip "KeyB=$samples/walk/key_b.png" --depth byte --frames 3-3)
mkdir -p "$out"/plugin-{arm64,here}
arm "$built/host-tests" render --plugin "$bundle" "${host[@]}" --out "$out/plugin-arm64/frame_%04d.png" >"$out/plugin.log"
"$project/target/release/host-tests" render --plugin "$project/out/AIInbetween.ofx.bundle" "${host[@]}" \
    --out "$out/plugin-here/frame_%04d.png" >>"$out/plugin.log"
compare plugin
