#!/usr/bin/env bash
# Runs a command inside a Debian root: .ci/in-root.sh ROOT COMMAND...
#
# /proc and /dev are bound in a mount namespace of the command's own, so they are gone when it ends,
# however it ends, and a root can be deleted without reaching into the machine's /dev. Where mount
# namespaces are not allowed (some containers), the command runs without these two, which melt survives.
set -euo pipefail

root="$1"
shift
environment=(env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 LC_ALL=C.UTF-8)

if unshare --mount --propagation private true 2>/dev/null; then
    exec unshare --mount --propagation private bash -c '
        root="$1"; shift
        mount --bind /proc "$root/proc"
        mount --bind /dev "$root/dev"
        exec chroot "$root" "$@"
    ' in-root "$root" "${environment[@]}" "$@"
fi
exec chroot "$root" "${environment[@]}" "$@"
