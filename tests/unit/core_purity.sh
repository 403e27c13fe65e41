#!/bin/sh
# core is pure: it includes only freestanding headers, string.h and its own, links nothing but
# mem* and str*, and has no writable globals.
# Usage: core_purity.sh COMPILER CORE_FOLDER SOURCE...   (sources relative to the folder)
set -eu

compiler=$1
core=$2
shift 2
cd "$core"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
status=0

complain() {
    echo "core is not pure: $1" >&2
    sed 's/^/    /' "$2" >&2
    status=1
}

# Every include of every file, built or not.
for file in *.c *.h; do
    sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*//p' "$file" | while read -r header; do
        case $header in
        '<stdint.h>'* | '<stdbool.h>'* | '<stddef.h>'* | '<limits.h>'* | '<string.h>'*) ;;
        '"'*)
            name=${header#\"}
            [ -f "${name%%\"*}" ] && [ "${name%%/*}" = "$name" ] || echo "$file: $header"
            ;;
        *) echo "$file: $header" ;;
        esac
    done
done >"$folder/includes"
[ ! -s "$folder/includes" ] || complain "includes" "$folder/includes"

# Without the build's sanitizers, whose own symbols would be found.
for source in "$@"; do
    object=$folder/$(basename "$source" .c).o
    "$compiler" -std=c11 -O2 -fPIC -fno-common -fno-stack-protector -c "$source" -o "$object"
    objdump -h "$object" | awk -v source="$source" '
        $2 ~ /^\.(data|bss|tdata|tbss)(\.|$)/ && $2 !~ /^\.data\.rel\.ro/ && $3 !~ /^0+$/ {
            print source ": " $2 ", 0x" $3 " bytes"
        }' >>"$folder/writable"
done
[ ! -s "$folder/writable" ] || complain "writable globals" "$folder/writable"

# What the whole of core leaves undefined. bcmp is what clang calls memcmp() == 0.
ld -r -o "$folder/core.o" "$folder"/*.o
nm -u "$folder/core.o" | awk '{print $2}' |
    grep -vE '^(mem|str)[a-z]+$|^bcmp$|^_GLOBAL_OFFSET_TABLE_$' >"$folder/undefined" || true
[ ! -s "$folder/undefined" ] || complain "undefined symbols" "$folder/undefined"

# And it links alone; the C library gives mem* and str*.
if ! "$compiler" -shared -nostdlib -Wl,--no-undefined -o "$folder/core.so" "$folder/core.o" -lc \
    2>"$folder/link"; then
    complain "does not link alone" "$folder/link"
fi
exit $status
