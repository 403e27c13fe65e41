#include "store_scans.h"

#include <stdlib.h>
#include <string.h>

/* A row has at most 9 texts. */
#define PAGE_TEXTS (STORE_PAGE_MAX * 9 + 1)
/* Bodies are bounded for the whole page, or one row's; keys and headers for each row. Reserved in
 * the address space only: a page that needs little touches little. */
#define PAGE_BYTES                                                                                 \
    (STORE_PAGE_BYTES_MAX + STORE_BODY_MAX + STORE_PAGE_MAX * (STORE_HEADERS_MAX + STORE_KEY_MAX))

struct job {
    struct scan_message answer;
    struct store_scan scan; /* its topic is in `topic`, until the pool is empty */
    int64_t older_than_ms;
    bool is_asked;
    bool has_topic;
    char topic[STORE_ID_MAX + 1];
    void *texts_block;
};

struct store_scans {
    struct store *store;
    struct inbox *inbox;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool stop;
    bool running;
    atomic_bool is_well;
    struct job jobs[STORE_SCANS_KINDS]; /* kind - 1 */
};

static void run_purge(struct store_scans *scans, struct job *job)
{
    job->answer.deleted = 0;
    job->answer.ok = scans->store->ops->purge(scans->store, PURGE_OUTBOX_DONE, job->older_than_ms,
                                              job->scan.limit, &job->answer.deleted) == STORE_OK;
}

static void run_scan(struct store_scans *scans, struct job *job)
{
    struct texts *texts = texts_init(job->texts_block, PAGE_TEXTS, PAGE_BYTES);
    struct store_page page = {.rows = job->answer.rows, .texts = texts};

    job->answer.texts = texts;
    job->answer.count = 0;
    job->scan.topic = job->has_topic ? texts_intern_string(texts, job->topic) : TEXT_NONE;
    job->answer.ok = scans->store->ops->scan(scans->store, &job->scan, &page) == STORE_OK;
    if (job->answer.ok) {
        job->answer.count = page.count;
    }
}

/* The next job, in the order of the kinds; NULL: the thread ends. */
static struct job *take_job(struct store_scans *scans)
{
    struct job *found = NULL;

    pthread_mutex_lock(&scans->mutex);
    while (found == NULL && !scans->stop) {
        for (uint32_t i = 0; i < STORE_SCANS_KINDS && found == NULL; i++) {
            if (scans->jobs[i].is_asked) {
                found = &scans->jobs[i];
                found->is_asked = false;
            }
        }
        if (found == NULL) {
            pthread_cond_wait(&scans->changed, &scans->mutex);
        }
    }
    pthread_mutex_unlock(&scans->mutex);
    return found;
}

static void *run(void *argument)
{
    struct store_scans *scans = argument;
    struct job *job;

    (void)pthread_setname_np(pthread_self(), "scans");
    while ((job = take_job(scans)) != NULL) {
        if (job->answer.kind == STORE_SCANS_PURGE) {
            run_purge(scans, job);
        } else {
            run_scan(scans, job);
        }
        atomic_store(&scans->is_well, job->answer.ok);
        inbox_post(scans->inbox, &job->answer.message);
    }
    return NULL;
}

static bool job_open(struct job *job, uint8_t kind)
{
    job->answer.message.type = MESSAGE_SCAN;
    job->answer.kind = kind;
    if (kind == STORE_SCANS_PURGE) {
        return true;
    }
    job->texts_block = malloc(texts_size(PAGE_TEXTS, PAGE_BYTES));
    job->answer.rows = calloc(STORE_PAGE_MAX, sizeof(*job->answer.rows));
    return job->texts_block != NULL && job->answer.rows != NULL;
}

static bool start(struct store_scans *scans)
{
    if (pthread_mutex_init(&scans->mutex, NULL) != 0) {
        return false;
    }
    if (pthread_cond_init(&scans->changed, NULL) != 0) {
        pthread_mutex_destroy(&scans->mutex);
        return false;
    }
    if (pthread_create(&scans->thread, NULL, run, scans) != 0) {
        pthread_cond_destroy(&scans->changed);
        pthread_mutex_destroy(&scans->mutex);
        return false;
    }
    scans->running = true;
    return true;
}

static void free_all(struct store_scans *scans)
{
    for (uint32_t i = 0; i < STORE_SCANS_KINDS; i++) {
        free(scans->jobs[i].texts_block);
        free(scans->jobs[i].answer.rows);
    }
    free(scans);
}

struct store_scans *store_scans_open(struct store *store, struct inbox *inbox)
{
    struct store_scans *scans = calloc(1, sizeof(*scans));
    bool ok = scans != NULL;

    if (!ok) {
        return NULL;
    }
    scans->store = store;
    scans->inbox = inbox;
    atomic_init(&scans->is_well, true);
    for (uint32_t i = 0; i < STORE_SCANS_KINDS && ok; i++) {
        ok = job_open(&scans->jobs[i], (uint8_t)(i + 1));
    }
    if (!ok || !start(scans)) {
        free_all(scans);
        return NULL;
    }
    return scans;
}

static void hand_over(struct store_scans *scans, struct job *job)
{
    pthread_mutex_lock(&scans->mutex);
    invariant(!job->is_asked);
    job->is_asked = true;
    pthread_cond_signal(&scans->changed);
    pthread_mutex_unlock(&scans->mutex);
}

void store_scans_ask(struct store_scans *scans, enum scan_kind kind, uint32_t limit,
                     int64_t after_id, const char *topic)
{
    struct job *job = &scans->jobs[kind - 1];

    invariant(limit > 0 && limit <= STORE_PAGE_MAX);
    job->scan = (struct store_scan){.kind = (uint8_t)kind, .limit = limit, .after_id = after_id};
    job->has_topic = topic != NULL;
    if (topic != NULL) {
        size_t len = strlen(topic);

        invariant(len < sizeof(job->topic));
        memcpy(job->topic, topic, len + 1);
    }
    hand_over(scans, job);
}

void store_scans_purge(struct store_scans *scans, int64_t older_than_ms, uint32_t limit)
{
    struct job *job = &scans->jobs[STORE_SCANS_PURGE - 1];

    job->scan.limit = limit;
    job->older_than_ms = older_than_ms;
    hand_over(scans, job);
}

bool store_scans_are_well(const struct store_scans *scans)
{
    return atomic_load(&scans->is_well);
}

void store_scans_close(struct store_scans *scans)
{
    if (scans == NULL) {
        return;
    }
    if (scans->running) {
        pthread_mutex_lock(&scans->mutex);
        scans->stop = true;
        pthread_cond_signal(&scans->changed);
        pthread_mutex_unlock(&scans->mutex);
        pthread_join(scans->thread, NULL);
        pthread_cond_destroy(&scans->changed);
        pthread_mutex_destroy(&scans->mutex);
    }
    for (uint32_t i = 0; i < STORE_SCANS_KINDS; i++) {
        inbox_remove(scans->inbox, &scans->jobs[i].answer.message);
    }
    scans->store->ops->close(scans->store);
    free_all(scans);
}
