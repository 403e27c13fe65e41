/* laws.c - DESIGN's laws as invariants: after every step, at the deadline, and at the end. */
#include "world_internal.h"

#include "letters.h"
#include "record_headers.h"

#include <string.h>

#define HEADERS_ROOM 16

bool laws_row(struct sim *sim, uint32_t trip, struct payment_row *row)
{
    struct store *store = sim->inner[WORLD_INSTANCES_MAX];
    struct payment_view view;
    size_t len;
    const char *id = texts_get(sim->texts, trip_at(sim, trip)->trip_id, &len);

    if (store->ops->read_payment(store, id, len, sim->texts, &view) != STORE_OK) {
        return false;
    }
    *row = view.row;
    return true;
}

/* Laws 1 and 4: a charge leaves only for a claim that is durable, and still this process's. */
void laws_charge(struct sim *sim, uint32_t i, const struct payment *p)
{
    uint32_t trip = world_trip_of(sim, p->trip_id);
    struct payment_row row;

    if (!laws_row(sim, trip, &row)) {
        world_break(sim, "a charge leaves before its claim is durable", trip);
    } else if (row.status != PAYMENT_PROCESSING || row.epoch != p->epoch ||
               row.token.process != instance_at(sim, i)->token_process) {
        world_break(sim, "a charge leaves for a claim that is not this process's", trip);
    } else if (row.amount_krw != p->amount_krw) {
        world_break(sim, "a charge asks for another amount than the row", trip);
    }
}

/* Law 9: the intent is durable, with the PG's id, before a cancel is sent. */
void laws_cancel(struct sim *sim, uint32_t i, const struct payment *p, text_id pg_id)
{
    uint32_t trip = world_trip_of(sim, p->trip_id);
    struct payment_row row;

    (void)i;
    if (!laws_row(sim, trip, &row) || row.refund_state == REFUND_NONE ||
        row.refund_pg_id != pg_id) {
        world_break(sim, "a cancel leaves before its intent is durable", trip);
    } else if (row.cancel_no < p->cancel_no) {
        world_break(sim, "a cancel leaves before its number is durable", trip);
    }
}

static int64_t absence_wait_ms(const struct sim *sim)
{
    const struct payment_config *c = &sim->config.payment;

    return c->send_limit_ms + c->pg_longest_ms + c->absence_margin_ms;
}

void laws_looked_up(struct sim *sim, uint32_t trip, const struct pg_answer *answer)
{
    struct sim_trip *t = trip_at(sim, trip);
    bool absent = answer->kind == PG_ANSWER_ERROR && answer->code_class == PG_CODE_NOT_FOUND;
    struct payment_row row;

    if (absent && t->absents < UINT8_MAX && laws_row(sim, trip, &row) &&
        row.claimed_age_ms >= absence_wait_ms(sim)) {
        t->absents++;
    }
    if (absent || answer->kind == PG_ANSWER_PAYMENT) {
        t->answered = 1;
    }
}

/* A trip may have several records, and a slot several trips: only what is surely one record's. */
void laws_trouble(struct sim *sim, uint32_t i, uint32_t slot, uint16_t call_no)
{
    const struct payment *payment = engine_payment(engine_of(sim, i), slot);
    uint32_t trip;

    if (payment->phase != PHASE_LOOKING_UP || payment->call_no != call_no) {
        return;
    }
    trip = world_trip_of(sim, payment->trip_id);
    invariant(trip != WORLD_TRIP_NONE);
    struct sim_trip *t = trip_at(sim, trip);
    bool same_record = t->failed_by == i && t->failed_slot == slot;

    if (!same_record || call_no != t->failed_call) {
        bool is_next = same_record && call_no == t->failed_call + 1;
        t->failed_before_ms = is_next ? t->failed_ms : NEVER;
    }
    t->failed_by = (uint8_t)i;
    t->failed_slot = slot;
    t->failed_call = call_no;
    t->failed_ms = sim->w->now_ms;
}

/* An upstream that answered nobody between a record's last two tries may be down. */
void laws_dead_letter(struct sim *sim, uint32_t i, const struct dead_letter *letter)
{
    bool pricing = letter->reason == DEAD_LETTER_PRICING_TROUBLE;

    /* Judged when it is raised: the broker may take its time. */
    if (letter->attempts > 0 || (!pricing && letter->reason != DEAD_LETTER_USERS_TROUBLE)) {
        return;
    }
    uint32_t trip = records_trip(sim, letter->record);
    int64_t good_ms =
        instance_at(sim, i)->last_good_ms[pricing ? UPSTREAM_PRICING : UPSTREAM_USERS];
    if (trip != WORLD_TRIP_NONE && trip_at(sim, trip)->failed_by == i &&
        trip_at(sim, trip)->failed_before_ms != NEVER &&
        good_ms < trip_at(sim, trip)->failed_before_ms) {
        world_break(sim, "a record that only an outage delayed became a dead letter", trip);
    }
}

void laws_publish(struct sim *sim, uint32_t i, const struct outbox *outbox)
{
    bool own = outbox->type != OUTCOME_NONE;

    if (own && world_boot_ms(sim, i) > outbox->at_ms + sim->config.outbox.lease_ms) {
        world_break(sim, "an outbox row is published from memory after its lease",
                    world_trip_of(sim, outbox->trip_id));
    }
}

static bool content_fits(const struct sim *sim, const struct sim_trip *t,
                         const struct payment_row *row, const struct outcome_decoded *event)
{
    if (strcmp(event->trip_id, texts_string(sim->texts, t->trip_id)) != 0) {
        return false;
    }
    if (event->type == OUTCOME_COMPLETED) {
        return event->fare_krw == row->amount_krw &&
               strcmp(event->user_id, texts_string(sim->texts, row->user_id)) == 0;
    }
    return event->reason[0] != '\0';
}

static void count_event(struct sim *sim, uint32_t trip, const struct outcome_decoded *event)
{
    struct sim_trip *t = trip_at(sim, trip);
    struct payment_row row;

    if (event->type == OUTCOME_COMPLETED) {
        t->completed_events++;
    } else {
        t->failed_events++;
    }
    if (!laws_row(sim, trip, &row)) {
        return;
    }
    if (!event->has_event_id || !uuid_equal(&event->event_id, &row.payment_id)) {
        t->foreign_events++;
    }
    if (!content_fits(sim, t, &row, event)) {
        t->wrong_events++;
    }
}

static bool decode(struct sim *sim, text_id key, text_id body, text_id headers_id,
                   struct outcome_decoded *event)
{
    struct kafka_header headers[HEADERS_ROOM];
    struct kafka_record record = {
        .topic = TOPIC_OUTCOMES, .topic_len = strlen(TOPIC_OUTCOMES), .headers = headers};
    size_t len;

    record.key = (const uint8_t *)texts_get(sim->texts, key, &record.key_len);
    record.value = (const uint8_t *)texts_get(sim->texts, body, &record.value_len);
    record.has_key = key != TEXT_NONE;
    record.has_value = body != TEXT_NONE;
    const uint8_t *bytes = (const uint8_t *)texts_get(sim->texts, headers_id, &len);
    return record_headers_decode(bytes, len, headers, HEADERS_ROOM, &record.header_count) &&
           outcome_codec_decode(&record, event);
}

/* A record reaches payment_events. */
void laws_event(struct sim *sim, text_id key, text_id body, text_id headers)
{
    uint32_t trip = world_trip_of(sim, key);
    struct outcome_decoded event;

    if (trip == WORLD_TRIP_NONE) {
        world_break(sim, "an outcome event of no trip", trip);
        return;
    }
    history_say(sim, trip, "an outcome event is published");
    world_touch(sim, trip);
    if (trip_at(sim, trip)->seen_event == body) {
        return; /* the same bytes again: at least once, judged already */
    }
    if (!decode(sim, key, body, headers, &event)) {
        world_break(sim, "an outcome event that consumers cannot read", trip);
        return;
    }
    trip_at(sim, trip)->seen_event = body;
    count_event(sim, trip, &event);
}

static bool letter_is_stored(struct sim *sim, const struct broker_record *r)
{
    static uint8_t room[KAFKA_HEADERS_BYTES_MAX];
    struct letter_read letter = {.headers = room};
    struct kafka_header headers[64];
    struct kafka_record record = {.topic = TOPIC_TRIPS_NAME ".DLT",
                                  .topic_len = strlen(TOPIC_TRIPS_NAME ".DLT"),
                                  .headers = headers,
                                  .partition = r->partition,
                                  .offset = r->offset};
    size_t len;

    if (sim->options.store == WORLD_STORE_SQLITE) {
        return true; /* the port has no way to ask by origin; the contract suite does */
    }
    const uint8_t *bytes = (const uint8_t *)texts_get(sim->texts, r->headers, &len);
    invariant(record_headers_decode(bytes, len, headers, 64, &record.header_count));
    invariant(letters_read(&record, &letter));
    for (uint32_t i = 0; i < model_store_failed_event_count(&sim->model); i++) {
        struct failed_event_row row;
        model_store_failed_event_at(&sim->model, i, &row);
        if (row.origin_offset == letter.offset && row.origin_partition == letter.partition) {
            return true;
        }
    }
    return false;
}

static bool is_accounted(struct sim *sim, const struct broker_record *r)
{
    struct payment_row row;

    if (r->topic == TOPIC_DLT) {
        return letter_is_stored(sim, r);
    }
    if (r->dead_lettered || r->kind == IS_OTHER_TYPE) {
        return true;
    }
    return r->tag != WORLD_TRIP_NONE && laws_row(sim, r->tag, &row);
}

/* Law 6: what lies below a committed offset is a payment, a duplicate, ignored, or a dead letter.
 */
void laws_commit_offset(struct sim *sim, uint32_t topic, uint32_t partition, int64_t offset)
{
    int64_t *from = &sim->w->law6[topic][partition];
    uint32_t number = broker_find(sim->broker, (uint8_t)topic, partition, *from);

    while (number != BROKER_NO_RECORD) {
        const struct broker_record *r = broker_record_at(sim->broker, number);
        if (r->offset >= offset) {
            break;
        }
        if (!is_accounted(sim, r)) {
            world_break(sim, "an offset is committed beyond a record that is lost", r->tag);
            return;
        }
        number = r->next;
    }
    *from = offset > *from ? offset : *from;
}

bool laws_is_drained(const struct sim *sim, uint32_t topic, uint32_t partition)
{
    return sim->w->law6[topic][partition] >= broker_end(sim->broker, (uint8_t)topic, partition);
}

static bool is_terminal(uint8_t status)
{
    return status == PAYMENT_COMPLETED || status == PAYMENT_FAILED;
}

/* Law 5: the outcome's row came in the same transaction. */
static bool has_outcome(const struct sim *sim, const struct payment_row *row)
{
    if (sim->options.store == WORLD_STORE_SQLITE) {
        return true; /* seen at the end, when its event must have been published */
    }
    for (uint32_t i = 0; i < model_store_outbox_places(&sim->model); i++) {
        struct outbox_row outbox;
        if (model_store_outbox_at(&sim->model, i, &outbox) &&
            uuid_equal(&outbox.event_id, &row->payment_id)) {
            return true;
        }
    }
    return false;
}

/* Law 3: only proof makes FAILED; absence is proof when it was told twice, late enough. */
static void judge_absence(struct sim *sim, uint32_t trip, const struct payment_row *row)
{
    const struct sim_trip *t = trip_at(sim, trip);

    if (is_terminal(t->status) || row->status != PAYMENT_FAILED ||
        row->reason != REASON_NEVER_CHARGED) {
        return;
    }
    if (t->absents < 2 || row->absent_count < 2) {
        world_break(sim, "FAILED by absence that proves nothing", trip);
    }
}

static void judge_recheck(struct sim *sim, uint32_t trip, const struct payment_row *row)
{
    struct sim_trip *t = trip_at(sim, trip);

    if (!is_terminal(t->status)) {
        t->answered = 0; /* what was told before it ended is no re-check */
    }
    if (row->recheck_no == t->recheck_no) {
        return;
    }
    if (!t->answered) {
        world_break(sim, "a re-check without an answer was used up", trip);
    }
    t->recheck_no = row->recheck_no;
    t->answered = 0;
}

static void judge_change(struct sim *sim, uint32_t trip, const struct payment_row *row)
{
    struct sim_trip *t = trip_at(sim, trip);

    if (is_terminal(t->status) && row->status != t->status) {
        world_break(sim, "a terminal status changed", trip);
    }
    if (t->refund_state > row->refund_state &&
        !(t->refund_state == REFUND_DONE && row->refund_state == REFUND_INTENDED)) {
        world_break(sim, "a refund intent was withdrawn", trip);
    }
    if (is_terminal(row->status) && !is_terminal(t->status) && !has_outcome(sim, row)) {
        world_break(sim, "a terminal status without its outcome row", trip);
    }
    judge_absence(sim, trip, row);
    judge_recheck(sim, trip, row);
    if (t->fresh == 0 && !t->legacy) {
        world_break(sim, "a record that is too old became a payment", trip);
    }
    t->status = row->status;
    t->refund_state = row->refund_state;
    t->payment_id = row->payment_id;
    t->needs_operator = row->needs_operator;
    t->due_ms = row->due_in_ms == DUE_NEVER ? NEVER : sim->w->now_ms + row->due_in_ms;
}

static enum audit_verdict judge(struct sim *sim, uint32_t trip, bool settled)
{
    const struct sim_trip *t = trip_at(sim, trip);
    struct audit_trip audit = {
        .expected_fare_krw = t->fare_krw, .delivered = t->records > t->letters, .settled = settled};
    bool heard = t->completed_events + t->failed_events > 0;

    audit.has_row = laws_row(sim, trip, &audit.row);
    const struct pg_ledger_totals totals = pg_ledger_totals(
        pg_fake_ledger(sim->pg), audit.has_row ? &audit.row.payment_id : &t->payment_id);
    audit.captured_krw = totals.captured_krw;
    audit.refunded_krw = totals.refunded_krw;
    audit.refunded_outside_krw = totals.refunded_outside_krw;
    audit.approvals = totals.approvals;
    audit.completed_ids = t->completed_events > 0;
    audit.failed_ids = t->failed_events > 0;
    audit.foreign_ids = t->foreign_events > 0;
    audit.event_ids = heard ? 1U + (t->foreign_events > 0) : 0;
    audit.wrong_contents = t->wrong_events;
    if (audit.has_row) {
        judge_change(sim, trip, &audit.row);
    } else if (is_terminal(t->status)) {
        world_break(sim, "a payment's row is gone", trip);
    }
    enum audit_verdict verdict = auditor_judge(&audit);
    if (auditor_is_violation(verdict)) {
        world_break(sim, auditor_verdict_text(verdict), trip);
    }
    return verdict;
}

void laws_after_step(struct sim *sim)
{
    if (!sim->any_dirty) {
        return;
    }
    sim->any_dirty = 0;
    pg_fake_advance(sim->pg, sim->w->now_ms);
    for (uint32_t trip = 0; trip < sim->w->limits.trips; trip++) {
        if (trip_at(sim, trip)->dirty) {
            trip_at(sim, trip)->dirty = 0;
            (void)judge(sim, trip, false);
        }
    }
}

static void judge_drained(struct sim *sim)
{
    for (uint32_t topic = 0; topic < TOPIC_COUNT; topic++) {
        for (uint32_t p = 0; p < sim->w->limits.partitions; p++) {
            if (!laws_is_drained(sim, topic, p)) {
                world_break(sim, "a partition was not consumed to its end", WORLD_TRIP_NONE);
            }
        }
    }
}

/* Long after the last fault, everything has ended, or waits for a person or for the PG. */
void laws_at_deadline(struct sim *sim)
{
    sim->w->judged = 1;
    sim->w->rows_changed = 1; /* some are looked for more rarely from now on */
    sim->w->end_ms = sim->w->now_ms + 16 * DAY_MS;
    judge_drained(sim);
    for (uint32_t trip = 0; trip < sim->w->limits.trips; trip++) {
        struct payment_row row;
        if (!laws_row(sim, trip, &row)) {
            continue;
        }
        if (!is_terminal(row.status) && !row.needs_operator && !trip_at(sim, trip)->late) {
            world_break(sim, "not terminal at the deadline", trip);
        }
        if (is_terminal(row.status) &&
            trip_at(sim, trip)->completed_events + trip_at(sim, trip)->failed_events == 0) {
            world_break(sim, "no outcome event at the deadline", trip);
        }
    }
    (void)schedule_add(sim, PENDING_END, 0, sim->w->end_ms - sim->w->now_ms);
}

static void count_end(struct sim *sim, uint32_t trip, enum audit_verdict verdict)
{
    struct payment_row row;

    if (!laws_row(sim, trip, &row)) {
        sim->stats.dead_letters += trip_at(sim, trip)->letters > 0;
        return;
    }
    sim->stats.statuses[row.status]++;
    if (verdict == AUDIT_OPERATOR || row.needs_operator) {
        sim->stats.operators[row.reason]++;
    }
}

static void count_fakes(struct sim *sim)
{
    for (uint32_t f = 1; f < STORE_FAULT_COUNT; f++) {
        sim->stats.faults[WF_STORE_FIRST + f] +=
            fault_store_count(sim->faults, (enum store_fault)f);
    }
    for (uint32_t f = 1; f < PG_FAULT_COUNT; f++) {
        sim->stats.faults[WF_PG_FIRST + f] += pg_fake_fault_count(sim->pg, (enum pg_fault)f);
    }
    for (uint32_t u = 0; u < UPSTREAM_COUNT; u++) {
        for (uint32_t f = 1; f < UPSTREAM_FAULT_COUNT; f++) {
            sim->stats.faults[WF_UPSTREAM_FIRST + u * UPSTREAM_FAULT_COUNT + f] +=
                upstream_fake_fault_count(sim->upstream, (enum upstream)u, (enum upstream_fault)f);
        }
    }
}

/* After the last re-check: the final states are judged, and nothing may be left in an engine. */
void laws_at_end(struct sim *sim)
{
    pg_fake_advance(sim->pg, sim->w->now_ms);
    judge_drained(sim);
    for (uint32_t trip = 0; trip < sim->w->limits.trips; trip++) {
        count_end(sim, trip, judge(sim, trip, true));
    }
    for (uint32_t i = 0; i < sim->w->limits.instances; i++) {
        const struct engine_counts counts = engine_counts(engine_of(sim, i));
        if (counts.waiters + counts.outbox + counts.dead_letters > 0) {
            world_break(sim, "an engine still holds work at the end", WORLD_TRIP_NONE);
        }
    }
    if (pg_ledger_overflows(pg_fake_ledger(sim->pg)) > 0) {
        world_break(sim, "the world's PG is too small", WORLD_TRIP_NONE);
    }
    sim->stats.simulated_ms = (uint64_t)(sim->w->now_ms - WORLD_EPOCH_MS);
    count_fakes(sim);
}
