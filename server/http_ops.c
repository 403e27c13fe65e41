#include "http_ops.h"

#include "clock.h"
#include "row_texts.h"

#include <stdio.h>
#include <stdlib.h>

/* A payment or a dead letter with all its texts. */
#define READ_TEXTS    16
#define PAYMENT_BYTES (READ_TEXTS * STORE_ID_MAX)
#define READ_BYTES    (STORE_BODY_MAX + STORE_HEADERS_MAX + STORE_KEY_MAX + (64 << 10))

/* The engine thread goes round every second: longer than this, and something is wrong. */
#define ROUND_LATE_MS 15000

struct http_ops {
    struct http_ops_parts parts;
    pthread_mutex_t mutex; /* guards the connection and its pool */
    struct store *store;
    void *texts_block;
};

struct http_ops *http_ops_open(struct store *store, const struct http_ops_parts *parts)
{
    struct http_ops *ops = calloc(1, sizeof(*ops));

    if (ops == NULL) {
        return NULL;
    }
    ops->texts_block = malloc(texts_size(READ_TEXTS, READ_BYTES));
    if (ops->texts_block == NULL || pthread_mutex_init(&ops->mutex, NULL) != 0) {
        free(ops->texts_block);
        free(ops);
        return NULL;
    }
    ops->parts = *parts;
    ops->store = store;
    return ops;
}

void http_ops_close(struct http_ops *ops)
{
    if (ops == NULL) {
        return;
    }
    ops->store->ops->close(ops->store);
    pthread_mutex_destroy(&ops->mutex);
    free(ops->texts_block);
    free(ops);
}

static enum http_read_status read_status(enum store_status status)
{
    switch (status) {
    case STORE_OK:
        return HTTP_READ_FOUND;
    case STORE_NOT_FOUND:
        return HTTP_READ_ABSENT;
    case STORE_UNAVAILABLE:
        break;
    }
    return HTTP_READ_UNAVAILABLE;
}

static bool show_payment(const struct payment_view *view, const struct texts *texts,
                         struct http_payment *payment)
{
    *payment = (struct http_payment){
        .status = payment_status_name((enum payment_status)view->row.status),
        .amount_krw = view->row.amount_krw,
        .requested_at_ms = view->requested_at_ms,
        .completed_at_ms = view->completed_at_ms,
    };
    uuid_format(&view->row.payment_id, payment->payment_id);
    return row_texts_string(texts, view->row.trip_id, payment->trip_id, sizeof(payment->trip_id)) &&
           row_texts_string(texts, view->row.pg_id, payment->pg_transaction_id,
                            sizeof(payment->pg_transaction_id));
}

static enum http_read_status read_payment(void *ctx, const char *trip_id, size_t len,
                                          struct http_payment *payment)
{
    struct http_ops *ops = ctx;
    struct payment_view view;
    struct texts *texts;
    enum http_read_status status;

    pthread_mutex_lock(&ops->mutex);
    texts = texts_init(ops->texts_block, READ_TEXTS, READ_BYTES);
    status = read_status(ops->store->ops->read_payment(ops->store, trip_id, len, texts, &view));
    if (status == HTTP_READ_FOUND && !show_payment(&view, texts, payment)) {
        status = HTTP_READ_UNAVAILABLE;
    }
    pthread_mutex_unlock(&ops->mutex);
    return status;
}

static enum http_retry_status retry_all(void *ctx, const char *topic,
                                        struct http_retry_result *result)
{
    struct http_ops *ops = ctx;

    switch (driver_retry_all(ops->parts.driver, topic, result)) {
    case DRIVER_ADMIN_DONE:
        return HTTP_RETRY_DONE;
    case DRIVER_ADMIN_BUSY:
        return HTTP_RETRY_BUSY;
    case DRIVER_ADMIN_CONFLICT:
    case DRIVER_ADMIN_NO_ANSWER:
        break;
    }
    return HTTP_RETRY_UNAVAILABLE;
}

static enum http_ignore_status ignore(void *ctx, int64_t event_id)
{
    struct http_ops *ops = ctx;
    struct failed_event_row row;
    enum store_status status;

    pthread_mutex_lock(&ops->mutex);
    status = ops->store->ops->read_failed_event(
        ops->store, event_id, texts_init(ops->texts_block, READ_TEXTS, READ_BYTES), &row);
    pthread_mutex_unlock(&ops->mutex);
    if (status != STORE_OK) {
        return status == STORE_NOT_FOUND ? HTTP_IGNORE_UNKNOWN : HTTP_IGNORE_UNAVAILABLE;
    }
    switch (driver_ignore(ops->parts.driver, &row)) {
    case DRIVER_ADMIN_DONE:
        return HTTP_IGNORE_DONE;
    case DRIVER_ADMIN_CONFLICT:
        return HTTP_IGNORE_NOT_PENDING;
    case DRIVER_ADMIN_BUSY:
        return HTTP_IGNORE_BUSY;
    case DRIVER_ADMIN_NO_ANSWER:
        break;
    }
    return HTTP_IGNORE_UNAVAILABLE;
}

/* The row that was read guards the change: what happens to it meanwhile refuses the operator. */
static enum http_operator_status operate(void *ctx, enum http_operator_op op, const char *trip_id,
                                         size_t len)
{
    struct http_ops *ops = ctx;
    struct payment_view view;
    enum store_status status;
    void *block = malloc(texts_size(READ_TEXTS, PAYMENT_BYTES));
    struct texts *texts;

    if (block == NULL) {
        return HTTP_OPERATOR_UNAVAILABLE;
    }
    texts = texts_init(block, READ_TEXTS, PAYMENT_BYTES);
    pthread_mutex_lock(&ops->mutex);
    status = ops->store->ops->read_payment(ops->store, trip_id, len, texts, &view);
    pthread_mutex_unlock(&ops->mutex);
    if (status != STORE_OK) {
        free(block);
        return status == STORE_NOT_FOUND ? HTTP_OPERATOR_ABSENT : HTTP_OPERATOR_UNAVAILABLE;
    }
    switch (driver_operate(ops->parts.driver,
                           op == HTTP_OPERATOR_ADOPT ? ADMIN_ADOPT : ADMIN_REFUND, &view.row, block,
                           texts)) {
    case DRIVER_ADMIN_DONE:
        return HTTP_OPERATOR_DONE;
    case DRIVER_ADMIN_CONFLICT:
        return HTTP_OPERATOR_CONFLICT;
    case DRIVER_ADMIN_BUSY:
        return HTTP_OPERATOR_BUSY;
    case DRIVER_ADMIN_NO_ANSWER:
        break;
    }
    return HTTP_OPERATOR_UNAVAILABLE;
}

static struct http_component *add(struct http_health *health, const char *name, bool is_up)
{
    struct http_component *component = &health->components[health->count++];

    *component = (struct http_component){.name = name, .is_up = is_up};
    return component;
}

static void add_engine(struct http_ops *ops, struct http_health *health)
{
    int64_t late_ms = clock_boot_ms() - driver_last_round_ms(ops->parts.driver);
    struct http_component *component = add(health, "engine", late_ms < ROUND_LATE_MS);

    if (!component->is_up) {
        (void)snprintf(component->detail, sizeof(component->detail), "no round for %lld ms",
                       (long long)late_ms);
    }
}

static void add_readiness(struct http_ops *ops, struct http_health *health)
{
    bool ever = false;
    uint32_t assigned = bus_assigned(ops->parts.bus, &ever);
    struct http_component *kafka;

    (void)add(health, "store", store_scans_are_well(ops->parts.scans));
    /* With fewer partitions than instances one may hold none and be well. */
    kafka = add(health, "kafka", ever);
    (void)snprintf(kafka->detail, sizeof(kafka->detail), "%u partitions", (unsigned)assigned);
    (void)add(health, "serving", !driver_is_stopping(ops->parts.driver));
}

/* An open breaker is another one's illness: shown, but this instance is up. */
static void add_breakers(struct http_ops *ops, struct http_health *health)
{
    static const char *const names[GATE_COUNT] = {"pricing", "users", "pg"};
    static const char *const states[BREAKER_STATE_COUNT] = {"breaker closed", "breaker open",
                                                            "breaker half-open"};

    for (int g = 0; g < GATE_COUNT; g++) {
        struct http_component *component = add(health, names[g], true);

        (void)snprintf(component->detail, sizeof(component->detail), "%s",
                       states[driver_breaker(ops->parts.driver, (enum payment_gate)g)]);
    }
}

static void health(void *ctx, enum http_health_kind kind, struct http_health *health)
{
    struct http_ops *ops = ctx;

    health->count = 0;
    add_engine(ops, health);
    if (kind == HTTP_HEALTH_LIVENESS) {
        return;
    }
    add_readiness(ops, health);
    if (kind == HTTP_HEALTH_ALL) {
        add_breakers(ops, health);
    }
}

static void metrics(void *ctx, FILE *out)
{
    struct http_ops *ops = ctx;

    counters_render(ops->parts.counters, out);
}

static void request_ended(void *ctx, enum http_endpoint endpoint, int http_status,
                          int64_t elapsed_us)
{
    struct http_ops *ops = ctx;

    counters_request(ops->parts.counters, endpoint, http_status, elapsed_us);
}

const struct http_api_ops *http_ops_table(void)
{
    static const struct http_api_ops table = {read_payment, retry_all, ignore,       operate,
                                              health,       metrics,   request_ended};

    return &table;
}
