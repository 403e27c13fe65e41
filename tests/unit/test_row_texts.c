/* Rows on their way from a store thread's pool to the engine's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "row_texts.h"

#include <stdlib.h>
#include <string.h>

#define UNITS       8
#define ENTRIES_MAX 256
#define BYTES_MAX   8192

struct pools {
    void *from_block;
    void *to_block;
    struct texts *from;
    struct unit_result results[UNITS];
};

/* A batch of eight units whose texts fill the lane's pool, and two of which bring a row back. */
static int setup(void **state)
{
    static struct pools pools;
    pools = (struct pools){.from_block = malloc(texts_size(ENTRIES_MAX, BYTES_MAX)),
                           .to_block = malloc(texts_size(ENTRIES_MAX, BYTES_MAX))};
    if (pools.from_block == NULL || pools.to_block == NULL) {
        return -1;
    }
    pools.from = texts_init(pools.from_block, ENTRIES_MAX, BYTES_MAX);
    for (uint32_t i = 0; i < UNITS; i++) {
        char name[32] = "unit-0";
        name[5] = (char)('0' + i);
        struct payment_row *row = &pools.results[i].row;
        row->trip_id = texts_intern_string(pools.from, name);
        pools.results[i].has_row = i == 2 || i == 5;
        pools.results[i].verdict = pools.results[i].has_row ? UNIT_REFUSED : UNIT_APPLIED;
        memcpy(name, "user", 4);
        row->user_id = texts_intern_string(pools.from, name);
        row->method_id = texts_intern_string(pools.from, "");
        row->pg_id = texts_intern_string(pools.from, "the-same-pg-id");
        row->refund_pg_id = i == 2 ? texts_intern_string(pools.from, "refund") : TEXT_NONE;
        row->traceparent = i == 5 ? texts_intern_string(pools.from, "trace") : TEXT_NONE;
        row->code = i == 5 ? texts_intern_string(pools.from, "CODE") : TEXT_NONE;
    }
    *state = &pools;
    return 0;
}

static int teardown(void **state)
{
    struct pools *pools = *state;
    free(pools->from_block);
    free(pools->to_block);
    return 0;
}

static bool move_rows(struct pools *pools, uint32_t entries_max, uint32_t bytes_max)
{
    struct texts *to = texts_init(pools->to_block, entries_max, bytes_max);
    for (uint32_t i = 0; i < UNITS; i++) {
        struct payment_row row = pools->results[i].row;
        if (pools->results[i].has_row && !row_texts_payment(&row, pools->from, to)) {
            return false;
        }
    }
    return true;
}

/* Else a nearly full pool makes committed batches be sent again. */
static void a_batch_that_brings_no_row_back_needs_no_room(void **state)
{
    struct pools *pools = *state;
    for (uint32_t i = 0; i < UNITS; i++) {
        pools->results[i].has_row = 0;
    }
    const struct row_texts_room room = row_texts_results_room(pools->results, UNITS, pools->from);
    assert_int_equal(room.entries, 0);
    assert_int_equal(room.bytes, 0);
}

static void the_room_for_rows_that_come_back_is_enough_and_no_more(void **state)
{
    struct pools *pools = *state;
    const struct row_texts_room room = row_texts_results_room(pools->results, UNITS, pools->from);
    /* Of the second row two texts are the first one's. */
    assert_int_equal(room.entries, 5 + 6);
    assert_int_equal(room.bytes, 2 * (6 + 6 + 14) + 6 + 5 + 4);
    assert_true(move_rows(pools, room.entries, (uint32_t)room.bytes));
    assert_true(move_rows(pools, room.entries - 2, (uint32_t)room.bytes - 14));
    assert_false(move_rows(pools, room.entries - 3, (uint32_t)room.bytes));
    assert_false(move_rows(pools, room.entries, (uint32_t)room.bytes - 15));
}

#define RULE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULE(a_batch_that_brings_no_row_back_needs_no_room),
        RULE(the_room_for_rows_that_come_back_is_enough_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
