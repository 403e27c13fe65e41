#include "pg_file_entry.h"

#include "invariant.h"

#include <string.h>
#include <xxhash.h>

#define TEXT_ABSENT UINT32_MAX

static const char magic[8] = {'F', 'B', 'X', 'P', 'G', 'L', 'O', 'G'};

static uint8_t *put(uint8_t *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        *at++ = (uint8_t)(value >> (8 * i));
    }
    return at;
}

static uint64_t get(const uint8_t *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

void pg_file_header_make(uint8_t header[PG_FILE_HEADER_SIZE])
{
    memcpy(header, magic, sizeof magic);
    (void)put(put(header + sizeof magic, PG_FILE_VERSION, 4), 0, 4);
}

/* NULL: the text is too long. */
static uint8_t *put_text(uint8_t *at, const struct texts *texts, text_id id)
{
    size_t len = 0;
    const char *bytes = texts_get(texts, id, &len);
    if (at == NULL || len > PG_FILE_TEXT_MAX) {
        return NULL;
    }
    at = put(at, id == TEXT_NONE ? TEXT_ABSENT : len, 4);
    if (len > 0) {
        memcpy(at, bytes, len);
    }
    return at + len;
}

static uint8_t *put_request(uint8_t *at, const struct pg_entry *entry, const struct texts *texts)
{
    const struct pg_ledger_request *request = &entry->request;
    const struct pg_ledger_plan *plan = &entry->plan;
    const int64_t numbers[] = {entry->now_ms,    request->amount_krw, request->refundable_krw,
                               plan->due_ms,     plan->amount_krw,    plan->outside_due_ms,
                               plan->outside_krw};
    at = put(at, request->op, 1);
    at = put(at, plan->code, 1);
    at = put(at, plan->flags, 1);
    at = put(at, request->account, 8);
    memcpy(at, request->order_id.bytes, sizeof request->order_id.bytes);
    at += sizeof request->order_id.bytes;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        at = put(at, (uint64_t)numbers[i], 8);
    }
    at = put_text(at, texts, request->key);
    at = put_text(at, texts, request->billing_key);
    at = put_text(at, texts, request->customer);
    return put_text(at, texts, request->pg_id);
}

size_t pg_entry_encode(const struct pg_entry *entry, const struct texts *texts, uint64_t offset,
                       uint8_t bytes[PG_ENTRY_MAX])
{
    uint8_t *payload = bytes + PG_ENTRY_PREFIX;
    uint8_t *end = put(payload, entry->kind, 1);
    if (entry->kind == PG_ENTRY_REQUEST) {
        end = put_request(end, entry, texts);
    } else {
        end =
            put(end, entry->kind == PG_ENTRY_ACCOUNT ? entry->account : (uint64_t)entry->now_ms, 8);
    }
    if (end == NULL) {
        return 0;
    }
    size_t len = (size_t)(end - payload);
    uint8_t *at = put(bytes, len, 4);
    at = put(at, ~(uint64_t)len, 4);
    (void)put(at, XXH3_64bits_withSeed(payload, len, offset), 8);
    return PG_ENTRY_PREFIX + len;
}

/* What is left of a payload; `wrong` once something did not fit. */
struct reader {
    const uint8_t *at;
    size_t left;
    bool wrong;
};

static uint64_t take(struct reader *reader, int bytes)
{
    if (reader->left < (size_t)bytes) {
        reader->wrong = true;
        return 0;
    }
    uint64_t value = get(reader->at, bytes);
    reader->at += bytes;
    reader->left -= (size_t)bytes;
    return value;
}

static text_id take_text(struct reader *reader, struct texts *texts)
{
    uint64_t len = take(reader, 4);
    if (reader->wrong || len == TEXT_ABSENT) {
        return TEXT_NONE;
    }
    if (len > PG_FILE_TEXT_MAX || len > reader->left) {
        reader->wrong = true;
        return TEXT_NONE;
    }
    text_id id = texts_intern(texts, reader->at, (size_t)len);
    reader->wrong = reader->wrong || id == TEXT_NONE;
    reader->at += len;
    reader->left -= (size_t)len;
    return id;
}

static void take_request(struct reader *reader, struct texts *texts, struct pg_entry *entry)
{
    struct pg_ledger_request *request = &entry->request;
    struct pg_ledger_plan *plan = &entry->plan;
    request->op = (uint8_t)take(reader, 1);
    plan->code = (uint8_t)take(reader, 1);
    plan->flags = (uint8_t)take(reader, 1);
    request->account = take(reader, 8);
    for (size_t i = 0; i < sizeof request->order_id.bytes; i++) {
        request->order_id.bytes[i] = (uint8_t)take(reader, 1);
    }
    entry->now_ms = (int64_t)take(reader, 8);
    request->amount_krw = (int64_t)take(reader, 8);
    request->refundable_krw = (int64_t)take(reader, 8);
    plan->due_ms = (int64_t)take(reader, 8);
    plan->amount_krw = (int64_t)take(reader, 8);
    plan->outside_due_ms = (int64_t)take(reader, 8);
    plan->outside_krw = (int64_t)take(reader, 8);
    request->key = take_text(reader, texts);
    request->billing_key = take_text(reader, texts);
    request->customer = take_text(reader, texts);
    request->pg_id = take_text(reader, texts);
}

/* What the ledger takes for granted of a request and its plan. */
static bool request_in_range(const struct pg_entry *entry)
{
    const struct pg_ledger_plan *plan = &entry->plan;
    bool charge = entry->request.op == PG_LEDGER_CHARGE;
    bool told = !(plan->flags & PG_PLAN_NOT_DONE) || plan->code != 0;
    return (charge || entry->request.op == PG_LEDGER_CANCEL) && told &&
           plan->code < PG_FAKE_CODE_COUNT && plan->amount_krw >= 0 &&
           plan->amount_krw <= PG_LEDGER_AMOUNT_MAX && plan->outside_krw >= 0 &&
           plan->outside_krw <= PG_LEDGER_AMOUNT_MAX && plan->due_ms >= 0;
}

static bool payload_read(const uint8_t *payload, size_t len, struct texts *texts,
                         struct pg_entry *entry)
{
    struct reader reader = {.at = payload, .left = len};
    memset(entry, 0, sizeof *entry);
    entry->kind = (uint8_t)take(&reader, 1);
    if (entry->kind == PG_ENTRY_ACCOUNT) {
        entry->account = take(&reader, 8);
        return !reader.wrong && reader.left == 0 && entry->account != 0;
    }
    if (entry->kind == PG_ENTRY_ADVANCE) {
        entry->now_ms = (int64_t)take(&reader, 8);
        return !reader.wrong && reader.left == 0;
    }
    if (entry->kind != PG_ENTRY_REQUEST) {
        return false;
    }
    take_request(&reader, texts, entry);
    return !reader.wrong && reader.left == 0 && request_in_range(entry);
}

/* A file system may lengthen a file before the bytes are there: zeros until the end. */
static bool is_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

enum pg_entry_read pg_entry_decode(const uint8_t *bytes, size_t len, uint64_t offset,
                                   struct texts *texts, struct pg_entry *entry, size_t *size)
{
    if (len < PG_ENTRY_PREFIX || is_zero(bytes, len)) {
        return PG_ENTRY_TORN;
    }
    uint32_t payload_len = (uint32_t)get(bytes, 4);
    if (payload_len != (uint32_t)~get(bytes + 4, 4) ||
        payload_len > PG_ENTRY_MAX - PG_ENTRY_PREFIX) {
        return PG_ENTRY_DAMAGED;
    }
    if (payload_len > len - PG_ENTRY_PREFIX) {
        return PG_ENTRY_TORN;
    }
    const uint8_t *payload = bytes + PG_ENTRY_PREFIX;
    bool last = payload_len == len - PG_ENTRY_PREFIX;
    if (XXH3_64bits_withSeed(payload, payload_len, offset) != get(bytes + 8, 8)) {
        return last ? PG_ENTRY_TORN : PG_ENTRY_DAMAGED;
    }
    (void)texts_init(texts, PG_ENTRY_TEXTS_ENTRIES, PG_ENTRY_TEXTS_BYTES);
    if (!payload_read(payload, payload_len, texts, entry)) {
        return PG_ENTRY_DAMAGED;
    }
    *size = PG_ENTRY_PREFIX + payload_len;
    return PG_ENTRY_READ;
}
