/*
 * pg_fake.h - a payment gateway that fails in every way that a real one does.
 *
 * Wraps pg_ledger.h. For each call it decides what goes wrong: by the first rule that fits, else
 * by weights through the chooser. Then it acts on the ledger, and tells the answer and after how
 * long it arrives. pg_fake_plan() and pg_fake_act() are the two halves of pg_fake_call(), for
 * whoever must write down what is going to happen before it does (pg_file.h).
 *
 * Memory: one block that the caller gives, without pointers: a copy of it is a copy of the PG.
 * Threads and blocking: one thread at a time; nothing blocks, allocates or reads a clock.
 * Units: whole KRW; ms of the caller's clock.
 */
#ifndef FAREBOX_PG_FAKE_H
#define FAREBOX_PG_FAKE_H

#include "chooser.h"
#include "pg_ledger.h"

enum pg_fault {
    PG_FAULT_NONE = 0,
    PG_FAULT_NOT_SENT,       /* refused connection */
    PG_FAULT_LOST_BEFORE,    /* no answer; nothing was done */
    PG_FAULT_LOST_AFTER,     /* no answer; it was done */
    PG_FAULT_LATE,           /* no answer; it is done later (charge, cancel) */
    PG_FAULT_IN_PROGRESS,    /* charge: answered IN_PROGRESS, approved later */
    PG_FAULT_ABORTED,        /* charge: answered IN_PROGRESS, aborted later */
    PG_FAULT_DECLINE,        /* charge: a code of the closed list */
    PG_FAULT_ERROR_BEFORE,   /* an unknown error; nothing was done; replayed under the key */
    PG_FAULT_ERROR_AFTER,    /* an unknown error though it was done; replayed (charge, cancel) */
    PG_FAULT_WRONG_AMOUNT,   /* charge */
    PG_FAULT_WRONG_CURRENCY, /* charge */
    PG_FAULT_NO_PG_ID,       /* the Payment object has no paymentKey */
    PG_FAULT_OUTSIDE_CANCEL, /* charge: approved, and later cancelled in part by an operator */
    PG_FAULT_STALE,          /* look-up: as it was before the last change */
    PG_FAULT_BROKEN,         /* it was done; the body is broken */
    PG_FAULT_FOREIGN,        /* it was done; the answer is about another order */
    PG_FAULT_SLOW,           /* it was done; the answer comes after the client's timeout */
    PG_FAULT_UNAUTHORIZED,   /* UNAUTHORIZED_KEY, nothing was done */
    PG_FAULT_WRONG_URL,      /* NOT_FOUND, nothing was done: a wrong base URL */
    PG_FAULT_TOO_MANY,       /* TOO_MANY_REQUESTS, nothing was done */
    PG_FAULT_PROCESSING,     /* IDEMPOTENT_REQUEST_PROCESSING, nothing was done (charge, cancel) */
    PG_FAULT_CONSECUTIVE,    /* FORBIDDEN_CONSECUTIVE_REQUEST; cancels: replayed under the key */
    PG_FAULT_CANCEL_REFUSED, /* cancel: refused for good, now and under every key */
    PG_FAULT_COUNT
};

/* Never NULL. */
const char *pg_fault_name(enum pg_fault fault);

/* All zero: nothing goes wrong and answers come at once. */
struct pg_fake_config {
    /* Weight of each fault where it is possible. What is possible at one call adds up to at most
     * 1,000 of 1,000 calls. */
    uint16_t permille[PG_FAULT_COUNT];
    /* 1: for exhaustive search. Every fault that has a weight is one choice, and durations,
     * amounts and codes are the bounds alone. */
    uint16_t uniform;
    uint16_t late_long_permille; /* of the late actions: how many by late_long_max_ms */
    int32_t latency_min_ms;
    int32_t latency_max_ms;
    int32_t timeout_ms;        /* the client's: when it learns that no answer came */
    int32_t slow_max_ms;       /* PG_FAULT_SLOW: at most this much after timeout_ms */
    int32_t stale_max_ms;      /* look-ups may be stale this long after a change */
    int64_t late_short_max_ms; /* 900,000: what the PG may take */
    int64_t late_long_max_ms;  /* 14 days: what it was seen to take */
};

/* The bounds that LIFE is written for, without any fault. */
struct pg_fake_config pg_fake_config_default(void);

/* True where durations are in order and the weights add up. */
bool pg_fake_config_ok(const struct pg_fake_config *config);

/* A scripted fault. All zero: every call, for ever, and works. The first rule that fits decides. */
struct pg_fake_rule {
    struct uuid order_id; /* nil: any. The request's: cancels and look-ups should carry it */
    int64_t from_ms;
    int64_t until_ms;   /* exclusive; 0: for ever */
    int64_t value;      /* late: delay in ms; WRONG_AMOUNT, OUTSIDE_CANCEL: KRW; 0: drawn */
    int32_t amount_krw; /* charges of this amount; 0: any call */
    uint16_t skip;      /* so many fitting calls are left alone first */
    uint16_t times;     /* so many are taken; 0: all */
    uint8_t ops;        /* bits of 1 << enum pg_ledger_op; 0: all */
    uint8_t fault;      /* enum pg_fault */
    uint8_t code;       /* enum pg_fake_code for DECLINE and ERROR_...; 0: drawn */
    uint8_t spent;      /* kept by the fake */
    uint8_t wire;       /* the caller's: how the answer goes wrong on the way; handed to the plan */
    uint8_t reserved[3];
};

struct pg_fake_limits {
    struct pg_ledger_limits ledger;
    uint32_t rules_max; /* may be 0 */
};

/* What is going to happen to one call. */
struct pg_fake_plan {
    struct pg_ledger_plan ledger;
    int64_t delay_ms;
    uint8_t fault; /* enum pg_fault */
    uint8_t wire;  /* of the rule that decided; 0: none did */
};

struct pg_fake_reply {
    struct pg_answer answer;
    int64_t delay_ms; /* until the answer arrives; more than timeout_ms: the client gave up */
    uint8_t fault;    /* enum pg_fault, for histories; the client must not see it */
};

struct pg_fake;

/* Bytes that a PG with these limits needs. */
size_t pg_fake_size(const struct pg_fake_limits *limits);

/* Makes a PG without accounts in `block` (8-byte aligned). `config` is copied; it must be ok. */
struct pg_fake *pg_fake_init(void *block, const struct pg_fake_limits *limits,
                             const struct pg_fake_config *config);

/* The ledger behind the faults: to open accounts, and for the auditor. */
struct pg_ledger *pg_fake_ledger(struct pg_fake *fake);
const struct pg_ledger *pg_fake_ledger_view(const struct pg_fake *fake);

/* Adds a rule after the others. False: no room. */
MUST_USE bool pg_fake_rule_add(struct pg_fake *fake, const struct pg_fake_rule *rule);
void pg_fake_rules_clear(struct pg_fake *fake);

/* The rules that were added, spent ones too, in order; `index` is below the count. */
uint32_t pg_fake_rule_count(const struct pg_fake *fake);
struct pg_fake_rule pg_fake_rule_get(const struct pg_fake *fake, uint32_t index);

/* Other weights and durations from now on; they must be ok. Ends pg_fake_faults_off(). */
void pg_fake_configure(struct pg_fake *fake, const struct pg_fake_config *config);

/*
 * Does what is due, decides what goes wrong with the call, and acts. `chooser` may be NULL where
 * nothing is to be chosen: no weights, one latency. The answer's texts are in `texts`.
 */
void pg_fake_call(struct pg_fake *fake, struct texts *texts,
                  const struct pg_ledger_request *request, int64_t now_ms,
                  const struct chooser *chooser, struct pg_fake_reply *reply);

/* First half: decides, uses up rules, changes nothing else. Do what is due before. */
void pg_fake_plan(struct pg_fake *fake, const struct texts *texts,
                  const struct pg_ledger_request *request, int64_t now_ms,
                  const struct chooser *chooser, struct pg_fake_plan *plan);

/* Second half: acts, counts the fault. */
void pg_fake_act(struct pg_fake *fake, struct texts *texts, const struct pg_ledger_request *request,
                 const struct pg_fake_plan *plan, int64_t now_ms, struct pg_fake_reply *reply);

/* True where the ledger sees the request at all. */
bool pg_fake_plan_reaches_ledger(const struct pg_fake_plan *plan);

/* Late actions, as in pg_ledger.h. */
void pg_fake_advance(struct pg_fake *fake, int64_t now_ms);
int64_t pg_fake_next_due(const struct pg_fake *fake);

/*
 * From now on no rule and no weight has a say: every call works. Late actions still happen, and
 * a payment whose cancels are refused for good stays so.
 */
void pg_fake_faults_off(struct pg_fake *fake);

/* How often a fault really took effect. */
uint32_t pg_fake_fault_count(const struct pg_fake *fake, enum pg_fault fault);

#endif
