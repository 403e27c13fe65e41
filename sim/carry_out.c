/* carry_out.c - an engine's effects: each becomes a call, a commit, a publish, on its way. */
#include "world_internal.h"

#include "outcome_render.h"
#include "pg_ledger.h"

#include <stdio.h>
#include <string.h>

#define UUID_KEY_SIZE 64

static struct pending *add_io(struct sim *sim, enum pending_kind kind, uint32_t i,
                              const struct effect *fx, int64_t delay_ms)
{
    struct pending *p = schedule_add(sim, kind, i, delay_ms);

    p->slot = fx->slot;
    p->call_no = fx->call_no;
    p->as.io.value = fx->value;
    p->as.io.text = fx->text;
    p->as.io.partition = fx->partition;
    p->as.io.assignment = fx->assignment;
    return p;
}

/* Renders the lane's units, outcome records included. */
uint32_t carry_out_units(struct sim *sim, uint32_t i, uint32_t lane)
{
    const struct outcome_render_settings settings = {
        .codec = {.type_prefix = sim->w->limits.tight ? "f." : NULL}, .topic = TOPIC_OUTCOMES};
    const struct engine *engine = engine_of(sim, i);
    uint32_t count = instance_at(sim, i)->lane_units[lane];

    for (uint32_t at = 0; at < count; at++) {
        struct unit *unit = &sim->units[at];
        struct outbox own;
        engine_batch_unit(engine, lane, at, world_boot_ms(sim, i), unit);
        if (engine_batch_outcome(engine, lane, at, &own)) {
            int64_t at_ms = world_wall_ms(sim, i) - (world_boot_ms(sim, i) - own.at_ms);
            invariant(outcome_render(&own, &settings, at_ms, sim->texts,
                                     &unit->as.payment.outcome.record));
        }
    }
    return count;
}

static void fare_or_payer(struct sim *sim, uint32_t i, const struct effect *fx)
{
    const struct payment *payment = engine_payment(engine_of(sim, i), fx->slot);
    uint32_t trip = world_trip_of(sim, payment->trip_id);
    bool fare = fx->kind == FX_FARE;
    struct upstream_reply reply;

    invariant(trip != WORLD_TRIP_NONE);
    if (!fare && world_fault(sim, WF_CARD_CHANGE)) {
        upstream_fake_change_cards(sim->upstream);
    }
    const struct upstream_call call = {
        .upstream = fare ? UPSTREAM_PRICING : UPSTREAM_USERS,
        .id = fare ? payment->trip_id : payment->user_id,
        .distance_meters = trip_at(sim, trip)->distance_m,
        .duration_seconds = trip_at(sim, trip)->duration_s,
    };
    upstream_fake_call(sim->upstream, sim->texts, &call, sim->w->now_ms, &sim->chooser, &reply);
    struct pending *p = schedule_add(sim, PENDING_UPSTREAM, i, reply.delay_ms);
    p->slot = fx->slot;
    p->call_no = fx->call_no;
    p->as.upstream.answer = reply.answer;
    p->as.upstream.upstream = call.upstream;
    history_add(sim, "upstream", reply.fault, reply.answer.kind, trip);
    history_say(sim, trip, "farebox-%u asks %s: %s%s", i, fare ? "pricing" : "users",
                upstream_fault_name((enum upstream_fault)reply.fault),
                reply.answer.kind == UPSTREAM_OK ? ", answered" : ", no good answer");
}

/* The client gives up after its timeout; what comes later finds nobody. */
static void pg_answer_later(struct sim *sim, uint32_t i, enum pending_kind kind, uint32_t slot,
                            uint16_t call_no, struct pg_fake_reply *reply)
{
    int64_t timeout_ms = sim->w->faults.pg.timeout_ms;

    if (reply->delay_ms > timeout_ms) {
        reply->delay_ms = timeout_ms;
        memset(&reply->answer, 0, sizeof(reply->answer));
        reply->answer.kind = PG_ANSWER_TIMEOUT;
    }
    struct pending *p = schedule_add(sim, kind, i, reply->delay_ms);
    p->slot = slot;
    p->call_no = call_no;
    p->as.pg = reply->answer;
}

static const char *answer_text(const struct sim *sim, const struct pg_answer *a)
{
    switch ((enum pg_answer_kind)a->kind) {
    case PG_ANSWER_NOT_SENT:
        return "not sent";
    case PG_ANSWER_TIMEOUT:
        return "no answer";
    case PG_ANSWER_BROKEN:
        return "a broken answer";
    case PG_ANSWER_ERROR:
        return texts_string(sim->texts, a->code);
    case PG_ANSWER_PAYMENT:
        return pg_ledger_status_name((enum pg_status)a->status);
    }
    return "?";
}

/* What an unfinished payment says of its balance is not written anywhere: anything may be. */
static void blur_unfinished(struct sim *sim, struct pg_answer *answer)
{
    bool unfinished = answer->kind == PG_ANSWER_PAYMENT &&
                      (answer->status == PG_IN_PROGRESS || answer->status == PG_READY);

    if (unfinished && world_choose(sim, 2, "unfinished balance") == 1) {
        answer->balance_krw = 0;
    }
}

static void call_pg(struct sim *sim, uint32_t i, const struct pending *p, const char *what,
                    const struct pg_ledger_request *request, uint32_t trip)
{
    struct pg_fake_reply reply;

    pg_fake_call(sim->pg, sim->texts, request, sim->w->now_ms, &sim->chooser, &reply);
    blur_unfinished(sim, &reply.answer);
    history_add(sim, what, reply.fault, reply.answer.kind, trip);
    history_add(sim, what, reply.answer.status, (uint64_t)reply.answer.balance_krw, p->slot);
    history_say(sim, trip, "farebox-%u %ss at the PG: %s, in %lld ms (fault: %s)", i, what,
                answer_text(sim, &reply.answer), (long long)reply.delay_ms,
                pg_fault_name((enum pg_fault)reply.fault));
    if (request->op == PG_LEDGER_LOOKUP || request->op == PG_LEDGER_LOOKUP_PG_ID) {
        laws_looked_up(sim, trip, &reply.answer);
    }
    pg_answer_later(sim, i, PENDING_PG, p->slot, p->call_no, &reply);
    world_touch(sim, trip);
}

static text_id key_of(struct sim *sim, const struct uuid *id, int64_t cancel_no)
{
    char text[UUID_KEY_SIZE];

    uuid_format(id, text);
    if (cancel_no >= 0) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof(text) - len, ":cancel:%lld", (long long)cancel_no);
    }
    text_id key = texts_intern_string(sim->texts, text);
    invariant(key != TEXT_NONE);
    return key;
}

static void send_charge(struct sim *sim, const struct pending *p)
{
    const struct payment *payment = engine_payment(engine_of(sim, p->instance), p->slot);
    uint32_t trip = world_trip_of(sim, payment->trip_id);

    if (world_boot_ms(sim, p->instance) >= p->as.io.value) {
        /* The process slept too long: the bytes don't leave. */
        struct pg_fake_reply reply = {.answer = {.kind = PG_ANSWER_NOT_SENT}};
        history_say(sim, trip, "farebox-%u charges too late: not sent", p->instance);
        pg_answer_later(sim, p->instance, PENDING_PG, p->slot, p->call_no, &reply);
        return;
    }
    laws_charge(sim, p->instance, payment);
    const struct pg_ledger_request request = {
        .account = WORLD_PG_ACCOUNT,
        .order_id = payment->payment_id,
        .amount_krw = payment->amount_krw,
        .refundable_krw = -1,
        .key = key_of(sim, &payment->payment_id, -1),
        .billing_key = payment->billing_key,
        .customer = payment->user_id,
        .op = PG_LEDGER_CHARGE,
    };
    call_pg(sim, p->instance, p, "charge", &request, trip);
}

static void send_cancel(struct sim *sim, const struct pending *p)
{
    const struct payment *payment = engine_payment(engine_of(sim, p->instance), p->slot);
    uint32_t trip = world_trip_of(sim, payment->trip_id);

    laws_cancel(sim, p->instance, payment, p->as.io.text);
    const struct pg_ledger_request request = {
        .account = WORLD_PG_ACCOUNT,
        .order_id = payment->payment_id,
        .amount_krw = -1,
        .refundable_krw = -1,
        .key = key_of(sim, &payment->payment_id, p->as.io.value),
        .pg_id = p->as.io.text,
        .op = PG_LEDGER_CANCEL,
    };
    call_pg(sim, p->instance, p, "cancel", &request, trip);
}

void carry_out_send(struct sim *sim, const struct pending *p)
{
    const struct payment *payment = engine_payment(engine_of(sim, p->instance), p->slot);

    if (payment->call_no != p->call_no) {
        return;
    }
    if (p->as.io.kind == FX_CHARGE) {
        send_charge(sim, p);
    } else {
        send_cancel(sim, p);
    }
}

static void look_up(struct sim *sim, uint32_t i, const struct effect *fx)
{
    const struct payment *payment = engine_payment(engine_of(sim, i), fx->slot);
    const struct pending p = {.slot = fx->slot, .call_no = fx->call_no};
    const struct pg_ledger_request request = {
        .account = WORLD_PG_ACCOUNT,
        .order_id = payment->payment_id,
        .amount_krw = -1,
        .refundable_krw = -1,
        .pg_id = fx->text,
        .op = fx->text == TEXT_NONE ? PG_LEDGER_LOOKUP : PG_LEDGER_LOOKUP_PG_ID,
    };

    call_pg(sim, i, &p, "look-up", &request, world_trip_of(sim, payment->trip_id));
}

static void probe(struct sim *sim, uint32_t i, const struct effect *fx)
{
    const struct pg_ledger_request request = {
        .account = WORLD_PG_ACCOUNT, .refundable_krw = -1, .op = PG_LEDGER_LOOKUP};
    struct pg_fake_reply reply;

    pg_fake_call(sim->pg, sim->texts, &request, sim->w->now_ms, &sim->chooser, &reply);
    pg_answer_later(sim, i, PENDING_PROBE, fx->slot, fx->call_no, &reply);
}

static void pause_partition(struct sim *sim, uint32_t i, const struct effect *fx)
{
    struct believed *b = believed_at(sim, i, fx->slot, (uint32_t)fx->partition);

    if (b->assigned && b->assignment == fx->assignment) {
        b->paused = fx->kind == FX_PAUSE;
    }
}

static void submit(struct sim *sim, uint32_t i, const struct effect *fx)
{
    instance_at(sim, i)->lane_units[fx->slot] = (uint8_t)fx->value;
    (void)add_io(sim, PENDING_COMMIT, i, fx, schedule_latency_ms(sim));
}

static void say_note(struct sim *sim, uint32_t i, const struct effect *fx)
{
    uint32_t trip = fx->text == TEXT_NONE ? WORLD_TRIP_NONE : world_trip_of(sim, fx->text);

    if (sim->trace == NULL) {
        return;
    }
    if (fx->kind == FX_ALERT) {
        history_say(sim, trip, "farebox-%u alerts: %s", i,
                    payment_alert_name((enum payment_alert)fx->call_no));
    }
}

void carry_out(struct sim *sim, uint32_t i, const struct effect *fx)
{
    struct pending *p;

    history_add(sim, "effect", fx->kind, ((uint64_t)i << 32) | fx->slot, (uint64_t)fx->value);
    switch ((enum effect_kind)fx->kind) {
    case FX_FARE:
    case FX_PAYER:
        fare_or_payer(sim, i, fx);
        return;
    case FX_CHARGE:
    case FX_CANCEL:
        p = add_io(sim, PENDING_SEND, i, fx, 0);
        p->as.io.kind = fx->kind;
        return;
    case FX_LOOKUP:
        look_up(sim, i, fx);
        return;
    case FX_PROBE:
        probe(sim, i, fx);
        return;
    case FX_SUBMIT:
        submit(sim, i, fx);
        return;
    case FX_SCAN:
        (void)add_io(sim, PENDING_SCAN, i, fx, schedule_latency_ms(sim));
        return;
    case FX_PURGE:
        (void)add_io(sim, PENDING_PURGE, i, fx, schedule_latency_ms(sim));
        return;
    case FX_PUBLISH:
    case FX_DEAD_LETTER:
        p = add_io(sim, PENDING_PUBLISH, i, fx, schedule_latency_ms(sim));
        p->as.io.kind = fx->kind == FX_PUBLISH ? PUBLISH_OUTBOX : PUBLISH_DEAD_LETTER;
        if (fx->kind == FX_PUBLISH) {
            laws_publish(sim, i, engine_outbox(engine_of(sim, i), fx->slot));
        } else {
            laws_dead_letter(sim, i, engine_dead_letter(engine_of(sim, i), fx->slot));
        }
        return;
    case FX_OFFSET:
        (void)add_io(sim, PENDING_OFFSET, i, fx, schedule_latency_ms(sim));
        return;
    case FX_PAUSE:
    case FX_RESUME:
        pause_partition(sim, i, fx);
        return;
    case FX_REPLY:
        history_say(sim, WORLD_TRIP_NONE, "farebox-%u replies to request %u: %u", i, fx->slot,
                    fx->call_no);
        return;
    case FX_ALERT:
    case FX_NOTE:
        say_note(sim, i, fx);
        return;
    case FX_STOPPED:
        (void)schedule_add(sim, PENDING_STOP_TIME, i, 50);
        return;
    }
}
