/*
 * model_internal.h - the model store's block, and what its files share.
 *
 *   struct model_tables | payments | outbox | failed events | hash heads of five indexes
 *
 * Links and heads hold a row's place + 1; 0 ends a chain.
 */
#ifndef FAREBOX_MODEL_INTERNAL_H
#define FAREBOX_MODEL_INTERNAL_H

#include "lease.h"
#include "model_store.h"

/* Instants are Unix ms; AGE_NONE: unset. due_at: DUE_NEVER. */
struct model_payment {
    struct uuid payment_id;
    struct token token;
    uint64_t pg_account;
    int64_t claimed_at;
    int64_t cancel_first_at;
    int64_t due_at;
    int64_t requested_at;
    int64_t completed_at;
    int32_t amount_krw;
    uint32_t epoch;
    text_id trip_id;
    text_id user_id;
    text_id method_id;
    text_id pg_id;
    text_id refund_pg_id;
    text_id traceparent;
    text_id code;
    uint32_t next_by_trip;
    uint32_t next_by_id;
    uint16_t cancel_no;
    uint16_t attempts;
    uint8_t status;
    uint8_t refund_state;
    uint8_t absent_count;
    uint8_t recheck_no;
    uint8_t needs_operator;
    uint8_t reason;
};

/* status 0: a free place, whose next_by_row leads to the next free one. */
struct model_outbox {
    int64_t row_id;
    struct uuid event_id;
    struct token token;
    int64_t due_at;
    int64_t done_at;
    int64_t record_at_ms;
    uint32_t epoch;
    text_id topic;
    text_id key; /* TEXT_NONE: a null key; the same with the body */
    text_id body;
    text_id headers;
    uint32_t next_by_row;
    uint32_t next_by_event;
    uint16_t attempts;
    uint8_t status;
};

/* The row id is the place + 1. */
struct model_failed_event {
    struct token token;
    int64_t origin_offset;
    int64_t origin_at_ms;
    int64_t created_at;
    int32_t origin_partition;
    uint32_t epoch;
    text_id topic;
    text_id key;
    text_id body;
    text_id headers;
    text_id error;
    uint32_t next_by_origin;
    uint8_t status;
};

/* "Aim at 160 bytes a payment, 100 an outbox row": the heads add 8 bytes a row at least. */
_Static_assert(sizeof(struct model_payment) <= 144, "a payment of the model is small");
_Static_assert(sizeof(struct model_outbox) <= 104, "an outbox row of the model is small");

enum model_index {
    INDEX_PAYMENT_BY_TRIP,
    INDEX_PAYMENT_BY_ID,
    INDEX_OUTBOX_BY_ROW,
    INDEX_OUTBOX_BY_EVENT,
    INDEX_FAILED_EVENT_BY_ORIGIN,
    INDEX_COUNT
};

struct model_tables {
    struct model_store_limits limits;
    uint32_t payments_count;
    uint32_t outbox_places; /* places ever used */
    uint32_t outbox_count;  /* rows now */
    uint32_t outbox_free;   /* head of the free places */
    uint32_t failed_events_count;
    int64_t outbox_last_id;
    uint64_t index_offsets[INDEX_COUNT]; /* of the heads, in the block */
    uint32_t index_masks[INDEX_COUNT];
    struct lease leases[LEASE_COUNT];
    struct token lease_tokens[LEASE_COUNT];
};

struct model_tables *model_tables(const struct model_store *store);
struct model_payment *model_payments(const struct model_store *store);
struct model_outbox *model_outbox(const struct model_store *store);
struct model_failed_event *model_failed_events(const struct model_store *store);

/* The head of the chain that a key with this hash is in. */
uint32_t *model_head(const struct model_store *store, enum model_index index, uint64_t hash);

uint64_t model_hash(uint64_t value);
uint64_t model_hash_uuid(const struct uuid *id);

int64_t model_now(const struct model_store *store);
int64_t model_instant_after(int64_t now_ms, int64_t delay_ms); /* DUE_NEVER stays */
int64_t model_delay_until(int64_t now_ms, int64_t instant_ms); /* the same */

/* A handle of `from` as a handle of `to`. False: `to` is full. */
MUST_USE bool model_text(struct texts *to, const struct texts *from, text_id id, text_id *out);

/*
 * What a unit would do now. WRITE: its guard holds. Judging changes nothing, so that a batch is
 * judged as a whole for room before any of it is written.
 */
enum model_judgement {
    JUDGE_WRITE = 1,
    JUDGE_APPLIED,
    JUDGE_REFUSED,
    JUDGE_DUPLICATE,
    JUDGE_ERROR
};

/* For each table: judge (`place`: of the row found; it is UINT32_MAX where there is none), intern
 * the unit's texts into the store's pool, and write. Writing follows JUDGE_WRITE and cannot fail:
 * room and texts were seen to before. */
enum model_judgement model_payment_judge(const struct model_store *store, const struct texts *texts,
                                         const struct unit *unit, uint32_t *place);
MUST_USE bool model_payment_intern(const struct model_store *store, const struct texts *texts,
                                   const struct unit *unit);
void model_payment_write(struct model_store *store, const struct texts *texts,
                         const struct unit *unit, uint32_t place, int64_t now_ms);
/* False: `texts` is full. */
MUST_USE bool model_payment_row(const struct model_store *store, uint32_t place, int64_t now_ms,
                                struct texts *texts, struct payment_row *row);

enum model_judgement model_outbox_judge(const struct model_store *store, const struct unit *unit,
                                        uint32_t *place);
void model_outbox_write(struct model_store *store, const struct unit *unit, uint32_t place,
                        int64_t now_ms);
MUST_USE bool model_outbox_has_event(const struct model_store *store, const struct uuid *event_id);
MUST_USE bool model_outbox_intern(const struct model_store *store, const struct texts *texts,
                                  const struct outbox_row *record);
/* Copies all but row id, links and done_at from `row`; no outcome has the event id. */
void model_outbox_insert(struct model_store *store, const struct model_outbox *row);

enum model_judgement model_failed_event_judge(const struct model_store *store,
                                              const struct texts *texts, const struct unit *unit,
                                              uint32_t *place);
MUST_USE bool model_failed_event_intern(const struct model_store *store, const struct texts *texts,
                                        const struct unit *unit);
void model_failed_event_write(struct model_store *store, const struct texts *texts,
                              const struct unit *unit, uint32_t place, int64_t now_ms);

enum batch_outcome model_store_submit(struct store *base, const struct store_batch *batch);

/* Scans, the purge and reads, by table. */
enum store_status model_payments_due(const struct model_store *store, const struct store_scan *scan,
                                     struct store_page *page);
enum store_status model_outbox_due(const struct model_store *store, const struct store_scan *scan,
                                   struct store_page *page);
enum store_status model_failed_events_page(const struct model_store *store,
                                           const struct store_scan *scan, struct store_page *page);
uint32_t model_outbox_purge(struct model_store *store, int64_t before_ms, uint32_t limit);
enum store_status model_read_payment(struct store *base, const char *trip_id, size_t len,
                                     struct texts *texts, struct payment_view *view);
enum store_status model_read_failed_event(struct store *base, int64_t row_id, struct texts *texts,
                                          struct failed_event_row *row);

/* The first rows of a table by (instant, id): a bounded sorted list. */
struct model_picks {
    struct model_pick {
        int64_t at_ms;
        int64_t id;
        uint32_t place;
    } picks[STORE_PAGE_MAX];
    uint32_t count;
    uint32_t limit; /* <= STORE_PAGE_MAX */
};
void model_picks_offer(struct model_picks *picks, int64_t at_ms, int64_t id, uint32_t place);

#endif
