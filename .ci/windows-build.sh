#!/usr/bin/env bash
# Builds the plug-in, the worker and our own host for Windows, without Windows, and prints the folder they are in.
#
#   .ci/windows-build.sh ROOT      ROOT as printed by .ci/root.sh windows
#
# Debian ships no compiled standard library for Windows, so it is built from its source. What is built is kept in the
# user's cache folder.
set -euo pipefail

root="$1"
project="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/inbetween-ci"
target=x86_64-pc-windows-gnu
built="$cache/windows-target"
crates="${CARGO_HOME:-$HOME/.cargo}"
mkdir -p "$built" "$crates"

# The machine's certificates, which may hold those of a proxy.
cp -L "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$root/etc/ssl/machine.crt"
bash "$project/.ci/in-root.sh" --bind "$project" --bind "$built" --bind "$crates" "$root" env \
    "CARGO_HOME=$crates" "CARGO_TARGET_DIR=$built" CARGO_HTTP_CAINFO=/etc/ssl/machine.crt RUSTC_BOOTSTRAP=1 \
    CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc \
    CC_x86_64_pc_windows_gnu=x86_64-w64-mingw32-gcc CXX_x86_64_pc_windows_gnu=x86_64-w64-mingw32-g++ \
    cargo build --manifest-path "$project/Cargo.toml" -Z build-std=std,panic_unwind --target $target --release \
    -p inbetween-plugin -p inbetween-worker -p host-tests --lib --bins >&2

# Wine 8 lacks a library of Windows 10 that Rust asks for random bytes. This stand-in goes into no bundle.
cat >"$built/random.c" <<'C'
#include <windows.h>
#include <ntsecapi.h>
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE to, SIZE_T bytes) { return RtlGenRandom(to, (ULONG)bytes); }
C
bash "$project/.ci/in-root.sh" --bind "$built" "$root" x86_64-w64-mingw32-gcc -shared -o "$built/bcryptprimitives.dll" \
    "$built/random.c" -ladvapi32 >&2
printf '%s\n' "$built/$target/release"
