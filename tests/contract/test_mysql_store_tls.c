/* TLS towards a server that asks for a certificate of the client. */
#include "mysql_internal.h"
#include "mysql_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 500

static char paths[8][PATH_SIZE];

enum path { AUTHORITY, STRANGER, CLIENT, CLIENT_KEY, IMPOSTOR, IMPOSTOR_KEY };

static const char *path_of(enum path path)
{
    static const char *const names[] = {"authority.pem", "stranger.pem", "client.pem",
                                        "client.key",    "impostor.pem", "impostor.key"};
    (void)snprintf(paths[path], PATH_SIZE, "%s/%s", mysql_factory_server.folder, names[path]);
    return paths[path];
}

/* The server with this certificate; NULL: without TLS. */
static bool server_start(const char *certificate)
{
    static char texts[3][PATH_SIZE];
    static const char *const without[] = {"--skip-ssl", NULL};
    static const char *const with[] = {texts[0], texts[1], texts[2], NULL};
    struct mariadb_server *server = &mysql_factory_server;
    mariadb_server_stop(server, false);
    server->options = without;
    if (certificate != NULL) {
        (void)snprintf(texts[0], PATH_SIZE, "--ssl-ca=%s/authority.pem", server->folder);
        (void)snprintf(texts[1], PATH_SIZE, "--ssl-cert=%s/%s.pem", server->folder, certificate);
        (void)snprintf(texts[2], PATH_SIZE, "--ssl-key=%s/%s.key", server->folder, certificate);
        server->options = with;
    }
    return mariadb_server_start(server);
}

/* Everything as it should be. */
static struct mysql_store_options options_of(struct store_fixture *f)
{
    struct mysql_store_options options = mysql_kit_options(f, 5, 20);
    options.user = "careful";
    options.password = "a";
    options.tls = true;
    options.tls_ca = path_of(AUTHORITY);
    options.tls_cert = path_of(CLIENT);
    options.tls_key = path_of(CLIENT_KEY);
    return options;
}

static void expect_refusal(const struct mysql_store_options *options, const char *words)
{
    struct store *store = NULL;
    char error[700] = "";
    assert_false(mysql_store_open(options, &store, error, sizeof(error)));
    assert_null(store);
    if (strstr(error, words) == NULL) {
        fail_msg("\"%s\" instead of \"%s\"", error, words);
    }
}

static void expect_encrypted(struct store_fixture *f)
{
    struct mysql_store *store = (struct mysql_store *)f->store;
    assert_non_null(store->db);
    assert_non_null(mysql_get_ssl_cipher(store->db));
}

static void client_proves_its_name_at_every_connect(void **state)
{
    struct store_fixture *f = *state;
    struct mysql_store_options options = options_of(f);
    MYSQL *root = mysql_kit_root(f);
    mysql_kit_reopen_with(f, &options);
    expect_encrypted(f);
    (void)mysql_kit_opened(f, "trip-1", 1);
    mysql_kit_run(root, "KILL HARD USER 'careful'");
    mysql_kit_wait_for(root, "SELECT COUNT(*) = 0 FROM information_schema.processlist"
                             " WHERE user = 'careful'");
    (void)mysql_kit_opened(f, "trip-2", 2);
    expect_encrypted(f);
    mysql_close(root);
}

static void client_without_a_certificate_or_with_a_strangers_is_refused(void **state)
{
    struct store_fixture *f = *state;
    struct mysql_store_options options = options_of(f);
    options.tls_cert = NULL;
    options.tls_key = NULL;
    expect_refusal(&options, "Access denied for user 'careful'");
    options = options_of(f);
    options.tls_cert = path_of(IMPOSTOR);
    options.tls_key = path_of(IMPOSTOR_KEY);
    expect_refusal(&options, "cannot be used");
    options = options_of(f);
    options.tls_key = "/nowhere/client.key";
    expect_refusal(&options, "cannot be used");
}

static void server_of_an_unknown_authority_is_refused(void **state)
{
    struct store_fixture *f = *state;
    struct mysql_store_options options = options_of(f);
    options.tls_ca = path_of(STRANGER);
    expect_refusal(&options, "cannot be used");
    options.tls_ca = NULL; /* encrypted, whoever it is */
    mysql_kit_reopen_with(f, &options);
    expect_encrypted(f);
}

static void server_of_another_name_is_refused(void **state)
{
    struct store_fixture *f = *state;
    struct mysql_store_options options = options_of(f);
    assert_true(server_start("misnamed"));
    expect_refusal(&options, "cannot be used");
    assert_true(server_start("server"));
    mysql_kit_reopen_with(f, &options);
}

/* The user here needs no TLS: it is the client who insists. */
static void server_without_tls_is_refused_where_tls_is_required(void **state)
{
    struct store_fixture *f = *state;
    struct mysql_store_options options = options_of(f);
    options.user = MARIADB_USER;
    options.password = MARIADB_PASSWORD;
    assert_true(server_start(NULL));
    expect_refusal(&options, "TLS");
    options.tls_ca = NULL;
    expect_refusal(&options, "TLS");
    options.tls = false;
    options.tls_ca = path_of(AUTHORITY);
    expect_refusal(&options, "TLS");
    assert_true(server_start("server"));
}

static bool start(void)
{
    char command[PATH_SIZE + 60];
    if (!mysql_factory_start(true)) {
        return false;
    }
    (void)snprintf(command, sizeof(command), "tests/contract/make_certificates.sh %s",
                   mysql_factory_server.folder);
    if (system(command) == 0 && server_start("server") &&
        mariadb_server_run(&mysql_factory_server, NULL,
                           "CREATE USER 'careful'@'%' IDENTIFIED BY 'a' REQUIRE X509;"
                           "CREATE USER 'careful'@'localhost' IDENTIFIED BY 'a' REQUIRE X509;"
                           "GRANT ALL ON `farebox%`.* TO 'careful'@'%', 'careful'@'localhost'")) {
        return true;
    }
    mysql_factory_stop();
    return false;
}

int main(void)
{
    if (!mariadb_server_is_there()) {
        return 0;
    }
    if (!start()) {
        return 1;
    }
    store_fixture_use(&store_factory_mysql);
    const struct CMUnitTest tests[] = {
        SUITE_TEST(client_proves_its_name_at_every_connect),
        SUITE_TEST(client_without_a_certificate_or_with_a_strangers_is_refused),
        SUITE_TEST(server_of_an_unknown_authority_is_refused),
        SUITE_TEST(server_of_another_name_is_refused),
        SUITE_TEST(server_without_tls_is_refused_where_tls_is_required),
    };
    int failed = cmocka_run_group_tests_name("mysql store: TLS", tests, NULL, NULL);
    mysql_factory_stop();
    return failed;
}
