#!/usr/bin/env bash
# Makes the certificates of the TLS test in FOLDER: an authority with a server and a client, a
# server of another name, and a stranger, an authority that nobody knows, with a client.
set -euo pipefail
cd -- "$1"

authority() { # NAME
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=$1" \
        -keyout "$1.key" -out "$1.pem"
}

signed() { # NAME AUTHORITY COMMON_NAME ALTERNATIVE_NAMES
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$3" -keyout "$1.key" -out "$1.csr"
    printf 'subjectAltName = %s\n' "$4" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 30 \
        -extfile "$1.ext" -out "$1.pem"
}

{
    authority authority
    authority stranger
    signed server authority 127.0.0.1 IP:127.0.0.1
    signed misnamed authority db.example DNS:db.example
    signed client authority farebox DNS:farebox
    signed impostor stranger farebox DNS:farebox
} >certificates.log 2>&1
