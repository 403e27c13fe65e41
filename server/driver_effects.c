/* driver_effects.c - carries out what a step asks for: store, gateway, offsets, notes. */
#include "driver_internal.h"

#include "clock.h"
#include "log.h"
#include "raw_record.h"
#include "row_texts.h"

#include <string.h>

/* The outcome event of a unit, rendered where the lane's texts are. False: the pool is full, or a
 * text can't be sent; it stays empty. */
static bool render_outcome(struct driver *d, uint32_t lane, uint32_t index, struct texts *texts,
                           struct unit *unit)
{
    const struct payment_row *row = &unit->as.payment.row;
    bool is_payment = unit->kind == UNIT_PAYMENT_OPEN || unit->kind == UNIT_PAYMENT_MOVE;
    struct outbox made_of;

    if (!is_payment || unit->as.payment.outcome.type == OUTCOME_NONE) {
        return true;
    }
    invariant(engine_batch_outcome(d->engine, lane, index, &made_of));
    /* Its texts are the row's, which have been moved. */
    made_of.trip_id = row->trip_id;
    made_of.user_id = row->user_id;
    made_of.traceparent = row->traceparent;
    made_of.code = row->code;
    return outcome_render(&made_of, &d->render, driver_unix_ms(d, made_of.at_ms), texts,
                          &unit->as.payment.outcome.record);
}

/* False: the lane's pool is full. With an event that can't be rendered the store answers that its
 * unit is wrong, which costs a payment its capture: only the last try may say so. */
static bool render_batch(struct driver *d, const struct effect *fx, int64_t now_ms,
                         struct unit *units, struct texts *texts, bool is_last)
{
    for (uint32_t i = 0; i < (uint32_t)fx->value; i++) {
        engine_batch_unit(d->engine, fx->slot, i, now_ms, &units[i]);
        if (!row_texts_unit(&units[i], d->texts, texts)) {
            return false;
        }
        if (render_outcome(d, fx->slot, i, texts, &units[i])) {
            continue;
        }
        if (!is_last) {
            return false;
        }
        log_write(
            LOG_LEVEL_ERROR, "an outcome event can't be rendered",
            LOG_FIELDS(log_text("trip_id", texts_string(texts, units[i].as.payment.row.trip_id))));
    }
    return true;
}

static void submit(struct driver *d, const struct effect *fx, int64_t now_ms)
{
    struct texts *texts;
    struct unit *units = store_lanes_begin(d->parts.lanes, fx->slot, &texts);

    if (!render_batch(d, fx, now_ms, units, texts, false)) {
        units = store_lanes_begin_again(d->parts.lanes, fx->slot, &texts);
        if (!render_batch(d, fx, now_ms, units, texts, true)) {
            log_write(LOG_LEVEL_ERROR, "a batch has no room",
                      LOG_FIELDS(log_int("units", fx->value)));
            store_lanes_abort(d->parts.lanes, fx->slot);
            return;
        }
    }
    store_lanes_submit(d->parts.lanes, fx->slot, (uint32_t)fx->value);
}

static void call_out(struct gateway_port *port, const struct gateway_call *asked)
{
    port->ops->call(port, gateway_call_new(asked));
}

/* Pricing wants what only the record says. */
static void fill_trip(struct driver *d, const struct payment *p, struct raw_trip *trip,
                      struct gateway_call *asked)
{
    size_t len;
    const char *bytes = texts_get(d->texts, p->record, &len);

    raw_record_trip((const uint8_t *)bytes, len, trip);
    asked->ended_at = trip->ended_at;
    asked->distance_meters = trip->distance_meters;
    asked->duration_seconds = trip->duration_seconds;
}

static void ask_gateway(struct driver *d, const struct effect *fx, enum gateway_op op)
{
    const struct payment *p = engine_payment(d->engine, fx->slot);
    struct gateway_call asked = {.op = (uint8_t)op, .slot = fx->slot, .call_no = fx->call_no};
    struct raw_trip trip;

    if (p->phase == PHASE_FREE || p->call_no != fx->call_no) {
        return; /* dropped within the same step */
    }
    asked.payment_id = p->payment_id;
    asked.amount_krw = p->amount_krw;
    asked.trip_id = texts_string(d->texts, p->trip_id);
    asked.user_id = texts_string(d->texts, p->user_id);
    asked.traceparent = texts_string(d->texts, p->traceparent);
    if (op == GATEWAY_FARE) {
        fill_trip(d, p, &trip, &asked);
    } else if (op == GATEWAY_CHARGE) {
        asked.send_by_ms = fx->value;
        asked.billing_key = texts_string(d->texts, p->billing_key);
    } else if (op == GATEWAY_CANCEL) {
        asked.cancel_no = (uint16_t)fx->value;
    }
    if (op == GATEWAY_LOOKUP || op == GATEWAY_CANCEL) {
        asked.pg_id = texts_string(d->texts, fx->text);
    }
    call_out(op == GATEWAY_FARE || op == GATEWAY_PAYER ? d->parts.upstreams : d->parts.pg, &asked);
}

/* Of an order that does not exist: the answer says that the PG is well. */
static void probe(struct driver *d, const struct effect *fx)
{
    const struct gateway_call asked = {
        .op = GATEWAY_PROBE, .slot = fx->slot, .call_no = fx->call_no};

    call_out(d->parts.pg, &asked);
}

static void commit_offset(struct driver *d, const struct effect *fx)
{
    struct committed_message *failed;
    const struct committed_message what = {.message = {.type = MESSAGE_COMMITTED},
                                           .topic = (uint8_t)fx->slot,
                                           .partition = fx->partition,
                                           .assignment = fx->assignment,
                                           .next_offset = fx->value};
    struct revoked_message *revoking = d->revoking;

    if (revoking != NULL && revoking->topic == what.topic &&
        revoking->partition == what.partition && revoking->assignment == what.assignment) {
        revoking->has_offset = true;
        revoking->next_offset = what.next_offset;
        return;
    }
    if (!bus_commit(d->parts.bus, &what)) {
        failed = driver_alloc(sizeof(*failed));
        *failed = what;
        inbox_post(&d->inbox, &failed->message);
    }
}

static void scan(struct driver *d, const struct effect *fx)
{
    const char *topic = fx->text == TEXT_NONE ? NULL : texts_string(d->texts, fx->text);

    store_scans_ask(d->parts.scans, (enum scan_kind)fx->call_no, fx->slot, fx->value, topic);
}

static void alert(struct driver *d, const struct effect *fx)
{
    enum payment_alert what = (enum payment_alert)fx->call_no;

    counters_alert(d->parts.counters, what);
    log_write(LOG_LEVEL_ALERT, "operator",
              LOG_FIELDS(log_text("alert", payment_alert_name(what)),
                         log_text("trip_id", texts_string(d->texts, fx->text))));
}

static const char *const gate_names[GATE_COUNT] = {"pricing", "users", "pg"};

/* Notes whose line names a trip and no more. */
static const struct trip_line {
    enum log_level level;
    const char *text;
} trip_lines[] = {
    [NOTE_CLAIMED] = {LOG_LEVEL_DEBUG, "payment claimed"},
    [NOTE_COMPLETED] = {LOG_LEVEL_DEBUG, "payment completed"},
    [NOTE_FAILED] = {LOG_LEVEL_DEBUG, "payment failed"},
    [NOTE_UNKNOWN] = {LOG_LEVEL_WARN, "payment unknown"},
    [NOTE_REFUNDED] = {LOG_LEVEL_INFO, "payment refunded"},
    [NOTE_DUPLICATE] = {LOG_LEVEL_DEBUG, "known duplicate"},
};

static void log_trip(struct driver *d, const struct effect *fx)
{
    const struct trip_line *line = &trip_lines[fx->call_no];

    /* Every payment has some of these: to prepare a line that is not written costs time, too. */
    if (log_is_on(line->level)) {
        log_write(line->level, line->text,
                  LOG_FIELDS(log_text("trip_id", texts_string(d->texts, fx->text))));
    }
}

/* What is worth a line; the rest is counted. */
static void log_note(struct driver *d, const struct effect *fx)
{
    switch ((enum engine_note)fx->call_no) {
    case NOTE_BREAKER_OPEN:
        log_write(LOG_LEVEL_WARN, "breaker opened",
                  LOG_FIELDS(log_text("peer", gate_names[fx->value])));
        return;
    case NOTE_BREAKER_CLOSED:
        log_write(LOG_LEVEL_INFO, "breaker closed",
                  LOG_FIELDS(log_text("peer", gate_names[fx->value])));
        return;
    case NOTE_DEAD_LETTER:
        log_write(LOG_LEVEL_WARN, "dead letter",
                  LOG_FIELDS(log_text(
                      "reason", dead_letter_reason_name((enum dead_letter_reason)fx->value))));
        return;
    case NOTE_RESCUED:
        log_write(
            LOG_LEVEL_INFO, "rescue takes over",
            LOG_FIELDS(log_text("trip_id", texts_string(d->texts, fx->text)),
                       log_text("status", payment_status_name((enum payment_status)fx->value))));
        return;
    case NOTE_RESENT_BATCH:
        log_write(LOG_LEVEL_WARN, "batch sent again", LOG_FIELDS(log_int("units", fx->value)));
        return;
    case NOTE_PUBLISH_REJECTED:
        log_write(LOG_LEVEL_ERROR, "the broker refuses an outcome event",
                  LOG_FIELDS(log_text("trip_id", texts_string(d->texts, fx->text)),
                             log_int("outbox_id", fx->value)));
        return;
    case NOTE_CLAIMED:
    case NOTE_COMPLETED:
    case NOTE_FAILED:
    case NOTE_UNKNOWN:
    case NOTE_REFUNDED:
    case NOTE_DUPLICATE:
        log_trip(d, fx);
        return;
    case NOTE_IGNORED:
    case NOTE_PUBLISHED:
    case NOTE_STORED_DEAD_LETTER:
        return;
    }
}

static void note(struct driver *d, const struct effect *fx)
{
    counters_note(d->parts.counters, (enum engine_note)fx->call_no, fx->value);
    log_note(d, fx);
}

static void stopped(struct driver *d)
{
    pthread_mutex_lock(&d->mutex);
    d->is_stopped = true;
    pthread_cond_broadcast(&d->stopped);
    pthread_mutex_unlock(&d->mutex);
}

void effects_carry_out(struct driver *d, const struct effect *fx)
{
    switch ((enum effect_kind)fx->kind) {
    case FX_FARE:
        ask_gateway(d, fx, GATEWAY_FARE);
        return;
    case FX_PAYER:
        ask_gateway(d, fx, GATEWAY_PAYER);
        return;
    case FX_CHARGE:
        ask_gateway(d, fx, GATEWAY_CHARGE);
        return;
    case FX_LOOKUP:
        ask_gateway(d, fx, GATEWAY_LOOKUP);
        return;
    case FX_CANCEL:
        ask_gateway(d, fx, GATEWAY_CANCEL);
        return;
    case FX_PROBE:
        probe(d, fx);
        return;
    case FX_SUBMIT:
        submit(d, fx, clock_boot_ms());
        return;
    case FX_SCAN:
        scan(d, fx);
        return;
    case FX_PURGE:
        store_scans_purge(d->parts.scans, fx->value, fx->slot);
        return;
    case FX_PUBLISH:
        publish_outbox(d, fx);
        return;
    case FX_DEAD_LETTER:
        publish_dead_letter(d, fx);
        return;
    case FX_OFFSET:
        commit_offset(d, fx);
        return;
    case FX_PAUSE:
    case FX_RESUME:
        bus_pause(d->parts.bus, (uint8_t)fx->slot, fx->partition, fx->assignment,
                  fx->kind == FX_PAUSE);
        return;
    case FX_REPLY:
        admin_reply(d, fx);
        return;
    case FX_ALERT:
        alert(d, fx);
        return;
    case FX_NOTE:
        note(d, fx);
        return;
    case FX_STOPPED:
        stopped(d);
        return;
    }
    invariant(false && "an effect of no known kind");
}
