/*
 * upstream_fake.h - pricing and users, with their bad days.
 *
 * What belongs to a trip or user for good (its fare, "no payment method", "refused") is a pure
 * function of the request or an override that the caller sets; it is the same at every call. What
 * passes (trouble, a slow answer, a customer changing card) is drawn through the chooser at each
 * call, or scripted as an outage.
 *
 * Memory: one block that the caller gives, without pointers and without text handles.
 * Threads and blocking: one thread at a time; nothing blocks, allocates or reads a clock.
 * Source: CONTRACTS 5.
 */
#ifndef FAREBOX_UPSTREAM_FAKE_H
#define FAREBOX_UPSTREAM_FAKE_H

#include "chooser.h"
#include "gateway.h"

enum upstream_fault {
    UPSTREAM_FAULT_NONE = 0,
    UPSTREAM_FAULT_TROUBLE,     /* 5xx, 429, refused connection: a quick failure */
    UPSTREAM_FAULT_TIMEOUT,     /* no answer within the client's timeout */
    UPSTREAM_FAULT_CARD_CHANGE, /* users: from this answer on every billing key is another */
    UPSTREAM_FAULT_OUTAGE,      /* scripted, never drawn */
    UPSTREAM_FAULT_COUNT
};

/* Never NULL. */
const char *upstream_fault_name(enum upstream_fault fault);

/* All zero: free rides, at once, without faults. */
struct upstream_fake_config {
    uint16_t permille[UPSTREAM_COUNT][UPSTREAM_FAULT_COUNT]; /* each upstream: 1,000 at most */
    uint16_t uniform; /* 1: for exhaustive search, as in pg_fake.h */
    uint16_t reserved;
    int32_t latency_min_ms;
    int32_t latency_max_ms;
    int32_t timeout_ms; /* the client's */
    int32_t base_krw;
    int32_t km_krw;
    int32_t minute_krw;
};

/* CONTRACTS 5's timeout and a plausible tariff, without any fault. */
struct upstream_fake_config upstream_fake_config_default(void);

/* True where the weights add up and durations and tariff are in order. */
bool upstream_fake_config_ok(const struct upstream_fake_config *config);

/* What one trip (pricing) or user (users) gets for good instead of the usual answer. */
enum upstream_override_kind {
    UPSTREAM_OVERRIDE_FARE = 1,  /* `fare_krw`; negative is REFUSED, above any maximum is told */
    UPSTREAM_OVERRIDE_NOT_WHOLE, /* pricing: a fare that is no whole number: REFUSED */
    UPSTREAM_OVERRIDE_NOT_FOUND, /* 404 */
    UPSTREAM_OVERRIDE_REFUSED,   /* another 4xx */
    UPSTREAM_OVERRIDE_TROUBLE,   /* always 5xx, while others are answered */
};

struct upstream_call {
    uint8_t upstream; /* enum upstream */
    text_id id;       /* pricing: trip id; users: user id */
    int64_t distance_meters;
    int64_t duration_seconds;
};

struct upstream_reply {
    struct upstream_answer answer;
    int64_t delay_ms; /* until it arrives */
    uint8_t fault;    /* enum upstream_fault, for histories */
};

struct upstream_fake;

/* Bytes for at most `overrides_max` overrides (0 to 1 million, an invariant). */
size_t upstream_fake_size(uint32_t overrides_max);

/* Makes the upstreams in `block` (8-byte aligned). `config` is copied; it must be ok. */
struct upstream_fake *upstream_fake_init(void *block, uint32_t overrides_max,
                                         const struct upstream_fake_config *config);

/* Sets or replaces what an id gets; for the fare of other kinds give 0. False: no room. */
MUST_USE bool upstream_fake_override(struct upstream_fake *fake, enum upstream upstream,
                                     const char *id, size_t len, enum upstream_override_kind kind,
                                     int64_t fare_krw);

/* What an id was told to get: its kind, and its fare; 0: nothing out of the ordinary. */
enum upstream_override_kind upstream_fake_override_of(const struct upstream_fake *fake,
                                                      enum upstream upstream, const char *id,
                                                      size_t len, int64_t *fare_krw);
void upstream_fake_overrides_clear(struct upstream_fake *fake);

/* Other weights, durations and tariff from now on; they must be ok. Ends faults_off. */
void upstream_fake_configure(struct upstream_fake *fake, const struct upstream_fake_config *config);

/* Every call in [from_ms, until_ms) is in trouble. One outage for each upstream: replaces. */
void upstream_fake_outage(struct upstream_fake *fake, enum upstream upstream, int64_t from_ms,
                          int64_t until_ms);

/* Every customer has another card from now on: another billing key, another URL at the PG. */
void upstream_fake_change_cards(struct upstream_fake *fake);

/* From now on nothing passing goes wrong; overrides stay. */
void upstream_fake_faults_off(struct upstream_fake *fake);

/* Answers. Texts are made in `texts`; without room there the answer is TROUBLE. */
void upstream_fake_call(struct upstream_fake *fake, struct texts *texts,
                        const struct upstream_call *call, int64_t now_ms,
                        const struct chooser *chooser, struct upstream_reply *reply);

/* What pricing says of a trip when all goes well, for auditors; -1: it has no valid fare. */
int64_t upstream_fake_fare(const struct upstream_fake *fake, const char *trip_id, size_t len,
                           int64_t distance_meters, int64_t duration_seconds);

/* How often a fault really took effect. */
uint32_t upstream_fake_fault_count(const struct upstream_fake *fake, enum upstream upstream,
                                   enum upstream_fault fault);

#endif
