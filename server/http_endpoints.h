/*
 * http_endpoints.h - what each endpoint answers, without a word about sockets.
 *
 * Threads and blocking: called by several threads at once; blocks as long as the driver's
 * callback does.
 */
#ifndef FAREBOX_HTTP_ENDPOINTS_H
#define FAREBOX_HTTP_ENDPOINTS_H

#include "http_api.h"
#include "http_request.h"
#include "http_response.h"

struct http_endpoints {
    const struct http_api_ops *ops;
    void *ctx;
    struct secret admin_token;
    int32_t (*zone_offset_s)(int64_t unix_s);
};

/*
 * Checks method, token and parameters, calls the driver, and makes the answer. The order of the
 * checks: path (404), method (405), token (403, 401), parameters (400).
 */
void http_endpoints_answer(const struct http_endpoints *endpoints,
                           const struct http_request *request, const struct http_route *route,
                           struct http_response *response);

#endif
