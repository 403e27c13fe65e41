#include "upstream_fake.h"

#include "invariant.h"

#include <string.h>

#define OVERRIDES_MAX (1u << 20)

/* Ids are known by their hash: 64 bits are enough for a world of our own making. */
struct override {
    uint64_t hash;
    int64_t fare_krw;
    uint32_t kind; /* enum upstream_override_kind */
    uint32_t reserved;
};

struct upstream_fake {
    struct upstream_fake_config config;
    uint32_t counts[UPSTREAM_COUNT][UPSTREAM_FAULT_COUNT];
    uint32_t overrides_max;
    uint32_t override_count;
    uint32_t card_no;
    uint32_t faults_off;
    int64_t outage_from_ms[UPSTREAM_COUNT];
    int64_t outage_until_ms[UPSTREAM_COUNT];
};
_Static_assert(sizeof(struct upstream_fake) == 136, "no padding: equal histories, equal bytes");

const char *upstream_fault_name(enum upstream_fault fault)
{
    static const char *const names[UPSTREAM_FAULT_COUNT] = {
        [UPSTREAM_FAULT_NONE] = "none",       [UPSTREAM_FAULT_TROUBLE] = "trouble",
        [UPSTREAM_FAULT_TIMEOUT] = "timeout", [UPSTREAM_FAULT_CARD_CHANGE] = "card_change",
        [UPSTREAM_FAULT_OUTAGE] = "outage",
    };
    invariant(fault < UPSTREAM_FAULT_COUNT);
    return names[fault];
}

struct upstream_fake_config upstream_fake_config_default(void)
{
    return (struct upstream_fake_config){
        .latency_min_ms = 5,
        .latency_max_ms = 200,
        .timeout_ms = 1200,
        .base_krw = 4800,
        .km_krw = 760,
        .minute_krw = 200,
    };
}

bool upstream_fake_config_ok(const struct upstream_fake_config *config)
{
    for (int upstream = 0; upstream < UPSTREAM_COUNT; upstream++) {
        uint32_t sum = 0;
        for (int fault = 1; fault < UPSTREAM_FAULT_OUTAGE; fault++) {
            sum += config->permille[upstream][fault];
        }
        if (sum > 1000) {
            return false;
        }
    }
    return config->latency_min_ms >= 0 && config->latency_max_ms >= config->latency_min_ms &&
           config->timeout_ms >= 0 && config->base_krw >= 0 && config->km_krw >= 0 &&
           config->minute_krw >= 0;
}

static struct override *override_at(const struct upstream_fake *fake, uint32_t index)
{
    return (struct override *)((uintptr_t)(fake + 1)) + index;
}

size_t upstream_fake_size(uint32_t overrides_max)
{
    invariant(overrides_max <= OVERRIDES_MAX);
    return sizeof(struct upstream_fake) + overrides_max * sizeof(struct override);
}

struct upstream_fake *upstream_fake_init(void *block, uint32_t overrides_max,
                                         const struct upstream_fake_config *config)
{
    invariant(upstream_fake_config_ok(config));
    memset(block, 0, upstream_fake_size(overrides_max));
    struct upstream_fake *fake = block;
    fake->config = *config;
    fake->overrides_max = overrides_max;
    return fake;
}

static uint64_t id_hash(enum upstream upstream, const char *id, size_t len)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) + (uint64_t)upstream;
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ (unsigned char)id[i]) * UINT64_C(0x100000001b3);
    }
    return hash ^ (hash >> 32);
}

static struct override *override_find(const struct upstream_fake *fake, uint64_t hash)
{
    for (uint32_t i = 0; i < fake->override_count; i++) {
        if (override_at(fake, i)->hash == hash) {
            return override_at(fake, i);
        }
    }
    return NULL;
}

bool upstream_fake_override(struct upstream_fake *fake, enum upstream upstream, const char *id,
                            size_t len, enum upstream_override_kind kind, int64_t fare_krw)
{
    invariant(upstream < UPSTREAM_COUNT);
    uint64_t hash = id_hash(upstream, id, len);
    struct override *override = override_find(fake, hash);
    if (override == NULL && fake->override_count == fake->overrides_max) {
        return false;
    }
    if (override == NULL) {
        override = override_at(fake, fake->override_count++);
    }
    override->hash = hash;
    override->fare_krw = fare_krw;
    override->kind = kind;
    return true;
}

enum upstream_override_kind upstream_fake_override_of(const struct upstream_fake *fake,
                                                      enum upstream upstream, const char *id,
                                                      size_t len, int64_t *fare_krw)
{
    const struct override *override = override_find(fake, id_hash(upstream, id, len));
    if (override == NULL) {
        return (enum upstream_override_kind)0;
    }
    *fare_krw = override->fare_krw;
    return (enum upstream_override_kind) override->kind;
}

void upstream_fake_overrides_clear(struct upstream_fake *fake)
{
    fake->override_count = 0;
}

void upstream_fake_configure(struct upstream_fake *fake, const struct upstream_fake_config *config)
{
    invariant(upstream_fake_config_ok(config));
    fake->config = *config;
    fake->faults_off = 0;
}

void upstream_fake_outage(struct upstream_fake *fake, enum upstream upstream, int64_t from_ms,
                          int64_t until_ms)
{
    invariant(upstream < UPSTREAM_COUNT);
    fake->outage_from_ms[upstream] = from_ms;
    fake->outage_until_ms[upstream] = until_ms;
}

void upstream_fake_change_cards(struct upstream_fake *fake)
{
    fake->card_no++;
}

void upstream_fake_faults_off(struct upstream_fake *fake)
{
    fake->faults_off = 1;
}

static bool is_possible(enum upstream upstream, int fault)
{
    return fault != UPSTREAM_FAULT_CARD_CHANGE || upstream == UPSTREAM_USERS;
}

static uint8_t draw_uniform(const uint16_t *permille, enum upstream upstream,
                            const struct chooser *chooser)
{
    uint8_t possible[UPSTREAM_FAULT_COUNT] = {UPSTREAM_FAULT_NONE};
    uint32_t count = 1;
    for (int fault = 1; fault < UPSTREAM_FAULT_OUTAGE; fault++) {
        if (permille[fault] > 0 && is_possible(upstream, fault)) {
            possible[count++] = (uint8_t)fault;
        }
    }
    return possible[chooser_pick(chooser, count, "upstream.fault")];
}

static uint8_t draw_weighted(const uint16_t *permille, enum upstream upstream,
                             const struct chooser *chooser)
{
    uint32_t sum = 0;
    for (int fault = 1; fault < UPSTREAM_FAULT_OUTAGE; fault++) {
        sum += is_possible(upstream, fault) ? permille[fault] : 0;
    }
    uint32_t left = sum == 0 ? 999 : 999 - chooser_pick(chooser, 1000, "upstream.fault");
    for (int fault = 1; fault < UPSTREAM_FAULT_OUTAGE; fault++) {
        uint32_t weight = is_possible(upstream, fault) ? permille[fault] : 0;
        if (left < weight) {
            return (uint8_t)fault;
        }
        left -= weight;
    }
    return UPSTREAM_FAULT_NONE;
}

static uint8_t draw_fault(const struct upstream_fake *fake, enum upstream upstream, int64_t now_ms,
                          const struct chooser *chooser)
{
    if (fake->faults_off) {
        return UPSTREAM_FAULT_NONE;
    }
    if (now_ms >= fake->outage_from_ms[upstream] && now_ms < fake->outage_until_ms[upstream]) {
        return UPSTREAM_FAULT_OUTAGE;
    }
    const uint16_t *permille = fake->config.permille[upstream];
    return fake->config.uniform ? draw_uniform(permille, upstream, chooser)
                                : draw_weighted(permille, upstream, chooser);
}

static int64_t tariff(const struct upstream_fake_config *config, int64_t distance_meters,
                      int64_t duration_seconds)
{
    /* Beyond any trip: keeps the product in range and the fare above every maximum. */
    const int64_t bound = INT64_C(100000000000);
    int64_t meters = distance_meters < 0 ? 0 : distance_meters;
    int64_t seconds = duration_seconds < 0 ? 0 : duration_seconds;
    meters = meters > bound ? bound : meters;
    seconds = seconds > bound ? bound : seconds;
    if (meters == 0 && seconds == 0) {
        return 0; /* nothing driven: a free ride */
    }
    int64_t km_part = meters / 1000 * config->km_krw + meters % 1000 * config->km_krw / 1000;
    int64_t time_part = seconds / 60 * config->minute_krw;
    return (config->base_krw + km_part + time_part) / 100 * 100;
}

int64_t upstream_fake_fare(const struct upstream_fake *fake, const char *trip_id, size_t len,
                           int64_t distance_meters, int64_t duration_seconds)
{
    const struct override *override = override_find(fake, id_hash(UPSTREAM_PRICING, trip_id, len));
    if (override == NULL) {
        return tariff(&fake->config, distance_meters, duration_seconds);
    }
    return override->kind == UPSTREAM_OVERRIDE_FARE && override->fare_krw >= 0 ? override->fare_krw
                                                                               : -1;
}

static size_t put(char *text, size_t at, const char *part)
{
    size_t len = strlen(part);
    memcpy(text + at, part, len + 1);
    return at + len;
}

static size_t put_hex(char *text, size_t at, uint64_t value, int digits)
{
    static const char hex[] = "0123456789abcdef";
    for (int i = digits - 1; i >= 0; i--) {
        text[at++] = hex[(value >> (4 * i)) & 15];
    }
    text[at] = '\0';
    return at;
}

/* The user's card: its billing key ends in `=`, as real ones do. */
static void answer_card(const struct upstream_fake *fake, struct texts *texts, const char *user,
                        size_t len, struct upstream_answer *answer)
{
    char text[64];
    uint64_t hash = id_hash(UPSTREAM_USERS, user, len);
    size_t at = put_hex(text, put(text, 0, "pm_"), hash, 16);
    (void)put_hex(text, put(text, at, "_"), fake->card_no, 4);
    answer->method_id = texts_intern_string(texts, text);
    at = put_hex(text, put(text, 0, "bk_"), hash, 16);
    at = put_hex(text, put(text, at, "/"), fake->card_no, 4);
    (void)put(text, at, "=");
    answer->billing_key = texts_intern_string(texts, text);
    bool fits = answer->method_id != TEXT_NONE && answer->billing_key != TEXT_NONE;
    answer->kind = fits ? UPSTREAM_OK : UPSTREAM_TROUBLE;
}

static uint8_t override_answer(const struct override *override)
{
    switch ((enum upstream_override_kind) override->kind) {
    case UPSTREAM_OVERRIDE_FARE:
        return override->fare_krw < 0 ? UPSTREAM_REFUSED : UPSTREAM_OK;
    case UPSTREAM_OVERRIDE_NOT_FOUND:
        return UPSTREAM_NOT_FOUND;
    case UPSTREAM_OVERRIDE_TROUBLE:
        return UPSTREAM_TROUBLE;
    case UPSTREAM_OVERRIDE_NOT_WHOLE:
    case UPSTREAM_OVERRIDE_REFUSED:
        break;
    }
    return UPSTREAM_REFUSED;
}

static void answer_call(const struct upstream_fake *fake, struct texts *texts,
                        const struct upstream_call *call, struct upstream_answer *answer)
{
    size_t len = 0;
    const char *id = texts_get(texts, call->id, &len);
    const struct override *override =
        override_find(fake, id_hash((enum upstream)call->upstream, id, len));
    answer->kind = override != NULL ? override_answer(override) : UPSTREAM_OK;
    if (answer->kind == UPSTREAM_NOT_FOUND) {
        answer->method_id = texts_intern(texts, "", 0);
        answer->kind = answer->method_id != TEXT_NONE ? UPSTREAM_NOT_FOUND : UPSTREAM_TROUBLE;
    }
    if (answer->kind != UPSTREAM_OK) {
        return;
    }
    if (call->upstream == UPSTREAM_USERS) {
        answer_card(fake, texts, id, len, answer);
        return;
    }
    answer->fare_krw =
        upstream_fake_fare(fake, id, len, call->distance_meters, call->duration_seconds);
}

static int64_t draw_latency(const struct upstream_fake *fake, const struct chooser *chooser)
{
    const struct upstream_fake_config *config = &fake->config;
    uint32_t spread = (uint32_t)(config->latency_max_ms - config->latency_min_ms) + 1;
    uint32_t more = config->uniform ? 0 : chooser_pick(chooser, spread, "upstream.latency");
    return config->latency_min_ms + (int64_t)more;
}

void upstream_fake_call(struct upstream_fake *fake, struct texts *texts,
                        const struct upstream_call *call, int64_t now_ms,
                        const struct chooser *chooser, struct upstream_reply *reply)
{
    invariant(call->upstream < UPSTREAM_COUNT);
    memset(reply, 0, sizeof *reply);
    reply->fault = draw_fault(fake, (enum upstream)call->upstream, now_ms, chooser);
    reply->answer.kind = UPSTREAM_TROUBLE;
    fake->counts[call->upstream][reply->fault]++;
    if (reply->fault == UPSTREAM_FAULT_TIMEOUT) {
        reply->delay_ms = fake->config.timeout_ms;
        return;
    }
    if (reply->fault == UPSTREAM_FAULT_CARD_CHANGE) {
        fake->card_no++;
    }
    if (reply->fault == UPSTREAM_FAULT_NONE || reply->fault == UPSTREAM_FAULT_CARD_CHANGE) {
        answer_call(fake, texts, call, &reply->answer);
    }
    reply->delay_ms = draw_latency(fake, chooser);
}

uint32_t upstream_fake_fault_count(const struct upstream_fake *fake, enum upstream upstream,
                                   enum upstream_fault fault)
{
    invariant(upstream < UPSTREAM_COUNT && fault < UPSTREAM_FAULT_COUNT);
    return fake->counts[upstream][fault];
}
