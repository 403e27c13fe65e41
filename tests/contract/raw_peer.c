#include "raw_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNS_MAX   256
#define REQUEST_MAX 16384
#define PATIENCE_S  20

struct raw_conn {
    struct raw_peer *peer;
    pthread_t thread;
    SSL *ssl;
    int fd;
    uint32_t number;
    size_t len; /* bytes read and not used yet */
    size_t used;
    char bytes[REQUEST_MAX + 1];
    char request[REQUEST_MAX + 1];
};

struct raw_peer {
    struct raw_tls tls;
    SSL_CTX *context; /* NULL: plain */
    int listener;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t mutex;
    raw_script script;
    char last[REQUEST_MAX + 1];
    struct raw_conn *conns[CONNS_MAX];
    atomic_uint connections;
    atomic_uint requests;
    atomic_bool stop;
};

static void must(bool ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "raw peer: %s: %s\n", what, strerror(errno));
        abort();
    }
}

void raw_pause(uint32_t ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&pause, NULL);
}

static ssize_t conn_recv(struct raw_conn *conn, char *bytes, size_t size)
{
    if (conn->ssl != NULL) {
        return SSL_read(conn->ssl, bytes, (int)size);
    }
    return recv(conn->fd, bytes, size, 0);
}

/* The bytes of a whole request at the front of the buffer; 0: not all there. */
static size_t request_len(const struct raw_conn *conn)
{
    const char *end = strstr(conn->bytes, "\r\n\r\n");
    size_t body = 0;
    if (end == NULL) {
        return 0;
    }
    const char *length = strcasestr(conn->bytes, "\r\nContent-Length:");
    if (length != NULL && length < end) {
        body = strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
    }
    size_t len = (size_t)(end - conn->bytes) + 4 + body;
    return len <= conn->len ? len : 0;
}

bool raw_conn_read(struct raw_conn *conn)
{
    struct raw_peer *peer = conn->peer;
    memmove(conn->bytes, conn->bytes + conn->used, conn->len - conn->used);
    conn->len -= conn->used;
    conn->used = 0;
    for (;;) {
        conn->bytes[conn->len] = '\0';
        conn->used = request_len(conn);
        if (conn->used > 0) {
            break;
        }
        ssize_t got = conn_recv(conn, conn->bytes + conn->len, REQUEST_MAX - conn->len);
        if (got <= 0) {
            return false;
        }
        conn->len += (size_t)got;
    }
    memcpy(conn->request, conn->bytes, conn->used);
    conn->request[conn->used] = '\0';
    pthread_mutex_lock(&peer->mutex);
    memcpy(peer->last, conn->request, conn->used + 1);
    pthread_mutex_unlock(&peer->mutex);
    atomic_fetch_add(&peer->requests, 1);
    return true;
}

const char *raw_conn_request(const struct raw_conn *conn)
{
    return conn->request;
}

uint32_t raw_conn_number(const struct raw_conn *conn)
{
    return conn->number;
}

bool raw_conn_send(struct raw_conn *conn, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = conn->ssl != NULL ? SSL_write(conn->ssl, bytes, (int)len)
                                         : send(conn->fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

bool raw_conn_say(struct raw_conn *conn, const char *text)
{
    return raw_conn_send(conn, text, strlen(text));
}

bool raw_conn_answer(struct raw_conn *conn, int http_status, const char *body)
{
    char head[256];
    (void)snprintf(head, sizeof(head),
                   "HTTP/1.1 %d Said\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                   "\r\n",
                   http_status, strlen(body));
    return raw_conn_say(conn, head) && raw_conn_say(conn, body);
}

static bool shake_hands(struct raw_conn *conn)
{
    if (conn->peer->context == NULL) {
        return true;
    }
    raw_pause(conn->peer->tls.handshake_delay_ms);
    conn->ssl = SSL_new(conn->peer->context);
    must(conn->ssl != NULL && SSL_set_fd(conn->ssl, conn->fd) == 1, "SSL_new");
    return SSL_accept(conn->ssl) == 1;
}

static void *serve(void *argument)
{
    struct raw_conn *conn = argument;
    pthread_mutex_lock(&conn->peer->mutex);
    raw_script script = conn->peer->script;
    pthread_mutex_unlock(&conn->peer->mutex);
    if (shake_hands(conn)) {
        script(conn);
    }
    if (conn->ssl != NULL) {
        SSL_free(conn->ssl);
    }
    (void)shutdown(conn->fd, SHUT_RDWR);
    return NULL;
}

static void accept_one(struct raw_peer *peer)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    const int one = 1;
    int fd = accept(peer->listener, NULL, NULL);
    if (fd < 0) {
        return;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    struct raw_conn *conn = calloc(1, sizeof(*conn));
    uint32_t number = atomic_fetch_add(&peer->connections, 1);
    must(conn != NULL && number < CONNS_MAX, "too many connections");
    conn->peer = peer;
    conn->fd = fd;
    conn->number = number;
    peer->conns[number] = conn;
    must(pthread_create(&conn->thread, NULL, serve, conn) == 0, "pthread_create");
}

static void *listen_on(void *argument)
{
    struct raw_peer *peer = argument;
    while (!atomic_load(&peer->stop)) {
        struct pollfd waiting = {.fd = peer->listener, .events = POLLIN};
        if (poll(&waiting, 1, 20) > 0) {
            accept_one(peer);
        }
    }
    return NULL;
}

static SSL_CTX *make_context(const struct raw_tls *tls)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    must(context != NULL && SSL_CTX_use_certificate_chain_file(context, tls->cert_path) == 1 &&
             SSL_CTX_use_PrivateKey_file(context, tls->key_path, SSL_FILETYPE_PEM) == 1,
         tls->cert_path);
    if (tls->client_ca_path != NULL) {
        must(SSL_CTX_load_verify_locations(context, tls->client_ca_path, NULL) == 1,
             tls->client_ca_path);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return context;
}

struct raw_peer *raw_peer_open(const struct raw_tls *tls, raw_script script)
{
    struct raw_peer *peer = calloc(1, sizeof(*peer));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    must(peer != NULL, "calloc");
    (void)signal(SIGPIPE, SIG_IGN); /* SSL_write has no MSG_NOSIGNAL */
    peer->script = script;
    if (tls != NULL) {
        peer->tls = *tls;
        peer->context = make_context(tls);
    }
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(peer->listener >= 0 &&
             bind(peer->listener, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
             listen(peer->listener, 128) == 0 &&
             getsockname(peer->listener, (struct sockaddr *)&address, &len) == 0,
         "listen");
    peer->port = ntohs(address.sin_port);
    must(pthread_mutex_init(&peer->mutex, NULL) == 0 &&
             pthread_create(&peer->thread, NULL, listen_on, peer) == 0,
         "pthread_create");
    return peer;
}

void raw_peer_close(struct raw_peer *peer)
{
    if (peer == NULL) {
        return;
    }
    atomic_store(&peer->stop, true);
    pthread_join(peer->thread, NULL);
    (void)close(peer->listener);
    for (uint32_t i = 0; i < atomic_load(&peer->connections); i++) {
        (void)shutdown(peer->conns[i]->fd, SHUT_RDWR);
        pthread_join(peer->conns[i]->thread, NULL);
        (void)close(peer->conns[i]->fd);
        free(peer->conns[i]);
    }
    SSL_CTX_free(peer->context);
    pthread_mutex_destroy(&peer->mutex);
    free(peer);
}

void raw_peer_script(struct raw_peer *peer, raw_script script)
{
    pthread_mutex_lock(&peer->mutex);
    peer->script = script;
    pthread_mutex_unlock(&peer->mutex);
}

uint16_t raw_peer_port(const struct raw_peer *peer)
{
    return peer->port;
}

uint32_t raw_peer_connections(const struct raw_peer *peer)
{
    return atomic_load(&((struct raw_peer *)(uintptr_t)peer)->connections);
}

uint32_t raw_peer_requests(const struct raw_peer *peer)
{
    return atomic_load(&((struct raw_peer *)(uintptr_t)peer)->requests);
}

const char *raw_peer_last(const struct raw_peer *peer)
{
    return peer->last;
}
