/*
 * pg_file_test_world.h - a ledger file in a private folder, opened and closed at will.
 */
#ifndef FAREBOX_PG_FILE_TEST_WORLD_H
#define FAREBOX_PG_FILE_TEST_WORLD_H

#include "pg_file.h"
#include "pg_test_world.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint64_t test_accounts[] = {OUR_ACCOUNT, OTHER_ACCOUNT};

struct world {
    char folder[64];
    char path[96];
    char message[PG_FILE_MESSAGE_SIZE];
    struct texts *texts;
    struct pg_file *file;
    struct pg_file_options options;
};

static inline int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    const char *tmp = getenv("TMPDIR");
    snprintf(w->folder, sizeof w->folder, "%s/pg_file.XXXXXX",
             tmp != NULL && strlen(tmp) < 40 ? tmp : "/tmp");
    assert_non_null(mkdtemp(w->folder));
    snprintf(w->path, sizeof w->path, "%s/ledger", w->folder);
    w->texts = test_texts();
    w->options = (struct pg_file_options){
        .path = w->path,
        .limits = {.ledger = {.orders_max = 4096, .keys_max = 8192, .pending_max = 2048},
                   .rules_max = 4},
        .config = {.timeout_ms = 60000},
        .accounts = test_accounts,
        .account_count = 2,
    };
    *state = w;
    return 0;
}

static inline enum pg_file_status try_open(struct world *w)
{
    return pg_file_open(&w->options, &w->file, w->message);
}

static inline void must_open(struct world *w)
{
    if (try_open(w) != PG_FILE_OK) {
        fail_msg("%s", w->message);
    }
    assert_string_equal(w->message, "");
}

static inline void must_close(struct world *w)
{
    pg_file_close(w->file);
    w->file = NULL;
}

static inline int teardown(void **state)
{
    struct world *w = *state;
    if (w->file != NULL) {
        must_close(w);
    }
    (void)unlink(w->path);
    int removed = rmdir(w->folder);
    free(w->texts);
    free(w);
    return removed;
}

static inline struct pg_answer ask(struct world *w, struct pg_ledger_request request,
                                   int64_t now_ms)
{
    struct pg_fake_reply reply;
    pg_file_call(w->file, w->texts, &request, now_ms, NULL, &reply);
    return reply.answer;
}

static inline void always(struct world *w, struct pg_fake_rule rule)
{
    assert_true(pg_fake_rule_add(pg_file_fake(w->file), &rule));
}

static inline struct pg_ledger_totals totals(struct world *w, uint32_t trip)
{
    struct uuid id = test_order(trip);
    return pg_ledger_totals(pg_fake_ledger_view(pg_file_fake(w->file)), &id);
}

/* The dump as a string; to be freed. */
static inline char *dump(struct world *w)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    assert_int_equal(pg_file_dump(w->file, out), PG_FILE_OK);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* The file's bytes; to be freed. */
static inline uint8_t *file_bytes(struct world *w, size_t *len)
{
    struct stat stat_now;
    assert_int_equal(stat(w->path, &stat_now), 0);
    *len = (size_t)stat_now.st_size;
    uint8_t *bytes = malloc(*len + 1);
    FILE *in = fopen(w->path, "rb");
    assert_non_null(in);
    assert_int_equal(fread(bytes, 1, *len, in), *len);
    assert_int_equal(fclose(in), 0);
    return bytes;
}

static inline void file_replace(struct world *w, const void *bytes, size_t len)
{
    FILE *out = fopen(w->path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
}

#define rule(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
