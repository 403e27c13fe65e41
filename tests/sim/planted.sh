#!/usr/bin/env bash
# Plants each defect of sim/planted/ in a copy of the tree and shows that the simulator catches it.
# usage: planted.sh SOURCE_DIR C_COMPILER [SEEDS]
set -euo pipefail

source_dir=$1
compiler=$2
seeds=${3:-2000}
work=$(mktemp -d "${TMPDIR:-/tmp}/farebox-planted.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

tree=$work/tree
mkdir "$tree"
(cd "$source_dir" && tar --exclude=./build --exclude=./.git -cf - .) | tar -xf - -C "$tree"

build() {
    cmake --build "$work/build" --target farebox-sim >"$work/build.log" 2>&1 || {
        cat "$work/build.log"
        echo "FAILED: the tree does not build with $1"
        exit 1
    }
}

cmake -S "$tree" -B "$work/build" -G Ninja -DCMAKE_C_COMPILER="$compiler" \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS_RELEASE="-O1" >"$work/build.log" 2>&1 ||
    { cat "$work/build.log"; exit 1; }
build "no defect"
sim=$work/build/bin/farebox-sim

# Without a defect the same seeds are clean: otherwise being caught would mean nothing.
"$sim" run --seeds "$seeds" --jobs 2 --quiet >"$work/out" 2>&1 || {
    cat "$work/out"
    echo "FAILED: a violation without any planted defect"
    exit 1
}

# Not as part of a repository that the temporary folder may lie in.
export GIT_CEILING_DIRECTORIES=$work
failed=0
count=0
for patch in "$source_dir"/sim/planted/*.patch; do
    name=$(basename "$patch" .patch)
    count=$((count + 1))
    git -C "$tree" apply "$patch" || { echo "FAILED: $name does not apply"; exit 1; }
    build "$name"
    status=0
    "$sim" run --seeds "$seeds" --jobs 2 --quiet >"$work/out" 2>&1 || status=$?
    if [ "$status" -eq 1 ] && grep -q '^VIOLATION' "$work/out" &&
        grep -q '^replay: ' "$work/out"; then
        echo "caught: $name: $(grep -m1 '^VIOLATION' "$work/out")"
    else
        echo "FAILED: $name was not caught in $seeds seeds (status $status)"
        failed=1
    fi
    git -C "$tree" apply -R "$patch"
done
[ "$count" -ge 6 ] || { echo "FAILED: only $count planted defects"; failed=1; }
exit $failed
