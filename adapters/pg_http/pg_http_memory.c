/*
 * pg_http_memory.c - libcurl keeps copies of URLs (with billing keys) and of the secret key in
 * memory of its own, the JSON parser those of users' answers: it is wiped when they let go of it.
 */
#include "pg_http_internal.h"

#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static void wiping_free(void *memory)
{
    if (memory != NULL) {
        explicit_bzero(memory, malloc_usable_size(memory));
        free(memory);
    }
}

/* realloc() may move the bytes and leave the old ones behind. */
static void *wiping_realloc(void *memory, size_t size)
{
    size_t old_size = memory == NULL ? 0 : malloc_usable_size(memory);
    void *moved;

    if (memory != NULL && size <= old_size && size > old_size / 2) {
        return memory;
    }
    moved = malloc(size);
    if (moved == NULL) {
        return NULL;
    }
    if (memory != NULL) {
        memcpy(moved, memory, old_size < size ? old_size : size);
    }
    wiping_free(memory);
    return moved;
}

bool pg_http_memory_init(void)
{
    json_set_alloc_funcs(malloc, wiping_free);
    return curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wiping_free, wiping_realloc, strdup,
                                calloc) == CURLE_OK;
}
