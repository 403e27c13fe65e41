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

/* What a secret may be: the setting that holds it says which. */
struct secret_rule {
    size_t min;       /* bytes, 1 at least; the most is SECRET_MAX */
    bool is_any_text; /* all bytes but NUL, \r and \n; else printable ASCII without spaces */
};

/* What a header can carry, and nobody guesses. */
extern const struct secret_rule secret_rule_token;
/* Given by others, so whatever they chose. */
extern const struct secret_rule secret_rule_password;

struct secret {
    bool is_set;
    size_t len;
    char bytes[SECRET_MAX + 1]; /* NUL-terminated */
};

enum secret_status {
    SECRET_OK = 0,
    SECRET_EMPTY,
    SECRET_TOO_SHORT,      /* fewer bytes than the rule's */
    SECRET_TOO_LONG,       /* more than SECRET_MAX bytes */
    SECRET_BAD_BYTE,       /* a byte that the rule does not allow */
    SECRET_FILE_MISSING,   /* the file cannot be opened; errno says why */
    SECRET_FILE_NOT_PLAIN, /* a folder, pipe or device: reading it could block for ever */
    SECRET_FILE_BROKEN,    /* reading failed; errno says why */
};

/* Unset. */
void secret_init(struct secret *secret);

/* Wipes the bytes, in a way that the compiler may not drop. Unset afterwards. */
void secret_clear(struct secret *secret);

/* Copies the bytes where the rule allows them. On any other result `secret` is untouched. */
__attribute__((warn_unused_result)) enum secret_status
secret_from_bytes(struct secret *secret, const struct secret_rule *rule, const char *bytes,
                  size_t len);

/*
 * The same from a plain file (symbolic links are followed, as Kubernetes mounts secrets so). One
 * newline at the end (\n or \r\n) is not part of the secret. Blocks for one read of a local file.
 */
__attribute__((warn_unused_result)) enum secret_status
secret_from_file(struct secret *secret, const struct secret_rule *rule, const char *path);

/* What is allowed, for people: "16 to 1024 printable ASCII characters without spaces". */
void secret_rule_text(const struct secret_rule *rule, char *text, size_t size);

/* What is wrong, for people; never contains a byte of the secret. */
const char *secret_status_text(enum secret_status status);

/*
 * True where `presented` is the secret. The SHA-256 hashes of both are compared in constant time,
 * so neither content nor length can be measured. False for an unset secret.
 */
bool secret_matches(const struct secret *secret, const char *presented, size_t len);

#endif
