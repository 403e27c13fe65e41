/*
 * tcp_proxy.h - stands between a client and a server of the loopback, in a thread of its own, and
 * hides from the server that a client has gone: its side of the connection stays open until the
 * server or the proxy ends it.
 *
 * It knows as much of MySQL's protocol as it needs to tell where a statement begins, so that a
 * test can say what happens to which one. Statements are counted and noted in the order in which
 * they came, those that a rule struck too.
 */
#ifndef FAREBOX_TCP_PROXY_H
#define FAREBOX_TCP_PROXY_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define TCP_PROXY_PAIRS     8
#define TCP_PROXY_NOTES     512u
#define TCP_PROXY_NOTE_SIZE 40

enum tcp_proxy_action {
    TCP_PROXY_PASS = 0,
    TCP_PROXY_REFUSE,     /* the server does not see it; the client gets an error in return */
    TCP_PROXY_CUT_BEFORE, /* the server does not see it; both ends are closed */
    TCP_PROXY_CUT_AFTER,  /* both ends are closed when the server has answered */
    TCP_PROXY_HALF,       /* the client gets half of the answer, and nothing after it */
    TCP_PROXY_SILENT,     /* the client gets no answer, and nothing of it is read any more */
};

struct tcp_proxy_rule {
    enum tcp_proxy_action action;
    const char *statement; /* how it begins; NULL: any. Outlives the rule */
    uint32_t nth;          /* of those, from 1 on; 0: each */
    uint16_t error;        /* TCP_PROXY_REFUSE: the error's number */
};

/* What goes on between one client and the server. */
struct tcp_proxy_pair {
    int client_fd;                /* -1: gone */
    int server_fd;                /* -1: the pair is free */
    enum tcp_proxy_action action; /* of the statement that was struck */
};

struct tcp_proxy {
    pthread_t thread;
    pthread_mutex_t mutex; /* of what follows the pairs */
    int listener;
    int stop[2]; /* a pipe */
    uint16_t port;
    uint16_t server_port;
    struct tcp_proxy_pair pairs[TCP_PROXY_PAIRS];
    struct tcp_proxy_rule rule;
    uint32_t matches; /* of the rule's statement, since it was set */
    bool struck;
    uint32_t accepted; /* connections, since the proxy was opened */
    uint32_t note_count;
    char notes[TCP_PROXY_NOTES][TCP_PROXY_NOTE_SIZE]; /* "connect", or how a statement begins */
};

/* Listens on a free port of the loopback, which is in `port` then. Fails the running test. */
void tcp_proxy_open(struct tcp_proxy *proxy, uint16_t server_port);
/* Ends the thread and every connection. */
void tcp_proxy_close(struct tcp_proxy *proxy);

/* One rule at a time; it takes the place of the one before, and the notes begin anew. */
void tcp_proxy_rule(struct tcp_proxy *proxy, struct tcp_proxy_rule rule);
/* Ends the rule. True: it struck. */
bool tcp_proxy_pass(struct tcp_proxy *proxy);
uint32_t tcp_proxy_accepted(struct tcp_proxy *proxy);
/* Copies note `at` since the rule was set; false: there is none. */
bool tcp_proxy_note(struct tcp_proxy *proxy, uint32_t at, char note[TCP_PROXY_NOTE_SIZE]);

#endif
