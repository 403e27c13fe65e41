/*
 * settings_print.c - the settings for people: effective values, --help, docs/settings.md.
 */
#include "settings.h"

#include "settings_table.h"

void settings_print(const struct farebox_settings *settings, FILE *out)
{
    char text[SETTING_SHOWN_SIZE];
    for (size_t i = 0; i < settings_table_count; i++) {
        setting_format(&settings_table[i], settings, text);
        (void)fprintf(out, "%s=%s\n", settings_table[i].name, text);
    }
}

static const char *settings_initial(const struct setting *setting)
{
    return setting->initial != NULL ? setting->initial : "unset";
}

void settings_print_help(FILE *out)
{
    char allowed[SETTING_SHOWN_SIZE];
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *setting = &settings_table[i];
        setting_allowed(setting, allowed);
        (void)fprintf(out, "  %s (default: %s)\n      %s\n      Allowed: %s.\n", setting->name,
                      settings_initial(setting), setting->meaning, allowed);
        if (setting->type == SETTING_SECRET) {
            (void)fprintf(out, "      Or %s_FILE: the file that holds it.\n", setting->name);
        }
        if (setting->guards_money) {
            (void)fprintf(
                out, "      Shorter than the default only with FAREBOX_PG=fake or a test key.\n");
        }
    }
}

void settings_print_markdown(FILE *out)
{
    char allowed[SETTING_SHOWN_SIZE];
    (void)fprintf(out, "# Settings\n\n"
                       "Farebox is set up by the environment. This page is made by\n"
                       "`farebox --settings-page`; a test compares it. `farebox --check-config`\n"
                       "shows what is effective and every mistake.\n\n"
                       "| variable | default | allowed | meaning |\n"
                       "|---|---|---|---|\n");
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *setting = &settings_table[i];
        setting_allowed(setting, allowed);
        (void)fprintf(out, "| `%s` | `%s` | %s | %s%s%s |\n", setting->name,
                      settings_initial(setting), allowed, setting->meaning,
                      setting->guards_money
                          ? " Shorter than the default only with `FAREBOX_PG=fake` or a test key."
                          : "",
                      setting->type == SETTING_SECRET ? " Or its name with `_FILE`: a file." : "");
    }
    (void)fprintf(out, "\nVariables that begin with `FAREBOX_` and are not listed are an error,\n"
                       "except those that Kubernetes makes for a service of that name. Settings\n"
                       "that ask for TLS are refused: on Debian 12 the TLS of civetweb crashes,\n"
                       "so TLS is the work of a proxy before Farebox.\n");
}
