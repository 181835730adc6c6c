#!/usr/bin/env bash
# Makes Zig's C compiler and linker, which build for other systems than this one, and prints the folder that they are in.
#
# They are kept in the user's cache folder. Exit status: 0 made or found, 75 when the packages cannot be reached.
set -euo pipefail

needed="$(dirname "${BASH_SOURCE[0]}")/requirements-release.txt"
venv="${XDG_CACHE_HOME:-$HOME/.cache}/inbetween-ci/zig"
if ! cmp -s "$needed" "$venv/installed"; then
    { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet -r "$needed"; } >&2 || exit 75
    cp "$needed" "$venv/installed"
fi
printf '%s\n' "$venv/bin"
