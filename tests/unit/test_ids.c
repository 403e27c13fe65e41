#include "ids.h"
#include "unit_support.h"

#include <string.h>

static const char canonical[] = "0123abcd-4567-89ef-fedc-ba9876543210";

static void canonical_text_comes_back_as_it_was(void **state)
{
    (void)state;
    struct uuid id;
    char text[UUID_TEXT_SIZE];
    assert_true(uuid_from_text(canonical, strlen(canonical), &id));
    assert_int_equal(id.bytes[0], 0x01);
    assert_int_equal(id.bytes[3], 0xcd);
    assert_int_equal(id.bytes[15], 0x10);
    uuid_format(&id, text);
    assert_string_equal(text, canonical);
}

static void every_byte_value_survives_text(void **state)
{
    (void)state;
    uint64_t random = 3;
    for (int i = 0; i < 1000; i++) {
        struct uuid id;
        struct uuid parsed;
        char text[UUID_TEXT_SIZE];
        for (size_t at = 0; at < sizeof(id.bytes); at++) {
            id.bytes[at] = (uint8_t)random_next(&random);
        }
        uuid_format(&id, text);
        assert_true(uuid_from_text(text, strlen(text), &parsed));
        assert_true(uuid_equal(&id, &parsed));
    }
}

static void upper_case_is_the_same_id(void **state)
{
    (void)state;
    struct uuid lower;
    struct uuid upper;
    assert_true(uuid_from_text(canonical, 36, &lower));
    assert_true(uuid_from_text("0123ABCD-4567-89EF-FEDC-BA9876543210", 36, &upper));
    assert_true(uuid_equal(&lower, &upper));
}

static void another_form_is_refused_and_leaves_the_id_untouched(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "0123abcd-4567-89ef-fedc-ba987654321",
        "0123abcd-4567-89ef-fedc-ba98765432100",
        "0123abcd4567-89ef-fedc-ba9876543210-",
        "{123abcd-4567-89ef-fedc-ba987654321}",
        "0123abcd-4567-89ef-fedc-ba987654321g",
        "0123abcd-4567-89ef-fedc-ba987654321\xc3",
        "0123abcd_4567_89ef_fedc_ba9876543210",
        " 123abcd-4567-89ef-fedc-ba9876543210",
        "0123abcd-4567-89ef-fedc--a9876543210",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct uuid id = {{7}};
        assert_false(uuid_from_text(texts[i], strlen(texts[i]), &id));
        assert_int_equal(id.bytes[0], 7);
    }
    struct uuid id;
    assert_false(uuid_from_text(canonical, 35, &id));
    for (size_t at = 0; at < 36; at++) {
        char broken[UUID_TEXT_SIZE];
        memcpy(broken, canonical, sizeof(broken));
        broken[at] = '\0';
        assert_false(uuid_from_text(broken, 36, &id));
    }
}

static void only_sixteen_zero_bytes_are_nil(void **state)
{
    (void)state;
    struct uuid id = {{0}};
    assert_true(uuid_is_nil(&id));
    for (size_t at = 0; at < sizeof(id.bytes); at++) {
        id = (struct uuid){{0}};
        id.bytes[at] = 1;
        assert_false(uuid_is_nil(&id));
    }
}

static void ids_are_ordered_by_their_bytes(void **state)
{
    (void)state;
    struct uuid low = {{0, 1, 255}};
    struct uuid high = {{0, 128, 0}};
    assert_true(uuid_order(&low, &high) < 0);
    assert_true(uuid_order(&high, &low) > 0);
    assert_int_equal(uuid_order(&low, &low), 0);
    assert_false(uuid_equal(&low, &high));
}

static void a_token_is_equal_in_both_parts_or_not_at_all(void **state)
{
    (void)state;
    struct token token = {.process = 1, .sequence = 2};
    assert_true(token_equal(token, (struct token){.process = 1, .sequence = 2}));
    assert_false(token_equal(token, (struct token){.process = 1, .sequence = 3}));
    assert_false(token_equal(token, (struct token){.process = 2, .sequence = 2}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_text_comes_back_as_it_was),
        cmocka_unit_test(every_byte_value_survives_text),
        cmocka_unit_test(upper_case_is_the_same_id),
        cmocka_unit_test(another_form_is_refused_and_leaves_the_id_untouched),
        cmocka_unit_test(only_sixteen_zero_bytes_are_nil),
        cmocka_unit_test(ids_are_ordered_by_their_bytes),
        cmocka_unit_test(a_token_is_equal_in_both_parts_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
