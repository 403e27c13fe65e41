/*
 * fakepg_kit.h - a real farebox-fakepg in a private folder, and a raw client for it.
 *
 * Whatever goes wrong here fails the running test, with what the process printed. A process that a
 * test leaves behind is killed by fakepg_kit_clear(), or by the kernel when the test program dies.
 *
 * Threads: the test's main thread only.
 */
#ifndef FAREBOX_TEST_FAKEPG_KIT_H
#define FAREBOX_TEST_FAKEPG_KIT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KIT_PATH_SIZE 512
#define KIT_ARGS_MAX  24

/* The two merchants that every start knows. */
#define KIT_SECRET       "test_sk_kit"
#define KIT_OTHER_SECRET "test_sk_other"
#define KIT_AUTH         "Authorization: Basic dGVzdF9za19raXQ6\r\n"
#define KIT_OTHER_AUTH   "Authorization: Basic dGVzdF9za19vdGhlcjo=\r\n"

struct fakepg_kit {
    char folder[KIT_PATH_SIZE / 2];
    char state[KIT_PATH_SIZE]; /* a path for --state */
    char out[KIT_PATH_SIZE];
    char err[KIT_PATH_SIZE];
    pid_t pid; /* 0: none runs */
    int port;
};

/* An answer, however it ended. */
struct fakepg_answered {
    int status; /* 0: not one byte came */
    char head[8192];
    char *body; /* NUL-terminated; chunks are put together */
    size_t len;
    bool is_whole; /* as long as its head says, its last chunk came */
    bool is_chunked;
    int64_t took_ms;
};

/* Makes the folder; starts nothing. */
void fakepg_kit_init(struct fakepg_kit *kit);

/* Starts it with these options (NULL ends them) besides a free port and the two merchants, and
 * waits until it has said its address. */
void fakepg_kit_start(struct fakepg_kit *kit, const char *const *options);

/* SIGKILL, and waits. */
void fakepg_kit_kill(struct fakepg_kit *kit);
/* SIGTERM, and waits for exit status 0: a sanitizer's complaint is another one. */
void fakepg_kit_stop(struct fakepg_kit *kit);
/* Kills it if it runs, and removes the folder. Harmless on one that is all zero. */
void fakepg_kit_clear(struct fakepg_kit *kit);

/* Runs the command to its end with only these options; returns the exit status. */
int fakepg_kit_run(struct fakepg_kit *kit, const char *const *options);
/* What it printed to stderr, of all starts. The caller frees it. */
char *fakepg_kit_errors(const struct fakepg_kit *kit);

/* A connected socket; every read on it gives up after 20 s. */
int fakepg_kit_connect(const struct fakepg_kit *kit);

/*
 * One request on a connection of its own, and its answer. `headers`: lines that each end with
 * \r\n, in addition to Host and, with a body, Content-Type and Content-Length. `body` NULL: none.
 */
void fakepg_kit_ask(const struct fakepg_kit *kit, const char *line, const char *headers,
                    const char *body, struct fakepg_answered *answered);
/* Reads an answer until the connection ends. */
void fakepg_kit_receive(int fd, struct fakepg_answered *answered);
void fakepg_answered_clear(struct fakepg_answered *answered);

/* The same with the first merchant's credentials; the answer's JSON, which the caller releases.
 * Fails unless it came whole and with this status. */
json_t *fakepg_kit_json(const struct fakepg_kit *kit, const char *line, const char *headers,
                        const char *body, int status);
/* The same, and the answer is an error with this code. */
void fakepg_kit_refused(const struct fakepg_kit *kit, const char *line, const char *headers,
                        const char *body, int status, const char *code);

/* Charges an order of the first merchant; the Payment object. `headers`: also. */
json_t *fakepg_kit_charge(const struct fakepg_kit *kit, const char *order_id, int amount);

/* A control: POST of JSON, or GET where `body` is NULL. The answer's JSON. */
json_t *fakepg_kit_control(const struct fakepg_kit *kit, const char *path, const char *body);
/* The same, and nobody needs the answer. */
void fakepg_kit_set(const struct fakepg_kit *kit, const char *path, const char *body);

/* What the ledger says of an order; the first object of GET /fake/ledger/{order}. */
json_t *fakepg_kit_order(const struct fakepg_kit *kit, const char *order_id);

/* A text or a number of an object; "" or -1 where it is missing. */
const char *kit_text(const json_t *object, const char *name);
int64_t kit_number(const json_t *object, const char *name);

#endif
