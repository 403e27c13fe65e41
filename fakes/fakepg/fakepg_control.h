/*
 * fakepg_control.h - the controls under /fake/: faults, delays, outages, the ledger, reset.
 *
 * No credentials: the server listens on the loopback address unless it is told otherwise.
 * Threads: web_server's; each call locks the fake.
 */
#ifndef FAREBOX_FAKEPG_CONTROL_H
#define FAREBOX_FAKEPG_CONTROL_H

#include "fakepg.h"
#include "web_server.h"

#include <jansson.h>

/* True where the path is one of the controls'. */
bool fakepg_control_answers(const char *path);

/* Answers a request for a control. */
void fakepg_control(struct fakepg *fakepg, const struct web_request *request,
                    struct web_response *response);

/* One control's work: the request's JSON (NULL: none) in, the answer's out. */
struct fakepg_control_call {
    struct fakepg *fakepg;
    const struct web_request *request;
    const json_t *body;
    const char *name; /* the path behind the control's, "" where it ends */
    int status;
    json_t *answer;
    char error[200]; /* not "": 400 with this */
};

/* The controls, with the lock held; in fakepg_control_*.c. */
void fakepg_control_faults_list(struct fakepg_control_call *call);
void fakepg_control_faults_add(struct fakepg_control_call *call);
void fakepg_control_faults_clear(struct fakepg_control_call *call);
void fakepg_control_faults_off(struct fakepg_control_call *call);
void fakepg_control_config_show(struct fakepg_control_call *call);
void fakepg_control_config_set(struct fakepg_control_call *call);
void fakepg_control_ledger(struct fakepg_control_call *call);
void fakepg_control_counts(struct fakepg_control_call *call);

#endif
