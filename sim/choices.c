#include "choices.h"

#define GOLDEN UINT64_C(0x9E3779B97F4A7C15)

uint64_t choices_mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94D049BB133111EB);
    return value ^ (value >> 31);
}

static uint32_t from_script(struct choices *choices, uint32_t n)
{
    uint32_t value = choices->at < choices->script_len ? choices->script[choices->at] : 0;

    choices->at++;
    return value < n ? value : n - 1;
}

uint32_t choices_choose(void *ctx, uint32_t n, const char *label)
{
    struct choices *choices = ctx;
    uint32_t value;

    (void)label;
    if (choices->script != NULL) {
        value = from_script(choices, n);
    } else {
        *choices->state += GOLDEN;
        value = (uint32_t)(((choices_mix(*choices->state) >> 32) * n) >> 32);
    }
    *choices->digest = choices_mix(*choices->digest + ((uint64_t)n << 32 | value));
    if (choices->record != NULL && choices->record_len < choices->record_max) {
        choices->record[choices->record_len++] = value;
    }
    return value;
}
