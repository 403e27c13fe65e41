/*
 * secret.h - a secret from the settings: kept, compared, never shown.
 *
 * Ownership: plain memory of the caller; secret_clear() wipes it. A secret is never logged,
 * printed or part of an error message: whoever reports about one says "set" or "unset".
 * Threads: a set secret may be read and matched by many threads at once.
 */
#ifndef FAREBOX_SECRET_H
#define FAREBOX_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes; also the longest bearer token that a request may present. */
#define SECRET_MAX 1024
#define SECRET_MIN 16

struct secret {
    bool is_set;
    size_t len;
    char bytes[SECRET_MAX + 1]; /* NUL-terminated */
};

enum secret_status {
    SECRET_OK = 0,
    SECRET_EMPTY,
    SECRET_TOO_SHORT,      /* fewer than SECRET_MIN bytes */
    SECRET_TOO_LONG,       /* more than SECRET_MAX bytes */
    SECRET_NOT_PRINTABLE,  /* a byte that is not printable ASCII, or a space */
    SECRET_FILE_MISSING,   /* the file cannot be opened; errno says why */
    SECRET_FILE_NOT_PLAIN, /* a folder, pipe or device: reading it could block for ever */
    SECRET_FILE_BROKEN,    /* reading failed; errno says why */
};

/* Unset. */
void secret_init(struct secret *secret);

/* Wipes the bytes, in a way that the compiler may not drop. Unset afterwards. */
void secret_clear(struct secret *secret);

/*
 * Takes SECRET_MIN to SECRET_MAX printable ASCII characters without spaces: what a header can
 * carry. The bytes are copied. On any other result `secret` is untouched.
 */
__attribute__((warn_unused_result)) enum secret_status
secret_from_bytes(struct secret *secret, const char *bytes, size_t len);

/*
 * The same from a plain file (symbolic links are followed, as Kubernetes mounts secrets so). One
 * newline at the end (\n or \r\n) is not part of the secret. Blocks for one read of a local file.
 */
__attribute__((warn_unused_result)) enum secret_status secret_from_file(struct secret *secret,
                                                                        const char *path);

/* What is wrong and what is allowed, for people; never contains a byte of the secret. */
const char *secret_status_text(enum secret_status status);

/*
 * True where `presented` is the secret. The SHA-256 hashes of both are compared in constant time,
 * so neither content nor length can be measured. False for an unset secret.
 */
bool secret_matches(const struct secret *secret, const char *presented, size_t len);

#endif
