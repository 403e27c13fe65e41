#include "pg_file_internal.h"

#include "invariant.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum pg_file_status open_fd(struct pg_file *file, char message[PG_FILE_MESSAGE_SIZE])
{
    struct stat stat;
    int flags = file->read_only ? O_RDONLY : O_RDWR | O_CREAT | O_APPEND;
    file->fd = open(file->path, flags | O_CLOEXEC | O_NONBLOCK, 0600);
    if (file->fd < 0) {
        return pg_file_complain_errno(message, file->path, PG_FILE_NOT_OPENED, "can't be opened");
    }
    if (fstat(file->fd, &stat) != 0 || !S_ISREG(stat.st_mode)) {
        return pg_file_complain(message, file->path, PG_FILE_NOT_OPENED, "is not a regular file");
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

static bool disk_failed(struct pg_file *file)
{
    file->error = errno != 0 ? errno : EIO;
    return false;
}

static bool write_pending(struct pg_file *file)
{
    size_t len = file->pending_len;
    file->pending_len = 0;
    return pg_file_write(file->fd, file->pending, len) || disk_failed(file);
}

static bool sync_pending(struct pg_file *file)
{
    if (!file->is_unsynced) {
        return true;
    }
    file->is_unsynced = false;
    return write_pending(file) && (fdatasync(file->fd) == 0 || disk_failed(file));
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
    file->is_unsynced = true;
    if (!file->in_group && !sync_pending(file)) {
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
            return pg_file_complain(message, file->path, PG_FILE_TOO_BIG,
                                    "knows as many PG accounts as it can already");
        }
        size_t size = pg_entry_encode(&entry, file->scratch, file->size, bytes);
        if (!file->read_only && !append(file, bytes, size)) {
            errno = file->error;
            return pg_file_complain_errno(message, file->path, PG_FILE_IO, "can't be written");
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
        return pg_file_complain(message, options->path, PG_FILE_NOT_OPENED,
                                "no memory for the ledger");
    }
    enum pg_file_status status = open_fd(opened, message);
    if (status == PG_FILE_OK && !lock(opened)) {
        status = pg_file_complain_errno(message, options->path, PG_FILE_IO, "can't be locked");
    }
    if (status == PG_FILE_OK) {
        status = pg_file_catch_up(opened, message);
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
    enum pg_file_status status = pg_file_catch_up(file, message);
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
        return true; /* it was down, or read-only: nothing was done */
    }
    file->in_group = false;
    bool is_durable = file->error == 0 && sync_pending(file);
    unlock(file);
    return is_durable;
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
