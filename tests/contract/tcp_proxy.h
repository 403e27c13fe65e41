/*
 * tcp_proxy.h - stands between a client and a server of the loopback, in a thread of its own, and
 * hides from the server that a client has gone: its side of the connection stays open until the
 * server or the proxy ends it.
 */
#ifndef FAREBOX_TCP_PROXY_H
#define FAREBOX_TCP_PROXY_H

#include <pthread.h>
#include <stdint.h>

#define TCP_PROXY_PAIRS 8

struct tcp_proxy {
    pthread_t thread;
    int listener;
    int stop[2]; /* a pipe */
    uint16_t port;
    uint16_t server_port;
    int client_fds[TCP_PROXY_PAIRS]; /* -1: gone */
    int server_fds[TCP_PROXY_PAIRS]; /* -1: the pair is free */
};

/* Listens on a free port of the loopback, which is in `port` then. Fails the running test. */
void tcp_proxy_open(struct tcp_proxy *proxy, uint16_t server_port);
/* Ends the thread and every connection. */
void tcp_proxy_close(struct tcp_proxy *proxy);

#endif
