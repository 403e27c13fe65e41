/*
 * engine_kit.h - an engine under test, and short words to tell its story with.
 *
 * The kit holds a small engine, its texts, and the effects of the last step. kit_* functions feed
 * one event; kit_take() finds an effect and takes it out, so that a story says what it expects in
 * the order it likes, and kit_assert_quiet() says that nothing else was asked.
 */
#ifndef FAREBOX_ENGINE_KIT_H
#define FAREBOX_ENGINE_KIT_H

#include "engine.h"

struct kit {
    struct engine *engine;
    struct texts *texts;
    struct effect *effects;
    uint32_t count;
    uint32_t max;
    int64_t now_ms;
    int64_t wall_ms;
    size_t size;
    struct engine_limits limits;
};

/* NULL: the kit's own limits and configuration; lanes 1, no linger. */
void kit_open(struct kit *kit, const struct engine_limits *limits,
              const struct engine_config *config);
void kit_close(struct kit *kit);

/* Interns a string; fails the test where the pool is full. */
text_id kit_text(struct kit *kit, const char *string);

/* One step; checks the engine before and after. */
void kit_step(struct kit *kit, struct engine_event *event);
void kit_pass(struct kit *kit, int64_t ms);

/* The partition comes, and goes. */
void kit_assign(struct kit *kit, enum engine_topic topic, int32_t partition, uint32_t assignment);
/* The same assignment as in kit_assign(). */
void kit_revoke(struct kit *kit, enum engine_topic topic, int32_t partition, uint32_t assignment);

/* Trip `trip`, partition 0, assignment 1. */
void kit_trip(struct kit *kit, const char *trip, int64_t offset);
void kit_record(struct kit *kit, enum engine_record_kind kind, int64_t offset);

/* The fare and payer effects of the last step are answered well. */
void kit_quote(struct kit *kit, uint32_t slot, int64_t fare_krw);
void kit_upstream(struct kit *kit, uint32_t slot, enum upstream upstream,
                  const struct upstream_answer *answer);

/* Every unit of the lane's batch gets this verdict. */
void kit_commit(struct kit *kit, enum unit_verdict verdict);
void kit_commit_row(struct kit *kit, enum unit_verdict verdict, const struct payment_row *row);
void kit_batch(struct kit *kit, enum batch_outcome outcome);

/* The PG answers the slot's outstanding call. */
void kit_pg(struct kit *kit, uint32_t slot, const struct pg_answer *answer);
/* Answers: DONE as asked, pg-1; an error of this class. */
struct pg_answer kit_approval(struct kit *kit, int64_t amount_krw);
/* The error's code is interned. */
struct pg_answer kit_error(struct kit *kit, const char *code, enum pg_code_class code_class);
/* The broker reports on the slot's outstanding record. */
void kit_published(struct kit *kit, enum publish_kind kind, uint32_t slot,
                   enum publish_verdict verdict);

/* The first effect of this kind, taken out. Fails the test where there is none. */
struct effect kit_take(struct kit *kit, enum effect_kind kind);
bool kit_has(const struct kit *kit, enum effect_kind kind);
bool kit_has_note(const struct kit *kit, enum engine_note note);
/* Nothing but notes and submits is left. */
void kit_assert_quiet(const struct kit *kit);

/* A trip from its record to the charge that is out; its slot. */
uint32_t kit_charging(struct kit *kit, const char *trip, int64_t offset);

#endif
