#include "settings_table.h"

#include <string.h>

#define FIELD(name)                                                                                \
    offsetof(struct farebox_settings, name), sizeof(((struct farebox_settings *)0)->name)
#define S(seconds) ((int64_t)(seconds)*1000)
#define DAYS(days) ((int64_t)(days)*86400000)

/* The shapes of a row: a number with limits, a duration that guards money, a text, a secret and a
 * choice. */
#define NUMBER(name, type, field, min, max, initial, meaning)                                      \
    {                                                                                              \
        name, type, FIELD(field), min, max, NULL, NULL, initial, meaning, false                    \
    }
#define GUARD(name, field, min, max, initial, meaning)                                             \
    {                                                                                              \
        name, SETTING_S, FIELD(field), min, max, NULL, NULL, initial, meaning, true                \
    }
#define TEXT(name, type, field, initial, meaning)                                                  \
    {                                                                                              \
        name, type, FIELD(field), 0, 0, NULL, NULL, initial, meaning, false                        \
    }
#define SECRET(name, field, rule, meaning)                                                         \
    {                                                                                              \
        name, SETTING_SECRET, FIELD(field), 0, 0, NULL, &(rule), NULL, meaning, false              \
    }
#define CHOICE(name, field, choices, initial, meaning)                                             \
    {                                                                                              \
        name, SETTING_CHOICE, FIELD(field), 0, 0, choices, NULL, initial, meaning, false           \
    }

/* In the order of the enums that the fields hold. */
static const char *const settings_policies[] = {"refund", "adopt", NULL};
static const char *const settings_gateways[] = {"fake", "http", NULL};
static const char *const settings_tls[] = {"off", "required", NULL};
static const char *const settings_booleans[] = {"false", "true", NULL};
static const char *const settings_log_levels[] = {"debug", "info", "warn", "error", "alert", NULL};

/* clang-format off */
const struct setting settings_table[] = {
    TEXT("FAREBOX_STORE", SETTING_STORE, sqlite_path, "sqlite:farebox.db",
         "Where payments live."),
    SECRET("FAREBOX_STORE_PASSWORD", store_password, secret_rule_password,
         "Password at MySQL or MariaDB."),
    CHOICE("FAREBOX_STORE_TLS", store_tls, settings_tls, "off",
           "Whether connections to MySQL or MariaDB must be encrypted."),
    TEXT("FAREBOX_STORE_TLS_CA_PATH", SETTING_PATH, store_tls_ca, "none",
         "PEM certificates by which the server must prove its name, with TLS; none: no proof."),
    TEXT("FAREBOX_STORE_TLS_CERT_PATH", SETTING_PATH, store_tls_cert, "none",
         "PEM certificate by which Farebox proves its name to the server, with TLS; none: none."),
    TEXT("FAREBOX_STORE_TLS_KEY_PATH", SETTING_PATH, store_tls_key, "none",
         "PEM private key of that certificate."),
    CHOICE("FAREBOX_STORE_ALLOW_LOST_COMMITS", store_allow_lost_commits, settings_booleans, "false",
           "Work on a server with innodb_flush_log_at_trx_commit other than 1."),
    CHOICE("FAREBOX_STORE_MIGRATE", store_migrate, settings_booleans, "true",
           "Whether a start brings the store's schema up to date; false: farebox migrate does."),
    NUMBER("FAREBOX_STORE_LANES", SETTING_INT, store_lanes, 1, 16, "2",
           "Connections that execute batches."),
    NUMBER("FAREBOX_BATCH_MAX", SETTING_INT, batch_max, 1, 256, "256",
           "Units that are committed together, at most."),
    NUMBER("FAREBOX_BATCH_LINGER_MS", SETTING_MS, batch_linger_ms, 0, 1000, "2",
           "Milliseconds that a batch waits for more units."),

    TEXT("FAREBOX_KAFKA", SETTING_KAFKA, kafka_servers, "embedded",
         "The brokers; embedded is an in-process broker for trying out, nothing on disk."),
    NUMBER("FAREBOX_EMBEDDED_KAFKA_PARTITIONS", SETTING_INT, embedded_kafka_partitions, 1, 64, "3",
           "Partitions of the embedded broker's topics."),
    TEXT("FAREBOX_KAFKA_GROUP", SETTING_NAME, kafka_group, "payment-service-reactive-group",
         "Consumer group that reads the trip events."),
    TEXT("FAREBOX_KAFKA_DLT_GROUP", SETTING_NAME, kafka_dlt_group, "payment-service-group.dlt",
         "Consumer group that reads the dead letters."),
    NUMBER("FAREBOX_KAFKA_SESSION_S", SETTING_S, kafka_session_ms, 500, S(300), "45",
           "Seconds of silence after which the groups give up an instance that was killed."),
    TEXT("FAREBOX_TRIP_TOPIC", SETTING_NAME, trip_topic, "trip_events", "Topic of trip events."),
    TEXT("FAREBOX_DLT_TOPIC", SETTING_NAME, dlt_topic, "trip_events.DLT",
         "Topic of dead letters."),
    TEXT("FAREBOX_OUTCOME_TOPIC", SETTING_NAME, outcome_topic, "payment_events",
         "Topic of outcome events."),
    TEXT("FAREBOX_TYPE_PREFIX", SETTING_TEXT, type_prefix,
         "com.example.payment_service.kafka.dto.",
         "What comes before the type in the header __TypeId__ of outcome events."),
    TEXT("FAREBOX_CE_SOURCE", SETTING_TEXT, ce_source, "farebox",
         "The CloudEvents source of outcome events."),
    NUMBER("FAREBOX_MAX_TRIP_AGE_S", SETTING_S, trip_age_max_ms, S(1), DAYS(366), "604800",
           "Seconds; a trip event older than this becomes a dead letter, never a charge."),

    CHOICE("FAREBOX_PG", pg, settings_gateways, "fake",
           "The payment gateway (PG): in this process, or Toss Payments' protocol over HTTP."),
    TEXT("FAREBOX_PG_URL", SETTING_URL, pg_url, "https://api.tosspayments.com",
         "Where the PG is; http:// only on loopback or with a key of the test environment."),
    SECRET("FAREBOX_PG_SECRET_KEY", pg_secret_key, secret_rule_token,
         "Secret key of the merchant at the PG."),
    TEXT("FAREBOX_PG_ACCOUNT", SETTING_TEXT, pg_account, "none",
         "The merchant's id at the PG (mId), so that the key may be replaced; none: the key itself "
         "names the account."),
    TEXT("FAREBOX_PG_CA_PATH", SETTING_PATH, pg_ca, "none",
         "PEM certificates by which the PG must prove its name; none: the system's."),
    TEXT("FAREBOX_PG_CLIENT_CERT_PATH", SETTING_PATH, pg_client_cert, "none",
         "PEM certificate that is shown to the PG; none: none."),
    TEXT("FAREBOX_PG_CLIENT_KEY_PATH", SETTING_PATH, pg_client_key, "none", "Its key, PEM."),
    TEXT("FAREBOX_PG_CUSTOMER_KEY", SETTING_USER, pg_customer_key, "{userId}",
         "The customerKey that a user's billing key was issued for; the PG takes 2 to 300 "
         "characters."),
    TEXT("FAREBOX_PG_ORDER_NAME", SETTING_WORDS, pg_order_name, "Taxi {tripId}",
         "The name of an order, as customers see it; a long trip id is cut."),
    NUMBER("FAREBOX_PG_CONNECTIONS", SETTING_INT, pg_connections, 1, 10000, "256",
           "Calls that the PG is sent at a time, at most; others wait here."),
    NUMBER("FAREBOX_PG_CONNECT_MS", SETTING_INT, pg_connect_ms, 1, 60000, "3000",
           "Milliseconds that a connection to the PG may take to be made."),
    NUMBER("FAREBOX_PG_LOOKUP_TIMEOUT_S", SETTING_S, pg_lookup_timeout_ms, 1, S(600), "20",
           "Seconds that a look-up at the PG may take; a charge: FAREBOX_PG_TIMEOUT_S."),
    NUMBER("FAREBOX_PG_CANCEL_TIMEOUT_S", SETTING_S, pg_cancel_timeout_ms, 1, S(600), "60",
           "Seconds that a cancel at the PG may take."),
    TEXT("FAREBOX_FAKE_PG_FILE", SETTING_PATH, fake_pg_path, "farebox-pg.log",
         "The file in which the fake PG keeps its ledger."),
    NUMBER("FAREBOX_FAKE_PG_DELAY_MAX_MS", SETTING_INT, fake_pg_delay_max_ms, 0, 60000, "200",
           "Milliseconds until the fake PG answers, at most; drawn for each call."),
    NUMBER("FAREBOX_FAKE_PG_FAULT_PERMILLE", SETTING_INT, fake_pg_fault_permille, 0, 900, "0",
           "Of 1,000 calls of the fake PG, how many are declined, refused, lost or not answered."),
    CHOICE("FAREBOX_UPSTREAMS", upstreams, settings_gateways, "fake",
           "Pricing and users: in this process, or over HTTP."),
    TEXT("FAREBOX_PRICING_URL", SETTING_URL, pricing_url, "none", "Where pricing is."),
    TEXT("FAREBOX_USERS_URL", SETTING_URL, users_url, "none", "Where users is."),
    TEXT("FAREBOX_UPSTREAMS_CA_PATH", SETTING_PATH, upstreams_ca, "none",
         "PEM certificates by which they must prove their names; none: the system's."),
    NUMBER("FAREBOX_UPSTREAM_CONNECTIONS", SETTING_INT, upstream_connections, 1, 10000, "64",
           "Calls that pricing, and users, are sent at a time, at most; others wait here."),
    NUMBER("FAREBOX_UPSTREAM_CONNECT_MS", SETTING_INT, upstream_connect_ms, 1, 60000, "500",
           "Milliseconds that a connection to them may take to be made."),
    NUMBER("FAREBOX_UPSTREAM_TIMEOUT_MS", SETTING_INT, upstream_timeout_ms, 1, 60000, "1200",
           "Milliseconds that they may take to answer, once there is a connection."),
    NUMBER("FAREBOX_FAKE_UPSTREAM_DELAY_MAX_MS", SETTING_INT, fake_upstream_delay_max_ms, 0, 60000,
           "200", "Milliseconds until fake pricing and users answer, at most; drawn each time."),
    NUMBER("FAREBOX_MAX_FARE", SETTING_LONG, fare_max_krw, 1, INT32_MAX, "10000000",
           "KRW; a higher fare is never charged, its trip event becomes a dead letter."),
    CHOICE("FAREBOX_POLICY", policy, settings_policies, "refund",
           "What the rescue does with a charge that its claimant did not complete."),
    NUMBER("FAREBOX_UPSTREAM_TRIES", SETTING_INT, upstream_tries, 0, 10, "3",
           "Retries of a look-up at pricing or users."),
    NUMBER("FAREBOX_UPSTREAM_BACKOFF_MS", SETTING_MS, upstream_backoff_ms, 1, 60000, "1000",
           "Milliseconds before the first of them; doubles, with jitter."),
    NUMBER("FAREBOX_PG_BACKOFF_MS", SETTING_MS, pg_backoff_ms, 1, 60000, "1000",
           "Milliseconds before the PG is asked again; doubles, with jitter."),
    NUMBER("FAREBOX_PG_BACKOFF_MAX_S", SETTING_S, pg_backoff_max_ms, 1, S(3600), "300",
           "Seconds; the longest back-off towards the PG."),
    NUMBER("FAREBOX_UNKNOWN_AFTER", SETTING_INT, unknown_after, 1, 1000, "10",
           "Look-ups in a row without a usable answer that make a payment UNKNOWN."),
    NUMBER("FAREBOX_BREAKER_WINDOW", SETTING_INT, breaker.window, 1, 1000, "100",
           "Calls that a circuit breaker remembers."),
    NUMBER("FAREBOX_BREAKER_MIN_CALLS", SETTING_INT, breaker.calls_min, 1, 1000, "10",
           "Calls before which it never opens."),
    NUMBER("FAREBOX_BREAKER_PERCENT", SETTING_INT, breaker.percent, 1, 100, "50",
           "Percent of failures that opens it."),
    NUMBER("FAREBOX_BREAKER_OPEN_MS", SETTING_MS, breaker.open_ms, 1, S(3600), "15000",
           "Milliseconds that it stays open at first; each failed round doubles them."),
    NUMBER("FAREBOX_BREAKER_OPEN_MAX_MS", SETTING_MS, breaker.open_max_ms, 1, S(3600), "300000",
           "Milliseconds that it stays open at most."),
    NUMBER("FAREBOX_BREAKER_PROBES", SETTING_INT, breaker.probes, 1, 100, "5",
           "Requests that a half-open breaker admits."),

    TEXT("FAREBOX_HTTP_ADDRESS", SETTING_ADDRESS, http_host, "127.0.0.1:8086",
         "Where the HTTP API listens; port 0: any free one."),
    SECRET("FAREBOX_ADMIN_TOKEN", admin_token, secret_rule_token,
         "Bearer token of the admin calls; unset: they are off."),

    TEXT("FAREBOX_INSTANCE", SETTING_TEXT, instance, NULL,
         "Name of this instance, of its own among all; unset: HOSTNAME-PID."),
    CHOICE("FAREBOX_LOG_LEVEL", log_level, settings_log_levels, "info",
           "The lowest level that is logged."),
    NUMBER("FAREBOX_STOP_TIMEOUT_S", SETTING_S, stop_timeout_ms, 0, S(3600), "75",
           "Seconds that a stop waits for what is claimed."),
    NUMBER("FAREBOX_IN_FLIGHT", SETTING_INT, in_flight, 1, 65536, "4096",
           "Payments that are worked on at once, at most."),
    TEXT("FAREBOX_LEGACY_TIME_ZONE", SETTING_ZONE, time_zone, "Asia/Seoul",
         "The zone of local date-times, in answers and in the old service's columns, and of the "
         "cleanup at 03:00."),

    GUARD("FAREBOX_CLAIM_DUE_S", claim_due_ms, 1, DAYS(1), "600",
          "Seconds after its claim at which the rescue may take a payment over."),
    GUARD("FAREBOX_TAKEOVER_DUE_S", takeover_due_ms, 1, DAYS(1), "180",
          "Seconds after a takeover at which the next one may follow."),
    GUARD("FAREBOX_SEND_LIMIT_S", send_limit_ms, 1, DAYS(1), "120",
          "Seconds after the claim in which a charge may leave."),
    GUARD("FAREBOX_PG_TIMEOUT_S", pg_timeout_ms, 1, S(600), "60",
          "Seconds that one call of the PG may take."),
    GUARD("FAREBOX_PG_LONGEST_S", pg_longest_ms, 1, DAYS(1), "900",
          "Seconds after which the PG has surely finished a charge that it accepted."),
    GUARD("FAREBOX_ABSENCE_MARGIN_S", absence_margin_ms, 1, DAYS(1), "300",
          "Seconds of safety on top of it before an absent charge counts as absent."),
    GUARD("FAREBOX_ABSENT_AGAIN_S", absent_again_ms, 1, DAYS(1), "60",
          "Seconds between the two look-ups that must find a charge absent."),
    GUARD("FAREBOX_RECHECK_1_S", recheck_ms[0], 1, DAYS(30), "3600",
          "Seconds after which an absent charge is looked up again."),
    GUARD("FAREBOX_RECHECK_2_S", recheck_ms[1], 1, DAYS(30), "86400", "The same, second time."),
    GUARD("FAREBOX_RECHECK_3_S", recheck_ms[2], 1, DAYS(30), "1296000", "The same, last time."),
    NUMBER("FAREBOX_RESCUE_INTERVAL_S", SETTING_S, rescue_interval_ms, 1, S(3600), "60",
           "Seconds between two rounds of the rescue."),
    NUMBER("FAREBOX_LEASE_MOST_S", SETTING_S, lease_most_ms, 1, S(3600), "50",
           "Seconds for which a job's lease is taken; extended while the job works."),
    NUMBER("FAREBOX_LEASE_LEAST_S", SETTING_S, lease_least_ms, 0, S(3600), "30",
           "Seconds for which a job's lease is kept at least."),
    NUMBER("FAREBOX_OUTBOX_LEASE_S", SETTING_S, outbox_lease_ms, 1, S(3600), "30",
           "Seconds in which the writer of an outcome event alone may publish it."),
    NUMBER("FAREBOX_OUTBOX_POLL_MS", SETTING_MS, outbox_poll_ms, 1, 60000, "1000",
           "Milliseconds between two looks for outcome events that others left."),
    NUMBER("FAREBOX_OUTBOX_KEEP_S", SETTING_S, outbox_keep_ms, 1, DAYS(366), "259200",
           "Seconds for which published outcome events stay in the table."),
    GUARD("FAREBOX_CANCEL_KEY_AGE_S", cancel_key_age_ms, 1, DAYS(14), "1209600",
          "Seconds after which a cancel's idempotency key is replaced; the PG keeps it 15 days."),
};
/* clang-format on */

const size_t settings_table_count = sizeof(settings_table) / sizeof(settings_table[0]);

const struct setting *setting_find(const char *name, size_t len)
{
    for (size_t i = 0; i < settings_table_count; i++) {
        const char *own = settings_table[i].name;
        if (strlen(own) == len && memcmp(own, name, len) == 0) {
            return &settings_table[i];
        }
    }
    return NULL;
}
