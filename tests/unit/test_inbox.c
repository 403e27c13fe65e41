/* The inbox: many threads post, one takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inbox.h"

#include <pthread.h>
#include <string.h>

#define POSTERS 4
#define EACH    2000
#define LONG_MS 300000 /* longer than a test may take */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_come_out_in_the_order_of_posting, setup, teardown),
        cmocka_unit_test_setup_teardown(a_message_may_be_posted_again_after_it_was_taken, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_empty_inbox_gives_nothing_when_the_time_is_over, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(posting_wakes_the_taker, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_lost_and_each_thread_keeps_its_order, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
