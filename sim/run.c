#include "run_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_WIDTH 30
#define POLL_NS        100000000L

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static void catch_signals(void)
{
    struct sigaction action = {0};

    action.sa_handler = on_signal;
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

bool run_world(struct sim *sim, uint64_t seed)
{
    world_start(sim, seed);
    while (world_step(sim)) {
        if (interrupted) {
            return true;
        }
    }
    return world_violation(sim).law == NULL;
}

static struct sim *open_world(const struct run_options *options)
{
    char error[256];
    struct sim *sim = world_open(&options->limits, &options->world, error, sizeof(error));

    if (sim == NULL) {
        fprintf(stderr, "farebox-sim: %s\n", error);
    }
    return sim;
}

/* The order in which seeds end must not matter, so their hashes are added. */
static void add_seed(struct job *job, const struct sim *sim, uint64_t seed, bool print)
{
    uint64_t hash[2];

    world_hash(sim, hash);
    if (print) {
        printf("seed %llu %016llx%016llx\n", (unsigned long long)seed, (unsigned long long)hash[1],
               (unsigned long long)hash[0]);
    }
    job->hash[0] += choices_mix(hash[0] ^ seed);
    job->hash[1] += choices_mix(hash[1] + seed);
    world_stats_add(&job->stats, world_stats(sim));
    job->done++;
}

static void note_violation(struct job *job, const struct sim *sim)
{
    const struct world_violation violation = world_violation(sim);

    snprintf(job->violation.law, sizeof(job->violation.law), "%s", violation.law);
    job->violation.trip = violation.trip;
    job->violation.found = 1;
}

/* A child: every jobs-th seed. Its exit status says how it went. */
static int run_job(const struct run_options *options, struct job *job, uint32_t number)
{
    struct sim *sim = open_world(options);
    int status = 0;

    if (sim == NULL) {
        return 2;
    }
    for (uint64_t at = number; at < options->seeds && !interrupted; at += options->jobs) {
        job->seed = options->first_seed + at;
        if (!run_world(sim, job->seed)) {
            note_violation(job, sim);
            status = 1;
            break;
        }
        if (!interrupted) {
            add_seed(job, sim, job->seed, options->print_hash);
        }
    }
    world_close(sim);
    return status;
}

static void show_progress(const struct run_options *options, const struct job *jobs)
{
    uint64_t done = 0;
    char bar[PROGRESS_WIDTH + 1];

    for (uint32_t i = 0; i < options->jobs; i++) {
        done += jobs[i].done;
    }
    size_t filled = (size_t)(done * PROGRESS_WIDTH / (options->seeds == 0 ? 1 : options->seeds));
    memset(bar, ' ', sizeof(bar));
    memset(bar, '#', filled);
    bar[PROGRESS_WIDTH] = '\0';
    fprintf(stderr, "\r[%s] %llu of %llu seeds ", bar, (unsigned long long)done,
            (unsigned long long)options->seeds);
}

/* What waitpid told of all children together. */
struct outcome {
    int status; /* 0, 1, 2 */
    int signal;
    uint32_t job; /* the one that failed */
};

static void note_child(struct outcome *outcome, int wait_status, uint32_t job)
{
    bool failed = WIFSIGNALED(wait_status) || WEXITSTATUS(wait_status) != 0;

    if (!failed || outcome->status != 0) {
        return;
    }
    outcome->job = job;
    outcome->signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
    outcome->status = WIFSIGNALED(wait_status) ? 1 : WEXITSTATUS(wait_status);
}

static struct outcome wait_for(const struct run_options *options, const struct job *jobs,
                               pid_t *pids)
{
    const struct timespec pause = {0, POLL_NS};
    struct outcome outcome = {0};
    uint32_t left = options->jobs;
    bool progress = !options->quiet && isatty(STDERR_FILENO);

    while (left > 0) {
        for (uint32_t i = 0; i < options->jobs; i++) {
            int status;
            if (pids[i] > 0 && waitpid(pids[i], &status, WNOHANG) == pids[i]) {
                pids[i] = 0;
                left--;
                note_child(&outcome, status, i);
            }
        }
        for (uint32_t i = 0; i < options->jobs; i++) {
            if (pids[i] > 0 && (interrupted || outcome.status != 0)) {
                (void)kill(pids[i], SIGTERM);
            }
        }
        if (progress) {
            show_progress(options, jobs);
        }
        if (left > 0) {
            (void)nanosleep(&pause, NULL);
        }
    }
    if (progress) {
        fputc('\n', stderr);
    }
    return outcome;
}

static bool start_jobs(const struct run_options *options, struct job *jobs, pid_t *pids)
{
    pid_t parent = getpid();

    fflush(NULL);
    for (uint32_t i = 0; i < options->jobs; i++) {
        pids[i] = fork();
        if (pids[i] < 0) {
            fprintf(stderr, "farebox-sim: no process for job %u: %s\n", i, strerror(errno));
            interrupted = 1;
            return i > 0;
        }
        if (pids[i] == 0) {
            /* A runner that is killed leaves no child behind. */
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent) {
                _exit(2);
            }
            int status = run_job(options, &jobs[i], i);
            fflush(NULL);
            _exit(status);
        }
    }
    return true;
}

static void sum_jobs(const struct run_options *options, const struct job *jobs, struct job *sum)
{
    memset(sum, 0, sizeof(*sum));
    for (uint32_t i = 0; i < options->jobs; i++) {
        sum->done += jobs[i].done;
        sum->hash[0] += jobs[i].hash[0];
        sum->hash[1] += jobs[i].hash[1];
        world_stats_add(&sum->stats, &jobs[i].stats);
    }
}

static double seconds_since(const struct timespec *from)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - from->tv_sec) + (double)(now.tv_nsec - from->tv_nsec) / 1e9;
}

/* One seed, with its history on stdout. */
static int trace_seed(const struct run_options *options)
{
    struct sim *sim = open_world(options);
    int status;

    if (sim == NULL) {
        return 2;
    }
    world_trace(sim, stdout, WORLD_TRIP_NONE);
    status = run_world(sim, options->first_seed) ? 0 : 1;
    world_close(sim);
    return interrupted ? 130 : status;
}

static int run_jobs(const struct run_options *options, struct job *jobs)
{
    pid_t pids[RUN_JOBS_MAX] = {0};
    struct timespec from;
    struct job sum;

    (void)clock_gettime(CLOCK_MONOTONIC, &from);
    if (!start_jobs(options, jobs, pids)) {
        return 2;
    }
    struct outcome outcome = wait_for(options, jobs, pids);
    sum_jobs(options, jobs, &sum);
    if (outcome.status == 1) {
        summary_violation(options, &jobs[outcome.job], outcome.signal);
        return 1;
    }
    if (!options->quiet) {
        summary_print(options, &sum, seconds_since(&from));
    }
    if (outcome.status != 0) {
        return outcome.status;
    }
    return interrupted ? 130 : 0;
}

int run_seeds(const struct run_options *options)
{
    size_t size = options->jobs * sizeof(struct job);
    int status;

    catch_signals();
    if (options->trace) {
        return trace_seed(options);
    }
    struct job *jobs = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (jobs == MAP_FAILED) {
        fprintf(stderr, "farebox-sim: no shared memory: %s\n", strerror(errno));
        return 2;
    }
    status = run_jobs(options, jobs);
    (void)munmap(jobs, size);
    return status;
}

int run_choices(const struct run_options *options, const uint32_t *choices, size_t count)
{
    struct sim *sim = open_world(options);
    int status;

    if (sim == NULL) {
        return 2;
    }
    world_script(sim, choices, count);
    world_trace(sim, stdout, WORLD_TRIP_NONE);
    status = run_world(sim, 0) ? 0 : 1;
    world_close(sim);
    return status;
}

int run_trip(void)
{
    const struct run_options options = {.limits = {.trips = 1, .instances = 1, .partitions = 1},
                                        .world = {.calm = true}};
    struct sim *sim = open_world(&options);
    int status;

    if (sim == NULL) {
        return 2;
    }
    world_trace(sim, stdout, WORLD_TRIP_NONE);
    status = run_world(sim, 1) ? 0 : 1;
    const struct world_stats *stats = world_stats(sim);
    status = stats->statuses[2 + 1] == 1 ? status : 1;
    printf("%s\n", status == 0 ? "One trip, one charge, one outcome event: every law holds."
                               : "Something went wrong.");
    world_close(sim);
    return status;
}
