#include "bench_request.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_SIZE 262144

struct answer {
    char bytes[ANSWER_SIZE];
    size_t len;
};

static size_t take(char *bytes, size_t size, size_t count, void *context)
{
    struct answer *answer = context;
    size_t len = size * count;
    if (len >= sizeof(answer->bytes) - answer->len) {
        return 0;
    }
    memcpy(answer->bytes + answer->len, bytes, len);
    answer->len += len;
    return len;
}

const char *bench_request(const struct bench_child *child, const char *url, const char *body)
{
    static struct answer answer;
    CURL *easy = curl_easy_init();
    answer.len = 0;
    if (easy == NULL || curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_PROXY, "") != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, &answer) != CURLE_OK ||
        (body != NULL && curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body) != CURLE_OK) ||
        curl_easy_perform(easy) != CURLE_OK) {
        bench_child_fail(child, "does not answer over HTTP");
    }
    curl_easy_cleanup(easy);
    answer.bytes[answer.len] = '\0';
    return answer.bytes;
}

double bench_request_metric(const char *text, const char *series)
{
    size_t len = strlen(series);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, series, len) == 0 && line[len] == ' ') {
            return strtod(line + len, NULL);
        }
    }
    return 0;
}
