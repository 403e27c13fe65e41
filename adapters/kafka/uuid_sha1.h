/*
 * uuid_sha1.h - libuuid's name-based UUIDs, apart: its header's names clash with core/ids.h.
 */
#ifndef FAREBOX_UUID_SHA1_H
#define FAREBOX_UUID_SHA1_H

#include <stddef.h>
#include <stdint.h>

/* UUIDv5 (RFC 9562) of a namespace and a name's bytes. Pure; any thread; cannot fail. */
void uuid_sha1_make(const uint8_t namespace_bytes[16], const char *name, size_t len,
                    uint8_t uuid_bytes[16]);

#endif
