/* Error codes on the wire: the status that the table says, and a text for people. */
#include "unit_support.h"

#include "fakepg_codes.h"
#include "pg_fake_code.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void each_code_of_the_table_has_its_status_and_a_text(void **state)
{
    FILE *table = fopen("tests/data/toss-codes.tsv", "r");
    char line[512];
    int seen = 0;
    (void)state;
    assert_non_null(table);
    while (fgets(line, sizeof line, table) != NULL) {
        char code[128];
        int status = 0;
        if (line[0] == '#' || sscanf(line, "%127[A-Z_]\t%d", code, &status) != 2) {
            continue;
        }
        if (fakepg_code_status(code) != status) {
            fail_msg("%s: %d instead of %d", code, fakepg_code_status(code), status);
        }
        if (strcmp(code, "UNKNOWN_ERROR") != 0 &&
            strcmp(fakepg_code_message(code), fakepg_code_message("no such code")) == 0) {
            fail_msg("%s has no text", code);
        }
        seen++;
    }
    (void)fclose(table);
    assert_true(seen > 60);
}

static void each_code_that_the_ledger_can_answer_has_a_text(void **state)
{
    (void)state;
    for (int code = 1; code < PG_FAKE_CODE_COUNT; code++) {
        const char *name = pg_fake_code_name((enum pg_fake_code)code);
        if (code != PG_FAKE_UNKNOWN_ERROR &&
            strcmp(fakepg_code_message(name), fakepg_code_message("no such code")) == 0) {
            fail_msg("%s has no text", name);
        }
    }
}

static void what_is_wrong_is_named_in_the_text(void **state)
{
    char text[256];
    (void)state;
    fakepg_code_text("INVALID_REQUEST", FAKEPG_DETAIL_ORDER_ID, text, sizeof text);
    assert_non_null(strstr(text, "(orderId)"));
    fakepg_code_text("INVALID_REQUEST", FAKEPG_DETAIL_NONE, text, sizeof text);
    assert_string_equal(text, fakepg_code_message("INVALID_REQUEST"));
    for (int detail = 1; detail < FAKEPG_DETAIL_COUNT; detail++) {
        assert_true(strlen(fakepg_detail_name((enum fakepg_detail)detail)) > 0);
    }
    assert_string_equal(fakepg_detail_name((enum fakepg_detail)200), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_code_of_the_table_has_its_status_and_a_text),
        cmocka_unit_test(each_code_that_the_ledger_can_answer_has_a_text),
        cmocka_unit_test(what_is_wrong_is_named_in_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
