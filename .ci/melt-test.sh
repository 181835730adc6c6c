#!/usr/bin/env bash
# The plug-in in a real host: MLT lists it, describes it, and renders in-betweens from two picture files
# at 8 and at 16 bit; our own host renders the same request, and the pixels are compared.
#
#   .ci/melt-test.sh ROOT BUNDLE OUT      ROOT as printed by .ci/root.sh melt; needs the programs of
#                                         `cargo build --release --workspace`
#
# melt's exit status says nothing about a failed render, so the log and the pixels are looked at.
set -euo pipefail

root="$1" bundle="$2" out="$3"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
project="$(dirname "$here")"
filter=openfx.org.inbetween.AIInbetween
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

say "melt: $(melt -version | head -n 1)"
melt -query filters >"$out/filters.txt"
grep -q -- "- $filter\$" "$out/filters.txt" || die "does not list $filter; see $out/filters.txt"
melt -query "filter=$filter" >"$out/describe.txt"
for id in keysFrom firstKeyFile lastKeyFile filename av.filename av.file firstKey lastKey timingChart; do
    grep -q "identifier: $id\$" "$out/describe.txt" || die "describes no parameter $id; see $out/describe.txt"
done
say "melt: lists and describes $filter"

# size FILE: width and height of a PNG, from its header.
size() { od -An -j16 -N8 -tu1 "$1" | awk '{ print $1 * 16777216 + $2 * 65536 + $3 * 256 + $4, $5 * 16777216 + $6 * 65536 + $7 * 256 + $8 }'; }

# take SAMPLE: its keys are the request from here on, its size is MLT's profile.
take() {
    sample="$1"
    cp "$project/resources/samples/$sample/key_a.png" "$project/resources/samples/$sample/key_b.png" "$job/keys/"
    read -r width height < <(size "$job/keys/key_a.png")
    cat >"$job/profile" <<PROFILE
description=$sample
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
}

# frame HOST BITS N: where a host's frame N (from 0) lies. melt counts its files from 1.
frame() {
    local n="$3"
    [ "$1" = ours ] || n=$((n + 1))
    printf '%s/%s_%s_%s_%02d.png' "$out" "$sample" "$2" "$1" "$n"
}

# render BITS CONSUMER_SETTING...
render() {
    local bits="$1" log="$out/${sample}_$1_melt.log"
    shift
    melt -silent -loglevel warning -profile "$inside/profile" \
        -producer "$inside/keys/key_a.png" out=$last \
        -attach $filter keysFrom="Image files" firstKey=0 lastKey=$last \
        firstKeyFile="$inside/keys/key_a.png" lastKeyFile="$inside/keys/key_b.png" \
        -consumer "avformat:$inside/out/${sample}_${bits}_melt_%02d.png" vcodec=png f=image2 an=1 real_time=-1 \
        width="$width" height="$height" "$@" >"$log" || die "$sample, $bits bit: melt failed; see $log"
    mv "$job/out/"*.png "$out/"
    # Lines of other modules do not count, those about OpenFX do.
    if grep -iE 'ofx|inbetween' "$log" | grep -iE 'error|fail|warn|panic'; then
        die "$sample, $bits bit: the log complains; see $log"
    fi
}

# ours DEPTH BITS
ours() {
    local log="$out/${sample}_$2_ours.log"
    "$project/target/release/host-tests" render \
        --plugin "$bundle" --context filter --depth "$1" --frames "0-$last" \
        --clip "Source=$job/keys/key_a.png" --set "keysFrom=Image files" --set firstKey=0 --set lastKey=$last \
        --set "firstKeyFile=$job/keys/key_a.png" --set "lastKeyFile=$job/keys/key_b.png" \
        --out "$out/${sample}_$2_ours_%02d.png" >"$log" 2>&1 || die "our own host failed; see $log"
}

# difference BITS A B: the largest difference of two pictures over all channels, in steps of BITS.
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

# compare_all BITS ALLOWED
compare_all() {
    local bits="$1" allowed="$2" worst=0 n a b key steps
    for n in $(seq 0 $last); do
        a="$(frame ours "$bits" "$n")" b="$(frame melt "$bits" "$n")"
        [ -s "$a" ] && [ -s "$b" ] || die "$sample, $bits bit: frame $n is missing in $out"
        steps="$(difference "$bits" "$a" "$b")"
        [[ "$steps" =~ ^[0-9]+$ ]] || die "$sample, $bits bit: frame $n cannot be compared: $steps"
        [ "$steps" -le "$allowed" ] ||
            die "$sample, $bits bit: frame $n is $steps steps off our own host's ($allowed allowed); see $out"
        [ "$steps" -le "$worst" ] || worst=$steps
    done
    # The ends are the keys. A copy of a key would agree in the middle as well: it must be a drawing of its own.
    [ "$(difference 8 "$(frame melt "$bits" 0)" "$job/keys/key_a.png")" -eq 0 ] || die "$sample: frame 0 is not key A"
    [ "$(difference 8 "$(frame melt "$bits" $last)" "$job/keys/key_b.png")" -eq 0 ] ||
        die "$sample: frame $last is not key B"
    for key in key_a key_b; do
        steps="$(difference 8 "$(frame melt "$bits" $((last / 2)))" "$job/keys/$key.png")"
        [ "$steps" -ge 64 ] || die "$sample, $bits bit: the middle in-between is $key itself"
    done
    say "melt: $sample, $bits bit: $((last + 1)) frames agree with our own host within $worst steps ($allowed allowed)"
}

check() {
    take "$1"
    if [ "$2" = 8 ]; then
        render 8 mlt_image_format=rgba pix_fmt=rgba
        ours byte 8
        compare_all 8 $tolerance_8
    else
        render 16 mlt_image_format=rgba64 pix_fmt=rgba64be
        ours short 16
        compare_all 16 $tolerance_16
    fi
}

# A full picture at both depths, and a figure on a transparent ground.
check scene 8
check scene 16
check walk 8

# The first key is to lie where MLT itself shows the same file: in previews, and where pixels are not square. The two
# scale by different filters, which makes 2 steps of 255 on average at most.
place() {
    local profile="$1" scale="$2" name seen with=(-attach $filter keysFrom="Image files")
    with+=(firstKeyFile="$inside/keys/key_a.png" lastKeyFile="$inside/keys/key_b.png" firstKey=0 lastKey=$last)
    for name in with without; do
        [ $name = with ] || with=()
        melt -silent -profile "$profile" -producer "$inside/keys/key_a.png" out=0 "${with[@]}" \
            -consumer "avformat:$inside/$name.png" vcodec=png f=image2 an=1 real_time=-1 mlt_image_format=rgba \
            pix_fmt=rgba scale="$scale" >"$out/place_$name.log" || die "$profile: melt failed; see $out/place_$name.log"
        cp "$job/$name.png" "$out/place_${profile}_${scale}_$name.png"
    done
    seen="$(in_root magick compare -metric MAE "$inside/with.png" "$inside/without.png" null: 2>&1 || true)"
    awk -v seen="$seen" 'BEGIN {
        exit !(match(seen, /\([0-9.e+-]+\)/) && substr(seen, RSTART + 1, RLENGTH - 2) * 255 <= 2) }' ||
        die "$profile at scale $scale: the key is not where MLT shows it, off by $seen; see $out"
    say "melt: $profile at scale $scale: the key is where MLT shows it"
}

take scene
place atsc_720p_25 0.5
place dv_pal_wide 1
place dv_pal_wide 0.5

# A project beside its keys, written and opened by MLT as Kdenlive does it, shows what it showed before it was saved.
project() {
    local log="$out/project.log" n keys=(filename="$inside/keys/key_a.png" av.filename="$inside/keys/key_b.png")
    melt -silent -profile "$inside/profile" -producer "$inside/keys/key_a.png" out=$last \
        -attach $filter keysFrom="Image files" firstKey=0 lastKey=$last "${keys[@]}" \
        -consumer "xml:$inside/project.mlt" root="$inside" >"$log" || die "the project cannot be saved; see $log"
    grep -q '>keys/key_a.png<' "$job/project.mlt" || die "MLT no longer stores paths relative to the project"
    melt -silent -profile "$inside/profile" "$inside/project.mlt" \
        -consumer "avformat:$inside/out/project_%02d.png" vcodec=png f=image2 an=1 real_time=-1 \
        mlt_image_format=rgba pix_fmt=rgba >>"$log" || die "the project cannot be rendered; see $log"
    mv "$job/out/"*.png "$out/"
    for n in 0 $((last / 2)) $last; do
        cmp -s "$(printf '%s/project_%02d.png' "$out" $((n + 1)))" "$(frame melt 8 "$n")" ||
            die "frame $n of the saved project differs; see $log"
    done
    say "melt: a project beside its keys shows the same once it is saved"
}

project
