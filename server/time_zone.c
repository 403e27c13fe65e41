#include "time_zone.h"

#include "invariant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAME_MAX_LEN 64

/* Names are paths below the folder of the zones: none may lead out of it. */
static bool is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "_+-/";
    size_t len = strlen(name);
    return len > 0 && len <= NAME_MAX_LEN && name[0] != '/' && strspn(name, allowed) == len;
}

/* The C library looks there too. */
static const char *folder(void)
{
    const char *set = getenv("TZDIR");
    return set == NULL || set[0] == '\0' ? "/usr/share/zoneinfo" : set;
}

bool time_zone_is_known(const char *name)
{
    char path[1024];
    char magic[4] = "";
    if (!is_name(name) || snprintf(path, sizeof(path), "%s/%s", folder(), name) >= 1024) {
        return false;
    }
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    bool read = fread(magic, sizeof(magic), 1, file) == 1;
    (void)fclose(file);
    return read && memcmp(magic, "TZif", sizeof(magic)) == 0;
}

void time_zone_use(const char *name)
{
    char value[NAME_MAX_LEN + 2];
    invariant(is_name(name));
    (void)snprintf(value, sizeof(value), ":%s", name);
    invariant(setenv("TZ", value, 1) == 0);
    tzset();
}

int32_t time_zone_offset_s(int64_t unix_s)
{
    time_t instant = (time_t)unix_s;
    struct tm local;
    return localtime_r(&instant, &local) == NULL ? 0 : (int32_t)local.tm_gmtoff;
}
