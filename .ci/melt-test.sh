#!/usr/bin/env bash
# The plug-in in a real host: MLT lists it, describes it, and renders in-betweens from two picture files
# at 8 and at 16 bit; our own host renders the same request, and the pixels are compared.
#
#   .ci/melt-test.sh ROOT BUNDLE OUT      ROOT as printed by .ci/melt-root.sh
#
# melt's exit status says nothing about a failed render, so the log and the pixels are looked at.
set -euo pipefail

root="$1" bundle="$2" out="$3"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
project="$(dirname "$here")"
filter=openfx.org.inbetween.AIInbetween
sample=jump width=960 height=540
last=8

# Tolerance in steps of the depth. At 8 bit MLT hands the plug-in's bytes through. At 16 bit it may
# round once on its way into the PNG.
tolerance_8=0 tolerance_16=1

rm -rf "$out"
mkdir -p "$out"
out="$(cd "$out" && pwd)"
mkdir -p "$root/render"
job="$(mktemp -d "$root/render/job.XXXXXX")"
trap 'rm -rf "$job"' EXIT
inside="/render/$(basename "$job")"

say() { printf '%s\n' "$*"; }
die() { printf 'melt: %s\n' "$*" >&2; exit 1; }
# The frames of a crashed run must not be found in a cache by the next one.
in_root() { bash "$here/in-root.sh" "$root" env "OFX_PLUGIN_PATH=$inside/ofx" "XDG_CACHE_HOME=$inside/cache" "$@"; }
melt() { in_root melt "$@" 2>&1; }

mkdir -p "$job/ofx" "$job/keys" "$job/out"
cp -r "$bundle" "$job/ofx/"
cp "$project/resources/samples/$sample/key_a.png" "$project/resources/samples/$sample/key_b.png" "$job/keys/"
cat >"$job/profile" <<PROFILE
description=sample
frame_rate_num=24
frame_rate_den=1
width=$width
height=$height
progressive=1
sample_aspect_num=1
sample_aspect_den=1
display_aspect_num=$width
display_aspect_den=$height
colorspace=709
PROFILE

say "melt: $(melt -version | head -n 1)"
melt -query filters >"$out/filters.txt"
grep -q -- "- $filter\$" "$out/filters.txt" || die "does not list $filter; see $out/filters.txt"
melt -query "filter=$filter" >"$out/describe.txt"
for id in keysFrom firstKeyFile lastKeyFile firstKey lastKey timingChart; do
    grep -q "identifier: $id\$" "$out/describe.txt" || die "describes no parameter $id; see $out/describe.txt"
done
say "melt: lists and describes $filter"

# render BITS CONSUMER_SETTING...
render() {
    local bits="$1"
    shift
    melt -silent -loglevel warning -profile "$inside/profile" \
        -producer "$inside/keys/key_a.png" out=$last \
        -attach $filter keysFrom="Image files" firstKey=0 lastKey=$last \
        firstKeyFile="$inside/keys/key_a.png" lastKeyFile="$inside/keys/key_b.png" \
        -consumer "avformat:$inside/out/melt_${bits}_%02d.png" vcodec=png f=image2 an=1 real_time=-1 \
        width=$width height=$height "$@" >"$out/melt_$bits.log" || die "$bits bit: melt failed; see $out/melt_$bits.log"
    mv "$job/out/"*.png "$out/"
    # Lines of other modules do not count, those of OpenFX do.
    if grep -iE 'openfx|ofx|inbetween' "$out/melt_$bits.log" | grep -iE 'error|fail|warn|panic'; then
        die "$bits bit: the log complains; see $out/melt_$bits.log"
    fi
}

# ours DEPTH BITS
ours() {
    cargo run --release --quiet --manifest-path "$project/Cargo.toml" -p host-tests -- render \
        --plugin "$bundle" --context filter --depth "$1" --frames "0-$last" \
        --clip "Source=$job/keys/key_a.png" --set "keysFrom=Image files" --set firstKey=0 --set lastKey=$last \
        --set "firstKeyFile=$job/keys/key_a.png" --set "lastKeyFile=$job/keys/key_b.png" \
        --out "$out/ours_${2}_%02d.png" >"$out/ours_$2.log" 2>&1 || die "our own host failed; see $out/ours_$2.log"
}

# Largest difference of two pictures in steps of BITS, over all channels.
difference() {
    local bits="$1" a="$2" b="$3" seen
    cp "$a" "$job/a.png"
    cp "$b" "$job/b.png"
    # compare exits with 1 for pictures that differ; the figure is on standard error as "1234 (0.0188)".
    seen="$(in_root magick compare -metric PAE "$inside/a.png" "$inside/b.png" null: 2>&1 || true)"
    awk -v seen="$seen" -v top="$(((1 << bits) - 1))" 'BEGIN {
        if (match(seen, /\([0-9.e+-]+\)/) == 0) { print "unreadable: " seen; exit }
        printf "%d\n", substr(seen, RSTART + 1, RLENGTH - 2) * top + 0.5 }'
}

compare_all() {
    local bits="$1" allowed="$2" worst=0 n ours melts steps
    for n in $(seq 0 $last); do
        ours="$out/ours_${bits}_$(printf %02d "$n").png"
        melts="$out/melt_${bits}_$(printf %02d "$((n + 1))").png"
        [ -s "$ours" ] && [ -s "$melts" ] || die "$bits bit: frame $n is missing in $out"
        steps="$(difference "$bits" "$ours" "$melts")"
        [[ "$steps" =~ ^[0-9]+$ ]] || die "$bits bit: frame $n cannot be compared: $steps"
        [ "$steps" -le "$allowed" ] ||
            die "$bits bit: frame $n differs from our own host by $steps steps ($allowed allowed); see $out"
        [ "$steps" -le "$worst" ] || worst=$steps
    done
    # A copy of a key would agree as well: the middle must be a drawing of its own.
    for key in key_a key_b; do
        steps="$(difference 8 "$out/melt_${bits}_$(printf %02d $((last / 2 + 1))).png" "$job/keys/$key.png")"
        [ "$steps" -ge 64 ] || die "$bits bit: the middle in-between is $key itself"
    done
    say "melt: $bits bit: $((last + 1)) frames agree with our own host within $worst steps ($allowed allowed)"
}

render 8 mlt_image_format=rgba pix_fmt=rgba
ours byte 8
compare_all 8 $tolerance_8
render 16 mlt_image_format=rgba64 pix_fmt=rgba64be
ours short 16
compare_all 16 $tolerance_16
