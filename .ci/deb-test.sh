#!/usr/bin/env bash
# The Debian package on a machine without Rust: installed, used, upgraded and removed.
#
#   .ci/deb-test.sh ROOT PACKAGE OUT      ROOT as printed by .ci/root.sh melt
set -euo pipefail

root="$1" package="$(readlink -f "$2")" out="$3"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
sample="$here/../resources/samples/walk"
mkdir -p "$out" "$root/render"
job="$(mktemp -d "$root/render/deb.XXXXXX")"
inside="/render/$(basename "$job")"
in_root() { bash "$here/in-root.sh" "$root" "$@"; }
trap 'in_root dpkg --purge ai-inbetween >/dev/null 2>&1; rm -rf "$job"' EXIT
die() { printf 'deb: %s\n' "$*" >&2; exit 1; }
filters() { in_root env "XDG_CACHE_HOME=$inside/cache" melt -query filters 2>&1 | grep -c 'openfx.org.inbetween' || true; }

for program in rustc cargo cc; do
    ! in_root which $program >/dev/null 2>&1 || die "$program is in the root: it is no machine without Rust"
done
in_root dpkg --purge ai-inbetween >/dev/null 2>&1 || true
[ "$(filters)" -eq 0 ] || die "the host lists the plug-in before it is installed"

cp "$package" "$job/one.deb"
cp "$sample/key_a.png" "$sample/key_b.png" "$job/"
begin=$(date +%s)
in_root dpkg --install "$inside/one.deb" >"$out/install.log" 2>&1 || die "cannot be installed; see $out/install.log"
in_root env "XDG_CACHE_HOME=$inside/cache" inbetween render "$inside/key_a.png" "$inside/key_b.png" \
    --out "$inside/frames" --in-betweens 1 >"$out/render.log" 2>&1 || die "does not draw; see $out/render.log"
seconds=$(($(date +%s) - begin))
drawn=$(find "$job/frames" -name '*.png' | wc -l)
[ "$drawn" -ge 1 ] || die "drew nothing"
[ "$seconds" -le 120 ] || die "the first in-between came after $seconds s; two minutes are allowed"
echo "deb: from the package to the first in-between in $seconds s"
[ "$(filters)" -eq 1 ] || die "the host does not list the plug-in"
echo "deb: a host lists the plug-in"
# The link leads to a file of the bundle.
described="$root/usr/share/kdenlive/effects/openfx.org.inbetween.AIInbetween.xml"
grep -q 'name="filename"' "$described" || die "Kdenlive gets no description of the effect"

# The same files under the next version.
in_root dpkg-deb --raw-extract "$inside/one.deb" "$inside/next"
sed -i 's/^Version: .*/&+next/' "$job/next/DEBIAN/control"
in_root dpkg-deb --build "$inside/next" "$inside/next.deb" >/dev/null
in_root dpkg --install "$inside/next.deb" >"$out/upgrade.log" 2>&1 || die "cannot be upgraded; see $out/upgrade.log"
in_root dpkg-query --show --showformat '${Version}\n' ai-inbetween | grep -q '+next$' || die "is not upgraded"
[ "$(filters)" -eq 1 ] || die "the host does not list the upgraded plug-in"
echo "deb: upgraded"

in_root dpkg --remove ai-inbetween >"$out/remove.log" 2>&1 || die "cannot be removed; see $out/remove.log"
left="$(find "$root/usr/OFX" "$root/usr/bin/inbetween" "$root/usr/share/doc/ai-inbetween" "$described" 2>/dev/null || true)"
[ -z "$left" ] || die "leaves behind: $left"
[ "$(filters)" -eq 0 ] || die "the host lists the removed plug-in"
echo "deb: removed, nothing is left"
