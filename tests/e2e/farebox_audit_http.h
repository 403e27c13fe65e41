/*
 * farebox_audit_http.h - the ledger of a running farebox-fakepg, for an audit.
 *
 * One thread.
 */
#ifndef FAREBOX_TEST_FAREBOX_AUDIT_HTTP_H
#define FAREBOX_TEST_FAREBOX_AUDIT_HTTP_H

#include "farebox_audit_source.h"

/* `where` is a struct fakepg_kit that runs; GET /fake/ledger. */
extern const struct audit_ledger audit_ledger_http;

#endif
