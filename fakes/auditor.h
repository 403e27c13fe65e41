/*
 * auditor.h - the one judge of a trip: the PG's ledger, the table and the events together.
 *
 * Used by the simulator after every step and at the end, and by the end-to-end tests over the real
 * files. A pure function: no memory, no clock, no I/O. DESIGN's laws 1, 5 and 7.
 */
#ifndef FAREBOX_AUDITOR_H
#define FAREBOX_AUDITOR_H

#include "store.h"

#include <stdbool.h>
#include <stdint.h>

/* What is known of one trip. Amounts in whole KRW. */
struct audit_trip {
    bool has_row;
    struct payment_row row; /* texts are only compared with TEXT_NONE */

    /* The PG's ledger for the trip's order id (pg_ledger_totals). */
    int64_t captured_krw;
    int64_t refunded_krw;         /* all of it */
    int64_t refunded_outside_krw; /* of it, by the merchant's operator beside Farebox */
    uint32_t approvals;
    bool other_currency; /* captured in another currency than KRW */

    /* Outcome events of this trip, each event id counted once. */
    uint32_t event_ids;      /* distinct ids, whatever their type */
    uint32_t completed_ids;  /* distinct ids of PaymentCompletedEvent */
    uint32_t failed_ids;     /* distinct ids of PaymentFailedEvent */
    uint32_t foreign_ids;    /* distinct ids that are not the payment's */
    uint32_t wrong_contents; /* events whose fare, user or trip is not the row's */

    int64_t expected_fare_krw; /* what pricing says; -1: not known */
    bool delivered;            /* its record was acknowledged, and no dead letter accounts for it */
    /* Faults are over, nothing is in flight anywhere, the last re-check is done: final states are
     * judged, not only what must hold always. */
    bool settled;
};

enum audit_verdict {
    AUDIT_OK = 0,
    AUDIT_OPERATOR, /* settled but for an operator: counted by its reason, no violation */

    /* Must hold at every step. */
    AUDIT_REFUNDED_TOO_MUCH,
    AUDIT_APPROVED_TWICE,
    AUDIT_CHARGED_WITHOUT_ROW,
    AUDIT_EVENT_WITHOUT_ROW,
    AUDIT_EVENT_BEFORE_END,    /* an outcome event though the row is not terminal */
    AUDIT_EVENT_IDS,           /* more than one event id, or another one than the payment's */
    AUDIT_BOTH_OUTCOMES,       /* told as completed and as failed */
    AUDIT_WRONG_OUTCOME,       /* the event's type is not the row's status */
    AUDIT_WRONG_CONTENT,       /* the event says another fare, user or trip than the row */
    AUDIT_COMPLETED_REFUNDED,  /* COMPLETED, and Farebox refunded the only charge */
    AUDIT_COMPLETED_UNCHARGED, /* COMPLETED, and the PG never charged as much */
    AUDIT_COMPLETED_WRONG_SUM, /* COMPLETED, and the PG charged more, or another currency */
    AUDIT_COMPLETED_NO_PG_ID,
    AUDIT_WRONG_FARE, /* the row's amount is not what pricing said */

    /* Must hold once settled. */
    AUDIT_LOST, /* acknowledged, and neither row nor dead letter */
    AUDIT_NOT_TERMINAL,
    AUDIT_NO_EVENT,
    AUDIT_FAILED_KEPT_MONEY, /* FAILED, and the customer paid */
    AUDIT_VERDICT_COUNT
};

/* The first law that does not hold, in the order above; AUDIT_OK, AUDIT_OPERATOR otherwise. */
enum audit_verdict auditor_judge(const struct audit_trip *trip);

/* True for everything but AUDIT_OK and AUDIT_OPERATOR. */
bool auditor_is_violation(enum audit_verdict verdict);

/* One sentence for people; never NULL. */
const char *auditor_verdict_text(enum audit_verdict verdict);

#endif
