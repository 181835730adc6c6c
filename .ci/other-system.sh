# Sourced by the tests of programs that were built for another system. They set `system`, its name, and `out`, the folder for
# what they write, which is emptied here.

project="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
samples="$project/resources/samples"
say() { printf '%s: %s\n' "$system" "$*"; }
die() { say "$*" >&2; exit 1; }

rm -rf "$out"
mkdir -p "$out"
out="$(cd "$out" && pwd)"

# compare NAME: the pictures of both systems are to be equal in every bit, because a farm may have machines of both.
compare() {
    "$project/target/release/host-tests" compare "$out/$1-$system" "$out/$1-here" >"$out/$1.txt" ||
        { cat "$out/$1.txt"; die "$1: the pictures of $system differ from those of this machine"; }
    sed "s/^/$system: $1: /" "$out/$1.txt"
}
