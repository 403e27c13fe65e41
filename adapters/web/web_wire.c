#include "web_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_FRAME 24 /* size line, line ends; more than any chunk needs */

static const char lost[] = "The answer could not be made: memory ran out.\n";

const char *web_status_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {202, "Accepted"},
        {302, "Found"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
        if (phrases[i].status == status) {
            return phrases[i].phrase;
        }
    }
    return "Error";
}

bool web_wire_must_close(const struct web_response *response)
{
    return response->must_close || response->wire > WEB_WIRE_CHUNKED;
}

static bool is_chunked(const struct web_response *response, struct web_wire_form form)
{
    return form.is_chunked &&
           (response->wire == WEB_WIRE_CHUNKED || response->wire == WEB_WIRE_CHUNK_CUT);
}

static size_t render_head(const struct web_response *response, struct web_wire_form form,
                          size_t body_len, char head[WEB_WIRE_HEAD_SIZE])
{
    char framing[64];
    if (is_chunked(response, form)) {
        (void)snprintf(framing, sizeof(framing), "Transfer-Encoding: chunked");
    } else {
        (void)snprintf(framing, sizeof(framing), "Content-Length: %zu", body_len);
    }
    int len = snprintf(head, WEB_WIRE_HEAD_SIZE,
                       "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%s\r\n%sConnection: %s\r\n\r\n",
                       response->status, web_status_phrase(response->status),
                       response->body != NULL ? response->content_type : "text/plain", framing,
                       response->headers, web_wire_must_close(response) ? "close" : "keep-alive");
    return (size_t)len;
}

/* The chunks of the body, and the last, empty one. */
static size_t render_chunks(const char *body, size_t len, size_t piece, char *out)
{
    size_t at = 0;
    for (size_t done = 0; done < len;) {
        size_t part = len - done < piece ? len - done : piece;
        at += (size_t)sprintf(out + at, "%zx\r\n", part);
        memcpy(out + at, body + done, part);
        memcpy(out + at + part, "\r\n", 2);
        at += part + 2;
        done += part;
    }
    memcpy(out + at, "0\r\n\r\n", 5);
    return at + 5;
}

/* How many of the body's bytes on the wire are sent. */
static size_t cut(const struct web_response *response, size_t len)
{
    switch (response->wire) {
    case WEB_WIRE_HALF:
        return len / 2;
    case WEB_WIRE_CHUNK_CUT:
        return len > 9 ? len - 9 : 0; /* the empty chunk, and the end of the one before */
    case WEB_WIRE_LENGTH:
    case WEB_WIRE_CHUNKED:
    case WEB_WIRE_NOTHING:
    case WEB_WIRE_DRIP:
        break;
    }
    return len;
}

char *web_wire_render(const struct web_response *response, struct web_wire_form form, size_t *len,
                      size_t *head_len)
{
    const char *body = response->body != NULL ? response->body : lost;
    size_t body_len = response->body != NULL ? response->body_len : sizeof(lost) - 1;
    size_t piece = response->piece > 0 ? response->piece : body_len + 1;
    size_t chunks = body_len / piece + 2;
    char head[WEB_WIRE_HEAD_SIZE];
    *len = 0;
    if (response->wire == WEB_WIRE_NOTHING) {
        return NULL;
    }
    *head_len = render_head(response, form, body_len, head);
    char *all = malloc(*head_len + body_len + chunks * CHUNK_FRAME);
    if (all == NULL) {
        return NULL;
    }
    memcpy(all, head, *head_len);
    *len = *head_len;
    if (!form.has_body) {
        return all;
    }
    size_t sent = body_len;
    if (is_chunked(response, form)) {
        sent = render_chunks(body, body_len, piece, all + *head_len);
    } else {
        memcpy(all + *head_len, body, body_len);
    }
    *len += cut(response, sent);
    return all;
}
