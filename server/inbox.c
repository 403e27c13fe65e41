#include "inbox.h"

#include "clock.h"

#include <stddef.h>

bool inbox_init(struct inbox *inbox)
{
    *inbox = (struct inbox){0};
    if (pthread_mutex_init(&inbox->mutex, NULL) != 0) {
        return false;
    }
    clock_condition_init(&inbox->filled);
    return true;
}

void inbox_clear(struct inbox *inbox)
{
    pthread_cond_destroy(&inbox->filled);
    pthread_mutex_destroy(&inbox->mutex);
}

void inbox_post(struct inbox *inbox, struct message *message)
{
    message->next = NULL;
    inbox_post_list(inbox, message);
}

void inbox_post_list(struct inbox *inbox, struct message *first)
{
    struct message *last = first;

    if (first == NULL) {
        return;
    }
    while (last->next != NULL) {
        last = last->next;
    }
    pthread_mutex_lock(&inbox->mutex);
    if (inbox->last == NULL) {
        inbox->first = first;
    } else {
        inbox->last->next = first;
    }
    inbox->last = last;
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

struct message *inbox_take(struct inbox *inbox, int64_t timeout_ms)
{
    struct message *first;

    pthread_mutex_lock(&inbox->mutex);
    if (inbox->first == NULL && timeout_ms > 0) {
        const struct timespec deadline = clock_deadline(timeout_ms);

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
