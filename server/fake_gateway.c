#include "fake_gateway.h"

#include "clock.h"
#include "pg_file.h"
#include "row_texts.h"
#include "upstream_fake.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* "farebox" in ASCII: the fingerprint of the fake's one merchant. */
#define ACCOUNT UINT64_C(0x66617265626f7800)

/* The texts of one call and its answer. */
#define CALL_TEXTS      32
#define CALL_TEXT_BYTES (16U << 10)

/* What the fake PG remembers at most: for trying out and tests, not for load. */
#define ORDERS_MAX  (1U << 18)
#define KEYS_MAX    (1U << 19)
#define PENDING_MAX (1U << 14)
#define RULES_MAX   256U /* for tests */

/* Calls in the order of `due_ms`; equal ones in the order in which they came. */
struct waiting {
    struct gateway_call *first;
    struct gateway_call *last;
};

struct fake_gateway {
    struct gateway_port port; /* first */
    struct inbox *inbox;
    struct pg_file *pg;
    struct upstream_fake *upstreams;
    void *upstreams_block;
    void *texts_block;
    struct texts *texts;
    uint64_t random;
    int64_t pg_timeout_ms;
    pthread_t thread;
    struct inbox calls; /* the gateway's own inbox */
    /* The caller's: asked, and not sent yet. */
    struct message *asked_first;
    struct message *asked_last;
    struct message quit;
    struct waiting waiting;
    bool in_group;  /* the PG's file is between pg_file_begin() and pg_file_end() */
    uint64_t group; /* the number of that group, or of the last one */
    bool stop;
};

uint64_t fake_gateway_account(void)
{
    return ACCOUNT;
}

struct pg_fake *fake_gateway_pg(struct gateway_port *port)
{
    return pg_file_fake(((struct fake_gateway *)(void *)port)->pg);
}

/* splitmix64 */
static uint32_t choose(void *ctx, uint32_t n, const char *label)
{
    struct fake_gateway *gateway = ctx;
    uint64_t z = gateway->random += UINT64_C(0x9E3779B97F4A7C15);

    (void)label;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (uint32_t)((z ^ (z >> 31)) % n);
}

static text_id intern(struct fake_gateway *gateway, const char *string)
{
    text_id id = texts_intern_string(gateway->texts, string);

    invariant(id != TEXT_NONE); /* the pool has room for every call */
    return id;
}

static text_id intern_some(struct fake_gateway *gateway, const char *string)
{
    return string[0] == '\0' ? TEXT_NONE : intern(gateway, string);
}

static void wait_until(struct waiting *waiting, struct gateway_call *call, int64_t due_ms)
{
    struct gateway_call *after = waiting->last;

    while (after != NULL && after->due_ms > due_ms) {
        after = after->earlier;
    }
    call->due_ms = due_ms;
    call->earlier = after;
    call->later = after == NULL ? waiting->first : after->later;
    if (call->later == NULL) {
        waiting->last = call;
    } else {
        call->later->earlier = call;
    }
    if (after == NULL) {
        waiting->first = call;
    } else {
        after->later = call;
    }
}

static struct gateway_call *take_first(struct waiting *waiting)
{
    struct gateway_call *call = waiting->first;

    waiting->first = call->later;
    if (waiting->first == NULL) {
        waiting->last = NULL;
    } else {
        waiting->first->earlier = NULL;
    }
    return call;
}

/* The key of a charge is the payment's id for ever; a cancel's has a number (LIFE, "Cancel"). */
static text_id idempotency_key(struct fake_gateway *gateway, const struct gateway_call *call)
{
    char payment_id[UUID_TEXT_SIZE];
    char key[PG_LEDGER_KEY_MAX + 1];

    uuid_format(&call->payment_id, payment_id);
    if (call->op == GATEWAY_CHARGE) {
        return intern(gateway, payment_id);
    }
    (void)snprintf(key, sizeof(key), "%s:cancel:%u", payment_id, (unsigned)call->cancel_no);
    return intern(gateway, key);
}

static struct pg_ledger_request request_of(struct fake_gateway *gateway,
                                           const struct gateway_call *call)
{
    struct pg_ledger_request request = {
        .account = ACCOUNT,
        .order_id = call->payment_id,
        .amount_krw = -1,
        .refundable_krw = -1,
        .pg_id = intern_some(gateway, call->pg_id),
    };

    switch ((enum gateway_op)call->op) {
    case GATEWAY_CHARGE:
        request.op = PG_LEDGER_CHARGE;
        request.amount_krw = call->amount_krw;
        request.key = idempotency_key(gateway, call);
        request.billing_key = intern(gateway, call->billing_key);
        request.customer = intern(gateway, call->user_id);
        break;
    case GATEWAY_CANCEL:
        request.op = PG_LEDGER_CANCEL;
        request.key = idempotency_key(gateway, call);
        break;
    case GATEWAY_LOOKUP:
    case GATEWAY_PROBE:
        request.op = request.pg_id == TEXT_NONE ? PG_LEDGER_LOOKUP : PG_LEDGER_LOOKUP_PG_ID;
        break;
    case GATEWAY_FARE:
    case GATEWAY_PAYER:
    default:
        invariant_broken("not a call of the PG");
    }
    return request;
}

/* Takes the handles' texts along. A text that is too long is no answer of the protocol. */
static void answer_pg(struct fake_gateway *gateway, struct gateway_call *call,
                      const struct pg_answer *answer)
{
    struct gateway_answer_texts *texts = gateway_call_texts(call);

    call->pg = *answer;
    call->pg.pg_id = TEXT_NONE;
    call->pg.code = TEXT_NONE;
    if (!row_texts_string(gateway->texts, answer->pg_id, texts->pg_id, sizeof(texts->pg_id)) ||
        !row_texts_string(gateway->texts, answer->code, texts->code, sizeof(texts->code))) {
        call->pg = (struct pg_answer){.kind = PG_ANSWER_BROKEN};
    }
}

static int64_t call_pg(struct fake_gateway *gateway, struct gateway_call *call)
{
    const struct chooser chooser = {choose, gateway};
    struct pg_ledger_request request;
    struct pg_fake_reply reply;

    /* Here the bytes would go out. */
    if (call->op == GATEWAY_CHARGE && clock_boot_ms() > call->send_by_ms) {
        call->pg = (struct pg_answer){.kind = PG_ANSWER_NOT_SENT};
        return 0;
    }
    request = request_of(gateway, call);
    if (!gateway->in_group) {
        pg_file_begin(gateway->pg, clock_unix_ms(NULL));
        gateway->in_group = true;
        gateway->group++;
    }
    call->group = gateway->group;
    pg_file_call(gateway->pg, gateway->texts, &request, clock_unix_ms(NULL), &chooser, &reply);
    if (reply.delay_ms > gateway->pg_timeout_ms) {
        call->pg = (struct pg_answer){.kind = PG_ANSWER_TIMEOUT};
        return gateway->pg_timeout_ms;
    }
    answer_pg(gateway, call, &reply.answer);
    return reply.delay_ms;
}

static int64_t call_upstream(struct fake_gateway *gateway, struct gateway_call *call)
{
    const struct chooser chooser = {choose, gateway};
    const struct upstream_call request = {
        .upstream = call->op == GATEWAY_FARE ? UPSTREAM_PRICING : UPSTREAM_USERS,
        .id = intern(gateway, call->op == GATEWAY_FARE ? call->trip_id : call->user_id),
        .distance_meters = call->distance_meters,
        .duration_seconds = call->duration_seconds,
    };
    struct gateway_answer_texts *texts = gateway_call_texts(call);
    struct upstream_reply reply;

    upstream_fake_call(gateway->upstreams, gateway->texts, &request, clock_unix_ms(NULL), &chooser,
                       &reply);
    call->upstream = reply.answer;
    call->upstream.method_id = TEXT_NONE;
    call->upstream.billing_key = TEXT_NONE;
    texts->has_method_id = reply.answer.method_id != TEXT_NONE;
    if (!row_texts_string(gateway->texts, reply.answer.method_id, texts->method_id,
                          sizeof(texts->method_id)) ||
        !row_texts_string(gateway->texts, reply.answer.billing_key, texts->billing_key,
                          sizeof(texts->billing_key))) {
        call->upstream = (struct upstream_answer){.kind = UPSTREAM_TROUBLE};
    }
    return reply.delay_ms;
}

static void start_call(struct fake_gateway *gateway, struct gateway_call *call)
{
    bool is_upstream = call->op == GATEWAY_FARE || call->op == GATEWAY_PAYER;
    int64_t delay_ms;

    /* Nothing of an earlier call stays in memory: it may have held a billing key. */
    gateway->texts = texts_init(gateway->texts_block, CALL_TEXTS, CALL_TEXT_BYTES);
    delay_ms = is_upstream ? call_upstream(gateway, call) : call_pg(gateway, call);
    wait_until(&gateway->waiting, call, clock_boot_ms() + delay_ms);
}

/* The PG's answers may go out once what they tell of is durable. Where it is not, nobody answers.
 */
static void end_group(struct fake_gateway *gateway)
{
    if (!gateway->in_group) {
        return;
    }
    gateway->in_group = false;
    if (pg_file_end(gateway->pg)) {
        return;
    }
    for (struct gateway_call *call = gateway->waiting.first; call != NULL; call = call->later) {
        if (call->group == gateway->group) {
            call->pg = (struct pg_answer){.kind = PG_ANSWER_TIMEOUT};
            gateway_call_forget(call);
        }
    }
}

static void post_due(struct fake_gateway *gateway)
{
    int64_t now_ms = clock_boot_ms();
    struct message *first = NULL;
    struct message **end = &first;

    end_group(gateway);

    while (gateway->waiting.first != NULL && gateway->waiting.first->due_ms <= now_ms) {
        struct message *message = &take_first(&gateway->waiting)->message;

        *end = message;
        end = &message->next;
    }
    *end = NULL;
    inbox_post_list(gateway->inbox, first);
}

static int64_t idle_ms(const struct fake_gateway *gateway)
{
    int64_t left_ms;

    if (gateway->waiting.first == NULL) {
        return 1000;
    }
    left_ms = gateway->waiting.first->due_ms - clock_boot_ms();
    return left_ms < 1000 ? left_ms : 1000;
}

static void *run(void *argument)
{
    struct fake_gateway *gateway = argument;
    int64_t posted_ms = 0;

    (void)pthread_setname_np(pthread_self(), "fakes");
    while (!gateway->stop) {
        struct message *message = inbox_take(&gateway->calls, idle_ms(gateway));

        while (message != NULL) {
            struct message *next = message->next;

            if (message->type == MESSAGE_QUIT) {
                gateway->stop = true;
            } else if (gateway->stop) {
                gateway_call_free((struct gateway_call *)(void *)message);
            } else {
                start_call(gateway, (struct gateway_call *)(void *)message);
                /* Many answers wake the engine once, and go to the disk once; but none waits. */
                if (clock_boot_ms() > posted_ms) {
                    post_due(gateway);
                    posted_ms = clock_boot_ms(); /* the disk may have taken its time */
                }
            }
            message = next;
        }
        post_due(gateway);
    }
    return NULL;
}

/* The settings' share of calls that go wrong, spread over the faults that LIFE knows best. */
static struct pg_fake_config config_of(const struct farebox_settings *settings)
{
    struct pg_fake_config config = pg_fake_config_default();
    static const uint8_t faults[] = {PG_FAULT_NOT_SENT, PG_FAULT_LOST_BEFORE, PG_FAULT_LOST_AFTER,
                                     PG_FAULT_DECLINE, PG_FAULT_ERROR_AFTER};
    uint16_t share = (uint16_t)((uint32_t)settings->fake_pg_fault_permille / sizeof(faults));

    for (size_t i = 0; i < sizeof(faults); i++) {
        config.permille[faults[i]] = share;
    }
    config.latency_max_ms = settings->fake_pg_delay_max_ms;
    if (config.latency_min_ms > config.latency_max_ms) {
        config.latency_min_ms = config.latency_max_ms;
    }
    config.timeout_ms = (int32_t)settings->pg_timeout_ms;
    return config;
}

static struct upstream_fake_config upstreams_of(const struct farebox_settings *settings)
{
    struct upstream_fake_config config = upstream_fake_config_default();

    config.latency_max_ms = settings->fake_upstream_delay_max_ms;
    if (config.latency_min_ms > config.latency_max_ms) {
        config.latency_min_ms = config.latency_max_ms;
    }
    return config;
}

static bool open_fakes(struct fake_gateway *gateway, const struct farebox_settings *settings,
                       char *error, size_t error_size)
{
    const uint64_t accounts[] = {ACCOUNT};
    const struct upstream_fake_config upstreams = upstreams_of(settings);
    const struct pg_file_options options = {
        .path = settings->fake_pg_path,
        .limits = {{ORDERS_MAX, KEYS_MAX, PENDING_MAX}, RULES_MAX},
        .config = config_of(settings),
        .accounts = accounts,
        .account_count = 1,
    };
    char message[PG_FILE_MESSAGE_SIZE];

    gateway->upstreams_block = malloc(upstream_fake_size(0));
    gateway->texts_block = malloc(texts_size(CALL_TEXTS, CALL_TEXT_BYTES));
    if (gateway->upstreams_block == NULL || gateway->texts_block == NULL) {
        (void)snprintf(error, error_size, "out of memory");
        return false;
    }
    gateway->upstreams = upstream_fake_init(gateway->upstreams_block, 0, &upstreams);
    if (pg_file_open(&options, &gateway->pg, message) != PG_FILE_OK) {
        (void)snprintf(error, error_size, "%s", message);
        return false;
    }
    return true;
}

static void free_all(struct fake_gateway *gateway)
{
    if (gateway->pg != NULL) {
        pg_file_close(gateway->pg);
    }
    free(gateway->upstreams_block);
    free(gateway->texts_block);
    explicit_bzero(gateway, sizeof(*gateway));
    free(gateway);
}

static void take_call(struct gateway_port *port, struct gateway_call *call)
{
    struct fake_gateway *gateway = (struct fake_gateway *)(void *)port;

    call->message.type = MESSAGE_CALL;
    call->message.next = NULL;
    if (gateway->asked_last == NULL) {
        gateway->asked_first = &call->message;
    } else {
        gateway->asked_last->next = &call->message;
    }
    gateway->asked_last = &call->message;
}

static void send_calls(struct gateway_port *port)
{
    struct fake_gateway *gateway = (struct fake_gateway *)(void *)port;

    inbox_post_list(&gateway->calls, gateway->asked_first);
    gateway->asked_first = NULL;
    gateway->asked_last = NULL;
}

static void close_gateway(struct gateway_port *port)
{
    struct fake_gateway *gateway = (struct fake_gateway *)(void *)port;
    struct message *message;

    send_calls(port);
    gateway->quit.type = MESSAGE_QUIT;
    inbox_post(&gateway->calls, &gateway->quit);
    pthread_join(gateway->thread, NULL);
    message = inbox_take(&gateway->calls, 0);
    while (message != NULL) {
        struct message *next = message->next;

        gateway_call_free((struct gateway_call *)(void *)message);
        message = next;
    }
    while (gateway->waiting.first != NULL) {
        gateway_call_free(take_first(&gateway->waiting));
    }
    inbox_clear(&gateway->calls);
    free_all(gateway);
}

static const struct gateway_ops fake_gateway_ops = {take_call, send_calls, close_gateway};

bool fake_gateway_open(const struct farebox_settings *settings, struct inbox *inbox,
                       struct gateway_port **port, char *error, size_t error_size)
{
    struct fake_gateway *gateway = calloc(1, sizeof(*gateway));

    if (gateway == NULL) {
        (void)snprintf(error, error_size, "out of memory");
        return false;
    }
    gateway->port.ops = &fake_gateway_ops;
    gateway->inbox = inbox;
    gateway->pg_timeout_ms = settings->pg_timeout_ms;
    gateway->random = clock_random();
    if (!open_fakes(gateway, settings, error, error_size)) {
        free_all(gateway);
        return false;
    }
    if (!inbox_init(&gateway->calls)) {
        (void)snprintf(error, error_size, "no mutex");
        free_all(gateway);
        return false;
    }
    if (pthread_create(&gateway->thread, NULL, run, gateway) != 0) {
        (void)snprintf(error, error_size, "no thread");
        inbox_clear(&gateway->calls);
        free_all(gateway);
        return false;
    }
    *port = &gateway->port;
    return true;
}
