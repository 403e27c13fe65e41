#!/usr/bin/env bash
# The command line: wrong use is told, a story is written, a list of choices is replayed, and
# Ctrl-C leaves no process and no file.
# usage: replay.sh FAREBOX_SIM
set -euo pipefail

sim=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/farebox-replay.XXXXXX")
trap 'rm -rf "$work"' EXIT

expect() {
    local wanted=$1 status=0
    shift
    "$@" >"$work/out" 2>"$work/err" || status=$?
    [ "$status" -eq "$wanted" ] || { echo "FAILED: $*: status $status, not $wanted"; exit 1; }
}

expect 0 "$sim" trip
grep -q 'writes COMPLETED' "$work/out"
expect 2 "$sim" run --seeds none
grep -q -- '--seeds: "none" is not a whole number' "$work/err"
expect 2 "$sim" run --store floppy
expect 2 "$sim" run --trace
expect 2 "$sim" replay --choices "$work/nowhere"
echo 0 0 0 >"$work/choices"
expect 0 "$sim" replay --choices "$work/choices"
expect 0 "$sim" run --seed 3 --trace
grep -q 'no more faults' "$work/out"

# Ctrl-C in the middle.
mkdir "$work/tmp"
TMPDIR=$work/tmp "$sim" run --seeds 1000000 --jobs 2 --store sqlite --quiet >"$work/out" 2>&1 &
pid=$!
for _ in $(seq 200); do
    [ -n "$(find "$work/tmp" -name '*.db')" ] && break
    sleep 0.05
done
children=$(pgrep -P "$pid" | tr '\n' ' ')
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
[ "$status" -eq 130 ] || { echo "FAILED: interrupted, but status $status"; exit 1; }
for child in $children; do
    ! kill -0 "$child" 2>/dev/null || { echo "FAILED: process $child is left"; exit 1; }
done
[ -z "$(ls "$work/tmp")" ] || { echo "FAILED: files are left: $(ls -R "$work/tmp")"; exit 1; }
echo "the command line does what it says"
