/*
 * payment_id.h - the one payment id of a trip (DESIGN, law 10).
 *
 * UUIDv5 (RFC 9562, SHA-1) of the namespace 9c6f3a52-5d0e-4b7c-8a41-f2e06d9b1735, which is
 * Farebox's own, and the trip id's bytes. It is the PG's order id and the charge's idempotency
 * key for ever: the namespace must never change.
 */
#ifndef FAREBOX_PAYMENT_ID_H
#define FAREBOX_PAYMENT_ID_H

#include "ids.h"

/* Pure; any thread; cannot fail. */
void payment_id_of_trip(const char *trip_id, size_t len, struct uuid *payment_id);

#endif
