#include "mysql_internal.h"

#include <mysqld_error.h>

const char *mysql_notice_name(enum mysql_notice what)
{
    static const char *const names[MYSQL_NOTICE_COUNT] = {
        [MYSQL_NOTICE_DEADLOCK] = "deadlock",
        [MYSQL_NOTICE_CERTIFICATION] = "certification",
        [MYSQL_NOTICE_LOCK_WAIT] = "lock_wait",
        [MYSQL_NOTICE_NOT_READY] = "not_ready",
        [MYSQL_NOTICE_LOST] = "lost_connection",
        [MYSQL_NOTICE_UNKNOWN_COMMIT] = "unknown_commit",
        [MYSQL_NOTICE_NO_CONNECTION] = "no_connection",
        [MYSQL_NOTICE_OTHER] = "other",
        [MYSQL_NOTICE_CONNECTED_AGAIN] = "connected_again",
    };
    invariant(what < MYSQL_NOTICE_COUNT);
    return names[what];
}

void mysql_notice(const struct mysql_store *store, enum mysql_notice what, const char *text)
{
    if (store->options.notice != NULL) {
        store->options.notice(store->options.notice_context, what, text);
    }
}

void mysql_notice_error(const struct mysql_store *store, bool is_loss)
{
    enum mysql_notice what = is_loss ? MYSQL_NOTICE_LOST : MYSQL_NOTICE_OTHER;
    switch (mysql_errno(store->db)) {
    case ER_LOCK_DEADLOCK:
        what = MYSQL_NOTICE_DEADLOCK;
        break;
    case ER_LOCK_WAIT_TIMEOUT:
        what = MYSQL_NOTICE_LOCK_WAIT;
        break;
    case ER_UNKNOWN_COM_ERROR:
        what = MYSQL_NOTICE_NOT_READY;
        break;
    default:
        break;
    }
    mysql_notice(store, what, mysql_error(store->db));
}
