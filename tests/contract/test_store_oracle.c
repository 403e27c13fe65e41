/*
 * The model as the oracle of SQLite and MySQL: random units, the same for all; batches that split,
 * abort and get lost. FAREBOX_ORACLE_UNITS says how many (40,000), FAREBOX_ORACLE_SEED which.
 * Without a MariaDB server, the model and SQLite alone.
 */
#include "store_factories.h"
#include "store_fault_vfs.h"
#include "store_oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNITS_DEFAULT 40000
#define TRIES_MAX     100
#define TEXTS_BYTES   (64u << 20)
#define START_MS      INT64_C(1790812800000)

static int64_t oracle_now(void *oracle)
{
    return ((struct oracle *)oracle)->now_ms;
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);
    return value == NULL ? otherwise : strtoull(value, NULL, 10);
}

static void oracle_open(struct oracle *oracle, const char *folder, uint64_t units, uint64_t seed)
{
    *oracle = (struct oracle){.random = seed, .now_ms = START_MS};
    /* A payment has one outcome until that is purged: many of them, for many outcomes. */
    oracle->trips = (uint32_t)(units / 8 + 10);
    uint32_t entries = oracle->trips * 2 + 10000;
    void *pool = malloc(texts_size(entries, TEXTS_BYTES));
    const struct model_store_limits limits = {oracle->trips, (uint32_t)units, (uint32_t)units};
    oracle->block = malloc(model_store_size(&limits));
    assert_non_null(pool);
    assert_non_null(oracle->block);
    oracle->texts = texts_init(pool, entries, TEXTS_BYTES);
    model_store_init(oracle->block, &limits);
    (void)model_store_open(&oracle->model, oracle->block, oracle->texts, oracle_now, oracle);
    char path[400];
    (void)snprintf(path, sizeof(path), "%s/oracle.db", folder);
    struct sqlite_store_options options = {.now_ms = oracle_now,
                                           .clock_context = oracle,
                                           .busy_timeout_ms = 1000,
                                           .migrate = true,
                                           .vfs = STORE_FAULT_VFS};
    char error[600] = "";
    if (!sqlite_store_open(path, &options, &oracle->sqlite, error, sizeof(error))) {
        fail_msg("%s", error);
    }
}

static void oracle_close(struct oracle *oracle)
{
    oracle->sqlite->ops->close(oracle->sqlite);
    oracle->model.base.ops->close(&oracle->model.base);
    free(oracle->block);
    free(oracle->texts);
}

static enum batch_outcome submit(struct oracle *oracle, struct store *store,
                                 const struct unit *units, struct unit_result *results,
                                 uint32_t count)
{
    struct store_batch batch = {units, results, count, oracle->texts};
    return store->ops->submit(store, &batch);
}

/* A batch on its way into all stores, and what each says about it. */
struct sending {
    const struct unit *units;
    uint32_t count;
    bool meets;
};

static struct unit_result sqlite_results[STORE_BATCH_MAX];
static struct unit_result mysql_results[STORE_BATCH_MAX];
static struct unit_result model_results[STORE_BATCH_MAX];

static void mysql_commit(struct oracle *oracle, const struct sending *sending)
{
    enum batch_outcome outcome = BATCH_ABORTED;
    for (int i = 0; i < TRIES_MAX && outcome != BATCH_COMMITTED; i++) {
        outcome = oracle_mysql_submit(oracle, sending->units, mysql_results, sending->count,
                                      sending->meets, ORACLE_FAULT_NONE, 0);
    }
    assert_int_equal(outcome, BATCH_COMMITTED);
}

/* The model commits, those that have not yet do it, and what they say must agree. */
static void commit_rest(struct oracle *oracle, const struct sending *sending, bool sqlite_has,
                        bool mysql_has)
{
    const struct unit *units = sending->units;
    uint32_t count = sending->count;
    assert_int_equal(submit(oracle, &oracle->model.base, units, model_results, count),
                     BATCH_COMMITTED);
    if (!sqlite_has) {
        assert_int_equal(submit(oracle, oracle->sqlite, units, sqlite_results, count),
                         BATCH_COMMITTED);
    }
    oracle_compare_results(sqlite_results, model_results, count);
    if (oracle->mysql != NULL) {
        if (!mysql_has) {
            mysql_commit(oracle, sending);
        }
        oracle_compare_results(mysql_results, model_results, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        oracle->verdicts[model_results[i].verdict]++;
    }
}

static void submit_all(struct oracle *oracle, const struct sending *sending)
{
    commit_rest(oracle, sending, false, false);
}

/* COMMIT's answer is lost: the results are gone, and the same units are sent again. */
static void submit_lost(struct oracle *oracle, const struct sending *sending)
{
    static struct unit_result gone[STORE_BATCH_MAX];
    uint32_t nth = oracle_draw(oracle, 2);
    assert_int_equal(submit(oracle, oracle->sqlite, sending->units, gone, sending->count),
                     BATCH_COMMITTED);
    assert_int_equal(submit(oracle, &oracle->model.base, sending->units, gone, sending->count),
                     BATCH_COMMITTED);
    bool committed = true;
    if (oracle->mysql != NULL) {
        (void)oracle_mysql_submit(oracle, sending->units, gone, sending->count, sending->meets,
                                  ORACLE_FAULT_ANSWER_LOST, nth);
        committed = nth == 0 || sending->meets;
    }
    /* What was not committed the first time happens now, and must not show another time. */
    oracle->now_ms += committed ? oracle_draw(oracle, 100) : 0 * oracle_draw(oracle, 100);
    submit_all(oracle, sending);
}

/* The disk fails under SQLite, MySQL's connection is cut. The batch is sent again, or given up
 * where it surely aborted in both. */
static void submit_with_fault(struct oracle *oracle, const struct sending *sending,
                              uint64_t *faults)
{
    uint32_t nth = 1 + oracle_draw(oracle, 20);
    bool gives_up = oracle_chance(oracle, 50);
    store_fault_arm(1 + oracle_draw(oracle, 3 + sending->count));
    enum batch_outcome sqlite =
        submit(oracle, oracle->sqlite, sending->units, sqlite_results, sending->count);
    bool struck = store_fault_clear();
    assert_true(struck || sqlite == BATCH_COMMITTED);
    *faults += sqlite != BATCH_COMMITTED;
    enum batch_outcome mysql = sqlite;
    if (oracle->mysql != NULL) {
        mysql = oracle_mysql_submit(oracle, sending->units, mysql_results, sending->count,
                                    sending->meets, ORACLE_FAULT_CUT, nth);
    }
    if (gives_up && sqlite == BATCH_ABORTED && mysql == BATCH_ABORTED) {
        return;
    }
    commit_rest(oracle, sending, sqlite == BATCH_COMMITTED, mysql == BATCH_COMMITTED);
}

/* In some batches units meet on one row, which the port does not ask for: the model and SQLite
 * apply them in order. */
static void stores_agree_on_every_result_and_row(void **state)
{
    (void)state;
    uint64_t units_max = setting("FAREBOX_ORACLE_UNITS", UNITS_DEFAULT);
    uint64_t seed = setting("FAREBOX_ORACLE_SEED", 1);
    char folder[300];
    assert_true(store_folder_open(folder, sizeof(folder)));
    static struct oracle oracle;
    static struct unit units[STORE_BATCH_MAX];
    store_fault_register();
    oracle_open(&oracle, folder, units_max, seed);
    (void)oracle_mysql_open(&oracle, units_max);
    uint64_t faults = 0;
    uint64_t lost = 0;
    for (uint64_t done = 0; done < units_max;) {
        oracle.now_ms += oracle_draw(&oracle, 300);
        struct sending sending = {.units = units};
        sending.count = oracle_batch(&oracle, units, &sending.meets);
        done += sending.count;
        uint32_t fate = oracle_draw(&oracle, 100);
        if (fate < 84) {
            submit_all(&oracle, &sending);
        } else if (fate < 92) {
            submit_lost(&oracle, &sending);
            lost++;
        } else {
            submit_with_fault(&oracle, &sending, &faults);
        }
        oracle_compare_reads(&oracle);
    }
    oracle_compare_tables(&oracle);
    const uint64_t *verdicts = oracle.verdicts;
    print_message("seed %llu: %llu applied, %llu refused, %llu duplicate, %llu failed units;"
                  " %llu batches lost, %llu hit by a fault\n",
                  (unsigned long long)seed, (unsigned long long)verdicts[UNIT_APPLIED],
                  (unsigned long long)verdicts[UNIT_REFUSED],
                  (unsigned long long)verdicts[UNIT_DUPLICATE],
                  (unsigned long long)verdicts[UNIT_ERROR], (unsigned long long)lost,
                  (unsigned long long)faults);
    assert_true(verdicts[UNIT_APPLIED] > 0 && verdicts[UNIT_REFUSED] > 0);
    assert_true(verdicts[UNIT_DUPLICATE] > 0 && verdicts[UNIT_ERROR] > 0);
    assert_true(lost > 0 && faults > 0);
    oracle_mysql_close(&oracle);
    oracle_close(&oracle);
    store_folder_close(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_agree_on_every_result_and_row),
    };
    return cmocka_run_group_tests_name("store: oracle", tests, NULL, NULL);
}
