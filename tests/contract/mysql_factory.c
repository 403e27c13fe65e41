#include "mysql_factory.h"

#include <stdio.h>
#include <stdlib.h>

struct mariadb_server mysql_factory_server;
_Atomic unsigned mysql_factory_notices[MYSQL_NOTICE_COUNT];

struct mysql_data {
    char database[40];
};

bool mysql_factory_start(bool durable)
{
    return mariadb_server_open(&mysql_factory_server, durable);
}

void mysql_factory_stop(void)
{
    mariadb_server_close(&mysql_factory_server);
}

const char *mysql_factory_database(void *data)
{
    return ((struct mysql_data *)data)->database;
}

static void notice(void *context, enum mysql_notice what, const char *text)
{
    (void)context;
    (void)text;
    mysql_factory_notices[what]++;
}

struct mysql_store_options mysql_factory_options(const char *database)
{
    return (struct mysql_store_options){.host = "127.0.0.1",
                                        .user = MARIADB_USER,
                                        .password = MARIADB_PASSWORD,
                                        .database = database,
                                        .port = mysql_factory_server.port,
                                        .connect_timeout_s = 10,
                                        .read_timeout_s = 60,
                                        .write_timeout_s = 60,
                                        .lock_wait_timeout_s = 10,
                                        .migrate = true,
                                        .notice = notice};
}

static void *data_open(struct store_fixture *fixture)
{
    (void)fixture;
    static unsigned count;
    struct mysql_data *data = calloc(1, sizeof(*data));
    if (data == NULL) {
        return NULL;
    }
    char statement[120];
    for (int i = 0; i < MYSQL_NOTICE_COUNT; i++) {
        mysql_factory_notices[i] = 0;
    }
    (void)snprintf(data->database, sizeof(data->database), "farebox_%u", ++count);
    (void)snprintf(statement, sizeof(statement), "CREATE DATABASE %s", data->database);
    if (!mariadb_server_run(&mysql_factory_server, NULL, statement)) {
        free(data);
        return NULL;
    }
    return data;
}

static void data_close(void *data)
{
    char statement[120];
    /* A failed test may have left a transaction open: it must not hang here. */
    (void)snprintf(statement, sizeof(statement),
                   "SET SESSION lock_wait_timeout = 3; DROP DATABASE %s",
                   mysql_factory_database(data));
    (void)mariadb_server_run(&mysql_factory_server, NULL, statement);
    free(data);
}

static struct store *connect(void *data, struct store_fixture *fixture, struct texts *texts)
{
    (void)texts;
    struct mysql_store_options options = mysql_factory_options(mysql_factory_database(data));
    options.now_ms = store_fixture_now;
    options.clock_context = fixture;
    struct store *store = NULL;
    char error[700];
    if (!mysql_store_open(&options, &store, error, sizeof(error))) {
        print_error("%s\n", error);
    }
    return store;
}

const struct store_factory store_factory_mysql = {.name = "mysql",
                                                  .has_threads = true,
                                                  .data_open = data_open,
                                                  .data_close = data_close,
                                                  .connect = connect};
