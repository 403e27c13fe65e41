#include "old_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const tables[] = {
    "CREATE TABLE payments (id BIGINT NOT NULL AUTO_INCREMENT, created_at DATETIME(6),"
    " updated_at DATETIME(6), amount INTEGER NOT NULL, completed_at DATETIME(6),"
    " payment_id VARCHAR(255) NOT NULL, payment_method_id VARCHAR(255) NOT NULL,"
    " pg_transaction_id VARCHAR(255), requested_at DATETIME(6) NOT NULL,"
    " status ENUM ('COMPLETED','FAILED','PROCESSING','REQUESTED','UNKNOWN') NOT NULL,"
    " trip_id VARCHAR(255) NOT NULL, user_id VARCHAR(255) NOT NULL, PRIMARY KEY (id))"
    " ENGINE=InnoDB",
    "ALTER TABLE payments ADD CONSTRAINT UKt4ffsaqe8d6i83gs100u2y3l1 UNIQUE (payment_id)",
    "ALTER TABLE payments ADD CONSTRAINT UKofko7pe2vh84ca1uplqw5ha59 UNIQUE (trip_id)",
    "CREATE TABLE payment_outbox (id BIGINT NOT NULL AUTO_INCREMENT, created_at DATETIME(6),"
    " updated_at DATETIME(6), aggregate_id VARCHAR(255), payload LONGTEXT,"
    " status ENUM ('DONE','PUBLISHING','READY'), topic VARCHAR(255), PRIMARY KEY (id))"
    " ENGINE=InnoDB",
    "CREATE INDEX idx_outbox_status_created ON payment_outbox (status, created_at)",
    "CREATE TABLE failed_event (id BIGINT NOT NULL AUTO_INCREMENT, created_at DATETIME(6),"
    " updated_at DATETIME(6), error_message VARCHAR(1000), kafka_key VARCHAR(255),"
    " payload TEXT NOT NULL, status ENUM ('IGNORED','PENDING','RESOLVED') NOT NULL,"
    " topic VARCHAR(255) NOT NULL, PRIMARY KEY (id)) ENGINE=InnoDB"};

void old_service_open(struct sql_client *client, const struct mariadb_server *server,
                      const char *database, const char *charset, const char *collation)
{
    char statement[300];
    (void)snprintf(statement, sizeof(statement), "CREATE DATABASE %s CHARACTER SET %s COLLATE %s",
                   database, charset, collation);
    assert_true(mariadb_server_run(server, NULL, statement));
    sql_client_open(client, server, database);
    sql_client_run(client, "SET SESSION time_zone = '+09:00', sql_mode ="
                           " 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION,ONLY_FULL_GROUP_BY'");
}

void old_service_make_tables(struct sql_client *client)
{
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        sql_client_run(client, "%s", tables[i]);
    }
}

static const char *quoted(const char *text, char to[80])
{
    if (text == NULL) {
        return "NULL";
    }
    (void)snprintf(to, 80, "'%s'", text);
    return to;
}

void old_service_payment(struct sql_client *client, const char *trip_id, const char *payment_id,
                         const char *status, const char *pg_id, int hours)
{
    char pg[80];
    sql_client_run(client,
                   "INSERT INTO payments (amount, completed_at, created_at, payment_id,"
                   " payment_method_id, pg_transaction_id, requested_at, status, trip_id,"
                   " updated_at, user_id) VALUES (5200, %s, NOW(6) - INTERVAL %d HOUR, '%s',"
                   " 'method-1', %s, NOW(6) - INTERVAL %d HOUR, '%s', '%s',"
                   " NOW(6) - INTERVAL %d HOUR, 'user-1')",
                   strcmp(status, "COMPLETED") == 0 ? "NOW(6)" : "NULL", hours, payment_id,
                   quoted(pg_id, pg), hours, status, trip_id, hours);
}

int64_t old_service_outbox(struct sql_client *client, const char *trip_id, const char *payload,
                           const char *status)
{
    char id[80];
    sql_client_run(client,
                   "INSERT INTO payment_outbox (aggregate_id, created_at, payload, status, topic,"
                   " updated_at) VALUES (%s, NOW(6), '%s', '%s', 'payment_events', NOW(6))",
                   quoted(trip_id, id), payload, status);
    return sql_client_number(client, "SELECT LAST_INSERT_ID()");
}

int64_t old_service_failed_event(struct sql_client *client, const char *payload, const char *status)
{
    sql_client_run(client,
                   "INSERT INTO failed_event (created_at, error_message, kafka_key, payload,"
                   " status, topic, updated_at) VALUES (NOW(6), 'java.lang.RuntimeException',"
                   " NULL, '%s', '%s', 'trip_events.DLT', NOW(6))",
                   payload, status);
    return sql_client_number(client, "SELECT LAST_INSERT_ID()");
}

static void expect_changed(uint64_t changed, uint64_t rows)
{
    assert_int_equal(changed, rows);
}

/* Hibernate reads an entity and writes all its columns back. */
static void entity_save(struct sql_client *client, int64_t id, const char *status, const char *pg)
{
    char pg_id[80];
    assert_int_equal(sql_client_number(client,
                                       "SELECT id, amount, completed_at, created_at, payment_id,"
                                       " payment_method_id, pg_transaction_id, requested_at,"
                                       " status, trip_id, updated_at, user_id FROM payments"
                                       " WHERE id = %lld",
                                       (long long)id),
                     id);
    expect_changed(sql_client_run(client,
                                  "UPDATE payments SET amount = amount, completed_at = IF('%s' ="
                                  " 'COMPLETED', NOW(6), completed_at), payment_id = payment_id,"
                                  " payment_method_id = payment_method_id, pg_transaction_id = %s,"
                                  " requested_at = requested_at, status = '%s', trip_id = trip_id,"
                                  " updated_at = NOW(6), user_id = user_id WHERE id = %lld",
                                  status, quoted(pg, pg_id), status, (long long)id),
                   1);
}

static void payments_work(struct sql_client *client, const char *prefix)
{
    char trip[3][60];
    char payment[3][60];
    int64_t id[3];
    for (int i = 0; i < 3; i++) {
        (void)snprintf(trip[i], sizeof(trip[i]), "%s-%d", prefix, i);
        (void)snprintf(payment[i], sizeof(payment[i]), "%s",
                       sql_client_text(client, "SELECT UUID()"));
        old_service_payment(client, trip[i], payment[i], "REQUESTED", NULL, 0);
        id[i] = sql_client_number(client, "SELECT LAST_INSERT_ID()");
        assert_int_equal(
            sql_client_number(client, "SELECT id FROM payments WHERE trip_id = '%s'", trip[i]),
            id[i]);
    }
    /* Trap 3: the bulk claim leaves updated_at alone. */
    expect_changed(sql_client_run(client,
                                  "UPDATE payments SET status = 'PROCESSING' WHERE status ="
                                  " 'REQUESTED' AND id IN (%lld, %lld, %lld)",
                                  (long long)id[0], (long long)id[1], (long long)id[2]),
                   3);
    entity_save(client, id[0], "COMPLETED", "tx_70f181ee");
    entity_save(client, id[1], "FAILED", NULL);
    assert_int_equal(sql_client_number(client,
                                       "SELECT id FROM payments WHERE status = 'PROCESSING' AND"
                                       " updated_at < NOW(6) + INTERVAL 1 SECOND AND id >= %lld"
                                       " ORDER BY updated_at LIMIT 100",
                                       (long long)id[0]),
                     id[2]);
    entity_save(client, id[2], "UNKNOWN", NULL);
}

static void outbox_works(struct sql_client *client, const char *prefix)
{
    char trip[60];
    (void)snprintf(trip, sizeof(trip), "%s-0", prefix);
    int64_t id = old_service_outbox(client, trip, "{\"tripId\":\"t\",\"reason\":\"r\"}", "READY");
    assert_true(sql_client_number(client, "SELECT COUNT(*) FROM (SELECT id, aggregate_id,"
                                          " created_at, payload, status, topic, updated_at FROM"
                                          " payment_outbox WHERE status = 'READY' ORDER BY"
                                          " created_at LIMIT 100) AS page") >= 1);
    expect_changed(sql_client_run(client,
                                  "UPDATE payment_outbox SET status = 'PUBLISHING' WHERE id ="
                                  " %lld AND status = 'READY'",
                                  (long long)id),
                   1);
    expect_changed(sql_client_run(client,
                                  "UPDATE payment_outbox SET status = 'DONE', updated_at ="
                                  " NOW(6) WHERE id IN (%lld)",
                                  (long long)id),
                   1);
    expect_changed(sql_client_run(client,
                                  "DELETE FROM payment_outbox WHERE status = 'DONE' AND"
                                  " created_at < NOW(6) + INTERVAL 1 SECOND AND id = %lld",
                                  (long long)id),
                   1);
}

static void dead_letters_work(struct sql_client *client)
{
    int64_t id = old_service_failed_event(client, "a dead letter", "PENDING");
    assert_true(sql_client_number(client, "SELECT COUNT(*) FROM failed_event WHERE topic ="
                                          " 'trip_events.DLT' AND status = 'PENDING'") >= 1);
    expect_changed(sql_client_run(client,
                                  "UPDATE failed_event SET created_at = created_at,"
                                  " error_message = 'again', kafka_key = NULL, payload = payload,"
                                  " status = 'RESOLVED', topic = topic, updated_at = NOW(6)"
                                  " WHERE id = %lld",
                                  (long long)id),
                   1);
}

void old_service_work(struct sql_client *client, const char *prefix)
{
    payments_work(client, prefix);
    outbox_works(client, prefix);
    dead_letters_work(client);
}
