/* The inbox: many threads post, one takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"
#include "inbox.h"
#include "store_lanes.h"
#include "store_scans.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>

#define ROUNDS  10000
#define POSTERS 4
#define EACH    2000
#define LONG_MS 300000 /* longer than a test may take */
/* A message that is there is taken long before, even on a busy machine. */
#define PATIENCE_MS 10000

struct numbered {
    struct message message;
    uint32_t poster;
    uint32_t number;
};

struct poster {
    struct inbox *inbox;
    struct numbered messages[EACH];
    uint32_t number;
};

static struct poster posters[POSTERS];

static int setup(void **state)
{
    static struct inbox inbox;

    assert_true(inbox_init(&inbox));
    *state = &inbox;
    return 0;
}

static int teardown(void **state)
{
    inbox_clear(*state);
    return 0;
}

static void *post_all(void *argument)
{
    struct poster *poster = argument;

    for (uint32_t i = 0; i < EACH; i++) {
        poster->messages[i] = (struct numbered){.poster = poster->number, .number = i};
        inbox_post(poster->inbox, &poster->messages[i].message);
    }
    return NULL;
}

static void messages_come_out_in_the_order_of_posting(void **state)
{
    struct inbox *inbox = *state;
    struct numbered messages[3];
    struct message *taken;

    for (uint32_t i = 0; i < 3; i++) {
        messages[i] = (struct numbered){.number = i};
        inbox_post(inbox, &messages[i].message);
    }
    taken = inbox_take(inbox, 0);
    for (uint32_t i = 0; i < 3; i++) {
        assert_ptr_equal(taken, &messages[i].message);
        taken = taken->next;
    }
    assert_null(taken);
    assert_null(inbox_take(inbox, 0));
}

static void a_message_may_be_posted_again_after_it_was_taken(void **state)
{
    struct inbox *inbox = *state;
    struct message first = {0};
    struct message second = {0};

    inbox_post(inbox, &first);
    inbox_post(inbox, &second);
    assert_ptr_equal(inbox_take(inbox, 0), &first);
    inbox_post(inbox, &first);
    assert_ptr_equal(inbox_take(inbox, 0), &first);
    assert_null(first.next); /* nothing of its earlier time in the inbox */
}

static void a_list_comes_out_behind_what_was_there_and_before_what_follows(void **state)
{
    struct inbox *inbox = *state;
    struct message messages[4] = {{.next = NULL}};
    struct message *taken;

    inbox_post(inbox, &messages[0]);
    messages[1].next = &messages[2];
    inbox_post_list(inbox, &messages[1]);
    inbox_post_list(inbox, NULL);
    inbox_post(inbox, &messages[3]);
    taken = inbox_take(inbox, 0);
    for (int i = 0; i < 4; i++) {
        assert_ptr_equal(taken, &messages[i]);
        taken = taken->next;
    }
    assert_null(taken);
}

static void an_empty_inbox_gives_nothing_when_the_time_is_over(void **state)
{
    assert_null(inbox_take(*state, 0));
    assert_null(inbox_take(*state, -5));
    assert_null(inbox_take(*state, 20));
}

/* If posting did not wake it, the test would run into its time limit. */
static void posting_wakes_the_taker(void **state)
{
    pthread_t thread;

    posters[0].inbox = *state;
    for (uint32_t left = EACH; left > 0;) {
        if (left == EACH) {
            assert_int_equal(pthread_create(&thread, NULL, post_all, &posters[0]), 0);
        }
        for (struct message *m = inbox_take(*state, LONG_MS); m != NULL; m = m->next) {
            left--;
        }
    }
    pthread_join(thread, NULL);
}

static void nothing_is_lost_and_each_thread_keeps_its_order(void **state)
{
    pthread_t threads[POSTERS];
    uint32_t next[POSTERS] = {0};
    uint32_t left = POSTERS * EACH;

    for (uint32_t i = 0; i < POSTERS; i++) {
        posters[i].inbox = *state;
        posters[i].number = i;
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
    }
    while (left > 0) {
        struct message *message = inbox_take(*state, LONG_MS);

        assert_non_null(message);
        for (; message != NULL; message = message->next) {
            const struct numbered *numbered = (const struct numbered *)(const void *)message;

            assert_int_equal(numbered->number, next[numbered->poster]);
            next[numbered->poster]++;
            left--;
        }
    }
    for (uint32_t i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_null(inbox_take(*state, 0));
}

static void expect_left(struct inbox *inbox, const struct message *first,
                        const struct message *second)
{
    const struct message *taken = inbox_take(inbox, 0);

    assert_ptr_equal(taken, first);
    assert_ptr_equal(taken->next, second);
    assert_null(second->next);
}

static void a_removed_message_is_gone_and_the_others_stay(void **state)
{
    struct inbox *inbox = *state;
    struct message m[3] = {{0}};

    for (int gone = 0; gone < 3; gone++) {
        for (int i = 0; i < 3; i++) {
            inbox_post(inbox, &m[i]);
        }
        inbox_remove(inbox, &m[gone]);
        inbox_remove(inbox, &m[gone]);
        expect_left(inbox, &m[gone == 0 ? 1 : 0], &m[gone == 2 ? 1 : 2]);
    }
    inbox_post(inbox, &m[0]);
    inbox_remove(inbox, &m[0]);
    inbox_post(inbox, &m[1]);
    assert_ptr_equal(inbox_take(inbox, 0), &m[1]);
}

/* A waiter of the test's: counts, and posts by itself when it is told to. */
struct test_waiter {
    struct inbox *inbox;
    struct message *at_the_third;
    uint32_t waits;
    uint32_t wakeups;
    int64_t longest_ms;
};

static void test_wait(void *context, int64_t timeout_ms)
{
    struct test_waiter *waiter = context;

    waiter->waits++;
    waiter->longest_ms = timeout_ms > waiter->longest_ms ? timeout_ms : waiter->longest_ms;
    if (waiter->waits == 3 && waiter->at_the_third != NULL) {
        inbox_post(waiter->inbox, waiter->at_the_third);
    }
}

static void test_wakeup(void *context)
{
    ((struct test_waiter *)context)->wakeups++;
}

static void a_waiter_that_returns_early_waits_again_until_a_message_is_there(void **state)
{
    struct message message = {0};
    struct test_waiter own = {.inbox = *state, .at_the_third = &message};
    const struct inbox_waiter waiter = {test_wait, test_wakeup, &own};

    inbox_set_waiter(*state, &waiter);
    assert_ptr_equal(inbox_take(*state, LONG_MS), &message);
    assert_int_equal(own.waits, 3);
    assert_true(own.longest_ms > LONG_MS - 60000);
    inbox_set_waiter(*state, NULL);
}

/* What the waiter has to do must not starve while messages keep coming. */
static void a_waiter_has_its_turn_without_waiting_where_messages_are_there(void **state)
{
    struct message messages[2] = {{0}};
    struct test_waiter own = {.inbox = *state};
    const struct inbox_waiter waiter = {test_wait, test_wakeup, &own};

    inbox_set_waiter(*state, &waiter);
    inbox_post(*state, &messages[0]);
    inbox_post(*state, &messages[1]);
    assert_int_equal(own.wakeups, 1); /* one is enough: the taker takes all */
    assert_ptr_equal(inbox_take(*state, LONG_MS), &messages[0]);
    assert_null(inbox_take(*state, 0));
    assert_int_equal(own.waits, 2);
    assert_int_equal(own.longest_ms, 0);
    inbox_post(*state, &messages[0]);
    assert_int_equal(own.wakeups, 2);
    inbox_set_waiter(*state, NULL);
    assert_ptr_equal(inbox_take(*state, 0), &messages[0]);
}

/* What a removed message was woken for is gone: the next one needs a wake of its own. */
static void a_message_wakes_where_the_only_one_before_was_removed(void **state)
{
    struct message messages[3] = {{0}};
    struct test_waiter own = {.inbox = *state};
    const struct inbox_waiter waiter = {test_wait, test_wakeup, &own};

    inbox_set_waiter(*state, &waiter);
    inbox_post(*state, &messages[0]);
    inbox_remove(*state, &messages[0]);
    inbox_post(*state, &messages[1]);
    assert_int_equal(own.wakeups, 2);
    inbox_post(*state, &messages[2]);
    inbox_remove(*state, &messages[1]);
    inbox_post(*state, &messages[0]);
    assert_int_equal(own.wakeups, 2); /* it was not empty */
    inbox_set_waiter(*state, NULL);
    expect_left(*state, &messages[2], &messages[0]);
}

/* A taker of its own thread, which says of each message that it has taken it. */
struct taker {
    struct inbox *inbox;
    sem_t taken;
    sem_t woken;
    uint32_t expected;
    bool was_left; /* a take ended because its time was over */
};

static void sleep_on(void *context, int64_t timeout_ms)
{
    struct taker *taker = context;
    struct timespec until;

    if (timeout_ms <= 0) {
        (void)sem_trywait(&taker->woken);
        return;
    }
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000 + 1;
    (void)sem_timedwait(&taker->woken, &until);
}

static void wake_sleeper(void *context)
{
    (void)sem_post(&((struct taker *)context)->woken);
}

static void *take_all_of_them(void *argument)
{
    struct taker *taker = argument;
    uint32_t left = taker->expected;

    while (left > 0 && !taker->was_left) {
        int64_t until_ms = clock_boot_ms() + PATIENCE_MS;
        const struct message *message = inbox_take(taker->inbox, PATIENCE_MS);

        /* One that nobody woke it for is there all the same when the time is over. */
        taker->was_left = clock_boot_ms() >= until_ms;
        while (message != NULL) {
            const struct message *next = message->next;

            left--;
            (void)sem_post(&taker->taken); /* from now on it is the poster's */
            message = next;
        }
    }
    return NULL;
}

/* One, two or three at a time, singly or as a list; the next ones when all of these were taken, so
 * that each time the taker sleeps or is about to. */
static void post_in_rounds(struct taker *taker, struct message messages[3])
{
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t count = 1 + round % 3;
        bool is_list = round % 2 == 0;

        for (uint32_t i = 0; i < count; i++) {
            messages[i].next = is_list && i + 1 < count ? &messages[i + 1] : NULL;
        }
        for (uint32_t i = 0; i < (is_list ? 1 : count); i++) {
            inbox_post_list(taker->inbox, &messages[i]);
        }
        for (uint32_t i = 0; i < count; i++) {
            struct timespec until;

            (void)clock_gettime(CLOCK_REALTIME, &until);
            until.tv_sec += 2 * PATIENCE_MS / 1000;
            if (sem_timedwait(&taker->taken, &until) != 0) {
                return; /* the taker tells that it was left waiting */
            }
        }
    }
}

static void expect_no_message_without_a_wake(struct inbox *inbox, bool has_waiter)
{
    struct message messages[3] = {{0}};
    struct taker taker = {.inbox = inbox};
    const struct inbox_waiter waiter = {sleep_on, wake_sleeper, &taker};
    pthread_t thread;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        taker.expected += 1 + round % 3;
    }
    assert_int_equal(sem_init(&taker.taken, 0, 0), 0);
    assert_int_equal(sem_init(&taker.woken, 0, 0), 0);
    inbox_set_waiter(inbox, has_waiter ? &waiter : NULL);
    assert_int_equal(pthread_create(&thread, NULL, take_all_of_them, &taker), 0);
    post_in_rounds(&taker, messages);
    assert_int_equal(pthread_join(thread, NULL), 0);
    inbox_set_waiter(inbox, NULL);
    assert_false(taker.was_left);
    assert_null(inbox_take(inbox, 0));
    (void)sem_destroy(&taker.woken);
    (void)sem_destroy(&taker.taken);
}

static void no_message_waits_for_a_taker_that_sleeps(void **state)
{
    expect_no_message_without_a_wake(*state, false);
}

static void no_message_waits_for_a_waiter_that_sleeps(void **state)
{
    expect_no_message_without_a_wake(*state, true);
}

static enum batch_outcome submit_nothing(struct store *store, const struct store_batch *batch)
{
    (void)store;
    (void)batch;
    return BATCH_ABORTED;
}

static enum store_status scan_nothing(struct store *store, const struct store_scan *scan,
                                      struct store_page *page)
{
    (void)store;
    (void)scan;
    page->count = 0;
    return STORE_OK;
}

static void close_nothing(struct store *store)
{
    (void)store;
}

/* An engine thread that has ended takes no answers; they end with the lane, not after it. */
static void answers_that_nobody_took_leave_the_inbox_with_their_thread(void **state)
{
    static const struct store_ops ops = {
        .submit = submit_nothing, .scan = scan_nothing, .close = close_nothing};
    struct store store = {&ops};
    struct store *stores[] = {&store};
    const struct store_lanes_options options = {
        .stores = stores, .inbox = *state, .lanes = 1, .batch_max = 1, .bytes_max = 1024};
    struct store_lanes *lanes = store_lanes_open(&options);
    struct store_scans *scans = store_scans_open(&store, *state);
    struct texts *texts;
    struct message other = {0};

    assert_non_null(lanes);
    assert_non_null(scans);
    (void)store_lanes_begin(lanes, 0, &texts);
    store_lanes_submit(lanes, 0, 1);
    store_scans_ask(scans, SCAN_OUTBOX_DUE, 1, 0, NULL);
    inbox_post(*state, &other);
    store_lanes_close(lanes);
    store_scans_close(scans);
    assert_ptr_equal(inbox_take(*state, 0), &other);
    assert_null(other.next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_come_out_in_the_order_of_posting, setup, teardown),
        cmocka_unit_test_setup_teardown(a_message_may_be_posted_again_after_it_was_taken, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_list_comes_out_behind_what_was_there_and_before_what_follows, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_inbox_gives_nothing_when_the_time_is_over, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(posting_wakes_the_taker, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_lost_and_each_thread_keeps_its_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_removed_message_is_gone_and_the_others_stay, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_waiter_that_returns_early_waits_again_until_a_message_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_waiter_has_its_turn_without_waiting_where_messages_are_there, setup, teardown),
        cmocka_unit_test_setup_teardown(a_message_wakes_where_the_only_one_before_was_removed,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(no_message_waits_for_a_taker_that_sleeps, setup, teardown),
        cmocka_unit_test_setup_teardown(no_message_waits_for_a_waiter_that_sleeps, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_that_nobody_took_leave_the_inbox_with_their_thread,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
