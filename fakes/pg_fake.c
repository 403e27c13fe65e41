#include "pg_fake.h"

#include "invariant.h"

#include <string.h>

#define DAY_MS    (INT64_C(24) * 3600 * 1000)
#define RULES_MAX 4096

/* A well-formed paymentKey that is nobody's. */
static const char foreign_pg_id[] = "fakepay0_00000000-0000-4000-8000-000000000000";

_Static_assert(sizeof(struct pg_fake_config) == 88, "no padding: equal histories, equal bytes");
_Static_assert(sizeof(struct pg_fake_rule) == 56, "no padding");

struct pg_fake {
    struct pg_fake_config config;
    uint32_t counts[PG_FAULT_COUNT];
    uint32_t rules_max;
    uint32_t rule_count;
    uint32_t faults_off;
    uint32_t reserved;
};

/* What a fault needs in order to have an effect. */
enum need {
    NEED_NOTHING = 0,
    NEED_MOVE = 1 << 0,    /* the call would charge, or would cancel something */
    NEED_PENDING = 1 << 1, /* room for a late action */
    NEED_PAYMENT = 1 << 2, /* look-ups: there is a payment */
    NEED_FRESH = 1 << 3,   /* a payment that changed just now */
    NEED_NEW_KEY = 1 << 4, /* no key decides the call already */
};

enum {
    ON_CHARGE = 1 << PG_LEDGER_CHARGE,
    ON_CANCEL = 1 << PG_LEDGER_CANCEL,
    ON_LOOKUP = 1 << PG_LEDGER_LOOKUP | 1 << PG_LEDGER_LOOKUP_PG_ID,
    ON_POST = ON_CHARGE | ON_CANCEL,
    ON_ANY = ON_POST | ON_LOOKUP,
};

struct fault_spec {
    const char *name;
    uint8_t ops;
    uint8_t needs;
    uint8_t answers; /* enum pg_answer_kind that hides the ledger's answer; 0: none */
    uint8_t code;    /* answered in front of the ledger, which sees nothing; 0: none */
    uint8_t flags;   /* of the ledger's plan */
};

static const struct fault_spec specs[PG_FAULT_COUNT] = {
    [PG_FAULT_NONE] = {"none", ON_ANY, NEED_NOTHING, 0, 0, 0},
    [PG_FAULT_NOT_SENT] = {"not_sent", ON_ANY, NEED_NOTHING, PG_ANSWER_NOT_SENT, 0, 0},
    [PG_FAULT_LOST_BEFORE] = {"lost_before", ON_ANY, NEED_NOTHING, PG_ANSWER_TIMEOUT, 0, 0},
    [PG_FAULT_LOST_AFTER] = {"lost_after", ON_POST, NEED_MOVE, PG_ANSWER_TIMEOUT, 0, 0},
    [PG_FAULT_LATE] = {"late", ON_POST, NEED_MOVE | NEED_PENDING, 0, 0, 0},
    [PG_FAULT_IN_PROGRESS] = {"in_progress", ON_CHARGE, NEED_MOVE | NEED_PENDING, 0, 0,
                              PG_PLAN_VISIBLE},
    [PG_FAULT_ABORTED] = {"aborted", ON_CHARGE, NEED_MOVE | NEED_PENDING, 0, 0,
                          PG_PLAN_VISIBLE | PG_PLAN_ABORTS},
    [PG_FAULT_DECLINE] = {"decline", ON_CHARGE, NEED_MOVE, 0, 0, PG_PLAN_NOT_DONE},
    [PG_FAULT_ERROR_BEFORE] = {"error_before", ON_ANY, NEED_NEW_KEY | NEED_PAYMENT, 0, 0,
                               PG_PLAN_NOT_DONE},
    [PG_FAULT_ERROR_AFTER] = {"error_after", ON_POST, NEED_MOVE, 0, 0, 0},
    [PG_FAULT_WRONG_AMOUNT] = {"wrong_amount", ON_CHARGE, NEED_MOVE, 0, 0, 0},
    [PG_FAULT_WRONG_CURRENCY] = {"wrong_currency", ON_CHARGE, NEED_MOVE, 0, 0, PG_PLAN_NOT_KRW},
    [PG_FAULT_NO_PG_ID] = {"no_pg_id", ON_ANY, NEED_MOVE | NEED_PAYMENT, 0, 0, PG_PLAN_NO_PG_ID},
    [PG_FAULT_OUTSIDE_CANCEL] = {"outside_cancel", ON_CHARGE, NEED_MOVE | NEED_PENDING, 0, 0, 0},
    [PG_FAULT_STALE] = {"stale", ON_LOOKUP, NEED_FRESH, 0, 0, PG_PLAN_STALE},
    [PG_FAULT_BROKEN] = {"broken", ON_ANY, NEED_NOTHING, PG_ANSWER_BROKEN, 0, 0},
    [PG_FAULT_FOREIGN] = {"foreign", ON_ANY, NEED_MOVE | NEED_PAYMENT, 0, 0, 0},
    [PG_FAULT_SLOW] = {"slow", ON_ANY, NEED_NOTHING, 0, 0, 0},
    [PG_FAULT_UNAUTHORIZED] = {"unauthorized", ON_ANY, NEED_NOTHING, 0, PG_FAKE_UNAUTHORIZED_KEY,
                               0},
    [PG_FAULT_WRONG_URL] = {"wrong_url", ON_ANY, NEED_NOTHING, 0, PG_FAKE_NOT_FOUND, 0},
    [PG_FAULT_TOO_MANY] = {"too_many", ON_ANY, NEED_NOTHING, 0, PG_FAKE_TOO_MANY_REQUESTS, 0},
    [PG_FAULT_PROCESSING] = {"processing", ON_POST, NEED_NOTHING, 0,
                             PG_FAKE_IDEMPOTENT_REQUEST_PROCESSING, 0},
    [PG_FAULT_CONSECUTIVE] = {"consecutive", ON_CANCEL | ON_LOOKUP, NEED_MOVE | NEED_PAYMENT, 0, 0,
                              PG_PLAN_NOT_DONE},
    [PG_FAULT_CANCEL_REFUSED] = {"cancel_refused", ON_CANCEL, NEED_MOVE, 0, 0,
                                 PG_PLAN_NOT_DONE | PG_PLAN_NO_CANCELS},
};

const char *pg_fault_name(enum pg_fault fault)
{
    invariant(fault < PG_FAULT_COUNT);
    return specs[fault].name;
}

struct pg_fake_config pg_fake_config_default(void)
{
    return (struct pg_fake_config){
        .late_long_permille = 100,
        .latency_min_ms = 30,
        .latency_max_ms = 800,
        .timeout_ms = 60000,
        .slow_max_ms = 60000,
        .stale_max_ms = 5000,
        .late_short_max_ms = 900000,
        .late_long_max_ms = 14 * DAY_MS,
    };
}

static bool weights_ok(const struct pg_fake_config *config, unsigned op)
{
    uint32_t sum = 0;
    for (int fault = 1; fault < PG_FAULT_COUNT; fault++) {
        sum += specs[fault].ops & op ? config->permille[fault] : 0;
    }
    return sum <= 1000;
}

bool pg_fake_config_ok(const struct pg_fake_config *config)
{
    return weights_ok(config, 1 << PG_LEDGER_CHARGE) && weights_ok(config, 1 << PG_LEDGER_CANCEL) &&
           weights_ok(config, 1 << PG_LEDGER_LOOKUP) && config->late_long_permille <= 1000 &&
           config->latency_min_ms >= 0 && config->latency_max_ms >= config->latency_min_ms &&
           config->timeout_ms >= 0 && config->slow_max_ms >= 0 && config->stale_max_ms >= 0 &&
           config->late_short_max_ms >= 0 && config->late_long_max_ms >= 0 &&
           config->late_short_max_ms < UINT32_MAX && config->late_long_max_ms < UINT32_MAX;
}

static struct pg_fake_rule *rule_at(struct pg_fake *fake, uint32_t index)
{
    return (struct pg_fake_rule *)(void *)(fake + 1) + index;
}

static size_t ledger_offset(uint32_t rules_max)
{
    return sizeof(struct pg_fake) + rules_max * sizeof(struct pg_fake_rule);
}

size_t pg_fake_size(const struct pg_fake_limits *limits)
{
    invariant(limits->rules_max <= RULES_MAX);
    return ledger_offset(limits->rules_max) + pg_ledger_size(&limits->ledger);
}

struct pg_fake *pg_fake_init(void *block, const struct pg_fake_limits *limits,
                             const struct pg_fake_config *config)
{
    invariant(pg_fake_config_ok(config));
    memset(block, 0, pg_fake_size(limits));
    struct pg_fake *fake = block;
    fake->config = *config;
    fake->rules_max = limits->rules_max;
    (void)pg_ledger_init(pg_fake_ledger(fake), &limits->ledger);
    return fake;
}

struct pg_ledger *pg_fake_ledger(struct pg_fake *fake)
{
    return (void *)((unsigned char *)fake + ledger_offset(fake->rules_max));
}

const struct pg_ledger *pg_fake_ledger_view(const struct pg_fake *fake)
{
    return (const void *)((const unsigned char *)fake + ledger_offset(fake->rules_max));
}

bool pg_fake_rule_add(struct pg_fake *fake, const struct pg_fake_rule *rule)
{
    invariant(rule->fault < PG_FAULT_COUNT && rule->code < PG_FAKE_CODE_COUNT);
    if (fake->rule_count == fake->rules_max) {
        return false;
    }
    struct pg_fake_rule *added = rule_at(fake, fake->rule_count++);
    *added = *rule;
    added->spent = 0;
    return true;
}

void pg_fake_rules_clear(struct pg_fake *fake)
{
    memset(rule_at(fake, 0), 0, fake->rule_count * sizeof(struct pg_fake_rule));
    fake->rule_count = 0;
}

uint32_t pg_fake_rule_count(const struct pg_fake *fake)
{
    return fake->rule_count;
}

struct pg_fake_rule pg_fake_rule_get(const struct pg_fake *fake, uint32_t index)
{
    invariant(index < fake->rule_count);
    return ((const struct pg_fake_rule *)(const void *)(fake + 1))[index];
}

void pg_fake_configure(struct pg_fake *fake, const struct pg_fake_config *config)
{
    invariant(pg_fake_config_ok(config));
    fake->config = *config;
    fake->faults_off = 0;
}

static bool is_lookup(const struct pg_ledger_request *request)
{
    return ((1u << request->op) & ON_LOOKUP) != 0;
}

/* The needs that this call meets. */
static unsigned needs_met(const struct pg_fake *fake, const struct texts *texts,
                          const struct pg_ledger_request *request, int64_t now_ms)
{
    const struct pg_ledger *ledger = pg_fake_ledger_view(fake);
    int64_t changed = pg_ledger_changed_at(ledger, texts, request);
    int64_t balance = pg_ledger_balance(ledger, texts, request);
    bool new_key = !pg_ledger_replays(ledger, texts, request, now_ms);
    bool moves = request->op == PG_LEDGER_CHARGE ? balance < 0 : balance > 0;
    unsigned met = 0;
    met |= new_key ? NEED_NEW_KEY : 0;
    met |= !is_lookup(request) || balance >= 0 ? NEED_PAYMENT : 0;
    met |= is_lookup(request) || (new_key && moves) ? NEED_MOVE : 0;
    met |= pg_ledger_has_pending_room(ledger) ? NEED_PENDING : 0;
    if (changed != PG_LEDGER_NEVER && now_ms - changed <= fake->config.stale_max_ms) {
        met |= NEED_FRESH;
    }
    return met;
}

static bool is_possible(unsigned fault, const struct pg_ledger_request *request, unsigned met)
{
    const struct fault_spec *spec = &specs[fault];
    return (spec->ops & (1u << request->op)) != 0 && (spec->needs & ~met) == 0;
}

static bool rule_fits(const struct pg_fake_rule *rule, const struct pg_ledger_request *request,
                      int64_t now_ms)
{
    return (rule->ops == 0 || (rule->ops & (1u << request->op)) != 0) &&
           (uuid_is_nil(&rule->order_id) || uuid_equal(&rule->order_id, &request->order_id)) &&
           now_ms >= rule->from_ms && (rule->until_ms == 0 || now_ms < rule->until_ms) &&
           (rule->amount_krw == 0 ||
            (request->op == PG_LEDGER_CHARGE && request->amount_krw == rule->amount_krw));
}

/* The first rule that decides this call; NULL: none does. Rules that fit are used up. */
static const struct pg_fake_rule *rule_take(struct pg_fake *fake,
                                            const struct pg_ledger_request *request, unsigned met,
                                            int64_t now_ms)
{
    for (uint32_t i = 0; i < fake->rule_count; i++) {
        struct pg_fake_rule *rule = rule_at(fake, i);
        if (rule->spent || !rule_fits(rule, request, now_ms) ||
            !is_possible(rule->fault, request, met)) {
            continue;
        }
        if (rule->skip > 0) {
            rule->skip--;
            continue;
        }
        if (rule->times > 0) {
            rule->times--;
            rule->spent = rule->times == 0;
        }
        return rule;
    }
    return NULL;
}

static uint8_t draw_uniform(const struct pg_fake *fake, const struct pg_ledger_request *request,
                            unsigned met, const struct chooser *chooser)
{
    uint8_t possible[PG_FAULT_COUNT] = {PG_FAULT_NONE};
    uint32_t count = 1;
    for (unsigned fault = 1; fault < PG_FAULT_COUNT; fault++) {
        if (fake->config.permille[fault] > 0 && is_possible(fault, request, met)) {
            possible[count++] = (uint8_t)fault;
        }
    }
    return possible[chooser_pick(chooser, count, "pg.fault")];
}

/* The faults lie at the upper end, so that a choice of 0 is always "none". */
static uint8_t draw_weighted(const struct pg_fake *fake, const struct pg_ledger_request *request,
                             unsigned met, const struct chooser *chooser)
{
    uint32_t weight[PG_FAULT_COUNT] = {0};
    uint32_t sum = 0;
    for (unsigned fault = 1; fault < PG_FAULT_COUNT; fault++) {
        weight[fault] = is_possible(fault, request, met) ? fake->config.permille[fault] : 0;
        sum += weight[fault];
    }
    if (sum == 0) {
        return PG_FAULT_NONE;
    }
    uint32_t left = 999 - chooser_pick(chooser, 1000, "pg.fault");
    for (unsigned fault = 1; fault < PG_FAULT_COUNT; fault++) {
        if (left < weight[fault]) {
            return (uint8_t)fault;
        }
        left -= weight[fault];
    }
    return PG_FAULT_NONE;
}

static int64_t draw_span(const struct pg_fake *fake, int64_t max, const struct chooser *chooser,
                         const char *label)
{
    if (fake->config.uniform || max == 0) {
        return max;
    }
    return chooser_pick(chooser, (uint32_t)(max + 1), label);
}

/* After how long a late action is done: at least 1 ms. */
static int64_t draw_late(const struct pg_fake *fake, const struct pg_fake_rule *rule,
                         const struct chooser *chooser)
{
    const struct pg_fake_config *config = &fake->config;
    if (rule != NULL && rule->value > 0) {
        return rule->value;
    }
    bool lengthy =
        config->uniform
            ? config->late_long_permille > 0 && chooser_pick(chooser, 2, "pg.late.long")
            : config->late_long_permille > 0 &&
                  chooser_pick(chooser, 1000, "pg.late.long") >= 1000u - config->late_long_permille;
    int64_t max = lengthy ? config->late_long_max_ms : config->late_short_max_ms;
    int64_t span = draw_span(fake, max, chooser, "pg.late");
    return span > 0 ? span : 1;
}

static uint8_t draw_code(const struct pg_fake *fake, uint8_t fault, uint8_t op,
                         const struct chooser *chooser)
{
    static const uint8_t declines[] = {PG_FAKE_REJECT_CARD_PAYMENT, PG_FAKE_REJECT_CARD_COMPANY,
                                       PG_FAKE_INVALID_STOPPED_CARD, PG_FAKE_NOT_FOUND_BILLING};
    static const uint8_t charge[] = {PG_FAKE_FAILED_INTERNAL_SYSTEM_PROCESSING,
                                     PG_FAKE_PROVIDER_ERROR, PG_FAKE_FAILED_CARD_COMPANY_RESPONSE,
                                     PG_FAKE_UNKNOWN_ERROR};
    static const uint8_t cancel[] = {PG_FAKE_FAILED_INTERNAL_SYSTEM_PROCESSING,
                                     PG_FAKE_PROVIDER_ERROR, PG_FAKE_FAILED_REFUND_PROCESS,
                                     PG_FAKE_COMMON_ERROR};
    static const uint8_t refused[] = {PG_FAKE_NOT_CANCELABLE_PAYMENT, PG_FAKE_REFUND_REJECTED,
                                      PG_FAKE_EXCEED_CANCEL_LIMIT, PG_FAKE_EXCEED_MAX_REFUND_DUE};
    if (fault == PG_FAULT_CONSECUTIVE) {
        return PG_FAKE_FORBIDDEN_CONSECUTIVE_REQUEST;
    }
    if ((1u << op) & ON_LOOKUP) {
        return PG_FAKE_FAILED_INTERNAL_SYSTEM_PROCESSING;
    }
    const uint8_t *codes = op == PG_LEDGER_CHARGE ? charge : cancel;
    codes = fault == PG_FAULT_DECLINE ? declines : codes;
    codes = fault == PG_FAULT_CANCEL_REFUSED ? refused : codes;
    return codes[fake->config.uniform ? 0 : chooser_pick(chooser, 4, "pg.code")];
}

static int64_t draw_amount(const struct pg_fake_rule *rule, int64_t asked_krw,
                           const struct chooser *chooser, const char *label)
{
    if (rule != NULL && rule->value > 0) {
        return rule->value;
    }
    return chooser_pick(chooser, 2, label) == 0 ? asked_krw + 1 : (asked_krw + 1) / 2;
}

static int64_t draw_delay(const struct pg_fake *fake, uint8_t fault, const struct chooser *chooser)
{
    const struct pg_fake_config *config = &fake->config;
    if (fault == PG_FAULT_LOST_BEFORE || fault == PG_FAULT_LOST_AFTER || fault == PG_FAULT_LATE) {
        return config->timeout_ms;
    }
    if (fault == PG_FAULT_SLOW) {
        return config->timeout_ms + 1 + draw_span(fake, config->slow_max_ms, chooser, "pg.slow");
    }
    int64_t spread = config->latency_max_ms - config->latency_min_ms;
    return config->latency_min_ms +
           (config->uniform ? 0 : draw_span(fake, spread, chooser, "pg.latency"));
}

static void plan_ledger(const struct pg_fake *fake, const struct pg_ledger_request *request,
                        const struct pg_fake_rule *rule, int64_t now_ms,
                        const struct chooser *chooser, struct pg_fake_plan *plan)
{
    uint8_t fault = plan->fault;
    plan->ledger.flags = specs[fault].flags;
    if (plan->ledger.flags & PG_PLAN_NOT_DONE || fault == PG_FAULT_ERROR_AFTER) {
        bool scripted = rule != NULL && rule->code != 0;
        plan->ledger.code = scripted ? rule->code : draw_code(fake, fault, request->op, chooser);
    }
    if (fault == PG_FAULT_LATE || fault == PG_FAULT_IN_PROGRESS || fault == PG_FAULT_ABORTED) {
        plan->ledger.due_ms = now_ms + draw_late(fake, rule, chooser);
    }
    if (fault == PG_FAULT_WRONG_AMOUNT) {
        plan->ledger.amount_krw = draw_amount(rule, request->amount_krw, chooser, "pg.amount");
    }
    if (fault == PG_FAULT_OUTSIDE_CANCEL) {
        plan->ledger.outside_krw = draw_amount(rule, request->amount_krw, chooser, "pg.outside");
        plan->ledger.outside_due_ms = now_ms + draw_late(fake, NULL, chooser);
    }
}

void pg_fake_plan(struct pg_fake *fake, const struct texts *texts,
                  const struct pg_ledger_request *request, int64_t now_ms,
                  const struct chooser *chooser, struct pg_fake_plan *plan)
{
    memset(plan, 0, sizeof *plan);
    if (fake->faults_off) {
        plan->delay_ms = draw_delay(fake, PG_FAULT_NONE, chooser);
        return;
    }
    unsigned met = needs_met(fake, texts, request, now_ms);
    const struct pg_fake_rule *rule = rule_take(fake, request, met, now_ms);
    if (rule != NULL) {
        plan->fault = rule->fault;
        plan->wire = rule->wire;
    } else {
        plan->fault = fake->config.uniform ? draw_uniform(fake, request, met, chooser)
                                           : draw_weighted(fake, request, met, chooser);
    }
    plan_ledger(fake, request, rule, now_ms, chooser, plan);
    plan->delay_ms = draw_delay(fake, plan->fault, chooser);
}

bool pg_fake_plan_reaches_ledger(const struct pg_fake_plan *plan)
{
    return specs[plan->fault].code == 0 && plan->fault != PG_FAULT_NOT_SENT &&
           plan->fault != PG_FAULT_LOST_BEFORE;
}

static void answer_hide(struct pg_answer *answer, uint8_t kind)
{
    memset(answer, 0, sizeof *answer);
    answer->kind = kind;
    answer->total_krw = -1;
    answer->balance_krw = -1;
}

void pg_fake_act(struct pg_fake *fake, struct texts *texts, const struct pg_ledger_request *request,
                 const struct pg_fake_plan *plan, int64_t now_ms, struct pg_fake_reply *reply)
{
    const struct fault_spec *spec = &specs[plan->fault];
    memset(reply, 0, sizeof *reply);
    reply->delay_ms = plan->delay_ms;
    reply->fault = plan->fault;
    fake->counts[plan->fault]++;
    if (pg_fake_plan_reaches_ledger(plan)) {
        pg_ledger_execute(pg_fake_ledger(fake), texts, request, &plan->ledger, now_ms,
                          &reply->answer);
    } else if (spec->code != 0) {
        pg_ledger_error_answer(texts, spec->code, &reply->answer);
    }
    if (spec->answers != 0) {
        answer_hide(&reply->answer, spec->answers);
    }
    if (plan->fault == PG_FAULT_FOREIGN && reply->answer.kind == PG_ANSWER_PAYMENT) {
        reply->answer.order_matches = 0;
        reply->answer.pg_id = texts_intern_string(texts, foreign_pg_id);
    }
}

void pg_fake_call(struct pg_fake *fake, struct texts *texts,
                  const struct pg_ledger_request *request, int64_t now_ms,
                  const struct chooser *chooser, struct pg_fake_reply *reply)
{
    struct pg_fake_plan plan;
    pg_fake_advance(fake, now_ms);
    pg_fake_plan(fake, texts, request, now_ms, chooser, &plan);
    pg_fake_act(fake, texts, request, &plan, now_ms, reply);
}

void pg_fake_advance(struct pg_fake *fake, int64_t now_ms)
{
    pg_ledger_advance(pg_fake_ledger(fake), now_ms);
}

int64_t pg_fake_next_due(const struct pg_fake *fake)
{
    return pg_ledger_next_due(pg_fake_ledger_view(fake));
}

void pg_fake_faults_off(struct pg_fake *fake)
{
    fake->faults_off = 1;
}

uint32_t pg_fake_fault_count(const struct pg_fake *fake, enum pg_fault fault)
{
    invariant(fault < PG_FAULT_COUNT);
    return fake->counts[fault];
}
