/* summary.c - what a run showed, and what a violation looks like. */
#include "run_internal.h"

#include "payment.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HISTORY_LINES 120
#define LINE_SIZE     240

static void print_faults(const struct world_stats *stats)
{
    printf("faults that really happened:\n");
    for (uint32_t fault = 0; fault < WORLD_FAULT_COUNT; fault++) {
        if (world_fault_exists(fault)) {
            printf("  %-28s %10llu\n", world_fault_name(fault),
                   (unsigned long long)stats->faults[fault]);
        }
    }
}

/* Seen every few steps, so that a phase that is never there shows as 0. */
static void print_phases(const struct world_stats *stats)
{
    printf("payments were seen:\n");
    for (uint32_t phase = PHASE_FREE + 1; phase < PHASE_COUNT; phase++) {
        printf("  %-28s %10llu\n", payment_phase_name((enum payment_phase)phase),
               (unsigned long long)stats->phases[phase]);
    }
}

static void print_payments(const struct world_stats *stats)
{
    printf("payments at the end:\n");
    for (uint32_t status = PAYMENT_REQUESTED; status <= PAYMENT_UNKNOWN; status++) {
        printf("  %-28s %10llu\n", payment_status_name((enum payment_status)status),
               (unsigned long long)stats->statuses[status]);
    }
    printf("  %-28s %10llu\n", "no payment: dead letter", (unsigned long long)stats->dead_letters);
    printf("left to an operator, by reason:\n");
    for (uint32_t reason = 0; reason < REASON_COUNT; reason++) {
        if (stats->operators[reason] > 0) {
            printf("  %-28s %10llu\n", payment_reason_name((enum payment_reason)reason),
                   (unsigned long long)stats->operators[reason]);
        }
    }
}

void summary_print(const struct run_options *options, const struct job *sum, double seconds)
{
    const struct world_stats *stats = &sum->stats;

    print_faults(stats);
    print_phases(stats);
    print_payments(stats);
    printf("%llu of %llu seeds, %llu trips, %llu records, %llu steps, %.1f simulated days\n",
           (unsigned long long)sum->done, (unsigned long long)options->seeds,
           (unsigned long long)stats->trips, (unsigned long long)stats->records,
           (unsigned long long)stats->steps, (double)stats->simulated_ms / 86400000.0);
    printf("%.1f seeds/s in %.1f s with %u job%s\n", (double)sum->done / seconds, seconds,
           options->jobs, options->jobs == 1 ? "" : "s");
    printf("hash %016llx%016llx\n", (unsigned long long)sum->hash[1],
           (unsigned long long)sum->hash[0]);
}

/* Runs the seed again in a child, with its history going to `out`: core may end that process. */
static void record_history(const struct run_options *options, const struct job *job, FILE *out)
{
    char error[160];
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        struct sim *sim = world_open(&options->limits, &options->world, error, sizeof(error));
        if (sim == NULL) {
            _exit(2);
        }
        setvbuf(out, NULL, _IOLBF, 0);
        world_trace(sim, out, job->violation.found ? job->violation.trip : WORLD_TRIP_NONE);
        (void)run_world(sim, job->seed);
        fflush(out);
        _exit(0);
    }
    if (pid > 0) {
        (void)waitpid(pid, NULL, 0);
    }
}

static void print_tail(FILE *in)
{
    static char lines[HISTORY_LINES][LINE_SIZE];
    unsigned long count = 0;

    rewind(in);
    while (fgets(lines[count % HISTORY_LINES], LINE_SIZE, in) != NULL) {
        count++;
    }
    unsigned long first = count > HISTORY_LINES ? count - HISTORY_LINES : 0;
    if (first > 0) {
        printf("  ... %lu earlier lines\n", first);
    }
    for (unsigned long at = first; at < count; at++) {
        printf("  %s", lines[at % HISTORY_LINES]);
    }
}

static void print_command(const struct run_options *options, uint64_t seed)
{
    printf("replay: farebox-sim run --seed %llu --trips %u --instances %u --partitions %u%s%s%s "
           "--trace\n",
           (unsigned long long)seed, options->limits.trips, options->limits.instances,
           options->limits.partitions,
           options->world.store == WORLD_STORE_SQLITE ? " --store sqlite" : "",
           options->world.all_faults ? " --all-faults" : "",
           options->limits.tight ? " --tight" : "");
}

void summary_violation(const struct run_options *options, const struct job *job, int signal)
{
    FILE *history = tmpfile();

    if (job->violation.found) {
        printf("VIOLATION in seed %llu: %s", (unsigned long long)job->seed, job->violation.law);
        if (job->violation.trip != WORLD_TRIP_NONE) {
            printf(" (trip t%u)", job->violation.trip);
        }
        printf("\n");
    } else {
        printf("VIOLATION in seed %llu: an invariant of the code ended it (%s)\n",
               (unsigned long long)job->seed, strsignal(signal));
    }
    if (history != NULL) {
        record_history(options, job, history);
        printf("what happened:\n");
        print_tail(history);
        fclose(history);
    }
    print_command(options, job->seed);
}
