#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fakepg_process.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 30000

static void become(int out, const struct fakepg_process *process, const char *port, pid_t parent)
{
    int null = open("/dev/null", O_RDWR);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || null < 0 ||
        dup2(null, 0) != 0 || dup2(out, 1) != 1) {
        _exit(127);
    }
    if (process->state[0] != '\0') {
        (void)execl(FAKEPG_BINARY, "farebox-fakepg", "--port", port, "--state", process->state,
                    (char *)NULL);
    } else {
        (void)execl(FAKEPG_BINARY, "farebox-fakepg", "--port", port, (char *)NULL);
    }
    _exit(127);
}

/* Its first line: http http://127.0.0.1:PORT */
static uint16_t read_port(int fd)
{
    char text[512] = "";
    size_t len = 0;
    unsigned port = 0;
    while (strchr(text, '\n') == NULL) {
        struct pollfd waiting = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&waiting, 1, PATIENCE_MS), 1);
        ssize_t got = read(fd, text + len, sizeof(text) - 1 - len);
        if (got <= 0) {
            fail_msg("farebox-fakepg ended at start");
        }
        len += (size_t)got;
        text[len] = '\0';
    }
    assert_int_equal(sscanf(text, "http http://127.0.0.1:%u\n", &port), 1);
    return (uint16_t)port;
}

void fakepg_process_start(struct fakepg_process *process, uint16_t port)
{
    int out[2];
    char text[8];
    pid_t parent = getpid();
    assert_int_equal(process->pid, 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    (void)snprintf(text, sizeof(text), "%u", (unsigned)port);
    process->pid = fork();
    assert_true(process->pid >= 0);
    if (process->pid == 0) {
        become(out[1], process, text, parent);
    }
    (void)close(out[1]);
    process->port = read_port(out[0]);
    (void)close(out[0]);
}

void fakepg_process_kill(struct fakepg_process *process)
{
    if (process->pid > 0) {
        assert_int_equal(kill(process->pid, SIGKILL), 0);
        assert_int_equal(waitpid(process->pid, NULL, 0), process->pid);
        process->pid = 0;
    }
}

static size_t take(char *bytes, size_t size, size_t count, void *out)
{
    return fwrite(bytes, size, count, out);
}

char *fakepg_process_control(const struct fakepg_process *process, const char *path,
                             const char *body)
{
    char url[256];
    char *text = NULL;
    size_t size = 0;
    long status = 0;
    FILE *out = open_memstream(&text, &size);
    CURL *easy = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    assert_true(out != NULL && easy != NULL && headers != NULL);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", (unsigned)process->port, path);
    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, out);
    if (body != NULL) {
        (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    }
    CURLcode result = curl_easy_perform(easy);
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(easy);
    (void)fclose(out);
    if (result != CURLE_OK || status != 200) {
        fail_msg("%s with %s: %s, status %ld: %s", path, body != NULL ? body : "nothing",
                 curl_easy_strerror(result), status, text);
    }
    return text;
}

void fakepg_process_set(const struct fakepg_process *process, const char *path, const char *body)
{
    free(fakepg_process_control(process, path, body));
}
