#include "pg_file.h"
#include "pg_file_entry.h"

#include "invariant.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a group writes at once; a longer one writes in parts, and is forced to disk once all the
 * same. */
#define PENDING_SIZE (64U << 10)

_Static_assert(PENDING_SIZE >= PG_ENTRY_MAX, "an entry fits");

struct pg_file {
    struct pg_fake *fake;
    struct texts *scratch; /* the texts of one entry while it is replayed */
    char *path;
    int fd;
    int error; /* errno of the failure that brought it down */
    bool read_only;
    int64_t now_ms; /* never steps back: the replay sees what the first run saw */
    uint64_t size;  /* of the entries that this handle has seen */
    uint64_t entries;
    uint64_t cut;
    /* A group of calls: the lock is held, and what they wrote waits for its end. */
    bool in_group;
    size_t pending_len;
    uint8_t pending[PENDING_SIZE];
};

/* The sentence for people, and the status that it goes with. */
static enum pg_file_status complain(char message[PG_FILE_MESSAGE_SIZE], const char *path,
                                    enum pg_file_status status, const char *what)
{
    (void)snprintf(message, PG_FILE_MESSAGE_SIZE, "ledger file of the fake PG '%s': %s", path,
                   what);
    return status;
}

static enum pg_file_status complain_errno(char message[PG_FILE_MESSAGE_SIZE], const char *path,
                                          enum pg_file_status status, const char *what)
{
    char text[PG_FILE_MESSAGE_SIZE / 2];
    (void)snprintf(text, sizeof text, "%s: %s", what, strerror(errno));
    return complain(message, path, status, text);
}

static bool write_all(int fd, const uint8_t *bytes, size_t len)
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

static enum pg_file_status open_fd(struct pg_file *file, char message[PG_FILE_MESSAGE_SIZE])
{
    struct stat stat;
    int flags = file->read_only ? O_RDONLY : O_RDWR | O_CREAT | O_APPEND;
    file->fd = open(file->path, flags | O_CLOEXEC | O_NONBLOCK, 0600);
    if (file->fd < 0) {
        return complain_errno(message, file->path, PG_FILE_NOT_OPENED, "can't be opened");
    }
    if (fstat(file->fd, &stat) != 0 || !S_ISREG(stat.st_mode)) {
        return complain(message, file->path, PG_FILE_NOT_OPENED, "is not a regular file");
    }
    return PG_FILE_OK;
}

/* Waits while another handle is in the middle of something; the kernel ends the lock of a process
 * that is killed. A reader keeps writers out while it reads, and other readers not. */
static bool lock(struct pg_file *file)
{
    while (flock(file->fd, file->read_only ? LOCK_SH : LOCK_EX) != 0) {
        if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

static void unlock(struct pg_file *file)
{
    (void)flock(file->fd, LOCK_UN);
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
        return complain(message, file->path, PG_FILE_FOREIGN,
                        "is something else; nothing was changed in it");
    }
    if (present == sizeof header && memcmp(bytes, header, sizeof header) != 0) {
        return complain(message, file->path, PG_FILE_NEWER,
                        "was written by a later version of farebox");
    }
    if (present < sizeof header && file->read_only) {
        return PG_FILE_OK;
    }
    if (present < sizeof header &&
        (!cut_tail(file, present) || !write_all(file->fd, header, sizeof header) ||
         fdatasync(file->fd) != 0 || !sync_folder(file->path))) {
        return complain_errno(message, file->path, PG_FILE_IO, "can't be begun");
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
            return cut_tail(file, len - at) ? PG_FILE_OK
                                            : complain_errno(message, file->path, PG_FILE_IO,
                                                             "its last entry can't be cut");
        }
        if (read == PG_ENTRY_DAMAGED) {
            (void)snprintf(what, sizeof what, "is damaged at byte %llu",
                           (unsigned long long)file->size);
            return complain(message, file->path, PG_FILE_DAMAGED, what);
        }
        if (!entry_replay(file, &entry)) {
            (void)snprintf(what, sizeof what, "holds more than the fake PG's limits allow");
            return complain(message, file->path, PG_FILE_TOO_BIG, what);
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
        return complain(message, file->path, PG_FILE_NOT_OPENED, "no memory to read it");
    }
    enum pg_file_status status = PG_FILE_OK;
    uint64_t header = 0;
    if (!read_all(file->fd, bytes, len, file->size)) {
        status = complain_errno(message, file->path, PG_FILE_IO, "can't be read");
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
static enum pg_file_status catch_up(struct pg_file *file, char message[PG_FILE_MESSAGE_SIZE])
{
    struct stat stat;
    if (fstat(file->fd, &stat) != 0) {
        return complain_errno(message, file->path, PG_FILE_IO, "can't be examined");
    }
    if (stat.st_size > PG_FILE_BYTES_MAX) {
        return complain(message, file->path, PG_FILE_TOO_BIG, "is larger than 1 GiB");
    }
    uint64_t end = (uint64_t)stat.st_size;
    if (end < file->size) {
        return complain(message, file->path, PG_FILE_DAMAGED, "was cut while it was open");
    }
    return end == file->size && end > 0 ? PG_FILE_OK : load(file, end - file->size, message);
}

static bool disk_failed(struct pg_file *file)
{
    file->error = errno != 0 ? errno : EIO;
    return false;
}

static bool write_pending(struct pg_file *file)
{
    size_t len = file->pending_len;
    file->pending_len = 0;
    return write_all(file->fd, file->pending, len) || disk_failed(file);
}

/* Appends, and forces to disk, now or at the end of the group. False: the file is down. */
static bool append(struct pg_file *file, const uint8_t *bytes, size_t size)
{
    if (file->size + size > (uint64_t)PG_FILE_BYTES_MAX) {
        file->error = EFBIG;
        return false;
    }
    if (size > PENDING_SIZE - file->pending_len && !write_pending(file)) {
        return false;
    }
    memcpy(file->pending + file->pending_len, bytes, size);
    file->pending_len += size;
    if (!file->in_group &&
        !(write_pending(file) && (fdatasync(file->fd) == 0 || disk_failed(file)))) {
        return false;
    }
    file->size += size;
    file->entries++;
    return true;
}

static bool is_known(const struct pg_file *file, uint64_t account)
{
    return pg_ledger_knows_account(pg_fake_ledger_view(file->fake), account);
}

static enum pg_file_status add_accounts(struct pg_file *file, const struct pg_file_options *options,
                                        char message[PG_FILE_MESSAGE_SIZE])
{
    for (uint32_t i = 0; i < options->account_count; i++) {
        struct pg_entry entry = {.kind = PG_ENTRY_ACCOUNT, .account = options->accounts[i]};
        uint8_t bytes[PG_ENTRY_MAX];
        if (is_known(file, entry.account)) {
            continue;
        }
        if (!pg_ledger_account_add(pg_fake_ledger(file->fake), entry.account)) {
            return complain(message, file->path, PG_FILE_TOO_BIG,
                            "knows as many PG accounts as it can already");
        }
        size_t size = pg_entry_encode(&entry, file->scratch, file->size, bytes);
        if (!file->read_only && !append(file, bytes, size)) {
            errno = file->error;
            return complain_errno(message, file->path, PG_FILE_IO, "can't be written");
        }
    }
    return PG_FILE_OK;
}

static struct pg_file *file_allocate(const struct pg_file_options *options)
{
    struct pg_file *file = calloc(1, sizeof *file);
    if (file == NULL) {
        return NULL;
    }
    file->fd = -1;
    file->read_only = options->read_only;
    file->path = strdup(options->path);
    file->fake = malloc(pg_fake_size(&options->limits));
    file->scratch = malloc(texts_size(PG_ENTRY_TEXTS_ENTRIES, PG_ENTRY_TEXTS_BYTES));
    if (file->path == NULL || file->fake == NULL || file->scratch == NULL) {
        pg_file_close(file);
        return NULL;
    }
    (void)pg_fake_init(file->fake, &options->limits, &options->config);
    (void)texts_init(file->scratch, PG_ENTRY_TEXTS_ENTRIES, PG_ENTRY_TEXTS_BYTES);
    return file;
}

enum pg_file_status pg_file_open(const struct pg_file_options *options, struct pg_file **file,
                                 char message[PG_FILE_MESSAGE_SIZE])
{
    message[0] = '\0';
    struct pg_file *opened = file_allocate(options);
    if (opened == NULL) {
        return complain(message, options->path, PG_FILE_NOT_OPENED, "no memory for the ledger");
    }
    enum pg_file_status status = open_fd(opened, message);
    if (status == PG_FILE_OK && !lock(opened)) {
        status = complain_errno(message, options->path, PG_FILE_IO, "can't be locked");
    }
    if (status == PG_FILE_OK) {
        status = catch_up(opened, message);
    }
    if (status == PG_FILE_OK) {
        status = add_accounts(opened, options, message);
    }
    if (status != PG_FILE_OK) {
        pg_file_close(opened);
        return status;
    }
    unlock(opened);
    *file = opened;
    return PG_FILE_OK;
}

void pg_file_close(struct pg_file *file)
{
    if (file->fd >= 0) {
        (void)close(file->fd);
    }
    free(file->scratch);
    free(file->fake);
    free(file->path);
    free(file);
}

struct pg_fake *pg_file_fake(struct pg_file *file)
{
    return file->fake;
}

static void answer_without_ledger(struct pg_fake_reply *reply, uint8_t kind)
{
    memset(reply, 0, sizeof *reply);
    reply->answer.kind = kind;
    reply->answer.total_krw = -1;
    reply->answer.balance_krw = -1;
}

/* Writes down what is about to happen. False: `reply` says why nothing may happen. */
static bool call_log(struct pg_file *file, struct texts *texts,
                     const struct pg_ledger_request *request, const struct pg_fake_plan *plan,
                     struct pg_fake_reply *reply)
{
    struct pg_entry entry = {.kind = PG_ENTRY_REQUEST,
                             .now_ms = file->now_ms,
                             .request = *request,
                             .plan = plan->ledger};
    uint8_t bytes[PG_ENTRY_MAX];
    size_t size = pg_entry_encode(&entry, texts, file->size, bytes);
    if (size == 0) {
        answer_without_ledger(reply, PG_ANSWER_BROKEN);
        pg_ledger_error_answer(texts, PG_FAKE_INVALID_REQUEST, &reply->answer);
        return false;
    }
    if (!append(file, bytes, size)) {
        answer_without_ledger(reply, PG_ANSWER_TIMEOUT);
        return false;
    }
    return true;
}

/* What is due changes what everybody sees from here on, so it is written down as well: an entry of
 * another writer, whose clock is behind, must not come before it. */
static bool advance(struct pg_file *file, int64_t now_ms)
{
    file->now_ms = now_ms > file->now_ms ? now_ms : file->now_ms;
    if (!file->read_only && pg_fake_next_due(file->fake) <= file->now_ms) {
        const struct pg_entry entry = {.kind = PG_ENTRY_ADVANCE, .now_ms = file->now_ms};
        uint8_t bytes[PG_ENTRY_MAX];
        size_t size = pg_entry_encode(&entry, file->scratch, file->size, bytes);
        if (!append(file, bytes, size)) {
            return false;
        }
    }
    pg_fake_advance(file->fake, file->now_ms);
    return true;
}

/* Takes the lock and stands where the file stands. False: it is down, and not locked. */
static bool enter(struct pg_file *file, int64_t now_ms)
{
    char message[PG_FILE_MESSAGE_SIZE];
    if (file->error != 0) {
        return false;
    }
    if (!lock(file)) {
        file->error = errno;
        return false;
    }
    errno = 0;
    enum pg_file_status status = catch_up(file, message);
    if (status != PG_FILE_OK) {
        file->error = status == PG_FILE_DAMAGED ? EBADMSG : errno != 0 ? errno : EFBIG;
    } else if (advance(file, now_ms)) {
        return true;
    }
    unlock(file);
    return false;
}

static void call_locked(struct pg_file *file, struct texts *texts,
                        const struct pg_ledger_request *request, const struct chooser *chooser,
                        struct pg_fake_reply *reply)
{
    struct pg_fake_plan plan;
    pg_fake_plan(file->fake, texts, request, file->now_ms, chooser, &plan);
    bool writes = pg_fake_plan_reaches_ledger(&plan) &&
                  pg_ledger_writes(pg_fake_ledger(file->fake), texts, request, file->now_ms);
    if (writes && !call_log(file, texts, request, &plan, reply)) {
        return;
    }
    pg_fake_act(file->fake, texts, request, &plan, file->now_ms, reply);
}

void pg_file_call(struct pg_file *file, struct texts *texts,
                  const struct pg_ledger_request *request, int64_t now_ms,
                  const struct chooser *chooser, struct pg_fake_reply *reply)
{
    bool is_up = !file->read_only && file->error == 0 &&
                 (file->in_group ? advance(file, now_ms) : enter(file, now_ms));
    if (!is_up) {
        answer_without_ledger(reply, PG_ANSWER_NOT_SENT);
        return;
    }
    call_locked(file, texts, request, chooser, reply);
    if (!file->in_group) {
        unlock(file);
    }
}

void pg_file_begin(struct pg_file *file, int64_t now_ms)
{
    invariant(!file->in_group);
    file->in_group = !file->read_only && enter(file, now_ms);
}

bool pg_file_end(struct pg_file *file)
{
    if (!file->in_group) {
        return file->error == 0;
    }
    file->in_group = false;
    if (file->error == 0 && write_pending(file) && fdatasync(file->fd) != 0) {
        (void)disk_failed(file);
    }
    unlock(file);
    return file->error == 0;
}

void pg_file_advance(struct pg_file *file, int64_t now_ms)
{
    if (file->read_only) {
        (void)advance(file, now_ms);
    } else if (enter(file, now_ms)) {
        unlock(file);
    }
}

bool pg_file_is_down(const struct pg_file *file)
{
    return file->error != 0;
}

int pg_file_errno(const struct pg_file *file)
{
    return file->error;
}

uint64_t pg_file_entries(const struct pg_file *file)
{
    return file->entries;
}

uint64_t pg_file_bytes_cut(const struct pg_file *file)
{
    return file->cut;
}

enum pg_file_status pg_file_dump(const struct pg_file *file, FILE *out)
{
    const struct pg_ledger *ledger = pg_fake_ledger_view(file->fake);
    for (uint32_t i = 0; i < pg_ledger_order_count(ledger); i++) {
        struct pg_ledger_order_view order;
        char id[UUID_TEXT_SIZE];
        pg_ledger_order_at(ledger, i, &order);
        uuid_format(&order.order_id, id);
        (void)fprintf(out, "%s\t%s\t%lld\t%lld\t%u\t%s\n", id,
                      order.status == PG_STATUS_OTHER ? "-" : order.pg_id,
                      (long long)order.totals.captured_krw, (long long)order.totals.refunded_krw,
                      order.totals.approvals, pg_ledger_status_name((enum pg_status)order.status));
    }
    return fflush(out) == 0 && !ferror(out) ? PG_FILE_OK : PG_FILE_IO;
}
