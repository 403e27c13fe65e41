/* pg_http while the resolver of names hangs: the engine's thread must go on. */
#include "pg_http_kit.h"

#include <netdb.h>
#include <pthread.h>
#include <string.h>

static struct kit kit;
static struct raw_peer *peer;

/* The resolver of this program: it knows no name, and answers only while it may. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool may_answer;
    uint32_t asked;
    uint32_t answered;
} names = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Takes the place of libc's, in libcurl's threads too. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    (void)node;
    (void)service;
    (void)hints;
    (void)result;
    pthread_mutex_lock(&names.mutex);
    names.asked++;
    pthread_cond_broadcast(&names.changed);
    while (!names.may_answer) {
        pthread_cond_wait(&names.changed, &names.mutex);
    }
    names.answered++;
    pthread_cond_broadcast(&names.changed);
    pthread_mutex_unlock(&names.mutex);
    return EAI_AGAIN;
}

static void let_names_hang(void)
{
    pthread_mutex_lock(&names.mutex);
    names.may_answer = false;
    pthread_mutex_unlock(&names.mutex);
}

static void let_names_answer(void)
{
    pthread_mutex_lock(&names.mutex);
    names.may_answer = true;
    pthread_cond_broadcast(&names.changed);
    while (names.answered < names.asked) {
        pthread_cond_wait(&names.changed, &names.mutex);
    }
    pthread_mutex_unlock(&names.mutex);
}

static void await_asked(uint32_t count)
{
    bool is_asked = false;
    while (!is_asked) {
        pg_http_wait(kit.http, 20);
        pthread_mutex_lock(&names.mutex);
        is_asked = names.asked >= count;
        pthread_mutex_unlock(&names.mutex);
    }
}

static void answer_all(struct raw_conn *conn)
{
    while (raw_conn_read(conn)) {
        (void)raw_conn_answer(conn, 200, "{\"fare\":15200}");
    }
}

/* The PG has a name, pricing an address. */
static int setup(void **state)
{
    (void)state;
    names.asked = 0;
    names.answered = 0;
    let_names_hang();
    peer = raw_peer_open(NULL, answer_all);
    kit_init(&kit, "http", raw_peer_port(peer));
    kit.options.peers[PG_HTTP_PG].base_url = "http://pg.example";
    kit.options.peers[PG_HTTP_PG].connect_ms = 200;
    kit_open(&kit);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    let_names_answer();
    kit_close(&kit);
    raw_peer_close(peer);
    peer = NULL;
    return 0;
}

/* The resolver answers only after the test: a thread that waits for it never comes back. */
static void a_name_that_is_not_resolved_in_time_is_not_sent_and_not_waited_for(void **state)
{
    (void)state;
    assert_int_equal(kit_kind(&kit, PG_REQUEST_CHARGE), PG_ANSWER_NOT_SENT);
    assert_int_equal(kit_kind(&kit, PG_REQUEST_LOOKUP), PG_ANSWER_NOT_SENT);
    assert_int_equal(names.answered, 0);
    assert_int_equal(kit_kind(&kit, PG_REQUEST_FARE), UPSTREAM_OK);
}

static void closing_does_not_wait_for_the_resolver(void **state)
{
    struct kit_call call = kit_call_of(PG_REQUEST_CHARGE);
    (void)state;
    kit_begin(&kit, &call);
    await_asked(1);
    kit_close(&kit);
    assert_true(call.is_dropped);
    assert_int_equal(names.answered, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_name_that_is_not_resolved_in_time_is_not_sent_and_not_waited_for),
        TEST(closing_does_not_wait_for_the_resolver),
    };
    return pg_http_global_init() ? cmocka_run_group_tests_name("names", tests, NULL, NULL) : 1;
}
