/* fakepg_lists.c - GET /v1/transactions and /v1/settlements: lines of a time, page by page. */
#include "fakepg_call.h"
#include "fakepg_json.h"

#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     5000
#define DAY_MS        (INT64_C(24) * 3600 * 1000)

struct period {
    int64_t from_ms;
    int64_t until_ms; /* inclusive */
};

/* False: the answer says which date is wrong. */
static bool period_of(struct fakepg_call *call, bool by_day, struct period *period)
{
    char text[64];
    const char *query = call->request->query;
    if (!fakepg_query(query, "startDate", text, sizeof text)) {
        fakepg_call_refuse(call, "INVALID_REQUEST", FAKEPG_DETAIL_START_DATE);
        return false;
    }
    if (!fakepg_date_parse(text, true, &period->from_ms)) {
        fakepg_call_refuse(call, "INVALID_DATE", FAKEPG_DETAIL_NONE);
        return false;
    }
    if (!fakepg_query(query, "endDate", text, sizeof text)) {
        fakepg_call_refuse(call, "INVALID_REQUEST", FAKEPG_DETAIL_END_DATE);
        return false;
    }
    if (!fakepg_date_parse(text, true, &period->until_ms)) {
        fakepg_call_refuse(call, "INVALID_DATE", FAKEPG_DETAIL_NONE);
        return false;
    }
    if (by_day) {
        period->until_ms += DAY_MS - 1; /* the whole last day */
    }
    if (period->until_ms < period->from_ms) {
        fakepg_call_refuse(call, "INVALID_DATE", FAKEPG_DETAIL_NONE);
        return false;
    }
    return true;
}

/* A number from 1 to max. False: the answer says that it is wrong. */
static bool number_of(struct fakepg_call *call, const char *name, int64_t max, int64_t absent,
                      enum fakepg_detail detail, int64_t *value)
{
    char text[32];
    *value = absent;
    const char *query = call->request->query;
    if (query == NULL || strstr(query, name) == NULL) {
        return true;
    }
    if (!fakepg_query(query, name, text, sizeof text)) {
        return true;
    }
    if (!fakepg_number(text, value) || *value < 1 || *value > max) {
        fakepg_call_refuse(call, "INVALID_REQUEST", detail);
        return false;
    }
    return true;
}

static bool is_mine(const struct fakepg_call *call, const struct fakepg_transaction *transaction)
{
    const struct fakepg_order *order = &call->fakepg->records.orders[transaction->order];
    return order->account == call->merchant->account;
}

/* Where the list goes on. False: the answer says that there is no such transaction. */
static bool start_of(struct fakepg_call *call, uint32_t *start)
{
    char key[FAKEPG_KEY_SIZE];
    const struct fakepg_records *records = &call->fakepg->records;
    *start = 0;
    if (!fakepg_query(call->request->query, "startingAfter", key, sizeof key)) {
        return true;
    }
    uint32_t row = fakepg_records_find_transaction(records, key);
    if (row == FAKEPG_NO_ROW || !is_mine(call, &records->transactions[row])) {
        fakepg_call_refuse(call, "INVALID_TRANSACTION_KEY", FAKEPG_DETAIL_NONE);
        return false;
    }
    *start = row + 1;
    return true;
}

static json_t *transactions_of(const struct fakepg_call *call, const struct period *period,
                               uint32_t start, int64_t limit)
{
    const struct fakepg *fakepg = call->fakepg;
    json_t *list = json_array();
    for (uint32_t i = start; i < fakepg->records.transaction_count && limit > 0; i++) {
        const struct fakepg_transaction *transaction = &fakepg->records.transactions[i];
        if (!is_mine(call, transaction) || transaction->at_ms < period->from_ms ||
            transaction->at_ms > period->until_ms ||
            transaction->at_ms > fakepg->now_ms - fakepg->knobs.transactions_lag_ms) {
            continue;
        }
        (void)json_array_append_new(list, fakepg_json_transaction(fakepg, transaction));
        limit--;
    }
    return list;
}

/* True where the test code has answered already. The lock is held. */
static bool begin(struct fakepg_call *call)
{
    struct fakepg *fakepg = call->fakepg;
    (void)fakepg_now(fakepg);
    call->answer.delay_ms = fakepg_delay_draw(&fakepg->knobs.pg_delay, fakepg_random(fakepg));
    if (call->test_code != PG_FAKE_NO_CODE) {
        fakepg_call_refuse(call, pg_fake_code_name(call->test_code), FAKEPG_DETAIL_NONE);
        return true;
    }
    return false;
}

void fakepg_transactions(struct fakepg_call *call)
{
    struct period period;
    int64_t limit = 0;
    uint32_t start = 0;
    fakepg_lock(call->fakepg);
    if (!begin(call) && period_of(call, false, &period) &&
        number_of(call, "limit", LIMIT_MAX, LIMIT_DEFAULT, FAKEPG_DETAIL_LIMIT, &limit) &&
        start_of(call, &start)) {
        call->answer.status = 200;
        call->answer.json = transactions_of(call, &period, start, limit);
    }
    fakepg_unlock(call->fakepg);
}

/* False: the answer says that it is neither. */
static bool date_type_of(struct fakepg_call *call, bool *by_payout)
{
    char text[32];
    *by_payout = false;
    if (!fakepg_query(call->request->query, "dateType", text, sizeof text)) {
        return true;
    }
    *by_payout = strcmp(text, "paidOutDate") == 0;
    if (*by_payout || strcmp(text, "soldDate") == 0) {
        return true;
    }
    fakepg_call_refuse(call, "INVALID_REQUEST", FAKEPG_DETAIL_DATE_TYPE);
    return false;
}

static json_t *settlements_of(const struct fakepg_call *call, const struct period *period,
                              bool by_payout, int64_t skip, int64_t size)
{
    const struct fakepg *fakepg = call->fakepg;
    json_t *list = json_array();
    for (uint32_t i = 0; i < fakepg->records.transaction_count && size > 0; i++) {
        const struct fakepg_transaction *transaction = &fakepg->records.transactions[i];
        int64_t at_ms = transaction->at_ms + (by_payout ? FAKEPG_PAYOUT_MS : 0);
        if (!is_mine(call, transaction) || at_ms < period->from_ms || at_ms > period->until_ms ||
            skip-- > 0) {
            continue;
        }
        (void)json_array_append_new(list, fakepg_json_settlement(fakepg, transaction));
        size--;
    }
    return list;
}

void fakepg_settlements(struct fakepg_call *call)
{
    struct period period;
    bool by_payout = false;
    int64_t page = 0;
    int64_t size = 0;
    fakepg_lock(call->fakepg);
    if (!begin(call) && period_of(call, true, &period) && date_type_of(call, &by_payout) &&
        number_of(call, "page", INT32_MAX, 1, FAKEPG_DETAIL_PAGE, &page) &&
        number_of(call, "size", LIMIT_MAX, LIMIT_DEFAULT, FAKEPG_DETAIL_PAGE, &size)) {
        call->answer.status = 200;
        call->answer.json = settlements_of(call, &period, by_payout, (page - 1) * size, size);
    }
    fakepg_unlock(call->fakepg);
}
