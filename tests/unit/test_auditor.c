/* The judge: each verdict from the smallest change of a trip that is in order. */
#include "auditor.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct audit_trip completed_trip(void)
{
    struct audit_trip trip = {.has_row = true,
                              .captured_krw = 15200,
                              .approvals = 1,
                              .event_ids = 1,
                              .completed_ids = 1,
                              .expected_fare_krw = 15200,
                              .delivered = true,
                              .settled = true};
    trip.row.status = PAYMENT_COMPLETED;
    trip.row.amount_krw = 15200;
    trip.row.pg_id = 7;
    return trip;
}

static struct audit_trip failed_trip(void)
{
    struct audit_trip trip = completed_trip();
    trip.row.status = PAYMENT_FAILED;
    trip.row.pg_id = TEXT_NONE;
    trip.captured_krw = 0;
    trip.approvals = 0;
    trip.completed_ids = 0;
    trip.failed_ids = 1;
    return trip;
}

static struct audit_trip open_trip(enum payment_status status)
{
    struct audit_trip trip = failed_trip();
    trip.row.status = (uint8_t)status;
    trip.event_ids = trip.failed_ids = 0;
    return trip;
}

#define assert_verdict(trip, expected) assert_int_equal(auditor_judge(&(trip)), expected)

/* What must hold always is judged whether or not the trip has settled. */
#define assert_always(trip, expected)                                                              \
    do {                                                                                           \
        (trip).settled = true;                                                                     \
        assert_verdict(trip, expected);                                                            \
        (trip).settled = false;                                                                    \
        assert_verdict(trip, expected);                                                            \
    } while (0)

/* Wrong in the end, but not yet wrong on the way. */
#define assert_once_settled(trip, expected)                                                        \
    do {                                                                                           \
        (trip).settled = false;                                                                    \
        assert_verdict(trip, AUDIT_OK);                                                            \
        (trip).settled = true;                                                                     \
        assert_verdict(trip, expected);                                                            \
    } while (0)

static void completed_and_failed_in_order_hold_every_law(void **state)
{
    (void)state;
    struct audit_trip trip = completed_trip();
    assert_always(trip, AUDIT_OK);
    trip = failed_trip();
    assert_always(trip, AUDIT_OK);
    trip.captured_krw = trip.refunded_krw = 15200; /* charged late, and refunded */
    trip.approvals = 1;
    assert_always(trip, AUDIT_OK);
}

static void free_ride_is_completed_without_charge_and_without_pg_id(void **state)
{
    (void)state;
    struct audit_trip trip = completed_trip();
    trip.row.amount_krw = 0;
    trip.expected_fare_krw = 0;
    trip.row.pg_id = TEXT_NONE;
    trip.captured_krw = 0;
    trip.approvals = 0;
    assert_always(trip, AUDIT_OK);
    trip.captured_krw = 100;
    assert_always(trip, AUDIT_COMPLETED_WRONG_SUM);
}

static void refunds_never_exceed_what_was_captured(void **state)
{
    (void)state;
    struct audit_trip trip = failed_trip();
    trip.captured_krw = 15200;
    trip.refunded_krw = 15201;
    assert_always(trip, AUDIT_REFUNDED_TOO_MUCH);
    trip.refunded_krw = 100;
    trip.refunded_outside_krw = 101;
    assert_always(trip, AUDIT_REFUNDED_TOO_MUCH);
}

static void one_approval_for_a_trip_at_most(void **state)
{
    (void)state;
    struct audit_trip trip = completed_trip();
    trip.approvals = 2;
    assert_always(trip, AUDIT_APPROVED_TWICE);
}

static void no_charge_before_the_claim_is_durable(void **state) /* law 1 */
{
    (void)state;
    struct audit_trip trip = {.captured_krw = 100, .approvals = 1, .expected_fare_krw = -1};
    assert_always(trip, AUDIT_CHARGED_WITHOUT_ROW);
}

static void no_event_before_the_end_of_a_payment(void **state) /* law 5 */
{
    (void)state;
    static const enum payment_status open[] = {PAYMENT_REQUESTED, PAYMENT_PROCESSING,
                                               PAYMENT_UNKNOWN};
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
        struct audit_trip trip = failed_trip();
        trip.row.status = (uint8_t)open[i];
        assert_always(trip, AUDIT_EVENT_BEFORE_END);
        trip.row.needs_operator = 1;
        assert_always(trip, AUDIT_EVENT_BEFORE_END);
    }
    struct audit_trip none = {.event_ids = 1, .failed_ids = 1, .expected_fare_krw = -1};
    assert_always(none, AUDIT_EVENT_WITHOUT_ROW); /* trap 6 */
}

static void one_event_id_and_it_is_the_payments(void **state) /* trap 7 */
{
    (void)state;
    struct audit_trip trip = failed_trip();
    trip.event_ids = trip.failed_ids = 2;
    assert_always(trip, AUDIT_EVENT_IDS);
    trip = failed_trip();
    trip.foreign_ids = 1;
    assert_always(trip, AUDIT_EVENT_IDS);
}

static void outcome_is_told_once_and_as_it_is(void **state) /* trap 4 */
{
    (void)state;
    struct audit_trip trip = completed_trip();
    trip.failed_ids = 1; /* under the same id */
    assert_always(trip, AUDIT_BOTH_OUTCOMES);
    trip = completed_trip();
    trip.completed_ids = 0;
    trip.failed_ids = 1;
    assert_always(trip, AUDIT_WRONG_OUTCOME);
    trip = failed_trip();
    trip.completed_ids = 1;
    trip.failed_ids = 0;
    assert_always(trip, AUDIT_WRONG_OUTCOME);
    trip = completed_trip();
    trip.wrong_contents = 1;
    assert_always(trip, AUDIT_WRONG_CONTENT);
}

static void completed_keeps_exactly_the_fare(void **state) /* law 7, traps 5 and 20 */
{
    (void)state;
    struct audit_trip trip = completed_trip();
    trip.refunded_krw = 15200;
    assert_always(trip, AUDIT_COMPLETED_REFUNDED);
    trip = completed_trip();
    trip.captured_krw = 15199;
    assert_always(trip, AUDIT_COMPLETED_UNCHARGED);
    trip.captured_krw = 15201;
    assert_always(trip, AUDIT_COMPLETED_WRONG_SUM);
    trip = completed_trip();
    trip.other_currency = true;
    assert_always(trip, AUDIT_COMPLETED_WRONG_SUM);
    trip = completed_trip();
    trip.row.pg_id = TEXT_NONE;
    assert_always(trip, AUDIT_COMPLETED_NO_PG_ID); /* trap 2 */
}

static void what_an_operator_cancels_outside_is_not_fareboxs_fault(void **state)
{
    (void)state;
    struct audit_trip trip = completed_trip();
    trip.refunded_krw = trip.refunded_outside_krw = 200;
    assert_always(trip, AUDIT_OK);
    trip.refunded_krw = 201;
    assert_always(trip, AUDIT_COMPLETED_REFUNDED);
}

static void amount_is_the_fare_where_it_is_known(void **state)
{
    (void)state;
    struct audit_trip trip = failed_trip();
    trip.expected_fare_krw = 15100;
    assert_always(trip, AUDIT_WRONG_FARE);
    trip.expected_fare_krw = -1;
    assert_always(trip, AUDIT_OK);
}

static void failed_keeps_no_money_once_settled(void **state) /* law 7, traps 1, 2, 14, 24 */
{
    (void)state;
    struct audit_trip trip = failed_trip();
    trip.captured_krw = 15200;
    trip.approvals = 1;
    trip.refunded_krw = 15199;
    assert_once_settled(trip, AUDIT_FAILED_KEPT_MONEY);
    trip.row.needs_operator = 1;
    assert_once_settled(trip, AUDIT_OPERATOR);
    assert_false(auditor_is_violation(auditor_judge(&trip)));
}

static void everything_is_terminal_once_settled_but_for_operators(void **state)
{
    (void)state;
    static const enum payment_status open[] = {PAYMENT_REQUESTED, PAYMENT_PROCESSING,
                                               PAYMENT_UNKNOWN};
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
        struct audit_trip trip = open_trip(open[i]);
        assert_once_settled(trip, AUDIT_NOT_TERMINAL);
        trip.row.needs_operator = 1;
        trip.captured_krw = 15200; /* whatever the money */
        trip.approvals = 1;
        assert_once_settled(trip, AUDIT_OPERATOR);
    }
}

static void every_end_is_told_once_settled(void **state)
{
    (void)state;
    struct audit_trip trip = completed_trip();
    trip.event_ids = trip.completed_ids = 0;
    assert_once_settled(trip, AUDIT_NO_EVENT);
    trip = failed_trip();
    trip.event_ids = trip.failed_ids = 0;
    trip.row.needs_operator = 1;
    assert_once_settled(trip, AUDIT_NO_EVENT);
}

static void acknowledged_trip_is_not_lost(void **state) /* law 6, traps 9 and 12 */
{
    (void)state;
    struct audit_trip trip = {.delivered = true, .expected_fare_krw = 15200};
    assert_once_settled(trip, AUDIT_LOST);
    trip.delivered = false; /* a dead letter accounts for it, or it was never read */
    assert_always(trip, AUDIT_OK);
}

static void each_verdict_has_its_text_and_only_two_are_no_violation(void **state)
{
    (void)state;
    for (int verdict = 0; verdict < AUDIT_VERDICT_COUNT; verdict++) {
        assert_true(strlen(auditor_verdict_text((enum audit_verdict)verdict)) > 0);
        assert_int_equal(auditor_is_violation((enum audit_verdict)verdict),
                         verdict > AUDIT_OPERATOR);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(completed_and_failed_in_order_hold_every_law),
        cmocka_unit_test(free_ride_is_completed_without_charge_and_without_pg_id),
        cmocka_unit_test(refunds_never_exceed_what_was_captured),
        cmocka_unit_test(one_approval_for_a_trip_at_most),
        cmocka_unit_test(no_charge_before_the_claim_is_durable),
        cmocka_unit_test(no_event_before_the_end_of_a_payment),
        cmocka_unit_test(one_event_id_and_it_is_the_payments),
        cmocka_unit_test(outcome_is_told_once_and_as_it_is),
        cmocka_unit_test(completed_keeps_exactly_the_fare),
        cmocka_unit_test(what_an_operator_cancels_outside_is_not_fareboxs_fault),
        cmocka_unit_test(amount_is_the_fare_where_it_is_known),
        cmocka_unit_test(failed_keeps_no_money_once_settled),
        cmocka_unit_test(everything_is_terminal_once_settled_but_for_operators),
        cmocka_unit_test(every_end_is_told_once_settled),
        cmocka_unit_test(acknowledged_trip_is_not_lost),
        cmocka_unit_test(each_verdict_has_its_text_and_only_two_are_no_violation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
