/* Zones by name, and their offsets at an instant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "time_zone.h"

#define HOUR_S 3600

static void only_installed_zones_are_known(void **state)
{
    (void)state;
    assert_true(time_zone_is_known("Asia/Seoul"));
    assert_true(time_zone_is_known("UTC"));
    assert_true(time_zone_is_known("America/Argentina/Buenos_Aires"));
    assert_false(time_zone_is_known(""));
    assert_false(time_zone_is_known("Asia"));
    assert_false(time_zone_is_known("Asia/Soul"));
    assert_false(time_zone_is_known("KST-9"));
    assert_false(time_zone_is_known("../zoneinfo/UTC"));
    assert_false(time_zone_is_known("/usr/share/zoneinfo/UTC"));
    assert_false(time_zone_is_known("tzdata.zi"));
}

static void offset_is_that_of_the_instant(void **state)
{
    (void)state;
    time_zone_use("Asia/Seoul");
    assert_int_equal(time_zone_offset_s(1790000000), 9 * HOUR_S);
    assert_int_equal(time_zone_offset_s(0), 9 * HOUR_S);
    assert_int_equal(time_zone_offset_s(557600000), 10 * HOUR_S); /* summer of 1987 */
    time_zone_use("America/New_York");
    assert_int_equal(time_zone_offset_s(1793512799), -4 * HOUR_S); /* 2026-11-01 05:59:59 UTC */
    assert_int_equal(time_zone_offset_s(1793512800), -5 * HOUR_S);
    assert_int_equal(time_zone_offset_s(INT64_MAX), 0);
    time_zone_use("UTC");
    assert_int_equal(time_zone_offset_s(1790000000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_installed_zones_are_known),
        cmocka_unit_test(offset_is_that_of_the_instant),
    };
    return cmocka_run_group_tests_name("time zone", tests, NULL, NULL);
}
