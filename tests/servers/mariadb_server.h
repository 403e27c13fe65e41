/*
 * mariadb_server.h - a MariaDB server of a test's or a bench's own: a private folder, a free port
 * of the loopback, stopped by its process id.
 */
#ifndef FAREBOX_MARIADB_SERVER_H
#define FAREBOX_MARIADB_SERVER_H

#include "invariant.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MARIADB_USER     "farebox"
#define MARIADB_PASSWORD "it's-a-\\long-secret"
/* May do everything, on every database. */
#define MARIADB_ROOT "root"

struct mariadb_server {
    char folder[300];
    uint16_t port;
    pid_t pid;      /* 0: not running */
    char flush[60]; /* innodb_flush_log_at_trx_commit */
    /* Options of the next start that win over the small ones of tests, NULL at the end; NULL: none.
     * The caller's. */
    const char *const *options;
};

/* True where the server's programs are installed; otherwise the reason is printed. */
bool mariadb_server_is_there(void);

/* Makes the folder with an empty installation and starts the server, durable or not; its users are
 * farebox (with the password, all rights on databases `farebox%`) and root (no password). False:
 * the reason was printed and nothing is left. */
MUST_USE bool mariadb_server_open(struct mariadb_server *server, bool durable);
/* The same, durable, with options of the caller's, which outlive the server. */
MUST_USE bool mariadb_server_open_with(struct mariadb_server *server, const char *const *options);
/* Ends the server and removes the folder. */
void mariadb_server_close(struct mariadb_server *server);

/* Ends the server (SIGTERM, or SIGKILL) and waits; the data stay. */
void mariadb_server_stop(struct mariadb_server *server, bool kill_it);
/* Starts it again, on the same port. */
MUST_USE bool mariadb_server_start(struct mariadb_server *server);

/* Runs the server with one more option that makes it end by itself; false: it failed. What it
 * prints is appended to the file `log` of its folder, as always. */
MUST_USE bool mariadb_server_run_once(const struct mariadb_server *server, const char *option);

/* A port of the loopback that was free a moment ago. */
uint16_t mariadb_server_free_port(void);

/* Runs statements as root, each ended by a semicolon; false prints the error. */
bool mariadb_server_run(const struct mariadb_server *server, const char *database,
                        const char *statements);

#endif
