/* Two connections that do the same at once, each with its own tokens (trap 6). */
#include "store_suite.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIPS       240u
#define BATCH       12u
#define RESENDS_MAX 10000

/* What one of the two knows; the worker makes no assertions, for cmocka's are not for threads. */
struct racer {
    struct store_fixture *fixture;
    struct store *store;
    struct texts *texts;
    uint64_t process;
    bool moves; /* false: opens */
    bool gave_up;
    struct unit units[BATCH];
    struct unit_result results[TRIPS];
};

static bool unit_fill(struct racer *racer, uint32_t trip, struct unit *unit)
{
    char trip_id[32];
    (void)snprintf(trip_id, sizeof(trip_id), "trip-%u", trip);
    memset(unit, 0, sizeof(*unit));
    unit->token = (struct token){racer->process, trip + 1 + (racer->moves ? TRIPS : 0)};
    unit->kind = racer->moves ? UNIT_PAYMENT_MOVE : UNIT_PAYMENT_OPEN;
    struct unit_payment *payment = &unit->as.payment;
    payment->row = (struct payment_row){.payment_id = suite_uuid(trip + 1),
                                        .amount_krw = 100,
                                        .due_in_ms = DUE_NEVER,
                                        .trip_id = texts_intern_string(racer->texts, trip_id),
                                        .user_id = texts_intern_string(racer->texts, "u"),
                                        .method_id = texts_intern_string(racer->texts, "m"),
                                        .status = PAYMENT_PROCESSING};
    payment->guard_status = PAYMENT_PROCESSING;
    payment->guard_epoch = 1;
    if (racer->moves) {
        payment->row.status = PAYMENT_COMPLETED;
        payment->outcome = (struct unit_outcome){
            .type = OUTCOME_COMPLETED,
            .lease_ms = 30000,
            .record = {.event_id = payment->row.payment_id,
                       .topic = texts_intern_string(racer->texts, "payment_events")}};
    }
    return payment->row.trip_id != TEXT_NONE;
}

static void *race(void *argument)
{
    struct racer *racer = argument;
    for (uint32_t first = 0; first < TRIPS && !racer->gave_up; first += BATCH) {
        for (uint32_t i = 0; i < BATCH; i++) {
            racer->gave_up |= !unit_fill(racer, first + i, &racer->units[i]);
        }
        struct store_batch batch = {racer->units, &racer->results[first], BATCH, racer->texts};
        enum batch_outcome outcome = BATCH_ABORTED;
        for (int i = 0; i < RESENDS_MAX && outcome != BATCH_COMMITTED; i++) {
            outcome = racer->store->ops->submit(racer->store, &batch);
        }
        racer->gave_up |= outcome != BATCH_COMMITTED;
    }
    return NULL;
}

static struct racer *racer_open(struct store_fixture *f, uint64_t process, bool moves)
{
    struct racer *racer = calloc(1, sizeof(*racer));
    void *block = malloc(texts_size(1024, 1 << 16));
    assert_non_null(racer);
    assert_non_null(block);
    racer->fixture = f;
    racer->texts = texts_init(block, 1024, 1 << 16);
    racer->store = f->factory->connect(f->data, f, f->texts);
    assert_non_null(racer->store);
    racer->process = process;
    racer->moves = moves;
    return racer;
}

static void racer_close(struct racer *racer)
{
    racer->store->ops->close(racer->store);
    free(racer->texts);
    free(racer);
}

/* Both do the same work; each unit must have one winner and a loser that was told so. */
static void race_of_two(struct store_fixture *f, uint64_t process, bool moves,
                        enum unit_verdict loser)
{
    struct racer *racers[2] = {racer_open(f, process, moves), racer_open(f, process + 1, moves)};
    if (f->factory->has_threads) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, race, racers[0]), 0);
        race(racers[1]);
        assert_int_equal(pthread_join(thread, NULL), 0);
    } else {
        race(racers[0]);
        race(racers[1]);
    }
    assert_false(racers[0]->gave_up);
    assert_false(racers[1]->gave_up);
    for (uint32_t i = 0; i < TRIPS; i++) {
        int won = racers[0]->results[i].verdict == UNIT_APPLIED ? 0 : 1;
        assert_int_equal(racers[won]->results[i].verdict, UNIT_APPLIED);
        assert_int_equal(racers[1 - won]->results[i].verdict, loser);
        assert_true(racers[1 - won]->results[i].row.token.process == process + (uint64_t)won);
    }
    racer_close(racers[0]);
    racer_close(racers[1]);
}

static void trip_is_opened_once_and_completed_once_whoever_is_faster(void **state)
{
    struct store_fixture *f = *state;
    race_of_two(f, 1000, false, UNIT_DUPLICATE);
    race_of_two(f, 2000, true, UNIT_REFUSED);
    union store_row *rows = calloc(STORE_PAGE_MAX, sizeof(*rows));
    assert_non_null(rows);
    assert_int_equal(suite_outbox_all(f, rows), TRIPS);
    free(rows);
}

int store_suite_races(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(trip_is_opened_once_and_completed_once_whoever_is_faster),
    };
    return cmocka_run_group_tests_name("store: races", tests, NULL, NULL);
}
