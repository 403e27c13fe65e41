/* payment_names.c - what logs, traces and metrics call things. */
#include "payment.h"

static const char *const phase_names[PHASE_COUNT] = {
    "free",       "looking_up",  "lookup_wait",   "gated",     "opening",   "claiming",
    "charging",   "charge_wait", "asking",        "ask_wait",  "finishing", "intending",
    "cancelling", "cancel_wait", "cancel_asking", "numbering", "refunding", "taking",
    "inspecting", "parking",     "holding",
};

const char *payment_phase_name(enum payment_phase phase)
{
    return (unsigned)phase < PHASE_COUNT ? phase_names[phase] : "?";
}

static const char *const dead_letter_names[DEAD_LETTER_REASON_COUNT] = {
    "none",          "malformed",     "too_old",
    "fare_refused",  "payer_refused", "pricing_trouble",
    "users_trouble", "id_collision",  "unwritable",
};

const char *dead_letter_reason_name(enum dead_letter_reason reason)
{
    return (unsigned)reason < DEAD_LETTER_REASON_COUNT ? dead_letter_names[reason] : "?";
}

static const char *const alert_names[ALERT_COUNT] = {
    "none",        "unknown", "needs_operator", "wrong_amount",
    "credentials", "request", "holding",        "late_charge",
};

const char *payment_alert_name(enum payment_alert alert)
{
    return (unsigned)alert < ALERT_COUNT ? alert_names[alert] : "?";
}
