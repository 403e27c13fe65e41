#include "pg_code.h"

#include "invariant.h"

#include <string.h>

/* Sorted by code (strcmp order), because the search halves it. No pointers: the table needs no
 * relocation and stays in read-only memory. */
#define PG_CODE_SIZE 56
struct pg_code {
    char text[PG_CODE_SIZE - 1];
    uint8_t class; /* enum pg_code_class */
};

static const struct pg_code pg_codes[] = {
    {"ALREADY_CANCELED_PAYMENT", PG_CODE_CANCELLED_ALREADY},
    {"ALREADY_PROCESSED_PAYMENT", PG_CODE_UNKNOWN},
    {"ALREADY_PROCESSING_REQUEST", PG_CODE_UNKNOWN},
    {"ALREADY_REFUNDING_PAYMENT", PG_CODE_UNKNOWN},
    {"ALREADY_REFUND_PAYMENT", PG_CODE_CANCELLED_ALREADY},
    {"ALREADY_REMOVED_BILLING_KEY", PG_CODE_DECLINED},
    {"BELOW_MINIMUM_AMOUNT", PG_CODE_DECLINED},
    {"CARD_PROCESSING_ERROR", PG_CODE_UNKNOWN},
    {"COMMON_ERROR", PG_CODE_UNKNOWN},
    {"DUPLICATED_ORDER_ID", PG_CODE_UNKNOWN},
    {"EXCEED_CANCEL_AMOUNT_DISCOUNT_AMOUNT", PG_CODE_CANCEL_REFUSED},
    {"EXCEED_CANCEL_LIMIT", PG_CODE_CANCEL_REFUSED},
    {"EXCEED_MAX_AUTH_COUNT", PG_CODE_DECLINED},
    {"EXCEED_MAX_REFUND_DUE", PG_CODE_CANCEL_REFUSED},
    {"FAILED_BILLING_AUTO_CANCEL", PG_CODE_UNKNOWN},
    {"FAILED_CARD_COMPANY_RESPONSE", PG_CODE_UNKNOWN},
    {"FAILED_DB_PROCESSING", PG_CODE_UNKNOWN},
    {"FAILED_INTERNAL_SYSTEM_PROCESSING", PG_CODE_UNKNOWN},
    {"FAILED_METHOD_HANDLING", PG_CODE_UNKNOWN},
    {"FAILED_METHOD_HANDLING_CANCEL", PG_CODE_UNKNOWN},
    {"FAILED_PARTIAL_REFUND", PG_CODE_UNKNOWN},
    {"FAILED_PAYMENT_INTERNAL_SYSTEM_PROCESSING", PG_CODE_UNKNOWN},
    {"FAILED_REFUND_PROCESS", PG_CODE_UNKNOWN},
    {"FORBIDDEN_CONSECUTIVE_REQUEST", PG_CODE_UNKNOWN},
    {"FORBIDDEN_REQUEST", PG_CODE_CREDENTIALS},
    {"IDEMPOTENT_REQUEST_PROCESSING", PG_CODE_RETRY},
    {"INCORRECT_BASIC_AUTH_FORMAT", PG_CODE_CREDENTIALS},
    {"INSECURE_KEY_USAGE", PG_CODE_CREDENTIALS},
    {"INVALID_API_KEY", PG_CODE_CREDENTIALS},
    {"INVALID_BILL_KEY_REQUEST", PG_CODE_DECLINED},
    {"INVALID_CARD_EXPIRATION", PG_CODE_DECLINED},
    {"INVALID_CARD_INSTALLMENT_PLAN", PG_CODE_DECLINED},
    {"INVALID_CARD_LOST_OR_STOLEN", PG_CODE_DECLINED},
    {"INVALID_CARD_NUMBER", PG_CODE_DECLINED},
    {"INVALID_CUSTOMER_KEY", PG_CODE_REQUEST},
    {"INVALID_DATE", PG_CODE_REQUEST},
    {"INVALID_IDEMPOTENCY_KEY", PG_CODE_REQUEST},
    {"INVALID_ORDER_ID", PG_CODE_REQUEST},
    {"INVALID_ORDER_NAME", PG_CODE_REQUEST},
    {"INVALID_PAYMENT_KEY", PG_CODE_REQUEST},
    {"INVALID_REJECT_CARD", PG_CODE_DECLINED},
    {"INVALID_REQUEST", PG_CODE_REQUEST},
    {"INVALID_REQUIRED_PARAM", PG_CODE_REQUEST},
    {"INVALID_STOPPED_CARD", PG_CODE_DECLINED},
    {"INVALID_TEST_CODE", PG_CODE_REQUEST},
    {"INVALID_TRANSACTION_KEY", PG_CODE_REQUEST},
    {"NOT_ALLOWED_PARTIAL_REFUND", PG_CODE_CANCEL_REFUSED},
    {"NOT_CANCELABLE_AMOUNT", PG_CODE_UNKNOWN},
    {"NOT_CANCELABLE_PAYMENT", PG_CODE_CANCEL_REFUSED},
    {"NOT_CANCELABLE_PAYMENT_FOR_DORMANT_USER", PG_CODE_CANCEL_REFUSED},
    {"NOT_FOUND", PG_CODE_REQUEST},
    {"NOT_FOUND_BILLING", PG_CODE_DECLINED},
    {"NOT_FOUND_PAYMENT", PG_CODE_NOT_FOUND},
    {"NOT_MATCHES_CUSTOMER_KEY", PG_CODE_DECLINED},
    {"NOT_MATCHES_REFUNDABLE_AMOUNT", PG_CODE_UNKNOWN},
    {"NOT_REGISTERED_CARD_COMPANY", PG_CODE_DECLINED},
    {"NOT_SUPPORTED_CARD_TYPE", PG_CODE_DECLINED},
    {"NOT_SUPPORTED_INSTALLMENT_PLAN_CARD_OR_MERCHANT", PG_CODE_DECLINED},
    {"NOT_SUPPORTED_MONTHLY_INSTALLMENT_PLAN", PG_CODE_DECLINED},
    {"PROVIDER_ERROR", PG_CODE_UNKNOWN},
    {"REFUND_REJECTED", PG_CODE_CANCEL_REFUSED},
    {"REJECT_ACCOUNT_PAYMENT", PG_CODE_DECLINED},
    {"REJECT_CARD_COMPANY", PG_CODE_DECLINED},
    {"REJECT_CARD_PAYMENT", PG_CODE_DECLINED},
    {"TOO_MANY_REQUESTS", PG_CODE_RETRY},
    {"UNAUTHORIZED_KEY", PG_CODE_CREDENTIALS},
    {"UNKNOWN_ERROR", PG_CODE_UNKNOWN},
    {"UNKNOWN_PAYMENT_ERROR", PG_CODE_UNKNOWN},
};

#define PG_CODE_ROWS (sizeof(pg_codes) / sizeof(pg_codes[0]))

/* Like strcmp, against bytes without a NUL at their end. */
static int pg_code_compare(const char *code, size_t len, const char *text)
{
    size_t text_len = strlen(text);
    int order = memcmp(code, text, len < text_len ? len : text_len);
    if (order != 0) {
        return order;
    }
    return (len > text_len) - (len < text_len);
}

enum pg_code_class pg_code_classify(const char *code, size_t len)
{
    if (len == 0) {
        return PG_CODE_UNKNOWN;
    }
    size_t low = 0;
    size_t high = PG_CODE_ROWS;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = pg_code_compare(code, len, pg_codes[middle].text);
        if (order == 0) {
            return (enum pg_code_class)pg_codes[middle].class;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return PG_CODE_UNKNOWN;
}

size_t pg_code_count(void)
{
    return PG_CODE_ROWS;
}

const char *pg_code_at(size_t index)
{
    invariant(index < PG_CODE_ROWS);
    return pg_codes[index].text;
}
