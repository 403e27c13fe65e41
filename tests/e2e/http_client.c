#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

void http_client_ask(int port, const char *line, const char *headers, struct reply *reply)
{
    char text[2048];
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval limit = {30, 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset(reply, 0, sizeof(*reply));
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
        (void)snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: farebox\r\n%s\r\n", line, headers);
        (void)client_try_send(fd, text, strlen(text));
        client_receive(fd, reply, true);
    }
    (void)close(fd);
}

json_t *http_client_payment(int port, const char *trip_id)
{
    char line[512];
    struct reply reply;
    (void)snprintf(line, sizeof(line), "GET /internal/api/payments?tripId=%s", trip_id);
    http_client_ask(port, line, "", &reply);
    return reply_json(&reply, 200);
}

double http_client_metric(int port, const char *name)
{
    struct reply reply;
    double value = 0;
    http_client_ask(port, "GET /metrics", "", &reply);
    assert_int_equal(reply.status, 200);
    size_t len = strlen(name);
    for (const char *line = reply.body; line != NULL && *line != '\0';) {
        if (strncmp(line, name, len) == 0 && line[len] == ' ') {
            value = strtod(line + len, NULL);
        }
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    reply_clear(&reply);
    return value;
}
