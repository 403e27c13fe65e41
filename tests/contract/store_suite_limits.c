/* Limits of fields: a unit beyond one is an error, at the limit it is written. */
#include "store_suite.h"

#include <stdlib.h>
#include <string.h>

/* A text of `len` letters. */
static text_id letters(struct store_fixture *f, size_t len)
{
    char *bytes = malloc(len + 1);
    assert_non_null(bytes);
    memset(bytes, 'x', len);
    text_id id = suite_bytes(f, bytes, len);
    free(bytes);
    return id;
}

/* Writes a text with the limit's length, and one that is longer by one, into one field. */
static void try_text(struct store_fixture *f, struct unit *unit, text_id *field, size_t len_max)
{
    text_id before = *field;
    *field = letters(f, len_max + 1);
    suite_expect(f, unit, UNIT_ERROR);
    *field = letters(f, len_max);
    suite_expect(f, unit, UNIT_APPLIED);
    *field = before;
}

static void new_payment(struct store_fixture *f, struct unit *unit, uint64_t number)
{
    char trip_id[] = {'t', (char)('a' + (int)number), '\0'};
    struct payment_row image = suite_image(f, trip_id, number);
    image.status = PAYMENT_FAILED;
    *unit = suite_open(f, &image);
    suite_outcome(f, unit, OUTCOME_FAILED);
}

static void payment_texts_have_their_limits(void **state)
{
    struct store_fixture *f = *state;
    struct unit unit;
    struct payment_row *row = &unit.as.payment.row;
    struct outbox_row *record = &unit.as.payment.outcome.record;
    const struct {
        text_id *field;
        size_t len_max;
    } fields[] = {{&row->trip_id, STORE_ID_MAX},        {&row->user_id, STORE_ID_MAX},
                  {&row->method_id, STORE_ID_MAX},      {&row->pg_id, STORE_ID_MAX},
                  {&row->refund_pg_id, STORE_ID_MAX},   {&row->traceparent, STORE_TRACEPARENT_MAX},
                  {&row->code, STORE_CODE_MAX},         {&record->topic, STORE_ID_MAX},
                  {&record->key, STORE_ID_MAX},         {&record->body, STORE_BODY_MAX},
                  {&record->headers, STORE_HEADERS_MAX}};
    for (uint64_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        new_payment(f, &unit, i + 1);
        try_text(f, &unit, fields[i].field, fields[i].len_max);
    }
}

/* A cut id would be another's duplicate (trap 22). */
static void too_long_trip_is_an_error_though_its_cut_form_exists(void **state)
{
    struct store_fixture *f = *state;
    struct unit unit;
    new_payment(f, &unit, 1);
    unit.as.payment.row.trip_id = letters(f, STORE_ID_MAX);
    suite_expect(f, &unit, UNIT_APPLIED);
    new_payment(f, &unit, 2);
    unit.as.payment.row.trip_id = letters(f, STORE_ID_MAX + 1);
    suite_expect(f, &unit, UNIT_ERROR);
}

static void ids_are_printable_ascii_and_there(void **state)
{
    struct store_fixture *f = *state;
    const char *const bad[] = {"", "tab\t", "line\n", "\x7F", "\xC3\xA1", "\xFF"};
    struct unit unit;
    struct payment_row *row = &unit.as.payment.row;
    text_id *const fields[] = {&row->trip_id, &row->user_id, &row->pg_id,
                               &unit.as.payment.outcome.record.topic};
    for (size_t field = 0; field < 4; field++) {
        for (size_t i = 0; i < 6; i++) {
            new_payment(f, &unit, 1);
            *fields[field] = suite_text(f, bad[i]);
            suite_expect(f, &unit, UNIT_ERROR);
        }
    }
    new_payment(f, &unit, 1);
    row->method_id = TEXT_NONE;
    suite_expect(f, &unit, UNIT_ERROR);
    row->method_id = suite_text(f, "");
    suite_expect(f, &unit, UNIT_APPLIED);
}

static void numbers_of_a_payment_have_their_ranges(void **state)
{
    struct store_fixture *f = *state;
    struct unit unit;
    new_payment(f, &unit, 1);
    struct payment_row *row = &unit.as.payment.row;
    const struct {
        uint8_t *field;
        uint8_t value;
    } bad[] = {{&row->status, PAYMENT_ABSENT},
               {&row->status, PAYMENT_UNKNOWN + 1},
               {&row->refund_state, REFUND_DONE + 1},
               {&row->needs_operator, 2},
               {&row->reason, REASON_COUNT},
               {&unit.as.payment.claimed_at, INSTANT_CLEAR + 1},
               {&unit.as.payment.cancel_at, INSTANT_CLEAR + 1},
               {&unit.as.payment.outcome.type, OUTCOME_FAILED + 1},
               {&unit.as.payment.outcome.record.has_body, 2}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t before = *bad[i].field;
        *bad[i].field = bad[i].value;
        suite_expect(f, &unit, UNIT_ERROR);
        *bad[i].field = before;
    }
    row->amount_krw = -1;
    suite_expect(f, &unit, UNIT_ERROR);
    row->amount_krw = 0;
    suite_expect(f, &unit, UNIT_APPLIED);
}

static void dead_letters_have_their_limits(void **state)
{
    struct store_fixture *f = *state;
    struct unit unit;
    struct failed_event_row *row = &unit.as.failed_event.row;
    const struct {
        text_id *field;
        size_t len_max;
    } fields[] = {{&row->topic, STORE_ID_MAX},
                  {&row->key, STORE_KEY_MAX},
                  {&row->body, STORE_BODY_MAX},
                  {&row->headers, STORE_HEADERS_MAX},
                  {&row->error, STORE_ERROR_MAX}};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        unit = suite_dead_letter(f, (int64_t)i);
        try_text(f, &unit, fields[i].field, fields[i].len_max);
    }
    unit = suite_dead_letter(f, 100);
    row->status = FAILED_EVENT_RESOLVED;
    suite_expect(f, &unit, UNIT_ERROR);
    unit = suite_dead_letter_move(f, 1, 1, FAILED_EVENT_PENDING, 0);
    suite_expect(f, &unit, UNIT_ERROR);
}

static void outbox_moves_and_leases_have_their_ranges(void **state)
{
    struct store_fixture *f = *state;
    struct unit unit = suite_outbox_move(f, 1, OUTBOX_READY, 1, OUTBOX_DONE + 1, 0);
    suite_expect(f, &unit, UNIT_ERROR);
    unit = suite_outbox_move(f, 1, 0, 1, OUTBOX_DONE, 0);
    suite_expect(f, &unit, UNIT_ERROR);
    unit = suite_outbox_move(f, 1, OUTBOX_READY, 1, OUTBOX_DONE, 0);
    memset(&unit.as.outbox.event_id, 0, sizeof(unit.as.outbox.event_id));
    suite_expect(f, &unit, UNIT_ERROR); /* names no row */
    unit = suite_lease(f, "", LEASE_TAKE, 1000, 0);
    suite_expect(f, &unit, UNIT_ERROR);
    unit = suite_lease(f, "a", LEASE_RELEASE + 1, 1000, 0);
    suite_expect(f, &unit, UNIT_ERROR);
    unit = suite_lease(f, "a", LEASE_TAKE, 1000, 0);
    unit.as.lease.name = LEASE_COUNT;
    suite_expect(f, &unit, UNIT_ERROR);
    unit.as.lease.name = LEASE_RESCUE;
    unit.as.lease.holder = letters(f, STORE_ID_MAX);
    suite_expect(f, &unit, UNIT_APPLIED);
}

int store_suite_limits(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(payment_texts_have_their_limits),
        SUITE_TEST(too_long_trip_is_an_error_though_its_cut_form_exists),
        SUITE_TEST(ids_are_printable_ascii_and_there),
        SUITE_TEST(numbers_of_a_payment_have_their_ranges),
        SUITE_TEST(dead_letters_have_their_limits),
        SUITE_TEST(outbox_moves_and_leases_have_their_ranges),
    };
    return cmocka_run_group_tests_name("store: limits", tests, NULL, NULL);
}
