/* MySQL's side of the oracle test: ids translated, connections cut, rows compared. */
#include "store_oracle.h"

#include "mysql_kit.h"
#include "tcp_proxy.h"

#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATABASE "farebox_oracle"
/* No row has this id, nor one above it. */
#define NO_ROW (INT64_C(1) << 60)

/* The nth row that came to be has the nth id here; the model's is n. */
struct ids {
    int64_t *ids;
    int64_t count;
    int64_t last;
    const char *query;
};

struct oracle_mysql {
    struct store *store;
    struct tcp_proxy proxy;
    MYSQL *root;
    struct ids outbox;
    struct ids failed_events;
    struct unit units[STORE_BATCH_MAX]; /* of the batch, with ids of here */
    uint64_t faults;
    uint64_t submits;
    uint64_t wrong_hints;
};

static int64_t mysql_now(void *oracle)
{
    return ((struct oracle *)oracle)->now_ms;
}

static MYSQL_RES *query(struct oracle_mysql *mysql, const char *sql)
{
    if (mysql_query(mysql->root, sql) != 0) {
        fail_msg("%s: %s", sql, mysql_error(mysql->root));
    }
    MYSQL_RES *result = mysql_store_result(mysql->root);
    assert_non_null(result);
    return result;
}

static void ids_learn(struct oracle_mysql *mysql, struct ids *ids)
{
    char sql[120];
    (void)snprintf(sql, sizeof(sql), ids->query, (long long)ids->last);
    MYSQL_RES *result = query(mysql, sql);
    for (MYSQL_ROW row = mysql_fetch_row(result); row != NULL; row = mysql_fetch_row(result)) {
        ids->last = strtoll(row[0], NULL, 10);
        ids->ids[++ids->count] = ids->last;
    }
    mysql_free_result(result);
}

static int64_t id_here(const struct ids *ids, int64_t id)
{
    return id >= 1 && id <= ids->count ? ids->ids[id] : NO_ROW + id;
}

static void ids_init(struct ids *ids, uint64_t units, const char *format)
{
    *ids = (struct ids){.ids = calloc(units + STORE_BATCH_MAX, sizeof(*ids->ids)), .query = format};
    assert_non_null(ids->ids);
}

bool oracle_mysql_open(struct oracle *oracle, uint64_t units)
{
    if (!mariadb_server_is_there()) {
        return false;
    }
    struct oracle_mysql *mysql = calloc(1, sizeof(*mysql));
    assert_non_null(mysql);
    assert_true(mysql_factory_start(false));
    assert_true(mariadb_server_run(&mysql_factory_server, NULL, "CREATE DATABASE " DATABASE));
    tcp_proxy_open(&mysql->proxy, mysql_factory_server.port);
    struct mysql_store_options options = mysql_factory_options(DATABASE);
    options.port = mysql->proxy.port;
    options.now_ms = mysql_now;
    options.clock_context = oracle;
    options.allow_lost_commits = true; /* for speed: this server is never killed */
    char error[700];
    if (!mysql_store_open(&options, &mysql->store, error, sizeof(error))) {
        fail_msg("%s", error);
    }
    mysql->root = mysql_init(NULL);
    assert_non_null(mysql_real_connect(mysql->root, "127.0.0.1", MARIADB_ROOT, NULL, DATABASE,
                                       mysql_factory_server.port, NULL, 0));
    /* The lease of the migration that has just been is by the server's own clock. */
    assert_int_equal(mysql_query(mysql->root, "DELETE FROM shedlock"), 0);
    ids_init(&mysql->outbox, units, "SELECT id FROM payment_outbox WHERE id > %lld ORDER BY id");
    ids_init(&mysql->failed_events, units,
             "SELECT id FROM failed_event WHERE id > %lld ORDER BY id");
    oracle->mysql = mysql;
    return true;
}

void oracle_mysql_close(struct oracle *oracle)
{
    struct oracle_mysql *mysql = oracle->mysql;
    if (mysql == NULL) {
        return;
    }
    print_message("mysql: %llu connections cut\n", (unsigned long long)mysql->faults);
    assert_true(mysql->faults > 0);
    print_message("mysql: %llu wrong hints\n", (unsigned long long)mysql->wrong_hints);
    assert_true(mysql->wrong_hints > 0);
    mysql->store->ops->close(mysql->store);
    mysql_close(mysql->root);
    tcp_proxy_close(&mysql->proxy);
    mysql_factory_stop();
    free(mysql->outbox.ids);
    free(mysql->failed_events.ids);
    free(mysql);
    oracle->mysql = NULL;
}

static void unit_translate(struct oracle_mysql *mysql, struct unit *unit)
{
    if (unit->kind == UNIT_OUTBOX_MOVE && unit->as.outbox.row_id != 0) {
        unit->as.outbox.row_id = id_here(&mysql->outbox, unit->as.outbox.row_id);
    } else if (unit->kind == UNIT_FAILED_EVENT_MOVE) {
        struct failed_event_row *row = &unit->as.failed_event.row;
        row->row_id = id_here(&mysql->failed_events, row->row_id);
    }
}

static enum batch_outcome submit(struct oracle *oracle, const struct unit *units,
                                 struct unit_result *results, uint32_t count)
{
    struct oracle_mysql *mysql = oracle->mysql;
    for (uint32_t i = 0; i < count; i++) {
        mysql->units[i] = units[i];
        unit_translate(mysql, &mysql->units[i]);
    }
    struct store_batch batch = {mysql->units, results, count, oracle->texts};
    mysql->wrong_hints += mysql_kit_hints_spoil(mysql->store, ++mysql->submits);
    enum batch_outcome outcome = mysql->store->ops->submit(mysql->store, &batch);
    if (outcome == BATCH_COMMITTED) {
        ids_learn(mysql, &mysql->outbox);
        ids_learn(mysql, &mysql->failed_events);
    }
    return outcome;
}

/* Units that meet are a batch each: here, the order in a batch is not that of its units. */
static void submit_each(struct oracle *oracle, const struct unit *units,
                        struct unit_result *results, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(submit(oracle, &units[i], &results[i], 1), BATCH_COMMITTED);
    }
}

/* The whole batch is seen to have been lost, after its COMMIT or before it. */
enum batch_outcome oracle_mysql_submit(struct oracle *oracle, const struct unit *units,
                                       struct unit_result *results, uint32_t count, bool meets,
                                       enum oracle_fault fault, uint32_t nth)
{
    struct oracle_mysql *mysql = oracle->mysql;
    if (meets) {
        submit_each(oracle, units, results, count);
        return BATCH_COMMITTED;
    }
    if (fault == ORACLE_FAULT_NONE) {
        return submit(oracle, units, results, count);
    }
    struct tcp_proxy_rule rule = {.action = TCP_PROXY_CUT_BEFORE, .nth = nth};
    if (fault == ORACLE_FAULT_ANSWER_LOST) {
        rule = (struct tcp_proxy_rule){.action = nth % 2 == 0 ? TCP_PROXY_CUT_AFTER
                                                              : TCP_PROXY_CUT_BEFORE,
                                       .statement = "COMMIT",
                                       .nth = 1};
    }
    tcp_proxy_rule(&mysql->proxy, rule);
    enum batch_outcome outcome = submit(oracle, units, results, count);
    bool struck = tcp_proxy_pass(&mysql->proxy);
    mysql->faults += struck;
    assert_true(struck || outcome == BATCH_COMMITTED);
    if (fault == ORACLE_FAULT_ANSWER_LOST && count > 0) {
        assert_int_equal(outcome, BATCH_UNKNOWN);
    }
    return outcome;
}

void oracle_mysql_compare_scan(struct oracle *oracle, const struct store_scan *scan,
                               const union store_row *rows, uint32_t count)
{
    static union store_row here[STORE_PAGE_MAX];
    struct oracle_mysql *mysql = oracle->mysql;
    struct store_scan translated = *scan;
    struct store_page page = {.rows = here, .texts = oracle->texts};
    if (scan->after_id > 0) {
        translated.after_id = id_here(&mysql->failed_events, scan->after_id);
    }
    assert_int_equal(mysql->store->ops->scan(mysql->store, &translated, &page), STORE_OK);
    assert_int_equal(page.count, count);
    for (uint32_t i = 0; i < count; i++) {
        union store_row row = rows[i];
        if (scan->kind == SCAN_PAYMENTS_DUE) {
            oracle_compare_payments(&here[i].payment, &row.payment);
        } else if (scan->kind == SCAN_OUTBOX_DUE) {
            row.outbox.row_id = id_here(&mysql->outbox, row.outbox.row_id);
            oracle_compare_outbox_rows(&here[i].outbox, &row.outbox);
        } else {
            row.failed_event.row_id = id_here(&mysql->failed_events, row.failed_event.row_id);
            oracle_compare_failed_events(&here[i].failed_event, &row.failed_event);
        }
    }
}

void oracle_mysql_compare_purge(struct oracle *oracle, int64_t older_than_ms, uint32_t limit,
                                uint32_t deleted)
{
    struct store *store = oracle->mysql->store;
    uint32_t count = 0;
    assert_int_equal(store->ops->purge(store, PURGE_OUTBOX_DONE, older_than_ms, limit, &count),
                     STORE_OK);
    assert_int_equal(count, deleted);
}

void oracle_mysql_compare_payment(struct oracle *oracle, text_id trip, enum store_status status,
                                  const struct payment_view *view)
{
    struct store *store = oracle->mysql->store;
    size_t len;
    const char *trip_id = texts_get(oracle->texts, trip, &len);
    struct payment_view here = {0};
    assert_int_equal(store->ops->read_payment(store, trip_id, len, oracle->texts, &here), status);
    oracle_compare_payments(&here.row, &view->row);
    assert_true(here.requested_at_ms == view->requested_at_ms);
    assert_true(here.completed_at_ms == view->completed_at_ms);
}

void oracle_mysql_compare_failed_event(struct oracle *oracle, int64_t row_id,
                                       enum store_status status, const struct failed_event_row *row)
{
    struct oracle_mysql *mysql = oracle->mysql;
    struct failed_event_row expected = *row;
    struct failed_event_row here = {0};
    int64_t id = id_here(&mysql->failed_events, row_id);
    assert_int_equal(mysql->store->ops->read_failed_event(mysql->store, id, oracle->texts, &here),
                     status);
    expected.row_id = status == STORE_OK ? id : 0;
    oracle_compare_failed_events(&here, &expected);
}

static int64_t count_rows(struct oracle_mysql *mysql, const char *sql)
{
    MYSQL_RES *result = query(mysql, sql);
    int64_t count = strtoll(mysql_fetch_row(result)[0], NULL, 10);
    mysql_free_result(result);
    return count;
}

static text_id cell(struct oracle *oracle, MYSQL_RES *result, MYSQL_ROW row, int at)
{
    if (row[at] == NULL) {
        return TEXT_NONE;
    }
    text_id id = texts_intern(oracle->texts, row[at], mysql_fetch_lengths(result)[at]);
    assert_int_not_equal(id, TEXT_NONE);
    return id;
}

/* One row by plain SQL: no scan shows those that are DONE. */
static void compare_outbox_row(struct oracle *oracle, const struct outbox_row *expected)
{
    static const char *const statuses[] = {"", "READY", "PUBLISHING", "DONE"};
    char sql[300];
    (void)snprintf(sql, sizeof(sql),
                   "SELECT event_id, token_process, token_sequence, due_at, record_at, epoch,"
                   " attempts, status, topic, record_key, body, headers FROM payment_outbox"
                   " WHERE id = %lld",
                   (long long)id_here(&oracle->mysql->outbox, expected->row_id));
    MYSQL_RES *result = query(oracle->mysql, sql);
    MYSQL_ROW row = mysql_fetch_row(result);
    assert_non_null(row);
    struct outbox_row here = {
        .row_id = expected->row_id,
        .token = {strtoull(row[1], NULL, 10), strtoull(row[2], NULL, 10)},
        .due_in_ms = row[3] == NULL ? DUE_NEVER : strtoll(row[3], NULL, 10) - oracle->now_ms,
        .record_at_ms = strtoll(row[4], NULL, 10),
        .epoch = (uint32_t)strtoul(row[5], NULL, 10),
        .attempts = (uint16_t)strtoul(row[6], NULL, 10),
        .status = expected->status,
        .has_key = row[9] != NULL,
        .has_body = row[10] != NULL,
        .topic = cell(oracle, result, row, 8),
        .key = cell(oracle, result, row, 9),
        .body = cell(oracle, result, row, 10),
        .headers = cell(oracle, result, row, 11)};
    assert_int_equal(mysql_fetch_lengths(result)[0], sizeof(here.event_id.bytes));
    memcpy(here.event_id.bytes, row[0], sizeof(here.event_id.bytes));
    assert_string_equal(row[7], statuses[expected->status]);
    oracle_compare_outbox_rows(&here, expected);
    mysql_free_result(result);
}

static void compare_leases(struct oracle *oracle)
{
    for (enum lease_name name = 0; name < LEASE_COUNT; name++) {
        struct model_store_lease lease = model_store_lease_at(&oracle->model, name);
        char sql[300];
        (void)snprintf(sql, sizeof(sql),
                       "SELECT CAST(UNIX_TIMESTAMP(lock_until) * 1000 AS SIGNED),"
                       " CAST(UNIX_TIMESTAMP(locked_at) * 1000 AS SIGNED), locked_by"
                       " FROM shedlock WHERE name = '%s'",
                       lease_name_text(name));
        MYSQL_RES *result = query(oracle->mysql, sql);
        MYSQL_ROW row = mysql_fetch_row(result);
        if (lease.holder == TEXT_NONE) {
            assert_null(row);
        } else {
            assert_non_null(row);
            assert_int_equal(strtoll(row[0], NULL, 10), lease.lock_until_ms);
            assert_int_equal(strtoll(row[1], NULL, 10), lease.locked_at_ms);
            assert_string_equal(row[2], texts_string(oracle->texts, lease.holder));
        }
        mysql_free_result(result);
    }
}

void oracle_mysql_compare_tables(struct oracle *oracle)
{
    struct oracle_mysql *mysql = oracle->mysql;
    int64_t count = 0;
    for (uint32_t i = 0; i < model_store_outbox_places(&oracle->model); i++) {
        struct outbox_row row;
        if (model_store_outbox_at(&oracle->model, i, &row)) {
            compare_outbox_row(oracle, &row);
            count++;
        }
    }
    assert_int_equal(count_rows(mysql, "SELECT COUNT(*) FROM payment_outbox"), count);
    assert_int_equal(count_rows(mysql, "SELECT COUNT(*) FROM payments"),
                     model_store_payment_count(&oracle->model));
    assert_int_equal(count_rows(mysql, "SELECT COUNT(*) FROM failed_event"),
                     model_store_failed_event_count(&oracle->model));
    compare_leases(oracle);
}
