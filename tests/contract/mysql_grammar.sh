#!/usr/bin/env bash
# mysql_grammar.sh BIN: parses every statement that the MySQL store sends, and its migrations, with
# TiDB's parser, whose grammar is MySQL 8's as its makers understood it. That is not MySQL itself:
# it knows nothing of types, collations or plans, and takes some of MariaDB's own syntax.
# Skipped (77) without Go, without its modules or without a MariaDB server.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."
bin=$1

skip() {
    printf 'SKIPPED: %s\n' "$1"
    exit 77
}

export PATH=$PATH:/usr/local/go/bin GOTOOLCHAIN=local GOFLAGS=-mod=readonly
command -v go >/dev/null || skip 'Go is not installed'
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT

(cd tests/contract/mysql_grammar && go mod download 2>"$folder/log") ||
    skip "Go's modules cannot be had: $(tail -n 1 "$folder/log")"
(cd tests/contract/mysql_grammar && go build -o "$folder/grammar" .)

FAREBOX_STATEMENTS_FILE=$folder/statements "$bin/test_mysql_store_plans" >"$folder/log" 2>&1 ||
    { cat "$folder/log"; exit 1; }
[[ -s $folder/statements ]] || skip "$(grep -m 1 skipped "$folder/log")"

# A statement of a migration ends with a semicolon at the end of a line.
for migration in adapters/mysql/migrations/*.sql; do
    sed 's/^--.*//' "$migration" | tr '\n' ' ' | sed 's/; */;\n/g'
done | grep -v '^ *$' >"$folder/migrations"

# What the parser is here for: it must see what only MariaDB has.
printf 'INSERT INTO payments (id) VALUES (1) RETURNING id\n' >"$folder/planted"
if "$folder/grammar" <"$folder/planted" >"$folder/log"; then
    cat "$folder/log"
    echo 'the parser takes RETURNING, which MySQL 8 does not have'
    exit 1
fi
"$folder/grammar" <"$folder/statements"
"$folder/grammar" <"$folder/migrations"
