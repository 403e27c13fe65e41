#include "fakepg_options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#ifndef FAREBOX_VERSION
#error "FAREBOX_VERSION comes from CMake's project()"
#endif

#define DEFAULT_SECRET  "test_sk_farebox0fake0pg0secret0key0"
#define DEFAULT_PORT    8090
#define DEFAULT_THREADS 512
#define THREADS_MAX     30000
#define ORDERS_DEFAULT  (1 << 18)
#define ORDERS_MAX      (1 << 23)

static void print_help(FILE *out)
{
    (void)fprintf(
        out,
        "Usage: farebox-fakepg [OPTION]...\n\n"
        "A payment gateway for tests that speaks Toss Payments' core API (version 2022-11-16),\n"
        "with faults, delays and a ledger under /fake/, and Farebox's pricing and users beside "
        "it.\n"
        "It prints the address on stdout and serves until SIGTERM or SIGINT.\n\n"
        "  -p, --port N            listen on this port; 0: any free one (default 8090)\n"
        "      --host ADDRESS      IPv4 address to listen on (default 127.0.0.1)\n"
        "  -k, --secret-key KEY    a merchant's secret key; up to 4 times, a merchant each\n"
        "                          (default " DEFAULT_SECRET ")\n"
        "      --no-auth           take requests without or with other credentials as the first\n"
        "                          merchant's\n"
        "      --state FILE        keep payments and billing keys in this file, across kills\n"
        "      --strict-billing-keys  charge only billing keys that were issued here\n"
        "      --no-test-codes     ignore the header TossPayments-Test-Code\n"
        "      --request-limit N   answer 429 beyond N requests a minute and secret key; the real\n"
        "                          test environment takes 100 (default 0: no limit)\n"
        "      --delay-ms N        answer each request of the PG N ms later (default 0)\n"
        "      --threads N         serve N connections at one time (default 512)\n"
        "      --max-orders N      remember N orders at most (default 262144)\n"
        "      --seed N            draw faults and delays from this seed (default 1)\n"
        "  -h, --help              print this and exit\n"
        "  -V, --version           print the version and exit\n\n"
        "docs/fakepg.md has every endpoint and every control with an example.\n");
}

enum option_id {
    OPTION_HOST = 1000,
    OPTION_NO_AUTH,
    OPTION_STATE,
    OPTION_STRICT,
    OPTION_NO_TEST_CODES,
    OPTION_LIMIT,
    OPTION_DELAY,
    OPTION_THREADS,
    OPTION_ORDERS,
    OPTION_SEED,
};

struct reading {
    struct fakepg_options *fakepg;
    struct fakepg_server_options *server;
    FILE *err;
};

/* A number from min to max; else says so. */
static bool number(const struct reading *reading, const char *name, int64_t min, int64_t max,
                   int64_t *value)
{
    if (fakepg_number(optarg, value) && *value >= min && *value <= max) {
        return true;
    }
    (void)fprintf(reading->err, "farebox-fakepg: --%s: '%s' is not a number from %lld to %lld\n",
                  name, optarg, (long long)min, (long long)max);
    return false;
}

static bool add_merchant(const struct reading *reading, const char *secret)
{
    struct fakepg_options *options = reading->fakepg;
    size_t len = strlen(secret);
    if (len == 0 || len > FAKEPG_SECRET_MAX || strchr(secret, ':') != NULL) {
        (void)fprintf(reading->err,
                      "farebox-fakepg: --secret-key: 1 to 200 characters without ':'\n");
        return false;
    }
    if (options->merchant_count == FAKEPG_MERCHANTS_MAX) {
        (void)fprintf(reading->err, "farebox-fakepg: --secret-key: 4 at most\n");
        return false;
    }
    struct fakepg_merchant *merchant = &options->merchants[options->merchant_count++];
    memcpy(merchant->secret, secret, len + 1);
    (void)snprintf(merchant->mid, sizeof merchant->mid, "fakepg%u", options->merchant_count);
    return true;
}

static bool set_host(const struct reading *reading)
{
    struct in_addr address;
    if (inet_pton(AF_INET, optarg, &address) != 1) {
        (void)fprintf(reading->err, "farebox-fakepg: --host: '%s' is not an IPv4 address\n",
                      optarg);
        return false;
    }
    reading->server->host = optarg;
    return true;
}

/* The options with a number. False: it is wrong. */
static bool take_number(const struct reading *reading, int option)
{
    int64_t value = 0;
    bool ok = false;
    switch (option) {
    case 'p':
        ok = number(reading, "port", 0, 65535, &value);
        reading->server->port = (int)value;
        return ok;
    case OPTION_LIMIT:
        ok = number(reading, "request-limit", 0, 1000000, &value);
        reading->fakepg->request_limit = (uint32_t)value;
        return ok;
    case OPTION_DELAY:
        ok = number(reading, "delay-ms", 0, FAKEPG_DELAY_MAX_MS, &value);
        reading->fakepg->delay.ms = (int32_t)value;
        return ok;
    case OPTION_THREADS:
        ok = number(reading, "threads", 1, THREADS_MAX, &value);
        reading->server->threads = (int)value;
        return ok;
    case OPTION_ORDERS:
        ok = number(reading, "max-orders", 1, ORDERS_MAX, &value);
        reading->fakepg->orders_max = (uint32_t)value;
        return ok;
    default:
        ok = number(reading, "seed", 0, INT64_MAX / 16, &value);
        reading->fakepg->seed = (uint64_t)value;
        return ok;
    }
}

static bool take(const struct reading *reading, int option)
{
    switch (option) {
    case 'k':
        return add_merchant(reading, optarg);
    case OPTION_HOST:
        return set_host(reading);
    case OPTION_NO_AUTH:
        reading->fakepg->checks_auth = false;
        return true;
    case OPTION_STATE:
        reading->fakepg->state_path = optarg;
        return true;
    case OPTION_STRICT:
        reading->fakepg->knows_all_keys = false;
        return true;
    case OPTION_NO_TEST_CODES:
        reading->fakepg->takes_test_codes = false;
        return true;
    default:
        return take_number(reading, option);
    }
}

static const struct option options[] = {
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {"port", required_argument, NULL, 'p'},
    {"secret-key", required_argument, NULL, 'k'},
    {"host", required_argument, NULL, OPTION_HOST},
    {"no-auth", no_argument, NULL, OPTION_NO_AUTH},
    {"state", required_argument, NULL, OPTION_STATE},
    {"strict-billing-keys", no_argument, NULL, OPTION_STRICT},
    {"no-test-codes", no_argument, NULL, OPTION_NO_TEST_CODES},
    {"request-limit", required_argument, NULL, OPTION_LIMIT},
    {"delay-ms", required_argument, NULL, OPTION_DELAY},
    {"threads", required_argument, NULL, OPTION_THREADS},
    {"max-orders", required_argument, NULL, OPTION_ORDERS},
    {"seed", required_argument, NULL, OPTION_SEED},
    {NULL, 0, NULL, 0},
};

static enum fakepg_action leave(FILE *out, int *exit_status)
{
    *exit_status = fflush(out) == 0 && !ferror(out) ? EXIT_SUCCESS : EXIT_FAILURE;
    return FAKEPG_EXIT;
}

enum fakepg_action fakepg_options_read(int argc, char **argv, struct fakepg_options *fakepg,
                                       struct fakepg_server_options *server, FILE *out, FILE *err,
                                       int *exit_status)
{
    const struct reading reading = {fakepg, server, err};
    int option;
    memset(fakepg, 0, sizeof *fakepg);
    fakepg->checks_auth = true;
    fakepg->knows_all_keys = true;
    fakepg->takes_test_codes = true;
    fakepg->orders_max = ORDERS_DEFAULT;
    fakepg->seed = 1;
    *server = (struct fakepg_server_options){
        .host = "127.0.0.1", .port = DEFAULT_PORT, .threads = DEFAULT_THREADS};
    *exit_status = FAKEPG_EXIT_USAGE;
    optind = 0; /* glibc: start anew, so that tests can call this often */
    opterr = 0; /* messages are ours */
    while ((option = getopt_long(argc, argv, ":hVp:k:", options, NULL)) != -1) {
        if (option == 'h') {
            print_help(out);
            return leave(out, exit_status);
        }
        if (option == 'V') {
            (void)fprintf(out, "farebox-fakepg %s\n", FAREBOX_VERSION);
            return leave(out, exit_status);
        }
        if (option == '?' || option == ':') {
            (void)fprintf(err, "farebox-fakepg: wrong option: %s; --help lists them\n",
                          argv[optind - 1]);
            return FAKEPG_EXIT;
        }
        if (!take(&reading, option)) {
            return FAKEPG_EXIT;
        }
    }
    if (optind < argc) {
        (void)fprintf(err, "farebox-fakepg: unexpected argument: %s\n", argv[optind]);
        return FAKEPG_EXIT;
    }
    if (fakepg->merchant_count == 0 && !add_merchant(&reading, DEFAULT_SECRET)) {
        return FAKEPG_EXIT;
    }
    return FAKEPG_RUN;
}
