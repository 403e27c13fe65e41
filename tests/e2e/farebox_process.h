/*
 * farebox_process.h - a real farebox process in a private folder, as a test starts and ends it.
 *
 * Whatever goes wrong here fails the running test, with the end of the process's log. A process
 * that a test leaves behind is killed by farebox_process_clear(), or by the kernel when the test
 * program dies. Times are polled against a deadline.
 *
 * Threads: the test's main thread only: the kernel ties the process to the thread that started it.
 */
#ifndef FAREBOX_TEST_FAREBOX_PROCESS_H
#define FAREBOX_TEST_FAREBOX_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_SETTINGS_MAX 80
#define PROCESS_PATH_SIZE    512
/* Longer than anything here should take on a busy machine; who gets there has failed. */
#define PROCESS_PATIENCE_MS 60000

struct farebox_process {
    char folder[PROCESS_PATH_SIZE / 2]; /* private; goes away with farebox_process_clear() */
    char store[PROCESS_PATH_SIZE];      /* FAREBOX_STORE's path */
    char ledger[PROCESS_PATH_SIZE];     /* FAREBOX_FAKE_PG_FILE */
    char log[PROCESS_PATH_SIZE];        /* stderr of all its starts */
    char out[PROCESS_PATH_SIZE];        /* stdout of all its starts */
    char *environment[PROCESS_SETTINGS_MAX + 1];
    size_t settings;
    off_t out_start; /* where this start's stdout begins */
    pid_t pid;       /* 0: none runs */
    int http_port;   /* of the address that it said */
    char kafka[64];
};

/*
 * Makes the folder and the settings: files in the folder, any free HTTP port, the broker at
 * `bootstrap` (NULL: the embedded one), LIFE's waits. Starts nothing.
 */
void farebox_process_init(struct farebox_process *process, const char *bootstrap);

/* Sets NAME to the value, in place of an earlier one; `format` NULL: takes the setting away. */
__attribute__((format(printf, 3, 4))) void
farebox_process_set(struct farebox_process *process, const char *name, const char *format, ...);

/* LIFE's waits shortened to a second or so, as the fake PG allows: a rescue takes seconds. A killed
 * member is given up after 3.5 s: the embedded broker lets a new group wait for 3 s. */
void farebox_process_hurry(struct farebox_process *process);

/* Starts it and does not wait. */
void farebox_process_spawn(struct farebox_process *process);
/* True once it has said both addresses, which are in `process` then. False: not yet, or ended. */
bool farebox_process_has_started(struct farebox_process *process);
/* Waits for that. */
void farebox_process_await(struct farebox_process *process);
void farebox_process_start(struct farebox_process *process);

/* True once it has ended: `status` is waitpid's. */
bool farebox_process_has_ended(struct farebox_process *process, int *status);
/* Waits for its end and returns waitpid's status; fails the test after timeout_ms. */
int farebox_process_wait(struct farebox_process *process, int64_t timeout_ms);
void farebox_process_signal(struct farebox_process *process, int signal_number);
/* SIGKILL, and waits. It must not have ended by itself. */
void farebox_process_kill(struct farebox_process *process);
/* SIGTERM, and waits for exit status 0. */
void farebox_process_stop(struct farebox_process *process);

/* Runs it to its end with one word or two (NULL: none); returns the exit status, -1 for a signal.
 */
int farebox_process_run(struct farebox_process *process, const char *option);

/* What it has printed, NUL-terminated: of all starts, or stdout of the last one. Caller frees. */
char *farebox_process_read_log(const struct farebox_process *process);
char *farebox_process_read_out(const struct farebox_process *process);
/* Empties the log and stdout. */
void farebox_process_forget_output(struct farebox_process *process);
/* Fails where the log or stdout, of all starts, holds this secret. */
void farebox_process_expect_untold(const struct farebox_process *process, const char *secret);
/* True where the file holds these bytes; false too where there is no such file. */
bool process_file_holds(const char *path, const char *text);
/* Prints the log's end to the test's stderr. */
void farebox_process_show_log(const struct farebox_process *process);

/* Kills it if it runs, and removes the folder. Harmless on one that is all zero. */
void farebox_process_clear(struct farebox_process *process);

/* A whole file, NUL-terminated; NULL: it can't be read. Caller frees. */
char *process_read_file(const char *path, off_t start);
/* Milliseconds of a clock that only goes forward; a short pause between two looks. */
int64_t process_clock_ms(void);
void process_pause(int64_t ms);

#endif
