/*
 * The model as the oracle of SQLite: random units, the same for both; batches that split, abort
 * and get lost. FAREBOX_ORACLE_UNITS says how many (100,000), FAREBOX_ORACLE_SEED which.
 */
#include "store_factories.h"
#include "store_fault_vfs.h"
#include "store_oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNITS_DEFAULT 100000
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
    oracle->trips = (uint32_t)(units / 20 + 10);
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

/* Both commit; what they say must agree. */
static void submit_both(struct oracle *oracle, const struct unit *units, uint32_t count)
{
    static struct unit_result sqlite[STORE_BATCH_MAX];
    static struct unit_result model[STORE_BATCH_MAX];
    assert_int_equal(submit(oracle, oracle->sqlite, units, sqlite, count), BATCH_COMMITTED);
    assert_int_equal(submit(oracle, &oracle->model.base, units, model, count), BATCH_COMMITTED);
    oracle_compare_results(oracle, sqlite, model, count);
}

/* COMMIT's answer is lost: the results are gone, and the same units are sent again. */
static void submit_lost(struct oracle *oracle, const struct unit *units, uint32_t count)
{
    static struct unit_result gone[STORE_BATCH_MAX];
    assert_int_equal(submit(oracle, oracle->sqlite, units, gone, count), BATCH_COMMITTED);
    assert_int_equal(submit(oracle, &oracle->model.base, units, gone, count), BATCH_COMMITTED);
    oracle->now_ms += oracle_draw(oracle, 100);
    submit_both(oracle, units, count);
}

/* The disk fails under SQLite. The batch is sent again, or given up where it surely aborted. */
static void submit_with_fault(struct oracle *oracle, const struct unit *units, uint32_t count,
                              uint64_t *faults)
{
    static struct unit_result sqlite[STORE_BATCH_MAX];
    static struct unit_result model[STORE_BATCH_MAX];
    store_fault_arm(1 + oracle_draw(oracle, 3 + count));
    enum batch_outcome outcome = submit(oracle, oracle->sqlite, units, sqlite, count);
    bool struck = store_fault_clear();
    if (outcome == BATCH_COMMITTED) {
        assert_int_equal(submit(oracle, &oracle->model.base, units, model, count), BATCH_COMMITTED);
        oracle_compare_results(oracle, sqlite, model, count);
        return;
    }
    assert_true(struck);
    ++*faults;
    if (outcome == BATCH_UNKNOWN || oracle_chance(oracle, 50)) {
        submit_both(oracle, units, count);
    }
}

static uint32_t batch_draw(struct oracle *oracle, struct unit *units)
{
    uint32_t count = 1 + oracle_draw(oracle, oracle_chance(oracle, 5) ? STORE_BATCH_MAX : 60);
    for (uint32_t i = 0; i < count; i++) {
        oracle_unit(oracle, &units[i]);
    }
    return count;
}

/* Units of one batch may meet on one row here, which the port does not ask for: both stores
 * apply them in order. */
static void sqlite_and_model_agree_on_every_result_and_row(void **state)
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
    uint64_t faults = 0;
    uint64_t lost = 0;
    for (uint64_t done = 0; done < units_max;) {
        oracle.now_ms += oracle_draw(&oracle, 300);
        uint32_t count = batch_draw(&oracle, units);
        done += count;
        uint32_t fate = oracle_draw(&oracle, 100);
        if (fate < 84) {
            submit_both(&oracle, units, count);
        } else if (fate < 92) {
            submit_lost(&oracle, units, count);
            lost++;
        } else {
            submit_with_fault(&oracle, units, count, &faults);
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
    oracle_close(&oracle);
    store_folder_close(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sqlite_and_model_agree_on_every_result_and_row),
    };
    return cmocka_run_group_tests_name("store: oracle", tests, NULL, NULL);
}
