#include "store_suite.h"

#include <stdlib.h>
#include <string.h>

#define TEXTS_ENTRIES 8192
#define TEXTS_BYTES   (12u << 20)
/* 2026-10-01 00:00 UTC */
#define NOW_MS INT64_C(1790812800000)
/* Longer than any delay of the suite. */
#define FAR_MS INT64_C(100000000000)

static const struct store_factory *factory_in_use;

void store_fixture_use(const struct store_factory *factory)
{
    factory_in_use = factory;
}

int64_t store_fixture_now(void *fixture)
{
    return ((struct store_fixture *)fixture)->now_ms;
}

int store_fixture_setup(void **state)
{
    struct store_fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->factory = factory_in_use;
    fixture->now_ms = NOW_MS;
    void *block = malloc(texts_size(TEXTS_ENTRIES, TEXTS_BYTES));
    assert_non_null(block);
    fixture->texts = texts_init(block, TEXTS_ENTRIES, TEXTS_BYTES);
    fixture->data = fixture->factory->data_open(fixture);
    assert_non_null(fixture->data);
    fixture->store = fixture->factory->connect(fixture->data, fixture, fixture->texts);
    assert_non_null(fixture->store);
    *state = fixture;
    return 0;
}

int store_fixture_teardown(void **state)
{
    struct store_fixture *fixture = *state;
    if (fixture->store != NULL) {
        fixture->store->ops->close(fixture->store);
    }
    fixture->factory->data_close(fixture->data);
    free(fixture->texts);
    free(fixture);
    return 0;
}

int store_suite_run(const struct store_factory *factory)
{
    store_fixture_use(factory);
    return store_suite_payments() + store_suite_scans() + store_suite_outbox() +
           store_suite_failed_events() + store_suite_leases() + store_suite_batches() +
           store_suite_limits() + store_suite_races();
}

text_id suite_bytes(struct store_fixture *fixture, const void *bytes, size_t len)
{
    text_id id = texts_intern(fixture->texts, bytes, len);
    assert_int_not_equal(id, TEXT_NONE);
    return id;
}

text_id suite_text(struct store_fixture *fixture, const char *string)
{
    return suite_bytes(fixture, string, strlen(string));
}

struct uuid suite_uuid(uint64_t number)
{
    struct uuid id = {.bytes = {0xFA, 0x4E}};
    for (int i = 0; i < 8; i++) {
        id.bytes[15 - i] = (uint8_t)(number >> (8 * i));
    }
    return id;
}

struct token suite_token(struct store_fixture *fixture)
{
    return (struct token){UINT64_C(0xF00DFACE12345678), ++fixture->sequence};
}

struct payment_row suite_image(struct store_fixture *fixture, const char *trip_id, uint64_t number)
{
    return (struct payment_row){.payment_id = suite_uuid(number),
                                .pg_account = UINT64_C(0xACC0000000000001),
                                .due_in_ms = 600000,
                                .amount_krw = 15200,
                                .trip_id = suite_text(fixture, trip_id),
                                .user_id = suite_text(fixture, "user-1"),
                                .method_id = suite_text(fixture, "method-1"),
                                .status = PAYMENT_PROCESSING};
}

struct unit suite_open(struct store_fixture *fixture, const struct payment_row *image)
{
    struct unit unit = {.token = suite_token(fixture), .kind = UNIT_PAYMENT_OPEN};
    unit.as.payment.row = *image;
    unit.as.payment.claimed_at = INSTANT_NOW;
    return unit;
}

struct unit suite_move(struct store_fixture *fixture, const struct payment_row *image,
                       enum payment_status guard_status, uint32_t guard_epoch)
{
    struct unit unit = {.token = suite_token(fixture), .kind = UNIT_PAYMENT_MOVE};
    unit.as.payment.row = *image;
    unit.as.payment.guard_status = (uint8_t)guard_status;
    unit.as.payment.guard_epoch = guard_epoch;
    return unit;
}

void suite_outcome(struct store_fixture *fixture, struct unit *unit, enum outcome_type type)
{
    struct unit_outcome *outcome = &unit->as.payment.outcome;
    outcome->type = (uint8_t)type;
    outcome->lease_ms = 30000;
    outcome->record = (struct outbox_row){.event_id = unit->as.payment.row.payment_id,
                                          .has_key = 1,
                                          .has_body = 1,
                                          .topic = suite_text(fixture, "payment_events"),
                                          .key = unit->as.payment.row.trip_id,
                                          .body = suite_text(fixture, "{\"tripId\":\"t\"}"),
                                          .headers = suite_text(fixture, "headers")};
}

struct unit suite_outbox_move(struct store_fixture *fixture, uint64_t payment_number,
                              enum outbox_status guard_status, uint32_t guard_epoch,
                              enum outbox_status status, int64_t due_in_ms)
{
    struct unit unit = {.token = suite_token(fixture), .kind = UNIT_OUTBOX_MOVE};
    unit.as.outbox = (struct unit_outbox){.event_id = suite_uuid(payment_number),
                                          .guard_epoch = guard_epoch,
                                          .guard_status = (uint8_t)guard_status,
                                          .status = (uint8_t)status,
                                          .due_in_ms = due_in_ms};
    return unit;
}

struct unit suite_dead_letter(struct store_fixture *fixture, int64_t offset)
{
    struct unit unit = {.token = suite_token(fixture), .kind = UNIT_FAILED_EVENT_OPEN};
    unit.as.failed_event.row =
        (struct failed_event_row){.origin_offset = offset,
                                  .origin_at_ms = NOW_MS - 5000,
                                  .status = FAILED_EVENT_PENDING,
                                  .has_key = 1,
                                  .has_body = 1,
                                  .topic = suite_text(fixture, "trip_events"),
                                  .key = suite_text(fixture, "trip-key"),
                                  .body = suite_text(fixture, "{broken"),
                                  .headers = suite_text(fixture, "letter headers"),
                                  .error = suite_text(fixture, "malformed: \xEA\xB0\x80")};
    return unit;
}

struct unit suite_dead_letter_move(struct store_fixture *fixture, int64_t row_id,
                                   uint32_t guard_epoch, enum failed_event_status status,
                                   uint64_t event_number)
{
    struct unit unit = {.token = suite_token(fixture), .kind = UNIT_FAILED_EVENT_MOVE};
    unit.as.failed_event.row.row_id = row_id;
    unit.as.failed_event.row.status = (uint8_t)status;
    unit.as.failed_event.guard_epoch = guard_epoch;
    unit.as.failed_event.event_id = suite_uuid(event_number);
    return unit;
}

struct unit suite_lease(struct store_fixture *fixture, const char *holder, enum lease_op op,
                        int32_t lock_ms, int32_t at_least_ms)
{
    struct unit unit = {.token = suite_token(fixture), .kind = UNIT_LEASE};
    unit.as.lease = (struct unit_lease){.name = LEASE_RESCUE,
                                        .op = (uint8_t)op,
                                        .lock_ms = lock_ms,
                                        .at_least_ms = at_least_ms,
                                        .holder = suite_text(fixture, holder)};
    return unit;
}

void suite_submit(struct store_fixture *fixture, const struct unit *units, uint32_t count,
                  struct unit_result *results)
{
    struct store_batch batch = {units, results, count, fixture->texts};
    assert_int_equal(fixture->store->ops->submit(fixture->store, &batch), BATCH_COMMITTED);
}

struct unit_result suite_submit_one(struct store_fixture *fixture, const struct unit *unit)
{
    struct unit_result result;
    memset(&result, 0xA5, sizeof(result)); /* what the store leaves out shows */
    suite_submit(fixture, unit, 1, &result);
    return result;
}

void suite_expect(struct store_fixture *fixture, const struct unit *unit, enum unit_verdict verdict)
{
    struct unit_result result = suite_submit_one(fixture, unit);
    assert_int_equal(result.verdict, verdict);
    bool payment = unit->kind == UNIT_PAYMENT_OPEN || unit->kind == UNIT_PAYMENT_MOVE;
    if (!payment || verdict == UNIT_APPLIED || verdict == UNIT_ERROR) {
        assert_int_equal(result.has_row, 0);
    }
}

struct payment_view suite_read(struct store_fixture *fixture, const char *trip_id)
{
    struct payment_view view = {0};
    assert_int_equal(fixture->store->ops->read_payment(fixture->store, trip_id, strlen(trip_id),
                                                       fixture->texts, &view),
                     STORE_OK);
    return view;
}

bool suite_trip_exists(struct store_fixture *fixture, const char *trip_id)
{
    struct payment_view view;
    enum store_status status = fixture->store->ops->read_payment(
        fixture->store, trip_id, strlen(trip_id), fixture->texts, &view);
    assert_int_not_equal(status, STORE_UNAVAILABLE);
    return status == STORE_OK;
}

uint32_t suite_scan(struct store_fixture *fixture, enum scan_kind kind, uint32_t limit,
                    union store_row *rows)
{
    struct store_scan scan = {.kind = (uint8_t)kind, .limit = limit};
    struct store_page page = {.rows = rows, .count = UINT32_MAX, .texts = fixture->texts};
    assert_int_equal(fixture->store->ops->scan(fixture->store, &scan, &page), STORE_OK);
    assert_true(page.count <= limit);
    return page.count;
}

uint32_t suite_outbox_all(struct store_fixture *fixture, union store_row *rows)
{
    fixture->now_ms += FAR_MS;
    uint32_t count = suite_scan(fixture, SCAN_OUTBOX_DUE, STORE_PAGE_MAX, rows);
    fixture->now_ms -= FAR_MS;
    return count;
}

void suite_assert_row(const struct payment_row *row, const struct payment_row *image,
                      uint32_t epoch, struct token token)
{
    assert_true(uuid_equal(&row->payment_id, &image->payment_id));
    assert_true(token_equal(row->token, token));
    assert_int_equal(row->epoch, epoch);
    assert_true(row->pg_account == image->pg_account);
    assert_true(row->due_in_ms == image->due_in_ms);
    assert_int_equal(row->amount_krw, image->amount_krw);
    assert_int_equal(row->trip_id, image->trip_id);
    assert_int_equal(row->user_id, image->user_id);
    assert_int_equal(row->method_id, image->method_id);
    assert_int_equal(row->pg_id, image->pg_id);
    assert_int_equal(row->refund_pg_id, image->refund_pg_id);
    assert_int_equal(row->traceparent, image->traceparent);
    assert_int_equal(row->code, image->code);
    assert_int_equal(row->cancel_no, image->cancel_no);
    assert_int_equal(row->attempts, image->attempts);
    assert_int_equal(row->status, image->status);
    assert_int_equal(row->refund_state, image->refund_state);
    assert_int_equal(row->absent_count, image->absent_count);
    assert_int_equal(row->recheck_no, image->recheck_no);
    assert_int_equal(row->needs_operator, image->needs_operator);
    assert_int_equal(row->reason, image->reason);
}
