#!/usr/bin/env bash
# Runs clients that others published against farebox-fakepg: run.sh KIND FAKEPG FOLDER
#
# KIND is npm, openapi, pypi or crates. Installs them, pinned by hash, into FOLDER (of the build);
# what is there already is not installed again. Ends with 77 and a reason where the runtime or the
# registry is missing, within a minute where nothing can be reached at all. A package that is not
# the pinned one is a failure.
set -euo pipefail

kind=$1
fakepg=$2
folder=$3
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
secret=test_sk_clients
fakepg_pid=
temp=
# How npm, pip and cargo say that a hash is not the pinned one.
forged='EINTEGRITY|DO NOT MATCH THE HASHES|checksum for .* changed|failed to verify the checksum'

skip() {
    printf 'SKIPPED: %s\n' "$*"
    exit 77
}

clean_up() {
    local status=$?
    if [ -n "$fakepg_pid" ]; then
        kill -TERM "$fakepg_pid" 2>/dev/null || true
        # What a sanitizer found in the fake is a failure of this test.
        wait "$fakepg_pid" || status=1
    fi
    [ "$status" -ne 1 ] || [ ! -e "$temp/err" ] || cat -- "$temp/err" >&2
    rm -rf -- "$temp"
    exit "$status"
}

need() {
    command -v "$1" >/dev/null || skip "$1 is not installed"
}

# Installs once for each state of the pins: $1 is the file with them, $2 the function.
install_once() {
    local pins=$1 sum
    shift
    sum=$(sha256sum "$pins" | cut -d' ' -f1)
    if [ ! -e "$folder/$sum.done" ]; then
        if ! timeout 500 bash -euo pipefail -c "$1" >"$folder/install.log" 2>&1; then
            tail -n 5 "$folder/install.log"
            if grep -qE "$forged" "$folder/install.log"; then
                printf 'what the registry of %s sent is not what is pinned\n' "$kind" >&2
                exit 1
            fi
            skip "the registry of $kind can't be reached, or does not have what is pinned"
        fi
        touch -- "$folder/$sum.done"
    fi
}

install_npm() {
    cp -- "$here/npm/package.json" "$here/npm/package-lock.json" "$folder/"
    (cd -- "$folder" && npm ci --ignore-scripts --no-audit --no-fund --prefer-offline \
        --fetch-retries 1 --fetch-retry-mintimeout 1000 --fetch-timeout 20000)
}

install_pypi() {
    python3 -m pip install --quiet --retries 1 --timeout 20 --no-deps --require-hashes \
        --only-binary :all: --upgrade --target "$folder/site" -r "$here/pypi/requirements.txt"
}

# The lock file lacks the registry's address, which cargo itself knows: a new one has it.
install_crates() {
    local source
    export CARGO_NET_RETRY=1 CARGO_HTTP_TIMEOUT=20
    mkdir -p -- "$folder/crate"
    cp -r -- "$here/crates/." "$folder/crate/"
    cd -- "$folder/crate"
    rm -f Cargo.lock
    cargo generate-lockfile
    source=$(sed -n 's/^source = "\(.*\)"$/\1/p' Cargo.lock | sort -u)
    [ "$(wc -l <<<"$source")" -eq 1 ] || return 1
    sed "s|@REGISTRY@|$source|" Cargo.lock.in >Cargo.lock
    cargo fetch --locked
}

# Needs no network; what does not compile is a failure.
build_crates() {
    cp -r -- "$here/crates/src" "$folder/crate/"
    (cd -- "$folder/crate" &&
        CARGO_TARGET_DIR=$folder/target cargo build --quiet --locked --offline)
}

export -f install_npm install_pypi install_crates

start_fakepg() {
    local tenths
    "$fakepg" --port 0 --secret-key "$secret" >"$temp/out" 2>"$temp/err" &
    fakepg_pid=$!
    for ((tenths = 0; tenths < 300; tenths++)); do
        if grep -q '^secret-key ' "$temp/out"; then # its last line
            base=$(sed -n 's/^http //p' "$temp/out")
            return 0
        fi
        kill -0 "$fakepg_pid" 2>/dev/null || break
        sleep 0.1
    done
    cat -- "$temp/err" >&2
    return 1
}

mkdir -p -- "$folder"
folder=$(cd -- "$folder" && pwd)
export folder here
temp=$(mktemp -d)
trap clean_up EXIT
trap 'exit 143' TERM INT HUP
case "$kind" in
npm | openapi)
    need node
    need npm
    install_once "$here/npm/package-lock.json" install_npm
    ;;
pypi)
    need python3
    python3 -m pip --version >/dev/null 2>&1 || skip 'pip is not installed'
    install_once "$here/pypi/requirements.txt" install_pypi
    ;;
crates)
    need cargo
    install_once "$here/crates/Cargo.lock.in" install_crates
    build_crates
    ;;
*)
    printf "run.sh: unknown kind '%s'; allowed: npm, openapi, pypi, crates\n" "$kind" >&2
    exit 2
    ;;
esac

start_fakepg
# The user's proxies must not change what the clients do.
export no_proxy=127.0.0.1 NO_PROXY=127.0.0.1
case "$kind" in
npm) NODE_PATH=$folder/node_modules node "$here/npm/client.js" "$base" "$secret" ;;
openapi) NODE_PATH=$folder/node_modules node "$here/npm/openapi.js" "$base" "$secret" ;;
pypi) PYTHONPATH=$folder/site python3 -B "$here/pypi/clients.py" "$base" "$secret" ;;
crates) "$folder/target/debug/fakepg-client-tests" "$base" "$secret" ;;
esac
