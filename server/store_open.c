#include "store_open.h"

#include "clock.h"
#include "mysql_store.h"
#include "sqlite_store.h"
#include "store_notice.h"
#include "time_zone.h"

#include <string.h>
#include <unistd.h>

#define SQLITE_BUSY_MS 5000
/* Waits at MySQL, in seconds. An answer takes longer than a lock wait, or that would look lost. */
#define MYSQL_CONNECT_S   5
#define MYSQL_LOCK_WAIT_S 10
#define MYSQL_READ_S      30

static void fail(const struct farebox_settings *settings, const char *reason,
                 char error[FAREBOX_ERROR_SIZE])
{
    if (settings->store_is_mysql) {
        (void)snprintf(error, FAREBOX_ERROR_SIZE, "FAREBOX_STORE=mysql://%s@%s:%d/%s: %s",
                       settings->mysql_user, settings->mysql_host, (int)settings->mysql_port,
                       settings->mysql_database, reason);
        return;
    }
    (void)snprintf(error, FAREBOX_ERROR_SIZE, "FAREBOX_STORE=sqlite:%s: %s", settings->sqlite_path,
                   reason);
}

static struct store *open_sqlite(const struct farebox_settings *settings, bool migrate,
                                 char error[FAREBOX_ERROR_SIZE])
{
    const struct sqlite_store_options options = {
        .now_ms = clock_unix_ms, .busy_timeout_ms = SQLITE_BUSY_MS, .migrate = migrate};
    struct store *store = NULL;
    char reason[FAREBOX_ERROR_SIZE / 2];

    if (!migrate && access(settings->sqlite_path, F_OK) != 0) {
        fail(settings, "there is no such file, and migrating is off: run `farebox migrate`", error);
        return NULL;
    }
    if (!sqlite_store_open(settings->sqlite_path, &options, &store, reason, sizeof(reason))) {
        fail(settings, reason, error);
        return NULL;
    }
    return store;
}

static const char *path_or_null(const char *path)
{
    return strcmp(path, "none") == 0 ? NULL : path;
}

struct mysql_store_options store_open_mysql_options(const struct farebox_settings *settings)
{
    const struct secret *password = &settings->store_password;

    return (struct mysql_store_options){.host = settings->mysql_host,
                                        .user = settings->mysql_user,
                                        .password = password->is_set ? password->bytes : NULL,
                                        .database = settings->mysql_database,
                                        .tls_ca = path_or_null(settings->store_tls_ca),
                                        .tls_cert = path_or_null(settings->store_tls_cert),
                                        .tls_key = path_or_null(settings->store_tls_key),
                                        .port = (uint16_t)settings->mysql_port,
                                        .connect_timeout_s = MYSQL_CONNECT_S,
                                        .read_timeout_s = MYSQL_READ_S,
                                        .write_timeout_s = MYSQL_READ_S,
                                        .lock_wait_timeout_s = MYSQL_LOCK_WAIT_S,
                                        .tls = settings->store_tls != 0,
                                        .zone_offset_s = time_zone_offset_s,
                                        .migrate = settings->store_migrate != 0,
                                        .allow_lost_commits =
                                            settings->store_allow_lost_commits != 0};
}

static struct store *open_mysql(const struct farebox_settings *settings, struct counters *counters,
                                char error[FAREBOX_ERROR_SIZE])
{
    struct mysql_store_options options = store_open_mysql_options(settings);
    struct store *store = NULL;
    char reason[FAREBOX_ERROR_SIZE / 2];

    options.notice = store_notice;
    options.notice_context = counters;
    if (!mysql_store_open(&options, &store, reason, sizeof(reason))) {
        fail(settings, reason, error);
        return NULL;
    }
    return store;
}

struct store *store_open(const struct farebox_settings *settings, struct counters *counters,
                         char error[FAREBOX_ERROR_SIZE])
{
    return settings->store_is_mysql ? open_mysql(settings, counters, error)
                                    : open_sqlite(settings, settings->store_migrate != 0, error);
}

struct printed {
    FILE *out;
    unsigned count;
};

static void print_statement(void *context, const char *sql, size_t len)
{
    struct printed *printed = context;

    printed->count++;
    (void)fprintf(printed->out, "%.*s;\n", (int)len, sql);
    (void)fflush(printed->out);
}

static bool migrate_sqlite(const struct farebox_settings *settings, bool dry_run, FILE *out,
                           char error[FAREBOX_ERROR_SIZE])
{
    struct store *store;

    if (dry_run) {
        fail(settings, "--dry-run is for MySQL and MariaDB: a SQLite file is Farebox's alone",
             error);
        return false;
    }
    store = open_sqlite(settings, true, error);
    if (store == NULL) {
        return false;
    }
    store->ops->close(store);
    (void)fprintf(out, "-- The schema has version %d.\n", sqlite_store_schema_version());
    return true;
}

bool store_open_migrate(const struct farebox_settings *settings, bool dry_run, FILE *out,
                        char error[FAREBOX_ERROR_SIZE])
{
    struct printed printed = {.out = out};
    const struct mysql_migration_watch watch = {print_statement, &printed};
    struct mysql_store_options options;
    char reason[FAREBOX_ERROR_SIZE / 2];
    int before = 0;
    int after = mysql_store_schema_version();

    if (!settings->store_is_mysql) {
        return migrate_sqlite(settings, dry_run, out, error);
    }
    options = store_open_mysql_options(settings);
    if (!mysql_store_migrate(&options, dry_run, &watch, &before, reason, sizeof(reason))) {
        fail(settings, reason, error);
        return false;
    }
    if (printed.count == 0) {
        (void)fprintf(out, "-- Nothing to do: the schema has version %d.\n",
                      before > after ? before : after);
    } else {
        (void)fprintf(out,
                      dry_run ? "-- Nothing was run. It would bring the schema from version %d to "
                                "%d.\n"
                              : "-- Done: the schema was brought from version %d to %d.\n",
                      before, after);
    }
    return true;
}
