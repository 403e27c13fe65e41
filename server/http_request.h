/*
 * http_request.h - what a request asks for: its route and its parameters. Pure functions on bytes
 * from outside; nothing is allocated, nothing blocks, any thread may call them.
 */
#ifndef FAREBOX_HTTP_REQUEST_H
#define FAREBOX_HTTP_REQUEST_H

#include "http_api.h"

#include <stddef.h>
#include <stdint.h>

/* A request as the handlers see it. Texts live for the request. */
struct http_request {
    const char *method;
    const char *path;          /* as sent: still percent-encoded, without the query */
    const char *query;         /* as sent, without '?'; NULL: none */
    const char *authorization; /* the header's value; NULL: none */
};

struct http_route {
    enum http_endpoint endpoint; /* HTTP_ENDPOINT_NONE: no such path */
    const char *method;          /* the one that it allows */
    int64_t event_id;            /* HTTP_ENDPOINT_IGNORE; 0: not a number from 1 to 2^63 - 1 */
};

/* Paths are compared byte by byte: an encoded or dotted spelling of a path is another path. */
struct http_route http_request_route(const char *path);

enum http_query_status {
    HTTP_QUERY_FOUND = 0,
    HTTP_QUERY_ABSENT,
    HTTP_QUERY_TWICE,
    HTTP_QUERY_BROKEN, /* '%' without two hexadecimal digits behind it */
    HTTP_QUERY_LONG,   /* more bytes than `size` - 1 */
};

/*
 * Decodes the parameter `name` of a query (NULL: none) into `value`, NUL-terminated, of `*len`
 * bytes: percent-encoded bytes, NUL among them, and '+' as a space. Names are decoded as well.
 * Source: URL standard, application/x-www-form-urlencoded parsing.
 * Unless FOUND, `value` holds nothing of use and `*len` is untouched.
 */
__attribute__((warn_unused_result)) enum http_query_status
http_request_query(const char *query, const char *name, char *value, size_t size, size_t *len);

#endif
