#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fakepg_kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 60000
#define ANSWER_MAX  (16U << 20)

static int64_t clock_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 65536);
    assert_non_null(text);
    if (file != NULL) {
        size_t len = fread(text, 1, 65535, file);
        text[len] = '\0';
        (void)fclose(file);
    }
    return text;
}

char *fakepg_kit_errors(const struct fakepg_kit *kit)
{
    return read_file(kit->err);
}

static void fail_with_errors(const struct fakepg_kit *kit, const char *what)
{
    char *errors = fakepg_kit_errors(kit);
    (void)fprintf(stderr, "%s\n", errors);
    free(errors);
    fail_msg("%s; above: what it printed", what);
}

void fakepg_kit_init(struct fakepg_kit *kit)
{
    memset(kit, 0, sizeof *kit);
    (void)snprintf(kit->folder, sizeof kit->folder, "/tmp/farebox-fakepg.XXXXXX");
    assert_non_null(mkdtemp(kit->folder));
    (void)snprintf(kit->state, sizeof kit->state, "%s/state", kit->folder);
    (void)snprintf(kit->out, sizeof kit->out, "%s/out", kit->folder);
    (void)snprintf(kit->err, sizeof kit->err, "%s/err", kit->folder);
}

static pid_t spawn(const struct fakepg_kit *kit, const char *const *arguments)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0) {
        return pid;
    }
    int out = open(kit->out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int err = open(kit->err, O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || out < 0 || err < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) {
        _exit(99);
    }
    (void)execv(FAKEPG_BINARY, (char *const *)(uintptr_t)arguments);
    _exit(98);
}

static bool has_started(struct fakepg_kit *kit)
{
    char *out = read_file(kit->out);
    bool started = strstr(out, "secret-key " KIT_OTHER_SECRET "\n") != NULL &&
                   sscanf(out, "http http://127.0.0.1:%d", &kit->port) == 1;
    free(out);
    return started;
}

void fakepg_kit_start(struct fakepg_kit *kit, const char *const *options)
{
    const char *arguments[KIT_ARGS_MAX] = {"farebox-fakepg", "--port", "0", "-k", KIT_SECRET, "-k",
                                           KIT_OTHER_SECRET};
    size_t count = 7;
    for (size_t i = 0; options != NULL && options[i] != NULL; i++) {
        assert_true(count + 1 < KIT_ARGS_MAX);
        arguments[count++] = options[i];
    }
    (void)unlink(kit->out);
    kit->pid = spawn(kit, arguments);
    for (int64_t end_ms = clock_ms() + PATIENCE_MS; !has_started(kit);) {
        if (waitpid(kit->pid, NULL, WNOHANG) == kit->pid || clock_ms() > end_ms) {
            kit->pid = 0;
            fail_with_errors(kit, "farebox-fakepg did not start");
        }
        (void)usleep(10000);
    }
}

int fakepg_kit_run(struct fakepg_kit *kit, const char *const *options)
{
    const char *arguments[KIT_ARGS_MAX] = {"farebox-fakepg"};
    int status = 0;
    for (size_t i = 0; options[i] != NULL; i++) {
        arguments[i + 1] = options[i];
    }
    pid_t pid = spawn(kit, arguments);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void fakepg_kit_kill(struct fakepg_kit *kit)
{
    int status = 0;
    assert_int_equal(kill(kit->pid, SIGKILL), 0);
    assert_int_equal(waitpid(kit->pid, &status, 0), kit->pid);
    kit->pid = 0;
    assert_true(WIFSIGNALED(status));
}

void fakepg_kit_stop(struct fakepg_kit *kit)
{
    int status = 0;
    pid_t pid = kit->pid;
    assert_int_equal(kill(pid, SIGTERM), 0);
    for (int64_t end_ms = clock_ms() + PATIENCE_MS; waitpid(pid, &status, WNOHANG) == 0;) {
        if (clock_ms() > end_ms) {
            fail_with_errors(kit, "farebox-fakepg did not end after SIGTERM");
        }
        (void)usleep(10000);
    }
    kit->pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail_with_errors(kit, "farebox-fakepg did not end with status 0");
    }
}

void fakepg_kit_clear(struct fakepg_kit *kit)
{
    if (kit->folder[0] == '\0') {
        return;
    }
    if (kit->pid > 0) {
        (void)kill(kit->pid, SIGKILL);
        (void)waitpid(kit->pid, NULL, 0);
    }
    (void)unlink(kit->state);
    (void)unlink(kit->out);
    (void)unlink(kit->err);
    (void)rmdir(kit->folder);
    memset(kit, 0, sizeof *kit);
}

int fakepg_kit_connect(const struct fakepg_kit *kit)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)kit->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval limit = {20, 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* All bytes until the connection ends. */
static char *receive_all(int fd, size_t *len)
{
    size_t room = 65536;
    char *bytes = malloc(room + 1);
    assert_non_null(bytes);
    *len = 0;
    for (;;) {
        ssize_t got = recv(fd, bytes + *len, room - *len, 0);
        if (got < 0 && errno == EAGAIN) {
            fail_msg("no answer within 20 s");
        }
        if (got <= 0) {
            break;
        }
        *len += (size_t)got;
        if (*len == room) {
            assert_true(room < ANSWER_MAX);
            room *= 2;
            bytes = realloc(bytes, room + 1);
            assert_non_null(bytes);
        }
    }
    bytes[*len] = '\0';
    return bytes;
}

/* Puts the chunks together in place. False: the last one is missing or short. */
static bool join_chunks(char *body, size_t *len)
{
    size_t to = 0;
    for (size_t at = 0; at < *len;) {
        char *end = NULL;
        size_t size = strtoul(body + at, &end, 16);
        if (end == body + at || strncmp(end, "\r\n", 2) != 0) {
            break;
        }
        at = (size_t)(end - body) + 2;
        if (size == 0) {
            body[to] = '\0';
            *len = to;
            return true;
        }
        size_t there = *len - at < size ? *len - at : size;
        memmove(body + to, body + at, there);
        to += there;
        at += there + 2;
    }
    *len = to;
    return false;
}

void fakepg_kit_receive(int fd, struct fakepg_answered *answered)
{
    size_t len = 0;
    memset(answered, 0, sizeof *answered);
    char *all = receive_all(fd, &len);
    char *end = strstr(all, "\r\n\r\n");
    if (end == NULL) {
        assert_int_equal(len, 0); /* half a head would be new */
        answered->body = all;
        return;
    }
    size_t head = (size_t)(end - all) + 4;
    assert_true(head < sizeof answered->head);
    memcpy(answered->head, all, head);
    assert_int_equal(sscanf(all, "HTTP/1.1 %3d ", &answered->status), 1);
    answered->len = len - head;
    memmove(all, all + head, answered->len + 1);
    answered->body = all;
    const char *length = strcasestr(answered->head, "\r\nContent-Length: ");
    answered->is_chunked = strcasestr(answered->head, "\r\nTransfer-Encoding: chunked") != NULL;
    answered->is_whole = answered->is_chunked
                             ? join_chunks(answered->body, &answered->len)
                             : length != NULL && strtoul(length + 18, NULL, 10) == answered->len;
}

void fakepg_answered_clear(struct fakepg_answered *answered)
{
    free(answered->body);
    answered->body = NULL;
}

void fakepg_kit_ask(const struct fakepg_kit *kit, const char *line, const char *headers,
                    const char *body, struct fakepg_answered *answered)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    (void)fprintf(out, "%s HTTP/1.1\r\nHost: pg\r\nConnection: close\r\n%s", line, headers);
    if (body != NULL) {
        bool typed = strcasestr(headers, "Content-Type:") != NULL;
        (void)fprintf(out, "%sContent-Length: %zu\r\n",
                      typed ? "" : "Content-Type: application/json\r\n", strlen(body));
    }
    (void)fprintf(out, "\r\n%s", body != NULL ? body : "");
    assert_int_equal(fclose(out), 0);
    int64_t start_ms = clock_ms();
    int fd = fakepg_kit_connect(kit);
    assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
    free(text);
    fakepg_kit_receive(fd, answered);
    answered->took_ms = clock_ms() - start_ms;
    (void)close(fd);
}

json_t *fakepg_kit_json(const struct fakepg_kit *kit, const char *line, const char *headers,
                        const char *body, int status)
{
    struct fakepg_answered answered;
    char with_auth[4096];
    bool is_other = strstr(headers, "Authorization:") != NULL || strstr(line, " /fake/") != NULL;
    (void)snprintf(with_auth, sizeof with_auth, "%s%s", is_other ? "" : KIT_AUTH, headers);
    fakepg_kit_ask(kit, line, with_auth, body, &answered);
    if (answered.status != status || !answered.is_whole) {
        fail_msg("%s: status %d instead of %d, whole %d: %.600s", line, answered.status, status,
                 answered.is_whole, answered.body);
    }
    json_t *json = json_loadb(answered.body, answered.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    fakepg_answered_clear(&answered);
    return json;
}

void fakepg_kit_refused(const struct fakepg_kit *kit, const char *line, const char *headers,
                        const char *body, int status, const char *code)
{
    json_t *json = fakepg_kit_json(kit, line, headers, body, status);
    assert_string_equal(kit_text(json, "code"), code);
    assert_true(strlen(kit_text(json, "message")) > 0);
    assert_int_equal(json_object_size(json), 2); /* exactly code and message */
    json_decref(json);
}

json_t *fakepg_kit_charge(const struct fakepg_kit *kit, const char *order_id, int amount)
{
    char body[512];
    (void)snprintf(body, sizeof body,
                   "{\"customerKey\":\"user-1\",\"amount\":%d,\"orderId\":\"%s\","
                   "\"orderName\":\"택시 요금\"}",
                   amount, order_id);
    return fakepg_kit_json(kit, "POST /v1/billing/bk_1%3D", "", body, 200);
}

json_t *fakepg_kit_control(const struct fakepg_kit *kit, const char *path, const char *body)
{
    char line[512];
    (void)snprintf(line, sizeof line, "%s /fake/%s", body != NULL ? "POST" : "GET", path);
    return fakepg_kit_json(kit, line, "", body, 200);
}

void fakepg_kit_set(const struct fakepg_kit *kit, const char *path, const char *body)
{
    json_decref(fakepg_kit_control(kit, path, body));
}

json_t *fakepg_kit_order(const struct fakepg_kit *kit, const char *order_id)
{
    char path[256];
    (void)snprintf(path, sizeof path, "ledger/%s", order_id);
    json_t *json = fakepg_kit_control(kit, path, NULL);
    json_t *order = json_incref(json_array_get(json_object_get(json, "orders"), 0));
    json_decref(json);
    assert_non_null(order);
    return order;
}

const char *kit_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

int64_t kit_number(const json_t *object, const char *name)
{
    const json_t *member = json_object_get(object, name);
    return json_is_integer(member) ? json_integer_value(member) : -1;
}
