#include "fakepg_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define SUM_DIGITS 16
#define BYTES_MAX  (INT64_C(1) << 30)

static const char header[] = "{\"farebox-fakepg\":1}";

struct fakepg_journal {
    int fd;
    uint64_t size;
};

/* The numbers and texts of an input, under the names that the file has for them. */
struct number_field {
    const char *name;
    int64_t *value;
};

struct text_field {
    const char *name;
    const char **value;
};

#define TEXTS   8
#define NUMBERS 8

static void texts_of(struct fakepg_input *input, struct text_field fields[TEXTS])
{
    const struct text_field all[TEXTS] = {
        {"url", &input->url},
        {"key", &input->idempotency_key},
        {"orderId", &input->order_id},
        {"orderName", &input->order_name},
        {"customerKey", &input->customer_key},
        {"billingKey", &input->billing_key},
        {"paymentKey", &input->payment_key},
        {"cancelReason", &input->cancel_reason},
    };
    memcpy(fields, all, sizeof all);
}

static void numbers_of(struct fakepg_input *input, struct number_field fields[NUMBERS])
{
    const struct number_field all[NUMBERS] = {
        {"at", &input->at_ms},
        {"amount", &input->amount_krw},
        {"refundable", &input->refundable_krw},
        {"taxFree", &input->tax_free_krw},
        {"planDue", &input->plan.due_ms},
        {"planAmount", &input->plan.amount_krw},
        {"planOutsideDue", &input->plan.outside_due_ms},
        {"planOutside", &input->plan.outside_krw},
    };
    memcpy(fields, all, sizeof all);
}

static json_t *input_to_json(const struct fakepg_input *asked)
{
    struct fakepg_input input = *asked;
    struct text_field texts[TEXTS];
    struct number_field numbers[NUMBERS];
    char account[SUM_DIGITS + 1];
    (void)snprintf(account, sizeof account, "%016" PRIx64, input.account);
    json_t *line = json_pack("{s:i,s:s,s:i,s:i,s:i,s:i}", "kind", input.kind, "account", account,
                             "code", input.code, "detail", input.detail, "planCode",
                             input.plan.code, "planFlags", input.plan.flags);
    texts_of(&input, texts);
    numbers_of(&input, numbers);
    for (int i = 0; i < TEXTS && line != NULL; i++) {
        (void)json_object_set_new(line, texts[i].name, json_string(*texts[i].value));
    }
    for (int i = 0; i < NUMBERS && line != NULL; i++) {
        (void)json_object_set_new(line, numbers[i].name, json_integer(*numbers[i].value));
    }
    return line;
}

static bool account_of(const json_t *line, uint64_t *account)
{
    const char *text = json_string_value(json_object_get(line, "account"));
    char *end = NULL;
    if (text == NULL || strlen(text) != SUM_DIGITS) {
        return false;
    }
    *account = strtoull(text, &end, 16);
    return *end == '\0' && *account != 0;
}

static bool small_of(const json_t *line, const char *name, int limit, uint8_t *value)
{
    const json_t *member = json_object_get(line, name);
    *value = (uint8_t)json_integer_value(member);
    return json_is_integer(member) && json_integer_value(member) >= 0 &&
           json_integer_value(member) < limit;
}

/* What the ledger takes for granted of a plan. */
static bool plan_ok(const struct pg_ledger_plan *plan)
{
    bool is_done = !(plan->flags & PG_PLAN_NOT_DONE);
    return (is_done ? !(plan->flags & PG_PLAN_FIRST) : plan->code != 0) && plan->amount_krw >= 0 &&
           plan->amount_krw <= PG_LEDGER_AMOUNT_MAX && plan->outside_krw >= 0 &&
           plan->outside_krw <= PG_LEDGER_AMOUNT_MAX && plan->due_ms >= 0;
}

/* The texts live as long as `line`. */
static bool input_from_json(const json_t *line, struct fakepg_input *input)
{
    struct text_field texts[TEXTS];
    struct number_field numbers[NUMBERS];
    *input = fakepg_input_empty(FAKEPG_KIND_CHARGE);
    bool ok = account_of(line, &input->account) &&
              small_of(line, "kind", FAKEPG_KIND_REMOVE + 1, &input->kind) && input->kind > 0 &&
              small_of(line, "code", PG_FAKE_CODE_COUNT, &input->code) &&
              small_of(line, "detail", 256, &input->detail) &&
              small_of(line, "planCode", PG_FAKE_CODE_COUNT, &input->plan.code) &&
              small_of(line, "planFlags", 256, &input->plan.flags);
    texts_of(input, texts);
    numbers_of(input, numbers);
    for (int i = 0; i < TEXTS && ok; i++) {
        *texts[i].value = json_string_value(json_object_get(line, texts[i].name));
        ok = *texts[i].value != NULL;
    }
    for (int i = 0; i < NUMBERS && ok; i++) {
        const json_t *member = json_object_get(line, numbers[i].name);
        *numbers[i].value = json_integer_value(member);
        ok = json_is_integer(member);
    }
    return ok && plan_ok(&input->plan);
}

static bool read_line(const struct fakepg_journal_reader *reader, const json_t *line)
{
    struct fakepg_input input;
    uint64_t account;
    if (json_object_get(line, "farebox-fakepg") != NULL) {
        return json_integer_value(json_object_get(line, "farebox-fakepg")) == 1;
    }
    if (json_object_get(line, "merchant") != NULL) {
        return account_of(line, &account) && reader->merchant(reader->ctx, account);
    }
    return input_from_json(line, &input) && reader->input(reader->ctx, &input);
}

static uint64_t sum_of(const char *bytes, size_t len, uint64_t offset)
{
    return XXH3_64bits_withSeed(bytes, len, offset);
}

/* Reads one line without its end; false: damaged. */
static bool take_line(const struct fakepg_journal_reader *reader, const char *line, size_t len,
                      uint64_t offset)
{
    char sum[SUM_DIGITS + 1];
    if (len <= SUM_DIGITS) {
        return false;
    }
    (void)snprintf(sum, sizeof sum, "%016" PRIx64,
                   sum_of(line + SUM_DIGITS, len - SUM_DIGITS, offset));
    if (memcmp(sum, line, SUM_DIGITS) != 0) {
        return false;
    }
    json_t *json = json_loadb(line + SUM_DIGITS, len - SUM_DIGITS, 0, NULL);
    bool ok = json != NULL && read_line(reader, json);
    json_decref(json);
    return ok;
}

static bool write_all(int fd, const char *bytes, size_t len)
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

/* Appends one line. False: too long, or the disk failed. */
static bool append(struct fakepg_journal *journal, const char *json)
{
    char line[FAKEPG_JOURNAL_LINE_MAX];
    int len = snprintf(line, sizeof line, "%016" PRIx64 "%s\n",
                       sum_of(json, strlen(json), journal->size), json);
    if (len < 0 || (size_t)len >= sizeof line || journal->size + (uint64_t)len > BYTES_MAX) {
        return false;
    }
    if (!write_all(journal->fd, line, (size_t)len) || fdatasync(journal->fd) != 0) {
        return false;
    }
    journal->size += (uint64_t)len;
    return true;
}

static bool append_json(struct fakepg_journal *journal, json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    bool done = text != NULL && append(journal, text);
    free(text);
    json_decref(json);
    return done;
}

bool fakepg_journal_merchant(struct fakepg_journal *journal, uint64_t account)
{
    char text[SUM_DIGITS + 1];
    (void)snprintf(text, sizeof text, "%016" PRIx64, account);
    return append_json(journal, json_pack("{s:b,s:s}", "merchant", 1, "account", text));
}

bool fakepg_journal_input(struct fakepg_journal *journal, const struct fakepg_input *input)
{
    return append_json(journal, input_to_json(input));
}

bool fakepg_journal_empty(struct fakepg_journal *journal)
{
    if (ftruncate(journal->fd, 0) != 0) {
        return false;
    }
    journal->size = 0;
    return append(journal, header);
}

/* Reads all whole lines. False: `what` says why not. */
static bool replay(struct fakepg_journal *journal, const char *bytes, uint64_t size,
                   const struct fakepg_journal_reader *reader, char *what, size_t what_size)
{
    uint64_t at = 0;
    while (at < size) {
        const char *end = memchr(bytes + at, '\n', (size_t)(size - at));
        uint64_t next = end != NULL ? (uint64_t)(end - bytes) + 1 : size;
        if (end == NULL) {
            break; /* not written whole */
        }
        if (!take_line(reader, bytes + at, (size_t)(next - at - 1), at)) {
            (void)snprintf(what, what_size,
                           "byte %llu and what follows is not what was written, or more than the "
                           "limits of this start allow",
                           (unsigned long long)at);
            return false;
        }
        at = next;
    }
    journal->size = at;
    return at == size || (ftruncate(journal->fd, (off_t)at) == 0 && fsync(journal->fd) == 0);
}

static bool load(struct fakepg_journal *journal, const struct fakepg_journal_reader *reader,
                 char *what, size_t what_size)
{
    struct stat stat;
    if (fstat(journal->fd, &stat) != 0 || !S_ISREG(stat.st_mode) || stat.st_size > BYTES_MAX) {
        (void)snprintf(what, what_size, "it is not a file of at most 1 GiB");
        return false;
    }
    char *bytes = malloc((size_t)stat.st_size + 1);
    bool ok = bytes != NULL &&
              pread(journal->fd, bytes, (size_t)stat.st_size, 0) == (ssize_t)stat.st_size;
    if (!ok) {
        (void)snprintf(what, what_size, "it can't be read");
    }
    ok = ok && replay(journal, bytes, (uint64_t)stat.st_size, reader, what, what_size);
    free(bytes);
    if (ok && journal->size == 0 && !append(journal, header)) {
        (void)snprintf(what, what_size, "it can't be written: %s", strerror(errno));
        return false;
    }
    return ok;
}

struct fakepg_journal *fakepg_journal_open(const char *path,
                                           const struct fakepg_journal_reader *reader,
                                           char *message, size_t size)
{
    char what[200] = "memory ran out";
    struct fakepg_journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL) {
        goto out;
    }
    journal->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0600);
    if (journal->fd < 0) {
        (void)snprintf(what, sizeof what, "it can't be opened: %s", strerror(errno));
        goto out;
    }
    if (flock(journal->fd, LOCK_EX | LOCK_NB) != 0) {
        (void)snprintf(what, sizeof what, "another process has it open");
        goto out;
    }
    if (load(journal, reader, what, sizeof what)) {
        return journal;
    }
out:
    (void)snprintf(message, size, "state file '%s': %s", path, what);
    fakepg_journal_close(journal);
    return NULL;
}

void fakepg_journal_close(struct fakepg_journal *journal)
{
    if (journal != NULL && journal->fd >= 0) {
        (void)close(journal->fd);
    }
    free(journal);
}
