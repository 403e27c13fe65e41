/*
 * store_factories.h - the stores that the contract suite and the oracle test run on.
 */
#ifndef FAREBOX_STORE_FACTORIES_H
#define FAREBOX_STORE_FACTORIES_H

#include "store_suite.h"

/* A file in a private folder, one connection for each connect(). */
extern const struct store_factory store_factory_sqlite;
/* One block; all handles on it share a pool of the block's own. */
extern const struct store_factory store_factory_model;

/* Private folders of tests: mkdtemp, and removal with what is in it (no subfolders). */
bool store_folder_open(char *path, size_t path_size);
void store_folder_close(const char *path);

/* Opens `path` with the fixture's clock; a failure prints its reason and gives NULL. */
struct store *store_sqlite_connect(const char *path, struct store_fixture *fixture,
                                   const char *vfs);

#endif
