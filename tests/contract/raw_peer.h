/*
 * raw_peer.h - a server of the test's own that does to a connection whatever the test says.
 *
 * Listens on a free loopback port. Each connection has a thread that runs the script of the moment
 * and closes the connection when it returns. With certificates it speaks TLS. A call that waits too
 * long ends the script's connection, never the test program.
 *
 * Threads: open, script, count and close from the test's thread; the rest from scripts.
 */
#ifndef FAREBOX_TEST_RAW_PEER_H
#define FAREBOX_TEST_RAW_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct raw_peer;
struct raw_conn;

typedef void (*raw_script)(struct raw_conn *conn);

/* How a TLS peer proves itself; paths of PEM files. */
struct raw_tls {
    const char *cert_path;
    const char *key_path;
    const char *client_ca_path; /* NULL: asks for no client certificate */
    uint32_t handshake_delay_ms;
};

/* NULL `tls`: plain. Ends the test program where the system has no socket or thread. */
struct raw_peer *raw_peer_open(const struct raw_tls *tls, raw_script script);
void raw_peer_close(struct raw_peer *peer);
void raw_peer_script(struct raw_peer *peer, raw_script script);
uint16_t raw_peer_port(const struct raw_peer *peer);

/* How many connections were accepted, and how many whole requests were read. */
uint32_t raw_peer_connections(const struct raw_peer *peer);
uint32_t raw_peer_requests(const struct raw_peer *peer);
/* The last request that was read whole: head and body. Until the next one. */
const char *raw_peer_last(const struct raw_peer *peer);

/* Reads one request whole. False: the connection ended. `conn_request` holds it then. */
bool raw_conn_read(struct raw_conn *conn);
const char *raw_conn_request(const struct raw_conn *conn);
/* How many connections came before this one. */
uint32_t raw_conn_number(const struct raw_conn *conn);
/* False: the other side is gone. */
bool raw_conn_send(struct raw_conn *conn, const char *bytes, size_t len);
bool raw_conn_say(struct raw_conn *conn, const char *text);
/* A whole answer with Content-Length. */
bool raw_conn_answer(struct raw_conn *conn, int http_status, const char *body);
void raw_pause(uint32_t ms);

#endif
