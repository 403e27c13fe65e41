#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "payment_id.h"

#include <string.h>

/* Made with another implementation (Python's uuid.uuid5). They must never change: the PG knows
 * payments by them. */
static void ids_are_uuid_v5_of_the_trip_id_for_ever(void **state)
{
    (void)state;
    const char *const known[][2] = {
        {"trip-0001", "f4a57785-1b51-509a-b967-c59595c25688"},
        {"a", "21f23593-8de5-52cb-aa9c-d7043de19683"},
        {" ", "1b85693c-ec44-5981-aedd-4ec6f36fbd18"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct uuid id;
        char text[UUID_TEXT_SIZE];
        payment_id_of_trip(known[i][0], strlen(known[i][0]), &id);
        uuid_format(&id, text);
        assert_string_equal(text, known[i][1]);
    }
}

/* Trap 22: a loose collation calls these one key; the payment ids tell them apart. */
static void ids_differ_where_a_loose_collation_sees_one_trip(void **state)
{
    (void)state;
    const char *const trips[] = {"a", "A", "a ", " a", "aa"};
    const size_t count = sizeof(trips) / sizeof(trips[0]);
    struct uuid ids[sizeof(trips) / sizeof(trips[0])];
    for (size_t i = 0; i < count; i++) {
        payment_id_of_trip(trips[i], strlen(trips[i]), &ids[i]);
        for (size_t j = 0; j < i; j++) {
            assert_false(uuid_equal(&ids[i], &ids[j]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_uuid_v5_of_the_trip_id_for_ever),
        cmocka_unit_test(ids_differ_where_a_loose_collation_sees_one_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
