#include "store.h"
#include "unit_support.h"

#include <stdlib.h>
#include <string.h>

/* Names. */

static void every_status_is_found_by_its_name(void **state)
{
    (void)state;
    static const char *const names[] = {"ABSENT",    "REQUESTED", "PROCESSING",
                                        "COMPLETED", "FAILED",    "UNKNOWN"};
    for (int status = PAYMENT_ABSENT; status <= PAYMENT_UNKNOWN; status++) {
        assert_string_equal(payment_status_name((enum payment_status)status), names[status]);
        assert_int_equal(payment_status_parse(names[status]), status);
    }
    assert_int_equal(payment_status_parse("completed"), PAYMENT_ABSENT);
    assert_int_equal(payment_status_parse(""), PAYMENT_ABSENT);
    assert_int_equal(payment_status_parse(NULL), PAYMENT_ABSENT);
}

static void every_reason_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int reason = REASON_NONE; reason < REASON_COUNT; reason++) {
        const char *name = payment_reason_name((enum payment_reason)reason);
        assert_int_not_equal(strlen(name), 0);
        assert_int_equal(payment_reason_parse(name), reason);
    }
    assert_int_equal(payment_reason_parse("A_REASON_OF_A_LATER_VERSION"), REASON_NONE);
    assert_int_equal(payment_reason_parse(NULL), REASON_NONE);
}

static void leases_have_the_old_services_names(void **state)
{
    (void)state;
    assert_string_equal(lease_name_text(LEASE_RESCUE), "Payment_rescueZombies");
    assert_string_equal(lease_name_text(LEASE_CLEANUP), "Payment_cleanupOldEvents");
    assert_string_equal(lease_name_text(LEASE_MIGRATE), "Payment_migrate");
}

/* Limits of fields. Each case spoils one field of a unit that is good otherwise. */

static struct texts *texts;

static int make_texts(void **state)
{
    (void)state;
    texts = texts_init(malloc(texts_size(64, 1 << 22)), 64, 1 << 22);
    return 0;
}

static int free_texts(void **state)
{
    (void)state;
    free(texts);
    return 0;
}

static text_id text(const char *string)
{
    text_id id = texts_intern_string(texts, string);
    assert_int_not_equal(id, TEXT_NONE);
    return id;
}

/* `len` times the same character. */
static text_id text_of(size_t len)
{
    char *bytes = malloc(len);
    assert_non_null(bytes);
    memset(bytes, 'x', len);
    text_id id = texts_intern(texts, bytes, len);
    free(bytes);
    assert_int_not_equal(id, TEXT_NONE);
    return id;
}

static bool fits(const struct unit *unit)
{
    return store_unit_check(unit, texts);
}

static struct unit payment_unit(enum unit_kind kind)
{
    struct unit unit;
    memset(&unit, 0, sizeof(unit));
    unit.kind = (uint8_t)kind;
    struct unit_payment *payment = &unit.as.payment;
    payment->guard_status = PAYMENT_REQUESTED;
    payment->row.payment_id.bytes[0] = 1;
    payment->row.status = PAYMENT_PROCESSING;
    payment->row.amount_krw = 15200;
    payment->row.trip_id = text("trip");
    payment->row.user_id = text("user");
    payment->row.method_id = text("");
    payment->outcome.type = OUTCOME_COMPLETED;
    payment->outcome.record.event_id = payment->row.payment_id;
    payment->outcome.record.topic = text("payment_events");
    assert_true(fits(&unit));
    return unit;
}

/* Whether the unit is good with this text in that field; the field is put back. */
static bool fits_with(const struct unit *unit, text_id *field, text_id id)
{
    text_id before = *field;
    *field = id;
    bool result = fits(unit);
    *field = before;
    return result;
}

static void assert_id_field(const struct unit *unit, text_id *field)
{
    assert_true(fits_with(unit, field, text("a")));
    assert_true(fits_with(unit, field, text(" ~")));
    assert_true(fits_with(unit, field, text_of(STORE_ID_MAX)));
    assert_false(fits_with(unit, field, text_of(STORE_ID_MAX + 1)));
    assert_false(fits_with(unit, field, text("\xc3\xa1")));
    assert_false(fits_with(unit, field, text("a\tb")));
    assert_false(fits_with(unit, field, text("a\x1f")));
    assert_false(fits_with(unit, field, text("a\x7f")));
    assert_false(fits_with(unit, field, texts_intern(texts, "a\0b", 3)));
    assert_false(fits_with(unit, field, texts_intern(texts, "\0", 1)));
}

static void assert_at_most(const struct unit *unit, text_id *field, size_t len_max)
{
    assert_true(fits_with(unit, field, text_of(len_max)));
    assert_false(fits_with(unit, field, text_of(len_max + 1)));
    assert_true(fits_with(unit, field, text("\xc3\xa1\n")));
    assert_true(fits_with(unit, field, text("")));
}

static void ids_of_a_payment_are_printable_ascii_of_bounded_length(void **state)
{
    (void)state;
    static const enum unit_kind kinds[] = {UNIT_PAYMENT_OPEN, UNIT_PAYMENT_MOVE};
    for (size_t i = 0; i < 2; i++) {
        struct unit unit = payment_unit(kinds[i]);
        struct payment_row *row = &unit.as.payment.row;
        assert_id_field(&unit, &row->trip_id);
        assert_id_field(&unit, &row->user_id);
        assert_id_field(&unit, &row->method_id);
        assert_id_field(&unit, &row->pg_id);
        assert_id_field(&unit, &row->refund_pg_id);
    }
}

static void only_a_payment_method_may_be_empty_and_only_pg_ids_missing(void **state)
{
    (void)state;
    struct unit unit = payment_unit(UNIT_PAYMENT_OPEN);
    struct payment_row *row = &unit.as.payment.row;
    text_id *const fields[] = {&row->trip_id, &row->user_id, &row->method_id, &row->pg_id,
                               &row->refund_pg_id};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(fits_with(&unit, fields[i], text("")), fields[i] == &row->method_id);
        assert_int_equal(fits_with(&unit, fields[i], TEXT_NONE), i >= 3);
    }
}

static void other_texts_of_a_payment_are_at_most_their_maximum(void **state)
{
    (void)state;
    struct unit unit = payment_unit(UNIT_PAYMENT_MOVE);
    assert_at_most(&unit, &unit.as.payment.row.traceparent, STORE_TRACEPARENT_MAX);
    assert_at_most(&unit, &unit.as.payment.row.code, STORE_CODE_MAX);
}

static void numbers_of_a_payment_are_in_range(void **state)
{
    (void)state;
    struct unit unit = payment_unit(UNIT_PAYMENT_MOVE);
    unit.as.payment.row.amount_krw = -1;
    assert_false(fits(&unit));
    unit.as.payment.row.amount_krw = 0;
    assert_true(fits(&unit));
    unit.as.payment.row.payment_id.bytes[0] = 0;
    assert_false(fits(&unit));
    unit.as.payment.row.payment_id.bytes[0] = 1;
    assert_true(fits(&unit));
    struct unit_payment *payment = &unit.as.payment;
    const struct {
        uint8_t *field;
        uint8_t low;
        uint8_t high;
    } ranges[] = {
        {&payment->row.status, PAYMENT_REQUESTED, PAYMENT_UNKNOWN},
        {&payment->guard_status, PAYMENT_REQUESTED, PAYMENT_UNKNOWN},
        {&payment->row.refund_state, REFUND_NONE, REFUND_DONE},
        {&payment->row.reason, REASON_NONE, REASON_COUNT - 1},
        {&payment->row.needs_operator, 0, 1},
        {&payment->claimed_at, INSTANT_KEEP, INSTANT_CLEAR},
        {&payment->cancel_at, INSTANT_KEEP, INSTANT_CLEAR},
        {&payment->outcome.type, OUTCOME_NONE, OUTCOME_FAILED},
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        uint8_t before = *ranges[i].field;
        for (int value = 0; value <= UINT8_MAX; value++) {
            *ranges[i].field = (uint8_t)value;
            assert_int_equal(fits(&unit), value >= ranges[i].low && value <= ranges[i].high);
        }
        *ranges[i].field = before;
    }
}

static void an_insert_has_no_guard(void **state)
{
    (void)state;
    struct unit unit = payment_unit(UNIT_PAYMENT_OPEN);
    unit.as.payment.guard_status = PAYMENT_ABSENT;
    assert_true(fits(&unit));
}

static void the_record_of_an_outcome_is_checked_where_there_is_one(void **state)
{
    (void)state;
    struct unit unit = payment_unit(UNIT_PAYMENT_MOVE);
    struct unit_outcome *outcome = &unit.as.payment.outcome;
    assert_id_field(&unit, &outcome->record.topic);
    assert_false(fits_with(&unit, &outcome->record.topic, TEXT_NONE));
    outcome->record.has_key = 1;
    assert_false(fits(&unit));
    outcome->record.key = text("trip");
    outcome->record.has_body = 1;
    assert_false(fits(&unit));
    outcome->record.body = text("{}");
    assert_at_most(&unit, &outcome->record.key, STORE_ID_MAX);
    assert_at_most(&unit, &outcome->record.body, STORE_BODY_MAX);
    assert_at_most(&unit, &outcome->record.headers, STORE_HEADERS_MAX);
    outcome->lease_ms = -1;
    assert_false(fits(&unit));
    outcome->type = OUTCOME_NONE;
    assert_true(fits(&unit));
}

/* Law 5. Nothing but the two ids is compared, so each byte of them counts. */
static void an_outcome_has_its_payments_id_for_its_event_id(void **state)
{
    (void)state;
    static const enum unit_kind kinds[] = {UNIT_PAYMENT_OPEN, UNIT_PAYMENT_MOVE};
    for (size_t i = 0; i < 2; i++) {
        struct unit unit = payment_unit(kinds[i]);
        struct unit_payment *payment = &unit.as.payment;
        for (size_t byte = 0; byte < sizeof(payment->row.payment_id.bytes); byte++) {
            payment->outcome.record.event_id.bytes[byte] ^= 0x80;
            assert_false(fits(&unit));
            payment->row.payment_id.bytes[byte] ^= 0x80;
            assert_true(fits(&unit));
        }
        memset(&payment->outcome.record.event_id, 0, sizeof(payment->outcome.record.event_id));
        assert_false(fits(&unit));
        payment->outcome.type = OUTCOME_NONE;
        assert_true(fits(&unit)); /* there is no event */
    }
}

static void an_outbox_move_names_its_row_and_its_statuses(void **state)
{
    (void)state;
    struct unit unit;
    memset(&unit, 0, sizeof(unit));
    unit.kind = UNIT_OUTBOX_MOVE;
    unit.as.outbox.guard_status = OUTBOX_READY;
    unit.as.outbox.status = OUTBOX_DONE;
    assert_false(fits(&unit));
    unit.as.outbox.row_id = 1;
    assert_true(fits(&unit));
    unit.as.outbox.row_id = -1;
    assert_false(fits(&unit));
    unit.as.outbox.row_id = 0;
    unit.as.outbox.event_id.bytes[15] = 1;
    assert_true(fits(&unit));
    uint8_t *const statuses[] = {&unit.as.outbox.guard_status, &unit.as.outbox.status};
    for (size_t i = 0; i < 2; i++) {
        uint8_t before = *statuses[i];
        for (int value = 0; value <= UINT8_MAX; value++) {
            *statuses[i] = (uint8_t)value;
            assert_int_equal(fits(&unit), value >= OUTBOX_READY && value <= OUTBOX_DONE);
        }
        *statuses[i] = before;
    }
}

static void a_dead_letter_is_stored_pending_and_within_its_limits(void **state)
{
    (void)state;
    struct unit unit;
    memset(&unit, 0, sizeof(unit));
    unit.kind = UNIT_FAILED_EVENT_OPEN;
    struct failed_event_row *row = &unit.as.failed_event.row;
    row->topic = text("trip_events");
    row->status = FAILED_EVENT_PENDING;
    assert_true(fits(&unit)); /* a tombstone without key is a dead letter, too */
    assert_id_field(&unit, &row->topic);
    assert_false(fits_with(&unit, &row->topic, TEXT_NONE));
    assert_at_most(&unit, &row->key, STORE_KEY_MAX);
    assert_at_most(&unit, &row->body, STORE_BODY_MAX);
    assert_at_most(&unit, &row->headers, STORE_HEADERS_MAX);
    assert_at_most(&unit, &row->error, STORE_ERROR_MAX);
    row->has_key = 1;
    assert_false(fits(&unit));
    row->key = text("");
    assert_true(fits(&unit));
    row->has_body = 2;
    row->body = text("raw");
    assert_false(fits(&unit));
    row->has_body = 1;
    row->status = FAILED_EVENT_RESOLVED;
    assert_false(fits(&unit));
}

static void a_dead_letter_moves_by_its_row_to_an_end(void **state)
{
    (void)state;
    struct unit unit;
    memset(&unit, 0, sizeof(unit));
    unit.kind = UNIT_FAILED_EVENT_MOVE;
    struct failed_event_row *row = &unit.as.failed_event.row;
    for (int value = 0; value <= UINT8_MAX; value++) {
        row->status = (uint8_t)value;
        row->row_id = 1;
        assert_int_equal(fits(&unit),
                         value == FAILED_EVENT_RESOLVED || value == FAILED_EVENT_IGNORED);
        row->row_id = 0;
        assert_false(fits(&unit));
    }
}

static void a_lease_unit_has_a_known_name_an_operation_and_a_holder(void **state)
{
    (void)state;
    struct unit unit;
    memset(&unit, 0, sizeof(unit));
    unit.kind = UNIT_LEASE;
    unit.as.lease = (struct unit_lease){.name = LEASE_CLEANUP, .op = LEASE_TAKE, .lock_ms = 50000};
    assert_false(fits(&unit));
    unit.as.lease.holder = text("instance-1");
    assert_true(fits(&unit));
    assert_id_field(&unit, &unit.as.lease.holder);
    for (int value = 0; value <= UINT8_MAX; value++) {
        unit.as.lease.op = (uint8_t)value;
        assert_int_equal(fits(&unit), value >= LEASE_TAKE && value <= LEASE_RELEASE);
    }
    unit.as.lease.op = LEASE_RELEASE;
    unit.as.lease.name = LEASE_COUNT;
    assert_false(fits(&unit));
    unit.as.lease.name = LEASE_RESCUE;
    unit.as.lease.at_least_ms = -1;
    assert_false(fits(&unit));
    unit.as.lease.at_least_ms = 0;
    unit.as.lease.lock_ms = -1;
    assert_false(fits(&unit));
}

static void a_unit_of_no_known_kind_is_not_written(void **state)
{
    (void)state;
    struct unit unit = payment_unit(UNIT_PAYMENT_OPEN);
    unit.kind = 0;
    assert_false(fits(&unit));
    unit.kind = UNIT_LEASE + 1;
    assert_false(fits(&unit));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_is_found_by_its_name),
        cmocka_unit_test(every_reason_has_a_name_of_its_own),
        cmocka_unit_test(leases_have_the_old_services_names),
        cmocka_unit_test(ids_of_a_payment_are_printable_ascii_of_bounded_length),
        cmocka_unit_test(only_a_payment_method_may_be_empty_and_only_pg_ids_missing),
        cmocka_unit_test(other_texts_of_a_payment_are_at_most_their_maximum),
        cmocka_unit_test(numbers_of_a_payment_are_in_range),
        cmocka_unit_test(an_insert_has_no_guard),
        cmocka_unit_test(the_record_of_an_outcome_is_checked_where_there_is_one),
        cmocka_unit_test(an_outcome_has_its_payments_id_for_its_event_id),
        cmocka_unit_test(an_outbox_move_names_its_row_and_its_statuses),
        cmocka_unit_test(a_dead_letter_is_stored_pending_and_within_its_limits),
        cmocka_unit_test(a_dead_letter_moves_by_its_row_to_an_end),
        cmocka_unit_test(a_lease_unit_has_a_known_name_an_operation_and_a_holder),
        cmocka_unit_test(a_unit_of_no_known_kind_is_not_written),
    };
    return cmocka_run_group_tests(tests, make_texts, free_texts);
}
