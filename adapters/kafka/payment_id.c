#include "payment_id.h"

#include <string.h>
#include <uuid/uuid.h>

static const uint8_t trip_namespace[16] = {0x9c, 0x6f, 0x3a, 0x52, 0x5d, 0x0e, 0x4b, 0x7c,
                                           0x8a, 0x41, 0xf2, 0xe0, 0x6d, 0x9b, 0x17, 0x35};

void payment_id_of_trip(const char *trip_id, size_t len, struct uuid *payment_id)
{
    uuid_t made;

    uuid_generate_sha1(made, trip_namespace, trip_id, len);
    memcpy(payment_id->bytes, made, sizeof(made));
}
