/*
 * fakepg.h - the fake payment gateway behind a lock: the ledger of fakes/, what the protocol shows
 * beside it, pricing and users, the journal.
 *
 * Every request goes: fakepg_lock(), one of the calls below, fakepg_unlock(), and only then the
 * wait for its delay. Money, keys and replays are the ledger's to judge (pg_ledger.h), the same
 * code that the simulator runs.
 *
 * Threads: any, with the lock held, unless a function says otherwise. Blocking: calls that change
 * something wait for the disk, where there is a state file.
 * Units: whole KRW; `now` is Unix ms plus the clock's offset, and never steps back.
 */
#ifndef FAREBOX_FAKEPG_H
#define FAREBOX_FAKEPG_H

#include "fakepg_codes.h"
#include "fakepg_delay.h"
#include "fakepg_input.h"
#include "fakepg_journal.h"
#include "fakepg_records.h"
#include "fakepg_text.h"
#include "pg_fake.h"
#include "upstream_fake.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define FAKEPG_MERCHANTS_MAX PG_LEDGER_ACCOUNTS
#define FAKEPG_OVERRIDES_MAX 4096
#define FAKEPG_RULES_MAX     1024
#define FAKEPG_SEED_SIZE     24

/* How an answer goes wrong on its way; what a rule's `wire` says. */
enum fakepg_wire {
    FAKEPG_WIRE_USUAL = 0,
    FAKEPG_WIRE_CLOSE,     /* the connection ends without a byte */
    FAKEPG_WIRE_HANG,      /* nothing comes until the client's time is over */
    FAKEPG_WIRE_HTML,      /* 502 with a page of a proxy */
    FAKEPG_WIRE_HALF,      /* half of the body */
    FAKEPG_WIRE_CHUNK_CUT, /* a chunk that ends early */
    FAKEPG_WIRE_EMPTY,     /* 200 without a body */
    FAKEPG_WIRE_GARBAGE,   /* 200 with bytes that are no JSON */
    FAKEPG_WIRE_HUGE,      /* 200 with 10 MB of JSON */
    FAKEPG_WIRE_DRIP,      /* the true answer, a byte a second */
    FAKEPG_WIRE_REDIRECT,  /* 302 to somewhere else */
    FAKEPG_WIRE_COUNT
};

struct fakepg_merchant {
    char secret[FAKEPG_SECRET_MAX + 1];
    char mid[16];
    uint64_t account;
    int64_t window_ms; /* of the request limit: when this minute began */
    uint32_t window_count;
};

/* What may be set while it runs, through /fake/. */
struct fakepg_knobs {
    struct pg_fake_config pg;
    struct upstream_fake_config upstream;
    struct fakepg_delay pg_delay;
    struct fakepg_delay upstream_delay[UPSTREAM_COUNT];
    uint8_t lost_wire;           /* what "no answer" is: FAKEPG_WIRE_CLOSE or _HANG */
    uint32_t chunk_bytes;        /* of answers; 0: one chunk */
    uint32_t request_limit;      /* a minute and merchant; 0: none */
    int64_t transactions_lag_ms; /* a transaction is listed so much later */
    int64_t pg_outage_from_ms;   /* the PG's: connections end without a byte */
    int64_t pg_outage_until_ms;
};

struct fakepg_options {
    struct fakepg_merchant merchants[FAKEPG_MERCHANTS_MAX]; /* secret and mid */
    uint32_t merchant_count;
    uint32_t orders_max;
    const char *state_path; /* NULL: in memory only */
    uint64_t seed;
    bool checks_auth;    /* false: requests without credentials are the first merchant's */
    bool knows_all_keys; /* true: billing keys that nobody was issued are good */
    bool takes_test_codes;
    uint32_t request_limit;
    struct fakepg_delay delay; /* of the PG */
};

struct fakepg {
    pthread_mutex_t mutex;
    int stop_fd;        /* those who wait for their delay watch it; it ends when ... */
    int stop_writer_fd; /* ... this is closed */
    struct fakepg_options options;
    struct fakepg_merchant merchants[FAKEPG_MERCHANTS_MAX];
    struct fakepg_knobs knobs;
    struct pg_fake *pg;
    struct upstream_fake *upstreams;
    struct texts *texts; /* of one request and its answer */
    struct fakepg_records records;
    struct fakepg_journal *journal; /* NULL: none */
    bool is_down;                   /* the disk failed */
    uint64_t random;
    uint64_t requests;
    int64_t clock_offset_ms;
    int64_t now_ms;
};

/* What came of a charge, cancel or look-up. */
struct fakepg_reply {
    struct pg_answer answer; /* its texts: in fakepg->texts, until the next call */
    uint32_t order;          /* PG_LEDGER_NO_ORDER: none is named */
    int64_t delay_ms;
    uint8_t fault; /* enum pg_fault */
    uint8_t wire;  /* enum fakepg_wire */
};

/* Makes it, with the state of the file. NULL: `message` says why in one line. No lock. */
struct fakepg *fakepg_open(const struct fakepg_options *options, char *message, size_t size);
/* After everybody has let go of it. No lock. */
void fakepg_close(struct fakepg *fakepg);

/* Nothing of the fake may be touched without it. */
void fakepg_lock(struct fakepg *fakepg);
void fakepg_unlock(struct fakepg *fakepg);

/* Waits; false: the server stops. Without the lock. */
bool fakepg_pause(struct fakepg *fakepg, int64_t ms);
/* Ends all waits, also those that begin later. Once, without the lock. */
void fakepg_stop(struct fakepg *fakepg);

/* Random bits, in an order that the seed decides. */
uint64_t fakepg_random(struct fakepg *fakepg);

/* Sets the clock, and does what is due. */
int64_t fakepg_now(struct fakepg *fakepg);

/* The merchant of a secret key; NULL: unknown. */
struct fakepg_merchant *fakepg_merchant_of(struct fakepg *fakepg, const char *secret);
const struct fakepg_merchant *fakepg_merchant_by_account(const struct fakepg *fakepg,
                                                         uint64_t account);
/* Counts one request; false: over the limit of this minute. */
bool fakepg_within_limit(struct fakepg *fakepg, struct fakepg_merchant *merchant);

/*
 * A charge or cancel; `input` is filled but for `at_ms` and `plan`. `code` not 0: the request is
 * refused with it (and `detail`), unless a key says otherwise.
 */
void fakepg_post(struct fakepg *fakepg, struct fakepg_input *input, enum pg_fake_code code,
                 enum fakepg_detail detail, struct fakepg_reply *reply);

/* A look-up by payment key, or by order id where that is "". `code`: as above. */
void fakepg_look_up(struct fakepg *fakepg, uint64_t account, const char *payment_key,
                    const char *order_id, enum pg_fake_code code, struct fakepg_reply *reply);

/* Issues or removes a billing key, durably. False: the disk failed. */
bool fakepg_change_billing(struct fakepg *fakepg, struct fakepg_input *input);
/* The hash of an ISSUE's Idempotency-Key. */
uint64_t fakepg_issue_hash(const struct fakepg_input *input);

/* Forgets all payments, keys, rules, faults and overrides; the state file is emptied. */
bool fakepg_reset(struct fakepg *fakepg);

/* The knobs took other values: hands them on to the fakes. They must be ok. */
void fakepg_apply_knobs(struct fakepg *fakepg);

/* The name of a wire for rules, "close"; false: no such name. */
const char *fakepg_wire_name(enum fakepg_wire wire);
bool fakepg_wire_parse(const char *name, uint8_t *wire);

#endif
