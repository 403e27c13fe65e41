#include "pg_account.h"

#include "fake_gateway.h"
#include "invariant.h"

#include <openssl/evp.h>
#include <string.h>

/* With its length in front, so that no two lists of parts give the same bytes. */
static void add(EVP_MD_CTX *hash, const char *part, size_t len)
{
    uint8_t length[2] = {(uint8_t)(len >> 8), (uint8_t)len};

    invariant(EVP_DigestUpdate(hash, length, sizeof(length)) == 1 &&
              EVP_DigestUpdate(hash, part, len) == 1);
}

uint64_t pg_account_of(const struct farebox_settings *settings)
{
    static const char domain[] = "farebox pg account 1";
    const struct secret *key = &settings->pg_secret_key;
    bool is_named = strcmp(settings->pg_account, "none") != 0;
    uint8_t digest[EVP_MAX_MD_SIZE];
    uint64_t fingerprint = 0;
    EVP_MD_CTX *hash;

    if (settings->pg == SETTINGS_PG_FAKE) {
        return fake_gateway_account();
    }
    hash = EVP_MD_CTX_new();
    invariant(hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1);
    add(hash, domain, sizeof(domain) - 1);
    add(hash, settings->pg_url, strlen(settings->pg_url));
    add(hash, key->bytes, strcspn(key->bytes, "_")); /* "test" or "live" */
    add(hash, is_named ? "mId" : "key", 3);
    if (is_named) {
        add(hash, settings->pg_account, strlen(settings->pg_account));
    } else {
        add(hash, key->bytes, key->len);
    }
    invariant(EVP_DigestFinal_ex(hash, digest, NULL) == 1);
    EVP_MD_CTX_free(hash);
    for (int i = 0; i < 8; i++) {
        fingerprint = fingerprint << 8 | digest[i];
    }
    return fingerprint == 0 ? 1 : fingerprint;
}
