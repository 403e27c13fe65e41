/*
 * pg_http_loop.c - the sockets and the timer of libcurl, on epoll.
 *
 * curl_multi_poll() and curl_multi_perform() look at every transfer, each time: with thousands that
 * wait for a slow PG that is nearly all the work there is. Here only those are touched for which
 * something has come.
 */
#include "pg_http_internal.h"

#include "invariant.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* Taken at a time; more come the next time. */
#define EVENTS_MAX 256

/* libcurl's times are of this clock; that of the options is its owner's. */
static int64_t clock_ms(void)
{
    struct timespec now;

    invariant(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A socket that can't be watched is left to its call's time limit. */
static int watch(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
    struct loop *loop = context;
    struct epoll_event event = {.data.fd = fd};

    (void)easy;
    (void)known;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    event.events = ((what & CURL_POLL_IN) != 0 ? (uint32_t)EPOLLIN : 0) |
                   ((what & CURL_POLL_OUT) != 0 ? (uint32_t)EPOLLOUT : 0);
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0 && errno == EEXIST) {
        (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &event);
    }
    return 0;
}

static int set_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct loop *loop = context;

    (void)multi;
    loop->timer_ms = timeout_ms < 0 ? LOOP_NO_TIMER : clock_ms() + timeout_ms;
    return 0;
}

bool loop_open(struct loop *loop, CURLM *multi)
{
    struct epoll_event event = {.events = EPOLLIN};

    loop->timer_ms = LOOP_NO_TIMER;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wakeup_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    event.data.fd = loop->wakeup_fd;
    return loop->epoll_fd >= 0 && loop->wakeup_fd >= 0 &&
           epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wakeup_fd, &event) == 0 &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, loop) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERDATA, loop) == CURLM_OK;
}

void loop_close(struct loop *loop)
{
    if (loop->epoll_fd >= 0) {
        (void)close(loop->epoll_fd);
    }
    if (loop->wakeup_fd >= 0) {
        (void)close(loop->wakeup_fd);
    }
}

static void act(struct loop *loop, CURLM *multi, const struct epoll_event *event)
{
    uint64_t wakeups;
    int running;
    int what = 0;

    if (event->data.fd == loop->wakeup_fd) {
        (void)!read(loop->wakeup_fd, &wakeups, sizeof(wakeups));
        return;
    }
    what |= (event->events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0;
    what |= (event->events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0;
    what |= (event->events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0;
    (void)curl_multi_socket_action(multi, event->data.fd, what, &running);
}

void loop_run(struct loop *loop, CURLM *multi, int timeout_ms)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t wait_ms = timeout_ms;
    int running;
    int count;

    if (loop->timer_ms != LOOP_NO_TIMER) {
        int64_t left_ms = loop->timer_ms - clock_ms();

        left_ms = left_ms > 0 ? left_ms : 0;
        wait_ms = left_ms < wait_ms ? left_ms : wait_ms;
    }
    count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, (int)wait_ms);
    for (int i = 0; i < count; i++) {
        act(loop, multi, &events[i]);
    }
    if (loop->timer_ms != LOOP_NO_TIMER && loop->timer_ms <= clock_ms()) {
        loop->timer_ms = LOOP_NO_TIMER;
        (void)curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
}

void loop_wakeup(struct loop *loop)
{
    const uint64_t one = 1;

    (void)!write(loop->wakeup_fd, &one, sizeof(one));
}
