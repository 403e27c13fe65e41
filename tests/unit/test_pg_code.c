#include "pg_code.h"
#include "unit_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_PATH "tests/data/toss-codes.tsv"
#define LIST_MAX  200

struct list_row {
    char code[80];
    char class[32];
};

static struct list_row list[LIST_MAX];
static size_t list_count;

/* Columns: code, HTTP status, APIs, class, note. */
static int read_list(void **state)
{
    (void)state;
    char line[1000];
    FILE *file = fopen(LIST_PATH, "r");
    if (file == NULL) {
        return -1;
    }
    list_count = 0;
    while (list_count < LIST_MAX && fgets(line, sizeof(line), file) != NULL) {
        struct list_row *row = &list[list_count];
        if (line[0] == '#' || line[0] == '\n') {
            continue;
        }
        if (sscanf(line, "%79[^\t]\t%*[^\t]\t%*[^\t]\t%31[^\t\n]", row->code, row->class) != 2) {
            break;
        }
        list_count++;
    }
    int unread = fgetc(file);
    fclose(file);
    return unread == EOF ? 0 : -1;
}

static enum pg_code_class class_by_name(const char *name)
{
    static const struct {
        const char *name;
        enum pg_code_class class;
    } classes[] = {
        {"UNKNOWN", PG_CODE_UNKNOWN},
        {"DECLINED", PG_CODE_DECLINED},
        {"REQUEST", PG_CODE_REQUEST},
        {"CREDENTIALS", PG_CODE_CREDENTIALS},
        {"NOT_FOUND", PG_CODE_NOT_FOUND},
        {"CANCELLED_ALREADY", PG_CODE_CANCELLED_ALREADY},
        {"CANCEL_REFUSED", PG_CODE_CANCEL_REFUSED},
    };
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (strcmp(classes[i].name, name) == 0) {
            return classes[i].class;
        }
    }
    fail_msg("the list names a class that gateway.h does not have: %s", name);
    return PG_CODE_UNKNOWN;
}

/* "The same request again after a back-off" (LIFE, Charge): these two, though listed as UNKNOWN. */
static bool is_asked_again(const char *code)
{
    return strcmp(code, "TOO_MANY_REQUESTS") == 0 ||
           strcmp(code, "IDEMPOTENT_REQUEST_PROCESSING") == 0;
}

static enum pg_code_class classify(const char *code)
{
    return pg_code_classify(code, strlen(code));
}

static void every_row_of_the_list_has_its_class(void **state)
{
    (void)state;
    for (size_t i = 0; i < list_count; i++) {
        enum pg_code_class class = class_by_name(list[i].class);
        if (is_asked_again(list[i].code)) {
            assert_int_equal(class, PG_CODE_UNKNOWN);
            class = PG_CODE_RETRY;
        }
        if (classify(list[i].code) != class) {
            fail_msg("%s is not %s", list[i].code, list[i].class);
        }
    }
}

static void every_compiled_code_is_in_the_list(void **state)
{
    (void)state;
    assert_int_equal(pg_code_count(), list_count);
    for (size_t index = 0; index < pg_code_count(); index++) {
        size_t found = 0;
        for (size_t i = 0; i < list_count; i++) {
            found += strcmp(list[i].code, pg_code_at(index)) == 0;
        }
        if (found != 1) {
            fail_msg("%s stands %zu times in the list", pg_code_at(index), found);
        }
    }
}

static void the_compiled_codes_are_sorted(void **state)
{
    (void)state;
    for (size_t index = 1; index < pg_code_count(); index++) {
        assert_true(strcmp(pg_code_at(index - 1), pg_code_at(index)) < 0);
    }
}

static void a_code_outside_the_list_is_unknown(void **state)
{
    (void)state;
    assert_int_equal(classify("REJECT_CARD"), PG_CODE_UNKNOWN);
    assert_int_equal(classify("REJECT_CARD_PAYMENTS"), PG_CODE_UNKNOWN);
    assert_int_equal(classify("AAAA"), PG_CODE_UNKNOWN);
    assert_int_equal(classify("ZZZZ"), PG_CODE_UNKNOWN);
    assert_int_equal(pg_code_classify(NULL, 0), PG_CODE_UNKNOWN);
    assert_int_equal(pg_code_classify("", 0), PG_CODE_UNKNOWN);
}

static void a_code_is_compared_byte_by_byte(void **state)
{
    (void)state;
    static const char code[] = "REJECT_CARD_PAYMENT";
    size_t len = sizeof(code) - 1;
    assert_int_equal(pg_code_classify(code, len), PG_CODE_DECLINED);
    assert_int_equal(pg_code_classify(code, len + 1), PG_CODE_UNKNOWN); /* with its NUL */
    assert_int_equal(classify("reject_card_payment"), PG_CODE_UNKNOWN);
    assert_int_equal(classify("REJECT_CARD_PAYMENT "), PG_CODE_UNKNOWN);
    assert_int_equal(classify(" REJECT_CARD_PAYMENT"), PG_CODE_UNKNOWN);
}

/* Trap 21: a wrong base URL answers NOT_FOUND, which must not mean "absent". */
static void only_not_found_payment_means_absent(void **state)
{
    (void)state;
    for (size_t index = 0; index < pg_code_count(); index++) {
        bool absent = classify(pg_code_at(index)) == PG_CODE_NOT_FOUND;
        assert_int_equal(absent, strcmp(pg_code_at(index), "NOT_FOUND_PAYMENT") == 0);
    }
}

static void bytes_of_any_kind_are_unknown(void **state)
{
    (void)state;
    uint64_t random = 4;
    for (int i = 0; i < 20000; i++) {
        size_t len = random_below(&random, 100);
        char *bytes = malloc(len + 1);
        assert_non_null(bytes);
        for (size_t at = 0; at < len; at++) {
            bytes[at] = (char)random_next(&random);
        }
        assert_int_equal(pg_code_classify(bytes, len), PG_CODE_UNKNOWN);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_list_has_its_class),
        cmocka_unit_test(every_compiled_code_is_in_the_list),
        cmocka_unit_test(the_compiled_codes_are_sorted),
        cmocka_unit_test(a_code_outside_the_list_is_unknown),
        cmocka_unit_test(a_code_is_compared_byte_by_byte),
        cmocka_unit_test(only_not_found_payment_means_absent),
        cmocka_unit_test(bytes_of_any_kind_are_unknown),
    };
    return cmocka_run_group_tests(tests, read_list, NULL);
}
