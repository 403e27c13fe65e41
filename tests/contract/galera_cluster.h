/*
 * galera_cluster.h - three MariaDB servers of a test's own that are one Galera cluster, on the
 * loopback; each is a struct mariadb_server.
 *
 * The nodes find the death of one after about a second, instead of Galera's five. A node that is
 * killed comes back by IST, from the two others.
 */
#ifndef FAREBOX_GALERA_CLUSTER_H
#define FAREBOX_GALERA_CLUSTER_H

#include "mariadb_server.h"

#define GALERA_NODES 3

#define GALERA_OPTIONS_MAX 16
#define GALERA_OPTION_SIZE 700

/* What a node's next start is given. */
struct galera_options {
    char texts[GALERA_OPTIONS_MAX][GALERA_OPTION_SIZE];
    const char *list[GALERA_OPTIONS_MAX + 1];
    int count;
};

struct galera_cluster {
    struct mariadb_server nodes[GALERA_NODES];
    uint16_t group_ports[GALERA_NODES];
    uint16_t ist_ports[GALERA_NODES];
    struct galera_options options[GALERA_NODES];
};

/* True where server and Galera are installed; otherwise the reason is printed. */
bool galera_cluster_is_there(void);

/* Makes and starts the nodes; users as mariadb_server_open() makes them. False: the reason was
 * printed and nothing is left. */
MUST_USE bool galera_cluster_open(struct galera_cluster *cluster);
/* Ends the nodes and removes their folders. */
void galera_cluster_close(struct galera_cluster *cluster);

/* Ends a node (SIGTERM, or SIGKILL) and waits; the two others go on. */
void galera_cluster_stop(struct galera_cluster *cluster, int node, bool kill_it);
/* Starts it again and waits until it has what the others have. False: the log was printed. */
MUST_USE bool galera_cluster_start(struct galera_cluster *cluster, int node);

#endif
