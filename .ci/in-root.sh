#!/usr/bin/env bash
# Runs a command inside a Debian root: .ci/in-root.sh [--bind DIR]... ROOT COMMAND...
#
# /proc, /dev and every DIR, under its own path, are bound in a mount namespace of the command's own, so they are gone
# when it ends, however it ends, and a root can be deleted without reaching into the machine's /dev. Where mount
# namespaces are not allowed (some containers), the command runs without /proc and /dev, which melt survives; with a
# DIR to bind it does not run.
set -euo pipefail

binds=(/proc /dev)
while [ "${1:-}" = --bind ]; do
    binds+=("$2")
    shift 2
done
root="$1"
shift
environment=(env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 LC_ALL=C.UTF-8)

if unshare --mount --propagation private true 2>/dev/null; then
    exec unshare --mount --propagation private bash -c '
        root="$1" count="$2"; shift 2
        for dir in "${@:1:count}"; do
            mkdir -p "$root$dir"
            mount --bind "$dir" "$root$dir"
        done
        shift "$count"
        exec chroot "$root" "$@"
    ' in-root "$root" ${#binds[@]} "${binds[@]}" "${environment[@]}" "$@"
fi
[ ${#binds[@]} -eq 2 ] || { echo "this machine allows no mount namespaces" >&2; exit 1; }
exec chroot "$root" "${environment[@]}" "$@"
