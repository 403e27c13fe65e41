/* FAREBOX_STORE=mysql://..., and what goes with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "settings.h"

#include <string.h>

static struct farebox_settings settings;
static char errors[4000];

static void on_error(void *context, const char *message)
{
    (void)context;
    (void)strncat(errors, message, sizeof(errors) - strlen(errors) - 1);
}

static enum settings_status load(const char *first, const char *second)
{
    char texts[2][200] = {"", ""};
    char *const environment[] = {texts[0], second == NULL ? NULL : texts[1], NULL};
    const struct settings_report report = {.error = on_error};
    errors[0] = '\0';
    (void)strncat(texts[0], first, sizeof(texts[0]) - 1);
    (void)strncat(texts[1], second == NULL ? "" : second, sizeof(texts[1]) - 1);
    return settings_load(&settings, environment, report);
}

static void mysql_store_has_a_user_host_port_and_database(void **state)
{
    (void)state;
    assert_int_equal(load("FAREBOX_STORE=mysql://farebox@db.example:3307/payments",
                          "FAREBOX_STORE_PASSWORD=0123456789abcdef"),
                     SETTINGS_OK);
    assert_true(settings.store_is_mysql);
    assert_string_equal(settings.mysql_user, "farebox");
    assert_string_equal(settings.mysql_host, "db.example");
    assert_int_equal(settings.mysql_port, 3307);
    assert_string_equal(settings.mysql_database, "payments");
    assert_string_equal(settings.store_password.bytes, "0123456789abcdef");
    assert_int_equal(settings.store_allow_lost_commits, 0);
    settings_clear(&settings);
    assert_false(settings.store_password.is_set);
    assert_int_equal(load("FAREBOX_STORE=sqlite:a.db", NULL), SETTINGS_OK);
    assert_false(settings.store_is_mysql);
}

/* Databases that exist have the passwords that they have. */
static void password_is_any_line_of_text_and_is_told_nowhere(void **state)
{
    static const char *const taken[] = {"x", "two words", " 1234 ", "p\xC3\xA4ss:@/#?"};
    char variable[100] = "FAREBOX_STORE_PASSWORD=";
    const size_t at = strlen(variable);
    (void)state;
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        (void)strcpy(variable + at, taken[i]);
        assert_int_equal(load(variable, NULL), SETTINGS_OK);
        assert_string_equal(settings.store_password.bytes, taken[i]);
        settings_clear(&settings);
    }
    assert_int_equal(load("FAREBOX_STORE_PASSWORD=hunter2\nx", NULL), SETTINGS_INVALID);
    assert_string_equal(errors, "FAREBOX_STORE_PASSWORD has a character that is not allowed; "
                                "allowed: 1 to 1024 bytes without NUL and newlines");
    assert_int_equal(load("FAREBOX_STORE_PASSWORD=", NULL), SETTINGS_INVALID);
    /* What guards Farebox's own door is longer. */
    assert_int_equal(load("FAREBOX_ADMIN_TOKEN=hunter2", NULL), SETTINGS_INVALID);
    assert_non_null(strstr(errors, "is too short; allowed: 16 to 1024 printable ASCII"));
}

static void address_that_lacks_a_part_or_has_a_password_is_refused(void **state)
{
    static const char *const refused[] = {"FAREBOX_STORE=mysql://user:hunter2@host:3306/database",
                                          "FAREBOX_STORE=mysql://user@host/database",
                                          "FAREBOX_STORE=mysql://user@host:0/database",
                                          "FAREBOX_STORE=mysql://user@host:65536/database",
                                          "FAREBOX_STORE=mysql://user@host:3306/",
                                          "FAREBOX_STORE=mysql://user@host:3306/a/b",
                                          "FAREBOX_STORE=mysql://user@:3306/database",
                                          "FAREBOX_STORE=mysql://@host:3306/database",
                                          "FAREBOX_STORE=mysql://",
                                          "FAREBOX_STORE_TLS=on",
                                          "FAREBOX_STORE_ALLOW_LOST_COMMITS=1"};
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_int_equal(load(refused[i], NULL), SETTINGS_INVALID);
        assert_non_null(strstr(errors, "is not allowed; allowed: "));
        assert_null(strstr(errors, "hunter2"));
        assert_false(settings.store_is_mysql);
    }
}

static void client_certificate_needs_its_key_and_tls(void **state)
{
    (void)state;
    assert_int_equal(load("FAREBOX_STORE_TLS_CERT_PATH=/c.pem", "FAREBOX_STORE_TLS=required"),
                     SETTINGS_INVALID);
    assert_non_null(
        strstr(errors, "FAREBOX_STORE_TLS_CERT_PATH=/c.pem needs FAREBOX_STORE_TLS_KEY_PATH too"));
    assert_int_equal(load("FAREBOX_STORE_TLS_KEY_PATH=/k.pem", "FAREBOX_STORE_TLS=required"),
                     SETTINGS_INVALID);
    assert_non_null(
        strstr(errors, "FAREBOX_STORE_TLS_KEY_PATH=/k.pem needs FAREBOX_STORE_TLS_CERT_PATH too"));
    assert_int_equal(
        load("FAREBOX_STORE_TLS_CERT_PATH=/c.pem", "FAREBOX_STORE_TLS_KEY_PATH=/k.pem"),
        SETTINGS_INVALID);
    assert_non_null(
        strstr(errors, "FAREBOX_STORE_TLS_CERT_PATH=/c.pem needs FAREBOX_STORE_TLS=required"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mysql_store_has_a_user_host_port_and_database),
        cmocka_unit_test(password_is_any_line_of_text_and_is_told_nowhere),
        cmocka_unit_test(address_that_lacks_a_part_or_has_a_password_is_refused),
        cmocka_unit_test(client_certificate_needs_its_key_and_tls),
    };
    return cmocka_run_group_tests_name("settings: store", tests, NULL, NULL);
}
