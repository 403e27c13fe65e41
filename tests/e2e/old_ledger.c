#include "old_ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_gateway.h"
#include "pg_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXTS_MAX  64
#define TEXT_BYTES 16384

static struct pg_file *ledger_open(const char *path, bool read_only)
{
    const uint64_t account = fake_gateway_account();
    const struct pg_file_options options = {.path = path,
                                            .limits = {{100000, 200000, 10000}, 0},
                                            .config = {.timeout_ms = 60000},
                                            .accounts = &account,
                                            .account_count = read_only ? 0 : 1,
                                            .read_only = read_only};
    struct pg_file *file = NULL;
    char message[PG_FILE_MESSAGE_SIZE];
    if (pg_file_open(&options, &file, message) != PG_FILE_OK) {
        fail_msg("%s", message);
    }
    return file;
}

/* The payment's id at the PG, which must have taken the call. */
static void ledger_call(const char *path, struct texts *texts, struct pg_ledger_request *request,
                        char pg_id[PG_LEDGER_PG_ID_SIZE])
{
    struct pg_file *file = ledger_open(path, false);
    struct pg_fake_reply reply;
    request->account = fake_gateway_account();
    pg_file_call(file, texts, request, (int64_t)time(NULL) * 1000, NULL, &reply);
    assert_int_equal(reply.answer.kind, PG_ANSWER_PAYMENT);
    if (pg_id != NULL) {
        (void)snprintf(pg_id, PG_LEDGER_PG_ID_SIZE, "%s", texts_string(texts, reply.answer.pg_id));
    }
    pg_file_close(file);
}

static struct texts *texts_make(void)
{
    void *block = malloc(texts_size(TEXTS_MAX, TEXT_BYTES));
    assert_non_null(block);
    return texts_init(block, TEXTS_MAX, TEXT_BYTES);
}

void old_ledger_charge(const char *path, const char *order, int64_t amount_krw,
                       char pg_id[PG_LEDGER_PG_ID_SIZE])
{
    struct texts *texts = texts_make();
    struct pg_ledger_request request = {.op = PG_LEDGER_CHARGE, .amount_krw = amount_krw};
    assert_true(uuid_from_text(order, strlen(order), &request.order_id));
    request.billing_key = texts_intern_string(texts, "old-billing-key");
    request.customer = texts_intern_string(texts, "user-1");
    ledger_call(path, texts, &request, pg_id);
    free(texts);
}

void old_ledger_cancel(const char *path, const char *pg_id)
{
    struct texts *texts = texts_make();
    struct pg_ledger_request request = {
        .op = PG_LEDGER_CANCEL, .amount_krw = -1, .refundable_krw = -1};
    request.pg_id = texts_intern_string(texts, pg_id);
    ledger_call(path, texts, &request, NULL);
    free(texts);
}

struct pg_ledger_totals old_ledger_totals(const char *path, const char *order)
{
    struct uuid id;
    assert_true(uuid_from_text(order, strlen(order), &id));
    struct pg_file *file = ledger_open(path, true);
    struct pg_ledger_totals totals = pg_ledger_totals(pg_fake_ledger_view(pg_file_fake(file)), &id);
    pg_file_close(file);
    return totals;
}
