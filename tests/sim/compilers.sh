#!/usr/bin/env bash
# The same seeds have the same histories whether gcc or clang built the simulator.
# usage: compilers.sh SOURCE_DIR [SEEDS]      exit status 77: skipped
set -euo pipefail

source_dir=$1
seeds=${2:-200}
for compiler in gcc clang; do
    command -v "$compiler" >/dev/null || { echo "skipped: no $compiler here"; exit 77; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/farebox-compilers.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

hashes() {
    {
        cmake -S "$source_dir" -B "$work/$1" -G Ninja -DCMAKE_C_COMPILER="$1" \
            -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS_RELEASE="-O2"
        cmake --build "$work/$1" --target farebox-sim
    } >"$work/$1.log" 2>&1 || { cat "$work/$1.log"; exit 1; }
    "$work/$1/bin/farebox-sim" run --seeds "$seeds" --hash |
        grep -E '^(seed|hash) ' >"$work/$1.hashes"
}

hashes gcc
hashes clang
cmp "$work/gcc.hashes" "$work/clang.hashes"
[ "$(wc -l <"$work/gcc.hashes")" -eq $((seeds + 1)) ]
echo "$seeds histories are the same: $(tail -1 "$work/gcc.hashes")"
