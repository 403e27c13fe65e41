#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farebox_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOG_SHOWN 6000 /* bytes of the log's end that a failure shows */

int64_t process_clock_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void process_pause(int64_t ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
}

char *process_read_file(const char *path, off_t start)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat stat;
    char *text = NULL;
    if (fd < 0) {
        return NULL;
    }
    if (fstat(fd, &stat) == 0 && stat.st_size >= start) {
        size_t size = (size_t)(stat.st_size - start);
        text = malloc(size + 1);
        assert_non_null(text);
        ssize_t got = pread(fd, text, size, start);
        text[got > 0 ? got : 0] = '\0';
    }
    (void)close(fd);
    return text;
}

bool process_file_holds(const char *path, const char *text)
{
    struct stat file;
    char *bytes = stat(path, &file) == 0 ? process_read_file(path, 0) : NULL;
    bool holds = bytes != NULL && memmem(bytes, (size_t)file.st_size, text, strlen(text)) != NULL;
    free(bytes);
    return holds;
}

void farebox_process_expect_untold(const struct farebox_process *process, const char *secret)
{
    if (process_file_holds(process->log, secret) || process_file_holds(process->out, secret)) {
        fail_msg("the log or stdout tells '%s'", secret);
    }
}

void farebox_process_show_log(const struct farebox_process *process)
{
    char *log = process_read_file(process->log, 0);
    size_t len = log == NULL ? 0 : strlen(log);
    /* Not through cmocka, which cuts texts at 1 KiB. */
    (void)fprintf(stderr, "the end of %s:\n%s\n", process->log,
                  len == 0 ? "(empty)" : log + (len > LOG_SHOWN ? len - LOG_SHOWN : 0));
    free(log);
}

__attribute__((format(printf, 2, 3))) static void process_fail(struct farebox_process *process,
                                                               const char *format, ...)
{
    char text[500];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    farebox_process_show_log(process);
    fail_msg("%s", text);
}

static size_t process_find(const struct farebox_process *process, const char *name)
{
    size_t len = strlen(name);
    size_t at = 0;
    while (at < process->settings && (strncmp(process->environment[at], name, len) != 0 ||
                                      process->environment[at][len] != '=')) {
        at++;
    }
    return at;
}

void farebox_process_set(struct farebox_process *process, const char *name, const char *format, ...)
{
    size_t at = process_find(process, name);
    char value[2048];
    char *setting = NULL;
    va_list arguments;
    if (at < process->settings) {
        free(process->environment[at]);
        process->environment[at] = process->environment[--process->settings];
        process->environment[process->settings] = NULL;
    }
    if (format == NULL) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(value, sizeof(value), format, arguments);
    va_end(arguments);
    assert_true(asprintf(&setting, "%s=%s", name, value) > 0);
    assert_true(process->settings < PROCESS_SETTINGS_MAX);
    process->environment[process->settings++] = setting;
}

static void process_inherit(struct farebox_process *process, const char *name)
{
    const char *value = getenv(name);
    if (value != NULL) {
        farebox_process_set(process, name, "%s", value);
    }
}

void farebox_process_init(struct farebox_process *process, const char *bootstrap)
{
    const char *parent = getenv("TMPDIR");
    memset(process, 0, sizeof(*process));
    (void)snprintf(process->folder, sizeof(process->folder), "%s/farebox-e2e-XXXXXX",
                   parent != NULL ? parent : "/tmp");
    assert_non_null(mkdtemp(process->folder));
    (void)snprintf(process->store, sizeof(process->store), "%s/farebox.db", process->folder);
    (void)snprintf(process->ledger, sizeof(process->ledger), "%s/pg.ledger", process->folder);
    (void)snprintf(process->log, sizeof(process->log), "%s/farebox.log", process->folder);
    (void)snprintf(process->out, sizeof(process->out), "%s/farebox.out", process->folder);
    process_inherit(process, "PATH");
    process_inherit(process, "ASAN_OPTIONS");
    process_inherit(process, "UBSAN_OPTIONS");
    process_inherit(process, "TSAN_OPTIONS");
    farebox_process_set(process, "FAREBOX_STORE", "sqlite:%s", process->store);
    farebox_process_set(process, "FAREBOX_FAKE_PG_FILE", "%s", process->ledger);
    farebox_process_set(process, "FAREBOX_HTTP_ADDRESS", "127.0.0.1:0");
    farebox_process_set(process, "FAREBOX_KAFKA", "%s", bootstrap != NULL ? bootstrap : "embedded");
}

void farebox_process_hurry(struct farebox_process *process)
{
    static const char *const settings[][2] = {
        {"FAREBOX_PG_TIMEOUT_S", "0.4"},      {"FAREBOX_SEND_LIMIT_S", "1"},
        {"FAREBOX_CLAIM_DUE_S", "2"},         {"FAREBOX_TAKEOVER_DUE_S", "1"},
        {"FAREBOX_PG_LONGEST_S", "0.4"},      {"FAREBOX_ABSENCE_MARGIN_S", "0.2"},
        {"FAREBOX_ABSENT_AGAIN_S", "0.5"},    {"FAREBOX_RECHECK_1_S", "1"},
        {"FAREBOX_RECHECK_2_S", "1.5"},       {"FAREBOX_RECHECK_3_S", "2"},
        {"FAREBOX_RESCUE_INTERVAL_S", "0.5"}, {"FAREBOX_LEASE_MOST_S", "2"},
        {"FAREBOX_LEASE_LEAST_S", "0"},       {"FAREBOX_OUTBOX_LEASE_S", "2"},
        {"FAREBOX_OUTBOX_POLL_MS", "200"},    {"FAREBOX_PG_BACKOFF_MS", "50"},
        {"FAREBOX_PG_BACKOFF_MAX_S", "0.5"},  {"FAREBOX_UPSTREAM_BACKOFF_MS", "50"},
        {"FAREBOX_BREAKER_OPEN_MS", "200"},   {"FAREBOX_BREAKER_OPEN_MAX_MS", "500"},
        {"FAREBOX_KAFKA_SESSION_S", "3.5"}};
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        farebox_process_set(process, settings[i][0], "%s", settings[i][1]);
    }
}

/* Runs in the child, where only calls that are safe after a fork of many threads are allowed. */
static void process_become(struct farebox_process *process, pid_t parent, char *const *arguments)
{
    int in = open("/dev/null", O_RDONLY);
    int out = open(process->out, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int err = open(process->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && in >= 0 && out >= 0 &&
        err >= 0 && dup2(in, 0) == 0 && dup2(out, 1) == 1 && dup2(err, 2) == 2) {
        (void)execve(FAREBOX_BINARY, arguments, process->environment);
    }
    _exit(127);
}

static void process_fork(struct farebox_process *process, const char *option)
{
    char binary[] = "farebox";
    char copy[100] = "";
    char *space = NULL;
    char *arguments[] = {binary, option != NULL ? copy : NULL, NULL, NULL};
    struct stat stat_out;
    pid_t parent = getpid();
    assert_int_equal(process->pid, 0);
    (void)snprintf(copy, sizeof(copy), "%s", option != NULL ? option : "");
    space = strchr(copy, ' ');
    if (space != NULL) {
        *space = '\0';
        arguments[2] = space + 1;
    }
    process->out_start = stat(process->out, &stat_out) == 0 ? stat_out.st_size : 0;
    process->http_port = 0;
    process->kafka[0] = '\0';
    process->pid = fork();
    assert_true(process->pid >= 0);
    if (process->pid == 0) {
        process_become(process, parent, arguments);
    }
}

void farebox_process_spawn(struct farebox_process *process)
{
    process_fork(process, NULL);
}

bool farebox_process_has_started(struct farebox_process *process)
{
    char *out = farebox_process_read_out(process);
    const char *kafka = strstr(out, "kafka ");
    bool has_both = sscanf(out, "http http://127.0.0.1:%5d\n", &process->http_port) == 1 &&
                    kafka != NULL && strchr(kafka, '\n') != NULL &&
                    sscanf(kafka, "kafka %63s", process->kafka) == 1;
    free(out);
    return has_both;
}

void farebox_process_await(struct farebox_process *process)
{
    int64_t deadline_ms = process_clock_ms() + PROCESS_PATIENCE_MS;
    while (!farebox_process_has_started(process)) {
        int status = 0;
        if (farebox_process_has_ended(process, &status)) {
            process_fail(process, "farebox ended at start, status %#x", (unsigned)status);
        }
        if (process_clock_ms() > deadline_ms) {
            process_fail(process, "farebox does not say its addresses");
        }
        process_pause(5);
    }
}

void farebox_process_start(struct farebox_process *process)
{
    farebox_process_spawn(process);
    farebox_process_await(process);
}

bool farebox_process_has_ended(struct farebox_process *process, int *status)
{
    pid_t pid = waitpid(process->pid, status, WNOHANG);
    assert_true(pid >= 0);
    if (pid == 0) {
        return false;
    }
    process->pid = 0;
    return true;
}

int farebox_process_wait(struct farebox_process *process, int64_t timeout_ms)
{
    int64_t deadline_ms = process_clock_ms() + timeout_ms;
    int status = 0;
    while (!farebox_process_has_ended(process, &status)) {
        if (process_clock_ms() > deadline_ms) {
            process_fail(process, "farebox still runs after %lld ms", (long long)timeout_ms);
        }
        process_pause(2);
    }
    return status;
}

void farebox_process_signal(struct farebox_process *process, int signal_number)
{
    assert_true(process->pid > 0);
    assert_int_equal(kill(process->pid, signal_number), 0);
}

void farebox_process_kill(struct farebox_process *process)
{
    farebox_process_signal(process, SIGKILL);
    int status = farebox_process_wait(process, PROCESS_PATIENCE_MS);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        process_fail(process, "farebox had ended before it was killed, status %#x",
                     (unsigned)status);
    }
}

void farebox_process_stop(struct farebox_process *process)
{
    farebox_process_signal(process, SIGTERM);
    int status = farebox_process_wait(process, PROCESS_PATIENCE_MS);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        process_fail(process, "farebox did not stop in order, status %#x", (unsigned)status);
    }
}

int farebox_process_run(struct farebox_process *process, const char *option)
{
    process_fork(process, option);
    int status = farebox_process_wait(process, PROCESS_PATIENCE_MS);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static char *read_or_empty(const char *path, off_t start)
{
    char *text = process_read_file(path, start);
    if (text == NULL) {
        text = calloc(1, 1);
        assert_non_null(text);
    }
    return text;
}

char *farebox_process_read_log(const struct farebox_process *process)
{
    return read_or_empty(process->log, 0);
}

char *farebox_process_read_out(const struct farebox_process *process)
{
    return read_or_empty(process->out, process->out_start);
}

void farebox_process_forget_output(struct farebox_process *process)
{
    (void)unlink(process->log);
    (void)unlink(process->out);
    process->out_start = 0;
}

static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry = NULL; folder != NULL && (entry = readdir(folder)) != NULL;) {
        char file[PROCESS_PATH_SIZE + 256];
        (void)snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            (void)remove(file);
        }
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    (void)rmdir(path);
}

void farebox_process_clear(struct farebox_process *process)
{
    if (process->pid > 0) {
        (void)kill(process->pid, SIGKILL);
        (void)waitpid(process->pid, NULL, 0);
    }
    for (size_t i = 0; i < process->settings; i++) {
        free(process->environment[i]);
    }
    /* FAREBOX_E2E_KEEP=1 leaves the files of a failure to look at. */
    if (process->folder[0] != '\0' && getenv("FAREBOX_E2E_KEEP") == NULL) {
        remove_folder(process->folder);
    }
    memset(process, 0, sizeof(*process));
}
