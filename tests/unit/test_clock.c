/* Timed waits: as long as they say, by a clock that nobody sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"

#include <errno.h>

#define WAIT_MS 60

static void a_timed_wait_lasts_as_long_as_it_says(void **state)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t never;
    int status = 0;
    (void)state;
    clock_condition_init(&never);
    int64_t start_ms = clock_boot_ms();
    const struct timespec deadline = clock_deadline(WAIT_MS);
    pthread_mutex_lock(&mutex);
    while (status == 0) {
        status = pthread_cond_timedwait(&never, &mutex, &deadline);
    }
    pthread_mutex_unlock(&mutex);
    /* Of another clock than the condition's, the deadline would be long past or years away. */
    assert_int_equal(status, ETIMEDOUT);
    assert_true(clock_boot_ms() - start_ms >= WAIT_MS - 1);
    assert_int_equal(pthread_cond_destroy(&never), 0);
}

/* The wall clock counts from 1970, this one from the machine's start. */
static void a_deadline_is_no_wall_clock_time(void **state)
{
    struct timespec now;
    struct timespec at = clock_deadline(86400000);
    (void)state;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    assert_in_range(at.tv_sec - now.tv_sec, 86399, 86400);
    for (int i = 0; i < 1000; i++) {
        at = clock_deadline(i);
        assert_in_range(at.tv_nsec, 0, 999999999);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timed_wait_lasts_as_long_as_it_says),
        cmocka_unit_test(a_deadline_is_no_wall_clock_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
