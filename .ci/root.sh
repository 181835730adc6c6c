#!/usr/bin/env bash
# Makes a Debian root for one purpose and prints its path.
#
#   .ci/root.sh melt           make it, or use the one kept from an earlier run
#   .ci/root.sh melt --path    print the path only
#
# melt      MLT's `melt`, a real OpenFX host, and ImageMagick, which compares pictures. Why a root of its own: MLT has
#           the OpenFX module since 7.38, and Debian 12 and 13 ship older ones.
# windows   what builds for Windows, packs an installer: Rust with the source of its standard library
#           (Debian ships none compiled for Windows), mingw-w64 and NSIS.
#
# The roots live in the user's cache folder. One counts as finished when it carries the marker of its recipe and its
# program still answers; anything else is thrown away and made again.
#
# Exit status: 0 made or found, 75 when the packages cannot be reached, anything else is a defect.
set -euo pipefail

name="${1:-}"
case "$name" in
melt)
    packages=(melt imagemagick)
    answers=(melt -version)
    ;;
windows)
    packages=(rustc cargo rust-src gcc-mingw-w64-x86-64-posix g++-mingw-w64-x86-64-posix gcc libc6-dev nsis zip)
    answers=(x86_64-w64-mingw32-gcc --version)
    ;;
*)
    echo "usage: .ci/root.sh melt|windows [--path]" >&2
    exit 2
    ;;
esac
suite=forky
recipe="$suite: ${packages[*]}"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/inbetween-ci"
root="$cache/$name-$suite"
log="$cache/$name-root.log"
unreachable=75

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
say() { printf '%s\n' "$*" >&2; }

# The mirror that this machine's own apt is set up with.
mirror() {
    local found
    found="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' \
        'Label: Debian' 2>/dev/null | head -n 1 || true)"
    if [ -z "$found" ]; then
        found="$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
            sed -nE 's/^(URIs:|deb( \[[^]]*\])?) +([a-z+]+:[^ ]*debian\/?)( .*)?$/\3/p' | head -n 1 || true)"
    fi
    printf '%s' "${found%/}"
}

finished() {
    [ "$(cat "$root/.inbetween-recipe" 2>/dev/null || true)" = "$recipe" ] &&
        in_root "${answers[@]}" >/dev/null 2>&1
}

# Installs a package on this machine; the lists may be missing or old.
install_here() {
    apt-get install -y --no-install-recommends "$1" >>"$log" 2>&1 ||
        { apt-get update >>"$log" 2>&1 && apt-get install -y --no-install-recommends "$1" >>"$log" 2>&1; }
}

# Only what cannot be fetched counts as out of reach; a failure with packages at hand is a defect.
reachable() {
    local url="$1"
    [ -n "$url" ] || { say "no Debian mirror in this machine's apt sources"; return 1; }
    rm -f "$cache/InRelease"
    /usr/lib/apt/apt-helper download-file "$url/dists/$suite/InRelease" "$cache/InRelease" >>"$log" 2>&1 ||
        { say "$suite cannot be read from $url; see $log"; return 1; }
    command -v debootstrap >/dev/null || install_here debootstrap ||
        { say "debootstrap cannot be installed; see $log"; return 1; }
}

make_root() {
    local url proxy
    url="$(mirror)"
    reachable "$url" || return $unreachable

    rm -rf --one-file-system "$root"
    mkdir -p "$root"
    # debootstrap does not know apt's proxy.
    proxy="$(apt-config dump --format '%v' Acquire::http::Proxy)"
    [ -z "$proxy" ] || export http_proxy="$proxy"
    # Debian 12's debootstrap has no script of this suite's name; all of them are the one for sid.
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$url" \
        /usr/share/debootstrap/scripts/sid >>"$log" 2>&1 || { say "debootstrap failed; see $log"; return 1; }

    cp -L /etc/resolv.conf /etc/hosts "$root/etc/" 2>/dev/null || true
    # Proxies of this machine hold inside as well. Signatures are checked as ever; only the age of the
    # package lists is not, because mirrors that stand still for a while are common in closed networks.
    {
        apt-config dump | grep -E '^Acquire::(http|https)::' || true
        echo 'Acquire::Check-Valid-Until "false";'
        echo 'APT::Install-Recommends "false";'
    } >"$root/etc/apt/apt.conf.d/90inbetween"

    in_root apt-get update >>"$log" 2>&1 || { say "the package lists cannot be read; see $log"; return 1; }
    in_root env DEBIAN_FRONTEND=noninteractive apt-get install -y "${packages[@]}" >>"$log" 2>&1 ||
        { say "${packages[*]} cannot be installed from $suite; see $log"; return 1; }
    in_root apt-get clean
    in_root "${answers[@]}" >>"$log" 2>&1 || { say "${answers[0]} is installed and does not start; see $log"; return 1; }
    printf '%s\n' "$recipe" >"$root/.inbetween-recipe"
}

in_root() { bash "$here/in-root.sh" "$root" "$@"; }

if [ "${2:-}" = --path ]; then
    printf '%s\n' "$root"
    exit 0
fi
mkdir -p "$cache"
# Two runs at once must not make the same root.
exec 9>"$cache/$name-$suite.lock"
flock 9
if finished; then
    say "$name root: $root (kept from an earlier run)"
else
    say "$name root: making $root (a few minutes)"
    : >"$log"
    make_root
fi
printf '%s\n' "$root"
