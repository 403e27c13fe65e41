/* Random units for the oracle test. */
#include "store_oracle.h"

#include "model_internal.h"
#include "store_suite.h"

#include <stdio.h>
#include <string.h>

#define OUTCOME_PERCENT        80u
#define SECOND_OUTCOME_PERCENT 5u
/* Event ids of retries count from here; the payments' ids are below. */
#define RETRY_EVENTS (UINT64_C(1) << 41)

/* SplitMix64. */
uint32_t oracle_draw(struct oracle *oracle, uint32_t bound)
{
    uint64_t value = (oracle->random += UINT64_C(0x9e3779b97f4a7c15));
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((value ^ (value >> 31)) >> 33) % bound;
}

bool oracle_chance(struct oracle *oracle, uint32_t percent)
{
    return oracle_draw(oracle, 100) < percent;
}

text_id oracle_text(struct oracle *oracle, const char *format, uint32_t number)
{
    char text[100];
    int len = snprintf(text, sizeof(text), format, number);
    text_id id = texts_intern(oracle->texts, text, (size_t)len);
    assert_int_not_equal(id, TEXT_NONE);
    return id;
}

text_id oracle_trip(struct oracle *oracle, uint32_t trip)
{
    return oracle_text(oracle, trip % 2 == 0 ? "trip-%u" : "Trip-%u ", trip / 2);
}

static text_id text_or_none(struct oracle *oracle, const char *format)
{
    return oracle_chance(oracle, 50) ? TEXT_NONE
                                     : oracle_text(oracle, format, oracle_draw(oracle, 50));
}

/* Bytes of a record: perhaps none, perhaps not UTF-8, of some lengths. */
static text_id record_bytes(struct oracle *oracle)
{
    char bytes[3000];
    uint32_t number = oracle_draw(oracle, 60);
    size_t len = number < 50 ? number : number * 50;
    memset(bytes, (int)(number * 37 % 256), len);
    text_id id = texts_intern(oracle->texts, bytes, len);
    assert_int_not_equal(id, TEXT_NONE);
    return id;
}

static int64_t delay(struct oracle *oracle)
{
    switch (oracle_draw(oracle, 10)) {
    case 0:
        return DUE_NEVER;
    case 1:
        return -(int64_t)oracle_draw(oracle, 1000);
    case 2:
        return DUE_NEVER - 1 - oracle_draw(oracle, 2);
    default:
        return oracle_draw(oracle, 20000);
    }
}

static struct token new_token(struct oracle *oracle)
{
    return (struct token){UINT64_C(0xFEDCBA9876543210), ++oracle->sequence};
}

static void image_fill(struct oracle *oracle, uint32_t trip, struct payment_row *row)
{
    *row = (struct payment_row){.payment_id = suite_uuid(trip + 1),
                                .pg_account = oracle_draw(oracle, 3) * UINT64_C(0x7000000000000001),
                                .due_in_ms = delay(oracle),
                                .amount_krw = (int32_t)oracle_draw(oracle, 1u << 31),
                                .trip_id = oracle_trip(oracle, trip),
                                .user_id = oracle_text(oracle, "user-%u", oracle_draw(oracle, 99)),
                                .method_id = oracle_text(oracle, "m%u", oracle_draw(oracle, 5)),
                                .pg_id = text_or_none(oracle, "pg-%u"),
                                .refund_pg_id = text_or_none(oracle, "pg-%u"),
                                .traceparent = text_or_none(oracle, "00-%032u-1"),
                                .code = text_or_none(oracle, "CODE_%u"),
                                .cancel_no = (uint16_t)oracle_draw(oracle, 1 << 16),
                                .attempts = (uint16_t)oracle_draw(oracle, 1 << 16),
                                .status = (uint8_t)(1 + oracle_draw(oracle, 5)),
                                .refund_state = (uint8_t)oracle_draw(oracle, 3),
                                .absent_count = (uint8_t)oracle_draw(oracle, 256),
                                .recheck_no = (uint8_t)oracle_draw(oracle, 256),
                                .needs_operator = (uint8_t)oracle_draw(oracle, 2),
                                .reason = (uint8_t)oracle_draw(oracle, REASON_COUNT)};
}

/* A second outcome is tried now and then. Too often, and no batch would be written without being
 * split. */
static bool wants_outcome(struct oracle *oracle, const struct uuid *payment_id)
{
    bool second = model_outbox_has_event(&oracle->model, payment_id);
    return oracle_chance(oracle, second ? SECOND_OUTCOME_PERCENT : OUTCOME_PERCENT);
}

/* The image has its payment id already, which is the event's. */
static void outcome_fill(struct oracle *oracle, uint32_t trip, const struct uuid *payment_id,
                         struct unit_outcome *outcome)
{
    if (!wants_outcome(oracle, payment_id)) {
        return;
    }
    outcome->type = (uint8_t)(1 + oracle_draw(oracle, 2));
    outcome->lease_ms = (int32_t)oracle_draw(oracle, 30000);
    outcome->record = (struct outbox_row){
        .event_id = *payment_id,
        .record_at_ms = oracle_draw(oracle, 2) * oracle->now_ms,
        .has_key = (uint8_t)oracle_draw(oracle, 2),
        .has_body = (uint8_t)oracle_draw(oracle, 2),
        .topic = oracle_text(oracle, "topic-%u", oracle_draw(oracle, 3)),
        .key = oracle_trip(oracle, trip),
        .body = record_bytes(oracle),
        .headers = oracle_chance(oracle, 50) ? TEXT_NONE : record_bytes(oracle)};
}

static void payment_fill(struct oracle *oracle, struct unit *unit)
{
    uint32_t trip = oracle_draw(oracle, oracle->trips);
    struct unit_payment *payment = &unit->as.payment;
    image_fill(oracle, trip, &payment->row);
    payment->claimed_at = (uint8_t)oracle_draw(oracle, 3);
    payment->cancel_at = (uint8_t)oracle_draw(oracle, 3);
    size_t len;
    const char *trip_id = texts_get(oracle->texts, payment->row.trip_id, &len);
    struct payment_view view = {.row = {.status = PAYMENT_REQUESTED}};
    struct store *model = &oracle->model.base;
    enum store_status found = model->ops->read_payment(model, trip_id, len, oracle->texts, &view);
    unit->kind =
        found == STORE_OK && oracle_chance(oracle, 85) ? UNIT_PAYMENT_MOVE : UNIT_PAYMENT_OPEN;
    payment->guard_status = view.row.status;
    payment->guard_epoch = view.row.epoch;
    if (oracle_chance(oracle, 25)) {
        payment->guard_epoch -= oracle_draw(oracle, 3); /* stale, or never */
        payment->guard_status = (uint8_t)(1 + oracle_draw(oracle, 5));
    }
    if (oracle_chance(oracle, 2)) {
        payment->row.payment_id = suite_uuid(oracle_draw(oracle, oracle->trips + 2));
    }
    outcome_fill(oracle, trip, &payment->row.payment_id, &payment->outcome);
}

/* What the port finds by its event id; any other row is found by its row id only. */
static bool is_outcome(const struct outbox_row *row)
{
    struct uuid retries = suite_uuid(RETRY_EVENTS);
    return !uuid_is_nil(&row->event_id) && uuid_order(&row->event_id, &retries) < 0;
}

static void outbox_fill(struct oracle *oracle, struct unit *unit)
{
    unit->kind = UNIT_OUTBOX_MOVE;
    uint32_t places = model_store_outbox_places(&oracle->model);
    struct outbox_row row = {.row_id = 1, .status = OUTBOX_READY};
    if (places > 0) {
        (void)!model_store_outbox_at(&oracle->model, oracle_draw(oracle, places), &row);
    }
    bool by_row = !is_outcome(&row) || oracle_chance(oracle, 50);
    unit->as.outbox = (struct unit_outbox){.row_id = by_row ? row.row_id : 0,
                                           .event_id = row.event_id,
                                           .guard_epoch = row.epoch,
                                           .guard_status = row.status,
                                           .status = (uint8_t)(1 + oracle_draw(oracle, 3)),
                                           .attempts = (uint16_t)oracle_draw(oracle, 1 << 16),
                                           .due_in_ms = delay(oracle)};
    if (oracle_chance(oracle, 20)) {
        unit->as.outbox.guard_epoch -= oracle_draw(oracle, 2);
        unit->as.outbox.guard_status = (uint8_t)(1 + oracle_draw(oracle, 3));
    }
}

static void dead_letter_fill(struct oracle *oracle, struct unit *unit)
{
    unit->kind = UNIT_FAILED_EVENT_OPEN;
    unit->as.failed_event.row = (struct failed_event_row){
        .origin_offset = oracle_draw(oracle, ORACLE_OFFSETS),
        .origin_at_ms = 1 + oracle_draw(oracle, 2),
        .origin_partition = (int32_t)oracle_draw(oracle, 2),
        .status = FAILED_EVENT_PENDING,
        .has_key = (uint8_t)oracle_draw(oracle, 2),
        .has_body = (uint8_t)oracle_draw(oracle, 2),
        .topic = oracle_text(oracle, "topic-%u", oracle_draw(oracle, 3)),
        .key = record_bytes(oracle),
        .body = record_bytes(oracle),
        .headers = oracle_chance(oracle, 50) ? TEXT_NONE : record_bytes(oracle),
        .error = text_or_none(oracle, "error %u \xEA\xB0\x80")};
}

static void dead_letter_move_fill(struct oracle *oracle, struct unit *unit)
{
    unit->kind = UNIT_FAILED_EVENT_MOVE;
    uint32_t count = model_store_failed_event_count(&oracle->model);
    struct unit_failed_event *event = &unit->as.failed_event;
    event->row.row_id = 1 + oracle_draw(oracle, count + 2);
    event->row.status =
        (uint8_t)(oracle_chance(oracle, 60) ? FAILED_EVENT_RESOLVED : FAILED_EVENT_IGNORED);
    event->guard_epoch = oracle_chance(oracle, 90) ? 1 : oracle_draw(oracle, 3);
    event->event_id = suite_uuid(RETRY_EVENTS + oracle->sequence);
}

static void lease_fill(struct oracle *oracle, struct unit *unit)
{
    unit->kind = UNIT_LEASE;
    unit->as.lease =
        (struct unit_lease){.name = (uint8_t)oracle_draw(oracle, LEASE_COUNT),
                            .op = (uint8_t)(1 + oracle_draw(oracle, 3)),
                            .lock_ms = (int32_t)oracle_draw(oracle, 3000),
                            .at_least_ms = (int32_t)oracle_draw(oracle, 3000),
                            .holder = oracle_text(oracle, "holder-%u", oracle_draw(oracle, 3))};
}

/* Something that no store may write. */
static void spoil(struct oracle *oracle, struct unit *unit)
{
    struct payment_row *row = &unit->as.payment.row;
    switch (oracle_draw(oracle, 5)) {
    case 0:
        unit->kind = 77;
        return;
    case 1:
        row->status = PAYMENT_UNKNOWN + 1;
        return;
    case 2:
        row->trip_id = oracle_text(oracle, "\xC3\xA1%u", 1);
        return;
    case 3: /* where there is an outcome */
        unit->as.payment.outcome.record.event_id = suite_uuid(RETRY_EVENTS + oracle->sequence);
        return;
    default:
        memset(&row->payment_id, 0, sizeof(row->payment_id));
    }
}

void oracle_unit(struct oracle *oracle, struct unit *unit)
{
    if (oracle->recent_count > 0 && oracle_chance(oracle, 10)) {
        uint32_t kept = oracle->recent_count < ORACLE_RECENT ? oracle->recent_count : ORACLE_RECENT;
        *unit = oracle->recent[oracle_draw(oracle, kept)];
        return;
    }
    memset(unit, 0, sizeof(*unit));
    unit->token = new_token(oracle);
    uint32_t kind = oracle_draw(oracle, 100);
    if (kind < 65) {
        payment_fill(oracle, unit);
        if (oracle_chance(oracle, 2)) {
            spoil(oracle, unit);
        }
    } else if (kind < 82) {
        outbox_fill(oracle, unit);
    } else if (kind < 90) {
        dead_letter_fill(oracle, unit);
    } else if (kind < 97) {
        dead_letter_move_fill(oracle, unit);
    } else {
        lease_fill(oracle, unit);
    }
    oracle->recent[oracle->recent_count++ % ORACLE_RECENT] = *unit;
}
