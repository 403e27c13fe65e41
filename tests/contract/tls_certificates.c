#include "tls_certificates.h"

#include <ftw.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S (24L * 3600)

static void must(int ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "certificates: %s\n", what);
        abort();
    }
}

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    must(extension != NULL && X509_add_ext(certificate, extension, -1) == 1, value);
    X509_EXTENSION_free(extension);
}

/* `issuer` NULL: an authority that signs itself. `names`: subjectAltName. */
static X509 *make(EVP_PKEY *key, X509 *issuer, const char *names, long from_s, long until_s)
{
    static long serial = 1;
    X509 *c = X509_new();
    must(c != NULL, "X509_new");
    X509_NAME *name = X509_get_subject_name(c);
    must(X509_set_version(c, 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(c), serial++) == 1 &&
             X509_gmtime_adj(X509_getm_notBefore(c), from_s) != NULL &&
             X509_gmtime_adj(X509_getm_notAfter(c), until_s) != NULL &&
             X509_set_pubkey(c, key) == 1 &&
             X509_NAME_add_entry_by_txt(
                 name, "CN", MBSTRING_ASC,
                 (const unsigned char *)(issuer == NULL ? "Farebox test CA" : "peer"), -1, -1,
                 0) == 1 &&
             X509_set_issuer_name(c, issuer == NULL ? name : X509_get_subject_name(issuer)) == 1,
         "fields");
    add_extension(c, issuer == NULL ? c : issuer, NID_basic_constraints,
                  issuer == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (names != NULL) {
        add_extension(c, issuer, NID_subject_alt_name, names);
    }
    must(X509_sign(c, key, EVP_sha256()) > 0, "sign");
    return c;
}

static void write_certificate(char path[320], const char *folder, const char *name, X509 *c)
{
    (void)snprintf(path, 320, "%s/%s.pem", folder, name);
    FILE *file = fopen(path, "w");
    must(file != NULL && PEM_write_X509(file, c) == 1 && fclose(file) == 0, path);
}

void tls_certificates_make(struct tls_certificates *t)
{
    const char *parent = getenv("TMPDIR");
    const struct {
        char *path;
        const char *name;
        const char *names;
        long from_s;
        long until_s;
    } rows[] = {
        {t->good, "good", "IP:127.0.0.1", -DAY_S, DAY_S},
        {t->other_host, "other", "DNS:api.example.com,IP:127.0.0.2", -DAY_S, DAY_S},
        {t->expired, "expired", "IP:127.0.0.1", -2 * DAY_S, -DAY_S},
        {t->not_yet, "not_yet", "IP:127.0.0.1", DAY_S, 2 * DAY_S},
    };
    EVP_PKEY *key = EVP_EC_gen("P-256");
    (void)snprintf(t->folder, sizeof(t->folder), "%s/farebox-tls-XXXXXX",
                   parent != NULL ? parent : "/tmp");
    must(key != NULL && mkdtemp(t->folder) != NULL, "folder");
    (void)snprintf(t->key, sizeof(t->key), "%s/key.pem", t->folder);
    FILE *file = fopen(t->key, "w");
    must(file != NULL && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 &&
             fclose(file) == 0,
         t->key);
    X509 *ca = make(key, NULL, NULL, -DAY_S, DAY_S);
    write_certificate(t->ca, t->folder, "ca", ca);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        X509 *c = make(key, ca, rows[i].names, rows[i].from_s, rows[i].until_s);
        write_certificate(rows[i].path, t->folder, rows[i].name, c);
        X509_free(c);
    }
    X509_free(ca);
    EVP_PKEY_free(key);
}

static int remove_one(const char *path, const struct stat *file, int type, struct FTW *walk)
{
    (void)file;
    (void)type;
    (void)walk;
    return remove(path);
}

void tls_certificates_remove(struct tls_certificates *t)
{
    (void)nftw(t->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    memset(t, 0, sizeof(*t));
}
