#include "trouble_limit.h"

#include <stddef.h>
#include <string.h>

/* Its place, or the one that it takes. */
static struct trouble_kind *place_of(struct trouble_limit *limit, const char *what)
{
    struct trouble_kind *oldest = &limit->kinds[0];

    for (size_t i = 0; i < TROUBLE_KINDS; i++) {
        struct trouble_kind *kind = &limit->kinds[i];

        if (kind->what == NULL || strcmp(kind->what, what) == 0) {
            return kind;
        }
        if (kind->told_ms < oldest->told_ms) {
            oldest = kind;
        }
    }
    return oldest;
}

bool trouble_limit_take(struct trouble_limit *limit, const char *what, int64_t now_ms,
                        int64_t *left_out)
{
    struct trouble_kind *kind = place_of(limit, what);
    bool is_known = kind->what != NULL && strcmp(kind->what, what) == 0;

    if (is_known && now_ms - kind->told_ms < TROUBLE_QUIET_MS) {
        kind->left_out++;
        return false;
    }
    *left_out = is_known ? kind->left_out : 0;
    *kind = (struct trouble_kind){.what = what, .told_ms = now_ms};
    return true;
}
