/*
 * pg_http_kit.h - pg_http as its tests hold it: one call or many, asked and waited for.
 *
 * Threads: the test's; the clock may be moved by any.
 */
#ifndef FAREBOX_TEST_PG_HTTP_KIT_H
#define FAREBOX_TEST_PG_HTTP_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pg_http.h"
#include "raw_peer.h"

#define KIT_KEY     "test_sk_docs_OaPz8L5KdmQXkzRz3y47BMw6"
#define KIT_ORDER   "70010203-0000-0000-0000-000000000000"
#define KIT_BILLING "bk+Z_t0vVEe/k="

struct kit_call {
    struct pg_http_call call;
    struct pg_http_answer answer;
    bool is_answered;
    bool is_dropped;
};

struct kit {
    struct pg_http *http;
    struct pg_http_options options;
    char base_url[64];
    char told[4096]; /* what `trouble` got, a line each */
};

/* Options for a peer at this port that is PG, pricing and users; one may change them, then open. */
void kit_init(struct kit *kit, const char *scheme, uint16_t port);
void kit_open(struct kit *kit);
void kit_close(struct kit *kit);

/* CLOCK_BOOTTIME and what tests added to it. */
int64_t kit_now_ms(void);
void kit_move_clock(int64_t ms);

/* A call with everything that its kind needs; a charge may leave for two minutes. */
struct kit_call kit_call_of(enum pg_request_op op);
void kit_begin(struct kit *kit, struct kit_call *call);
/* Until it is answered; fails the test where that takes very long. */
void kit_await(struct kit *kit, struct kit_call *call);
void kit_ask(struct kit *kit, struct kit_call *call);
/* Asks a call of this kind and returns the kind of the PG's answer, or of the upstream's. */
int kit_kind(struct kit *kit, enum pg_request_op op);

/* A Payment object as asked for by kit_call_of(), and an error. */
extern const char kit_done[];
extern const char kit_absent[];

#endif
