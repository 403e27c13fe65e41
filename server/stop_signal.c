#include "stop_signal.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#define EXIT_INTERRUPTED 130

/* One for the process, as signals are. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t requested = PTHREAD_COND_INITIALIZER;
static bool is_asked;
static bool is_broken;

static void fill(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

static void request(bool *which)
{
    pthread_mutex_lock(&mutex);
    *which = true;
    pthread_cond_broadcast(&requested);
    pthread_mutex_unlock(&mutex);
}

static void *run(void *argument)
{
    sigset_t set;
    int signal_number;

    (void)argument;
    fill(&set);
    while (sigwait(&set, &signal_number) != 0) {
    }
    request(&is_asked);
    while (sigwait(&set, &signal_number) != 0) {
    }
    /* Rows outlive processes: nothing here needs an orderly end. */
    _exit(EXIT_INTERRUPTED);
}

bool stop_signal_init(void)
{
    sigset_t set;
    pthread_t thread;

    fill(&set);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
        pthread_create(&thread, NULL, run, NULL) != 0) {
        return false;
    }
    pthread_detach(thread);
    return true;
}

void stop_signal_broken(void *context)
{
    (void)context;
    request(&is_broken);
}

bool stop_signal_wait(void)
{
    bool was_asked;

    pthread_mutex_lock(&mutex);
    while (!is_asked && !is_broken) {
        pthread_cond_wait(&requested, &mutex);
    }
    was_asked = is_asked;
    pthread_mutex_unlock(&mutex);
    return was_asked;
}
