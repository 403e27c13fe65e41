/*
 * breaker.h - circuit breaker of one peer (pricing, users, PG).
 *
 * Keeps a peer in trouble from being called, and finds out when it is well again. Plain memory,
 * owned by the caller; pure: time comes in as `now_ms` of a monotonic clock. Rules: LIFE
 * "Breakers", CONTRACTS 5.
 *
 *                     breaker_verdict (window too bad), breaker_trip
 *              +----------------------------------------------------------+
 *              |                                                          v
 *         +--------+                 +-----------+   breaker_admit    +------+
 *     --> | CLOSED | <-------------- | HALF_OPEN | <----------------- | OPEN |--+
 *         +--------+ breaker_verdict +-----------+ (open time is over)+------+  | breaker_trip
 *          |      ^  (the last probe   |   ^   |                       ^  ^     | (anew)
 *          +------+   is good)         +---+   +-----------------------+  +-----+
 *       verdicts, until           admit, verdict,     breaker_verdict (bad),
 *       the window is too bad     forget of probes    breaker_trip: twice as long
 *
 * Each change of state begins a new round. A call carries the round it was admitted in, so that
 * its late end cannot be taken for a probe's: in HALF_OPEN and OPEN ends of earlier rounds are
 * ignored, in CLOSED they are news like any other.
 */
#ifndef FAREBOX_BREAKER_H
#define FAREBOX_BREAKER_H

#include "invariant.h"

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_WINDOW_MAX 128

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_STATE_COUNT };

/* Settings, checked at start; the defaults are BREAKER_DEFAULTS. */
struct breaker_config {
    int64_t open_ms;          /* the first open time; >= 1 */
    int64_t open_max_ms;      /* what doubling ends at; >= open_ms */
    uint32_t window;          /* how many of the last calls are judged; 1 to BREAKER_WINDOW_MAX */
    uint32_t minimum_calls;   /* fewer prove nothing; 1 to window */
    uint32_t failure_percent; /* opens at this share of bad calls; 1 to 100 */
    uint32_t probes;          /* good verdicts of one round that close it; 1 to 255 */
    bool one_at_a_time;       /* HALF_OPEN: at most one call outstanding (the PG's) */
};

#define BREAKER_DEFAULTS                                                                           \
    {                                                                                              \
        .open_ms = 15000, .open_max_ms = 300000, .window = 100, .minimum_calls = 10,               \
        .failure_percent = 50, .probes = 5, .one_at_a_time = false                                 \
    }

struct breaker {
    uint64_t bad[2];       /* the last calls, newest in bit 0 of bad[0]; 1: bad. CLOSED only */
    int64_t open_until_ms; /* OPEN: when probing may begin; else 0 */
    int64_t open_ms;       /* the open time of this row of failures; 0: none since it closed */
    uint32_t round;
    uint8_t state;       /* enum breaker_state */
    uint8_t calls;       /* how many bits of `bad` count */
    uint8_t outstanding; /* HALF_OPEN: probes of this round without an end */
    uint8_t good;        /* HALF_OPEN: good verdicts of this round */
};

_Static_assert(sizeof(struct breaker) <= 64, "a breaker fits a cache line");

/* How an admitted call went. Only trouble of the peer is bad: a declined card is good. */
enum breaker_verdict { BREAKER_GOOD, BREAKER_BAD };

/* True where the settings are within the ranges above. */
bool breaker_config_ok(const struct breaker_config *config);

/* CLOSED, with an empty window. */
void breaker_init(struct breaker *breaker);

/* Whether breaker_admit() would say yes at `now_ms`. Changes nothing. */
bool breaker_admits(const struct breaker *breaker, const struct breaker_config *config,
                    int64_t now_ms);

/*
 * Takes an admission. True: the caller makes one call, notes breaker_round() now, and later
 * reports its end exactly once, with breaker_verdict() or breaker_forget(). An OPEN breaker whose
 * time is over has become HALF_OPEN. False: no call is made, and nothing has changed.
 */
MUST_USE bool breaker_admit(struct breaker *breaker, const struct breaker_config *config,
                            int64_t now_ms);

/* The round that an admission taken just now belongs to. */
uint32_t breaker_round(const struct breaker *breaker);

/* The end of a call that was admitted in `round`. May open or close the breaker. */
void breaker_verdict(struct breaker *breaker, const struct breaker_config *config, int64_t now_ms,
                     uint32_t round, enum breaker_verdict verdict);

/*
 * The end of an admitted call that says nothing about the peer (dropped, never sent, a REQUEST
 * code): gives the admission back.
 */
void breaker_forget(struct breaker *breaker, const struct breaker_config *config, uint32_t round);

/*
 * Opens at once: wrong credentials, or retries used up. From HALF_OPEN it counts as a failed
 * round; where it is OPEN already, its time begins anew. It ends no call: the caller of an
 * admitted one still reports that (its round is over, so it is ignored).
 */
void breaker_trip(struct breaker *breaker, const struct breaker_config *config, int64_t now_ms);

/*
 * When time alone will make it admit: the end of the open time. INT64_MAX where it is CLOSED or
 * HALF_OPEN, which only ends of calls change.
 */
int64_t breaker_next_ms(const struct breaker *breaker);

/*
 * True where the peer has given at least one good answer since the last opening (always, where
 * the breaker is CLOSED). The PG's first probe must be a look-up: charges wait for this.
 */
bool breaker_proven(const struct breaker *breaker);

/* Ends the process where a field contradicts another. */
void breaker_check(const struct breaker *breaker, const struct breaker_config *config);

#endif
