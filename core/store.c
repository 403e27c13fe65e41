#include "store.h"

#include <string.h>

/* Tables of characters, not of pointers: they need no relocation and stay in read-only memory. */
#define STORE_NAME_SIZE 32

static const char reason_names[REASON_COUNT][STORE_NAME_SIZE] = {
    [REASON_NONE] = "NONE",
    [REASON_DECLINED] = "DECLINED",
    [REASON_NO_PAYMENT_METHOD] = "NO_PAYMENT_METHOD",
    [REASON_CANCELLED] = "CANCELLED",
    [REASON_NEVER_CHARGED] = "NEVER_CHARGED",
    [REASON_REFUNDED] = "REFUNDED",
    [REASON_WRONG_AMOUNT] = "WRONG_AMOUNT",
    [REASON_NO_ANSWER] = "NO_ANSWER",
    [REASON_OTHER_ACCOUNT] = "OTHER_ACCOUNT",
    [REASON_LEGACY_ABSENT] = "LEGACY_ABSENT",
    [REASON_CANCEL_REFUSED] = "CANCEL_REFUSED",
    [REASON_PG_ID_MISMATCH] = "PG_ID_MISMATCH",
    [REASON_UNWRITABLE] = "UNWRITABLE",
};

static const char status_names[][STORE_NAME_SIZE] = {
    [PAYMENT_ABSENT] = "ABSENT",         [PAYMENT_REQUESTED] = "REQUESTED",
    [PAYMENT_PROCESSING] = "PROCESSING", [PAYMENT_COMPLETED] = "COMPLETED",
    [PAYMENT_FAILED] = "FAILED",         [PAYMENT_UNKNOWN] = "UNKNOWN",
};

#define STATUS_COUNT (sizeof(status_names) / sizeof(status_names[0]))

static const char lease_names[LEASE_COUNT][STORE_NAME_SIZE] = {
    [LEASE_RESCUE] = "Payment_rescueZombies",
    [LEASE_CLEANUP] = "Payment_cleanupOldEvents",
    [LEASE_MIGRATE] = "Payment_migrate",
};

/* The row of `names` that is `name`; 0 where none is, or `name` is NULL. */
static size_t store_name_find(const char names[][STORE_NAME_SIZE], size_t count, const char *name)
{
    for (size_t i = 0; name != NULL && i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    return 0;
}

const char *payment_reason_name(enum payment_reason reason)
{
    invariant((size_t)reason < REASON_COUNT);
    return reason_names[reason];
}

enum payment_reason payment_reason_parse(const char *name)
{
    return (enum payment_reason)store_name_find(reason_names, REASON_COUNT, name);
}

const char *payment_status_name(enum payment_status status)
{
    invariant((size_t)status < STATUS_COUNT);
    return status_names[status];
}

enum payment_status payment_status_parse(const char *name)
{
    return (enum payment_status)store_name_find(status_names, STATUS_COUNT, name);
}

const char *lease_name_text(enum lease_name name)
{
    invariant((size_t)name < LEASE_COUNT);
    return lease_names[name];
}

/* A text, or none, of at most `len_max` bytes. */
static bool store_text_fits(const struct texts *texts, text_id id, size_t len_max)
{
    size_t len;
    (void)texts_get(texts, id, &len);
    return len <= len_max;
}

/* A text of at most STORE_ID_MAX printable ASCII characters; maybe empty, but not none. */
static bool store_id_or_empty(const struct texts *texts, text_id id)
{
    size_t len;
    const char *bytes = texts_get(texts, id, &len);
    if (bytes == NULL || len > STORE_ID_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] < 0x20 || bytes[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

static bool store_id(const struct texts *texts, text_id id)
{
    return store_id_or_empty(texts, id) && texts_string(texts, id)[0] != '\0';
}

static bool store_id_or_none(const struct texts *texts, text_id id)
{
    return id == TEXT_NONE || store_id(texts, id);
}

static bool store_status_ok(uint8_t status)
{
    return status >= PAYMENT_REQUESTED && status <= PAYMENT_UNKNOWN;
}

static bool store_payment_row_ok(const struct payment_row *row, const struct texts *texts)
{
    bool enums = store_status_ok(row->status) && row->refund_state <= REFUND_DONE &&
                 row->needs_operator <= 1 && row->reason < REASON_COUNT;
    return enums && row->amount_krw >= 0 && store_id(texts, row->trip_id) &&
           store_id(texts, row->user_id) && store_id_or_empty(texts, row->method_id) &&
           store_id_or_none(texts, row->pg_id) && store_id_or_none(texts, row->refund_pg_id) &&
           store_text_fits(texts, row->traceparent, STORE_TRACEPARENT_MAX) &&
           store_text_fits(texts, row->code, STORE_CODE_MAX);
}

/* Where a part of a record is said to be there, it is. */
static bool store_part_ok(const struct texts *texts, uint8_t has, text_id id, size_t len_max)
{
    return has <= 1 && (has == 0 || id != TEXT_NONE) && store_text_fits(texts, id, len_max);
}

/* Law 5: the event's id is the payment's, by which stores know whose outcome it is. */
static bool store_outcome_ok(const struct unit_payment *payment, const struct texts *texts)
{
    const struct unit_outcome *outcome = &payment->outcome;
    if (outcome->type == OUTCOME_NONE) {
        return true;
    }
    const struct outbox_row *record = &outcome->record;
    return outcome->type <= OUTCOME_FAILED && outcome->lease_ms >= 0 &&
           uuid_equal(&record->event_id, &payment->row.payment_id) &&
           store_id(texts, record->topic) &&
           store_part_ok(texts, record->has_key, record->key, STORE_ID_MAX) &&
           store_part_ok(texts, record->has_body, record->body, STORE_BODY_MAX) &&
           store_text_fits(texts, record->headers, STORE_HEADERS_MAX);
}

static bool store_payment_ok(const struct unit_payment *payment, bool move,
                             const struct texts *texts)
{
    return (!move || store_status_ok(payment->guard_status)) &&
           !uuid_is_nil(&payment->row.payment_id) && payment->claimed_at <= INSTANT_CLEAR &&
           payment->cancel_at <= INSTANT_CLEAR && store_payment_row_ok(&payment->row, texts) &&
           store_outcome_ok(payment, texts);
}

static bool store_outbox_status_ok(uint8_t status)
{
    return status >= OUTBOX_READY && status <= OUTBOX_DONE;
}

/* The guard names a row, or the outcome of a payment: a nil id is no payment's. */
static bool store_outbox_ok(const struct unit_outbox *outbox)
{
    return (outbox->row_id > 0 || (outbox->row_id == 0 && !uuid_is_nil(&outbox->event_id))) &&
           store_outbox_status_ok(outbox->guard_status) && store_outbox_status_ok(outbox->status);
}

static bool store_failed_event_open_ok(const struct failed_event_row *row,
                                       const struct texts *texts)
{
    return row->status == FAILED_EVENT_PENDING && store_id(texts, row->topic) &&
           store_part_ok(texts, row->has_key, row->key, STORE_KEY_MAX) &&
           store_part_ok(texts, row->has_body, row->body, STORE_BODY_MAX) &&
           store_text_fits(texts, row->headers, STORE_HEADERS_MAX) &&
           store_text_fits(texts, row->error, STORE_ERROR_MAX);
}

static bool store_failed_event_move_ok(const struct failed_event_row *row)
{
    return row->row_id > 0 &&
           (row->status == FAILED_EVENT_RESOLVED || row->status == FAILED_EVENT_IGNORED);
}

static bool store_lease_ok(const struct unit_lease *lease, const struct texts *texts)
{
    return lease->name < LEASE_COUNT && lease->op >= LEASE_TAKE && lease->op <= LEASE_RELEASE &&
           lease->lock_ms >= 0 && lease->at_least_ms >= 0 && store_id(texts, lease->holder);
}

bool store_unit_check(const struct unit *unit, const struct texts *texts)
{
    switch ((enum unit_kind)unit->kind) {
    case UNIT_PAYMENT_OPEN:
        return store_payment_ok(&unit->as.payment, false, texts);
    case UNIT_PAYMENT_MOVE:
        return store_payment_ok(&unit->as.payment, true, texts);
    case UNIT_OUTBOX_MOVE:
        return store_outbox_ok(&unit->as.outbox);
    case UNIT_FAILED_EVENT_OPEN:
        return store_failed_event_open_ok(&unit->as.failed_event.row, texts);
    case UNIT_FAILED_EVENT_MOVE:
        return store_failed_event_move_ok(&unit->as.failed_event.row);
    case UNIT_LEASE:
        return store_lease_ok(&unit->as.lease, texts);
    }
    return false;
}
