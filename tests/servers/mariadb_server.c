#define _XOPEN_SOURCE 700 /* mkdtemp, nftw */
#include "mariadb_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <mysql.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_TRIES_MAX 600 /* of 100 ms */
#define PORT_TRIES_MAX  3

static const char *const server_paths[] = {"/usr/sbin/mariadbd", "/usr/local/sbin/mariadbd",
                                           "/usr/bin/mariadbd"};
#define INSTALLER "/usr/bin/mariadb-install-db"

static const char *server_path(void)
{
    for (size_t i = 0; i < sizeof(server_paths) / sizeof(server_paths[0]); i++) {
        if (access(server_paths[i], X_OK) == 0) {
            return server_paths[i];
        }
    }
    return NULL;
}

bool mariadb_server_is_there(void)
{
    if (server_path() != NULL && access(INSTALLER, X_OK) == 0) {
        return true;
    }
    printf("skipped: no mariadbd (scripts/install-dependencies --tests installs it)\n");
    return false;
}

/* Free a moment ago, which is the best that can be had without handing over the socket. */
uint16_t mariadb_server_free_port(void)
{
    int socket_fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    uint16_t port = 0;
    if (bind(socket_fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        getsockname(socket_fd, (struct sockaddr *)&address, &size) == 0) {
        port = ntohs(address.sin_port);
    }
    (void)close(socket_fd);
    return port;
}

static void nap(void)
{
    const struct timespec pause = {.tv_nsec = 100000000};
    (void)nanosleep(&pause, NULL);
}

/* Output goes to a file of the folder. The child does not outlive a test that is killed. */
static pid_t spawn(const struct mariadb_server *server, const char *const *arguments)
{
    pid_t pid = fork();
    if (pid != 0) {
        return pid;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    char log[400];
    (void)snprintf(log, sizeof(log), "%s/log", server->folder);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int null = open("/dev/null", O_RDONLY);
    (void)dup2(null, 0);
    (void)dup2(fd, 1);
    (void)dup2(fd, 2);
    execv(arguments[0], (char *const *)(uintptr_t)arguments);
    _exit(127);
}

static void log_print(const struct mariadb_server *server)
{
    char path[400];
    (void)snprintf(path, sizeof(path), "%s/log", server->folder);
    FILE *file = fopen(path, "r");
    char line[500];
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        fputs(line, stderr);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

static bool install(const struct mariadb_server *server)
{
    char data[400];
    char tmpdir[400];
    (void)snprintf(data, sizeof(data), "--datadir=%s/data", server->folder);
    (void)snprintf(tmpdir, sizeof(tmpdir), "--tmpdir=%s", server->folder);
    const char *const arguments[] = {INSTALLER,
                                     "--no-defaults",
                                     data,
                                     tmpdir,
                                     "--skip-test-db",
                                     "--auth-root-authentication-method=normal",
                                     "--innodb-log-file-size=32M",
                                     "--user=root",
                                     NULL};
    pid_t pid = spawn(server, arguments);
    int status = -1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static MYSQL *root_connect(const struct mariadb_server *server, const char *database)
{
    MYSQL *db = mysql_init(NULL);
    if (db != NULL && mysql_real_connect(db, "127.0.0.1", MARIADB_ROOT, NULL, database,
                                         server->port, NULL, CLIENT_MULTI_STATEMENTS) == NULL) {
        mysql_close(db);
        db = NULL;
    }
    return db;
}

bool mariadb_server_run(const struct mariadb_server *server, const char *database,
                        const char *statements)
{
    MYSQL *db = root_connect(server, database);
    if (db == NULL) {
        fprintf(stderr, "mariadbd: no connection\n");
        return false;
    }
    bool ran = mysql_query(db, statements) == 0;
    int more = 0;
    while (ran && more == 0) {
        mysql_free_result(mysql_store_result(db));
        more = mysql_next_result(db);
    }
    ran = ran && more < 0;
    if (!ran) {
        fprintf(stderr, "mariadbd: %s\n", mysql_error(db));
    }
    mysql_close(db);
    return ran;
}

/* Another test's server may have been faster to take the port. */
static bool is_own(const struct mariadb_server *server, MYSQL *db)
{
    MYSQL_RES *result = NULL;
    if (mysql_query(db, "SELECT @@datadir") != 0 || (result = mysql_store_result(db)) == NULL) {
        return false;
    }
    MYSQL_ROW row = mysql_fetch_row(result);
    bool own = row != NULL && strncmp(row[0], server->folder, strlen(server->folder)) == 0;
    mysql_free_result(result);
    return own;
}

static bool answers(struct mariadb_server *server)
{
    for (int i = 0; i < START_TRIES_MAX; i++) {
        MYSQL *db = root_connect(server, NULL);
        bool own = db != NULL && is_own(server, db);
        if (db != NULL) {
            mysql_close(db);
        }
        if (own) {
            return true;
        }
        if (waitpid(server->pid, NULL, WNOHANG) != 0) {
            server->pid = 0;
            return false;
        }
        nap();
    }
    return false;
}

#define ARGUMENTS_MAX 48

/* `option` NULL: none. */
static pid_t spawn_server(const struct mariadb_server *server, const char *option)
{
    char data[400];
    char socket_path[400];
    char pid_file[400];
    char port[40];
    char tmpdir[400];
    (void)snprintf(data, sizeof(data), "--datadir=%s/data", server->folder);
    /* A server that starts deletes the temporary tables of all others in its folder for them. */
    (void)snprintf(tmpdir, sizeof(tmpdir), "--tmpdir=%s", server->folder);
    (void)snprintf(socket_path, sizeof(socket_path), "--socket=%s/s", server->folder);
    (void)snprintf(pid_file, sizeof(pid_file), "--pid-file=%s/pid", server->folder);
    (void)snprintf(port, sizeof(port), "--port=%u", (unsigned)server->port);
    const char *const first[] = {
        server_path(), "--no-defaults", data, tmpdir, socket_path, pid_file, port, server->flush,
        "--bind-address=127.0.0.1", "--user=root", "--skip-name-resolve",
        "--performance-schema=OFF", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M",
        "--key-buffer-size=1M", "--max-connections=100",
        /* What Farebox must not depend on: a loose collation and
         * another time zone as the server's defaults. */
        "--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci",
        "--default-time-zone=+09:00"};
    const char *arguments[ARGUMENTS_MAX] = {NULL};
    size_t count = sizeof(first) / sizeof(first[0]);
    memcpy(arguments, first, sizeof(first));
    for (size_t i = 0; server->options != NULL && server->options[i] != NULL; i++) {
        invariant(count < ARGUMENTS_MAX - 2);
        arguments[count++] = server->options[i];
    }
    arguments[count] = option;
    return spawn(server, arguments);
}

bool mariadb_server_run_once(const struct mariadb_server *server, const char *option)
{
    pid_t pid = spawn_server(server, option);
    int status = -1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

bool mariadb_server_start(struct mariadb_server *server)
{
    server->pid = spawn_server(server, NULL);
    if (server->pid > 0 && answers(server)) {
        return true;
    }
    log_print(server);
    mariadb_server_stop(server, true);
    return false;
}

void mariadb_server_stop(struct mariadb_server *server, bool kill_it)
{
    if (server->pid > 0) {
        (void)kill(server->pid, kill_it ? SIGKILL : SIGTERM);
        (void)waitpid(server->pid, NULL, 0);
    }
    server->pid = 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static bool open_folder(struct mariadb_server *server, bool durable, const char *const *options)
{
    *server = (struct mariadb_server){.options = options};
    (void)snprintf(server->flush, sizeof(server->flush), "--innodb-flush-log-at-trx-commit=%d",
                   durable ? 1 : 2);
    const char *parent = getenv("TMPDIR");
    (void)snprintf(server->folder, sizeof(server->folder), "%s/farebox-mariadb-XXXXXX",
                   parent == NULL ? "/tmp" : parent);
    if (mkdtemp(server->folder) == NULL) {
        return false;
    }
    bool started = false;
    bool installed = install(server);
    for (int i = 0; i < PORT_TRIES_MAX && installed && !started; i++) {
        server->port = mariadb_server_free_port();
        started = mariadb_server_start(server);
    }
    if (!installed) {
        log_print(server);
    } else if (started &&
               mariadb_server_run(server, NULL,
                                  "CREATE USER '" MARIADB_USER "'@'%' IDENTIFIED BY"
                                  " 'it\\'s-a-\\\\long-secret';"
                                  "GRANT ALL ON `farebox%`.* TO '" MARIADB_USER "'@'%';"
                                  "GRANT ALL ON `farebox%`.* TO '" MARIADB_USER "'@'localhost'"
                                  " IDENTIFIED BY 'it\\'s-a-\\\\long-secret'")) {
        return true;
    }
    mariadb_server_close(server);
    return false;
}

bool mariadb_server_open(struct mariadb_server *server, bool durable)
{
    return open_folder(server, durable, NULL);
}

bool mariadb_server_open_with(struct mariadb_server *server, const char *const *options)
{
    return open_folder(server, true, options);
}

void mariadb_server_close(struct mariadb_server *server)
{
    mariadb_server_stop(server, false);
    (void)nftw(server->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
