#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct secret_rule secret_rule_token = {.min = 16, .is_any_text = false};
const struct secret_rule secret_rule_password = {.min = 1, .is_any_text = true};

void secret_init(struct secret *secret)
{
    memset(secret, 0, sizeof(*secret));
}

void secret_clear(struct secret *secret)
{
    OPENSSL_cleanse(secret, sizeof(*secret));
}

static bool secret_may_have(const struct secret_rule *rule, char byte)
{
    if (rule->is_any_text) {
        return byte != '\0' && byte != '\r' && byte != '\n';
    }
    return byte > ' ' && byte <= '~';
}

static enum secret_status secret_check(const struct secret_rule *rule, const char *bytes,
                                       size_t len)
{
    if (len == 0) {
        return SECRET_EMPTY;
    }
    if (len < rule->min) {
        return SECRET_TOO_SHORT;
    }
    if (len > SECRET_MAX) {
        return SECRET_TOO_LONG;
    }
    for (size_t i = 0; i < len; i++) {
        if (!secret_may_have(rule, bytes[i])) {
            return SECRET_BAD_BYTE;
        }
    }
    return SECRET_OK;
}

enum secret_status secret_from_bytes(struct secret *secret, const struct secret_rule *rule,
                                     const char *bytes, size_t len)
{
    enum secret_status status = secret_check(rule, bytes, len);
    if (status != SECRET_OK) {
        return status;
    }
    secret_clear(secret);
    memcpy(secret->bytes, bytes, len);
    secret->len = len;
    secret->is_set = true;
    return SECRET_OK;
}

/* Reads until the end or until `size` bytes are there. */
static enum secret_status secret_read(int fd, char *bytes, size_t size, size_t *len)
{
    size_t n = 0;
    while (n < size) {
        ssize_t got = read(fd, bytes + n, size - n);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return SECRET_FILE_BROKEN;
        }
        if (got == 0) {
            break;
        }
        n += (size_t)got;
    }
    *len = n;
    return SECRET_OK;
}

static size_t secret_trim_newline(const char *bytes, size_t len)
{
    if (len > 0 && bytes[len - 1] == '\n') {
        len--;
        if (len > 0 && bytes[len - 1] == '\r') {
            len--;
        }
    }
    return len;
}

enum secret_status secret_from_file(struct secret *secret, const struct secret_rule *rule,
                                    const char *path)
{
    /* Room for the newline, and for one byte that tells that there is more. */
    char bytes[SECRET_MAX + 3];
    size_t len = 0;
    struct stat about;
    enum secret_status status;

    /* O_NONBLOCK: opening a pipe that nobody writes to must not hang the start. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return SECRET_FILE_MISSING;
    }
    if (fstat(fd, &about) != 0) {
        status = SECRET_FILE_BROKEN;
        goto out;
    }
    if (!S_ISREG(about.st_mode)) {
        status = SECRET_FILE_NOT_PLAIN;
        goto out;
    }
    status = secret_read(fd, bytes, sizeof(bytes), &len);
    if (status != SECRET_OK) {
        goto out;
    }
    if (len == sizeof(bytes)) {
        status = SECRET_TOO_LONG;
        goto out;
    }
    status = secret_from_bytes(secret, rule, bytes, secret_trim_newline(bytes, len));
out:
    OPENSSL_cleanse(bytes, sizeof(bytes));
    (void)close(fd);
    return status;
}

void secret_rule_text(const struct secret_rule *rule, char *text, size_t size)
{
    (void)snprintf(text, size, "%zu to %d %s", rule->min, SECRET_MAX,
                   rule->is_any_text ? "bytes without NUL and newlines"
                                     : "printable ASCII characters without spaces");
}

const char *secret_status_text(enum secret_status status)
{
    switch (status) {
    case SECRET_OK:
        return "is fine";
    case SECRET_EMPTY:
        return "is empty";
    case SECRET_TOO_SHORT:
        return "is too short";
    case SECRET_TOO_LONG:
        return "is too long";
    case SECRET_BAD_BYTE:
        return "has a character that is not allowed";
    case SECRET_FILE_MISSING:
        return "names a file that cannot be opened";
    case SECRET_FILE_NOT_PLAIN:
        return "names something that is not a plain file";
    case SECRET_FILE_BROKEN:
        return "names a file that cannot be read";
    }
    return "is wrong";
}

bool secret_matches(const struct secret *secret, const char *presented, size_t len)
{
    unsigned char ours[SHA256_DIGEST_LENGTH];
    unsigned char theirs[SHA256_DIGEST_LENGTH];
    if (!secret->is_set) {
        return false;
    }
    SHA256((const unsigned char *)secret->bytes, secret->len, ours);
    SHA256((const unsigned char *)presented, len, theirs);
    bool same = CRYPTO_memcmp(ours, theirs, sizeof(ours)) == 0;
    OPENSSL_cleanse(ours, sizeof(ours));
    return same;
}
