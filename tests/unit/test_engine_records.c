/* Records, trackers, waiters, pausing: who may be acknowledged, and when. */
#include "engine_kit.h"
#include "unit_support.h"

#include <string.h>

static struct kit kit;

static int setup(void **state)
{
    (void)state;
    kit_open(&kit, NULL, NULL);
    kit_assign(&kit, TOPIC_TRIPS, 0, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kit_close(&kit);
    return 0;
}

static int64_t committed_offset(void)
{
    kit_pass(&kit, 1000);
    return kit_has(&kit, FX_OFFSET) ? kit_take(&kit, FX_OFFSET).value : -1;
}

static void one_approved_trip_ends_completed_published_and_acknowledged(void **state)
{
    struct pg_answer approval = kit_approval(&kit, 15200);
    uint32_t slot = kit_charging(&kit, "trip-1", 10);
    struct effect publish;
    struct unit unit;

    (void)state;
    kit_pg(&kit, slot, &approval);
    engine_batch_unit(kit.engine, 0, 0, kit.now_ms, &unit);
    assert_int_equal(unit.as.payment.row.status, PAYMENT_COMPLETED);
    assert_int_equal(unit.as.payment.outcome.type, OUTCOME_COMPLETED);
    kit_commit(&kit, UNIT_APPLIED);
    publish = kit_take(&kit, FX_PUBLISH);
    assert_int_equal(engine_outbox(kit.engine, publish.slot)->type, OUTCOME_COMPLETED);
    kit_published(&kit, PUBLISH_OUTBOX, publish.slot, PUBLISH_DELIVERED);
    kit_commit(&kit, UNIT_APPLIED);
    kit_assert_quiet(&kit);
    assert_int_equal(engine_counts(kit.engine).payments, 0);
    assert_int_equal(engine_counts(kit.engine).outbox, 0);
    assert_int_equal(committed_offset(), 11);
}

/* An event that finds no slot would be left to polling, a whole lease later. */
static void no_trip_is_taken_while_half_the_outbox_waits_for_the_broker(void **state)
{
    struct pg_answer approval = kit_approval(&kit, 15200);
    uint32_t publishing[3];
    char trip[] = "trip-0";

    (void)state;
    for (int i = 0; i < 3; i++) {
        trip[5]++;
        assert_true(engine_accepts(kit.engine, TOPIC_TRIPS, 0, 1));
        kit_pg(&kit, kit_charging(&kit, trip, i), &approval);
        kit_commit(&kit, UNIT_APPLIED);
        publishing[i] = kit_take(&kit, FX_PUBLISH).slot;
    }
    assert_int_equal(engine_counts(kit.engine).outbox, 3);
    assert_false(engine_accepts(kit.engine, TOPIC_TRIPS, 0, 1));
    kit_take(&kit, FX_PAUSE);
    kit_published(&kit, PUBLISH_OUTBOX, publishing[0], PUBLISH_DELIVERED);
    kit_commit(&kit, UNIT_APPLIED);
    kit_take(&kit, FX_RESUME);
    assert_true(engine_accepts(kit.engine, TOPIC_TRIPS, 0, 1));
}

static void nothing_is_charged_before_the_claim_is_durable(void **state)
{
    uint32_t slot;

    (void)state;
    kit_trip(&kit, "trip-1", 0);
    slot = kit_take(&kit, FX_FARE).slot;
    kit_quote(&kit, slot, 500);
    assert_false(kit_has(&kit, FX_CHARGE));
    kit_batch(&kit, BATCH_UNKNOWN);
    assert_false(kit_has(&kit, FX_CHARGE));
    kit_pass(&kit, 100);
    kit_commit(&kit, UNIT_APPLIED);
    assert_true(kit_has(&kit, FX_CHARGE));
    assert_true(kit_has_note(&kit, NOTE_CLAIMED));
}

static void trap_05_an_unknown_batch_is_sent_again_with_the_same_tokens(void **state)
{
    struct unit first;
    struct unit again;
    uint32_t slot;

    (void)state;
    kit_trip(&kit, "trip-1", 0);
    slot = kit_take(&kit, FX_FARE).slot;
    kit_quote(&kit, slot, 500);
    engine_batch_unit(kit.engine, 0, 0, kit.now_ms, &first);
    kit_batch(&kit, BATCH_UNKNOWN);
    kit_pass(&kit, 5000);
    engine_batch_unit(kit.engine, 0, 0, kit.now_ms, &again);
    assert_memory_equal(&first, &again, sizeof(first));
    assert_int_equal(kit_take(&kit, FX_SUBMIT).value, 1);
}

static void a_record_of_a_trip_in_flight_waits_for_its_first_commit(void **state)
{
    uint32_t slot;

    (void)state;
    kit_trip(&kit, "trip-1", 0);
    slot = kit_take(&kit, FX_FARE).slot;
    kit_trip(&kit, "trip-1", 1);
    assert_int_equal(engine_counts(kit.engine).waiters, 1);
    assert_false(kit_has(&kit, FX_FARE));
    assert_int_equal(committed_offset(), -1);
    kit_quote(&kit, slot, 500);
    kit_commit(&kit, UNIT_APPLIED);
    assert_true(kit_has_note(&kit, NOTE_DUPLICATE));
    assert_int_equal(engine_counts(kit.engine).waiters, 0);
    assert_int_equal(committed_offset(), 2);
}

static void a_record_of_a_known_trip_is_acknowledged_and_noted(void **state)
{
    struct payment_row row;

    (void)state;
    kit_trip(&kit, "trip-1", 0);
    kit_quote(&kit, kit_take(&kit, FX_FARE).slot, 500);
    memset(&row, 0, sizeof(row));
    row.trip_id = kit_text(&kit, "trip-1");
    row.status = PAYMENT_COMPLETED;
    kit_commit_row(&kit, UNIT_DUPLICATE, &row);
    assert_true(kit_has_note(&kit, NOTE_DUPLICATE));
    assert_int_equal(committed_offset(), 1);
}

static void a_waiting_record_takes_the_place_of_a_dead_letter(void **state)
{
    struct upstream_answer refused = {.kind = UPSTREAM_REFUSED};
    struct effect fare;

    (void)state;
    kit_trip(&kit, "trip-1", 0);
    fare = kit_take(&kit, FX_FARE);
    kit_trip(&kit, "trip-1", 1);
    kit_upstream(&kit, fare.slot, UPSTREAM_PRICING, &refused);
    kit_upstream(&kit, fare.slot, UPSTREAM_USERS, &refused);
    assert_true(kit_has(&kit, FX_DEAD_LETTER));
    assert_true(kit_has(&kit, FX_FARE));
    assert_int_equal(engine_counts(kit.engine).waiters, 0);
}

static void trap_09_a_malformed_record_waits_for_the_dead_letters_delivery(void **state)
{
    struct effect letter;

    (void)state;
    kit_record(&kit, RECORD_MALFORMED, 7);
    letter = kit_take(&kit, FX_DEAD_LETTER);
    assert_int_equal(committed_offset(), -1);
    kit_published(&kit, PUBLISH_DEAD_LETTER, letter.slot, PUBLISH_DELIVERED);
    assert_int_equal(committed_offset(), 8);
}

static void trap_10_a_dead_letter_that_cannot_be_published_is_tried_again(void **state)
{
    struct effect letter;

    (void)state;
    kit_record(&kit, RECORD_MALFORMED, 7);
    for (int i = 0; i < 5; i++) {
        letter = kit_take(&kit, FX_DEAD_LETTER);
        kit_published(&kit, PUBLISH_DEAD_LETTER, letter.slot,
                      i % 2 == 0 ? PUBLISH_REJECTED : PUBLISH_NO_VERDICT);
        assert_true(kit_has(&kit, FX_ALERT));
        kit_pass(&kit, 60000);
        assert_false(kit_has(&kit, FX_OFFSET));
    }
}

static void trap_12_offsets_are_committed_in_the_order_of_delivery(void **state)
{
    uint32_t slow;
    uint32_t fast;

    (void)state;
    kit_trip(&kit, "trip-1", 0);
    slow = kit_take(&kit, FX_FARE).slot;
    kit_trip(&kit, "trip-2", 5);
    fast = kit_take(&kit, FX_FARE).slot;
    kit_quote(&kit, fast, 500);
    kit_commit(&kit, UNIT_APPLIED);
    assert_int_equal(committed_offset(), -1);
    kit_quote(&kit, slow, 500);
    kit_commit(&kit, UNIT_APPLIED);
    assert_int_equal(committed_offset(), 6);
}

static void a_refused_offset_commit_is_made_again(void **state)
{
    struct engine_event event = {.type = EV_OFFSET};

    (void)state;
    kit_record(&kit, RECORD_IGNORED, 3);
    assert_int_equal(committed_offset(), 4);
    assert_int_equal(committed_offset(), -1);
    event.as.offset.assignment = 1;
    event.as.offset.offset = 4;
    kit_step(&kit, &event);
    assert_int_equal(committed_offset(), 4);
}

static void an_old_record_is_a_dead_letter_and_never_a_charge(void **state)
{
    struct engine_event event = {.type = EV_RECORD};

    (void)state;
    event.as.record.kind = RECORD_TRIP;
    event.as.record.assignment = 1;
    event.as.record.timestamp_ms = kit.wall_ms - INT64_C(7) * 24 * 3600 * 1000 - 1;
    event.as.record.trip.trip_id = kit_text(&kit, "trip-1");
    event.as.record.record = kit_text(&kit, "raw record");
    kit_step(&kit, &event);
    assert_true(kit_has(&kit, FX_DEAD_LETTER));
    assert_false(kit_has(&kit, FX_FARE));
}

static void revoked_records_without_a_unit_are_dropped_and_the_rest_run_on(void **state)
{
    struct pg_answer approval = kit_approval(&kit, 15200);
    uint32_t charging = kit_charging(&kit, "trip-1", 0);

    (void)state;
    kit_trip(&kit, "trip-2", 1);
    kit_revoke(&kit, TOPIC_TRIPS, 0, 1);
    assert_int_equal(kit_take(&kit, FX_OFFSET).value, 1);
    assert_int_equal(engine_counts(kit.engine).payments, 1);
    kit_pg(&kit, charging, &approval);
    kit_commit(&kit, UNIT_APPLIED);
    assert_true(kit_has(&kit, FX_PUBLISH));
}

static void an_acknowledgement_of_an_old_assignment_commits_nothing(void **state)
{
    uint32_t slot;

    (void)state;
    kit_trip(&kit, "trip-1", 0);
    slot = kit_take(&kit, FX_FARE).slot;
    kit_quote(&kit, slot, 500);
    kit_revoke(&kit, TOPIC_TRIPS, 0, 1);
    kit_assign(&kit, TOPIC_TRIPS, 0, 2);
    kit_pass(&kit, 1);
    assert_int_equal(engine_counts(kit.engine).batches_outstanding, 1);
    assert_int_equal(committed_offset(), -1);
}

static void a_full_table_pauses_the_partition_and_a_free_slot_resumes_it(void **state)
{
    struct upstream_answer refused = {.kind = UPSTREAM_REFUSED};
    struct effect fare;

    (void)state;
    for (int i = 0; i < 4; i++) {
        char trip[8] = {'t', (char)('0' + i), 0};

        assert_true(engine_accepts(kit.engine, TOPIC_TRIPS, 0, 1));
        kit_trip(&kit, trip, i);
    }
    assert_true(kit_has(&kit, FX_PAUSE));
    assert_false(engine_accepts(kit.engine, TOPIC_TRIPS, 0, 1));
    fare = kit_take(&kit, FX_FARE);
    kit_upstream(&kit, fare.slot, UPSTREAM_PRICING, &refused);
    kit_upstream(&kit, fare.slot, UPSTREAM_USERS, &refused);
    assert_true(kit_has(&kit, FX_RESUME));
    assert_true(engine_accepts(kit.engine, TOPIC_TRIPS, 0, 1));
}

static void a_full_window_pauses_only_its_partition(void **state)
{
    (void)state;
    kit_assign(&kit, TOPIC_TRIPS, 1, 1);
    kit_trip(&kit, "trip-1", 0);
    for (int i = 1; i < 8; i++) {
        kit_record(&kit, RECORD_IGNORED, i);
    }
    assert_int_equal(kit_take(&kit, FX_PAUSE).partition, 0);
    assert_false(kit_has(&kit, FX_PAUSE));
    assert_false(engine_accepts(kit.engine, TOPIC_TRIPS, 0, 1));
    assert_true(engine_accepts(kit.engine, TOPIC_TRIPS, 1, 1));
}

static void a_record_of_an_unknown_assignment_is_not_accepted(void **state)
{
    (void)state;
    assert_false(engine_accepts(kit.engine, TOPIC_TRIPS, 0, 2));
    assert_false(engine_accepts(kit.engine, TOPIC_DLT, 0, 1));
}

/* The step looks no further than the last partition that is used. */
static void partitions_come_and_go_in_any_order(void **state)
{
    static const int32_t orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {1, 0, 2}, {0, 2, 1}};

    (void)state;
    kit_revoke(&kit, TOPIC_TRIPS, 0, 1);
    for (uint32_t round = 0; round < sizeof(orders) / sizeof(orders[0]); round++) {
        uint32_t assignment = 2 + round;

        for (int32_t partition = 0; partition < 3; partition++) {
            kit_assign(&kit, TOPIC_TRIPS, partition, assignment);
            assert_true(engine_accepts(kit.engine, TOPIC_TRIPS, partition, assignment));
        }
        for (int gone = 0; gone < 3; gone++) {
            kit_revoke(&kit, TOPIC_TRIPS, orders[round][gone], assignment);
            for (int i = 0; i < 3; i++) {
                assert_int_equal(
                    engine_accepts(kit.engine, TOPIC_TRIPS, orders[round][i], assignment),
                    i > gone);
            }
        }
    }
    kit_assign(&kit, TOPIC_TRIPS, 7, 9);
    assert_true(engine_accepts(kit.engine, TOPIC_TRIPS, 7, 9));
}

static void a_partition_behind_one_that_is_gone_goes_on(void **state)
{
    struct engine_event event = {.type = EV_RECORD};
    struct effect offset;

    (void)state;
    kit_assign(&kit, TOPIC_TRIPS, 1, 1);
    kit_revoke(&kit, TOPIC_TRIPS, 0, 1);
    event.as.record.kind = RECORD_IGNORED;
    event.as.record.partition = 1;
    event.as.record.assignment = 1;
    event.as.record.offset = 20;
    event.as.record.timestamp_ms = kit.wall_ms;
    kit_step(&kit, &event);
    kit_pass(&kit, 1000);
    offset = kit_take(&kit, FX_OFFSET);
    assert_int_equal(offset.partition, 1);
    assert_int_equal(offset.value, 21);
}

static void the_dead_letter_topics_records_become_failed_events(void **state)
{
    struct unit unit;

    (void)state;
    kit_assign(&kit, TOPIC_DLT, 0, 1);
    kit_record(&kit, RECORD_DEAD, 4);
    engine_batch_unit(kit.engine, 0, 0, kit.now_ms, &unit);
    assert_int_equal(unit.kind, UNIT_FAILED_EVENT_OPEN);
    kit_batch(&kit, BATCH_ABORTED);
    kit_pass(&kit, 5000);
    assert_false(kit_has(&kit, FX_OFFSET));
    kit_commit(&kit, UNIT_DUPLICATE);
    assert_int_equal(committed_offset(), 5);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(one_approved_trip_ends_completed_published_and_acknowledged),
        STORY(no_trip_is_taken_while_half_the_outbox_waits_for_the_broker),
        STORY(nothing_is_charged_before_the_claim_is_durable),
        STORY(trap_05_an_unknown_batch_is_sent_again_with_the_same_tokens),
        STORY(a_record_of_a_trip_in_flight_waits_for_its_first_commit),
        STORY(a_record_of_a_known_trip_is_acknowledged_and_noted),
        STORY(a_waiting_record_takes_the_place_of_a_dead_letter),
        STORY(trap_09_a_malformed_record_waits_for_the_dead_letters_delivery),
        STORY(trap_10_a_dead_letter_that_cannot_be_published_is_tried_again),
        STORY(trap_12_offsets_are_committed_in_the_order_of_delivery),
        STORY(a_refused_offset_commit_is_made_again),
        STORY(an_old_record_is_a_dead_letter_and_never_a_charge),
        STORY(revoked_records_without_a_unit_are_dropped_and_the_rest_run_on),
        STORY(an_acknowledgement_of_an_old_assignment_commits_nothing),
        STORY(a_full_table_pauses_the_partition_and_a_free_slot_resumes_it),
        STORY(a_full_window_pauses_only_its_partition),
        STORY(a_record_of_an_unknown_assignment_is_not_accepted),
        STORY(partitions_come_and_go_in_any_order),
        STORY(a_partition_behind_one_that_is_gone_goes_on),
        STORY(the_dead_letter_topics_records_become_failed_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
