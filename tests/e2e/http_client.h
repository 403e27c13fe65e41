/*
 * http_client.h - asks the HTTP API of a farebox process; http_fixture.h reads the answers.
 */
#ifndef FAREBOX_TEST_HTTP_CLIENT_H
#define FAREBOX_TEST_HTTP_CLIENT_H

#include "http_fixture.h"

/*
 * One request without a body ("GET /path"; headers: lines that each end with \r\n) to 127.0.0.1 on
 * a connection of its own, and its answer. status 0: nobody listens, or no answer.
 */
void http_client_ask(int port, const char *line, const char *headers, struct reply *reply);

/* A trip's payment, which must be there; the caller releases it. */
json_t *http_client_payment(int port, const char *trip_id);

/* The value of a line of the metrics, "name{labels}"; 0 where there is none. */
double http_client_metric(int port, const char *name);

#endif
