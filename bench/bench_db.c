#include "bench_db.h"

#include "bench_cpu.h"

#include <inttypes.h>
#include <mysql.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define FILL_CHUNK 100000
/* More rows than this are written to disk while they are made. */
#define HURRY_ROWS     100000
#define SETTLE_MS_MAX  120000
#define DIRTY_PAGES_OK 64

#define OPTION_SIZE 48
#define POOL_MIB    6144
/* Besides the pool: its descriptors, the log's buffer. */
#define OTHER_LARGE_MIB 512

/* What a server of its own machine would have; a test's is far smaller. innodb_flush_method and
 * the like keep the server's defaults, and the log is durable at each commit. */
static char pool[OPTION_SIZE];
static char redo[OPTION_SIZE];
static const char *options[] = {pool, redo, "--max-connections=151", "--innodb-log-buffer-size=64M",
                                NULL, NULL};

static void fail(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static struct mariadb_server *opened;

static void close_at_exit(void)
{
    mariadb_server_close(opened);
}

/* Ctrl-C must not leave gigabytes behind. */
static void *end_on_signal(void *argument)
{
    const sigset_t *signals = argument;
    int number = 0;
    if (sigwait(signals, &number) == 0) {
        mariadb_server_close(opened);
    }
    _exit(128 + number);
}

/* After the server has started, which would inherit the mask. */
static void watch_signals(void)
{
    static sigset_t signals;
    pthread_t thread;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    if (pthread_sigmask(SIG_BLOCK, &signals, NULL) != 0 ||
        pthread_create(&thread, NULL, end_on_signal, &signals) != 0) {
        fail("no thread for signals");
    }
    (void)pthread_detach(thread);
}

/* A line "<name>: <number> ..." of /proc/meminfo. */
static uint32_t meminfo(const char *name)
{
    char line[200];
    uint32_t number = 0;
    size_t len = strlen(name);
    FILE *file = fopen("/proc/meminfo", "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, len) == 0 && line[len] == ':') {
            (void)sscanf(line + len + 1, "%" SCNu32, &number);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return number;
}

static void large_pages_ask(uint32_t pool_mib)
{
    uint32_t page_kib = meminfo("Hugepagesize");
    uint32_t needed = page_kib == 0 ? 1 : (pool_mib + OTHER_LARGE_MIB) * 1024 / page_kib;
    uint32_t there = meminfo("HugePages_Free");
    if (there < needed) {
        fprintf(stderr,
                "bench: --large-pages needs %" PRIu32 " huge pages, %" PRIu32
                " are free: echo %" PRIu32 " > /proc/sys/vm/nr_hugepages\n",
                needed, there, needed);
        exit(2);
    }
    options[sizeof(options) / sizeof(options[0]) - 2] = "--large-pages";
}

void bench_db_open(struct mariadb_server *server, const struct bench_db_how *how)
{
    uint32_t pool_mib = how->pool_mib == 0 ? POOL_MIB : how->pool_mib;
    (void)snprintf(pool, sizeof(pool), "--innodb-buffer-pool-size=%" PRIu32 "M", pool_mib);
    (void)snprintf(redo, sizeof(redo), "--innodb-log-file-size=%" PRIu32 "M", pool_mib / 3);
    if (how->large_pages) {
        large_pages_ask(pool_mib);
    }
    if (!mariadb_server_open_with(server, options)) {
        exit(1);
    }
    opened = server;
    if (atexit(close_at_exit) != 0) {
        fail("no exit handler");
    }
    watch_signals();
}

/* For statements, and for queries with one row. */
static MYSQL *connect(const struct mariadb_server *server, const char *name)
{
    MYSQL *db = mysql_init(NULL);
    if (db == NULL || mysql_real_connect(db, "127.0.0.1", MARIADB_ROOT, NULL, name, server->port,
                                         NULL, 0) == NULL) {
        fail("no connection to the server");
    }
    return db;
}

void bench_db_print(const struct mariadb_server *server)
{
    static const char *const names[] = {"version",
                                        "innodb_buffer_pool_size",
                                        "innodb_log_file_size",
                                        "innodb_flush_log_at_trx_commit",
                                        "innodb_flush_method",
                                        "innodb_doublewrite",
                                        "large_pages",
                                        "log_bin",
                                        "sync_binlog"};
    MYSQL *db = connect(server, NULL);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char query[100];
        (void)snprintf(query, sizeof(query), "SELECT @@%s", names[i]);
        MYSQL_RES *result = mysql_query(db, query) == 0 ? mysql_store_result(db) : NULL;
        MYSQL_ROW row = result == NULL ? NULL : mysql_fetch_row(result);
        printf("  %s = %s\n", names[i], row == NULL || row[0] == NULL ? "?" : row[0]);
        mysql_free_result(result);
    }
    mysql_close(db);
    struct statfs info;
    if (statfs(server->folder, &info) == 0) {
        const char *kind = info.f_type == 0xEF53       ? "ext2/3/4"
                           : info.f_type == 0x58465342 ? "xfs"
                           : info.f_type == 0x01021994 ? "tmpfs: commits reach no disk"
                                                       : "another one";
        printf("  file system of the data: %s (%#lx)\n", kind, (unsigned long)info.f_type);
    }
}

static void run(MYSQL *db, const char *statement)
{
    if (mysql_query(db, statement) != 0) {
        fprintf(stderr, "bench: %s: %s\n", mysql_error(db), statement);
        exit(1);
    }
    mysql_free_result(mysql_store_result(db));
}

int64_t bench_db_number(const struct mariadb_server *server, const char *name, const char *query)
{
    MYSQL *db = connect(server, name);
    if (mysql_query(db, query) != 0) {
        fail(mysql_error(db));
    }
    MYSQL_RES *result = mysql_store_result(db);
    MYSQL_ROW row = result == NULL ? NULL : mysql_fetch_row(result);
    int64_t number = row == NULL || row[0] == NULL ? 0 : strtoll(row[0], NULL, 10);
    mysql_free_result(result);
    mysql_close(db);
    return number;
}

struct mysql_store_options bench_db_options(const struct mariadb_server *server, const char *name)
{
    return (struct mysql_store_options){.host = "127.0.0.1",
                                        .user = MARIADB_USER,
                                        .password = MARIADB_PASSWORD,
                                        .database = name,
                                        .port = server->port,
                                        .connect_timeout_s = 5,
                                        .read_timeout_s = 60,
                                        .write_timeout_s = 60,
                                        .lock_wait_timeout_s = 10,
                                        .migrate = true};
}

struct store *bench_db_connect(const struct mariadb_server *server, const char *name)
{
    struct mysql_store_options how = bench_db_options(server, name);
    struct store *store = NULL;
    char error[700];
    if (!mysql_store_open(&how, &store, error, sizeof(error))) {
        fail(error);
    }
    return store;
}

/* Of 1,000 trips 970 are paid, 25 were declined, 4 wait for a re-check, and of one nobody knows. */
#define STATUS_OF_SEQ                                                                              \
    "CASE WHEN seq %% 1000 < 970 THEN 'COMPLETED' WHEN seq %% 1000 < 999 THEN 'FAILED'"            \
    " ELSE 'UNKNOWN' END"
#define UUID_OF_SEQ                                                                                \
    "CONCAT(SUBSTR(MD5(seq), 1, 8), '-', SUBSTR(MD5(seq), 9, 4), '-5', SUBSTR(MD5(seq), 14, 3),"   \
    " '-a', SUBSTR(MD5(seq), 18, 3), '-', SUBSTR(MD5(seq), 21, 12))"
/* Within the last two days; the cleanup leaves them alone. */
#define MS_OF_SEQ "CAST(UNIX_TIMESTAMP() * 1000 AS SIGNED) - 172800000 + seq * 50"

static const char payments_fill[] =
    "INSERT INTO payments (id, created_at, updated_at, amount, completed_at, payment_id,"
    " payment_method_id, pg_transaction_id, requested_at, status, trip_id, user_id, epoch,"
    " token_process, token_sequence, requested_ms, completed_ms, claimed_at, due_at, pg_account,"
    " refund_state, attempts, needs_operator, reason, traceparent)"
    " SELECT seq, NOW(6), NOW(6), 3000 + seq %% 20000, IF(seq %% 1000 < 970, NOW(6), NULL), id,"
    " 'pm-0001', CONCAT('fakepay0_', id), NOW(6), status, CONCAT('old-', LPAD(seq, 8, '0')),"
    " CONCAT('user-', LPAD(seq %% 100000, 8, '0')), 2, 1, seq, ms, IF(seq %% 1000 < 970, ms, NULL),"
    " ms, IF(seq %% 1000 < 995, NULL, ms + 100000000000), 47, 'NONE', 0, 0,"
    " IF(seq %% 1000 < 970, '', 'DECLINED'), '%s'"
    " FROM (SELECT seq, " UUID_OF_SEQ " AS id, " STATUS_OF_SEQ " AS status, " MS_OF_SEQ " AS ms"
    " FROM seq_%" PRIu32 "_to_%" PRIu32 ") AS s";

static const char outbox_fill[] =
    "INSERT INTO payment_outbox (created_at, updated_at, aggregate_id, payload, status, topic,"
    " event_id, payment_row_id, epoch, token_process, token_sequence, due_at, done_at, attempts, "
    "record_key, body,"
    " headers, record_at) SELECT NOW(6), NOW(6), CONCAT('old-', LPAD(seq, 8, '0')), body, 'DONE',"
    " 'payment_events', UNHEX(MD5(seq)), seq, 2, 1, seq, NULL, ms, 0,"
    " CONCAT('old-', LPAD(seq, 8, '0')), body, REPEAT('h', 380), 0"
    " FROM (SELECT seq, " MS_OF_SEQ " AS ms, CONCAT('{\"tripId\":\"old-', LPAD(seq, 8, '0'),"
    " '\",\"fare\":15200,\"userId\":\"user-', LPAD(seq %% 100000, 8, '0'), '\"}') AS body"
    " FROM seq_%" PRIu32 "_to_%" PRIu32 ") AS s";

/* A server that is to be filled writes as fast as the disk takes it. */
static void hurry(MYSQL *db, bool on)
{
    run(db,
        on ? "SET GLOBAL innodb_io_capacity_max = 20000" : "SET GLOBAL innodb_io_capacity = 200");
    run(db,
        on ? "SET GLOBAL innodb_io_capacity = 20000" : "SET GLOBAL innodb_io_capacity_max = 2000");
    run(db, on ? "SET GLOBAL innodb_max_dirty_pages_pct = 0"
               : "SET GLOBAL innodb_max_dirty_pages_pct = 90");
}

void bench_db_settle(const struct mariadb_server *server)
{
    MYSQL *db = connect(server, NULL);
    hurry(db, true);
    int64_t end_us = bench_clock_us() + INT64_C(1000) * SETTLE_MS_MAX;
    while (bench_clock_us() < end_us &&
           bench_db_number(server, NULL,
                           "SELECT variable_value FROM information_schema.global_status"
                           " WHERE variable_name = 'INNODB_BUFFER_POOL_PAGES_DIRTY'") >
               DIRTY_PAGES_OK) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    hurry(db, false);
    mysql_close(db);
}

void bench_db_fill(const struct mariadb_server *server, uint32_t rows,
                   char name[BENCH_DATABASE_SIZE])
{
    static unsigned count;
    char statement[3000];
    (void)snprintf(name, BENCH_DATABASE_SIZE, "farebox_bench_%u", ++count);
    (void)snprintf(statement, sizeof(statement), "CREATE DATABASE %s", name);
    MYSQL *db = connect(server, NULL);
    run(db, statement);
    struct store *store = bench_db_connect(server, name); /* makes the tables */
    store->ops->close(store);
    if (mysql_select_db(db, name) != 0) {
        fail(mysql_error(db));
    }
    if (rows > HURRY_ROWS) {
        hurry(db, true);
    }
    for (uint32_t first = 1; first <= rows; first += FILL_CHUNK) {
        uint32_t last = rows - first < FILL_CHUNK ? rows : first + FILL_CHUNK - 1;
        (void)snprintf(statement, sizeof(statement), payments_fill,
                       "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", first, last);
        run(db, statement);
        (void)snprintf(statement, sizeof(statement), outbox_fill, first, last);
        run(db, statement);
    }
    run(db, "ANALYZE TABLE payments, payment_outbox");
    if (rows > HURRY_ROWS) {
        bench_db_settle(server);
    }
    mysql_close(db);
}

void bench_db_drop(const struct mariadb_server *server, const char *name)
{
    char statement[100];
    (void)snprintf(statement, sizeof(statement), "DROP DATABASE %s", name);
    MYSQL *db = connect(server, NULL);
    run(db, statement);
    mysql_close(db);
}
