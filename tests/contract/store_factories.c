#define _XOPEN_SOURCE 700 /* mkdtemp */
#include "store_factories.h"

#include "model_store.h"
#include "sqlite_store.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODEL_CONNECTIONS_MAX 4
#define PATH_SIZE             300

bool store_folder_open(char *path, size_t path_size)
{
    const char *parent = getenv("TMPDIR");
    (void)snprintf(path, path_size, "%s/farebox-store-XXXXXX", parent == NULL ? "/tmp" : parent);
    return mkdtemp(path) != NULL;
}

void store_folder_close(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char file[PATH_SIZE + 300];
        (void)snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            (void)remove(file);
        }
    }
    (void)closedir(folder);
    (void)rmdir(path);
}

struct store *store_sqlite_connect(const char *path, struct store_fixture *fixture, const char *vfs)
{
    struct sqlite_store_options options = {.now_ms = store_fixture_now,
                                           .clock_context = fixture,
                                           .busy_timeout_ms = 10000,
                                           .migrate = true,
                                           .vfs = vfs};
    struct store *store = NULL;
    char error[600];
    if (!sqlite_store_open(path, &options, &store, error, sizeof(error))) {
        print_error("%s\n", error);
    }
    return store;
}

struct sqlite_data {
    char folder[PATH_SIZE];
    char file[PATH_SIZE + 10];
};

static void *sqlite_data_open(struct store_fixture *fixture)
{
    (void)fixture;
    struct sqlite_data *data = calloc(1, sizeof(*data));
    if (data == NULL || !store_folder_open(data->folder, sizeof(data->folder))) {
        free(data);
        return NULL;
    }
    (void)snprintf(data->file, sizeof(data->file), "%s/store.db", data->folder);
    return data;
}

static void sqlite_data_close(void *data)
{
    store_folder_close(((struct sqlite_data *)data)->folder);
    free(data);
}

static struct store *sqlite_connect(void *data, struct store_fixture *fixture, struct texts *texts)
{
    (void)texts;
    return store_sqlite_connect(((struct sqlite_data *)data)->file, fixture, NULL);
}

const struct store_factory store_factory_sqlite = {.name = "sqlite",
                                                   .has_threads = true,
                                                   .data_open = sqlite_data_open,
                                                   .data_close = sqlite_data_close,
                                                   .connect = sqlite_connect};

struct model_data {
    void *block;
    struct texts *texts;
    struct model_store handles[MODEL_CONNECTIONS_MAX];
};

static void model_data_close(void *argument)
{
    struct model_data *data = argument;
    free(data->block);
    free(data->texts);
    free(data);
}

static void *model_data_open(struct store_fixture *fixture)
{
    (void)fixture;
    const struct model_store_limits limits = {1000, 1000, 100};
    const uint32_t entries = 10000;
    const uint32_t bytes = 12u << 20;
    struct model_data *data = calloc(1, sizeof(*data));
    if (data == NULL) {
        return NULL;
    }
    void *pool = malloc(texts_size(entries, bytes));
    data->block = malloc(model_store_size(&limits));
    if (pool == NULL || data->block == NULL) {
        free(pool);
        free(data->block);
        free(data);
        return NULL;
    }
    data->texts = texts_init(pool, entries, bytes);
    model_store_init(data->block, &limits);
    return data;
}

/* The store's pool is not the batches': handles have to be translated both ways. */
static struct store *model_connect(void *argument, struct store_fixture *fixture,
                                   struct texts *texts)
{
    (void)texts;
    struct model_data *data = argument;
    for (int i = 0; i < MODEL_CONNECTIONS_MAX; i++) {
        if (data->handles[i].block == NULL) {
            return model_store_open(&data->handles[i], data->block, data->texts, store_fixture_now,
                                    fixture);
        }
    }
    return NULL;
}

const struct store_factory store_factory_model = {.name = "model",
                                                  .has_threads = false,
                                                  .data_open = model_data_open,
                                                  .data_close = model_data_close,
                                                  .connect = model_connect};
