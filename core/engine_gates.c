/* engine_gates.c - the breakers of pricing, users and the PG: who may call, and what it told. */
#include "engine_internal.h"

#define HELD       0x8000U
#define ROUND_BITS 0x7FFFU

void gates_init(struct engine *e)
{
    for (uint32_t g = 0; g < GATE_COUNT; g++) {
        breaker_init(&e->breakers[g]);
    }
    e->last_good_ms[UPSTREAM_PRICING] = INT64_MIN;
    e->last_good_ms[UPSTREAM_USERS] = INT64_MIN;
}

/* The PG is first probed by a look-up, never by a charge. */
static bool is_open(const struct engine *e, enum payment_gate gate)
{
    const struct breaker *b = &e->breakers[gate];

    return breaker_admits(b, &e->config.breakers[gate], e->now_ms) &&
           (gate != GATE_PG || breaker_proven(b));
}

static uint32_t round_of(const struct engine *e, enum payment_gate gate, uint16_t mark);

/* It holds an admission of this round: the one that it would otherwise wait for may be its own. */
static bool is_admitted(const struct engine *e, const struct payment *p, enum payment_gate gate)
{
    const struct breaker *b = &e->breakers[gate];

    return p->rounds[gate] != 0 && b->state != BREAKER_OPEN &&
           round_of(e, gate, p->rounds[gate]) == breaker_round(b);
}

bool gates_any_open(const struct engine *e)
{
    for (uint32_t g = 0; g < GATE_COUNT; g++) {
        if (e->breakers[g].state == BREAKER_OPEN && e->now_ms < breaker_next_ms(&e->breakers[g])) {
            return true;
        }
    }
    return false;
}

void gates_context(struct run *r, const struct payment *p, struct payment_context *ctx)
{
    struct engine *e = r->e;

    for (uint32_t g = 0; g < GATE_COUNT; g++) {
        int64_t next_ms = breaker_next_ms(&e->breakers[g]);
        int64_t poll_ms = e->config.gate_poll_ms;

        ctx->gate_open[g] =
            is_open(e, (enum payment_gate)g) || is_admitted(e, p, (enum payment_gate)g);
        if (next_ms == INT64_MAX || next_ms < e->now_ms) {
            next_ms = e->now_ms;
        }
        /* Not all at the same instant: only a few are admitted. */
        ctx->gate_next_ms[g] = next_ms + 1 + (int64_t)(ctx->random % (uint64_t)poll_ms);
    }
    for (uint32_t u = 0; u < UPSTREAM_COUNT; u++) {
        ctx->last_good_ms[u] = e->last_good_ms[u];
    }
}

static uint16_t round_mark(const struct engine *e, enum payment_gate gate)
{
    return (uint16_t)(HELD | (breaker_round(&e->breakers[gate]) & ROUND_BITS));
}

/* The last round before or at the present one that has these low bits. */
static uint32_t round_of(const struct engine *e, enum payment_gate gate, uint16_t mark)
{
    uint32_t now = breaker_round(&e->breakers[gate]);

    return now - ((now - mark) & ROUND_BITS);
}

/* The payment's step saw the gate open, or holds an admission since its claim. */
void gates_admit(struct run *r, struct payment *p, enum payment_gate gate)
{
    struct engine *e = r->e;

    if (p->rounds[gate] != 0) {
        return;
    }
    if (breaker_admit(&e->breakers[gate], &e->config.breakers[gate], e->now_ms)) {
        p->rounds[gate] = round_mark(e, gate);
    }
}

/* Look-ups and cancels always go out; they are news for the breaker only while it is closed. */
void gates_admit_if_closed(struct run *r, struct payment *p, enum payment_gate gate)
{
    if (r->e->breakers[gate].state == BREAKER_CLOSED) {
        gates_admit(r, p, gate);
    }
}

static void tell(struct run *r, struct payment *p, enum payment_gate gate,
                 enum breaker_verdict verdict)
{
    struct engine *e = r->e;
    uint32_t round;

    if (p->rounds[gate] == 0) {
        return;
    }
    round = round_of(e, gate, p->rounds[gate]);
    p->rounds[gate] = 0;
    breaker_verdict(&e->breakers[gate], &e->config.breakers[gate], e->now_ms, round, verdict);
}

static void forget(struct run *r, struct payment *p, enum payment_gate gate)
{
    struct engine *e = r->e;
    uint16_t mark = p->rounds[gate];

    if (mark != 0) {
        p->rounds[gate] = 0;
        breaker_forget(&e->breakers[gate], &e->config.breakers[gate], round_of(e, gate, mark));
    }
}

void gates_forget(struct run *r, struct payment *p)
{
    for (uint32_t g = 0; g < GATE_COUNT; g++) {
        forget(r, p, (enum payment_gate)g);
    }
}

void gates_trip(struct run *r, uint8_t bits)
{
    for (uint32_t g = 0; g < GATE_COUNT; g++) {
        if ((bits & (1U << g)) != 0) {
            breaker_trip(&r->e->breakers[g], &r->e->config.breakers[g], r->e->now_ms);
        }
    }
}

void gates_upstream(struct run *r, struct payment *p, enum upstream upstream, uint8_t kind)
{
    bool good = kind != UPSTREAM_TROUBLE;

    if (good) {
        r->e->last_good_ms[upstream] = r->e->now_ms;
    }
    tell(r, p, (enum payment_gate)upstream, good ? BREAKER_GOOD : BREAKER_BAD);
}

enum pg_health { PG_HEALTH_GOOD, PG_HEALTH_BAD, PG_HEALTH_SILENT, PG_HEALTH_CREDENTIALS };

/* A decline and NOT_FOUND_PAYMENT are healthy; a wrong request of ours says nothing. */
static enum pg_health health_of(const struct pg_answer *a)
{
    if (a->kind == PG_ANSWER_PAYMENT) {
        return PG_HEALTH_GOOD;
    }
    if (a->kind != PG_ANSWER_ERROR) {
        return PG_HEALTH_BAD;
    }
    switch ((enum pg_code_class)a->code_class) {
    case PG_CODE_CREDENTIALS:
        return PG_HEALTH_CREDENTIALS;
    case PG_CODE_REQUEST:
        return PG_HEALTH_SILENT;
    case PG_CODE_UNKNOWN:
    case PG_CODE_RETRY:
        return PG_HEALTH_BAD;
    case PG_CODE_DECLINED:
    case PG_CODE_CANCELLED_ALREADY:
    case PG_CODE_CANCEL_REFUSED:
    case PG_CODE_NOT_FOUND:
        break;
    }
    return PG_HEALTH_GOOD;
}

void gates_pg(struct run *r, struct payment *p, const struct pg_answer *answer)
{
    switch (health_of(answer)) {
    case PG_HEALTH_GOOD:
        tell(r, p, GATE_PG, BREAKER_GOOD);
        return;
    case PG_HEALTH_BAD:
        tell(r, p, GATE_PG, BREAKER_BAD);
        return;
    case PG_HEALTH_SILENT:
        forget(r, p, GATE_PG);
        return;
    case PG_HEALTH_CREDENTIALS:
        forget(r, p, GATE_PG);
        gates_trip(r, 1U << GATE_PG);
        return;
    }
}

/* Half-open and not proven: one look-up that belongs to no payment. */
void gates_probe(struct run *r)
{
    struct engine *e = r->e;
    struct breaker *b = &e->breakers[GATE_PG];
    struct effect *fx;

    if (e->probe_out || e->stopping || breaker_proven(b) ||
        !breaker_admit(b, &e->config.breakers[GATE_PG], e->now_ms)) {
        return;
    }
    e->probe_out = 1;
    e->probe_call_no++;
    e->probe_round = breaker_round(b);
    fx = engine_emit(r, FX_PROBE);
    fx->call_no = e->probe_call_no;
}

void gates_probed(struct run *r)
{
    struct engine *e = r->e;
    struct breaker *b = &e->breakers[GATE_PG];
    const struct breaker_config *config = &e->config.breakers[GATE_PG];

    if (!e->probe_out || r->ev->as.pg.call_no != e->probe_call_no) {
        return;
    }
    e->probe_out = 0;
    switch (health_of(&r->ev->as.pg.answer)) {
    case PG_HEALTH_GOOD:
        breaker_verdict(b, config, e->now_ms, e->probe_round, BREAKER_GOOD);
        return;
    case PG_HEALTH_SILENT:
    case PG_HEALTH_BAD:
        breaker_verdict(b, config, e->now_ms, e->probe_round, BREAKER_BAD);
        return;
    case PG_HEALTH_CREDENTIALS:
        breaker_forget(b, config, e->probe_round);
        breaker_trip(b, config, e->now_ms);
        return;
    }
}

/* Says once that a breaker has opened or closed. */
static void note_breakers(struct run *r)
{
    struct engine *e = r->e;

    for (uint32_t g = 0; g < GATE_COUNT; g++) {
        uint8_t state = e->breakers[g].state;

        if (state == e->breaker_seen[g]) {
            continue;
        }
        e->breaker_seen[g] = state;
        if (state != BREAKER_HALF_OPEN) {
            engine_note(r, state == BREAKER_OPEN ? NOTE_BREAKER_OPEN : NOTE_BREAKER_CLOSED,
                        TEXT_NONE, g);
        }
    }
}

/* Sees to the next probe. */
void gates_settle(struct run *r)
{
    struct engine *e = r->e;
    const struct breaker *b = &e->breakers[GATE_PG];
    int64_t next_ms = breaker_next_ms(b);
    uint32_t timer = engine_system_timer(e, TIMER_PROBE);

    note_breakers(r);
    if (e->probe_out || e->stopping || breaker_proven(b)) {
        timers_cancel(engine_timers(e), timer);
        return;
    }
    if (next_ms == INT64_MAX) {
        next_ms = e->now_ms + e->config.gate_poll_ms;
    }
    if (!timers_armed(engine_timers(e), timer)) {
        timers_set(engine_timers(e), timer, next_ms);
    }
}
