#include "pg_file_internal.h"

#include "invariant.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum pg_file_status pg_file_complain(char message[PG_FILE_MESSAGE_SIZE], const char *path,
                                     enum pg_file_status status, const char *what)
{
    (void)snprintf(message, PG_FILE_MESSAGE_SIZE, "ledger file of the fake PG '%s': %s", path,
                   what);
    return status;
}

enum pg_file_status pg_file_complain_errno(char message[PG_FILE_MESSAGE_SIZE], const char *path,
                                           enum pg_file_status status, const char *what)
{
    char text[PG_FILE_MESSAGE_SIZE / 2];
    (void)snprintf(text, sizeof text, "%s: %s", what, strerror(errno));
    return pg_file_complain(message, path, status, text);
}

bool pg_file_write(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t done = write(fd, bytes, len);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return false;
        }
        bytes += done;
        len -= (size_t)done;
    }
    return true;
}

/* A new file's name is durable only once its folder is. */
static bool sync_folder(const char *path)
{
    char *copy = strdup(path);
    if (copy == NULL) {
        return false;
    }
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (fd < 0) {
        return false;
    }
    bool done = fsync(fd) == 0;
    (void)close(fd);
    return done;
}

static bool read_all(int fd, uint8_t *bytes, uint64_t len, uint64_t from)
{
    uint64_t at = 0;
    while (at < len) {
        ssize_t done = pread(fd, bytes + at, (size_t)(len - at), (off_t)(from + at));
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return false;
        }
        at += (uint64_t)done;
    }
    return true;
}

/* Cuts what follows the entries that are whole, durably. */
static bool cut_tail(struct pg_file *file, uint64_t tail)
{
    file->cut += tail;
    return file->read_only || (ftruncate(file->fd, (off_t)file->size) == 0 && fsync(file->fd) == 0);
}

/* A file that was only being made has the beginning of a header, and is made again. */
static enum pg_file_status read_header(struct pg_file *file, const uint8_t *bytes, uint64_t len,
                                       char message[PG_FILE_MESSAGE_SIZE])
{
    uint8_t header[PG_FILE_HEADER_SIZE];
    pg_file_header_make(header);
    size_t present = len < sizeof header ? (size_t)len : sizeof header;
    if (present > 0 && memcmp(bytes, header, present < 8 ? present : 8) != 0) {
        return pg_file_complain(message, file->path, PG_FILE_FOREIGN,
                                "is something else; nothing was changed in it");
    }
    if (present == sizeof header && memcmp(bytes, header, sizeof header) != 0) {
        return pg_file_complain(message, file->path, PG_FILE_NEWER,
                                "was written by a later version of farebox");
    }
    if (present < sizeof header && file->read_only) {
        return PG_FILE_OK;
    }
    if (present < sizeof header &&
        (!cut_tail(file, present) || !pg_file_write(file->fd, header, sizeof header) ||
         fdatasync(file->fd) != 0 || !sync_folder(file->path))) {
        return pg_file_complain_errno(message, file->path, PG_FILE_IO, "can't be begun");
    }
    file->size = sizeof header;
    return PG_FILE_OK;
}

/* False: the ledger has no room for what the entry did. */
static bool entry_replay(struct pg_file *file, const struct pg_entry *entry)
{
    struct pg_ledger *ledger = pg_fake_ledger(file->fake);
    file->entries++;
    if (entry->kind == PG_ENTRY_ACCOUNT) {
        return pg_ledger_account_add(ledger, entry->account);
    }
    file->now_ms = entry->now_ms > file->now_ms ? entry->now_ms : file->now_ms;
    if (entry->kind == PG_ENTRY_ADVANCE) {
        pg_ledger_advance(ledger, entry->now_ms);
        return true;
    }
    uint32_t overflows = pg_ledger_overflows(ledger);
    struct pg_answer answer;
    pg_ledger_execute(ledger, file->scratch, &entry->request, &entry->plan, entry->now_ms, &answer);
    return pg_ledger_overflows(ledger) == overflows;
}

/* `bytes` are what follows the entries that this handle has seen, up to the file's end. */
static enum pg_file_status replay(struct pg_file *file, const uint8_t *bytes, uint64_t len,
                                  char message[PG_FILE_MESSAGE_SIZE])
{
    char what[96];
    uint64_t at = 0;
    while (at < len) {
        struct pg_entry entry;
        size_t size = 0;
        enum pg_entry_read read = pg_entry_decode(bytes + at, (size_t)(len - at), file->size,
                                                  file->scratch, &entry, &size);
        if (read == PG_ENTRY_TORN) {
            return cut_tail(file, len - at)
                       ? PG_FILE_OK
                       : pg_file_complain_errno(message, file->path, PG_FILE_IO,
                                                "its last entry can't be cut");
        }
        if (read == PG_ENTRY_DAMAGED) {
            (void)snprintf(what, sizeof what, "is damaged at byte %llu",
                           (unsigned long long)file->size);
            return pg_file_complain(message, file->path, PG_FILE_DAMAGED, what);
        }
        if (!entry_replay(file, &entry)) {
            (void)snprintf(what, sizeof what, "holds more than the fake PG's limits allow");
            return pg_file_complain(message, file->path, PG_FILE_TOO_BIG, what);
        }
        at += size;
        file->size += size;
    }
    return PG_FILE_OK;
}

static enum pg_file_status load(struct pg_file *file, uint64_t len,
                                char message[PG_FILE_MESSAGE_SIZE])
{
    uint8_t *bytes = malloc(len > 0 ? (size_t)len : 1);
    if (bytes == NULL) {
        return pg_file_complain(message, file->path, PG_FILE_NOT_OPENED, "no memory to read it");
    }
    enum pg_file_status status = PG_FILE_OK;
    uint64_t header = 0;
    if (!read_all(file->fd, bytes, len, file->size)) {
        status = pg_file_complain_errno(message, file->path, PG_FILE_IO, "can't be read");
        goto out;
    }
    if (file->size == 0) {
        status = read_header(file, bytes, len, message);
        header = file->size;
    }
    if (status == PG_FILE_OK && len > header) {
        status = replay(file, bytes + header, len - header, message);
    }
out:
    free(bytes);
    return status;
}

/* Replays what others have appended. The caller has the lock. */
enum pg_file_status pg_file_catch_up(struct pg_file *file, char message[PG_FILE_MESSAGE_SIZE])
{
    struct stat stat;
    if (fstat(file->fd, &stat) != 0) {
        return pg_file_complain_errno(message, file->path, PG_FILE_IO, "can't be examined");
    }
    if (stat.st_size > PG_FILE_BYTES_MAX) {
        return pg_file_complain(message, file->path, PG_FILE_TOO_BIG, "is larger than 1 GiB");
    }
    uint64_t end = (uint64_t)stat.st_size;
    if (end < file->size) {
        return pg_file_complain(message, file->path, PG_FILE_DAMAGED, "was cut while it was open");
    }
    return end == file->size && end > 0 ? PG_FILE_OK : load(file, end - file->size, message);
}
