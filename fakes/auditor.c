#include "auditor.h"

#include "invariant.h"

static bool is_terminal(const struct audit_trip *trip)
{
    return trip->has_row &&
           (trip->row.status == PAYMENT_COMPLETED || trip->row.status == PAYMENT_FAILED);
}

static bool is_completed(const struct audit_trip *trip)
{
    return trip->has_row && trip->row.status == PAYMENT_COMPLETED;
}

static enum audit_verdict judge_money(const struct audit_trip *trip)
{
    if (trip->refunded_krw > trip->captured_krw || trip->refunded_krw < 0 ||
        trip->refunded_outside_krw > trip->refunded_krw) {
        return AUDIT_REFUNDED_TOO_MUCH;
    }
    if (trip->approvals > 1) {
        return AUDIT_APPROVED_TWICE;
    }
    return trip->captured_krw > 0 && !trip->has_row ? AUDIT_CHARGED_WITHOUT_ROW : AUDIT_OK;
}

static enum audit_verdict judge_events(const struct audit_trip *trip)
{
    if (trip->event_ids == 0) {
        return AUDIT_OK;
    }
    if (!trip->has_row) {
        return AUDIT_EVENT_WITHOUT_ROW;
    }
    if (!is_terminal(trip)) {
        return AUDIT_EVENT_BEFORE_END;
    }
    if (trip->completed_ids > 0 && trip->failed_ids > 0) {
        return AUDIT_BOTH_OUTCOMES;
    }
    if (trip->event_ids > 1 || trip->foreign_ids > 0) {
        return AUDIT_EVENT_IDS;
    }
    if ((trip->completed_ids > 0) != is_completed(trip)) {
        return AUDIT_WRONG_OUTCOME;
    }
    return trip->wrong_contents > 0 ? AUDIT_WRONG_CONTENT : AUDIT_OK;
}

/* COMPLETED is said once for all: what makes it wrong now is never healed. */
static enum audit_verdict judge_completed(const struct audit_trip *trip)
{
    if (!is_completed(trip)) {
        return AUDIT_OK;
    }
    if (trip->refunded_krw > trip->refunded_outside_krw) {
        return AUDIT_COMPLETED_REFUNDED;
    }
    if (trip->captured_krw < trip->row.amount_krw) {
        return AUDIT_COMPLETED_UNCHARGED;
    }
    if (trip->captured_krw > trip->row.amount_krw || trip->other_currency) {
        return AUDIT_COMPLETED_WRONG_SUM;
    }
    bool free_ride = trip->row.amount_krw == 0;
    return !free_ride && trip->row.pg_id == TEXT_NONE ? AUDIT_COMPLETED_NO_PG_ID : AUDIT_OK;
}

static enum audit_verdict judge_fare(const struct audit_trip *trip)
{
    bool comparable = trip->has_row && trip->expected_fare_krw >= 0;
    return comparable && trip->row.amount_krw != trip->expected_fare_krw ? AUDIT_WRONG_FARE
                                                                         : AUDIT_OK;
}

static enum audit_verdict judge_settled(const struct audit_trip *trip)
{
    if (!trip->has_row) {
        return trip->delivered ? AUDIT_LOST : AUDIT_OK;
    }
    if (!is_terminal(trip)) {
        return trip->row.needs_operator ? AUDIT_OPERATOR : AUDIT_NOT_TERMINAL;
    }
    if (trip->event_ids == 0) {
        return AUDIT_NO_EVENT;
    }
    if (is_completed(trip) || trip->captured_krw == trip->refunded_krw) {
        return AUDIT_OK;
    }
    return trip->row.needs_operator ? AUDIT_OPERATOR : AUDIT_FAILED_KEPT_MONEY;
}

enum audit_verdict auditor_judge(const struct audit_trip *trip)
{
    static enum audit_verdict (*const laws[])(const struct audit_trip *) = {
        judge_money, judge_events, judge_completed, judge_fare};
    for (size_t i = 0; i < sizeof laws / sizeof laws[0]; i++) {
        enum audit_verdict verdict = laws[i](trip);
        if (verdict != AUDIT_OK) {
            return verdict;
        }
    }
    return trip->settled ? judge_settled(trip) : AUDIT_OK;
}

bool auditor_is_violation(enum audit_verdict verdict)
{
    return verdict != AUDIT_OK && verdict != AUDIT_OPERATOR;
}

const char *auditor_verdict_text(enum audit_verdict verdict)
{
    static const char *const texts[AUDIT_VERDICT_COUNT] = {
        [AUDIT_OK] = "every law holds",
        [AUDIT_OPERATOR] = "left to an operator",
        [AUDIT_REFUNDED_TOO_MUCH] = "more was refunded than captured",
        [AUDIT_APPROVED_TWICE] = "the PG approved two charges for one trip",
        [AUDIT_CHARGED_WITHOUT_ROW] = "the PG charged a trip that has no payment",
        [AUDIT_EVENT_WITHOUT_ROW] = "an outcome event for a trip that has no payment",
        [AUDIT_EVENT_BEFORE_END] = "an outcome event for a payment that is not terminal",
        [AUDIT_EVENT_IDS] = "more than one event id, or another one than the payment's",
        [AUDIT_BOTH_OUTCOMES] = "told both as completed and as failed",
        [AUDIT_WRONG_OUTCOME] = "the outcome event contradicts the payment's status",
        [AUDIT_WRONG_CONTENT] = "the outcome event's content contradicts the payment",
        [AUDIT_COMPLETED_REFUNDED] = "COMPLETED, but the charge was refunded",
        [AUDIT_COMPLETED_UNCHARGED] = "COMPLETED, but the PG did not charge the fare",
        [AUDIT_COMPLETED_WRONG_SUM] = "COMPLETED, but what was charged is not the fare",
        [AUDIT_COMPLETED_NO_PG_ID] = "COMPLETED without the PG's id",
        [AUDIT_WRONG_FARE] = "the payment's amount is not the fare",
        [AUDIT_LOST] = "acknowledged, but neither a payment nor a dead letter",
        [AUDIT_NOT_TERMINAL] = "settled, but the payment is not terminal",
        [AUDIT_NO_EVENT] = "settled, but no outcome event was published",
        [AUDIT_FAILED_KEPT_MONEY] = "FAILED, but the customer paid",
    };
    invariant(verdict < AUDIT_VERDICT_COUNT);
    return texts[verdict];
}
