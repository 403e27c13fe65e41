#include "row_texts.h"

#include <string.h>

bool row_texts_move(text_id *id, const struct texts *from, struct texts *to)
{
    size_t len;
    const char *bytes;

    if (*id == TEXT_NONE) {
        return true;
    }
    bytes = texts_get(from, *id, &len);
    *id = texts_intern(to, bytes, len);
    return *id != TEXT_NONE;
}

bool row_texts_payment(struct payment_row *row, const struct texts *from, struct texts *to)
{
    return row_texts_move(&row->trip_id, from, to) && row_texts_move(&row->user_id, from, to) &&
           row_texts_move(&row->method_id, from, to) && row_texts_move(&row->pg_id, from, to) &&
           row_texts_move(&row->refund_pg_id, from, to) &&
           row_texts_move(&row->traceparent, from, to) && row_texts_move(&row->code, from, to);
}

bool row_texts_outbox(struct outbox_row *row, const struct texts *from, struct texts *to)
{
    return row_texts_move(&row->topic, from, to) && row_texts_move(&row->key, from, to) &&
           row_texts_move(&row->body, from, to) && row_texts_move(&row->headers, from, to);
}

bool row_texts_failed_event(struct failed_event_row *row, const struct texts *from,
                            struct texts *to)
{
    return row_texts_move(&row->topic, from, to) && row_texts_move(&row->key, from, to) &&
           row_texts_move(&row->body, from, to) && row_texts_move(&row->headers, from, to) &&
           row_texts_move(&row->error, from, to);
}

bool row_texts_unit(struct unit *unit, const struct texts *from, struct texts *to)
{
    switch ((enum unit_kind)unit->kind) {
    case UNIT_PAYMENT_OPEN:
    case UNIT_PAYMENT_MOVE:
        return row_texts_payment(&unit->as.payment.row, from, to);
    case UNIT_OUTBOX_MOVE:
        return true;
    case UNIT_FAILED_EVENT_OPEN:
    case UNIT_FAILED_EVENT_MOVE:
        return row_texts_failed_event(&unit->as.failed_event.row, from, to);
    case UNIT_LEASE:
        return row_texts_move(&unit->as.lease.holder, from, to);
    }
    invariant_broken("a unit of no known kind");
    return false;
}

static void add_text(struct row_texts_room *room, text_id id, const struct texts *from)
{
    size_t len;

    if (id == TEXT_NONE) {
        return;
    }
    (void)texts_get(from, id, &len);
    room->entries++;
    room->bytes += len;
}

struct row_texts_room row_texts_results_room(const struct unit_result *results, uint32_t count,
                                             const struct texts *from)
{
    struct row_texts_room room = {0};

    for (uint32_t i = 0; i < count; i++) {
        const struct payment_row *row = &results[i].row;

        if (!results[i].has_row) {
            continue;
        }
        add_text(&room, row->trip_id, from);
        add_text(&room, row->user_id, from);
        add_text(&room, row->method_id, from);
        add_text(&room, row->pg_id, from);
        add_text(&room, row->refund_pg_id, from);
        add_text(&room, row->traceparent, from);
        add_text(&room, row->code, from);
    }
    return room;
}

bool row_texts_scanned(union store_row *row, enum scan_kind kind, const struct texts *from,
                       struct texts *to)
{
    switch (kind) {
    case SCAN_PAYMENTS_DUE:
        return row_texts_payment(&row->payment, from, to);
    case SCAN_OUTBOX_DUE:
        return row_texts_outbox(&row->outbox, from, to);
    case SCAN_FAILED_EVENTS:
        return row_texts_failed_event(&row->failed_event, from, to);
    }
    invariant_broken("a page of no known kind");
    return false;
}

bool row_texts_string(const struct texts *texts, text_id id, char *string, size_t size)
{
    size_t len = 0;
    const char *bytes = texts_get(texts, id, &len);

    if (len >= size) {
        return false;
    }
    if (len > 0) {
        memcpy(string, bytes, len);
    }
    string[len] = '\0';
    return true;
}
