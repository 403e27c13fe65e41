#include "uuid_sha1.h"

#include <string.h>
#include <uuid/uuid.h>

void uuid_sha1_make(const uint8_t namespace_bytes[16], const char *name, size_t len,
                    uint8_t uuid_bytes[16])
{
    uuid_t made;
    uuid_generate_sha1(made, namespace_bytes, name, len);
    memcpy(uuid_bytes, made, sizeof(made));
}
