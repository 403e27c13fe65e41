#include "world_fault.h"

#include <string.h>

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)

/* A fault's name, and how strong it gets: of 1,000 occasions. */
static const struct {
    const char *name;
    uint16_t most;
} own[WF_OWN_COUNT] = {
    [WF_CRASH_EFFECT] = {"crash_effect", 4},
    [WF_CRASH_BEFORE_COMMIT] = {"crash_before_commit", 8},
    [WF_CRASH_AFTER_COMMIT] = {"crash_after_commit", 8},
    [WF_CRASH_AFTER_PUBLISH] = {"crash_after_publish", 24},
    [WF_CRASH_COMMIT_LATER] = {"crash_commit_later", 500},
    [WF_PAUSE_SHORT] = {"pause_short", 6},
    [WF_PAUSE_LONG] = {"pause_long", 4},
    [WF_SLOW_COMMIT] = {"slow_commit", 20},
    [WF_STOP] = {"stop", 160},
    [WF_REBALANCE] = {"rebalance", 160},
    [WF_CLOCK_SKEW] = {"clock_skew", 600},
    [WF_STORE_DOWN] = {"store_down_for_a_while", 120},
    [WF_PUBLISH_REJECTED] = {"publish_rejected", 60},
    [WF_PUBLISH_LOST] = {"publish_lost", 60},
    [WF_PUBLISH_NO_VERDICT] = {"publish_no_verdict", 60},
    [WF_PUBLISH_TWICE] = {"publish_twice", 60},
    [WF_DLT_REFUSED] = {"dlt_refused", 400},
    [WF_OFFSET_REFUSED] = {"offset_refused", 100},
    [WF_OFFSET_STALE] = {"offset_stale", 500},
    [WF_RECORD_AGAIN] = {"record_again", 300},
    [WF_RECORD_REORDERED] = {"record_reordered", 300},
    [WF_RECORD_ELSEWHERE] = {"record_elsewhere", 500},
    [WF_RECORD_MALFORMED] = {"record_malformed", 80},
    [WF_RECORD_OTHER_TYPE] = {"record_other_type", 80},
    [WF_RECORD_OLD] = {"record_old", 60},
    [WF_FARE_ZERO] = {"fare_zero", 100},
    [WF_FARE_REFUSED] = {"fare_refused", 60},
    [WF_NO_METHOD] = {"no_method", 80},
    [WF_PRICING_TROUBLE] = {"pricing_trouble_of_one_trip", 60},
    [WF_UPSTREAM_OUTAGE] = {"upstream_outage", 400},
    [WF_CARD_CHANGE] = {"card_change", 60},
    [WF_OPERATOR_REFUND] = {"operator_refund", 200},
    [WF_OPERATOR_ADOPT] = {"operator_adopt", 200},
    [WF_RETRY_ALL] = {"retry_all", 200},
    [WF_IGNORE] = {"ignore", 200},
    [WF_LEGACY_ROW] = {"legacy_row", 100},
    [WF_BATCH_BOUNDARY] = {"batch_boundary", 400},
};

static const uint16_t store_most[STORE_FAULT_COUNT] = {
    [STORE_FAULT_ABORTED] = 60,   [STORE_FAULT_LOST_LANDED] = 60, [STORE_FAULT_LOST_LATER] = 40,
    [STORE_FAULT_LOST_DEAD] = 30, [STORE_FAULT_UNIT_ERROR] = 20,  [STORE_FAULT_UNIT_COLLISION] = 8,
};

static bool is_upstream(uint32_t fault)
{
    return fault >= WF_UPSTREAM_FIRST && fault < WORLD_FAULT_COUNT;
}

const char *world_fault_name(uint32_t fault)
{
    if (fault < WF_OWN_COUNT) {
        return own[fault].name;
    }
    if (fault < WF_PG_FIRST) {
        return store_fault_name((enum store_fault)(fault - WF_STORE_FIRST));
    }
    if (fault < WF_UPSTREAM_FIRST) {
        return pg_fault_name((enum pg_fault)(fault - WF_PG_FIRST));
    }
    invariant(is_upstream(fault));
    return upstream_fault_name(
        (enum upstream_fault)((fault - WF_UPSTREAM_FIRST) % UPSTREAM_FAULT_COUNT));
}

bool world_fault_exists(uint32_t fault)
{
    if (is_upstream(fault)) {
        uint32_t kind = (fault - WF_UPSTREAM_FIRST) % UPSTREAM_FAULT_COUNT;
        bool pricing = fault - WF_UPSTREAM_FIRST < UPSTREAM_FAULT_COUNT;
        /* Cards are changed by the world, and only users know of them. */
        return kind != UPSTREAM_FAULT_NONE && (kind != UPSTREAM_FAULT_CARD_CHANGE || !pricing);
    }
    return fault != WF_STORE_FIRST && fault != WF_PG_FIRST;
}

void world_faults_none(struct world_faults *faults)
{
    memset(faults, 0, sizeof(*faults));
    faults->pg = pg_fake_config_default();
    faults->upstream = upstream_fake_config_default();
    faults->store.hold_max_ms = MINUTE_MS;
    faults->window_ms = 10 * MINUTE_MS;
    faults->backoff_max_ms = 5 * MINUTE_MS;
    faults->unknown_after = 10;
    faults->outbox_poll_ms = SECOND_MS;
    faults->linger_ms = 2;
    faults->gate_poll_ms = SECOND_MS;
}

/* How a seed is in the mood: of 8 faults, how many are on. */
static uint16_t draw_weight(const struct chooser *chooser, uint32_t on_of_8, uint16_t most)
{
    if (chooser_pick(chooser, 8, "fault on") < 8 - on_of_8) {
        return 0;
    }
    uint32_t step = most < 4 ? 1 : most / 4U;
    uint32_t weight = step * (1 + chooser_pick(chooser, 4, "strength"));
    return (uint16_t)(weight > most ? most : weight);
}

static void draw_pg(struct world_faults *faults, const struct chooser *chooser, uint32_t on_of_8)
{
    struct pg_fake_config *pg = &faults->pg;

    for (uint32_t fault = PG_FAULT_NONE + 1; fault < PG_FAULT_COUNT; fault++) {
        pg->permille[fault] = draw_weight(chooser, on_of_8, 28);
    }
    if (chooser_pick(chooser, 4, "storm") == 3) {
        uint32_t storm = 1 + chooser_pick(chooser, PG_FAULT_COUNT - 1, "storm of");
        pg->permille[storm] = (uint16_t)(pg->permille[storm] + 300);
    }
    if (chooser_pick(chooser, 4, "long lates") == 3) {
        pg->late_long_permille = 300;
        faults->backoff_max_ms = 60 * MINUTE_MS;
    }
    invariant(pg_fake_config_ok(pg));
}

static void draw_upstreams(struct world_faults *faults, const struct chooser *chooser,
                           uint32_t on_of_8)
{
    for (uint32_t u = 0; u < UPSTREAM_COUNT; u++) {
        uint16_t *permille = faults->upstream.permille[u];
        permille[UPSTREAM_FAULT_TROUBLE] = draw_weight(chooser, on_of_8, 120);
        permille[UPSTREAM_FAULT_TIMEOUT] = draw_weight(chooser, on_of_8, 80);
    }
    faults->upstream.permille[UPSTREAM_USERS][UPSTREAM_FAULT_CARD_CHANGE] =
        draw_weight(chooser, on_of_8, 60);
    invariant(upstream_fake_config_ok(&faults->upstream));
}

/* Nothing that makes more records, rows or texts than a tight world has room for. */
static void without_dead_letters(struct world_faults *faults)
{
    static const enum world_fault off[] = {WF_RECORD_MALFORMED, WF_RECORD_OTHER_TYPE, WF_RECORD_OLD,
                                           WF_FARE_REFUSED,     WF_PRICING_TROUBLE,   WF_RETRY_ALL,
                                           WF_UPSTREAM_OUTAGE,  WF_CARD_CHANGE};

    for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
        faults->permille[off[i]] = 0;
    }
    memset(faults->upstream.permille, 0, sizeof(faults->upstream.permille));
    faults->store.permille[STORE_FAULT_UNIT_ERROR] = 0;
    faults->store.permille[STORE_FAULT_UNIT_COLLISION] = 0;
}

void world_faults_draw(struct world_faults *faults, bool all, bool tight,
                       const struct chooser *chooser)
{
    static const uint32_t moods[] = {1, 3, 5, 8};
    static const uint16_t minutes[] = {10, 30, 60};
    uint32_t on_of_8 = all ? 8 : moods[chooser_pick(chooser, 4, "mood")];

    world_faults_none(faults);
    for (uint32_t fault = 0; fault < WF_OWN_COUNT; fault++) {
        faults->permille[fault] = draw_weight(chooser, on_of_8, own[fault].most);
    }
    for (uint32_t fault = 1; fault < STORE_FAULT_COUNT; fault++) {
        faults->store.permille[fault] = draw_weight(chooser, on_of_8, store_most[fault]);
    }
    faults->store.no_lease = (uint16_t)(chooser_pick(chooser, 6, "no lease") == 5);
    faults->store.hold_max_ms = 2 * MINUTE_MS;
    faults->adopt = (uint16_t)(chooser_pick(chooser, 4, "adopt") == 3);
    faults->unknown_after = (uint16_t)(2 + chooser_pick(chooser, 9, "unknown after"));
    faults->outbox_poll_ms = chooser_pick(chooser, 10, "poll") == 9 ? SECOND_MS : 45 * SECOND_MS;
    faults->gate_poll_ms = chooser_pick(chooser, 4, "gate poll") == 3 ? SECOND_MS : 10 * SECOND_MS;
    faults->linger_ms = chooser_pick(chooser, 4, "linger") == 3 ? 2 : 0;
    faults->window_ms = minutes[chooser_pick(chooser, 3, "window")] * MINUTE_MS;
    if (faults->permille[WF_PAUSE_LONG] > 0) {
        faults->window_ms += 90 * MINUTE_MS;
    }
    draw_pg(faults, chooser, on_of_8);
    draw_upstreams(faults, chooser, on_of_8);
    if (tight) {
        without_dead_letters(faults);
    }
}
