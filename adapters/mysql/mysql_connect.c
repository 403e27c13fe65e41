/* Sessions: connecting, their settings, the check of the server, and the way back after a loss. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "mysql_internal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS   5000
/* Room around a statement in its packet. */
#define PACKET_MARGIN 1024

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void library_start(void)
{
    (void)mysql_library_init(0, NULL, NULL);
}

static int64_t monotonic_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool fail(MYSQL *db, const char *what, char *reason)
{
    snprintf(reason, REASON_SIZE, "%s: %s", what, mysql_error(db));
    return false;
}

static const char *or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

/* Boolean options are one byte, in MySQL's library as in MariaDB's. */
static void options_set(MYSQL *db, const struct mysql_store *store, unsigned read_s)
{
    const struct mysql_store_options *options = &store->options;
    const unsigned connect_s = options->connect_timeout_s;
    const unsigned write_s = options->write_timeout_s;
    const char yes = 1;
    const char no = 0;
    mysql_options(db, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    mysql_options(db, MYSQL_OPT_READ_TIMEOUT, &read_s);
    mysql_options(db, MYSQL_OPT_WRITE_TIMEOUT, &write_s);
    mysql_options(db, MYSQL_OPT_RECONNECT, &no);
    mysql_options(db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    bool verify = store->tls_ca[0] != '\0';
    if (options->tls || verify) {
        mysql_ssl_set(db, or_null(store->tls_key), or_null(store->tls_cert), or_null(store->tls_ca),
                      NULL, NULL);
        mysql_options(db, MYSQL_OPT_SSL_ENFORCE, &yes);
    }
    mysql_options(db, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, verify ? &yes : &no);
}

/* The server waits for the next statement for wait_timeout, for the rest of one that has begun for
 * net_read_timeout. Text comparison of keys follows the column; NO_BACKSLASH_ESCAPES must be off
 * (mysql_sql.h). */
static bool session_configure(MYSQL *db, const struct mysql_store *store, char *reason)
{
    char locks[80];
    char idle[120];
    const unsigned idle_s = store->options.idle_timeout_s;
    snprintf(locks, sizeof(locks), "SET SESSION innodb_lock_wait_timeout = %u",
             (unsigned)store->options.lock_wait_timeout_s);
    snprintf(idle, sizeof(idle), "SET SESSION wait_timeout = %u, SESSION net_read_timeout = %u",
             idle_s, idle_s);
    const char *const statements[] = {
        "SET SESSION time_zone = '+00:00'",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
        "SET SESSION autocommit = 1",
        locks,
        idle,
    };
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        if (mysql_query(db, statements[i]) != 0) {
            return fail(db, "refuses a setting of the session", reason);
        }
    }
    return true;
}

/*
 * On a Galera node a transaction, and a read, begins with all that was committed on any node
 * before: one that is behind would refuse what is ours, as its rows are old. Other servers do not
 * know the setting, or have the cluster off.
 */
static bool galera_configure(MYSQL *db, char *reason)
{
    MYSQL_RES *result = NULL;
    if (mysql_query(db, "SHOW GLOBAL VARIABLES LIKE 'wsrep_on'") != 0 ||
        (result = mysql_store_result(db)) == NULL) {
        return fail(db, "does not tell its settings", reason);
    }
    struct columns row;
    bool is_node = columns_next(result, &row) && strcmp(cell_name(&row, 1), "ON") == 0;
    mysql_free_result(result);
    if (is_node && mysql_query(db, "SET SESSION wsrep_sync_wait = 1") != 0) {
        return fail(db, "refuses a setting of the session", reason);
    }
    return true;
}

/* MariaDB 10.6 and MySQL 8.0.12 have what Farebox needs: SKIP LOCKED, and columns that are added
 * with ALGORITHM = INSTANT. */
static bool version_check(MYSQL *db, char *reason)
{
    unsigned long version = mysql_get_server_version(db);
    bool is_mariadb = strstr(mysql_get_server_info(db), "MariaDB") != NULL;
    if (version >= (is_mariadb ? 100600u : 80012u)) {
        return true;
    }
    snprintf(reason, REASON_SIZE, "is too old (%s): MySQL 8.0.12 or MariaDB 10.6 is the oldest",
             mysql_get_server_info(db));
    return false;
}

/* MariaDB's library goes on in plain text where the server has no TLS and no proof was asked. */
static bool tls_check(MYSQL *db, const struct mysql_store *store, char *reason)
{
    bool wanted = store->options.tls || store->tls_ca[0] != '\0';
    if (!wanted || mysql_get_ssl_cipher(db) != NULL) {
        return true;
    }
    snprintf(reason, REASON_SIZE, "does not speak TLS, which the settings ask for");
    return false;
}

static bool server_check(MYSQL *db, const struct mysql_store *store, char *reason)
{
    if (!tls_check(db, store, reason) || !version_check(db, reason)) {
        return false;
    }
    MYSQL_RES *result = NULL;
    if (mysql_query(db, "SELECT @@innodb_flush_log_at_trx_commit, @@max_allowed_packet") != 0 ||
        (result = mysql_store_result(db)) == NULL) {
        return fail(db, "does not tell its settings", reason);
    }
    struct columns row;
    bool read = columns_next(result, &row);
    int64_t flush = read ? cell_int(&row, 0) : 0;
    int64_t packet = read ? cell_int(&row, 1) : 0;
    mysql_free_result(result);
    if (flush != 1 && !store->options.allow_lost_commits) {
        snprintf(reason, REASON_SIZE,
                 "may lose commits when it crashes (innodb_flush_log_at_trx_commit = %lld): set "
                 "it to 1, or allow that with FAREBOX_STORE_ALLOW_LOST_COMMITS=true",
                 (long long)flush);
        return false;
    }
    if (packet < (int64_t)SQL_LEN_MAX + PACKET_MARGIN) {
        snprintf(reason, REASON_SIZE,
                 "takes too short statements (max_allowed_packet = %lld): "
                 "8388608 is the least",
                 (long long)packet);
        return false;
    }
    return true;
}

MYSQL *mysql_session_connect(const struct mysql_store *store, unsigned read_timeout_s, char *reason)
{
    (void)pthread_once(&library_once, library_start);
    MYSQL *db = mysql_init(NULL);
    if (db == NULL) {
        snprintf(reason, REASON_SIZE, "no memory");
        return NULL;
    }
    options_set(db, store, read_timeout_s);
    bool opened = false;
    if (mysql_real_connect(db, store->host, store->user, or_null(store->password), store->database,
                           store->options.port, NULL, 0) == NULL) {
        (void)fail(db, "cannot be used", reason);
    } else {
        opened = server_check(db, store, reason) && session_configure(db, store, reason) &&
                 galera_configure(db, reason);
    }
    if (!opened) {
        mysql_close(db);
        return NULL;
    }
    return db;
}

bool mysql_session_open(struct mysql_store *store, char *reason)
{
    store->db = mysql_session_connect(store, store->options.read_timeout_s, reason);
    store->used_ms = monotonic_ms();
    return store->db != NULL;
}

void mysql_session_drop(struct mysql_store *store)
{
    if (store->db != NULL) {
        mysql_close(store->db);
        store->db = NULL;
    }
}

/* The server ends a connection that is silent for idle_timeout_s. One that may be near that is
 * opened anew by its owner, or each quiet hour would look like trouble with the network. */
static bool session_is_idle(const struct mysql_store *store, int64_t now_ms)
{
    int64_t idle_ms = (int64_t)store->options.idle_timeout_s * 1000;
    return store->db != NULL && now_ms - store->used_ms >= idle_ms - idle_ms / 4;
}

/* MySQL's library wants to know each thread that calls it. */
bool mysql_session_ready(struct mysql_store *store)
{
    (void)mysql_thread_init();
    int64_t now_ms = monotonic_ms();
    bool is_idle = session_is_idle(store, now_ms);
    store->used_ms = now_ms;
    if (is_idle) {
        mysql_session_drop(store);
    }
    if (store->db != NULL) {
        return true;
    }
    if (store->backoff_ms > 0 && now_ms < store->retry_at_ms) {
        return false;
    }
    char reason[REASON_SIZE];
    if (mysql_session_open(store, reason)) {
        store->backoff_ms = 0;
        if (!is_idle) {
            mysql_notice(store, MYSQL_NOTICE_CONNECTED_AGAIN, "");
        }
        return true;
    }
    mysql_notice(store, MYSQL_NOTICE_NO_CONNECTION, reason);
    int32_t doubled = store->backoff_ms == 0 ? BACKOFF_FIRST_MS : store->backoff_ms * 2;
    store->backoff_ms = doubled > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : doubled;
    store->retry_at_ms = monotonic_ms() + store->backoff_ms;
    return false;
}
