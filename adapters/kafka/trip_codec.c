#include "trip_codec.h"

#include "local_time.h"
#include "record_headers.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TYPE_HEADER "__TypeId__"
/* How much of a wrong text a message shows. */
#define EXCERPT_MAX 40
/* A NUL in a member that nobody reads does no harm, and ids are checked character by character. */
#define PARSE_FLAGS (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL)

_Static_assert(TRIP_ENDED_AT_SIZE == LOCAL_TIME_TEXT_SIZE, "one size for a date-time's text");

enum trip_type { TYPE_BY_SHAPE = 0, TYPE_COMPLETED, TYPE_ARRIVED, TYPE_CANCELED, TYPE_UNKNOWN };

/* Bytes from outside may stand in a message, but only as printable ASCII. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text > '~') {
            *text = '?';
        }
    }
}

__attribute__((format(printf, 3, 4))) static bool
fail(struct trip_decoded *decoded, enum trip_malformed malformed, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(decoded->message, sizeof(decoded->message), format, arguments);
    va_end(arguments);
    make_printable(decoded->message);
    decoded->verdict = TRIP_MALFORMED;
    decoded->malformed = malformed;
    return false;
}

static const char *kind_name(const json_t *json)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "a whole number";
    case JSON_REAL:
        return "a number with a fraction or an exponent";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        return "null";
    }
    return "something else";
}

static json_t *parse(const char *what, const char *bytes, size_t len, struct trip_decoded *decoded)
{
    json_error_t error;
    json_t *json = json_loadb(bytes, len, PARSE_FLAGS, &error);
    if (json != NULL) {
        return json;
    }
    enum trip_malformed malformed =
        json_error_code(&error) == json_error_duplicate_key ? TRIP_DOUBLE_MEMBER : TRIP_NOT_JSON;
    (void)fail(decoded, malformed, "%s is not valid JSON: %s (line %d, column %d)", what,
               error.text, error.line, error.column);
    return NULL;
}

/* Quotes around quotes: the trip service's relay, and once more a Spring dead-letter publisher. */
#define QUOTES_MAX 2

/* The object that the value is or quotes; a new reference, or NULL and the reason in `decoded`. */
static json_t *parse_object(const struct kafka_record *record, struct trip_decoded *decoded)
{
    json_t *root = parse("value", (const char *)record->value, record->value_len, decoded);
    if (root == NULL) {
        return NULL;
    }
    const char *what = "value";
    for (int i = 0; i < QUOTES_MAX && json_is_string(root); i++) {
        json_t *quoted = root;
        what = "text in the value's quotes";
        root = parse(what, json_string_value(quoted), json_string_length(quoted), decoded);
        json_decref(quoted);
        if (root == NULL) {
            return NULL;
        }
    }
    if (!json_is_object(root)) {
        (void)fail(decoded, TRIP_NOT_AN_OBJECT, "%s is %s, not an object", what, kind_name(root));
        json_decref(root);
        return NULL;
    }
    return root;
}

static bool segment_is(const char *segment, size_t len, const char *name)
{
    return len == strlen(name) && memcmp(segment, name, len) == 0;
}

static enum trip_type type_by_header(const struct kafka_record *record)
{
    const struct kafka_header *header =
        record_headers_last(record->headers, record->header_count, TYPE_HEADER);
    if (header == NULL || !header->has_value || header->value_len == 0) {
        return TYPE_BY_SHAPE;
    }
    const char *name = (const char *)header->value;
    size_t len = header->value_len;
    if (len >= 5 && memcmp(name, "java.", 5) == 0) {
        return TYPE_BY_SHAPE;
    }
    size_t start = len;
    while (start > 0 && name[start - 1] != '.') {
        start--;
    }
    if (segment_is(name + start, len - start, "TripCompletedEvent")) {
        return TYPE_COMPLETED;
    }
    if (segment_is(name + start, len - start, "DriverArrivedEvent")) {
        return TYPE_ARRIVED;
    }
    if (segment_is(name + start, len - start, "TripCanceledEvent")) {
        return TYPE_CANCELED;
    }
    return TYPE_BY_SHAPE;
}

static bool is_given(const json_t *object, const char *name)
{
    const json_t *member = json_object_get(object, name);
    return member != NULL && !json_is_null(member);
}

static enum trip_type type_by_shape(const json_t *object)
{
    if (json_object_get(object, "distanceMeters") != NULL ||
        json_object_get(object, "durationSeconds") != NULL ||
        json_object_get(object, "endedAt") != NULL) {
        return TYPE_COMPLETED;
    }
    if (json_object_get(object, "canceledBy") != NULL) {
        return TYPE_CANCELED;
    }
    /* "Only": another member may belong to a type that nobody has told us about. */
    if (json_object_size(object) == 2 && is_given(object, "tripId") && is_given(object, "userId")) {
        return TYPE_ARRIVED;
    }
    return TYPE_UNKNOWN;
}

/* Checks and copies an id; `text` is a member that is there and not null. */
static bool read_id(const json_t *member, const char *name, char id[TRIP_ID_SIZE],
                    struct trip_decoded *decoded)
{
    if (!json_is_string(member)) {
        return fail(decoded, TRIP_BAD_ID, "%s is %s; allowed: 1 to %d printable ASCII characters",
                    name, kind_name(member), TRIP_ID_SIZE - 1);
    }
    const char *text = json_string_value(member);
    size_t len = json_string_length(member);
    if (len == 0 || len >= TRIP_ID_SIZE) {
        return fail(decoded, TRIP_BAD_ID,
                    "%s has %zu bytes; allowed: 1 to %d printable ASCII characters", name, len,
                    TRIP_ID_SIZE - 1);
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            return fail(decoded, TRIP_BAD_ID,
                        "%s has byte 0x%02x at position %zu; allowed: printable ASCII", name,
                        (unsigned)(unsigned char)text[i], i);
        }
    }
    memcpy(id, text, len);
    id[len] = '\0';
    return true;
}

static bool read_count(const json_t *member, const char *name, int32_t *number,
                       struct trip_decoded *decoded)
{
    if (!json_is_integer(member)) {
        return fail(decoded, TRIP_BAD_NUMBER, "%s is %s; allowed: a whole number from 0 to %d",
                    name, kind_name(member), INT32_MAX);
    }
    json_int_t value = json_integer_value(member);
    if (value < 0 || value > INT32_MAX) {
        return fail(decoded, TRIP_BAD_NUMBER,
                    "%s is %" JSON_INTEGER_FORMAT "; allowed: a whole number from 0 to %d", name,
                    value, INT32_MAX);
    }
    *number = (int32_t)value;
    return true;
}

static bool read_time_text(const json_t *member, struct local_time *time,
                           struct trip_decoded *decoded)
{
    const char *text = json_string_value(member);
    if (!local_time_parse(text, json_string_length(member), time)) {
        return fail(decoded, TRIP_BAD_TIME,
                    "endedAt is '%.*s'; allowed: yyyy-MM-ddTHH:mm[:ss[.n]] with 1 to 9 fraction "
                    "digits and no zone",
                    EXCERPT_MAX, text);
    }
    return true;
}

static bool read_time_array(const json_t *member, struct local_time *time,
                            struct trip_decoded *decoded)
{
    size_t count = json_array_size(member);
    if (count < LOCAL_TIME_SECOND || count > LOCAL_TIME_FIELDS) {
        return fail(decoded, TRIP_BAD_TIME, "endedAt is an array of %zu; allowed: %d to %d numbers",
                    count, LOCAL_TIME_SECOND, LOCAL_TIME_FIELDS);
    }
    *time = (struct local_time){{0}};
    for (size_t i = 0; i < count; i++) {
        const json_t *number = json_array_get(member, i);
        if (!json_is_integer(number)) {
            return fail(decoded, TRIP_BAD_TIME, "endedAt's %s is %s; allowed: a whole number",
                        local_time_field_name((enum local_time_field)i), kind_name(number));
        }
        time->fields[i] = json_integer_value(number);
    }
    return true;
}

static bool read_ended_at(const json_t *member, char text[TRIP_ENDED_AT_SIZE],
                          struct trip_decoded *decoded)
{
    struct local_time time;
    if (json_is_string(member)) {
        if (!read_time_text(member, &time, decoded)) {
            return false;
        }
    } else if (json_is_array(member)) {
        if (!read_time_array(member, &time, decoded)) {
            return false;
        }
    } else {
        return fail(decoded, TRIP_BAD_TIME,
                    "endedAt is %s; allowed: a date-time as text or as an array of numbers",
                    kind_name(member));
    }
    enum local_time_field wrong = local_time_check(&time);
    if (wrong != LOCAL_TIME_FIELDS) {
        int64_t min = 0;
        int64_t max = 0;
        local_time_range(&time, wrong, &min, &max);
        return fail(decoded, TRIP_BAD_TIME, "endedAt's %s is %lld; allowed: %lld to %lld",
                    local_time_field_name(wrong), (long long)time.fields[wrong], (long long)min,
                    (long long)max);
    }
    local_time_format(&time, text);
    return true;
}

static bool is_hex(const uint8_t *text, size_t from, size_t to, bool *all_zero)
{
    *all_zero = true;
    for (size_t i = from; i < to; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (!digit && (text[i] < 'a' || text[i] > 'f')) {
            return false;
        }
        *all_zero = *all_zero && text[i] == '0';
    }
    return true;
}

/* W3C Trace Context, 3.2: version-traceid-parentid-flags in lower-case hex, no id all zero,
 * version not ff. What is not valid is left out: tracing must not cost anybody a payment. */
static void read_traceparent(const struct kafka_record *record, char text[TRIP_TRACEPARENT_SIZE])
{
    const struct kafka_header *header =
        record_headers_last(record->headers, record->header_count, "traceparent");
    if (header == NULL || !header->has_value || header->value_len != TRIP_TRACEPARENT_SIZE - 1) {
        return;
    }
    const uint8_t *value = header->value;
    bool version_zero = false;
    bool trace_zero = false;
    bool parent_zero = false;
    bool flags_zero = false;
    if (value[2] != '-' || value[35] != '-' || value[52] != '-' ||
        !is_hex(value, 0, 2, &version_zero) || !is_hex(value, 3, 35, &trace_zero) ||
        !is_hex(value, 36, 52, &parent_zero) || !is_hex(value, 53, 55, &flags_zero)) {
        return;
    }
    if (trace_zero || parent_zero || memcmp(value, "ff", 2) == 0) {
        return;
    }
    memcpy(text, value, TRIP_TRACEPARENT_SIZE - 1);
    text[TRIP_TRACEPARENT_SIZE - 1] = '\0';
}

static bool check_members(const json_t *object, struct trip_decoded *decoded)
{
    static const char *const needed[] = {"tripId", "userId", "distanceMeters", "durationSeconds",
                                         "endedAt"};
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        const json_t *member = json_object_get(object, needed[i]);
        if (member == NULL || json_is_null(member)) {
            return fail(decoded, TRIP_MISSING_MEMBER, "%s is %s; a completed trip needs it",
                        needed[i], member == NULL ? "missing" : "null");
        }
    }
    return true;
}

static bool read_completed(const json_t *object, const struct kafka_record *record,
                           struct trip_decoded *decoded)
{
    struct trip_completed *trip = &decoded->completed;
    if (!check_members(object, decoded) ||
        !read_id(json_object_get(object, "tripId"), "tripId", trip->trip_id, decoded) ||
        !read_id(json_object_get(object, "userId"), "userId", trip->user_id, decoded) ||
        !read_count(json_object_get(object, "distanceMeters"), "distanceMeters",
                    &trip->distance_meters, decoded) ||
        !read_count(json_object_get(object, "durationSeconds"), "durationSeconds",
                    &trip->duration_seconds, decoded) ||
        !read_ended_at(json_object_get(object, "endedAt"), trip->ended_at, decoded)) {
        return false;
    }
    if (is_given(object, "driverId") &&
        !read_id(json_object_get(object, "driverId"), "driverId", trip->driver_id, decoded)) {
        return false;
    }
    read_traceparent(record, trip->traceparent);
    decoded->verdict = TRIP_COMPLETED;
    return true;
}

static void ignore(struct trip_decoded *decoded, enum trip_ignored ignored)
{
    decoded->verdict = TRIP_IGNORED;
    decoded->ignored = ignored;
}

static void decode_object(const json_t *object, const struct kafka_record *record,
                          struct trip_decoded *decoded)
{
    enum trip_type type = type_by_header(record);
    if (type == TYPE_BY_SHAPE) {
        type = type_by_shape(object);
    }
    switch (type) {
    case TYPE_COMPLETED:
        if (!read_completed(object, record, decoded)) {
            decoded->completed = (struct trip_completed){0};
        }
        return;
    case TYPE_ARRIVED:
        ignore(decoded, TRIP_DRIVER_ARRIVED);
        return;
    case TYPE_CANCELED:
        ignore(decoded, TRIP_CANCELED);
        return;
    case TYPE_BY_SHAPE:
    case TYPE_UNKNOWN:
        (void)fail(decoded, TRIP_UNKNOWN_SHAPE,
                   "no known type in the header " TYPE_HEADER
                   ", and the object's %zu members fit none",
                   json_object_size(object));
        return;
    }
}

enum trip_verdict trip_codec_decode(const struct kafka_record *record, struct trip_decoded *decoded)
{
    *decoded = (struct trip_decoded){0};
    if (!record->has_value) {
        (void)fail(decoded, TRIP_NO_VALUE, "the record has no value");
    } else if (record->value_len > KAFKA_VALUE_MAX) {
        (void)fail(decoded, TRIP_TOO_LARGE, "value has %zu bytes; allowed: up to %d",
                   record->value_len, KAFKA_VALUE_MAX);
    } else if (record->headers_cut) {
        (void)fail(decoded, TRIP_TOO_LARGE, "more headers than %d, or than %d bytes of them",
                   KAFKA_HEADERS_MAX, KAFKA_HEADERS_BYTES_MAX);
    } else {
        json_t *object = parse_object(record, decoded);
        if (object != NULL) {
            decode_object(object, record, decoded);
            json_decref(object);
        }
    }
    return decoded->verdict;
}

const char *trip_codec_malformed_name(enum trip_malformed malformed)
{
    static const char *const names[] = {
        [TRIP_MALFORMED_NONE] = "",
        [TRIP_NO_VALUE] = "NO_VALUE",
        [TRIP_TOO_LARGE] = "TOO_LARGE",
        [TRIP_NOT_JSON] = "NOT_JSON",
        [TRIP_DOUBLE_MEMBER] = "DOUBLE_MEMBER",
        [TRIP_NOT_AN_OBJECT] = "NOT_AN_OBJECT",
        [TRIP_UNKNOWN_SHAPE] = "UNKNOWN_SHAPE",
        [TRIP_MISSING_MEMBER] = "MISSING_MEMBER",
        [TRIP_BAD_ID] = "BAD_ID",
        [TRIP_BAD_NUMBER] = "BAD_NUMBER",
        [TRIP_BAD_TIME] = "BAD_TIME",
    };
    return (size_t)malformed < sizeof(names) / sizeof(names[0]) ? names[malformed] : "";
}

const char *trip_codec_ignored_name(enum trip_ignored ignored)
{
    switch (ignored) {
    case TRIP_DRIVER_ARRIVED:
        return "DriverArrivedEvent";
    case TRIP_CANCELED:
        return "TripCanceledEvent";
    case TRIP_IGNORED_NONE:
        break;
    }
    return "";
}
