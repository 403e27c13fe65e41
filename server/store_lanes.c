#include "store_lanes.h"

#include "clock.h"

#include <stdlib.h>

/* A unit has at most 7 texts, an outcome 3 more, and a row that comes back 7, which may be read
 * twice: in the batch, and alone after another unit's lasting error. */
#define TEXTS_PER_UNIT 24

/* The memory of one batch. */
struct room {
    void *texts_block;
    struct texts *texts;
    struct unit *units;
    struct unit_result *results;
};

struct lane {
    struct batch_message answer;
    struct store_lanes *lanes;
    struct store *store;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* One for the batch that is out or was begun, one for the batch before. */
    struct room rooms[2];
    struct room *room; /* the first of these */
    uint32_t count;    /* units of the batch that was handed over; 0: none */
    bool stop;
    bool running;
};

struct store_lanes {
    struct inbox *inbox;
    uint32_t count;
    uint32_t batch_max;
    uint32_t bytes_max;
    struct lane lanes[];
};

/* Waits for a batch. False: the lane ends. */
static bool lane_wait(struct lane *lane, uint32_t *count)
{
    pthread_mutex_lock(&lane->mutex);
    while (lane->count == 0 && !lane->stop) {
        pthread_cond_wait(&lane->changed, &lane->mutex);
    }
    *count = lane->count;
    pthread_mutex_unlock(&lane->mutex);
    return *count > 0;
}

static void lane_answer(struct lane *lane, uint32_t count, enum batch_outcome outcome,
                        int64_t elapsed_us)
{
    pthread_mutex_lock(&lane->mutex);
    lane->count = 0;
    pthread_mutex_unlock(&lane->mutex);
    lane->answer.message.type = MESSAGE_BATCH;
    lane->answer.units = lane->room->units;
    lane->answer.results = lane->room->results;
    lane->answer.texts = lane->room->texts;
    lane->answer.outcome = outcome;
    lane->answer.count = count;
    lane->answer.elapsed_us = elapsed_us;
    inbox_post(lane->lanes->inbox, &lane->answer.message);
}

static void *lane_run(void *argument)
{
    struct lane *lane = argument;
    uint32_t count;

    (void)pthread_setname_np(pthread_self(), "lane");
    while (lane_wait(lane, &count)) {
        const struct room *room = lane->room;
        const struct store_batch batch = {
            .units = room->units, .results = room->results, .count = count, .texts = room->texts};
        int64_t start_us = clock_boot_us();
        enum batch_outcome outcome = lane->store->ops->submit(lane->store, &batch);

        lane_answer(lane, count, outcome, clock_boot_us() - start_us);
    }
    return NULL;
}

static void lane_free(struct lane *lane)
{
    for (int i = 0; i < 2; i++) {
        free(lane->rooms[i].texts_block);
        free(lane->rooms[i].units);
        free(lane->rooms[i].results);
    }
}

static void lane_stop(struct lane *lane)
{
    if (!lane->running) {
        return;
    }
    pthread_mutex_lock(&lane->mutex);
    lane->stop = true;
    pthread_cond_signal(&lane->changed);
    pthread_mutex_unlock(&lane->mutex);
    pthread_join(lane->thread, NULL);
    pthread_cond_destroy(&lane->changed);
    pthread_mutex_destroy(&lane->mutex);
    lane->running = false;
}

/* Locks and thread, or none of them. */
static bool lane_start(struct lane *lane)
{
    if (pthread_mutex_init(&lane->mutex, NULL) != 0) {
        return false;
    }
    if (pthread_cond_init(&lane->changed, NULL) != 0) {
        pthread_mutex_destroy(&lane->mutex);
        return false;
    }
    if (pthread_create(&lane->thread, NULL, lane_run, lane) != 0) {
        pthread_cond_destroy(&lane->changed);
        pthread_mutex_destroy(&lane->mutex);
        return false;
    }
    lane->running = true;
    return true;
}

static void room_empty(const struct store_lanes *lanes, struct room *room)
{
    room->texts =
        texts_plain_init(room->texts_block, lanes->batch_max * TEXTS_PER_UNIT, lanes->bytes_max);
}

static bool room_open(const struct store_lanes *lanes, struct room *room)
{
    uint32_t units = lanes->batch_max;

    room->texts_block = malloc(texts_size(units * TEXTS_PER_UNIT, lanes->bytes_max));
    room->units = calloc(units, sizeof(*room->units));
    room->results = calloc(units, sizeof(*room->results));
    if (room->texts_block == NULL || room->units == NULL || room->results == NULL) {
        return false;
    }
    room_empty(lanes, room);
    return true;
}

static bool lane_open(struct store_lanes *lanes, uint32_t index, struct store *store)
{
    struct lane *lane = &lanes->lanes[index];

    lane->lanes = lanes;
    lane->store = store;
    lane->answer.lane = index;
    lane->room = &lane->rooms[0];
    return room_open(lanes, &lane->rooms[0]) && room_open(lanes, &lane->rooms[1]) &&
           lane_start(lane);
}

static void lanes_free(struct store_lanes *lanes)
{
    for (uint32_t i = 0; i < lanes->count; i++) {
        lane_stop(&lanes->lanes[i]);
        lane_free(&lanes->lanes[i]);
    }
    free(lanes);
}

struct store_lanes *store_lanes_open(const struct store_lanes_options *options)
{
    struct store_lanes *lanes =
        calloc(1, sizeof(*lanes) + options->lanes * sizeof(lanes->lanes[0]));

    if (lanes == NULL) {
        return NULL;
    }
    lanes->inbox = options->inbox;
    lanes->count = options->lanes;
    lanes->batch_max = options->batch_max;
    lanes->bytes_max = options->bytes_max;
    for (uint32_t i = 0; i < options->lanes; i++) {
        if (!lane_open(lanes, i, options->stores[i])) {
            lanes_free(lanes);
            return NULL;
        }
    }
    return lanes;
}

struct unit *store_lanes_begin(struct store_lanes *lanes, uint32_t index, struct texts **texts)
{
    struct lane *lane = &lanes->lanes[index];

    lane->room = lane->room == &lane->rooms[0] ? &lane->rooms[1] : &lane->rooms[0];
    room_empty(lanes, lane->room);
    *texts = lane->room->texts;
    return lane->room->units;
}

struct unit *store_lanes_begin_again(struct store_lanes *lanes, uint32_t index,
                                     struct texts **texts)
{
    struct room *room = lanes->lanes[index].room;

    room->texts =
        texts_init(room->texts_block, lanes->batch_max * TEXTS_PER_UNIT, lanes->bytes_max);
    *texts = room->texts;
    return room->units;
}

void store_lanes_submit(struct store_lanes *lanes, uint32_t index, uint32_t count)
{
    struct lane *lane = &lanes->lanes[index];

    invariant(count > 0 && count <= lanes->batch_max);
    pthread_mutex_lock(&lane->mutex);
    invariant(lane->count == 0);
    lane->count = count;
    pthread_cond_signal(&lane->changed);
    pthread_mutex_unlock(&lane->mutex);
}

void store_lanes_abort(struct store_lanes *lanes, uint32_t index)
{
    lane_answer(&lanes->lanes[index], 0, BATCH_ABORTED, 0);
}

void store_lanes_close(struct store_lanes *lanes)
{
    if (lanes == NULL) {
        return;
    }
    for (uint32_t i = 0; i < lanes->count; i++) {
        lane_stop(&lanes->lanes[i]);
        inbox_remove(lanes->inbox, &lanes->lanes[i].answer.message);
        lanes->lanes[i].store->ops->close(lanes->lanes[i].store);
    }
    lanes_free(lanes);
}
