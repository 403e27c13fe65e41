/*
 * Feeds any bytes as answers of the PG, pricing and users: nothing crashes, texts are as their
 * headers promise, and what is no Payment object or error says nothing.
 *
 * The first byte chooses the status.
 */
#include "invariant.h"
#include "pg_answer_codec.h"
#include "pg_code.h"
#include "upstream_codec.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_pg(int status, const char *body, size_t len)
{
    static const struct uuid order = {{0x70, 1, 2, 3}};
    struct pg_answer answer;
    struct pg_answer_texts texts;

    pg_answer_decode(status, body, len, &order, &answer, &texts);
    invariant(answer.pg_id == TEXT_NONE && answer.code == TEXT_NONE);
    invariant(strlen(texts.pg_id) <= STORE_ID_MAX && strlen(texts.code) <= STORE_CODE_MAX);
    switch ((enum pg_answer_kind)answer.kind) {
    case PG_ANSWER_PAYMENT:
        invariant(status == 200 && answer.total_krw >= 0 && answer.balance_krw >= 0);
        return;
    case PG_ANSWER_ERROR:
        invariant(status >= 400 && texts.code[0] != '\0');
        invariant(answer.code_class == pg_code_classify(texts.code, strlen(texts.code)));
        return;
    case PG_ANSWER_BROKEN:
        invariant(texts.pg_id[0] == '\0' && texts.code[0] == '\0');
        return;
    case PG_ANSWER_NOT_SENT:
    case PG_ANSWER_TIMEOUT:
        break;
    }
    invariant(false && "an answer was read as no answer");
}

static void check_upstreams(int status, const char *body, size_t len)
{
    struct upstream_answer answer;
    struct upstream_texts texts;

    upstream_decode_fare(status, body, len, &answer);
    invariant(answer.fare_krw >= 0 && (answer.kind == UPSTREAM_OK || answer.fare_krw == 0));
    upstream_decode_payer(status, body, len, "user-1", &answer, &texts);
    invariant((answer.kind == UPSTREAM_OK) == (texts.billing_key[0] != '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 200, 400, 403, 404, 429, 500, 204, 301, 0};
    int status;

    if (size == 0) {
        return 0;
    }
    status = statuses[data[0] % (sizeof(statuses) / sizeof(statuses[0]))];
    check_pg(status, (const char *)data + 1, size - 1);
    check_upstreams(status, (const char *)data + 1, size - 1);
    return 0;
}
