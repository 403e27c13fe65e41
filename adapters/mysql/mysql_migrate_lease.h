/*
 * mysql_migrate_lease.h - the lease under which a process migrates: ShedLock's row Payment_migrate.
 *
 * A lock of the server (GET_LOCK) would not do: a Galera cluster has one a node. The lease is
 * extended on a connection and thread of its own, because an ALTER may take long; a process that
 * dies lets it run out after MIGRATE_LEASE_S.
 *
 * Private to adapters/mysql.
 */
#ifndef FAREBOX_MYSQL_MIGRATE_LEASE_H
#define FAREBOX_MYSQL_MIGRATE_LEASE_H

#include "mysql_internal.h"

#define MIGRATE_LEASE_S 30

struct migrate_lease;

/* Another writer is at the same row or table at this moment; 1213 is also how Galera says that
 * another node was first. */
bool migrate_error_passes(unsigned code);

/*
 * Takes the lease and starts to extend it. `*lease` is NULL where another process has it, or
 * was about to. False:
 * the server does not answer, or no memory or thread; `reason` says which. The table of leases
 * exists.
 */
MUST_USE bool migrate_lease_take(const struct mysql_store *store, struct migrate_lease **lease,
                                 char *reason, size_t reason_size);

/* False: it ran out, for its row could not be extended in time; another process may have it. */
bool migrate_lease_is_held(struct migrate_lease *lease);

/* Ends the lease and the thread. NULL is allowed. */
void migrate_lease_release(struct migrate_lease *lease);

#endif
