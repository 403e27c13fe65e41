/*
 * settings.h - what the environment (FAREBOX_*) tells Farebox, checked.
 *
 * One table (settings_table.c) lists every setting with its type, limits, default and meaning;
 * reading, --help, --check-config and docs/settings.md are all made from it. Every wrong setting
 * is reported, not only the first one, with its name, its value and what is allowed. Values of
 * secrets, and of variables that Farebox does not know, are never shown.
 *
 * Ownership: struct farebox_settings is plain memory of the caller, except that it holds secrets:
 * settings_clear() wipes them.
 * Threads: none; read-only once loaded, then any thread may read it.
 * Units: every duration is in milliseconds here, whatever unit its variable has.
 */
#ifndef FAREBOX_SETTINGS_H
#define FAREBOX_SETTINGS_H

#include "secret.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define SETTINGS_PATH_MAX    1023 /* bytes of a file's path */
#define SETTINGS_SERVERS_MAX 1023 /* bytes of a list of servers */
#define SETTINGS_NAME_MAX    249  /* bytes of a topic (Kafka's limit) or group */
#define SETTINGS_TEXT_MAX    128  /* bytes of a short text */
#define SETTINGS_HOST_MAX    253  /* bytes of a host's name */
#define SETTINGS_ZONE_MAX    64   /* bytes of a time zone's name */
/* Bytes of a user or database of MySQL, whose own limits are 32 and 64 characters. */
#define SETTINGS_MYSQL_NAME_MAX 64
#define SETTINGS_URL_MAX        300
#define SETTINGS_ACCOUNT_MAX    64
/* With the longest user id, or trip id, the PG's limits of 300 and 100 characters hold. */
#define SETTINGS_CUSTOMER_KEY_MAX 53
#define SETTINGS_ORDER_NAME_MAX   100 /* bytes */

enum settings_policy { SETTINGS_POLICY_REFUND = 0, SETTINGS_POLICY_ADOPT };
enum settings_pg { SETTINGS_PG_FAKE = 0, SETTINGS_PG_HTTP };
enum settings_upstreams { SETTINGS_UPSTREAMS_FAKE = 0, SETTINGS_UPSTREAMS_HTTP };

/* A circuit breaker's numbers; the same for pricing, users and PG. */
struct settings_breaker {
    int64_t open_ms;     /* first open time; each failed round doubles it */
    int64_t open_max_ms; /* the longest open time */
    int32_t window;      /* calls that are remembered */
    int32_t calls_min;   /* fewer calls than this never open it */
    int32_t percent;     /* of failures that opens it */
    int32_t probes;      /* requests that half-open admits */
};

struct farebox_settings {
    /* Store. */
    char sqlite_path[SETTINGS_PATH_MAX + 1]; /* of FAREBOX_STORE=sqlite:PATH */
    bool store_is_mysql;                     /* FAREBOX_STORE=mysql://USER@HOST:PORT/DATABASE */
    char mysql_user[SETTINGS_MYSQL_NAME_MAX + 1];
    char mysql_host[SETTINGS_HOST_MAX + 1];
    char mysql_database[SETTINGS_MYSQL_NAME_MAX + 1];
    int32_t mysql_port;
    struct secret store_password;
    int32_t store_tls;                          /* 0: off, 1: required */
    char store_tls_ca[SETTINGS_PATH_MAX + 1];   /* "none": none */
    char store_tls_cert[SETTINGS_PATH_MAX + 1]; /* of this client; "none": none */
    char store_tls_key[SETTINGS_PATH_MAX + 1];
    int32_t store_allow_lost_commits; /* 0 or 1 */
    int32_t store_migrate;            /* 1: a start may migrate */
    int32_t store_lanes;              /* connections that execute batches */
    int32_t batch_max;                /* units */
    int64_t batch_linger_ms;

    /* Kafka. */
    bool kafka_is_embedded;                       /* librdkafka's mock cluster in this process */
    char kafka_servers[SETTINGS_SERVERS_MAX + 1]; /* "" where embedded */
    int32_t embedded_kafka_partitions;
    char kafka_group[SETTINGS_NAME_MAX + 1];
    char kafka_dlt_group[SETTINGS_NAME_MAX + 1];
    int64_t kafka_session_ms; /* a member of a group is given up after this much silence */
    char trip_topic[SETTINGS_NAME_MAX + 1];
    char dlt_topic[SETTINGS_NAME_MAX + 1];
    char outcome_topic[SETTINGS_NAME_MAX + 1];
    char type_prefix[SETTINGS_TEXT_MAX + 1];
    char ce_source[SETTINGS_TEXT_MAX + 1];
    int64_t trip_age_max_ms;

    /* Gateway and upstreams. */
    int32_t pg; /* enum settings_pg */
    char fake_pg_path[SETTINGS_PATH_MAX + 1];
    int32_t fake_pg_delay_max_ms; /* until the fake PG answers */
    int32_t fake_upstream_delay_max_ms;
    int32_t fake_pg_fault_permille; /* of its calls that go wrong */
    int32_t upstreams;              /* enum settings_upstreams */
    char pg_url[SETTINGS_URL_MAX + 1];
    struct secret pg_secret_key;
    char pg_account[SETTINGS_ACCOUNT_MAX + 1];  /* "none": not told */
    char pg_ca[SETTINGS_PATH_MAX + 1];          /* "none": the system's */
    char pg_client_cert[SETTINGS_PATH_MAX + 1]; /* "none": none */
    char pg_client_key[SETTINGS_PATH_MAX + 1];
    char pg_customer_key[SETTINGS_CUSTOMER_KEY_MAX + 1]; /* with {userId} in it */
    char pg_order_name[SETTINGS_ORDER_NAME_MAX + 1];     /* UTF-8 */
    int32_t pg_connections;
    int32_t pg_connect_ms;
    int64_t pg_lookup_timeout_ms;
    int64_t pg_cancel_timeout_ms;
    char pricing_url[SETTINGS_URL_MAX + 1]; /* "none": none */
    char users_url[SETTINGS_URL_MAX + 1];
    char upstreams_ca[SETTINGS_PATH_MAX + 1];
    int32_t upstream_connections; /* of each */
    int32_t upstream_connect_ms;
    int32_t upstream_timeout_ms;
    int64_t fare_max_krw;
    int32_t policy; /* enum settings_policy */
    int32_t upstream_tries;
    int64_t upstream_backoff_ms;
    int64_t pg_backoff_ms;
    int64_t pg_backoff_max_ms;
    int32_t unknown_after; /* look-ups in a row without a usable answer */
    struct settings_breaker breaker;

    /* HTTP. */
    char http_host[SETTINGS_HOST_MAX + 1]; /* numeric IPv4 */
    int32_t http_port;                     /* 0: any free one */
    struct secret admin_token;             /* unset: admin is off */

    /* Process. */
    char instance[SETTINGS_TEXT_MAX + 1];
    int32_t log_level; /* enum log_level */
    int64_t stop_timeout_ms;
    int32_t in_flight; /* payments at once */
    char time_zone[SETTINGS_ZONE_MAX + 1];

    /* The waits of LIFE. */
    int64_t claim_due_ms;
    int64_t takeover_due_ms;
    int64_t send_limit_ms;
    int64_t pg_timeout_ms;
    int64_t pg_longest_ms;
    int64_t absence_margin_ms;
    int64_t absent_again_ms; /* between the two absent look-ups that count */
    int64_t recheck_ms[3];
    int64_t rescue_interval_ms;
    int64_t lease_most_ms;
    int64_t lease_least_ms;
    int64_t outbox_lease_ms;
    int64_t outbox_poll_ms;
    int64_t outbox_keep_ms;
    int64_t cancel_key_age_ms;
};

enum settings_status { SETTINGS_OK = 0, SETTINGS_INVALID };

/* Where errors go: called once for each, with one line of text that lives for that call. */
struct settings_report {
    void (*error)(void *ctx, const char *message);
    void *ctx;
};

/*
 * Fills `settings` from `environment` ("NAME=value" strings ending with NULL, like environ;
 * where a name is there twice the first counts). Reads the files of *_FILE settings. Unknown
 * FAREBOX_* variables are errors, except those that Kubernetes makes for a service named farebox.
 * SETTINGS_OK: every field is set and settings_check() holds. SETTINGS_INVALID: at least one
 * error was reported; the fields must not be used. In both cases call settings_clear().
 */
__attribute__((warn_unused_result)) enum settings_status
settings_load(struct farebox_settings *settings, char *const *environment,
              struct settings_report report);

/*
 * Checks the values against one another, as LIFE's rules need them: each violation is reported
 * with the names and values of both, and what FAREBOX_PG=http needs. Waits that protect money may
 * be shorter than their default only where `pg_is_fake`: no money moves there. settings_load()
 * calls it.
 */
__attribute__((warn_unused_result)) enum settings_status
settings_check(const struct farebox_settings *settings, bool pg_is_fake,
               struct settings_report report);

/* True where no money moves: the fake PG, or a secret key of Toss's test environment. */
bool settings_pg_is_fake(const struct farebox_settings *settings);

/* Wipes the secrets. */
void settings_clear(struct farebox_settings *settings);

/* Every setting with its effective value, NAME=value a line; secrets as "set" or "unset". */
void settings_print(const struct farebox_settings *settings, FILE *out);

/* Every setting with its default, limits and meaning: plain text for --help. */
void settings_print_help(FILE *out);

/* The same as the Markdown of docs/settings.md. */
void settings_print_markdown(FILE *out);

#endif
