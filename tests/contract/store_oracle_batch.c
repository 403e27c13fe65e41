/* Batches of random units: as the port asks for them, or not. */
#include "store_oracle.h"

#include <string.h>

/* Of a hundred batches, how many have units that meet. */
#define MEETING_PERCENT 5u
#define KEYS_MAX        (3u * STORE_BATCH_MAX)

/* What a unit writes, or finds in its way. */
struct key {
    uint64_t kind; /* enum key_kind */
    uint64_t parts[4];
};

enum key_kind { KEY_PAYMENT, KEY_TRIP, KEY_EVENT, KEY_OUTBOX_ROW, KEY_ORIGIN, KEY_LEASE };

struct keys {
    uint32_t count;
    struct key keys[KEYS_MAX];
};

static struct key uuid_key(enum key_kind kind, const struct uuid *id)
{
    struct key key = {.kind = kind};
    memcpy(key.parts, id->bytes, sizeof(id->bytes));
    return key;
}

static struct key origin_key(const struct failed_event_row *row)
{
    return (struct key){.kind = KEY_ORIGIN,
                        .parts = {row->topic, (uint64_t)row->origin_partition,
                                  (uint64_t)row->origin_offset, (uint64_t)row->origin_at_ms}};
}

static uint32_t payment_keys(const struct unit *unit, struct key *keys)
{
    const struct unit_payment *payment = &unit->as.payment;
    keys[0] = uuid_key(KEY_PAYMENT, &payment->row.payment_id);
    keys[1] = (struct key){.kind = KEY_TRIP, .parts = {payment->row.trip_id}};
    if (payment->outcome.type == OUTCOME_NONE) {
        return 2;
    }
    keys[2] = uuid_key(KEY_EVENT, &payment->outcome.record.event_id);
    return 3;
}

/* The keys of a unit, at most 3. 0: its row is not there yet, so that its order would matter. */
static uint32_t unit_keys(struct oracle *oracle, const struct unit *unit, struct key *keys)
{
    const struct unit_failed_event *event = &unit->as.failed_event;
    struct store *model = &oracle->model.base;
    struct failed_event_row row;
    switch (unit->kind) {
    case UNIT_OUTBOX_MOVE:
        keys[0] = uuid_key(KEY_EVENT, &unit->as.outbox.event_id);
        keys[1] = (struct key){.kind = KEY_OUTBOX_ROW, .parts = {(uint64_t)unit->as.outbox.row_id}};
        if (uuid_is_nil(&unit->as.outbox.event_id)) {
            return 0;
        }
        return unit->as.outbox.row_id == 0 ? 1 : 2;
    case UNIT_FAILED_EVENT_OPEN:
        keys[0] = origin_key(&event->row);
        return 1;
    case UNIT_FAILED_EVENT_MOVE:
        if (model->ops->read_failed_event(model, event->row.row_id, oracle->texts, &row) !=
            STORE_OK) {
            return 0;
        }
        keys[0] = origin_key(&row);
        keys[1] = uuid_key(KEY_EVENT, &event->event_id);
        return event->row.status == FAILED_EVENT_RESOLVED ? 2 : 1;
    case UNIT_LEASE:
        keys[0] = (struct key){.kind = KEY_LEASE, .parts = {unit->as.lease.name}};
        return 1;
    default: /* payments, and units of no kind */
        return payment_keys(unit, keys);
    }
}

static bool key_is_in(const struct keys *keys, const struct key *key)
{
    for (uint32_t i = 0; i < keys->count; i++) {
        if (memcmp(&keys->keys[i], key, sizeof(*key)) == 0) {
            return true;
        }
    }
    return false;
}

/* False: the unit meets another one of the batch. */
static bool keys_take(struct oracle *oracle, struct keys *taken, const struct unit *unit)
{
    struct key keys[3];
    uint32_t count = unit_keys(oracle, unit, keys);
    for (uint32_t i = 0; i < count; i++) {
        if (key_is_in(taken, &keys[i])) {
            return false;
        }
    }
    memcpy(&taken->keys[taken->count], keys, count * sizeof(keys[0]));
    taken->count += count;
    return count > 0;
}

static int rank(const struct unit *unit)
{
    return unit->kind == UNIT_PAYMENT_OPEN ? 0 : unit->kind == UNIT_PAYMENT_MOVE ? 1 : 2;
}

/* Opens by payment id, then moves by payment id, then the rest as it came. */
static bool is_before(const struct unit *a, const struct unit *b)
{
    if (rank(a) != rank(b) || rank(a) == 2) {
        return rank(a) < rank(b);
    }
    return uuid_order(&a->as.payment.row.payment_id, &b->as.payment.row.payment_id) < 0;
}

/* The place of a new unit among those that are in order already. */
static void unit_insert(struct unit *units, uint32_t count, const struct unit *unit)
{
    uint32_t at = count;
    while (at > 0 && is_before(unit, &units[at - 1])) {
        at--;
    }
    memmove(&units[at + 1], &units[at], (count - at) * sizeof(*units));
    units[at] = *unit;
}

uint32_t oracle_batch(struct oracle *oracle, struct unit *units, bool *meets)
{
    static struct keys taken;
    uint32_t drawn = 1 + oracle_draw(oracle, oracle_chance(oracle, 5) ? STORE_BATCH_MAX : 60);
    uint32_t count = 0;
    *meets = oracle_chance(oracle, MEETING_PERCENT);
    taken.count = 0;
    for (uint32_t i = 0; i < drawn; i++) {
        struct unit unit;
        oracle_unit(oracle, &unit);
        if (*meets) {
            units[count++] = unit;
        } else if (keys_take(oracle, &taken, &unit)) {
            unit_insert(units, count++, &unit);
        }
    }
    return count;
}
