#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "mysql_migrate_lease.h"

#include <mysqld_error.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define EXTEND_EVERY_S 5
#define READ_TIMEOUT_S 10
#define HOLDER_SIZE    64

struct migrate_lease {
    const struct mysql_store *store;
    MYSQL *db;
    char holder[HOLDER_SIZE];
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t stopped;
    bool stop;
    atomic_bool is_held;
};

/* Sends a statement with the lease's name and time, and the holder twice. Rows changed, or -1. */
static int lease_write(struct migrate_lease *lease, const char *format)
{
    char sql[400];
    (void)snprintf(sql, sizeof(sql), format, lease_name_text(LEASE_MIGRATE), lease->holder,
                   MIGRATE_LEASE_S);
    return mysql_query(lease->db, sql) == 0 ? (int)mysql_affected_rows(lease->db) : -1;
}

bool migrate_error_passes(unsigned code)
{
    return code == ER_LOCK_WAIT_TIMEOUT || code == ER_LOCK_DEADLOCK;
}

static int lease_insert_or_take(struct migrate_lease *lease)
{
    int changed = lease_write(lease, "INSERT INTO shedlock (name, locked_by, lock_until, locked_at)"
                                     " VALUES ('%1$s', '%2$s', NOW(3) + INTERVAL %3$d SECOND,"
                                     " NOW(3)) ON DUPLICATE KEY UPDATE name = shedlock.name");
    if (changed != 0) {
        return changed;
    }
    return lease_write(lease, "UPDATE shedlock SET locked_by = '%2$s', locked_at = NOW(3),"
                              " lock_until = NOW(3) + INTERVAL %3$d SECOND WHERE name = '%1$s'"
                              " AND lock_until <= NOW(3)");
}

/* -1: the server does not answer; 0: another process has it, or was faster. */
static int lease_get(struct migrate_lease *lease)
{
    int changed = lease_insert_or_take(lease);
    return changed < 0 && migrate_error_passes(mysql_errno(lease->db)) ? 0 : changed;
}

static bool lease_extend(struct migrate_lease *lease)
{
    return lease_write(lease, "UPDATE shedlock SET lock_until = NOW(3) + INTERVAL %3$d SECOND"
                              " WHERE name = '%1$s' AND CAST(locked_by AS BINARY) ="
                              " _binary'%2$s' AND lock_until > NOW(3)") == 1;
}

/* A new connection where the old one is lost; the lease outlives the gap or it does not. */
static bool lease_extend_again(struct migrate_lease *lease)
{
    char reason[REASON_SIZE];
    MYSQL *db = mysql_session_connect(lease->store, READ_TIMEOUT_S, reason);
    if (db == NULL) {
        return false;
    }
    mysql_close(lease->db);
    lease->db = db;
    return lease_extend(lease);
}

static int64_t now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void *keep_extending(void *argument)
{
    struct migrate_lease *lease = argument;
    (void)mysql_thread_init();
    int64_t extended_s = now_s();
    pthread_mutex_lock(&lease->mutex);
    while (!lease->stop) {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += EXTEND_EVERY_S;
        (void)pthread_cond_timedwait(&lease->stopped, &lease->mutex, &until);
        if (lease->stop) {
            break;
        }
        pthread_mutex_unlock(&lease->mutex);
        if (lease_extend(lease) || lease_extend_again(lease)) {
            extended_s = now_s();
        } else if (now_s() - extended_s >= MIGRATE_LEASE_S - EXTEND_EVERY_S) {
            atomic_store(&lease->is_held, false);
        }
        pthread_mutex_lock(&lease->mutex);
    }
    pthread_mutex_unlock(&lease->mutex);
    mysql_thread_end();
    return NULL;
}

/* A name that no other process has. */
static bool holder_make(struct migrate_lease *lease)
{
    MYSQL_RES *result = NULL;
    if (mysql_query(lease->db, "SELECT UUID()") != 0 ||
        (result = mysql_store_result(lease->db)) == NULL) {
        return false;
    }
    struct columns row;
    bool made = columns_next(result, &row) && !cell_is_null(&row, 0);
    if (made) {
        (void)snprintf(lease->holder, sizeof(lease->holder), "migrate-%.40s", cell_name(&row, 0));
    }
    mysql_free_result(result);
    return made;
}

static void lease_free(struct migrate_lease *lease)
{
    if (lease->db != NULL) {
        mysql_close(lease->db);
    }
    free(lease);
}

/* Its waits are no wall clock's: a clock that is set back must not make it miss an extension. */
static bool stopped_init(struct migrate_lease *lease)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0) {
        return false;
    }
    bool made = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                pthread_cond_init(&lease->stopped, &attributes) == 0;
    (void)pthread_condattr_destroy(&attributes);
    return made;
}

static bool keeper_run(struct migrate_lease *lease)
{
    if (pthread_mutex_init(&lease->mutex, NULL) != 0) {
        return false;
    }
    if (!stopped_init(lease)) {
        pthread_mutex_destroy(&lease->mutex);
        return false;
    }
    if (pthread_create(&lease->thread, NULL, keep_extending, lease) != 0) {
        pthread_cond_destroy(&lease->stopped);
        pthread_mutex_destroy(&lease->mutex);
        return false;
    }
    return true;
}

bool migrate_lease_take(const struct mysql_store *store, struct migrate_lease **lease, char *reason,
                        size_t reason_size)
{
    struct migrate_lease *taken = calloc(1, sizeof(*taken));
    *lease = NULL;
    if (taken == NULL) {
        snprintf(reason, reason_size, "no memory");
        return false;
    }
    taken->store = store;
    atomic_init(&taken->is_held, true);
    taken->db = mysql_session_connect(store, READ_TIMEOUT_S, reason);
    if (taken->db == NULL) {
        lease_free(taken);
        return false;
    }
    int changed = holder_make(taken) ? lease_get(taken) : -1;
    if (changed < 0) {
        snprintf(reason, reason_size, "the lease of the migration cannot be taken: %s",
                 mysql_error(taken->db));
    } else if (changed > 0 && !keeper_run(taken)) {
        snprintf(reason, reason_size, "no thread for the migration");
        changed = -1;
    }
    if (changed <= 0) {
        lease_free(taken);
        return changed == 0;
    }
    *lease = taken;
    return true;
}

bool migrate_lease_is_held(struct migrate_lease *lease)
{
    return atomic_load(&lease->is_held);
}

void migrate_lease_release(struct migrate_lease *lease)
{
    if (lease == NULL) {
        return;
    }
    pthread_mutex_lock(&lease->mutex);
    lease->stop = true;
    pthread_cond_signal(&lease->stopped);
    pthread_mutex_unlock(&lease->mutex);
    pthread_join(lease->thread, NULL);
    pthread_cond_destroy(&lease->stopped);
    pthread_mutex_destroy(&lease->mutex);
    (void)lease_write(lease, "UPDATE shedlock SET lock_until = NOW(3) WHERE name = '%1$s'"
                             " AND CAST(locked_by AS BINARY) = _binary'%2$s'"
                             " AND lock_until > NOW(3)");
    lease_free(lease);
}
