/* history.c - what happened: a running hash, and text for people. */
#include "world_internal.h"

#include <stdarg.h>
#include <xxhash.h>

/* Each event is hashed with the hash so far, field by field: no padding, no pointers. */
void history_add(struct sim *sim, const char *what, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t fields[8] = {
        sim->w->hash[0], sim->w->hash[1], (uint64_t)sim->w->now_ms, a, b, c, sim->w->chosen, 0};

    for (unsigned at = 0; what[at] != '\0' && at < sizeof(fields[7]); at++) {
        fields[7] = fields[7] << 8 | (unsigned char)what[at];
    }
    XXH128_hash_t hash = XXH3_128bits(fields, sizeof(fields));
    sim->w->hash[0] = hash.low64;
    sim->w->hash[1] = hash.high64;
}

void world_hash(const struct sim *sim, uint64_t hash[2])
{
    hash[0] = sim->w->hash[0];
    hash[1] = sim->w->hash[1];
}

void world_trace(struct sim *sim, FILE *out, uint32_t trip)
{
    sim->trace = out;
    sim->trace_trip = trip;
}

bool history_traces(const struct sim *sim, uint32_t trip)
{
    return sim->trace != NULL && (sim->trace_trip == WORLD_TRIP_NONE || trip == WORLD_TRIP_NONE ||
                                  sim->trace_trip == trip);
}

static void say_time(FILE *out, int64_t ms)
{
    int64_t since_ms = ms - WORLD_EPOCH_MS;

    fprintf(out, "%3lldd %02lld:%02lld:%02lld.%03lld  ", (long long)(since_ms / DAY_MS),
            (long long)(since_ms / HOUR_MS % 24), (long long)(since_ms / MINUTE_MS % 60),
            (long long)(since_ms / SECOND_MS % 60), (long long)(since_ms % SECOND_MS));
}

void history_say(struct sim *sim, uint32_t trip, const char *format, ...)
{
    va_list args;

    if (!history_traces(sim, trip)) {
        return;
    }
    say_time(sim->trace, sim->w->now_ms);
    va_start(args, format);
    vfprintf(sim->trace, format, args);
    va_end(args);
    fputc('\n', sim->trace);
}

static void say_engine(struct sim *sim, uint32_t i)
{
    const struct engine_counts c = engine_counts(engine_of(sim, i));

    history_say(sim, WORLD_TRIP_NONE,
                "farebox-%u: %u payments, %u waiters, %u outbox rows, %u dead letters, "
                "%u units waiting, %u batches out",
                i, c.payments, c.waiters, c.outbox, c.dead_letters, c.units_waiting,
                c.batches_outstanding);
    for (uint32_t slot = 0; slot < sim->w->engine_limits.payments; slot++) {
        const struct payment *p = engine_payment(engine_of(sim, i), slot);
        if (p->phase != PHASE_FREE) {
            history_say(sim, world_trip_of(sim, p->trip_id), "farebox-%u has %s in %s", i,
                        texts_string(sim->texts, p->trip_id),
                        payment_phase_name((enum payment_phase)p->phase));
        }
    }
}

/* What is in work, for whoever reads the history of a violation. */
void history_say_work(struct sim *sim)
{
    for (uint32_t i = 0; sim->trace != NULL && i < sim->w->limits.instances; i++) {
        if (instance_at(sim, i)->state != INSTANCE_DOWN) {
            say_engine(sim, i);
        }
    }
    for (uint32_t at = 0; sim->trace != NULL && at < sim->w->pending_used; at++) {
        const struct pending *p = &pendings(sim)[at];
        history_say(sim, WORLD_TRIP_NONE, "scheduled: kind %u of farebox-%u in %lld ms", p->kind,
                    p->instance, (long long)(p->due_ms - sim->w->now_ms));
    }
}

void world_stats_add(struct world_stats *sum, const struct world_stats *more)
{
    uint64_t *to = (uint64_t *)(void *)sum;
    const uint64_t *from = (const uint64_t *)(const void *)more;

    _Static_assert(sizeof(*sum) % sizeof(uint64_t) == 0, "counts and nothing else");
    for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++) {
        to[i] += from[i];
    }
}
