/*
 * pg_account.h - which account at the PG a claim was made with.
 *
 * The fingerprint is stored with each claim: "absent" counts only where the look-up was made with
 * the account of the claim (LIFE, "Rescue"). It is the hash of the PG's URL, of the key's
 * environment (test or live), and of the merchant's id where FAREBOX_PG_ACCOUNT tells it, else of
 * the key itself.
 */
#ifndef FAREBOX_PG_ACCOUNT_H
#define FAREBOX_PG_ACCOUNT_H

#include "settings.h"

/* Never 0. Pure; the fake PG has one of its own. */
uint64_t pg_account_of(const struct farebox_settings *settings);

#endif
