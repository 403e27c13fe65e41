/*
 * pg_test_world.h - what the tests of the fake PG share: a ledger or fake in a block, a pool of
 * texts, requests by trip number, and a chooser that plays back a list.
 */
#ifndef FAREBOX_PG_TEST_WORLD_H
#define FAREBOX_PG_TEST_WORLD_H

#include "pg_fake.h"

#include <stdarg.h>
#include <stdio.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OUR_ACCOUNT   UINT64_C(0xacc0)
#define OTHER_ACCOUNT UINT64_C(0xacc1)

static inline struct texts *test_texts(void)
{
    return texts_init(malloc(texts_size(4096, 1 << 18)), 4096, 1 << 18);
}

static inline struct uuid test_order(uint32_t trip)
{
    struct uuid id = {{0xab, 0xcd}};
    memcpy(id.bytes + 12, &trip, sizeof trip);
    return id;
}

/* The charge of a trip as Farebox asks for it: its key is the payment id. */
static inline struct pg_ledger_request test_charge(struct texts *texts, uint32_t trip,
                                                   int64_t amount_krw)
{
    struct pg_ledger_request request = {
        .op = PG_LEDGER_CHARGE, .account = OUR_ACCOUNT, .amount_krw = amount_krw};
    char key[UUID_TEXT_SIZE];
    request.order_id = test_order(trip);
    uuid_format(&request.order_id, key);
    request.key = texts_intern_string(texts, key);
    request.billing_key = texts_intern_string(texts, "bk_first=");
    request.customer = texts_intern_string(texts, "user-1");
    return request;
}

static inline struct pg_ledger_request test_lookup(uint32_t trip)
{
    return (struct pg_ledger_request){
        .op = PG_LEDGER_LOOKUP, .account = OUR_ACCOUNT, .order_id = test_order(trip)};
}

/* Cancel number `no` of all that is left. */
static inline struct pg_ledger_request test_cancel(struct texts *texts, uint32_t trip, int no)
{
    struct pg_ledger_request request = {.op = PG_LEDGER_CANCEL,
                                        .account = OUR_ACCOUNT,
                                        .order_id = test_order(trip),
                                        .amount_krw = -1,
                                        .refundable_krw = -1};
    char id[UUID_TEXT_SIZE];
    char text[64];
    uuid_format(&request.order_id, id);
    snprintf(text, sizeof text, "%s:cancel:%d", id, no);
    request.key = texts_intern_string(texts, text);
    snprintf(text, sizeof text, "fakepay0_%s", id);
    request.pg_id = texts_intern_string(texts, text);
    return request;
}

#define assert_code(texts, answer, expected)                                                       \
    do {                                                                                           \
        struct pg_answer told_ = (answer);                                                         \
        assert_int_equal(told_.kind, PG_ANSWER_ERROR);                                             \
        assert_string_equal(texts_string(texts, told_.code), expected);                            \
    } while (0)

#define assert_payment(answer, expected_status, total, balance)                                    \
    do {                                                                                           \
        struct pg_answer told_ = (answer);                                                         \
        assert_int_equal(told_.kind, PG_ANSWER_PAYMENT);                                           \
        assert_int_equal(told_.status, expected_status);                                           \
        assert_int_equal(told_.total_krw, total);                                                  \
        assert_int_equal(told_.balance_krw, balance);                                              \
    } while (0)

#endif
