/*
 * web_wire.h - the bytes of an answer, whole or broken on purpose. Private to web_*.c.
 *
 * Pure functions; the caller frees what they allocate.
 */
#ifndef FAREBOX_WEB_WIRE_H
#define FAREBOX_WEB_WIRE_H

#include "web_server.h"

/* Room for the status line and all headers. */
#define WEB_WIRE_HEAD_SIZE (WEB_HEADERS_MAX + 512)

struct web_wire_form {
    bool has_body;   /* false: an answer to HEAD */
    bool is_chunked; /* the client may be sent chunks */
};

/*
 * The bytes to send, and in `head_len` how many of them are the head. NULL: memory ran out, or
 * WEB_WIRE_NOTHING (then `len` is 0).
 */
char *web_wire_render(const struct web_response *response, struct web_wire_form form, size_t *len,
                      size_t *head_len);

/* True where nothing may follow on the connection. */
bool web_wire_must_close(const struct web_response *response);

#endif
