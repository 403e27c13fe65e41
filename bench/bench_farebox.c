#include "bench_farebox.h"

#include "bench_cpu.h"
#include "bench_db.h"
#include "kafka_producer.h"
#include "record_headers.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PARTITIONS    4
#define FLUSH_MS      60000
#define PATIENCE_MS   180000
#define POLL_MS       100
#define WARM_UP_TRIPS 400
#define SETTINGS_MAX  20
#define SETTING_SIZE  400

static void fail(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static void ignore_delivery(void *context, uint64_t cookie, enum kafka_delivery delivery,
                            int32_t partition, int64_t offset, const char *error)
{
    (void)context;
    (void)cookie;
    (void)partition;
    (void)offset;
    (void)error;
    if (delivery != KAFKA_DELIVERED) {
        fail("a trip was not delivered to the broker");
    }
}

static size_t headers_of(uint32_t index, uint8_t *headers, size_t size)
{
    char traceparent[BENCH_TRACEPARENT_SIZE];
    bench_traceparent(index, traceparent);
    const struct kafka_header header = {.name = "traceparent",
                                        .name_len = sizeof("traceparent") - 1,
                                        .value = (const uint8_t *)traceparent,
                                        .value_len = strlen(traceparent),
                                        .has_value = true};
    size_t len = 0;
    invariant(record_headers_encode(&header, 1, headers, size, &len));
    return len;
}

static void trip_send(struct kafka_producer *producer, const struct bench_trips *trips,
                      uint32_t index)
{
    uint8_t headers[200];
    char trip_id[BENCH_TRIP_ID_SIZE];
    char user_id[BENCH_TRIP_ID_SIZE];
    char value[400];
    bench_trip_id(trips, index, trip_id);
    bench_user_id(index, user_id);
    int len = snprintf(value, sizeof(value),
                       "{\"tripId\":\"%s\",\"userId\":\"%s\",\"driverId\":\"driver-0001\","
                       "\"distanceMeters\":%" PRIu32 ",\"durationSeconds\":%" PRIu32 ","
                       "\"endedAt\":\"2026-11-22T09:20:00\"}",
                       trip_id, user_id, 500 + index * 7919U % 30000U, 60 + index % 3000U);
    const struct kafka_outgoing record = {.topic = "trip_events",
                                          .key = trip_id,
                                          .key_len = strlen(trip_id),
                                          .value = value,
                                          .value_len = (size_t)len,
                                          .headers = headers,
                                          .headers_len =
                                              headers_of(index, headers, sizeof(headers)),
                                          .partition = (int32_t)(index % PARTITIONS)};
    enum kafka_produce produced;
    while ((produced = kafka_producer_produce(producer, &record)) == KAFKA_PRODUCE_FULL) {
        (void)kafka_producer_poll(producer, 10);
    }
    if (produced != KAFKA_PRODUCE_QUEUED) {
        fail("the producer refuses a trip");
    }
}

static void trips_send(const char *bootstrap, const struct bench_trips *trips)
{
    const struct kafka_producer_settings settings = {.client = {.bootstrap = bootstrap}};
    const struct kafka_producer_handlers handlers = {NULL, ignore_delivery};
    char error[KAFKA_ERROR_TEXT_SIZE] = "";
    struct kafka_producer *producer = kafka_producer_open(&settings, &handlers, error);
    if (producer == NULL) {
        fail(error);
    }
    for (uint32_t i = 0; i < trips->count; i++) {
        trip_send(producer, trips, i);
    }
    if (!kafka_producer_flush(producer, FLUSH_MS)) {
        fail("the broker does not take the trips");
    }
    (void)kafka_producer_close(producer, FLUSH_MS);
}

/* The environment of the process: nothing but its settings. */
struct environment {
    char texts[SETTINGS_MAX][SETTING_SIZE];
    char *list[SETTINGS_MAX + 1];
    size_t count;
};

__attribute__((format(printf, 2, 3))) static void set(struct environment *environment,
                                                      const char *format, ...)
{
    va_list arguments;
    invariant(environment->count < SETTINGS_MAX);
    char *text = environment->texts[environment->count];
    va_start(arguments, format);
    int len = vsnprintf(text, SETTING_SIZE, format, arguments);
    va_end(arguments);
    invariant(len > 0 && len < SETTING_SIZE);
    environment->list[environment->count++] = text;
}

/* Files in memory: nothing but the database may wait for a disk. */
struct process {
    pid_t pid;
    char ledger[100];
    char log[100];
    char out[100];
    char kafka[64]; /* the address of its broker */
};

static void settings_of(const struct bench_farebox_how *how, const struct process *process,
                        struct environment *environment)
{
    set(environment, "FAREBOX_STORE=mysql://" MARIADB_USER "@127.0.0.1:%u/%s",
        (unsigned)how->server->port, how->database);
    set(environment, "FAREBOX_STORE_PASSWORD=%s", MARIADB_PASSWORD);
    set(environment, "FAREBOX_STORE_LANES=%" PRIu32, how->lanes);
    set(environment, "FAREBOX_BATCH_MAX=%" PRIu32, how->batch_max);
    if (how->linger_ms >= 0) {
        set(environment, "FAREBOX_BATCH_LINGER_MS=%" PRId64, how->linger_ms);
    }
    set(environment, "FAREBOX_KAFKA=embedded");
    set(environment, "FAREBOX_EMBEDDED_KAFKA_PARTITIONS=%d", PARTITIONS);
    set(environment, "FAREBOX_FAKE_PG_FILE=%s", process->ledger);
    set(environment, "FAREBOX_FAKE_PG_DELAY_MAX_MS=0");
    set(environment, "FAREBOX_FAKE_UPSTREAM_DELAY_MAX_MS=0");
    set(environment, "FAREBOX_HTTP_ADDRESS=127.0.0.1:0");
}

static void process_spawn(struct process *process, const struct bench_farebox_how *how)
{
    static unsigned count;
    static struct environment environment;
    environment.count = 0;
    memset(environment.list, 0, sizeof(environment.list));
    count++;
    (void)snprintf(process->ledger, sizeof(process->ledger), "/dev/shm/farebox-bench-%d-%u.ledger",
                   (int)getpid(), count);
    (void)snprintf(process->log, sizeof(process->log), "/dev/shm/farebox-bench-%d-%u.log",
                   (int)getpid(), count);
    (void)snprintf(process->out, sizeof(process->out), "/dev/shm/farebox-bench-%d-%u.out",
                   (int)getpid(), count);
    settings_of(how, process, &environment);
    process->pid = fork();
    if (process->pid == 0) {
        char *const arguments[] = {(char *)(uintptr_t)how->binary, NULL};
        int null = open("/dev/null", O_RDONLY);
        int log = open(process->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        sigset_t none;
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        int out = open(process->out, O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && dup2(null, 0) == 0 && dup2(out, 1) == 1 &&
            dup2(log, 2) == 2) {
            (void)execve(how->binary, arguments, environment.list);
        }
        _exit(127);
    }
    if (process->pid < 0) {
        fail("no process");
    }
}

static void process_log_show(const struct process *process)
{
    char line[500];
    FILE *file = fopen(process->log, "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        fputs(line, stderr);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

static void process_files_remove(const struct process *process)
{
    (void)unlink(process->ledger);
    (void)unlink(process->out);
    (void)unlink(process->log);
}

static void process_fail(const struct process *process, const char *what)
{
    process_log_show(process);
    process_files_remove(process);
    fail(what);
}

static void nap(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
}

static bool has_started(struct process *process)
{
    FILE *file = fopen(process->out, "r");
    char line[100];
    bool has = false;
    while (file != NULL && !has && fgets(line, sizeof(line), file) != NULL) {
        has = strchr(line, '\n') != NULL && sscanf(line, "kafka %63s", process->kafka) == 1;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return has;
}

static void process_start(struct process *process, const struct bench_farebox_how *how)
{
    process_spawn(process, how);
    int64_t end_us = bench_clock_us() + (int64_t)PATIENCE_MS * 1000;
    while (!has_started(process)) {
        if (waitpid(process->pid, NULL, WNOHANG) != 0) {
            process_fail(process, "farebox has not started");
        }
        if (bench_clock_us() > end_us) {
            process_fail(process, "farebox does not say its addresses");
        }
        nap();
    }
}

static void await_done(const struct process *process, const struct bench_farebox_how *how,
                       int64_t since_ms, uint32_t count)
{
    char query[120];
    int64_t end_us = bench_clock_us() + (int64_t)PATIENCE_MS * 1000;
    (void)snprintf(query, sizeof(query),
                   "SELECT COUNT(*) FROM payment_outbox WHERE done_at >= %" PRId64, since_ms);
    while (bench_db_number(how->server, how->database, query) < count) {
        if (waitpid(process->pid, NULL, WNOHANG) != 0) {
            process_fail(process, "farebox has ended");
        }
        if (bench_clock_us() > end_us) {
            process_fail(process, "farebox does not finish the trips");
        }
        nap();
    }
}

static int64_t elapsed_us(const struct bench_farebox_how *how, int64_t since_ms)
{
    char query[200];
    (void)snprintf(query, sizeof(query),
                   "SELECT (SELECT MAX(done_at) FROM payment_outbox) -"
                   " (SELECT MIN(requested_ms) FROM payments WHERE requested_ms >= %" PRId64 ")",
                   since_ms);
    return bench_db_number(how->server, how->database, query) * 1000;
}

static void process_stop(const struct process *process)
{
    int status = 0;
    (void)kill(process->pid, SIGTERM);
    (void)waitpid(process->pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        process_fail(process, "farebox did not stop in order");
    }
    process_files_remove(process);
}

static int64_t server_now_ms(const struct bench_farebox_how *how)
{
    return bench_db_number(how->server, NULL,
                           "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)");
}

/* The first trips wait for the consumer to join its group, and the first outcome events for what
 * the producer asks the broker once. */
static void warm_up(const struct process *process, const struct bench_farebox_how *how,
                    const struct bench_trips *trips, int64_t since_ms)
{
    char name[BENCH_TRIP_ID_SIZE];
    (void)snprintf(name, sizeof(name), "%s-warm", trips->name);
    const struct bench_trips first = {.name = name, .count = WARM_UP_TRIPS};
    trips_send(process->kafka, &first);
    await_done(process, how, since_ms, first.count);
}

struct bench_farebox_result bench_farebox_run(const struct bench_farebox_how *how,
                                              const struct bench_trips *trips)
{
    int64_t since_ms = server_now_ms(how);
    struct process process;
    process_start(&process, how);
    warm_up(&process, how, trips, since_ms);
    since_ms = server_now_ms(how);
    trips_send(process.kafka, trips);
    int64_t cpu_us = bench_cpu_us(process.pid);
    int64_t server_us = bench_cpu_us(how->server->pid);
    await_done(&process, how, since_ms, trips->count);
    struct bench_farebox_result result = {.cpu_us = bench_cpu_us(process.pid) - cpu_us,
                                          .server_us = bench_cpu_us(how->server->pid) - server_us,
                                          .rss_peak_kib = bench_rss_peak_kib(process.pid)};
    result.elapsed_us = elapsed_us(how, since_ms);
    process_stop(&process);
    return result;
}
