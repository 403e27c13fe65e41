/* pg_http over TLS: who is believed, and HTTP/2. */
#include "pg_http_kit.h"

#include "tls_certificates.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct tls_certificates certificates;
static struct kit kit;
static struct raw_peer *peer;

static void answer_all(struct raw_conn *conn)
{
    while (raw_conn_read(conn)) {
        (void)raw_conn_answer(conn, 200, kit_done);
    }
}

/* What a plain HTTP server says to the first bytes of TLS. */
static void refuse(struct raw_conn *conn)
{
    (void)raw_conn_say(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
}

static void open_peer(const struct raw_tls *tls)
{
    peer = raw_peer_open(tls, answer_all);
    kit_init(&kit, "https", raw_peer_port(peer));
    for (int i = 0; i < PG_HTTP_PEERS; i++) {
        kit.options.peers[i].ca_path = certificates.ca;
    }
}

static void close_all(void)
{
    kit_close(&kit);
    raw_peer_close(peer);
    peer = NULL;
}

static int teardown(void **state)
{
    (void)state;
    close_all();
    return 0;
}

static void a_server_that_proves_its_name_is_believed(void **state)
{
    const struct raw_tls tls = {certificates.good, certificates.key, NULL, 0};
    (void)state;
    open_peer(&tls);
    kit_open(&kit);
    assert_int_equal(kit_kind(&kit, PG_REQUEST_CHARGE), PG_ANSWER_PAYMENT);
    assert_int_equal(kit_kind(&kit, PG_REQUEST_LOOKUP), PG_ANSWER_PAYMENT);
    assert_int_equal(raw_peer_connections(peer), 1);
}

static void expect_nothing_sent(const char *reason)
{
    kit_open(&kit);
    assert_int_equal(kit_kind(&kit, PG_REQUEST_CHARGE), PG_ANSWER_NOT_SENT);
    assert_int_equal(kit_kind(&kit, PG_REQUEST_LOOKUP), PG_ANSWER_NOT_SENT);
    assert_int_equal(kit_kind(&kit, PG_REQUEST_FARE), UPSTREAM_TROUBLE);
    assert_int_equal(raw_peer_requests(peer), 0);
    if (strstr(kit.told, reason) == NULL) {
        fail_msg("\"%s\" is not told: %s", reason, kit.told);
    }
    close_all();
}

static char key_log[512];

/* Whoever reads that file reads billing keys and the secret key off the wire. */
static void no_variable_makes_libcurl_write_down_the_keys_of_its_connections(void **state)
{
    const struct raw_tls tls = {certificates.good, certificates.key, NULL, 0};
    (void)state;
    open_peer(&tls);
    kit_open(&kit);
    assert_int_equal(kit_kind(&kit, PG_REQUEST_CHARGE), PG_ANSWER_PAYMENT);
    assert_int_not_equal(access(key_log, F_OK), 0);
}

static void a_server_that_does_not_gets_no_byte_of_a_request(void **state)
{
    const struct raw_tls other = {certificates.other_host, certificates.key, NULL, 0};
    const struct raw_tls expired = {certificates.expired, certificates.key, NULL, 0};
    const struct raw_tls early = {certificates.not_yet, certificates.key, NULL, 0};
    const struct raw_tls good = {certificates.good, certificates.key, NULL, 0};
    (void)state;
    open_peer(&other);
    expect_nothing_sent("SSL peer certificate or SSH remote key was not OK");
    open_peer(&expired);
    expect_nothing_sent("certificate has expired");
    open_peer(&early); /* or our clock is far behind */
    expect_nothing_sent("certificate is not yet valid");
    open_peer(&good);
    for (int i = 0; i < PG_HTTP_PEERS; i++) {
        kit.options.peers[i].ca_path = NULL; /* the system's: they don't know ours */
    }
    expect_nothing_sent("unable to get local issuer certificate");
    open_peer(NULL);
    raw_peer_script(peer, refuse);
    expect_nothing_sent("SSL connect error");
}

static void a_server_that_asks_for_a_certificate_gets_ours(void **state)
{
    const struct raw_tls tls = {certificates.good, certificates.key, certificates.ca, 0};
    (void)state;
    open_peer(&tls);
    kit.options.peers[PG_HTTP_PG].cert_path = certificates.good;
    kit.options.peers[PG_HTTP_PG].cert_key_path = certificates.key;
    kit_open(&kit);
    assert_int_equal(kit_kind(&kit, PG_REQUEST_CHARGE), PG_ANSWER_PAYMENT);
    close_all();
    open_peer(&tls);
    kit_open(&kit);
    /* In TLS 1.3 the refusal may come after our request has left: it proves nothing. */
    assert_int_not_equal(kit_kind(&kit, PG_REQUEST_CHARGE), PG_ANSWER_PAYMENT);
    assert_int_equal(raw_peer_requests(peer), 0);
}

static void files_that_cannot_be_read_are_named_at_the_start(void **state)
{
    char error[256];
    (void)state;
    kit_init(&kit, "https", 1);
    kit.options.peers[PG_HTTP_PG].ca_path = "/nonexistent/ca.pem";
    assert_false(pg_http_open(&kit.options, &kit.http, error, sizeof(error)));
    assert_string_equal(error, "/nonexistent/ca.pem can't be read");
}

/* The claim's time ends while the connection is being made. */
static void a_charge_whose_connection_took_too_long_never_leaves(void **state)
{
    const struct raw_tls tls = {certificates.good, certificates.key, NULL, 200};
    struct kit_call call = kit_call_of(PG_REQUEST_CHARGE);
    (void)state;
    open_peer(&tls);
    kit_open(&kit);
    call.call.send_by_ms = kit_now_ms() + 50;
    kit_ask(&kit, &call);
    assert_int_equal(call.answer.pg.kind, PG_ANSWER_NOT_SENT);
    assert_int_equal(raw_peer_requests(peer), 0);
    assert_int_equal(raw_peer_connections(peer), 1);
    assert_int_equal(kit_kind(&kit, PG_REQUEST_CHARGE), PG_ANSWER_PAYMENT);
}

/* nghttpd, a server of others that speaks HTTP/2 only, gives the file that the path names. */
static pid_t run_nghttpd(const char *window_bits, char port[8])
{
    struct raw_peer *free_port = raw_peer_open(NULL, answer_all);
    pid_t parent = getpid();
    pid_t pid;
    (void)snprintf(port, 8, "%u", (unsigned)raw_peer_port(free_port));
    raw_peer_close(free_port);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && null >= 0 &&
            dup2(null, 1) == 1 && dup2(null, 2) == 2) {
            (void)execlp("nghttpd", "nghttpd", "-a", "127.0.0.1", "-w", window_bits, "-d",
                         certificates.folder, port, certificates.key, certificates.good,
                         (char *)NULL);
        }
        _exit(127);
    }
    return pid;
}

static void write_answer(const char *folder)
{
    char at[512];
    FILE *file;
    (void)snprintf(at, sizeof(at), "%s/v1", folder);
    assert_int_equal(mkdir(at, 0700), 0);
    (void)snprintf(at, sizeof(at), "%s/v1/payments", folder);
    assert_int_equal(mkdir(at, 0700), 0);
    (void)snprintf(at, sizeof(at), "%s/v1/payments/orders", folder);
    assert_int_equal(mkdir(at, 0700), 0);
    (void)snprintf(at, sizeof(at), "%s/v1/payments/orders/" KIT_ORDER, folder);
    file = fopen(at, "w");
    assert_non_null(file);
    assert_true(fputs(kit_done, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void await_nghttpd(void)
{
    for (int i = 0; i < 1500; i++) {
        if (kit_kind(&kit, PG_REQUEST_LOOKUP) != PG_ANSWER_NOT_SENT) {
            return;
        }
        raw_pause(20);
    }
    fail_msg("nghttpd does not listen: %s", kit.told);
}

static pid_t nghttpd_pid;

/* `window_bits`: of a request's body 2^N - 1 bytes may leave unasked. */
static void open_nghttpd(const char *window_bits)
{
    char port[8];
    if (access("/usr/sbin/nghttpd", X_OK) != 0 && access("/usr/bin/nghttpd", X_OK) != 0) {
        print_message("SKIPPED: nghttpd is not installed (Debian package nghttp2-server)\n");
        skip();
    }
    nghttpd_pid = run_nghttpd(window_bits, port);
    kit_init(&kit, "https", (uint16_t)strtoul(port, NULL, 10));
    kit.options.peers[PG_HTTP_PG].ca_path = certificates.ca;
    kit_open(&kit);
    await_nghttpd();
}

static void kill_nghttpd(void)
{
    assert_int_equal(kill(nghttpd_pid, SIGKILL), 0);
    assert_int_equal(waitpid(nghttpd_pid, NULL, 0), nghttpd_pid);
}

#define MANY 200

static void a_peer_that_offers_http_2_is_spoken_to_in_it(void **state)
{
    static struct kit_call calls[MANY];
    (void)state;
    open_nghttpd("16");
    for (int i = 0; i < MANY; i++) {
        calls[i] = kit_call_of(i % 2 == 0 ? PG_REQUEST_LOOKUP : PG_REQUEST_CANCEL);
        kit_begin(&kit, &calls[i]);
    }
    for (int i = 0; i < MANY; i++) {
        kit_await(&kit, &calls[i]);
        /* A cancel's path is no file there: an HTML page with 404. */
        assert_int_equal(calls[i].answer.pg.kind,
                         i % 2 == 0 ? PG_ANSWER_PAYMENT : PG_ANSWER_BROKEN);
    }
    kill_nghttpd();
    /* The kept connection is dead now, and nobody listens any more. */
    int kind = kit_kind(&kit, PG_REQUEST_CHARGE);
    assert_true(kind == PG_ANSWER_NOT_SENT || kind == PG_ANSWER_TIMEOUT);
}

/* HTTP/2 lets the head of a charge out and keeps its body back: it must not leave later. */
static void a_body_that_is_held_back_never_leaves_after_the_send_limit(void **state)
{
    struct kit_call call = kit_call_of(PG_REQUEST_CHARGE);
    (void)state;
    open_nghttpd("0");
    call.call.send_by_ms = kit_now_ms() + 2000;
    kit_ask(&kit, &call);
    kill_nghttpd();
    assert_int_equal(call.answer.pg.kind, PG_ANSWER_TIMEOUT);
    assert_non_null(strstr(kit.told, "a charge was broken off: its time to leave was over"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_server_that_proves_its_name_is_believed),
        TEST(no_variable_makes_libcurl_write_down_the_keys_of_its_connections),
        TEST(a_server_that_does_not_gets_no_byte_of_a_request),
        TEST(a_server_that_asks_for_a_certificate_gets_ours),
        TEST(files_that_cannot_be_read_are_named_at_the_start),
        TEST(a_charge_whose_connection_took_too_long_never_leaves),
        TEST(a_peer_that_offers_http_2_is_spoken_to_in_it),
        TEST(a_body_that_is_held_back_never_leaves_after_the_send_limit),
    };
    tls_certificates_make(&certificates);
    (void)snprintf(key_log, sizeof(key_log), "%s/keys.log", certificates.folder);
    if (setenv("SSLKEYLOGFILE", key_log, 1) != 0 || !pg_http_global_init()) {
        tls_certificates_remove(&certificates);
        return 1;
    }
    write_answer(certificates.folder);
    int failed = cmocka_run_group_tests_name("pg_http over TLS", tests, NULL, NULL);
    tls_certificates_remove(&certificates);
    return failed;
}
