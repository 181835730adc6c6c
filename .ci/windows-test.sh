#!/usr/bin/env bash
# The plug-in, the worker and the command line of Windows, under Wine; pictures are compared with those of Linux.
#
#   .ci/windows-test.sh BUILT PLUGIN OUT      BUILT as printed by .ci/windows-build.sh, PLUGIN that of this machine;
#                                             needs the programs of `cargo build --release --workspace`
set -euo pipefail

built="$1" plugin="$(readlink -f "$2")" out="$3" system=windows
source "$(dirname "${BASH_SOURCE[0]}")/other-system.sh"
work="$(mktemp -d)"
export LC_ALL=C.UTF-8 WINEPREFIX="$work/wine" WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml="
stop() { wineserver --kill >/dev/null 2>&1 || true; rm -rf "$work"; }
trap stop EXIT
begin() { started=$(date +%s%N); }
ms() { echo $((($(date +%s%N) - started) / 1000000)); }

wineboot --init >"$out/wineboot.log" 2>&1 || die "Wine does not start; see $out/wineboot.log"
system32="$WINEPREFIX/drive_c/windows/system32"
[ -e "$system32/bcryptprimitives.dll" ] || cp "$built/../../bcryptprimitives.dll" "$system32/"

# run LOG PROGRAM ARGUMENT...: on failure the end of the log is shown.
run() {
    local log="$out/$1.log"
    shift
    wine "$@" >"$log" 2>&1 || { tail -n 20 "$log" >&2; die "failed: $*; see $log"; }
}
# The same path for Windows programs, and back.
windows() { local path="Z:$1"; printf '%s' "${path//\//\\}"; }
unix() {
    local path="${1//\\//}"
    [[ "$path" == C:* ]] && printf '%s' "$WINEPREFIX/drive_c${path#C:}" || printf '%s' "${path#Z:}"
}

# As a user has it: on drive C, in a folder with spaces.
plugins="$WINEPREFIX/drive_c/Program Files/Common Files/OFX/Plugins"
mkdir -p "$plugins" "$out/setup"
"$project/target/release/bundle" --target x86_64-pc-windows-gnu \
    --built "$built" --package --out "$out/setup"
setup="$(echo "$out"/setup/AIInbetween-*-setup.exe)"
bundle="$plugins/AIInbetween.ofx.bundle"
program="$bundle/Contents/Win64/inbetween.exe"
host="$built/host-tests.exe"
key_a="$(windows "$samples/walk/key_a.png")" key_b="$(windows "$samples/walk/key_b.png")"

begin
run install "$setup" /S
[ -f "$program" ] || die "the installer has not put the plug-in into its place"
run first "$program" render "$key_a" "$key_b" --out 'C:\first' --in-betweens 1
seconds=$(($(ms) / 1000))
[ -s "$WINEPREFIX/drive_c/first/frame_0002.png" ] || [ "$(find "$WINEPREFIX/drive_c/first" -name '*.png' | wc -l)" -ge 3 ] ||
    die "no in-between was drawn"
[ "$seconds" -le 120 ] || die "from the installer to the first in-between took $seconds s; two minutes are allowed"
say "from the installer to the first in-between in $seconds s"
version="$(strings --encoding=l "$program" | grep -A1 -x FileVersion | tail -n 1)"
[[ "$version" == 0.* || "$version" == [1-9]* ]] || die "the program's properties tell no version"
say "version in the file properties: $version"

begin
run list "$host" list 'C:\Program Files\Common Files\OFX\Plugins'
say "loads, describes and lists in $(ms) ms: $(grep -c . "$out/list.log") lines"
grep -q org.inbetween.AIInbetween "$out/list.log" || die "the plug-in is not listed; see $out/list.log"

run validate "$host" validate --seed 1 --quiet 'C:\Program Files\Common Files\OFX\Plugins\AIInbetween.ofx.bundle'
say "validate: $(tail -n 1 "$out/validate.log")"

for sample in walk scene; do
    mkdir -p "$out/$sample-windows" "$out/$sample-here"
    arguments=(--context general --depth byte --frames 0-8 --set firstKey=0 --set lastKey=8)
    a="$samples/$sample/key_a.png" b="$samples/$sample/key_b.png"
    run "render-$sample" "$host" render --plugin 'C:\Program Files\Common Files\OFX\Plugins\AIInbetween.ofx.bundle' \
        "${arguments[@]}" --clip "Source=$(windows "$a")" --clip "KeyB=$(windows "$b")" \
        --out "$(windows "$out/$sample-windows")\\frame_%04d.png"
    INBETWEEN_CACHE_DIR="$work/cache" "$project/target/release/host-tests" render --plugin "$plugin" \
        "${arguments[@]}" --clip "Source=$a" --clip "KeyB=$b" --out "$out/$sample-here/frame_%04d.png" \
        >"$out/render-$sample-here.log" 2>&1
    compare "$sample"
    for n in 0 8; do
        cmp -s "$out/$sample-windows/frame_000$n.png" "$out/$sample-here/frame_000$n.png" || die "$sample: a key differs"
    done
done

# The plug-in starts the worker of its bundle, over a named pipe, with a small model of random weights.
run model "$program" models random --tiny --precision f32 --layout full 'C:\full.safetensors'
run worker "$host" render --plugin 'C:\Program Files\Common Files\OFX\Plugins\AIInbetween.ofx.bundle' --context general \
    --depth byte --frames 4 --set firstKey=0 --set lastKey=8 --set engine=ToonCrafter \
    --set 'checkpoint=C:\full.safetensors' --set steps=1 --set device=Processor --clip "Source=$key_a" --clip "KeyB=$key_b" \
    --out 'C:\worker_%04d.png'
[ -s "$WINEPREFIX/drive_c/worker_0004.png" ] || die "the worker has drawn nothing"
cmp -s "$WINEPREFIX/drive_c/worker_0004.png" "$out/walk-windows/frame_0004.png" && die "Flow has drawn, and not the worker"
run doctor "$program" doctor
run stop "$program" serve --stop
say "the plug-in's worker draws over its named pipe, and stops"

# Paths of all kinds. 300 characters are more than Windows' old limit of 260.
long="$(printf 'folder%.0s' $(seq 1 8))"
deep="C:\\$long\\$long\\$long\\$long\\$long\\$long"
[ ${#deep} -gt 260 ] || die "the long path is only ${#deep} characters"
mkdir -p "$WINEPREFIX/drive_c/Кадры 作画 é"
cp "$samples/walk/key_a.png" "$WINEPREFIX/drive_c/Кадры 作画 é/первый ключ.png"
for place in 'C:\with spaces\and more' 'C:\Кадры 作画 é\выход' "$deep" 'Z:'"$(echo "$out/z drive" | tr / '\\')"; do
    run path "$program" render 'C:\Кадры 作画 é\первый ключ.png' "$key_b" --out "$place" --in-betweens 3
    run retime-path "$program" retime "$place" "$place 48" --from 24 --to 48
    found="$(find "$(unix "$place 48")" -name '*.png' | wc -l)"
    [ "$found" -ge 9 ] || die "$place: $found frames were retimed"
done
say "render and retime take spaces, Unicode, drive letters and ${#deep} characters"

# What cannot be moved aside is left as it is, and the installer says so by its exit status.
installed="C:\\Program Files\\Common Files\\OFX\\Plugins\\AIInbetween.ofx.bundle\\Contents\\Win64"
for name in AIInbetween.ofx inbetween.exe; do
    printf '@ping -n 60 127.0.0.1 < "%s\\%s"\r\n' "$installed" $name >"$WINEPREFIX/drive_c/hold.bat"
    wine cmd /c 'C:\hold.bat' >"$out/hold.log" 2>&1 &
    sleep 5
    status=0
    wine "$setup" /S >"$out/refused.log" 2>&1 || status=$?
    wineserver --kill
    wait $! || true
    [ "$status" -eq 2 ] || die "with $name held the installer ended with status $status"
    [ -s "$bundle/Contents/Win64/AIInbetween.ofx" ] && [ -s "$program" ] || die "with $name held the installer lost a file"
done
say "a file that cannot be moved aside stops the installer, and nothing is lost"

# A host that draws does not hold the new version up: it goes on with the old one, which is moved aside.
INBETWEEN_CACHE_MB=0 wine "$host" render --plugin 'C:\Program Files\Common Files\OFX\Plugins\AIInbetween.ofx.bundle' --context general \
    --depth byte --frames 0-8 --set firstKey=0 --set lastKey=8 --clip "Source=$key_a" --clip "KeyB=$key_b" \
    --out 'C:\busy_%04d.png' >"$out/busy.log" 2>&1 &
busy=$!
for _ in $(seq 1 600); do
    [ ! -s "$WINEPREFIX/drive_c/busy_0000.png" ] || break
    sleep 0.1
done
touch -d '2020-01-01' "$bundle/Contents/Win64/AIInbetween.ofx"
run upgrade "$setup" /S
kill -0 $busy 2>/dev/null || die "the host had ended before the upgrade"
[ -f "$program" ] && [ "$(date -r "$bundle/Contents/Win64/AIInbetween.ofx" +%Y)" != 2020 ] ||
    die "the upgrade has not put the new plug-in into its place"
wait $busy || die "the host did not survive an upgrade; see $out/busy.log"
cmp -s "$WINEPREFIX/drive_c/busy_0004.png" "$out/walk-windows/frame_0004.png" || die "the upgrade changed what a host draws"
say "upgraded while a host draws, which goes on undisturbed"

run remove "$WINEPREFIX/drive_c/Program Files/AI In-between/uninstall.exe" /S
for _ in $(seq 1 30); do
    [ -e "$bundle" ] || [ -e "$WINEPREFIX/drive_c/Program Files/AI In-between" ] || break
    sleep 1
done
wineboot --restart >>"$out/wineboot.log" 2>&1 # what was still in use goes with a start
left="$(find "$plugins" "$WINEPREFIX/drive_c/Program Files/AI In-between" -mindepth 1 2>/dev/null || true)"
[ -z "$left" ] || die "the uninstaller leaves behind: $left"
say "installed, upgraded and removed; nothing is left"
(cd "$out/setup" && sha256sum --quiet --check ./*.sha256 && find . -maxdepth 1 -type f ! -name "*.sha256" -printf "windows: %f: %s bytes\n")
