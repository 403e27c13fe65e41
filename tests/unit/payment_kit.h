/*
 * payment_kit.h - tells stories to the payment machine: a slot, its context, and short sentences
 * (a record arrives, the unit is applied, the PG times out). Every step renders the outstanding
 * unit twice and compares the bytes, so no test can pass with a unit that changes when re-sent.
 */
#ifndef FAREBOX_PAYMENT_KIT_H
#define FAREBOX_PAYMENT_KIT_H

#include "payment.h"
#include "unit_support.h"

/* Handles; the machine never looks behind them. */
enum {
    TRIP = 101,
    USER,
    METHOD,
    NO_METHOD, /* the empty text */
    BILLING,
    PG_ID,
    OTHER_PG_ID,
    CODE,
    RECORD,
    TRACE,
};

#define FARE_KRW      15200
#define PROCESS_TOKEN UINT64_C(0xabcdef)
#define OUR_ACCOUNT   UINT64_C(0xacc1)
#define OTHER_ACCOUNT UINT64_C(0xacc2)
#define SECOND_MS     INT64_C(1000)
#define MINUTE_MS     (60 * SECOND_MS)
#define HOUR_MS       (60 * MINUTE_MS)
#define DAY_MS        (24 * HOUR_MS)
/* After it an absent payment counts: 120 s + 900 s + 300 s. */
#define ABSENCE_MS (1320 * SECOND_MS)

struct pay {
    struct payment p;
    struct payment_config config;
    struct payment_context ctx;
    struct payment_output out; /* of the last step */
    struct unit unit;          /* what the last step left outstanding, if it is committing */
    int64_t wake_ms;           /* the last wish */
};

extern const struct uuid pay_id;

/* A free slot at a quiet moment: every breaker closed, no upstream has answered anybody. */
struct pay pay_begin(void);

/* One step with this event; a call number of 0 stands for the outstanding one. */
void pay_step(struct pay *w, struct payment_event event);

/* Time passes; an open gate stays open. */
void pay_advance(struct pay *w, int64_t delay_ms);

/* Events. */
void pay_arrive(struct pay *w);
void pay_fare(struct pay *w, int64_t fare_krw);
void pay_payer(struct pay *w);
void pay_upstream(struct pay *w, enum upstream upstream, enum upstream_answer_kind kind);
void pay_due(struct pay *w, const struct payment_row *row);
void pay_operator(struct pay *w, enum payment_origin wish, const struct payment_row *row);
void pay_applied(struct pay *w);
void pay_refused(struct pay *w, const struct payment_row *row); /* NULL: no row */
void pay_duplicate(struct pay *w, const struct payment_row *row);
void pay_unwritable(struct pay *w);
void pay_answer(struct pay *w, struct pg_answer answer);
void pay_timer(struct pay *w); /* when it was asked for */

/* Answers of the PG. */
struct pg_answer pay_silence(enum pg_answer_kind kind);
struct pg_answer pay_error(enum pg_code_class code_class);
struct pg_answer pay_object(enum pg_status status, int64_t balance_krw);
struct pg_answer pay_approval(void);

/* A row of this trip; PROCESSING rows are claimed with our account, an hour ago, and due. */
struct payment_row pay_row(enum payment_status status, uint32_t epoch);
/* The same with a durable refund intent for PG_ID, under number `cancel_no`. */
struct payment_row pay_intent_row(enum payment_status status, uint16_t cancel_no);

/* Stories, from a fresh slot. */
struct pay pay_in(enum payment_phase phase); /* the shortest way there */
struct pay pay_charging(void);
struct pay pay_approved(void);                            /* FINISHING, COMPLETED */
struct pay pay_inspecting(const struct payment_row *row); /* taken over by the rescue */
struct pay pay_asked_by(enum payment_origin wish, struct payment_row row);
struct pay pay_inspected(const struct payment_row *row, struct pg_answer answer);

/* The outstanding unit's row and guard; fails where none is outstanding. */
const struct unit_payment *pay_unit(const struct pay *w);

/* Assertions. */
void pay_is(const struct pay *w, enum payment_phase phase);
void pay_is_closed(const struct pay *w);
void pay_asks_nothing(const struct pay *w); /* no unit, call, timer, acknowledgement, event */
void pay_unit_is(const struct pay *w, enum payment_status from, enum payment_status to,
                 enum outcome_type outcome);

#endif
