#include "fakepg.h"

#include "invariant.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TEXTS_MAX      64
#define TEXT_BYTES_MAX (16U << 10)
#define PENDING_MAX    (1U << 16)
#define ACCOUNT_SEED   UINT64_C(0x6163636f756e74)
#define ISSUE_SEED     UINT64_C(0x6973737565)
#define OUTSIDE_REASON "상점관리자 취소"

static uint32_t choose(void *ctx, uint32_t n, const char *label)
{
    (void)label;
    return (uint32_t)(fakepg_random(ctx) % n);
}

/* What late actions did since the last call, in the rows too. */
static void land_due(struct fakepg *fakepg)
{
    struct pg_ledger *ledger = pg_fake_ledger(fakepg->pg);
    struct pg_ledger_landed landed;
    while (pg_ledger_land(ledger, fakepg->now_ms, &landed)) {
        const struct fakepg_order *order = &fakepg->records.orders[landed.order];
        if (landed.approved) {
            struct pg_ledger_order_view view;
            pg_ledger_order_at(ledger, landed.order, &view);
            fakepg_records_approved(&fakepg->records, landed.order, view.totals.captured_krw,
                                    landed.at_ms);
        }
        if (landed.refunded_krw > 0) {
            fakepg_records_cancelled(
                &fakepg->records, landed.order, landed.refunded_krw, landed.at_ms,
                landed.outside ? OUTSIDE_REASON : order->late_reason, landed.outside != 0);
        }
    }
}

static void set_now(struct fakepg *fakepg, int64_t now_ms)
{
    fakepg->now_ms = now_ms > fakepg->now_ms ? now_ms : fakepg->now_ms;
    land_due(fakepg);
}

int64_t fakepg_now(struct fakepg *fakepg)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    set_now(fakepg, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + fakepg->clock_offset_ms);
    return fakepg->now_ms;
}

static text_id intern(struct fakepg *fakepg, const char *text)
{
    return text[0] == '\0' ? TEXT_NONE : texts_intern_string(fakepg->texts, text);
}

static struct pg_ledger_request request_of(struct fakepg *fakepg, const struct fakepg_input *input)
{
    /* Nothing of an earlier request stays in the pool. */
    fakepg->texts = texts_init(fakepg->texts, TEXTS_MAX, TEXT_BYTES_MAX);
    return (struct pg_ledger_request){
        .account = input->account,
        .order_id = fakepg_order_uuid(input->order_id),
        .amount_krw = input->amount_krw,
        .refundable_krw = input->refundable_krw,
        .key = intern(fakepg, input->idempotency_key),
        .billing_key = intern(fakepg, input->billing_key),
        .customer = intern(fakepg, input->customer_key),
        .pg_id = intern(fakepg, input->payment_key),
        .op = input->kind == FAKEPG_KIND_CHARGE ? PG_LEDGER_CHARGE : PG_LEDGER_CANCEL,
    };
}

static struct pg_ledger_order_view view_of(const struct fakepg *fakepg, uint32_t order)
{
    struct pg_ledger_order_view view = {0};
    if (order != PG_LEDGER_NO_ORDER) {
        pg_ledger_order_at(pg_fake_ledger_view(fakepg->pg), order, &view);
    }
    return view;
}

/* Brings the rows to what the ledger has made of a charge or cancel. */
static void follow(struct fakepg *fakepg, const struct fakepg_input *input, uint32_t order,
                   const struct pg_ledger_order_view *before)
{
    if (order == PG_LEDGER_NO_ORDER) {
        return;
    }
    struct fakepg_records *records = &fakepg->records;
    struct pg_ledger_order_view after = view_of(fakepg, order);
    (void)fakepg_records_order(records, order, input->account, input->order_id);
    bool is_asked =
        input->kind == FAKEPG_KIND_CHARGE && before->status == PG_STATUS_OTHER &&
        (after.status != PG_STATUS_OTHER || after.totals.pending > before->totals.pending);
    if (is_asked) {
        fakepg_records_requested(records, order, input);
    }
    if (after.totals.approvals > before->totals.approvals) {
        fakepg_records_approved(records, order, after.totals.captured_krw, input->at_ms);
    }
    if (after.totals.refunded_krw > before->totals.refunded_krw) {
        fakepg_records_cancelled(records, order,
                                 after.totals.refunded_krw - before->totals.refunded_krw,
                                 input->at_ms, input->cancel_reason, false);
    } else if (input->kind == FAKEPG_KIND_CANCEL && after.totals.pending > before->totals.pending) {
        fakepg_records_cancel_later(records, order, input->cancel_reason);
    }
}

/* The same again, from the journal. */
static bool replay_input(void *ctx, const struct fakepg_input *input)
{
    struct fakepg *fakepg = ctx;
    struct fakepg_input again = *input;
    set_now(fakepg, input->at_ms);
    if (input->kind == FAKEPG_KIND_ISSUE || input->kind == FAKEPG_KIND_REMOVE) {
        return fakepg_change_billing(fakepg, &again);
    }
    struct pg_ledger *ledger = pg_fake_ledger(fakepg->pg);
    struct pg_ledger_request request = request_of(fakepg, input);
    struct pg_ledger_order_view before =
        view_of(fakepg, pg_ledger_order_index(ledger, fakepg->texts, &request));
    uint32_t overflows = pg_ledger_overflows(ledger);
    struct pg_answer answer;
    pg_ledger_execute(ledger, fakepg->texts, &request, &input->plan, input->at_ms, &answer);
    follow(fakepg, input, pg_ledger_order_index(ledger, fakepg->texts, &request), &before);
    return pg_ledger_overflows(ledger) == overflows;
}

static bool replay_merchant(void *ctx, uint64_t account)
{
    struct fakepg *fakepg = ctx;
    return pg_ledger_account_add(pg_fake_ledger(fakepg->pg), account);
}

/* Decides what happens to the request. */
static void decide(struct fakepg *fakepg, const struct pg_ledger_request *request,
                   enum pg_fake_code code, int64_t detail, struct pg_fake_plan *plan)
{
    const struct chooser chooser = {choose, fakepg};
    const struct pg_ledger *ledger = pg_fake_ledger_view(fakepg->pg);
    memset(plan, 0, sizeof *plan);
    if (code != PG_FAKE_NO_CODE &&
        !pg_ledger_replays(ledger, fakepg->texts, request, fakepg->now_ms)) {
        plan->ledger.flags = PG_PLAN_NOT_DONE | PG_PLAN_FIRST;
        plan->ledger.code = (uint8_t)code;
        plan->ledger.amount_krw = detail;
        return;
    }
    pg_fake_plan(fakepg->pg, fakepg->texts, request, fakepg->now_ms, &chooser, plan);
}

/* Writes it down, where there is a file. False: the disk failed. */
static bool write_down(struct fakepg *fakepg, const struct fakepg_input *input)
{
    if (fakepg->journal == NULL || fakepg_journal_input(fakepg->journal, input)) {
        return true;
    }
    fakepg->is_down = true;
    (void)fprintf(stderr, "farebox-fakepg: the state file can't be written: %s\n", strerror(errno));
    return false;
}

static void reply_of(struct fakepg *fakepg, const struct pg_fake_reply *made,
                     const struct pg_fake_plan *plan, uint32_t order, struct fakepg_reply *reply)
{
    bool is_slow = plan->fault == PG_FAULT_SLOW;
    *reply = (struct fakepg_reply){
        .answer = made->answer,
        .order = order,
        .delay_ms = (is_slow ? made->delay_ms : 0) +
                    fakepg_delay_draw(&fakepg->knobs.pg_delay, fakepg_random(fakepg)),
        .fault = plan->fault,
        .wire = plan->wire,
    };
}

void fakepg_post(struct fakepg *fakepg, struct fakepg_input *input, enum pg_fake_code code,
                 enum fakepg_detail detail, struct fakepg_reply *reply)
{
    struct pg_ledger *ledger = pg_fake_ledger(fakepg->pg);
    struct pg_fake_plan plan;
    struct pg_fake_reply made;
    input->at_ms = fakepg_now(fakepg);
    struct pg_ledger_request request = request_of(fakepg, input);
    if (request.op == PG_LEDGER_CANCEL) {
        /* Rules name orders: the request must say whose payment it is about. */
        uint32_t named = pg_ledger_order_index(ledger, fakepg->texts, &request);
        request.order_id = view_of(fakepg, named).order_id;
    }
    decide(fakepg, &request, code, (int64_t)detail, &plan);
    bool writes = pg_fake_plan_reaches_ledger(&plan) &&
                  pg_ledger_writes(ledger, fakepg->texts, &request, input->at_ms);
    uint32_t replayed = pg_ledger_replay_order(ledger, fakepg->texts, &request, input->at_ms);
    struct pg_ledger_order_view before =
        view_of(fakepg, pg_ledger_order_index(ledger, fakepg->texts, &request));
    pg_fake_act(fakepg->pg, fakepg->texts, &request, &plan, input->at_ms, &made);
    uint32_t order = pg_ledger_order_index(ledger, fakepg->texts, &request);
    if (writes) {
        input->plan = plan.ledger;
        follow(fakepg, input, order, &before);
        if (!write_down(fakepg, input)) {
            made.answer.kind = PG_ANSWER_NOT_SENT;
        }
    }
    reply_of(fakepg, &made, &plan, replayed != PG_LEDGER_NO_ORDER ? replayed : order, reply);
}

void fakepg_look_up(struct fakepg *fakepg, uint64_t account, const char *payment_key,
                    const char *order_id, enum pg_fake_code code, struct fakepg_reply *reply)
{
    struct fakepg_input input = fakepg_input_empty(FAKEPG_KIND_CHARGE);
    struct pg_fake_plan plan;
    struct pg_fake_reply made;
    input.account = account;
    input.payment_key = payment_key;
    input.order_id = order_id;
    int64_t now_ms = fakepg_now(fakepg);
    struct pg_ledger_request request = request_of(fakepg, &input);
    request.op = payment_key[0] != '\0' ? PG_LEDGER_LOOKUP_PG_ID : PG_LEDGER_LOOKUP;
    uint32_t order =
        pg_ledger_order_index(pg_fake_ledger_view(fakepg->pg), fakepg->texts, &request);
    if (request.op == PG_LEDGER_LOOKUP_PG_ID) {
        request.order_id = view_of(fakepg, order).order_id;
    }
    decide(fakepg, &request, code, 0, &plan);
    pg_fake_act(fakepg->pg, fakepg->texts, &request, &plan, now_ms, &made);
    if (code != PG_FAKE_NO_CODE) {
        pg_ledger_error_answer(fakepg->texts, code, &made.answer);
    }
    reply_of(fakepg, &made, &plan, order, reply);
}

uint64_t fakepg_issue_hash(const struct fakepg_input *input)
{
    return fakepg_hash(input->idempotency_key,
                       fakepg_hash(input->url, ISSUE_SEED ^ input->account));
}

bool fakepg_change_billing(struct fakepg *fakepg, struct fakepg_input *input)
{
    struct fakepg_records *records = &fakepg->records;
    if (input->kind == FAKEPG_KIND_REMOVE) {
        uint32_t row = fakepg_records_find_billing(records, input->account, input->billing_key);
        if (row == FAKEPG_NO_ROW) {
            return false;
        }
        records->billing[row].is_removed = true;
        return write_down(fakepg, input);
    }
    struct fakepg_memo memo = {.first_ms = input->at_ms,
                               .billing = FAKEPG_NO_ROW,
                               .code = input->code,
                               .detail = input->detail};
    if (input->code == PG_FAKE_NO_CODE) {
        memo.billing = fakepg_records_issue(records, input);
    }
    if (input->idempotency_key[0] != '\0') {
        fakepg_records_remember(records, fakepg_issue_hash(input), &memo);
    }
    return write_down(fakepg, input);
}

void fakepg_apply_knobs(struct fakepg *fakepg)
{
    pg_fake_configure(fakepg->pg, &fakepg->knobs.pg);
    upstream_fake_configure(fakepg->upstreams, &fakepg->knobs.upstream);
}

static struct fakepg_knobs knobs_default(const struct fakepg_options *options)
{
    struct fakepg_knobs knobs = {.pg = pg_fake_config_default(),
                                 .upstream = upstream_fake_config_default(),
                                 .pg_delay = options->delay,
                                 .lost_wire = FAKEPG_WIRE_CLOSE,
                                 .request_limit = options->request_limit};
    /* Delays are drawn here, from a distribution of their own. */
    knobs.pg.latency_min_ms = 0;
    knobs.pg.latency_max_ms = 0;
    knobs.upstream.latency_min_ms = 0;
    knobs.upstream.latency_max_ms = 0;
    return knobs;
}

/* Empty fakes with the knobs of the start. */
static void begin(struct fakepg *fakepg)
{
    struct pg_fake_limits limits = {
        .ledger = {fakepg->options.orders_max, 2 * fakepg->options.orders_max, PENDING_MAX},
        .rules_max = FAKEPG_RULES_MAX};
    fakepg->knobs = knobs_default(&fakepg->options);
    (void)pg_fake_init(fakepg->pg, &limits, &fakepg->knobs.pg);
    (void)upstream_fake_init(fakepg->upstreams, FAKEPG_OVERRIDES_MAX, &fakepg->knobs.upstream);
    fakepg_records_clear(&fakepg->records);
}

/* Every merchant has an account, the file's ones in the file's order: payment keys hold it. */
static bool add_merchants(struct fakepg *fakepg)
{
    struct pg_ledger *ledger = pg_fake_ledger(fakepg->pg);
    for (uint32_t i = 0; i < fakepg->options.merchant_count; i++) {
        uint64_t account = fakepg->merchants[i].account;
        if (pg_ledger_knows_account(ledger, account)) {
            continue;
        }
        if (!pg_ledger_account_add(ledger, account) ||
            (fakepg->journal != NULL && !fakepg_journal_merchant(fakepg->journal, account))) {
            return false;
        }
    }
    return true;
}

bool fakepg_reset(struct fakepg *fakepg)
{
    begin(fakepg);
    fakepg->clock_offset_ms = 0;
    fakepg->now_ms = 0;
    if (fakepg->journal != NULL && !fakepg_journal_empty(fakepg->journal)) {
        fakepg->is_down = true;
        return false;
    }
    return add_merchants(fakepg);
}

static struct fakepg *allocate(const struct fakepg_options *options)
{
    struct fakepg *fakepg = calloc(1, sizeof *fakepg);
    const struct pg_fake_limits limits = {
        .ledger = {options->orders_max, 2 * options->orders_max, PENDING_MAX},
        .rules_max = FAKEPG_RULES_MAX};
    int ends[2] = {-1, -1};
    if (fakepg == NULL) {
        return NULL;
    }
    (void)pthread_mutex_init(&fakepg->mutex, NULL);
    fakepg->options = *options;
    memcpy(fakepg->merchants, options->merchants, sizeof fakepg->merchants);
    fakepg->random = options->seed;
    fakepg->pg = malloc(pg_fake_size(&limits));
    fakepg->upstreams = malloc(upstream_fake_size(FAKEPG_OVERRIDES_MAX));
    fakepg->texts = malloc(texts_size(TEXTS_MAX, TEXT_BYTES_MAX));
    int piped = pipe2(ends, O_CLOEXEC);
    fakepg->stop_fd = ends[0];
    fakepg->stop_writer_fd = ends[1];
    if (piped != 0 || fakepg->pg == NULL || fakepg->upstreams == NULL || fakepg->texts == NULL) {
        fakepg_close(fakepg);
        return NULL;
    }
    for (uint32_t i = 0; i < options->merchant_count; i++) {
        fakepg->merchants[i].account = fakepg_hash(options->merchants[i].secret, ACCOUNT_SEED);
    }
    return fakepg;
}

struct fakepg *fakepg_open(const struct fakepg_options *options, char *message, size_t size)
{
    struct fakepg *fakepg = allocate(options);
    const struct fakepg_journal_reader reader = {fakepg, replay_merchant, replay_input};
    if (fakepg == NULL) {
        (void)snprintf(message, size, "no memory for %u orders, or no pipe", options->orders_max);
        return NULL;
    }
    begin(fakepg);
    if (options->state_path != NULL) {
        struct fakepg_journal *journal =
            fakepg_journal_open(options->state_path, &reader, message, size);
        if (journal == NULL) {
            fakepg_close(fakepg);
            return NULL;
        }
        fakepg->journal = journal;
    }
    if (!add_merchants(fakepg)) {
        (void)snprintf(message, size, "the state file has no room for another secret key");
        fakepg_close(fakepg);
        return NULL;
    }
    return fakepg;
}

void fakepg_close(struct fakepg *fakepg)
{
    fakepg_journal_close(fakepg->journal);
    fakepg_records_clear(&fakepg->records);
    free(fakepg->pg);
    free(fakepg->upstreams);
    free(fakepg->texts);
    if (fakepg->stop_writer_fd >= 0) {
        (void)close(fakepg->stop_writer_fd);
    }
    if (fakepg->stop_fd >= 0) {
        (void)close(fakepg->stop_fd);
    }
    (void)pthread_mutex_destroy(&fakepg->mutex);
    free(fakepg);
}
