/*
 * fuzz_trip_codec.c - libFuzzer harness: any bytes end in exactly one of three verdicts.
 *
 * Configure with clang and -DFAREBOX_FUZZ=ON -DFAREBOX_SANITIZE=address,undefined; then
 * bin/fuzz_trip_codec -max_total_time=120. The first byte chooses the type header.
 */
#include "invariant.h"
#include "trip_codec.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const char *const types[] = {"java.lang.String", "TripCompletedEvent",
                                        "a.DriverArrivedEvent", "unknown"};
    if (len == 0) {
        return 0;
    }
    const char *type = types[bytes[0] % 4];
    struct kafka_header header = {.name = "__TypeId__",
                                  .name_len = strlen("__TypeId__"),
                                  .value = (const uint8_t *)type,
                                  .value_len = strlen(type),
                                  .has_value = true};
    struct kafka_record record = {.topic = "trip_events",
                                  .topic_len = strlen("trip_events"),
                                  .headers = &header,
                                  .header_count = 1,
                                  .value = bytes + 1,
                                  .value_len = len - 1,
                                  .has_value = true};
    struct trip_decoded decoded;
    enum trip_verdict verdict = trip_codec_decode(&record, &decoded);
    invariant(decoded.verdict == verdict);
    invariant((decoded.message[0] != '\0') == (verdict == TRIP_MALFORMED));
    invariant((decoded.completed.trip_id[0] != '\0') == (verdict == TRIP_COMPLETED));
    invariant((decoded.ignored != TRIP_IGNORED_NONE) == (verdict == TRIP_IGNORED));
    return 0;
}
