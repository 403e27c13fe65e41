/*
 * fakepg_codes.h - the HTTP status and the text for people of each error code.
 *
 * Pure. Source: CONTRACTS 6, tests/data/toss-codes.tsv (a test compares); the texts are those that
 * the published error tables have, where they have one.
 */
#ifndef FAREBOX_FAKEPG_CODES_H
#define FAREBOX_FAKEPG_CODES_H

#include <stddef.h>

/* What is wrong with a request: the number that the ledger keeps with an INVALID_REQUEST. */
enum fakepg_detail {
    FAKEPG_DETAIL_NONE = 0,
    FAKEPG_DETAIL_BODY,
    FAKEPG_DETAIL_CONTENT_TYPE,
    FAKEPG_DETAIL_AMOUNT,
    FAKEPG_DETAIL_ORDER_ID,
    FAKEPG_DETAIL_ORDER_NAME,
    FAKEPG_DETAIL_CUSTOMER_KEY,
    FAKEPG_DETAIL_CANCEL_REASON,
    FAKEPG_DETAIL_CANCEL_AMOUNT,
    FAKEPG_DETAIL_REFUNDABLE_AMOUNT,
    FAKEPG_DETAIL_TAX_FREE_AMOUNT,
    FAKEPG_DETAIL_AUTH_KEY,
    FAKEPG_DETAIL_CARD_NUMBER,
    FAKEPG_DETAIL_CARD_EXPIRATION,
    FAKEPG_DETAIL_IDENTITY,
    FAKEPG_DETAIL_START_DATE,
    FAKEPG_DETAIL_END_DATE,
    FAKEPG_DETAIL_LIMIT,
    FAKEPG_DETAIL_DATE_TYPE,
    FAKEPG_DETAIL_PAGE,
    FAKEPG_DETAIL_COUNT
};

/* 500 for a code that is not in the table. */
int fakepg_code_status(const char *code);

/* Never NULL. */
const char *fakepg_code_message(const char *code);

/* The member that a detail names, e.g. "amount"; "" for NONE. */
const char *fakepg_detail_name(enum fakepg_detail detail);

/* Writes the text for people: the code's, and the member's name where there is one. */
void fakepg_code_text(const char *code, enum fakepg_detail detail, char *text, size_t size);

#endif
