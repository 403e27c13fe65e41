/* What a lane's message tells stays as it is while the lane's next batch is made and carried out.
 */
#include "store_lanes.h"
#include "unit_support.h"

#include <stdio.h>
#include <string.h>

#define LANES     2
#define BATCH_MAX 4
#define LONG_MS   300000 /* longer than a test may take */

/* Answers each unit with its own row, whose trip the store calls "row of ...". */
struct echo_store {
    struct store store;
    uint32_t submits;
    uint32_t last_count;
};

static struct echo_store echoes[LANES];
static struct inbox inbox;
static struct store_lanes *lanes;

static enum batch_outcome echo_submit(struct store *store, const struct store_batch *batch)
{
    struct echo_store *echo = (struct echo_store *)(void *)store;

    echo->submits++;
    echo->last_count = batch->count;
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct payment_row *row = &batch->units[i].as.payment.row;
        char text[64];

        (void)snprintf(text, sizeof(text), "row of %s", texts_string(batch->texts, row->trip_id));
        batch->results[i] =
            (struct unit_result){.verdict = UNIT_DUPLICATE, .has_row = 1, .row = *row};
        batch->results[i].row.trip_id = texts_intern_string(batch->texts, text);
    }
    return BATCH_COMMITTED;
}

static void echo_close(struct store *store)
{
    (void)store;
}

static int setup(void **state)
{
    static const struct store_ops ops = {.submit = echo_submit, .close = echo_close};
    struct store *stores[LANES];
    const struct store_lanes_options options = {.stores = stores,
                                                .inbox = &inbox,
                                                .lanes = LANES,
                                                .batch_max = BATCH_MAX,
                                                .bytes_max = 4096};

    (void)state;
    for (int i = 0; i < LANES; i++) {
        echoes[i] = (struct echo_store){.store = {&ops}};
        stores[i] = &echoes[i].store;
    }
    assert_true(inbox_init(&inbox));
    lanes = store_lanes_open(&options);
    return lanes == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    store_lanes_close(lanes);
    inbox_clear(&inbox);
    return 0;
}

static void name_of(uint32_t batch, uint32_t unit, char name[32])
{
    (void)snprintf(name, 32, "trip-%u-%u", (unsigned)batch, (unsigned)unit);
}

/* Units of which everybody sees whose they are. */
static void begin(uint32_t lane, uint32_t batch, uint32_t count)
{
    struct texts *texts;
    struct unit *units = store_lanes_begin(lanes, lane, &texts);

    assert_int_equal(texts_count(texts), 0);
    assert_int_equal(texts_bytes_used(texts), 0);
    for (uint32_t i = 0; i < count; i++) {
        char name[32];

        name_of(batch, i, name);
        units[i] = (struct unit){.kind = UNIT_PAYMENT_OPEN, .token = {batch, i}};
        units[i].as.payment.row.trip_id = texts_intern_string(texts, name);
        units[i].as.payment.row.amount_krw = (int32_t)(batch * 100 + i);
    }
}

/* Taken, and copied as it is: the lane's own is written again by the next batch. */
static struct batch_message take(void)
{
    struct message *message = inbox_take(&inbox, LONG_MS);

    assert_non_null(message);
    assert_null(message->next);
    assert_int_equal(message->type, MESSAGE_BATCH);
    return *(struct batch_message *)(void *)message;
}

static void expect(const struct batch_message *told, uint32_t batch, uint32_t count)
{
    assert_int_equal(told->outcome, BATCH_COMMITTED);
    assert_int_equal(told->count, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct payment_row *row = &told->units[i].as.payment.row;
        char name[32];
        char echoed[64];

        name_of(batch, i, name);
        (void)snprintf(echoed, sizeof(echoed), "row of %s", name);
        assert_int_equal(told->units[i].token.process, batch);
        assert_int_equal(told->units[i].token.sequence, i);
        assert_string_equal(texts_string(told->texts, row->trip_id), name);
        assert_int_equal(told->results[i].verdict, UNIT_DUPLICATE);
        assert_int_equal(told->results[i].row.amount_krw, batch * 100 + i);
        assert_string_equal(texts_string(told->texts, told->results[i].row.trip_id), echoed);
    }
    texts_check(told->texts);
}

static void a_message_tells_of_its_own_batch(void **state)
{
    (void)state;
    for (uint32_t batch = 1; batch < 20; batch++) {
        uint32_t count = 1 + batch % BATCH_MAX;
        struct batch_message told;

        begin(0, batch, count);
        store_lanes_submit(lanes, 0, count);
        told = take();
        assert_int_equal(told.lane, 0);
        assert_true(told.elapsed_us >= 0);
        expect(&told, batch, count);
    }
    assert_int_equal(echoes[0].submits, 19);
    assert_int_equal(echoes[1].submits, 0);
}

static void a_batch_stays_until_the_one_after_its_next_begins(void **state)
{
    struct batch_message before;

    (void)state;
    begin(0, 1, BATCH_MAX);
    store_lanes_submit(lanes, 0, BATCH_MAX);
    before = take();
    for (uint32_t batch = 2; batch < 20; batch++) {
        uint32_t count_before = before.count;
        uint32_t count = 1 + batch % BATCH_MAX;
        struct batch_message told;

        begin(0, batch, count);
        expect(&before, batch - 1, count_before);
        store_lanes_submit(lanes, 0, count);
        told = take();
        expect(&before, batch - 1, count_before);
        expect(&told, batch, count);
        before = told;
    }
}

static void lanes_share_no_memory(void **state)
{
    struct batch_message told[LANES];

    (void)state;
    begin(0, 1, 2);
    begin(1, 2, 2);
    store_lanes_submit(lanes, 0, 2);
    told[0] = take();
    store_lanes_submit(lanes, 1, 2);
    told[1] = take();
    for (uint32_t lane = 0; lane < LANES; lane++) {
        assert_int_equal(told[lane].lane, lane);
        expect(&told[lane], lane + 1, 2);
    }
}

static void an_aborted_batch_reaches_no_store_and_spares_the_one_before(void **state)
{
    struct batch_message before;
    struct batch_message told;

    (void)state;
    begin(0, 1, 3);
    store_lanes_submit(lanes, 0, 3);
    before = take();
    begin(0, 2, 4);
    store_lanes_abort(lanes, 0);
    told = take();
    assert_int_equal(told.lane, 0);
    assert_int_equal(told.outcome, BATCH_ABORTED);
    assert_int_equal(told.count, 0);
    assert_int_equal(echoes[0].submits, 1);
    expect(&before, 1, 3);
    begin(0, 3, 1);
    store_lanes_submit(lanes, 0, 1);
    told = take();
    expect(&told, 3, 1);
    assert_int_equal(echoes[0].last_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_tells_of_its_own_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(a_batch_stays_until_the_one_after_its_next_begins, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(lanes_share_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(an_aborted_batch_reaches_no_store_and_spares_the_one_before,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
