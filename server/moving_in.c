#include "moving_in.h"

#include "clock.h"
#include "log.h"
#include "mysql_old_rows.h"
#include "old_service_codec.h"
#include "store_open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A row comes with two texts and becomes four; a page's bodies are in it twice. */
#define POOL_TEXTS (MYSQL_OLD_PAGE_MAX * 6 + 1)
#define POOL_BYTES                                                                                 \
    (2 * (STORE_PAGE_BYTES_MAX + STORE_BODY_MAX) +                                                 \
     MYSQL_OLD_PAGE_MAX * (2 * STORE_ID_MAX + OUTCOME_HEADERS_MAX))
/* Other instances that start now take the same rows over, and writers have some of them locked: a
 * row is theirs for a moment only. A database that is away for longer ends the start. */
#define TRIES_MAX 20
#define PAUSE_MS  500
/* Of a dead letter that does not say when it was written: too old to be charged. */
#define LONG_AGO_MS 1

struct mover {
    const struct farebox_settings *settings;
    struct store *store;
    void *block; /* of the texts */
    char *body;  /* STORE_BODY_MAX bytes */
    struct mysql_old_row rows[MYSQL_OLD_PAGE_MAX];
    struct mysql_old_record records[MYSQL_OLD_PAGE_MAX];
    uint64_t payments;
    uint64_t events;
    uint64_t letters;
    uint64_t left; /* rows that make no record */
};

static void warn_of(const char *message, int64_t row_id)
{
    log_write(LOG_LEVEL_WARN, message, LOG_FIELDS(log_int("row_id", row_id)));
}

/* A payload that is none of the two events stays where it is, and is never sent. */
static void make_event(struct mover *m, struct texts *texts, const struct mysql_old_row *row,
                       struct mysql_old_record *record)
{
    const struct outcome_settings codec = {m->settings->type_prefix, m->settings->ce_source};
    struct old_event event = {.row_id = row->row_id, .created_at_ms = row->created_at_ms};
    struct old_event_record made;

    event.payload = texts_get(texts, row->payload, &event.payload_len);
    if (event.payload == NULL || event.payload_len > STORE_BODY_MAX) {
        event.payload = "";
        event.payload_len = 0;
    }
    if (event.created_at_ms < 0) {
        event.created_at_ms = clock_unix_ms(NULL);
    }
    *record = (struct mysql_old_record){.row_id = row->row_id};
    if (!old_service_event(&event, &codec, m->body, &made)) {
        old_service_event_id(&event, &record->event_id);
        record->is_parked = true;
        m->left++;
        warn_of("an outbox row of the old service is no event and is not sent", row->row_id);
        return;
    }
    record->event_id = made.event_id;
    record->topic = row->topic != TEXT_NONE
                        ? row->topic
                        : texts_intern_string(texts, m->settings->outcome_topic);
    record->key = texts_intern_string(texts, made.trip_id);
    record->body = texts_intern(texts, m->body, made.body_len);
    record->headers = texts_intern(texts, made.headers, made.headers_len);
    m->events++;
}

/* False: there is no topic to send it to. */
static bool make_letter(struct mover *m, struct texts *texts, const struct mysql_old_row *row,
                        struct mysql_old_record *record)
{
    struct old_letter_record made;
    size_t len = 0;
    const char *payload = texts_get(texts, row->payload, &len);

    if (payload == NULL || len > STORE_BODY_MAX ||
        !old_service_letter(texts_string(texts, row->topic), payload, len, m->body, &made)) {
        m->left++;
        warn_of("a dead letter of the old service cannot be retried", row->row_id);
        return false;
    }
    *record = (struct mysql_old_record){
        .row_id = row->row_id,
        .origin_at_ms = row->created_at_ms > 0 ? row->created_at_ms : LONG_AGO_MS,
        .topic = texts_intern_string(texts, made.topic),
        .key = made.key[0] == '\0' ? TEXT_NONE : texts_intern_string(texts, made.key),
        .body = texts_intern(texts, m->body, made.body_len)};
    m->letters++;
    return true;
}

/* False: that was the last try. */
static bool try_again(int *tries)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};

    if (++*tries >= TRIES_MAX) {
        return false;
    }
    (void)nanosleep(&pause, NULL);
    return true;
}

static bool move_payments(struct mover *m, const struct mysql_old_waits *waits)
{
    enum store_status status;
    int tries = 0;

    do {
        uint64_t adopted = 0;

        status = mysql_old_payments(m->store, waits, &adopted);
        m->payments += adopted;
    } while (status != STORE_OK && try_again(&tries));
    return status == STORE_OK;
}

/* The pool is the page's, anew for each try. */
static bool read_page(struct mover *m, enum mysql_old_kind kind, int64_t after_id,
                      struct texts **texts, uint32_t *count)
{
    enum store_status status;
    int tries = 0;

    do {
        *texts = texts_init(m->block, POOL_TEXTS, POOL_BYTES);
        status = mysql_old_page(m->store, kind, after_id, *texts, m->rows, count);
    } while (status != STORE_OK && try_again(&tries));
    return status == STORE_OK;
}

/* Rows that a lost COMMIT took over are not taken over again. */
static bool adopt_records(struct mover *m, enum mysql_old_kind kind, uint32_t count,
                          const struct texts *texts)
{
    enum store_status status;
    int tries = 0;

    do {
        status = mysql_old_adopt(m->store, kind, m->records, count, texts);
    } while (status != STORE_OK && try_again(&tries));
    return status == STORE_OK;
}

/* A page after the other, until there is none. */
static bool move_rows(struct mover *m, enum mysql_old_kind kind)
{
    int64_t after_id = 0;

    for (;;) {
        struct texts *texts = NULL;
        uint32_t count = 0;
        uint32_t made = 0;

        if (!read_page(m, kind, after_id, &texts, &count)) {
            return false;
        }
        if (count == 0) {
            return true;
        }
        for (uint32_t i = 0; i < count; i++) {
            if (kind == MYSQL_OLD_OUTBOX) {
                make_event(m, texts, &m->rows[i], &m->records[made++]);
            } else {
                made += make_letter(m, texts, &m->rows[i], &m->records[made]) ? 1 : 0;
            }
        }
        if (!adopt_records(m, kind, made, texts)) {
            return false;
        }
        after_id = m->rows[count - 1].row_id;
    }
}

static bool move_all(struct mover *m)
{
    const struct farebox_settings *s = m->settings;
    const struct mysql_old_waits waits = {.requested_ms = s->trip_age_max_ms,
                                          .unsettled_ms = s->send_limit_ms + s->pg_longest_ms +
                                                          s->absence_margin_ms};

    return move_payments(m, &waits) && move_rows(m, MYSQL_OLD_OUTBOX) &&
           move_rows(m, MYSQL_OLD_FAILED_EVENTS);
}

static void tell(const struct mover *m)
{
    if (m->payments + m->events + m->letters + m->left == 0) {
        return;
    }
    log_write(LOG_LEVEL_INFO, "rows of the old service were taken over",
              LOG_FIELDS(
                  log_int("payments", (int64_t)m->payments), log_int("events", (int64_t)m->events),
                  log_int("dead_letters", (int64_t)m->letters), log_int("left", (int64_t)m->left)));
}

bool moving_in(const struct farebox_settings *settings, struct counters *counters,
               char error[FAREBOX_ERROR_SIZE])
{
    struct mover *m = calloc(1, sizeof(*m));
    bool moved = false;

    if (m == NULL) {
        (void)snprintf(error, FAREBOX_ERROR_SIZE, "out of memory");
        return false;
    }
    m->settings = settings;
    m->block = malloc(texts_size(POOL_TEXTS, POOL_BYTES));
    m->body = malloc(STORE_BODY_MAX);
    m->store = store_open(settings, counters, error);
    if (m->block == NULL || m->body == NULL) {
        (void)snprintf(error, FAREBOX_ERROR_SIZE, "out of memory");
    } else if (m->store != NULL) {
        moved = move_all(m);
        if (!moved) {
            (void)snprintf(error, FAREBOX_ERROR_SIZE,
                           "FAREBOX_STORE: the rows of the old service cannot be taken over now");
        }
        tell(m);
    }
    if (m->store != NULL) {
        m->store->ops->close(m->store);
    }
    free(m->body);
    free(m->block);
    free(m);
    return moved;
}
