#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farebox_audit.h"

#include "farebox_process.h"
#include "outcome_codec.h"
#include "payment_id.h"
#include "trip_sender.h"
#include "upstream_fake.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXTS      64
#define TEXT_BYTES (16U << 10)

void farebox_audit_init(struct farebox_audit *audit, const char *store, const char *ledger,
                        const char *bootstrap)
{
    *audit = (struct farebox_audit){.source = &audit_source_sqlite,
                                    .where = store,
                                    .ledger = &audit_ledger_file,
                                    .ledger_where = ledger,
                                    .bootstrap = bootstrap};
}

void farebox_audit_init_mysql(struct farebox_audit *audit,
                              const struct mysql_store_options *database, const char *ledger,
                              const char *bootstrap)
{
    *audit = (struct farebox_audit){.source = &audit_source_mysql,
                                    .where = database,
                                    .ledger = &audit_ledger_file,
                                    .ledger_where = ledger,
                                    .bootstrap = bootstrap};
}

void farebox_audit_set_ledger(struct farebox_audit *audit, const struct audit_ledger *ledger,
                              const void *where)
{
    audit->ledger = ledger;
    audit->ledger_where = where;
}

void farebox_audit_clear(struct farebox_audit *audit)
{
    free(audit->subjects);
    memset(audit, 0, sizeof(*audit));
}

static int64_t fare_of(const char *trip_id, int32_t distance_meters, int32_t duration_seconds)
{
    const struct upstream_fake_config config = upstream_fake_config_default();
    void *block = malloc(upstream_fake_size(0));
    assert_non_null(block);
    struct upstream_fake *fake = upstream_fake_init(block, 0, &config);
    int64_t fare_krw =
        upstream_fake_fare(fake, trip_id, strlen(trip_id), distance_meters, duration_seconds);
    free(block);
    return fare_krw;
}

void farebox_audit_add(struct farebox_audit *audit, const char *trip_id, const char *user_id,
                       int32_t distance_meters, int32_t duration_seconds)
{
    if (audit->count == audit->room) {
        audit->room = audit->room == 0 ? 256 : audit->room * 2;
        audit->subjects = realloc(audit->subjects, audit->room * sizeof(audit->subjects[0]));
        assert_non_null(audit->subjects);
    }
    struct audit_subject *subject = &audit->subjects[audit->count++];
    memset(subject, 0, sizeof(*subject));
    (void)snprintf(subject->trip_id, sizeof(subject->trip_id), "%s", trip_id);
    (void)snprintf(subject->user_id, sizeof(subject->user_id), "%s", user_id);
    payment_id_of_trip(trip_id, strlen(trip_id), &subject->payment_id);
    subject->trip.expected_fare_krw = fare_of(trip_id, distance_meters, duration_seconds);
}

static int compare_subjects(const void *a, const void *b)
{
    const struct audit_subject *left = a;
    const struct audit_subject *right = b;
    return strcmp(left->trip_id, right->trip_id);
}

static struct audit_subject *find_subject(struct farebox_audit *audit, const char *trip_id)
{
    struct audit_subject key;
    (void)snprintf(key.trip_id, sizeof(key.trip_id), "%s", trip_id);
    return audit->count == 0 ? NULL
                             : bsearch(&key, audit->subjects, audit->count,
                                       sizeof(audit->subjects[0]), compare_subjects);
}

static void read_rows(struct farebox_audit *audit)
{
    struct store *store = audit->source->open(audit->where);
    void *block = malloc(texts_size(TEXTS, TEXT_BYTES));
    assert_non_null(block);
    for (size_t i = 0; i < audit->count; i++) {
        struct audit_subject *subject = &audit->subjects[i];
        struct texts *texts = texts_init(block, TEXTS, TEXT_BYTES);
        struct payment_view view;
        enum store_status status = store->ops->read_payment(store, subject->trip_id,
                                                            strlen(subject->trip_id), texts, &view);
        assert_true(status == STORE_OK || status == STORE_NOT_FOUND);
        subject->trip.has_row = status == STORE_OK;
        if (status == STORE_OK) {
            subject->trip.row = view.row;
            assert_string_equal(texts_string(texts, view.row.user_id), subject->user_id);
            assert_true(uuid_equal(&view.row.payment_id, &subject->payment_id));
        }
    }
    store->ops->close(store);
    free(block);
}

static int compare_payments(const void *a, const void *b)
{
    const struct audit_subject *const *left = a;
    const struct audit_subject *const *right = b;
    return memcmp(&(*left)->payment_id, &(*right)->payment_id, sizeof((*left)->payment_id));
}

/* The subjects by payment id, which is what the PG knows them by. */
struct order_reader {
    struct audit_subject **subjects;
    size_t count;
    struct audit_findings *findings;
};

/* Breakers probe the PG with an order id of no trip, which leaves an order without money. */
static void on_order(void *context, const struct audit_order *order)
{
    struct order_reader *reader = context;
    const struct pg_ledger_totals *totals = &order->totals;
    struct audit_subject wanted = {.payment_id = order->order_id};
    struct audit_subject *key = &wanted;
    struct audit_subject **found =
        bsearch(&key, reader->subjects, reader->count, sizeof(key), compare_payments);
    if (found == NULL) {
        reader->findings->strangers += totals->captured_krw > 0;
        return;
    }
    struct audit_trip *trip = &(*found)->trip;
    trip->captured_krw += totals->captured_krw;
    trip->refunded_krw += totals->refunded_krw;
    trip->refunded_outside_krw += totals->refunded_outside_krw;
    trip->approvals += totals->approvals;
    trip->other_currency = trip->other_currency || totals->not_krw > 0;
}

static void read_ledger(struct farebox_audit *audit, struct audit_findings *findings)
{
    struct order_reader reader = {calloc(audit->count + 1, sizeof(*reader.subjects)), audit->count,
                                  findings};
    assert_non_null(reader.subjects);
    for (size_t i = 0; i < audit->count; i++) {
        reader.subjects[i] = &audit->subjects[i];
    }
    qsort(reader.subjects, audit->count, sizeof(*reader.subjects), compare_payments);
    audit->ledger->read(audit->ledger_where, on_order, &reader);
    free(reader.subjects);
}

struct event_reader {
    struct farebox_audit *audit;
    struct audit_findings *findings;
};

static void count_event(struct audit_subject *subject, const struct outcome_decoded *event)
{
    struct audit_trip *trip = &subject->trip;
    for (uint32_t i = 0; i < trip->event_ids && i < AUDIT_EVENTS_MAX; i++) {
        if (uuid_equal(&subject->events[i].id, &event->event_id) &&
            subject->events[i].type == event->type) {
            return;
        }
    }
    if (trip->event_ids < AUDIT_EVENTS_MAX) {
        subject->events[trip->event_ids] = (struct audit_event){event->event_id, event->type};
    }
    trip->event_ids++;
    trip->completed_ids += event->type == OUTCOME_COMPLETED;
    trip->failed_ids += event->type == OUTCOME_FAILED;
    trip->foreign_ids += !uuid_equal(&event->event_id, &subject->payment_id);
}

static void on_event(void *context, const struct kafka_record *record)
{
    struct event_reader *reader = context;
    struct outcome_decoded event;
    struct audit_subject *subject = NULL;
    reader->findings->events++;
    if (outcome_codec_decode(record, &event)) {
        subject = find_subject(reader->audit, event.trip_id);
    }
    if (subject == NULL) {
        reader->findings->strangers++;
        return;
    }
    if (!event.has_event_id || record->key_len != strlen(event.trip_id) ||
        memcmp(record->key, event.trip_id, record->key_len) != 0 ||
        (event.type == OUTCOME_COMPLETED && (event.fare_krw != subject->trip.expected_fare_krw ||
                                             strcmp(event.user_id, subject->user_id) != 0))) {
        subject->trip.wrong_contents++;
    }
    count_event(subject, &event);
}

static void on_dead(void *context, const struct kafka_record *record)
{
    struct event_reader *reader = context;
    char trip_id[STORE_ID_MAX + 1];
    (void)snprintf(trip_id, sizeof(trip_id), "%.*s", (int)record->key_len,
                   record->has_key ? (const char *)record->key : "");
    struct audit_subject *subject = find_subject(reader->audit, trip_id);
    reader->findings->dead++;
    if (subject != NULL && record->key_len == strlen(subject->trip_id)) {
        subject->is_dead = true;
    }
}

static void forget_all(struct farebox_audit *audit)
{
    for (size_t i = 0; i < audit->count; i++) {
        struct audit_subject *subject = &audit->subjects[i];
        subject->trip = (struct audit_trip){.expected_fare_krw = subject->trip.expected_fare_krw};
        subject->is_dead = false;
    }
    qsort(audit->subjects, audit->count, sizeof(audit->subjects[0]), compare_subjects);
}

static void describe(const struct audit_subject *subject, const char *what, char *text, size_t size)
{
    const struct audit_trip *trip = &subject->trip;
    (void)snprintf(
        text, size,
        "%.200s: %s (row %s, amount %" PRId32 ", reason %s, refund %u, operator %u; PG "
        "captured %" PRId64 " refunded %" PRId64 " approvals %" PRIu32 "; event ids: %" PRIu32
        " completed, %" PRIu32 " failed)",
        subject->trip_id, what, trip->has_row ? payment_status_name(trip->row.status) : "absent",
        trip->row.amount_krw, payment_reason_name(trip->row.reason),
        (unsigned)trip->row.refund_state, (unsigned)trip->row.needs_operator, trip->captured_krw,
        trip->refunded_krw, trip->approvals, trip->completed_ids, trip->failed_ids);
}

static void judge_subject(struct audit_subject *subject, bool settled,
                          struct audit_findings *findings)
{
    subject->trip.settled = settled;
    subject->trip.delivered = !subject->is_dead;
    subject->verdict = auditor_judge(&subject->trip);
    bool is_wrong = auditor_is_violation(subject->verdict) || subject->is_dead;
    findings->completed += subject->trip.has_row && subject->trip.row.status == PAYMENT_COMPLETED;
    findings->failed += subject->trip.has_row && subject->trip.row.status == PAYMENT_FAILED;
    findings->unfinished += subject->trip.has_row &&
                            subject->trip.row.status != PAYMENT_COMPLETED &&
                            subject->trip.row.status != PAYMENT_FAILED;
    findings->operator+= subject->verdict == AUDIT_OPERATOR;
    findings->captured_krw += subject->trip.captured_krw;
    findings->refunded_krw += subject->trip.refunded_krw;
    findings->violations += is_wrong;
    if (is_wrong && findings->violations == 1) {
        describe(subject,
                 subject->is_dead ? "a dead letter though it is a good trip"
                                  : auditor_verdict_text(subject->verdict),
                 findings->first, sizeof(findings->first));
    }
}

void farebox_audit_judge(struct farebox_audit *audit, bool settled, struct audit_findings *findings)
{
    struct event_reader reader = {audit, findings};
    memset(findings, 0, sizeof(*findings));
    forget_all(audit);
    (void)trip_sender_read(audit->bootstrap, "trip_events.DLT", on_dead, &reader);
    (void)trip_sender_read(audit->bootstrap, "payment_events", on_event, &reader);
    read_rows(audit);
    read_ledger(audit, findings);
    int64_t rows = farebox_audit_count(audit, "SELECT count(*) FROM payments");
    for (size_t i = 0; i < audit->count; i++) {
        judge_subject(&audit->subjects[i], settled, findings);
    }
    if (rows > findings->completed + findings->failed + findings->unfinished) {
        findings->strangers++;
    }
}

void farebox_audit_expect(struct farebox_audit *audit, bool settled,
                          struct audit_findings *findings)
{
    farebox_audit_judge(audit, settled, findings);
    if (findings->violations > 0 || findings->strangers > 0) {
        fail_msg("%" PRIu32 " of %zu trips violate a law, %" PRIu32 " strangers; the first: %s",
                 findings->violations, audit->count, findings->strangers, findings->first);
    }
}

int64_t farebox_audit_count(const struct farebox_audit *audit, const char *query)
{
    return audit->source->count(audit->where, query);
}

bool farebox_audit_await(const struct farebox_audit *audit, const char *query, int64_t least,
                         int64_t timeout_ms)
{
    int64_t deadline_ms = process_clock_ms() + timeout_ms;
    while (farebox_audit_count(audit, query) < least) {
        if (process_clock_ms() > deadline_ms) {
            print_error("%" PRId64 ", not %" PRId64 ": %s\n", farebox_audit_count(audit, query),
                        least, query);
            return false;
        }
        process_pause(10);
    }
    return true;
}

bool farebox_audit_await_settled(const struct farebox_audit *audit, int64_t timeout_ms)
{
    /* Negative while anything is on its way. */
    static const char query[] =
        "SELECT (SELECT count(*) FROM payments)"
        " - 1000000 * ((SELECT count(*) FROM payments WHERE needs_operator = 0 AND"
        "     (status NOT IN ('COMPLETED', 'FAILED') OR due_at IS NOT NULL))"
        "   + (SELECT count(*) FROM payment_outbox WHERE status <> 'DONE'))";
    return farebox_audit_await(audit, query, (int64_t)audit->count, timeout_ms);
}
