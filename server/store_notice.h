/*
 * store_notice.h - what the MySQL store meets, counted and told.
 *
 * Every notice is counted. What an operator can mend has a line in the log with the server's own
 * words: a connection that can't be opened again, an error of no known kind; of each at most one in
 * ten seconds, whatever the number of connections.
 *
 * Threads: any.
 */
#ifndef FAREBOX_STORE_NOTICE_H
#define FAREBOX_STORE_NOTICE_H

#include "mysql_store.h"

/* For mysql_store_options.notice; `context` is a struct counters. */
void store_notice(void *context, enum mysql_notice what, const char *text);

#endif
