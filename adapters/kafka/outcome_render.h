/*
 * outcome_render.h - renders the outcome event of a payment into an outbox row.
 *
 * What the engine gives is what the event is made of (struct outbox, core/outbox.h). The driver
 * renders it before the commit that inserts the row, and publishes that; where publishing has to
 * wait, it renders once more. The same making and the same instant give the same bytes, so both are
 * one event.
 *
 * Shared by server/ and sim/. Any thread, nothing blocks; the JSON library allocates while a call
 * runs.
 */
#ifndef FAREBOX_OUTCOME_RENDER_H
#define FAREBOX_OUTCOME_RENDER_H

#include "outbox.h"
#include "outcome_codec.h"
#include "texts.h"

struct outcome_render_settings {
    struct outcome_settings codec;
    const char *topic; /* where outcomes go: "payment_events" */
};

/* Room for a rendered reason: its name, a colon, the PG's code, and the NUL. */
#define OUTCOME_RENDER_REASON_SIZE (OUTCOME_REASON_MAX + 1)

/* "declined:INVALID_STOPPED_CARD", or the name alone where `code` is empty. Cut, never too long. */
void outcome_render_reason(enum payment_reason reason, const char *code,
                           char text[OUTCOME_RENDER_REASON_SIZE]);

/*
 * Fills `record`: event id (made_of's), topic, key (the trip id), body and headers as handles of
 * `texts`, in which made_of's handles live too. `occurred_at_ms` is Unix ms, for ce_time.
 * False, `record` untouched: the pool is full, or a text cannot be sent as JSON (not UTF-8).
 */
MUST_USE bool outcome_render(const struct outbox *made_of,
                             const struct outcome_render_settings *settings, int64_t occurred_at_ms,
                             struct texts *texts, struct outbox_row *record);

#endif
