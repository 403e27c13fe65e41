#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trouble_limit.h"

#include <stdio.h>

static void one_kind_has_a_line_in_ten_seconds_and_says_what_was_left_out(void **state)
{
    struct trouble_limit limit = {0};
    int64_t left_out = -1;
    (void)state;
    assert_true(trouble_limit_take(&limit, "refused", 5, &left_out));
    assert_int_equal(left_out, 0);
    for (int i = 0; i < 7; i++) {
        assert_false(trouble_limit_take(&limit, "refused", 5 + i, &left_out));
    }
    assert_false(trouble_limit_take(&limit, "refused", 4 + TROUBLE_QUIET_MS, &left_out));
    assert_true(trouble_limit_take(&limit, "refused", 5 + TROUBLE_QUIET_MS, &left_out));
    assert_int_equal(left_out, 8);
    assert_true(trouble_limit_take(&limit, "refused", 5 + 2 * TROUBLE_QUIET_MS, &left_out));
    assert_int_equal(left_out, 0);
}

static void kinds_that_take_turns_have_a_line_each(void **state)
{
    struct trouble_limit limit = {0};
    int64_t left_out = -1;
    int lines = 0;
    (void)state;
    for (int i = 0; i < 1000; i++) {
        lines += trouble_limit_take(&limit, i % 2 == 0 ? "refused" : "timeout", i, &left_out);
    }
    assert_int_equal(lines, 2);
    assert_true(trouble_limit_take(&limit, "timeout", TROUBLE_QUIET_MS + 1, &left_out));
    assert_int_equal(left_out, 499); /* its own only */
}

static void a_kind_too_many_takes_the_oldest_place(void **state)
{
    static char names[TROUBLE_KINDS + 1][24];
    struct trouble_limit limit = {0};
    int64_t left_out = -1;
    (void)state;
    for (int i = 0; i <= TROUBLE_KINDS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "kind %d", i);
        assert_true(trouble_limit_take(&limit, names[i], i, &left_out));
    }
    assert_false(trouble_limit_take(&limit, names[1], 20, &left_out));
    assert_false(trouble_limit_take(&limit, names[TROUBLE_KINDS], 20, &left_out));
    assert_true(trouble_limit_take(&limit, names[0], 20, &left_out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_kind_has_a_line_in_ten_seconds_and_says_what_was_left_out),
        cmocka_unit_test(kinds_that_take_turns_have_a_line_each),
        cmocka_unit_test(a_kind_too_many_takes_the_oldest_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
