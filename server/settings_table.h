/*
 * settings_table.h - the table of all settings, and how one value is read and shown.
 *
 * For the settings_*.c files only; users include settings.h. Pure: nothing is allocated, nothing
 * blocks. Numbers in the table are in the field's unit: milliseconds for durations.
 */
#ifndef FAREBOX_SETTINGS_TABLE_H
#define FAREBOX_SETTINGS_TABLE_H

#include "settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum setting_type {
    SETTING_INT = 1, /* int32_t */
    SETTING_LONG,    /* int64_t */
    SETTING_MS,      /* int64_t, milliseconds; whole */
    SETTING_S,       /* int64_t, milliseconds; written as seconds with up to three decimals */
    SETTING_CHOICE,  /* int32_t, an index into `choices` */
    SETTING_TEXT,    /* char[]: printable ASCII without spaces */
    SETTING_NAME,    /* char[]: a topic or group: letters, digits, '.', '_', '-' */
    SETTING_PATH,    /* char[] */
    SETTING_ZONE,    /* char[]: an IANA time zone that is installed */
    SETTING_URL,     /* char[]: http(s)://HOST[:PORT][/PATH], or none */
    SETTING_USER,    /* char[]: a template with {userId} */
    SETTING_WORDS,   /* char[]: UTF-8 without control characters */
    SETTING_STORE,   /* sqlite_path, from sqlite:PATH, or the fields of mysql:// */
    SETTING_KAFKA,   /* kafka_is_embedded and kafka_servers */
    SETTING_ADDRESS, /* http_host and http_port, from A.B.C.D:PORT */
    SETTING_SECRET,  /* struct secret; also read from the file that NAME_FILE names */
};

struct setting {
    const char *name;
    enum setting_type type;
    size_t offset; /* of its field in struct farebox_settings */
    size_t size;   /* of the field */
    int64_t min;   /* numbers: limits of the field */
    int64_t max;
    const char *const *choices;       /* SETTING_CHOICE: ends with NULL */
    const struct secret_rule *secret; /* SETTING_SECRET: what it may be */
    const char *initial;              /* the default; NULL: unset, or made at the start */
    const char *meaning;              /* one sentence with the unit */
    bool guards_money;                /* shorter than the default only with the fake PG */
};

extern const struct setting settings_table[];
extern const size_t settings_table_count;

/* The entry of this name (not NUL-terminated), or NULL. */
const struct setting *setting_find(const char *name, size_t len);

/* Room for the texts below. */
#define SETTING_SHOWN_SIZE 1100

/*
 * Reads a value into its field. False: it is not allowed (setting_allowed() says what is) and the
 * field is untouched. Not for SETTING_SECRET.
 */
bool setting_parse(const struct setting *setting, const char *value,
                   struct farebox_settings *settings);

/* The effective value as it would be written in the environment; a secret: "set" or "unset". */
void setting_format(const struct setting *setting, const struct farebox_settings *settings,
                    char text[SETTING_SHOWN_SIZE]);

/* settings_http.c: what SETTING_URL, SETTING_USER and SETTING_WORDS allow. */
bool setting_is_url(const char *value);
bool setting_is_user_template(const char *value);
bool setting_is_words(const char *value);
/* setting_allowed() of these. */
void setting_allowed_http(const struct setting *setting, char text[SETTING_SHOWN_SIZE]);

/* What is allowed: "a whole number from 1 to 16", "refund or adopt", ... */
void setting_allowed(const struct setting *setting, char text[SETTING_SHOWN_SIZE]);

/* The field of a number, duration or choice. */
int64_t setting_number(const struct setting *setting, const struct farebox_settings *settings);

#endif
