#include "fakepg_records.h"

#include "fakepg_text.h"
#include "invariant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define BILLING_SEED     UINT64_C(0x62696c6c)
#define CARD_SEED        UINT64_C(0x63617264)
#define TRANSACTION_SEED UINT64_C(0x7472616e)

static void *need(void *memory)
{
    if (memory == NULL) {
        (void)fprintf(stderr, "farebox-fakepg: memory ran out\n");
        abort();
    }
    return memory;
}

static char *copy(const char *text)
{
    return need(strdup(text));
}

static void replace(char **text, const char *with)
{
    char *copied = copy(with);
    free(*text);
    *text = copied;
}

/* Room for one more row of `size` bytes. */
static void *room(void *rows, uint32_t count, uint32_t *have, size_t size)
{
    if (count < *have) {
        return rows;
    }
    *have = *have == 0 ? 64 : *have * 2;
    return need(realloc(rows, *have * size));
}

static void order_free(struct fakepg_order *order)
{
    for (uint32_t i = 0; i < order->cancel_count; i++) {
        free(order->cancels[i].reason);
    }
    free(order->cancels);
    free(order->order_id);
    free(order->order_name);
    free(order->customer_key);
    free(order->late_reason);
}

void fakepg_records_clear(struct fakepg_records *records)
{
    for (uint32_t i = 0; i < records->order_count; i++) {
        order_free(&records->orders[i]);
    }
    for (uint32_t i = 0; i < records->billing_count; i++) {
        free(records->billing[i].billing_key);
        free(records->billing[i].customer_key);
    }
    free(records->orders);
    free(records->transactions);
    free(records->billing);
    free(records->memos);
    fakepg_index_clear(&records->transaction_index);
    fakepg_index_clear(&records->billing_index);
    fakepg_index_clear(&records->memo_index);
    memset(records, 0, sizeof *records);
}

struct fakepg_order *fakepg_records_order(struct fakepg_records *records, uint32_t index,
                                          uint64_t account, const char *order_id)
{
    invariant(index <= records->order_count); /* the ledger makes one order at a time */
    if (index < records->order_count) {
        return &records->orders[index];
    }
    records->orders = room(records->orders, records->order_count, &records->orders_room,
                           sizeof records->orders[0]);
    struct fakepg_order *order = &records->orders[records->order_count++];
    *order = (struct fakepg_order){.order_id = copy(order_id),
                                   .order_name = copy(""),
                                   .customer_key = copy(""),
                                   .late_reason = copy(""),
                                   .account = account};
    return order;
}

void fakepg_records_requested(struct fakepg_records *records, uint32_t index,
                              const struct fakepg_input *input)
{
    struct fakepg_order *order = &records->orders[index];
    replace(&order->order_name, input->order_name);
    replace(&order->customer_key, input->customer_key);
    order->card = fakepg_hash(input->billing_key, CARD_SEED);
    order->tax_free_krw = input->tax_free_krw;
    order->requested_ms = input->at_ms;
}

void fakepg_transaction_key(const struct fakepg_order *order, uint32_t number,
                            char text[FAKEPG_TRANSACTION_KEY_SIZE])
{
    uint64_t seed = TRANSACTION_SEED ^ order->account ^ (uint64_t)number << 32;
    XXH128_hash_t hash = XXH3_128bits_withSeed(order->order_id, strlen(order->order_id), seed);
    (void)snprintf(text, FAKEPG_TRANSACTION_KEY_SIZE, "%016llX%016llX",
                   (unsigned long long)hash.high64, (unsigned long long)hash.low64);
}

static void transaction_add(struct fakepg_records *records, uint32_t index, uint32_t number,
                            int64_t at_ms)
{
    char key[FAKEPG_TRANSACTION_KEY_SIZE];
    records->transactions = room(records->transactions, records->transaction_count,
                                 &records->transactions_room, sizeof records->transactions[0]);
    uint32_t row = records->transaction_count++;
    records->transactions[row] =
        (struct fakepg_transaction){.order = index, .number = number, .at_ms = at_ms};
    fakepg_transaction_key(&records->orders[index], number, key);
    if (!fakepg_index_set(&records->transaction_index, fakepg_hash(key, TRANSACTION_SEED), row)) {
        (void)need(NULL);
    }
}

void fakepg_records_approved(struct fakepg_records *records, uint32_t index, int64_t total_krw,
                             int64_t at_ms)
{
    records->orders[index].approved_ms = at_ms;
    records->orders[index].total_krw = total_krw;
    transaction_add(records, index, 0, at_ms);
}

void fakepg_records_cancelled(struct fakepg_records *records, uint32_t index, int64_t amount_krw,
                              int64_t at_ms, const char *reason, bool outside)
{
    struct fakepg_order *order = &records->orders[index];
    order->cancels =
        need(realloc(order->cancels, (order->cancel_count + 1) * sizeof order->cancels[0]));
    order->cancels[order->cancel_count++] = (struct fakepg_cancel){
        .amount_krw = amount_krw, .at_ms = at_ms, .reason = copy(reason), .outside = outside};
    transaction_add(records, index, order->cancel_count, at_ms);
}

void fakepg_records_cancel_later(struct fakepg_records *records, uint32_t index, const char *reason)
{
    replace(&records->orders[index].late_reason, reason);
}

uint32_t fakepg_records_find_transaction(const struct fakepg_records *records, const char *key)
{
    return fakepg_index_find(&records->transaction_index, fakepg_hash(key, TRANSACTION_SEED));
}

uint32_t fakepg_records_find_billing(const struct fakepg_records *records, uint64_t account,
                                     const char *billing_key)
{
    return fakepg_index_find(&records->billing_index,
                             fakepg_hash(billing_key, BILLING_SEED ^ account));
}

uint32_t fakepg_records_issue(struct fakepg_records *records, const struct fakepg_input *input)
{
    records->billing = room(records->billing, records->billing_count, &records->billing_room,
                            sizeof records->billing[0]);
    uint32_t row = records->billing_count++;
    records->billing[row] = (struct fakepg_billing_key){.billing_key = copy(input->billing_key),
                                                        .customer_key = copy(input->customer_key),
                                                        .account = input->account,
                                                        .issued_ms = input->at_ms};
    uint64_t hash = fakepg_hash(input->billing_key, BILLING_SEED ^ input->account);
    if (!fakepg_index_set(&records->billing_index, hash, row)) {
        (void)need(NULL);
    }
    return row;
}

const struct fakepg_memo *fakepg_records_memo(const struct fakepg_records *records, uint64_t hash,
                                              int64_t now_ms)
{
    uint32_t row = fakepg_index_find(&records->memo_index, hash);
    bool kept =
        row != FAKEPG_NO_ROW && now_ms - records->memos[row].first_ms < PG_LEDGER_KEY_KEPT_MS;
    return kept ? &records->memos[row] : NULL;
}

void fakepg_records_remember(struct fakepg_records *records, uint64_t hash,
                             const struct fakepg_memo *memo)
{
    records->memos =
        room(records->memos, records->memo_count, &records->memos_room, sizeof records->memos[0]);
    records->memos[records->memo_count] = *memo;
    if (!fakepg_index_set(&records->memo_index, hash, records->memo_count++)) {
        (void)need(NULL);
    }
}
