/* Units and reads of the failed_event table: rare, so a statement each. */
#include "mysql_internal.h"
#include "readable.h"

#include <string.h>

/* The readable key is cut to what Hibernate's column holds. */
#define KAFKA_KEY_CHARACTERS "255"
#define PAYLOAD_BYTES        65535

static const char *const status_names[] = {[FAILED_EVENT_PENDING] = "PENDING",
                                           [FAILED_EVENT_RESOLVED] = "RESOLVED",
                                           [FAILED_EVENT_IGNORED] = "IGNORED"};

static uint8_t status_parse(const char *name)
{
    switch (name[0]) {
    case 'P':
        return FAILED_EVENT_PENDING;
    case 'R':
        return FAILED_EVENT_RESOLVED;
    default:
        return FAILED_EVENT_IGNORED;
    }
}

/* The bytes of the longest characters that a column holds: strict mode refuses the others. */
static size_t character_max(const char *charset)
{
    if (charset[0] == '\0' || strcmp(charset, "utf8mb4") == 0) {
        return 4;
    }
    return strcmp(charset, "utf8mb3") == 0 || strcmp(charset, "utf8") == 0 ? 3 : 1;
}

static size_t character_len(unsigned char first)
{
    return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

/* Makes each longer character of valid UTF-8 a '?', in place, and cuts at a character's end. */
static size_t fit(char *text, size_t len, size_t character, size_t bytes_max)
{
    size_t written = 0;
    for (size_t at = 0; at < len;) {
        size_t size = character_len((unsigned char)text[at]);
        size_t kept = size <= character ? size : 1;
        if (written + kept > bytes_max) {
            break;
        }
        if (size <= character) {
            memmove(text + written, text + at, size);
        } else {
            text[written] = '?';
        }
        written += kept;
        at += size;
    }
    return written;
}

/* A copy that people can read, as far as the old service's column holds it. */
static void readable_add(struct mysql_store *store, const struct texts *texts, text_id id)
{
    size_t len = 0;
    const char *bytes = texts_get(texts, id, &len);
    size_t copied = bytes == NULL ? 0 : readable_copy(bytes, len, store->readable);
    copied = fit(store->readable, copied, character_max(store->event_charset), PAYLOAD_BYTES);
    sql_add(&store->sql, "_utf8mb4");
    sql_quoted(&store->sql, store->readable, copied);
}

static void origin_add(struct sql *sql, const struct texts *texts,
                       const struct failed_event_row *row, const char *between)
{
    sql_text(sql, texts, row->topic);
    sql_add(sql, between);
    sql_int(sql, row->origin_partition);
    sql_add(sql, between);
    sql_int(sql, row->origin_offset);
    sql_add(sql, between);
    sql_int(sql, row->origin_at_ms);
}

static void open_sql(struct mysql_store *store, const struct texts *texts, const struct unit *unit)
{
    const struct failed_event_row *row = &unit->as.failed_event.row;
    struct sql *sql = &store->sql;
    sql_clear(sql);
    sql_add(sql,
            "INSERT INTO failed_event (created_at, updated_at, epoch, kafka_key, payload,"
            " error_message, error, status, topic, origin_topic, origin_partition, origin_offset,"
            " origin_at, record_key, body, headers, token_process, token_sequence, stored_at)"
            " VALUES (");
    sql_add(sql, store->local_now);
    sql_add(sql, ", ");
    sql_add(sql, store->local_now);
    sql_add(sql, ", 1, ");
    if (row->has_key != 0) {
        sql_add(sql, "LEFT(");
        readable_add(store, texts, row->key);
        sql_add(sql, ", " KAFKA_KEY_CHARACTERS ")");
    } else {
        sql_add(sql, "NULL");
    }
    sql_add(sql, ", ");
    readable_add(store, texts, row->has_body != 0 ? row->body : TEXT_NONE);
    sql_add(sql, ", ");
    readable_add(store, texts, row->error);
    sql_add(sql, ", ");
    sql_text(sql, texts, row->error);
    sql_add(sql, ", 'PENDING', ");
    sql_text(sql, texts, row->topic);
    sql_add(sql, ", ");
    origin_add(sql, texts, row, ", ");
    sql_add(sql, ", ");
    sql_record_part(sql, texts, row->has_key, row->key);
    sql_add(sql, ", ");
    sql_record_part(sql, texts, row->has_body, row->body);
    sql_add(sql, ", ");
    sql_text(sql, texts, row->headers);
    sql_add(sql, ", ");
    sql_uint(sql, unit->token.process);
    sql_add(sql, ", ");
    sql_uint(sql, unit->token.sequence);
    sql_add(sql, ", " SQL_NOW ") ON DUPLICATE KEY UPDATE origin_topic = failed_event.origin_topic");
}

enum step mysql_failed_event_open(struct mysql_store *store, const struct texts *texts,
                                  const struct unit *unit, struct unit_result *result)
{
    open_sql(store, texts, unit);
    enum step step = mysql_run(store);
    result->verdict = UNIT_APPLIED;
    if (step != STEP_OK || store->changed == 1) {
        return step;
    }
    sql_clear(&store->sql);
    sql_add(&store->sql, "SELECT token_process, token_sequence FROM failed_event WHERE"
                         " (origin_topic, origin_partition, origin_offset, origin_at) = (");
    origin_add(&store->sql, texts, &unit->as.failed_event.row, ", ");
    sql_add(&store->sql, ")");
    return mysql_judge_by_token(store, unit->token, UNIT_DUPLICATE, result);
}

/* A retry goes to the topic that the record came from. What is for people is copied where no
 * character can be lost. */
static enum step requeue(struct mysql_store *store, const struct unit *unit)
{
    struct sql *sql = &store->sql;
    sql_clear(sql);
    sql_add(sql,
            "INSERT INTO payment_outbox (created_at, updated_at, aggregate_id, payload, status,"
            " topic, epoch, due_at, record_key, body, headers, record_at, event_id, token_process,"
            " token_sequence) SELECT ");
    sql_add(sql, store->local_now);
    sql_add(sql, ", ");
    sql_add(sql, store->local_now);
    sql_add(sql, ", ");
    sql_add(sql, strcmp(store->event_charset, store->outbox_charset) == 0 ? "kafka_key, payload"
                                                                          : "NULL, NULL");
    sql_add(sql, ", 'READY', origin_topic, 1, " SQL_NOW ", record_key, body, headers, origin_at, ");
    sql_uuid_bytes(sql, &unit->as.failed_event.event_id);
    sql_add(sql, ", ");
    sql_uint(sql, unit->token.process);
    sql_add(sql, ", ");
    sql_uint(sql, unit->token.sequence);
    sql_add(sql, " FROM failed_event WHERE id = ");
    sql_int(sql, unit->as.failed_event.row.row_id);
    return mysql_run(store);
}

enum step mysql_failed_event_move(struct mysql_store *store, const struct unit *unit,
                                  struct unit_result *result)
{
    const struct unit_failed_event *event = &unit->as.failed_event;
    struct sql *sql = &store->sql;
    sql_clear(sql);
    sql_add(sql, "UPDATE failed_event SET updated_at = ");
    sql_add(sql, store->local_now);
    sql_add(sql, ", status = ");
    sql_name(sql, status_names[event->row.status]);
    sql_add(sql, ", epoch = ");
    sql_uint(sql, event->guard_epoch + 1);
    sql_add(sql, ", token_process = ");
    sql_uint(sql, unit->token.process);
    sql_add(sql, ", token_sequence = ");
    sql_uint(sql, unit->token.sequence);
    sql_add(sql, " WHERE status = 'PENDING' AND epoch = ");
    sql_uint(sql, event->guard_epoch);
    sql_add(sql, " AND id = ");
    sql_int(sql, event->row.row_id);
    enum step step = mysql_run(store);
    if (step != STEP_OK) {
        return step;
    }
    if (store->changed == 0) {
        sql_clear(sql);
        sql_add(sql, "SELECT token_process, token_sequence FROM failed_event WHERE id = ");
        sql_int(sql, event->row.row_id);
        return mysql_judge_by_token(store, unit->token, UNIT_REFUSED, result);
    }
    result->verdict = UNIT_APPLIED;
    return event->row.status == FAILED_EVENT_RESOLVED ? requeue(store, unit) : STEP_OK;
}

/* The old service's rows don't say when they came: long ago. */
#define AGE_OF_OLD_ROWS_MS "3155760000000"

#define EVENT_COLUMNS                                                                              \
    "id, token_process, token_sequence, origin_offset, origin_at, origin_partition, epoch,"        \
    " status, record_key IS NOT NULL, body IS NOT NULL,"                                           \
    " COALESCE(" SQL_NOW " - stored_at, " AGE_OF_OLD_ROWS_MS "), COALESCE(origin_topic, topic)"

/* The columns that both statements have. False: the pool is full. */
static bool row_read(const struct columns *from, struct texts *texts, struct failed_event_row *row)
{
    *row = (struct failed_event_row){0};
    row->row_id = cell_int(from, 0);
    row->token = cell_token(from, 1);
    row->origin_offset = cell_int(from, 3);
    row->origin_at_ms = cell_int(from, 4);
    row->origin_partition = (int32_t)cell_int(from, 5);
    row->epoch = (uint32_t)cell_uint(from, 6);
    row->status = status_parse(cell_name(from, 7));
    row->has_key = cell_int(from, 8) != 0;
    row->has_body = cell_int(from, 9) != 0;
    row->created_age_ms = cell_int(from, 10);
    return cell_text(from, 11, texts, &row->topic);
}

enum store_status mysql_failed_events(struct mysql_store *store, const struct store_scan *scan,
                                      struct store_page *page)
{
    struct sql *sql = &store->sql;
    sql_clear(sql);
    sql_add(sql, "SELECT " EVENT_COLUMNS " FROM failed_event WHERE status = 'PENDING' AND id > ");
    sql_int(sql, scan->after_id);
    if (scan->topic != TEXT_NONE) {
        sql_add(sql, " AND origin_topic = ");
        sql_text(sql, page->texts, scan->topic);
    }
    sql_add(sql, " ORDER BY id LIMIT ");
    sql_uint(sql, scan->limit);
    MYSQL_RES *rows = NULL;
    if (mysql_select(store, &rows) != STEP_OK) {
        return STORE_UNAVAILABLE;
    }
    struct columns from;
    bool full = false;
    while (!full && columns_next(rows, &from)) {
        full = !row_read(&from, page->texts, &page->rows[page->count].failed_event);
        page->count += full ? 0 : 1;
    }
    mysql_free_result(rows);
    return full && page->count == 0 ? STORE_UNAVAILABLE : STORE_OK;
}

enum store_status mysql_failed_event_read(struct mysql_store *store, int64_t row_id,
                                          struct texts *texts, struct failed_event_row *row)
{
    struct sql *sql = &store->sql;
    sql_clear(sql);
    sql_add(sql, "SELECT " EVENT_COLUMNS ", record_key, body, headers, error FROM failed_event"
                 " WHERE id = ");
    sql_int(sql, row_id);
    MYSQL_RES *rows = NULL;
    if (mysql_select(store, &rows) != STEP_OK) {
        return STORE_UNAVAILABLE;
    }
    struct columns from;
    struct failed_event_row read;
    enum store_status status = STORE_NOT_FOUND;
    if (columns_next(rows, &from)) {
        bool fits = row_read(&from, texts, &read) && cell_text(&from, 12, texts, &read.key) &&
                    cell_text(&from, 13, texts, &read.body) &&
                    cell_text(&from, 14, texts, &read.headers) &&
                    cell_text(&from, 15, texts, &read.error);
        status = fits ? STORE_OK : STORE_UNAVAILABLE;
    }
    if (status == STORE_OK) {
        *row = read;
    }
    mysql_free_result(rows);
    return status;
}
