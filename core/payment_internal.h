/*
 * payment_internal.h - what the files of the payment machine share.
 *
 * Not for other folders. A handler runs inside payment_step(): it changes the payment, asks for
 * things in `out`, and returns. The files: payment.c (table, checker), payment_intake.c (record to
 * claim), payment_charge.c (charge and the claimant's look-up), payment_refund.c (intent, cancel),
 * payment_rescue.c (takeover, inspection, parking), payment_unit.c (state to unit).
 */
#ifndef FAREBOX_PAYMENT_INTERNAL_H
#define FAREBOX_PAYMENT_INTERNAL_H

#include "payment.h"

struct step {
    struct payment *p;
    const struct payment_context *ctx;
    const struct payment_event *ev;
    struct payment_output *out;
};

/* What a Payment object or its absence means for a trip. */
enum finding {
    FOUND_NO_ANSWER = 0, /* nothing usable, or another code: ask again */
    FOUND_PENDING,       /* READY, IN_PROGRESS, WAITING_FOR_DEPOSIT */
    FOUND_ABSENT,
    FOUND_NOTHING_HELD, /* balance 0, ABORTED, EXPIRED: the customer has the money */
    FOUND_APPROVED,     /* DONE, as asked, full balance */
    FOUND_PARTLY_HELD,  /* as asked, part of it given back */
    FOUND_WRONG,        /* balance of another amount or currency */
};
enum finding payment_judge(const struct payment *p, const struct pg_answer *answer);

/* Whether the PG shows another payment than the one that the row names. */
bool payment_is_foreign(const struct payment *p, const struct pg_answer *answer);

/* What an operator should hear of an answer, whatever was asked. */
enum payment_alert payment_alert_of(const struct pg_answer *answer);

/* Asks for a PG call, for a unit to be committed, for a timer; closes the slot. */
void payment_call(struct step *s, enum payment_phase phase, uint8_t call);
void payment_commit(struct step *s, enum payment_phase phase);
void payment_wait(struct step *s, enum payment_phase phase, int64_t delay_ms);
void payment_wait_until(struct step *s, enum payment_phase phase, int64_t wake_ms);
void payment_close(struct step *s);
void payment_reply(struct step *s, enum operator_reply reply);
void payment_acknowledge(struct step *s);

/* The back-off before PG call number p->tries[0]. */
int64_t payment_pg_backoff_ms(const struct step *s);

/* Installs a row as it is: image, guard, ages. */
void payment_load(struct step *s, const struct payment_row *row);

/* Terminal transition with its outcome event. */
void payment_finish(struct step *s, enum payment_status status, enum payment_reason reason,
                    text_id code);

bool payment_is_terminal(uint8_t status);

/* The outcome event that the outstanding unit inserts. */
enum outcome_type payment_outcome(const struct payment *p);

/* Handlers, named in the transition table of payment.c. */
void intake_arrived(struct step *s);
void intake_answered(struct step *s);
void intake_timer(struct step *s);
void intake_gate_timer(struct step *s);
void intake_applied(struct step *s);
void intake_duplicate(struct step *s);
void intake_unwritable(struct step *s);
void claim_refused(struct step *s);

void charge_claimed(struct step *s);
void charge_answered(struct step *s);
void charge_again(struct step *s);
void charge_asked(struct step *s);
void charge_ask_again(struct step *s);

void finish_applied(struct step *s);
void finish_refused(struct step *s);
void finish_unwritable(struct step *s);

void refund_intend(struct step *s, text_id pg_id, enum payment_reason reason);
void refund_resume(struct step *s);
void refund_intended(struct step *s);
void refund_intent_refused(struct step *s);
void refund_cancel_answered(struct step *s);
void refund_cancel_timer(struct step *s);
void refund_asked(struct step *s);
void refund_numbered(struct step *s);
void refund_finish(struct step *s);
void refund_applied(struct step *s);

void rescue_due(struct step *s);
void rescue_operator(struct step *s);
void rescue_taken(struct step *s);
void rescue_inspected(struct step *s);
void rescue_park_unwritable(struct step *s);
void rescue_parked(struct step *s);

void lost_row(struct step *s);
void hold_unit(struct step *s);
void hold_timer(struct step *s);

#endif
