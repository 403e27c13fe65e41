#define _POSIX_C_SOURCE 200809L
#include "tcp_proxy.h"

#include "store_suite.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

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

static void pair_add(struct tcp_proxy *proxy)
{
    struct sockaddr_in address = loopback(proxy->server_port);
    int client = accept(proxy->listener, NULL, NULL);
    for (int i = 0; i < TCP_PROXY_PAIRS && client >= 0; i++) {
        if (proxy->server_fds[i] >= 0) {
            continue;
        }
        proxy->client_fds[i] = client;
        proxy->server_fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(proxy->server_fds[i], (struct sockaddr *)&address, sizeof(address)) != 0) {
            end(&proxy->server_fds[i]);
            end(&proxy->client_fds[i]);
        }
        return;
    }
    end(&client);
}

/* False: the other end is gone. Loopback buffers take what is asked here at once. */
static bool forward(int from, int to)
{
    char bytes[65536];
    ssize_t len = recv(from, bytes, sizeof(bytes), 0);
    if (len <= 0) {
        return false;
    }
    for (ssize_t sent = 0; to >= 0 && sent < len;) {
        ssize_t some = send(to, bytes + sent, (size_t)(len - sent), MSG_NOSIGNAL);
        if (some <= 0) {
            break; /* a server that is gone shows as its own end of file */
        }
        sent += some;
    }
    return true;
}

static void pair_serve(struct tcp_proxy *proxy, int i, bool client_ready, bool server_ready)
{
    if (client_ready && !forward(proxy->client_fds[i], proxy->server_fds[i])) {
        end(&proxy->client_fds[i]);
    }
    if (server_ready && !forward(proxy->server_fds[i], proxy->client_fds[i])) {
        end(&proxy->server_fds[i]);
        end(&proxy->client_fds[i]);
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
            polled[2 + 2 * i] = (struct pollfd){.fd = proxy->client_fds[i], .events = POLLIN};
            polled[3 + 2 * i] = (struct pollfd){.fd = proxy->server_fds[i], .events = POLLIN};
        }
        if (poll(polled, 2 + 2 * TCP_PROXY_PAIRS, -1) < 0 || polled[0].revents != 0) {
            return NULL;
        }
        for (int i = 0; i < TCP_PROXY_PAIRS; i++) {
            pair_serve(proxy, i, polled[2 + 2 * i].revents != 0, polled[3 + 2 * i].revents != 0);
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
    *proxy = (struct tcp_proxy){.server_port = server_port};
    for (int i = 0; i < TCP_PROXY_PAIRS; i++) {
        proxy->client_fds[i] = -1;
        proxy->server_fds[i] = -1;
    }
    proxy->listener = socket(AF_INET, SOCK_STREAM, 0);
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
        end(&proxy->client_fds[i]);
        end(&proxy->server_fds[i]);
    }
    end(&proxy->listener);
    end(&proxy->stop[0]);
    end(&proxy->stop[1]);
}
