/* The bytes of an answer, whole and broken on purpose. */
#include "unit_support.h"

#include "web_wire.h"

#include <stdlib.h>
#include <string.h>

static const struct web_wire_form usual = {.has_body = true, .is_chunked = true};

static struct web_response answer(enum web_wire wire, uint32_t piece)
{
    static char body[] = "0123456789";
    return (struct web_response){.status = 200,
                                 .content_type = "text/plain",
                                 .body = body,
                                 .body_len = 10,
                                 .wire = wire,
                                 .piece = piece,
                                 .headers = "X-One: 1\r\n"};
}

/* The rendered bytes as a string; the caller frees it. */
static char *render(const struct web_response *response, struct web_wire_form form)
{
    size_t len = 0;
    size_t head_len = 0;
    char *bytes = web_wire_render(response, form, &len, &head_len);
    assert_non_null(bytes);
    char *text = calloc(1, len + 1);
    memcpy(text, bytes, len);
    assert_memory_equal(text + head_len - 4, "\r\n\r\n", 4);
    free(bytes);
    return text;
}

static void expect(const struct web_response *response, struct web_wire_form form,
                   const char *header, const char *body)
{
    char *text = render(response, form);
    assert_non_null(strstr(text, header));
    assert_non_null(strstr(text, "X-One: 1\r\n"));
    assert_string_equal(strstr(text, "\r\n\r\n") + 4, body);
    free(text);
}

static void a_whole_answer_has_its_length_or_its_chunks(void **state)
{
    struct web_response response = answer(WEB_WIRE_LENGTH, 0);
    (void)state;
    expect(&response, usual, "Content-Length: 10\r\n", "0123456789");
    response = answer(WEB_WIRE_CHUNKED, 0);
    expect(&response, usual, "Transfer-Encoding: chunked\r\n", "a\r\n0123456789\r\n0\r\n\r\n");
    response = answer(WEB_WIRE_CHUNKED, 4);
    expect(&response, usual, "Transfer-Encoding: chunked\r\n",
           "4\r\n0123\r\n4\r\n4567\r\n2\r\n89\r\n0\r\n\r\n");
    response = answer(WEB_WIRE_CHUNKED, 5);
    expect(&response, usual, "Transfer-Encoding: chunked\r\n",
           "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n");
}

static void an_old_client_is_sent_no_chunks_and_head_no_body(void **state)
{
    struct web_response response = answer(WEB_WIRE_CHUNKED, 4);
    (void)state;
    expect(&response, (struct web_wire_form){.has_body = true}, "Content-Length: 10\r\n",
           "0123456789");
    response = answer(WEB_WIRE_LENGTH, 0);
    expect(&response, (struct web_wire_form){.has_body = false}, "Content-Length: 10\r\n", "");
}

static void a_broken_answer_ends_early_and_closes(void **state)
{
    struct web_response response = answer(WEB_WIRE_HALF, 0);
    (void)state;
    expect(&response, usual, "Content-Length: 10\r\n", "01234");
    assert_true(web_wire_must_close(&response));
    response = answer(WEB_WIRE_CHUNK_CUT, 0);
    expect(&response, usual, "Connection: close\r\n", "a\r\n01234567");
    response = answer(WEB_WIRE_CHUNKED, 0);
    assert_false(web_wire_must_close(&response));
    response = answer(WEB_WIRE_NOTHING, 0);
    size_t len = 1;
    size_t head_len = 0;
    assert_null(web_wire_render(&response, usual, &len, &head_len));
    assert_int_equal(len, 0);
    assert_true(web_wire_must_close(&response));
}

static void an_answer_that_could_not_be_made_says_so(void **state)
{
    struct web_response response = answer(WEB_WIRE_LENGTH, 0);
    (void)state;
    response.body = NULL;
    response.body_len = 0;
    char *text = render(&response, usual);
    assert_non_null(strstr(text, "memory ran out"));
    free(text);
}

static void a_head_that_is_as_long_as_it_may_be_fits(void **state)
{
    struct web_response response = answer(WEB_WIRE_LENGTH, 0);
    (void)state;
    memset(response.headers, 'h', sizeof response.headers - 3);
    memcpy(response.headers + sizeof response.headers - 3, "\r\n", 3);
    response.content_type = "application/problem+json;charset=UTF-8";
    response.status = 431;
    char *text = render(&response, usual);
    assert_non_null(strstr(text, "hhh\r\nConnection: keep-alive\r\n\r\n0123456789"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_answer_has_its_length_or_its_chunks),
        cmocka_unit_test(an_old_client_is_sent_no_chunks_and_head_no_body),
        cmocka_unit_test(a_broken_answer_ends_early_and_closes),
        cmocka_unit_test(an_answer_that_could_not_be_made_says_so),
        cmocka_unit_test(a_head_that_is_as_long_as_it_may_be_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
