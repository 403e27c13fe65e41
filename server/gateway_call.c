#include "gateway_call.h"

#include <stdlib.h>
#include <string.h>

#define TEXTS 6

static void *must_alloc(size_t size)
{
    void *memory = calloc(1, size);

    invariant(memory != NULL);
    return memory;
}

struct gateway_call *gateway_call_new(const struct gateway_call *asked)
{
    const char *texts[TEXTS] = {asked->trip_id, asked->user_id,     asked->billing_key,
                                asked->pg_id,   asked->traceparent, asked->ended_at};
    size_t sizes[TEXTS];
    size_t size = sizeof(*asked);
    struct gateway_call *call;
    char *at;

    for (int i = 0; i < TEXTS; i++) {
        texts[i] = texts[i] == NULL ? "" : texts[i];
        sizes[i] = strlen(texts[i]) + 1;
        size += sizes[i];
    }
    call = must_alloc(size);
    *call = *asked;
    call->size = (uint32_t)size;
    at = (char *)(call + 1);
    for (int i = 0; i < TEXTS; i++) {
        memcpy(at, texts[i], sizes[i]);
        texts[i] = at;
        at += sizes[i];
    }
    call->trip_id = texts[0];
    call->user_id = texts[1];
    call->billing_key = texts[2];
    call->pg_id = texts[3];
    call->traceparent = texts[4];
    call->ended_at = texts[5];
    return call;
}

struct gateway_answer_texts *gateway_call_texts(struct gateway_call *call)
{
    if (call->texts == NULL) {
        call->texts = must_alloc(sizeof(*call->texts));
    }
    return call->texts;
}

void gateway_call_forget(struct gateway_call *call)
{
    if (call->texts != NULL) {
        explicit_bzero(call->texts, sizeof(*call->texts));
        free(call->texts);
        call->texts = NULL;
    }
}

void gateway_call_free(struct gateway_call *call)
{
    gateway_call_forget(call);
    explicit_bzero(call, call->size);
    free(call);
}
