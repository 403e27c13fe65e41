#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_peer.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Below those that the kernel gives to who asks for any port: while the peer is away nobody takes
 * its port, and no connection to it ends up at itself. */
#define PORT_FIRST 20000
#define PORT_COUNT 10000
#define PORT_TRIES 200

static bool port_is_free(int port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    bool is_free = bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    (void)close(fd);
    return is_free;
}

static int free_port(void)
{
    static unsigned drawn;
    for (int i = 0; i < PORT_TRIES; i++) {
        int port = PORT_FIRST + (int)(((unsigned)getpid() * 7919U + drawn++ * 613U) % PORT_COUNT);
        if (port_is_free(port)) {
            return port;
        }
    }
    fail_msg("no free port from %d to %d", PORT_FIRST, PORT_FIRST + PORT_COUNT - 1);
    return 0;
}

/* Adds numbers to numbers, member by member. */
static void add_counts(json_t *sums, const json_t *counts)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)counts, name, value)
    {
        json_t *sum = json_object_get(sums, name);
        if (json_is_object(value)) {
            if (sum == NULL) {
                sum = json_object();
                assert_int_equal(json_object_set_new(sums, name, sum), 0);
            }
            add_counts(sum, value);
            continue;
        }
        json_int_t total = json_integer_value(sum) + json_integer_value(value);
        assert_int_equal(json_object_set_new(sums, name, json_integer(total)), 0);
    }
}

static void read_counts(const struct http_peer *peer, json_t *sums)
{
    json_t *counts = fakepg_kit_control(&peer->kit, "counts", NULL);
    add_counts(sums, counts);
    json_decref(counts);
}

void http_peer_start(struct http_peer *peer)
{
    char number[16];
    const char *options[] = {"-k", peer->secret_key, "--port", number, NULL, NULL, NULL};
    (void)snprintf(number, sizeof(number), "%d", peer->port);
    if (peer->has_state) {
        options[4] = "--state";
        options[5] = peer->kit.state;
    }
    fakepg_kit_start(&peer->kit, options);
    if (!peer->is_calm) {
        fakepg_kit_set(&peer->kit, "config", peer->config);
    }
}

void http_peer_open(struct http_peer *peer, const char *secret_key, bool has_state,
                    const char *config)
{
    *peer = (struct http_peer){.secret_key = secret_key,
                               .config = config,
                               .has_state = has_state,
                               .port = free_port(),
                               .counts = json_object()};
    assert_non_null(peer->counts);
    fakepg_kit_init(&peer->kit);
    http_peer_start(peer);
}

void http_peer_close(struct http_peer *peer)
{
    fakepg_kit_clear(&peer->kit);
    json_decref(peer->counts);
    memset(peer, 0, sizeof(*peer));
}

void http_peer_kill(struct http_peer *peer)
{
    read_counts(peer, peer->counts);
    fakepg_kit_kill(&peer->kit);
    peer->kills++;
}

void http_peer_freeze(struct http_peer *peer)
{
    int status = 0;
    assert_int_equal(kill(peer->kit.pid, SIGSTOP), 0);
    assert_int_equal(waitpid(peer->kit.pid, &status, WUNTRACED), peer->kit.pid);
    assert_true(WIFSTOPPED(status));
    peer->freezes++;
}

void http_peer_thaw(struct http_peer *peer)
{
    assert_int_equal(kill(peer->kit.pid, SIGCONT), 0);
}

void http_peer_calm(struct http_peer *peer)
{
    peer->is_calm = true;
    fakepg_kit_set(&peer->kit, "faults/off", "{}");
    fakepg_kit_set(&peer->kit, "config",
                   "{\"delay\":{\"pg\":{\"kind\":\"fixed\",\"ms\":0},"
                   "\"pricing\":{\"kind\":\"fixed\",\"ms\":0},"
                   "\"users\":{\"kind\":\"fixed\",\"ms\":0}}}");
}

static json_t *all_counts(struct http_peer *peer)
{
    json_t *sums = json_deep_copy(peer->counts);
    assert_non_null(sums);
    read_counts(peer, sums);
    return sums;
}

int64_t http_peer_count(struct http_peer *peer, const char *of, const char *fault)
{
    json_t *sums = all_counts(peer);
    const char *name;
    json_t *value;
    int64_t count = 0;
    json_object_foreach(json_object_get(sums, of), name, value)
    {
        bool is_wanted = fault == NULL ? strcmp(name, "none") != 0 : strcmp(name, fault) == 0;
        count += is_wanted ? json_integer_value(value) : 0;
    }
    json_decref(sums);
    return count;
}

void http_peer_print(struct http_peer *peer, const char *of)
{
    json_t *sums = all_counts(peer);
    const char *name;
    json_t *value;
    print_message("%s, killed %d times, frozen %d times:", of, (int)peer->kills,
                  (int)peer->freezes);
    json_object_foreach(json_object_get(sums, of), name, value)
    {
        if (json_integer_value(value) > 0) {
            print_message(" %s %d", name, (int)json_integer_value(value));
        }
    }
    print_message("\n");
    json_decref(sums);
}
