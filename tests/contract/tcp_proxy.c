#define _POSIX_C_SOURCE 200809L
#include "tcp_proxy.h"

#include "store_suite.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* A packet: three bytes of length, its number (0 where a command begins), the command. */
#define COMMAND_AT 4
#define COMMAND    3 /* COM_QUERY */
/* Small, so that a proxy that stops reading stops its client soon. */
#define RECEIVE_BYTES 65536

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
}

static void end(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
    }
    *fd = -1;
}

static void pair_end(struct tcp_proxy_pair *pair)
{
    end(&pair->client_fd);
    end(&pair->server_fd);
}

static void note_add(struct tcp_proxy *proxy, const char *text, size_t len)
{
    if (proxy->note_count == TCP_PROXY_NOTES) {
        return;
    }
    char *note = proxy->notes[proxy->note_count++];
    size_t kept = len < TCP_PROXY_NOTE_SIZE ? len : TCP_PROXY_NOTE_SIZE - 1;
    memcpy(note, text, kept);
    note[kept] = '\0';
}

static void pair_add(struct tcp_proxy *proxy)
{
    static const char connected[] = "connect";
    const int yes = 1;
    struct sockaddr_in address = loopback(proxy->server_port);
    int client = accept(proxy->listener, NULL, NULL);
    pthread_mutex_lock(&proxy->mutex);
    proxy->accepted++;
    note_add(proxy, connected, sizeof(connected) - 1);
    pthread_mutex_unlock(&proxy->mutex);
    for (int i = 0; i < TCP_PROXY_PAIRS && client >= 0; i++) {
        struct tcp_proxy_pair *pair = &proxy->pairs[i];
        if (pair->server_fd >= 0) {
            continue;
        }
        *pair = (struct tcp_proxy_pair){.client_fd = client,
                                        .server_fd = socket(AF_INET, SOCK_STREAM, 0)};
        /* Or each end waits 40 ms for the other one's acknowledgement. */
        (void)setsockopt(pair->client_fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
        (void)setsockopt(pair->server_fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
        if (connect(pair->server_fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
            pair_end(pair);
        }
        return;
    }
    end(&client);
}

/* Loopback buffers take what is asked here at once. A peer that is gone shows as its own end of
 * file. */
static void send_all(int fd, const char *bytes, ssize_t len)
{
    for (ssize_t sent = 0; fd >= 0 && sent < len;) {
        ssize_t some = send(fd, bytes + sent, (size_t)(len - sent), MSG_NOSIGNAL);
        if (some <= 0) {
            return;
        }
        sent += some;
    }
}

static void error_send(int fd, uint16_t error)
{
    char packet[64] = {0};
    int len = snprintf(packet + 7, sizeof(packet) - 7, "#HY000refused by the test");
    packet[0] = (char)(len + 3);
    packet[3] = 1;
    packet[4] = (char)0xFF;
    packet[5] = (char)(error & 0xFF);
    packet[6] = (char)(error >> 8);
    send_all(fd, packet, len + 7);
}

/* What the rule says about bytes from a client. */
static enum tcp_proxy_action judge(struct tcp_proxy *proxy, const char *bytes, ssize_t len,
                                   uint16_t *error)
{
    if (len <= COMMAND_AT || bytes[COMMAND_AT - 1] != 0 || bytes[COMMAND_AT] != COMMAND) {
        return TCP_PROXY_PASS;
    }
    const char *text = bytes + COMMAND_AT + 1;
    size_t text_len = (size_t)len - COMMAND_AT - 1;
    enum tcp_proxy_action action = TCP_PROXY_PASS;
    pthread_mutex_lock(&proxy->mutex);
    const struct tcp_proxy_rule *rule = &proxy->rule;
    size_t wanted = rule->statement == NULL ? 0 : strlen(rule->statement);
    note_add(proxy, text, text_len);
    if (rule->action != TCP_PROXY_PASS && text_len >= wanted &&
        (wanted == 0 || strncasecmp(text, rule->statement, wanted) == 0) &&
        (++proxy->matches == rule->nth || rule->nth == 0)) {
        action = rule->action;
        *error = rule->error;
        proxy->struck = true;
    }
    pthread_mutex_unlock(&proxy->mutex);
    return action;
}

static void client_serve(struct tcp_proxy *proxy, struct tcp_proxy_pair *pair)
{
    char bytes[RECEIVE_BYTES];
    uint16_t error = 0;
    ssize_t len = recv(pair->client_fd, bytes, sizeof(bytes), 0);
    if (len <= 0) {
        end(&pair->client_fd);
        return;
    }
    enum tcp_proxy_action action = judge(proxy, bytes, len, &error);
    switch (action) {
    case TCP_PROXY_REFUSE:
        error_send(pair->client_fd, error);
        return;
    case TCP_PROXY_CUT_BEFORE:
        pair_end(pair);
        return;
    case TCP_PROXY_CUT_AFTER:
    case TCP_PROXY_HALF:
    case TCP_PROXY_SILENT:
        pair->action = action;
        break;
    case TCP_PROXY_PASS:
        break;
    }
    if (action != TCP_PROXY_SILENT) {
        send_all(pair->server_fd, bytes, len);
    }
}

static void server_serve(struct tcp_proxy_pair *pair)
{
    char bytes[RECEIVE_BYTES];
    ssize_t len = recv(pair->server_fd, bytes, sizeof(bytes), 0);
    if (len <= 0 || pair->action == TCP_PROXY_CUT_AFTER) {
        pair_end(pair);
    } else if (pair->action == TCP_PROXY_HALF) {
        send_all(pair->client_fd, bytes, len / 2);
        pair->action = TCP_PROXY_SILENT;
    } else if (pair->action != TCP_PROXY_SILENT) {
        send_all(pair->client_fd, bytes, len);
    }
}

/* poll() passes over descriptors that are -1. */
static void *serve(void *argument)
{
    struct tcp_proxy *proxy = argument;
    for (;;) {
        struct pollfd polled[2 + 2 * TCP_PROXY_PAIRS] = {{.fd = proxy->stop[0], .events = POLLIN},
                                                         {.fd = proxy->listener, .events = POLLIN}};
        for (int i = 0; i < TCP_PROXY_PAIRS; i++) {
            const struct tcp_proxy_pair *pair = &proxy->pairs[i];
            bool deaf = pair->action == TCP_PROXY_SILENT;
            polled[2 + 2 * i] =
                (struct pollfd){.fd = deaf ? -1 : pair->client_fd, .events = POLLIN};
            polled[3 + 2 * i] = (struct pollfd){.fd = pair->server_fd, .events = POLLIN};
        }
        if (poll(polled, 2 + 2 * TCP_PROXY_PAIRS, -1) < 0 || polled[0].revents != 0) {
            return NULL;
        }
        for (int i = 0; i < TCP_PROXY_PAIRS; i++) {
            struct tcp_proxy_pair *pair = &proxy->pairs[i];
            if (polled[2 + 2 * i].revents != 0) {
                client_serve(proxy, pair);
            }
            if (polled[3 + 2 * i].revents != 0 && pair->server_fd >= 0) {
                server_serve(pair);
            }
        }
        if (polled[1].revents != 0) {
            pair_add(proxy);
        }
    }
}

void tcp_proxy_open(struct tcp_proxy *proxy, uint16_t server_port)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof(address);
    const int receive = RECEIVE_BYTES;
    memset(proxy, 0, sizeof(*proxy));
    proxy->server_port = server_port;
    for (int i = 0; i < TCP_PROXY_PAIRS; i++) {
        proxy->pairs[i] = (struct tcp_proxy_pair){.client_fd = -1, .server_fd = -1};
    }
    assert_int_equal(pthread_mutex_init(&proxy->mutex, NULL), 0);
    proxy->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(setsockopt(proxy->listener, SOL_SOCKET, SO_RCVBUF, &receive, sizeof(receive)),
                     0);
    assert_int_equal(bind(proxy->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(proxy->listener, 8), 0);
    assert_int_equal(getsockname(proxy->listener, (struct sockaddr *)&address, &size), 0);
    proxy->port = ntohs(address.sin_port);
    assert_int_equal(pipe(proxy->stop), 0);
    assert_int_equal(pthread_create(&proxy->thread, NULL, serve, proxy), 0);
}

void tcp_proxy_close(struct tcp_proxy *proxy)
{
    assert_int_equal(write(proxy->stop[1], "", 1), 1);
    assert_int_equal(pthread_join(proxy->thread, NULL), 0);
    for (int i = 0; i < TCP_PROXY_PAIRS; i++) {
        pair_end(&proxy->pairs[i]);
    }
    end(&proxy->listener);
    end(&proxy->stop[0]);
    end(&proxy->stop[1]);
    (void)pthread_mutex_destroy(&proxy->mutex);
}

void tcp_proxy_rule(struct tcp_proxy *proxy, struct tcp_proxy_rule rule)
{
    pthread_mutex_lock(&proxy->mutex);
    proxy->rule = rule;
    proxy->matches = 0;
    proxy->struck = false;
    proxy->note_count = 0;
    pthread_mutex_unlock(&proxy->mutex);
}

bool tcp_proxy_pass(struct tcp_proxy *proxy)
{
    pthread_mutex_lock(&proxy->mutex);
    bool struck = proxy->struck;
    proxy->rule = (struct tcp_proxy_rule){.action = TCP_PROXY_PASS};
    pthread_mutex_unlock(&proxy->mutex);
    return struck;
}

uint32_t tcp_proxy_accepted(struct tcp_proxy *proxy)
{
    pthread_mutex_lock(&proxy->mutex);
    uint32_t accepted = proxy->accepted;
    pthread_mutex_unlock(&proxy->mutex);
    return accepted;
}

bool tcp_proxy_note(struct tcp_proxy *proxy, uint32_t at, char note[TCP_PROXY_NOTE_SIZE])
{
    pthread_mutex_lock(&proxy->mutex);
    bool found = at < proxy->note_count;
    if (found) {
        memcpy(note, proxy->notes[at], TCP_PROXY_NOTE_SIZE);
    }
    pthread_mutex_unlock(&proxy->mutex);
    return found;
}
