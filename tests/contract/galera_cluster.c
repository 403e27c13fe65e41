#define _XOPEN_SOURCE 700 /* setenv, mkdtemp */
#include "galera_cluster.h"

#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SYNC_TRIES_MAX 600 /* of 100 ms */
#define POSITION_SIZE  80
#define PROVIDER       "/usr/lib/galera/libgalera_smm.so"

bool galera_cluster_is_there(void)
{
    if (!mariadb_server_is_there()) {
        return false;
    }
    if (access(PROVIDER, R_OK) == 0) {
        return true;
    }
    printf("skipped: no Galera (scripts/install-dependencies --tests installs it)\n");
    return false;
}

static void option(struct galera_options *options, const char *name, const char *value)
{
    invariant(options->count < GALERA_OPTIONS_MAX);
    char *text = options->texts[options->count];
    (void)snprintf(text, GALERA_OPTION_SIZE, "--%s=%s", name, value);
    options->list[options->count++] = text;
    options->list[options->count] = NULL;
}

/* `first` begins a cluster; `position`: where a node that was killed stood ("": it knows). */
static void options_set(struct galera_cluster *cluster, int number, bool first,
                        const char *position)
{
    struct galera_options *options = &cluster->options[number];
    char text[GALERA_OPTION_SIZE / 2];
    options->count = 0;
    cluster->nodes[number].options = options->list;
    option(options, "wsrep-on", "ON");
    option(options, "wsrep-provider", PROVIDER);
    option(options, "wsrep-sst-method", "ist");
    option(options, "binlog-format", "ROW");
    option(options, "innodb-autoinc-lock-mode", "2");
    (void)snprintf(text, sizeof(text), "gcomm://127.0.0.1:%u,127.0.0.1:%u,127.0.0.1:%u",
                   (unsigned)cluster->group_ports[0], (unsigned)cluster->group_ports[1],
                   (unsigned)cluster->group_ports[2]);
    option(options, "wsrep-cluster-address", first ? "gcomm://" : text);
    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", (unsigned)cluster->group_ports[number]);
    option(options, "wsrep-node-address", text);
    (void)snprintf(text, sizeof(text),
                   "gmcast.listen_addr=tcp://127.0.0.1:%u;ist.recv_addr=127.0.0.1:%u;"
                   "gcache.size=128M;evs.suspect_timeout=PT1S;evs.inactive_timeout=PT3S;"
                   "evs.keepalive_period=PT0.3S;evs.inactive_check_period=PT0.3S",
                   (unsigned)cluster->group_ports[number], (unsigned)cluster->ist_ports[number]);
    option(options, "wsrep-provider-options", text);
    if (position[0] != '\0') {
        option(options, "wsrep-start-position", position);
    }
}

/* Synced (4), by the node's own word. SHOW is answered at any time. */
static bool is_synced(const struct mariadb_server *node)
{
    MYSQL *db = mysql_init(NULL);
    bool synced = false;
    if (db != NULL &&
        mysql_real_connect(db, "127.0.0.1", MARIADB_ROOT, NULL, NULL, node->port, NULL, 0) !=
            NULL &&
        mysql_query(db, "SHOW GLOBAL STATUS LIKE 'wsrep_local_state'") == 0) {
        MYSQL_RES *result = mysql_store_result(db);
        MYSQL_ROW row = result == NULL ? NULL : mysql_fetch_row(result);
        synced = row != NULL && row[1] != NULL && strcmp(row[1], "4") == 0;
        mysql_free_result(result);
    }
    mysql_close(db);
    return synced;
}

static bool node_start(struct mariadb_server *node)
{
    const struct timespec pause = {.tv_nsec = 100000000};
    if (!mariadb_server_start(node)) {
        return false;
    }
    for (int i = 0; i < SYNC_TRIES_MAX && waitpid(node->pid, NULL, WNOHANG) == 0; i++) {
        if (is_synced(node)) {
            return true;
        }
        (void)nanosleep(&pause, NULL);
    }
    fprintf(stderr, "a Galera node does not get what the others have\n");
    mariadb_server_stop(node, true);
    return false;
}

/* The last position that the node's log tells; "": none. */
static void position_read(const struct mariadb_server *node, char position[POSITION_SIZE])
{
    static const char words[] = "WSREP: Recovered position: ";
    char path[400];
    char line[1000];
    (void)snprintf(path, sizeof(path), "%s/log", node->folder);
    FILE *file = fopen(path, "r");
    position[0] = '\0';
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        const char *found = strstr(line, words);
        if (found != NULL) {
            (void)snprintf(position, POSITION_SIZE, "%.*s", POSITION_SIZE - 1,
                           found + sizeof(words) - 1);
            position[strcspn(position, "\n")] = '\0';
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

bool galera_cluster_start(struct galera_cluster *cluster, int node)
{
    char position[POSITION_SIZE];
    options_set(cluster, node, false, "");
    if (!mariadb_server_run_once(&cluster->nodes[node], "--wsrep-recover")) {
        fprintf(stderr, "a Galera node does not tell where it stood\n");
        return false;
    }
    position_read(&cluster->nodes[node], position);
    options_set(cluster, node, false, position);
    return node_start(&cluster->nodes[node]);
}

void galera_cluster_stop(struct galera_cluster *cluster, int node, bool kill_it)
{
    mariadb_server_stop(&cluster->nodes[node], kill_it);
}

/* A folder with the first node's data, which is stopped. */
static bool node_copy(struct galera_cluster *cluster, int number)
{
    struct mariadb_server *node = &cluster->nodes[number];
    const struct mariadb_server *first = &cluster->nodes[0];
    const char *parent = getenv("TMPDIR");
    char command[1500];
    *node = *first;
    node->pid = 0;
    node->port = mariadb_server_free_port();
    (void)snprintf(node->folder, sizeof(node->folder), "%s/farebox-mariadb-XXXXXX",
                   parent == NULL ? "/tmp" : parent);
    if (mkdtemp(node->folder) == NULL) {
        node->folder[0] = '\0';
        return false;
    }
    (void)snprintf(command, sizeof(command),
                   "cp -r '%s/data' '%s/data' && rm -f '%s/data/galera.cache'"
                   " '%s/data/gvwstate.dat'",
                   first->folder, node->folder, node->folder, node->folder);
    return system(command) == 0;
}

/* The first node gets its state as a cluster of one; copies of that state join it. */
static bool nodes_start(struct galera_cluster *cluster)
{
    struct mariadb_server *first = &cluster->nodes[0];
    mariadb_server_stop(first, false);
    options_set(cluster, 0, true, "");
    if (!node_start(first)) {
        return false;
    }
    mariadb_server_stop(first, false);
    for (int i = 1; i < GALERA_NODES; i++) {
        if (!node_copy(cluster, i)) {
            fprintf(stderr, "the data of a Galera node can't be copied\n");
            return false;
        }
    }
    if (!node_start(first)) {
        return false;
    }
    for (int i = 1; i < GALERA_NODES; i++) {
        options_set(cluster, i, false, "");
        if (!node_start(&cluster->nodes[i])) {
            return false;
        }
    }
    return true;
}

bool galera_cluster_open(struct galera_cluster *cluster)
{
    const char *path = getenv("PATH");
    char with_script[4096];
    memset(cluster, 0, sizeof(*cluster));
    /* A node finds wsrep_sst_ist by its PATH. */
    (void)snprintf(with_script, sizeof(with_script), "%s:%s", GALERA_SST_FOLDER,
                   path == NULL ? "/usr/bin:/bin" : path);
    if (setenv("PATH", with_script, 1) != 0) {
        return false;
    }
    for (int i = 0; i < GALERA_NODES; i++) {
        cluster->group_ports[i] = mariadb_server_free_port();
        cluster->ist_ports[i] = mariadb_server_free_port();
    }
    if (mariadb_server_open(&cluster->nodes[0], true) && nodes_start(cluster)) {
        return true;
    }
    galera_cluster_close(cluster);
    return false;
}

void galera_cluster_close(struct galera_cluster *cluster)
{
    for (int i = GALERA_NODES; i > 0; i--) {
        if (cluster->nodes[i - 1].folder[0] != '\0') {
            mariadb_server_close(&cluster->nodes[i - 1]);
        }
    }
}
