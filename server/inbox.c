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

void inbox_set_waiter(struct inbox *inbox, const struct inbox_waiter *waiter)
{
    pthread_mutex_lock(&inbox->mutex);
    inbox->waiter = waiter;
    pthread_mutex_unlock(&inbox->mutex);
}

void inbox_post(struct inbox *inbox, struct message *message)
{
    message->next = NULL;
    inbox_post_list(inbox, message);
}

/* The mutex is held. */
static void wake(struct inbox *inbox)
{
    if (inbox->waiter == NULL) {
        pthread_cond_signal(&inbox->filled);
    } else {
        inbox->waiter->wakeup(inbox->waiter->context);
    }
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
        /* Otherwise the taker, who takes all, was woken for those that are there already. */
        wake(inbox);
        inbox->first = first;
    } else {
        inbox->last->next = first;
    }
    inbox->last = last;
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

/* The mutex is held. */
static struct message *take_all(struct inbox *inbox)
{
    struct message *first = inbox->first;

    inbox->first = NULL;
    inbox->last = NULL;
    return first;
}

static bool is_empty(struct inbox *inbox)
{
    bool empty;

    pthread_mutex_lock(&inbox->mutex);
    empty = inbox->first == NULL;
    pthread_mutex_unlock(&inbox->mutex);
    return empty;
}

/* Not while the mutex is held: what the waiter does posts to this inbox. */
static void wait_in(const struct inbox_waiter *waiter, struct inbox *inbox, int64_t timeout_ms)
{
    int64_t until_ms = clock_boot_ms() + timeout_ms;
    int64_t left_ms = timeout_ms;

    do {
        waiter->wait(waiter->context, left_ms > 0 && is_empty(inbox) ? left_ms : 0);
        left_ms = until_ms - clock_boot_ms();
    } while (left_ms > 0 && is_empty(inbox));
}

struct message *inbox_take(struct inbox *inbox, int64_t timeout_ms)
{
    struct message *first;

    if (inbox->waiter != NULL) {
        wait_in(inbox->waiter, inbox, timeout_ms);
    }
    pthread_mutex_lock(&inbox->mutex);
    if (inbox->waiter == NULL && inbox->first == NULL && timeout_ms > 0) {
        const struct timespec deadline = clock_deadline(timeout_ms);

        while (inbox->first == NULL &&
               pthread_cond_timedwait(&inbox->filled, &inbox->mutex, &deadline) == 0) {
        }
    }
    first = take_all(inbox);
    pthread_mutex_unlock(&inbox->mutex);
    return first;
}
