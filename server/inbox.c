#include "inbox.h"

#include <stddef.h>
#include <time.h>

bool inbox_init(struct inbox *inbox)
{
    pthread_condattr_t attributes;
    bool ok;

    *inbox = (struct inbox){0};
    if (pthread_mutex_init(&inbox->mutex, NULL) != 0) {
        return false;
    }
    if (pthread_condattr_init(&attributes) != 0) {
        pthread_mutex_destroy(&inbox->mutex);
        return false;
    }
    ok = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
         pthread_cond_init(&inbox->filled, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    if (!ok) {
        pthread_mutex_destroy(&inbox->mutex);
    }
    return ok;
}

void inbox_clear(struct inbox *inbox)
{
    pthread_cond_destroy(&inbox->filled);
    pthread_mutex_destroy(&inbox->mutex);
}

void inbox_post(struct inbox *inbox, struct message *message)
{
    message->next = NULL;
    pthread_mutex_lock(&inbox->mutex);
    if (inbox->last == NULL) {
        inbox->first = message;
    } else {
        inbox->last->next = message;
    }
    inbox->last = message;
    pthread_cond_signal(&inbox->filled);
    pthread_mutex_unlock(&inbox->mutex);
}

void inbox_remove(struct inbox *inbox, const struct message *message)
{
    struct message *before = NULL;

    pthread_mutex_lock(&inbox->mutex);
    for (struct message *m = inbox->first; m != NULL; before = m, m = m->next) {
        if (m != message) {
            continue;
        }
        if (before == NULL) {
            inbox->first = m->next;
        } else {
            before->next = m->next;
        }
        if (inbox->last == m) {
            inbox->last = before;
        }
        break;
    }
    pthread_mutex_unlock(&inbox->mutex);
}

static struct timespec deadline_of(int64_t timeout_ms)
{
    struct timespec at;

    invariant(clock_gettime(CLOCK_MONOTONIC, &at) == 0);
    at.tv_sec += (time_t)(timeout_ms / 1000);
    at.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (at.tv_nsec >= 1000000000L) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000L;
    }
    return at;
}

struct message *inbox_take(struct inbox *inbox, int64_t timeout_ms)
{
    struct message *first;

    pthread_mutex_lock(&inbox->mutex);
    if (inbox->first == NULL && timeout_ms > 0) {
        struct timespec deadline = deadline_of(timeout_ms);

        while (inbox->first == NULL &&
               pthread_cond_timedwait(&inbox->filled, &inbox->mutex, &deadline) == 0) {
        }
    }
    first = inbox->first;
    inbox->first = NULL;
    inbox->last = NULL;
    pthread_mutex_unlock(&inbox->mutex);
    return first;
}
