/* main.c - the command line of farebox-sim. */
#include "run.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: farebox-sim run [options]          run seeds and judge every law\n"
    "       farebox-sim replay --choices FILE  run a list of choices, one number a line\n"
    "       farebox-sim trip                   the story of one approved trip\n"
    "\n"
    "  --seeds N       how many seeds (default 100)\n"
    "  --from S        the first of them (default 1)\n"
    "  --seed S        this one only\n"
    "  --jobs J        processes at a time (default 1)\n"
    "  --trips T       trips of a world, 1 to 200 (default 20)\n"
    "  --instances I   Farebox processes of a world, 1 to 8 (default 3)\n"
    "  --partitions P  partitions of each topic, 1 to 8 (default 3)\n"
    "  --tight         the smallest tables, and no dead letters; for 1 or 2 trips\n"
    "  --store KIND    model or sqlite (default model)\n"
    "  --all-faults    every fault on in every seed; else each seed draws its own\n"
    "  --hash          write the hash of each seed's history\n"
    "  --trace         write the whole history of --seed\n"
    "  --quiet         no summary\n"
    "  --choices FILE  for replay\n"
    "  --help\n"
    "\n"
    "Exit status: 0 every law held, 1 a violation, 2 wrong usage or no resources, 130 "
    "interrupted.\n";

struct command {
    struct run_options run;
    const char *choices_path;
};

/* A whole number from `low` to `high`, or a message. */
static bool number(const char *name, const char *text, uint64_t low, uint64_t high, uint64_t *value)
{
    char *end;

    errno = 0;
    unsigned long long parsed = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || parsed < low ||
        parsed > high) {
        fprintf(stderr, "farebox-sim: --%s: \"%s\" is not a whole number from %llu to %llu\n", name,
                text, (unsigned long long)low, (unsigned long long)high);
        return false;
    }
    *value = parsed;
    return true;
}

static bool small(const char *name, const char *text, uint32_t high, uint32_t *value)
{
    uint64_t wide;

    if (!number(name, text, 1, high, &wide)) {
        return false;
    }
    *value = (uint32_t)wide;
    return true;
}

static bool parse_store(const char *text, struct run_options *run)
{
    if (strcmp(text, "model") == 0) {
        run->world.store = WORLD_STORE_MODEL;
        return true;
    }
    if (strcmp(text, "sqlite") == 0) {
        run->world.store = WORLD_STORE_SQLITE;
        return true;
    }
    fprintf(stderr, "farebox-sim: --store: \"%s\" is neither model nor sqlite\n", text);
    return false;
}

static bool parse_option(int option, struct command *command)
{
    struct run_options *run = &command->run;

    switch (option) {
    case 'n':
        return number("seeds", optarg, 1, 1000000000, &run->seeds);
    case 'f':
        return number("from", optarg, 0, UINT64_MAX / 2, &run->first_seed);
    case 's':
        run->seeds = 1;
        return number("seed", optarg, 0, UINT64_MAX / 2, &run->first_seed);
    case 'j':
        return small("jobs", optarg, 64, &run->jobs);
    case 't':
        return small("trips", optarg, WORLD_TRIPS_MAX, &run->limits.trips);
    case 'i':
        return small("instances", optarg, WORLD_INSTANCES_MAX, &run->limits.instances);
    case 'p':
        return small("partitions", optarg, 8, &run->limits.partitions);
    case 'S':
        return parse_store(optarg, run);
    case 'a':
        run->world.all_faults = true;
        return true;
    case 'w':
        run->limits.tight = 1;
        return true;
    case 'H':
        run->print_hash = true;
        return true;
    case 'T':
        run->trace = true;
        return true;
    case 'q':
        run->quiet = true;
        return true;
    case 'c':
        command->choices_path = optarg;
        return true;
    default:
        return false;
    }
}

static bool parse(int argc, char **argv, struct command *command)
{
    static const struct option options[] = {{"seeds", required_argument, NULL, 'n'},
                                            {"from", required_argument, NULL, 'f'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"jobs", required_argument, NULL, 'j'},
                                            {"trips", required_argument, NULL, 't'},
                                            {"instances", required_argument, NULL, 'i'},
                                            {"partitions", required_argument, NULL, 'p'},
                                            {"store", required_argument, NULL, 'S'},
                                            {"tight", no_argument, NULL, 'w'},
                                            {"all-faults", no_argument, NULL, 'a'},
                                            {"hash", no_argument, NULL, 'H'},
                                            {"trace", no_argument, NULL, 'T'},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {"choices", required_argument, NULL, 'c'},
                                            {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (!parse_option(option, command)) {
            return false;
        }
    }
    if (optind != argc) {
        fprintf(stderr, "farebox-sim: \"%s\" is not an option\n", argv[optind]);
        return false;
    }
    if (command->run.limits.tight && command->run.limits.trips > 2) {
        fprintf(stderr, "farebox-sim: --tight has room for --trips 1 or 2\n");
        return false;
    }
    if (command->run.trace && command->run.seeds != 1) {
        fprintf(stderr, "farebox-sim: --trace needs --seed\n");
        return false;
    }
    return true;
}

/* SQLite's worlds live in a private folder that goes when the run ends. */
static int with_folder(struct run_options *run)
{
    const char *tmp = getenv("TMPDIR");
    char dir[256];
    int status;

    snprintf(dir, sizeof(dir), "%s/farebox-sim.XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(dir) == NULL) {
        fprintf(stderr, "farebox-sim: %s: %s\n", dir, strerror(errno));
        return 2;
    }
    run->world.sqlite_dir = dir;
    status = run_seeds(run);
    if (rmdir(dir) != 0) {
        fprintf(stderr, "farebox-sim: left behind: %s: %s\n", dir, strerror(errno));
    }
    return status;
}

static int replay(const struct command *command)
{
    FILE *file = fopen(command->choices_path, "r");
    size_t count = 0;
    size_t room = 1024;
    uint32_t *choices = calloc(room, sizeof(*choices));
    unsigned value;
    int status = 2;

    if (file == NULL || choices == NULL) {
        fprintf(stderr, "farebox-sim: %s: %s\n", command->choices_path, strerror(errno));
        goto out;
    }
    while (fscanf(file, "%u", &value) == 1) {
        if (count == room) {
            uint32_t *more = realloc(choices, 2 * room * sizeof(*choices));
            if (more == NULL) {
                fprintf(stderr, "farebox-sim: no memory for %zu choices\n", 2 * room);
                goto out;
            }
            choices = more;
            room *= 2;
        }
        choices[count++] = value;
    }
    if (!feof(file)) {
        fprintf(stderr, "farebox-sim: %s: choice %zu is not a number\n", command->choices_path,
                count + 1);
        goto out;
    }
    status = run_choices(&command->run, choices, count);
out:
    if (file != NULL) {
        fclose(file);
    }
    free(choices);
    return status;
}

int main(int argc, char **argv)
{
    struct command command = {.run = {.limits = {.trips = 20, .instances = 3, .partitions = 3},
                                      .first_seed = 1,
                                      .seeds = 100,
                                      .jobs = 1}};

    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        fputs(usage, argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    if (!parse(argc - 1, argv + 1, &command)) {
        fputs(usage, stderr);
        return 2;
    }
    if (strcmp(argv[1], "trip") == 0) {
        return run_trip();
    }
    if (strcmp(argv[1], "run") == 0) {
        return command.run.world.store == WORLD_STORE_SQLITE ? with_folder(&command.run)
                                                             : run_seeds(&command.run);
    }
    if (strcmp(argv[1], "replay") == 0 && command.choices_path != NULL) {
        return replay(&command);
    }
    fputs(usage, stderr);
    return 2;
}
