#include "texts.h"
#include "unit_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct texts *texts_make(uint32_t entries_max, uint32_t bytes_max)
{
    void *block = malloc(texts_size(entries_max, bytes_max));
    assert_non_null(block);
    memset(block, 0xa5, texts_size(entries_max, bytes_max));
    return texts_init(block, entries_max, bytes_max);
}

static struct texts *texts_plain_make(uint32_t entries_max, uint32_t bytes_max)
{
    void *block = malloc(texts_plain_size(entries_max, bytes_max));
    assert_non_null(block);
    memset(block, 0xa5, texts_plain_size(entries_max, bytes_max));
    return texts_plain_init(block, entries_max, bytes_max);
}

static void equal_bytes_have_equal_handles(void **state)
{
    (void)state;
    struct texts *texts = texts_make(8, 64);
    text_id a = texts_intern_string(texts, "trip-1");
    assert_int_not_equal(a, TEXT_NONE);
    char same[] = "trip-1";
    assert_int_equal(texts_intern(texts, same, 6), a);
    assert_int_equal(texts_find(texts, same, 6), a);
    assert_int_not_equal(texts_intern_string(texts, "trip-2"), a);
    assert_int_equal(texts_count(texts), 2);
    assert_int_equal(texts_bytes_used(texts), 12);
    assert_int_equal(texts_bytes_max(texts), 64);
    free(texts);
}

static void a_text_may_hold_any_bytes_and_ends_with_a_nul(void **state)
{
    (void)state;
    struct texts *texts = texts_make(8, 64);
    static const char bytes[] = {'a', '\0', 'b', '\xff'};
    text_id id = texts_intern(texts, bytes, 4);
    text_id prefix = texts_intern(texts, bytes, 1);
    size_t len = 0;
    const char *got = texts_get(texts, id, &len);
    assert_int_equal(len, 4);
    assert_memory_equal(got, bytes, 4);
    assert_int_equal(got[4], '\0');
    assert_int_not_equal(prefix, id);
    assert_string_equal(texts_string(texts, prefix), "a");
    free(texts);
}

static void no_text_and_the_empty_text_differ(void **state)
{
    (void)state;
    struct texts *texts = texts_make(2, 4);
    text_id empty = texts_intern(texts, NULL, 0);
    size_t len = 9;
    assert_int_not_equal(empty, TEXT_NONE);
    assert_int_equal(texts_intern_string(texts, ""), empty);
    assert_non_null(texts_get(texts, empty, &len));
    assert_int_equal(len, 0);
    assert_int_equal(texts_intern_string(texts, NULL), TEXT_NONE);
    assert_null(texts_get(texts, TEXT_NONE, &len));
    assert_int_equal(len, 0);
    assert_string_equal(texts_string(texts, TEXT_NONE), "");
    texts_mark(texts, TEXT_NONE);
    texts_sweep(texts);
    assert_int_equal(texts_count(texts), 0);
    free(texts);
}

static void a_full_pool_takes_nothing_more_and_keeps_what_it_has(void **state)
{
    (void)state;
    struct texts *texts = texts_make(3, 10);
    text_id a = texts_intern_string(texts, "12345");
    assert_int_equal(texts_intern_string(texts, "123456"), TEXT_NONE);
    text_id b = texts_intern_string(texts, "67890");
    assert_int_not_equal(b, TEXT_NONE);
    assert_int_equal(texts_intern_string(texts, "x"), TEXT_NONE);
    assert_int_not_equal(texts_intern_string(texts, ""), TEXT_NONE);
    assert_int_equal(texts_intern_string(texts, "12345"), a);
    assert_int_equal(texts_count(texts), 3);
    texts_check(texts);
    free(texts);

    texts = texts_make(1, 10);
    assert_int_not_equal(texts_intern_string(texts, "a"), TEXT_NONE);
    assert_int_equal(texts_intern_string(texts, "b"), TEXT_NONE);
    free(texts);
}

static void as_many_texts_and_bytes_fit_as_were_asked_for(void **state)
{
    (void)state;
    struct texts *texts = texts_make(200, 400);
    for (uint32_t i = 0; i < 200; i++) {
        char bytes[2] = {(char)i, (char)(i / 7)};
        assert_int_equal(texts_intern(texts, bytes, 2), i + 1);
    }
    texts_check(texts);
    free(texts);
}

/* So many that some pairs have one 32-bit hash. */
static void texts_whose_hashes_collide_stay_apart(void **state)
{
    (void)state;
    const uint32_t count = 300000;
    struct texts *texts = texts_make(count, count * 20);
    for (uint32_t i = 0; i < count; i++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "trip-%u", i);
        assert_int_equal(texts_intern_string(texts, name), i + 1);
    }
    assert_string_equal(texts_string(texts, 1), "trip-0");
    assert_string_equal(texts_string(texts, count), "trip-299999");
    texts_check(texts);
    free(texts);
}

static void a_sweep_keeps_marked_texts_and_their_handles(void **state)
{
    (void)state;
    struct texts *texts = texts_make(4, 40);
    text_id gone = texts_intern_string(texts, "gone");
    text_id kept = texts_intern_string(texts, "kept");
    texts_mark(texts, kept);
    texts_sweep(texts);
    texts_check(texts);
    assert_string_equal(texts_string(texts, kept), "kept");
    assert_int_equal(texts_find(texts, "kept", 4), kept);
    assert_int_equal(texts_find(texts, "gone", 4), TEXT_NONE);
    assert_int_equal(texts_bytes_used(texts), 4);
    assert_int_equal(texts_intern_string(texts, "next"), gone);
    free(texts);
}

static void marks_last_for_one_sweep(void **state)
{
    (void)state;
    struct texts *texts = texts_make(40, 400);
    text_id id = TEXT_NONE;
    for (char c = 'a'; c <= 'z'; c++) {
        id = texts_intern(texts, &c, 1);
        texts_mark(texts, id);
    }
    texts_sweep(texts);
    assert_int_equal(texts_count(texts), 26);
    texts_sweep(texts);
    assert_int_equal(texts_count(texts), 0);
    assert_int_equal(texts_bytes_used(texts), 0);
    texts_check(texts);
    assert_int_equal(texts_intern_string(texts, "first"), 1);
    free(texts);
}

static void a_copy_of_the_block_is_a_copy_of_the_pool(void **state)
{
    (void)state;
    struct texts *texts = texts_make(8, 80);
    text_id a = texts_intern_string(texts, "trip");
    void *copy = malloc(texts_size(8, 80));
    assert_non_null(copy);
    memcpy(copy, texts, texts_size(8, 80));
    memset(texts, 0xff, texts_size(8, 80));
    free(texts);
    texts_check(copy);
    assert_string_equal(texts_string(copy, a), "trip");
    assert_int_equal(texts_intern_string(copy, "trip"), a);
    assert_int_equal(texts_intern_string(copy, "user"), a + 1);
    free(copy);
}

static void a_small_pool_is_small(void **state)
{
    (void)state;
    assert_true(texts_size(64, 2048) <= 4096);
    assert_int_equal(texts_size(7, 3) % 8, 0);
}

/* texts_make() fills the block with 0xa5: what still has that was not written. */
static size_t untouched(const struct texts *texts, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)texts;
    size_t count = 0;
    for (size_t i = 0; i < size; i++) {
        count += bytes[i] == 0xa5;
    }
    return count;
}

/* A pool is made for the worst case; what is not needed of it must not become resident. */
static void entries_that_were_never_needed_are_never_touched(void **state)
{
    (void)state;
    const uint32_t entries = 4096;
    struct texts *texts = texts_make(entries, 64);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(texts_intern_string(texts, "a"), 1);
        assert_int_equal(texts_intern_string(texts, "b"), 2);
        texts_mark(texts, 2);
        texts_sweep(texts);
        texts_check(texts);
        assert_true(untouched(texts, texts_size(entries, 64)) > (entries - 8) * (size_t)16);
    }
    free(texts);
}

static void use_dead_handle(void *context)
{
    (void)texts_string(context, 1);
}

static void a_dead_handle_is_a_broken_invariant(void **state)
{
    (void)state;
    struct texts *texts = texts_make(2, 8);
    assert_true(ends_the_process(use_dead_handle, texts));
    assert_int_equal(texts_intern_string(texts, "a"), 1);
    assert_false(ends_the_process(use_dead_handle, texts));
    texts_sweep(texts);
    assert_true(ends_the_process(use_dead_handle, texts));
    free(texts);
}

static void equal_bytes_in_a_plain_pool_are_texts_of_their_own(void **state)
{
    (void)state;
    struct texts *texts = texts_plain_make(8, 64);
    text_id a = texts_intern_string(texts, "trip-1");
    text_id b = texts_intern_string(texts, "trip-1");
    text_id empty = texts_intern(texts, NULL, 0);
    size_t len = 0;
    assert_int_not_equal(a, TEXT_NONE);
    assert_int_not_equal(b, TEXT_NONE);
    assert_int_not_equal(b, a);
    assert_int_not_equal(texts_intern_string(texts, ""), empty);
    assert_memory_equal(texts_get(texts, a, &len), "trip-1", 7);
    assert_int_equal(len, 6);
    assert_string_equal(texts_string(texts, b), "trip-1");
    assert_ptr_not_equal(texts_string(texts, a), texts_string(texts, b));
    assert_int_equal(texts_count(texts), 4);
    assert_int_equal(texts_bytes_used(texts), 12);
    assert_int_equal(texts_bytes_max(texts), 64);
    assert_int_equal(texts_intern_string(texts, NULL), TEXT_NONE);
    texts_check(texts);
    free(texts);
}

static void a_plain_pool_is_full_when_it_was_said_to_be(void **state)
{
    (void)state;
    struct texts *texts = texts_plain_make(200, 400);
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(texts_intern(texts, "ab", 2), i + 1);
    }
    assert_int_equal(texts_intern(texts, "", 0), TEXT_NONE);
    assert_int_equal(texts_count(texts), 200);
    texts_check(texts);
    free(texts);

    texts = texts_plain_make(3, 10);
    assert_int_equal(texts_intern_string(texts, "12345"), 1);
    assert_int_equal(texts_intern_string(texts, "123456"), TEXT_NONE);
    assert_int_equal(texts_intern_string(texts, "12345"), 2);
    assert_int_equal(texts_intern_string(texts, "1"), TEXT_NONE);
    assert_int_equal(texts_intern_string(texts, ""), 3);
    assert_int_equal(texts_bytes_used(texts), 10);
    assert_string_equal(texts_string(texts, 1), "12345");
    texts_check(texts);
    free(texts);
}

static void a_sweep_of_a_plain_pool_keeps_marked_texts_and_their_handles(void **state)
{
    (void)state;
    struct texts *texts = texts_plain_make(3, 12);
    text_id gone = texts_intern_string(texts, "same");
    text_id kept = texts_intern_string(texts, "same");
    assert_int_not_equal(texts_intern_string(texts, "more"), TEXT_NONE);
    texts_mark(texts, kept);
    texts_sweep(texts);
    texts_check(texts);
    assert_string_equal(texts_string(texts, kept), "same");
    assert_int_equal(texts_count(texts), 1);
    assert_int_equal(texts_bytes_used(texts), 4);
    assert_int_equal(texts_intern_string(texts, "next"), gone);
    texts_sweep(texts); /* marks last for one sweep */
    assert_int_equal(texts_count(texts), 0);
    texts_check(texts);
    free(texts);
}

static void a_new_init_empties_a_plain_pool(void **state)
{
    (void)state;
    struct texts *texts = texts_plain_make(2, 8);
    texts_mark(texts, texts_intern_string(texts, "old"));
    assert_int_equal(texts_intern_string(texts, "older"), 2);
    texts = texts_plain_init(texts, 2, 8);
    texts_check(texts);
    assert_int_equal(texts_count(texts), 0);
    assert_int_equal(texts_bytes_used(texts), 0);
    assert_int_equal(texts_intern_string(texts, "new"), 1);
    assert_string_equal(texts_string(texts, 1), "new");
    texts_sweep(texts); /* the mark went with the text */
    assert_int_equal(texts_count(texts), 0);
    free(texts);
}

static void find_in_a_plain_pool(void *context)
{
    (void)texts_find(context, "a", 1);
}

static void to_look_for_bytes_in_a_plain_pool_is_a_broken_invariant(void **state)
{
    (void)state;
    struct texts *texts = texts_plain_make(2, 8);
    assert_true(ends_the_process(find_in_a_plain_pool, texts));
    assert_int_equal(texts_intern_string(texts, "a"), 1);
    assert_true(ends_the_process(find_in_a_plain_pool, texts));
    free(texts);
}

/* It has no index, whose two places or more for each text are the difference. */
static void a_plain_pool_needs_less_room(void **state)
{
    (void)state;
    for (uint32_t entries = 1; entries < 5000; entries = entries * 3 + 1) {
        assert_true(texts_plain_size(entries, 100) + 2 * entries * sizeof(text_id) <=
                    texts_size(entries, 100) + 7);
        assert_int_equal(texts_plain_size(entries, 3) % 8, 0);
    }
}

/* The naive pool: a list of strings by handle. */
#define ENTRIES  50
#define BYTES    300
#define TEXT_MAX 40

struct naive_text {
    bool live;
    bool marked;
    size_t len;
    char bytes[TEXT_MAX];
};

static struct naive_text naive[ENTRIES];
static bool naive_is_plain;

static text_id naive_find(const char *bytes, size_t len)
{
    for (uint32_t i = 0; i < ENTRIES; i++) {
        if (naive[i].live && naive[i].len == len && memcmp(naive[i].bytes, bytes, len) == 0) {
            return i + 1;
        }
    }
    return TEXT_NONE;
}

static uint32_t naive_count(size_t *bytes_used)
{
    uint32_t count = 0;
    *bytes_used = 0;
    for (uint32_t i = 0; i < ENTRIES; i++) {
        count += naive[i].live;
        *bytes_used += naive[i].live ? naive[i].len : 0;
    }
    return count;
}

static void step_intern(struct texts *texts, uint64_t *random)
{
    char bytes[TEXT_MAX];
    size_t len = random_below(random, random_below(random, 4) == 0 ? TEXT_MAX : 4);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (char)('a' + random_below(random, 2));
    }
    size_t bytes_used;
    uint32_t count = naive_count(&bytes_used);
    text_id there = naive_is_plain ? TEXT_NONE : naive_find(bytes, len);
    if (!naive_is_plain) {
        assert_int_equal(texts_find(texts, bytes, len), there);
    }
    text_id id = texts_intern(texts, bytes, len);
    if (there != TEXT_NONE) {
        assert_int_equal(id, there);
    } else if (count == ENTRIES || bytes_used + len > BYTES) {
        assert_int_equal(id, TEXT_NONE);
    } else {
        assert_in_range(id, 1, ENTRIES);
        assert_false(naive[id - 1].live);
        naive[id - 1] = (struct naive_text){.live = true, .len = len};
        memcpy(naive[id - 1].bytes, bytes, len);
    }
}

static void step_sweep(struct texts *texts)
{
    texts_sweep(texts);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        naive[i].live = naive[i].live && naive[i].marked;
        naive[i].marked = false;
    }
}

static void assert_same(const struct texts *texts)
{
    size_t bytes_used;
    assert_int_equal(texts_count(texts), naive_count(&bytes_used));
    assert_int_equal(texts_bytes_used(texts), bytes_used);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        size_t len;
        if (naive[i].live) {
            const char *bytes = texts_get(texts, i + 1, &len);
            assert_int_equal(len, naive[i].len);
            assert_memory_equal(bytes, naive[i].bytes, len);
        }
    }
}

static void agrees_with_the_list(struct texts *texts)
{
    uint64_t random = 5;
    memset(naive, 0, sizeof(naive));
    for (int i = 0; i < 100000; i++) {
        uint32_t draw = random_below(&random, 100);
        uint32_t entry = random_below(&random, ENTRIES);
        if (draw < 60) {
            step_intern(texts, &random);
        } else if (draw < 97 && naive[entry].live) {
            texts_mark(texts, entry + 1);
            naive[entry].marked = true;
        } else if (draw >= 97) {
            step_sweep(texts);
        }
        texts_check(texts);
        assert_same(texts);
    }
}

static void the_pool_agrees_with_a_plain_list(void **state)
{
    (void)state;
    struct texts *texts = texts_make(ENTRIES, BYTES);
    naive_is_plain = false;
    agrees_with_the_list(texts);
    free(texts);
}

static void the_plain_pool_agrees_with_a_plain_list(void **state)
{
    (void)state;
    struct texts *texts = texts_plain_make(ENTRIES, BYTES);
    naive_is_plain = true;
    agrees_with_the_list(texts);
    free(texts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_bytes_have_equal_handles),
        cmocka_unit_test(a_text_may_hold_any_bytes_and_ends_with_a_nul),
        cmocka_unit_test(no_text_and_the_empty_text_differ),
        cmocka_unit_test(a_full_pool_takes_nothing_more_and_keeps_what_it_has),
        cmocka_unit_test(as_many_texts_and_bytes_fit_as_were_asked_for),
        cmocka_unit_test(texts_whose_hashes_collide_stay_apart),
        cmocka_unit_test(a_sweep_keeps_marked_texts_and_their_handles),
        cmocka_unit_test(marks_last_for_one_sweep),
        cmocka_unit_test(a_copy_of_the_block_is_a_copy_of_the_pool),
        cmocka_unit_test(a_small_pool_is_small),
        cmocka_unit_test(entries_that_were_never_needed_are_never_touched),
        cmocka_unit_test(a_dead_handle_is_a_broken_invariant),
        cmocka_unit_test(equal_bytes_in_a_plain_pool_are_texts_of_their_own),
        cmocka_unit_test(a_plain_pool_is_full_when_it_was_said_to_be),
        cmocka_unit_test(a_sweep_of_a_plain_pool_keeps_marked_texts_and_their_handles),
        cmocka_unit_test(a_new_init_empties_a_plain_pool),
        cmocka_unit_test(to_look_for_bytes_in_a_plain_pool_is_a_broken_invariant),
        cmocka_unit_test(a_plain_pool_needs_less_room),
        cmocka_unit_test(the_pool_agrees_with_a_plain_list),
        cmocka_unit_test(the_plain_pool_agrees_with_a_plain_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
