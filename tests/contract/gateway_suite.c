#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway_suite.h"

#include "clock.h"
#include "pg_code.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 60000
#define FARE_KRW    15200

static const struct gateway_factory *factory;
static struct gateway_fixture fixture;
static uint8_t orders; /* each test's payments are its own */

static void report_error(void *context, const char *message)
{
    (void)context;
    fail_msg("%s", message);
}

void gateway_suite_settings(struct farebox_settings *settings, const char *const *variables)
{
    const struct settings_report report = {report_error, NULL};
    assert_int_equal(settings_load(settings, (char *const *)(uintptr_t)variables, report),
                     SETTINGS_OK);
}

static int setup(void **state)
{
    (void)state;
    memset(&fixture, 0, sizeof(fixture));
    assert_true(inbox_init(&fixture.inbox));
    factory->open(&fixture);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (fixture.port != NULL) {
        fixture.port->ops->close(fixture.port);
    }
    factory->close(&fixture);
    inbox_clear(&fixture.inbox);
    settings_clear(&fixture.settings);
    return 0;
}

static struct uuid new_order(void)
{
    return (struct uuid){{0x70, 0x61, 0x79, 0, ++orders, 0, 0x50, 0, 0x80}};
}

/* A call with everything that its kind needs. */
static struct gateway_call asked_of(enum gateway_op op, struct uuid order)
{
    static char trip_id[32];
    (void)snprintf(trip_id, sizeof(trip_id), "trip-%u", orders);
    return (struct gateway_call){.op = (uint8_t)op,
                                 .send_by_ms = clock_boot_ms() + 120000,
                                 .payment_id = order,
                                 .amount_krw = FARE_KRW,
                                 .cancel_no = 1,
                                 .distance_meters = 5200,
                                 .duration_seconds = 900,
                                 .trip_id = trip_id,
                                 .user_id = "user-1",
                                 .billing_key = op == GATEWAY_CHARGE ? "bk/suite+1=" : NULL,
                                 .ended_at = "2026-10-01T15:40:09"};
}

static struct gateway_call *call_new(enum gateway_op op, struct uuid order)
{
    const struct gateway_call asked = asked_of(op, order);
    return gateway_call_new(&asked);
}

static void begin(struct gateway_call *call)
{
    fixture.port->ops->call(fixture.port, call);
    fixture.port->ops->send(fixture.port);
}

/* The next message; its list is cut, so one at a time must be outstanding. */
static struct gateway_call *await(void)
{
    int64_t until_ms = clock_boot_ms() + PATIENCE_MS;
    struct message *message = NULL;
    while (message == NULL && clock_boot_ms() < until_ms) {
        message = inbox_take(&fixture.inbox, 1000);
    }
    assert_non_null(message);
    assert_int_equal(message->type, MESSAGE_CALL);
    return (struct gateway_call *)(void *)message;
}

/* An answer by value. */
struct answer {
    struct pg_answer pg;
    struct upstream_answer upstream;
    struct gateway_answer_texts texts;
};

static struct answer ask(struct gateway_call *call)
{
    struct answer answer;
    begin(call);
    assert_ptr_equal(await(), call);
    assert_null(call->message.next);
    memset(&answer, 0, sizeof(answer));
    answer.pg = call->pg;
    answer.upstream = call->upstream;
    if (call->texts != NULL) {
        answer.texts = *call->texts;
    }
    gateway_call_free(call);
    return answer;
}

static struct answer charge(struct uuid order)
{
    return ask(call_new(GATEWAY_CHARGE, order));
}

static struct answer look_up(struct uuid order)
{
    return ask(call_new(GATEWAY_LOOKUP, order));
}

static struct answer cancel(struct uuid order, const char *pg_id, uint16_t number)
{
    struct gateway_call asked = asked_of(GATEWAY_CANCEL, order);
    asked.cancel_no = number;
    asked.pg_id = pg_id;
    return ask(gateway_call_new(&asked));
}

static void rule(struct uuid order, enum pg_fault fault, unsigned op, enum pg_fake_code code)
{
    const struct pg_fake_rule rule = {.order_id = order,
                                      .ops = (uint8_t)(1U << op),
                                      .fault = (uint8_t)fault,
                                      .code = (uint8_t)code,
                                      .times = 1};
    factory->rule(&fixture, &rule);
}

static void assert_approved(const struct answer *answer)
{
    assert_int_equal(answer->pg.kind, PG_ANSWER_PAYMENT);
    assert_int_equal(answer->pg.status, PG_DONE);
    assert_true(answer->pg.order_matches);
    assert_true(answer->pg.currency_krw);
    assert_int_equal(answer->pg.total_krw, FARE_KRW);
    assert_int_equal(answer->pg.balance_krw, FARE_KRW);
    assert_true(strlen(answer->texts.pg_id) > 0);
    assert_int_equal(answer->pg.pg_id, TEXT_NONE);
}

static void assert_error(const struct answer *answer, const char *code)
{
    assert_int_equal(answer->pg.kind, PG_ANSWER_ERROR);
    assert_string_equal(answer->texts.code, code);
    assert_int_equal(answer->pg.code_class, pg_code_classify(code, strlen(code)));
    assert_int_equal(answer->pg.code, TEXT_NONE);
}

/* No verdict, whether or not it was done. */
static void assert_silent(const struct answer *answer)
{
    if (answer->pg.kind != PG_ANSWER_TIMEOUT && answer->pg.kind != PG_ANSWER_BROKEN) {
        fail_msg("an answer of kind %d", answer->pg.kind);
    }
}

static void a_charge_is_approved_as_asked_and_found_by_both_ids(void **state)
{
    struct uuid order = new_order();
    struct answer approved = charge(order);
    struct answer found = look_up(order);
    struct gateway_call by_pg_id = asked_of(GATEWAY_LOOKUP, order);
    (void)state;
    assert_approved(&approved);
    assert_approved(&found);
    assert_string_equal(found.texts.pg_id, approved.texts.pg_id);
    by_pg_id.pg_id = approved.texts.pg_id;
    found = ask(gateway_call_new(&by_pg_id));
    assert_approved(&found);
    assert_string_equal(found.texts.pg_id, approved.texts.pg_id);
}

static void a_charge_sent_again_is_the_same_charge(void **state)
{
    struct uuid order = new_order();
    struct answer first = charge(order);
    struct answer second = charge(order);
    (void)state;
    assert_approved(&first);
    assert_approved(&second);
    assert_string_equal(first.texts.pg_id, second.texts.pg_id);
}

static void what_was_never_charged_is_absent(void **state)
{
    struct answer found = look_up(new_order());
    struct answer probe = ask(call_new(GATEWAY_PROBE, (struct uuid){{0}}));
    (void)state;
    assert_error(&found, "NOT_FOUND_PAYMENT");
    assert_error(&probe, "NOT_FOUND_PAYMENT");
}

static void a_decline_has_its_code_and_charges_nothing(void **state)
{
    struct uuid order = new_order();
    (void)state;
    rule(order, PG_FAULT_DECLINE, PG_LEDGER_CHARGE, PG_FAKE_REJECT_CARD_PAYMENT);
    struct answer declined = charge(order);
    assert_error(&declined, "REJECT_CARD_PAYMENT");
    assert_int_equal(declined.pg.code_class, PG_CODE_DECLINED);
    struct answer found = look_up(order);
    assert_error(&found, "NOT_FOUND_PAYMENT");
}

/* Every code that the fakes know comes through with its class. */
static void every_error_code_has_its_class(void **state)
{
    size_t seen = 0;
    (void)state;
    for (size_t i = 0; i < pg_code_count(); i++) {
        const char *name = pg_code_at(i);
        enum pg_fake_code code = pg_fake_code_parse(name, strlen(name));
        struct uuid order = new_order();
        if (code == PG_FAKE_NO_CODE) {
            continue;
        }
        rule(order, PG_FAULT_ERROR_BEFORE, PG_LEDGER_CHARGE, code);
        struct answer answer = charge(order);
        assert_error(&answer, name);
        seen++;
    }
    assert_true(seen > 40);
}

static void an_error_although_it_was_done_is_told_by_the_look_up(void **state)
{
    struct uuid order = new_order();
    (void)state;
    rule(order, PG_FAULT_ERROR_AFTER, PG_LEDGER_CHARGE, PG_FAKE_PROVIDER_ERROR);
    struct answer answer = charge(order);
    assert_error(&answer, "PROVIDER_ERROR");
    struct answer found = look_up(order);
    assert_approved(&found);
}

static void refusals_of_the_caller_have_their_classes(void **state)
{
    static const struct {
        enum pg_fault fault;
        const char *code;
        enum pg_code_class class;
    } rows[] = {
        {PG_FAULT_UNAUTHORIZED, "UNAUTHORIZED_KEY", PG_CODE_CREDENTIALS},
        {PG_FAULT_WRONG_URL, "NOT_FOUND", PG_CODE_REQUEST},
        {PG_FAULT_TOO_MANY, "TOO_MANY_REQUESTS", PG_CODE_RETRY},
        {PG_FAULT_PROCESSING, "IDEMPOTENT_REQUEST_PROCESSING", PG_CODE_RETRY},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct uuid order = new_order();
        rule(order, rows[i].fault, PG_LEDGER_CHARGE, PG_FAKE_NO_CODE);
        struct answer answer = charge(order);
        assert_error(&answer, rows[i].code);
        assert_int_equal(answer.pg.code_class, rows[i].class);
        answer = charge(order); /* nothing was done, and the key is not spent */
        assert_approved(&answer);
    }
}

static void an_answer_that_is_lost_is_no_verdict(void **state)
{
    static const enum pg_fault faults[] = {PG_FAULT_LOST_BEFORE, PG_FAULT_LOST_AFTER,
                                           PG_FAULT_BROKEN};
    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct uuid order = new_order();
        rule(order, faults[i], PG_LEDGER_CHARGE, PG_FAKE_NO_CODE);
        struct answer answer = charge(order);
        assert_silent(&answer);
        assert_string_equal(answer.texts.pg_id, "");
        answer = look_up(order);
        if (faults[i] == PG_FAULT_LOST_BEFORE) {
            assert_error(&answer, "NOT_FOUND_PAYMENT");
        } else {
            assert_approved(&answer);
        }
        answer = charge(order); /* the same key: once, whatever became of the first */
        assert_approved(&answer);
    }
}

static void an_answer_after_the_time_limit_is_a_timeout(void **state)
{
    struct uuid order = new_order();
    (void)state;
    rule(order, PG_FAULT_SLOW, PG_LEDGER_CHARGE, PG_FAKE_NO_CODE);
    struct answer answer = charge(order);
    assert_int_equal(answer.pg.kind, PG_ANSWER_TIMEOUT);
    answer = look_up(order);
    assert_approved(&answer);
}

static void an_object_that_is_not_as_asked_is_told_as_it_is(void **state)
{
    struct uuid order = new_order();
    (void)state;
    rule(order, PG_FAULT_WRONG_AMOUNT, PG_LEDGER_CHARGE, PG_FAKE_NO_CODE);
    struct answer answer = charge(order);
    assert_int_equal(answer.pg.kind, PG_ANSWER_PAYMENT);
    assert_int_not_equal(answer.pg.total_krw, FARE_KRW);
    order = new_order();
    rule(order, PG_FAULT_WRONG_CURRENCY, PG_LEDGER_CHARGE, PG_FAKE_NO_CODE);
    answer = charge(order);
    assert_int_equal(answer.pg.kind, PG_ANSWER_PAYMENT);
    assert_false(answer.pg.currency_krw);
    order = new_order();
    rule(order, PG_FAULT_NO_PG_ID, PG_LEDGER_CHARGE, PG_FAKE_NO_CODE);
    answer = charge(order);
    assert_int_equal(answer.pg.kind, PG_ANSWER_PAYMENT);
    assert_string_equal(answer.texts.pg_id, "");
    order = new_order();
    rule(order, PG_FAULT_FOREIGN, PG_LEDGER_CHARGE, PG_FAKE_NO_CODE);
    answer = charge(order);
    assert_int_equal(answer.pg.kind, PG_ANSWER_PAYMENT);
    assert_false(answer.pg.order_matches);
    order = new_order();
    rule(order, PG_FAULT_IN_PROGRESS, PG_LEDGER_CHARGE, PG_FAKE_NO_CODE);
    answer = charge(order);
    assert_int_equal(answer.pg.kind, PG_ANSWER_PAYMENT);
    assert_int_equal(answer.pg.status, PG_IN_PROGRESS);
}

static void a_cancel_empties_the_balance_and_its_number_is_replayed(void **state)
{
    struct uuid order = new_order();
    struct answer approved = charge(order);
    (void)state;
    for (int again = 0; again < 2; again++) {
        struct answer answer = cancel(order, approved.texts.pg_id, 1);
        assert_int_equal(answer.pg.kind, PG_ANSWER_PAYMENT);
        assert_true(answer.pg.order_matches);
        assert_int_equal(answer.pg.balance_krw, 0);
        assert_int_equal(answer.pg.total_krw, FARE_KRW);
        assert_string_equal(answer.texts.pg_id, approved.texts.pg_id);
    }
    struct answer next = cancel(order, approved.texts.pg_id, 2);
    assert_error(&next, "ALREADY_CANCELED_PAYMENT");
    struct answer found = look_up(order);
    assert_int_equal(found.pg.balance_krw, 0);
    assert_int_equal(found.pg.status, PG_CANCELED);
}

/* LIFE, "Cancel": an answered error is replayed under its number, the next number is free. */
static void a_cancel_refused_for_now_needs_the_next_number(void **state)
{
    struct uuid order = new_order();
    struct answer approved = charge(order);
    (void)state;
    rule(order, PG_FAULT_CONSECUTIVE, PG_LEDGER_CANCEL, PG_FAKE_NO_CODE);
    struct answer answer = cancel(order, approved.texts.pg_id, 1);
    assert_error(&answer, "FORBIDDEN_CONSECUTIVE_REQUEST");
    answer = cancel(order, approved.texts.pg_id, 1);
    assert_error(&answer, "FORBIDDEN_CONSECUTIVE_REQUEST");
    answer = cancel(order, approved.texts.pg_id, 2);
    assert_int_equal(answer.pg.kind, PG_ANSWER_PAYMENT);
    assert_int_equal(answer.pg.balance_krw, 0);
}

static void a_charge_after_its_send_limit_never_leaves(void **state)
{
    struct uuid order = new_order();
    struct gateway_call *call = call_new(GATEWAY_CHARGE, order);
    (void)state;
    call->send_by_ms = clock_boot_ms() - 1;
    struct answer answer = ask(call);
    assert_int_equal(answer.pg.kind, PG_ANSWER_NOT_SENT);
    answer = look_up(order);
    assert_error(&answer, "NOT_FOUND_PAYMENT");
}

static void pricing_and_users_answer(void **state)
{
    struct uuid order = new_order();
    struct answer fare = ask(call_new(GATEWAY_FARE, order));
    struct answer again = ask(call_new(GATEWAY_FARE, order));
    struct answer payer = ask(call_new(GATEWAY_PAYER, order));
    (void)state;
    assert_int_equal(fare.upstream.kind, UPSTREAM_OK);
    assert_true(fare.upstream.fare_krw > 0);
    assert_int_equal(fare.upstream.fare_krw, again.upstream.fare_krw);
    assert_int_equal(payer.upstream.kind, UPSTREAM_OK);
    assert_true(payer.texts.has_method_id);
    assert_true(strlen(payer.texts.method_id) > 0);
    assert_true(strlen(payer.texts.billing_key) > 0);
    assert_int_equal(payer.upstream.billing_key, TEXT_NONE);
}

#define MANY 200

static void each_of_many_calls_at_once_is_answered_once(void **state)
{
    static uint8_t answers[MANY];
    size_t count = 0;
    (void)state;
    memset(answers, 0, sizeof(answers));
    for (uint32_t i = 0; i < MANY; i++) {
        struct uuid order = new_order();
        order.bytes[15] = (uint8_t)(i + 1);
        struct gateway_call *call = call_new(i % 2 == 0 ? GATEWAY_CHARGE : GATEWAY_PAYER, order);
        call->slot = i;
        begin(call);
    }
    while (count < MANY) {
        struct gateway_call *call = await();
        for (; call != NULL; count++) {
            struct message *next = call->message.next;
            answers[call->slot]++;
            if (call->op == GATEWAY_CHARGE) {
                assert_int_equal(call->pg.kind, PG_ANSWER_PAYMENT);
            } else {
                assert_int_equal(call->upstream.kind, UPSTREAM_OK);
            }
            gateway_call_free(call);
            call = (struct gateway_call *)(void *)next;
        }
    }
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(answers[i], 1);
    }
}

/* What is left is freed: the address sanitizer looks. */
static void calls_under_way_do_not_outlive_the_port(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        begin(call_new(GATEWAY_CHARGE, new_order()));
    }
    fixture.port->ops->close(fixture.port);
    fixture.port = NULL;
    for (struct message *message = inbox_take(&fixture.inbox, 0); message != NULL;) {
        struct message *next = message->next;
        gateway_call_free((struct gateway_call *)(void *)message);
        message = next;
    }
}

int gateway_suite_run(const struct gateway_factory *with)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_charge_is_approved_as_asked_and_found_by_both_ids),
        TEST(a_charge_sent_again_is_the_same_charge),
        TEST(what_was_never_charged_is_absent),
        TEST(a_decline_has_its_code_and_charges_nothing),
        TEST(every_error_code_has_its_class),
        TEST(an_error_although_it_was_done_is_told_by_the_look_up),
        TEST(refusals_of_the_caller_have_their_classes),
        TEST(an_answer_that_is_lost_is_no_verdict),
        TEST(an_answer_after_the_time_limit_is_a_timeout),
        TEST(an_object_that_is_not_as_asked_is_told_as_it_is),
        TEST(a_cancel_empties_the_balance_and_its_number_is_replayed),
        TEST(a_cancel_refused_for_now_needs_the_next_number),
        TEST(a_charge_after_its_send_limit_never_leaves),
        TEST(pricing_and_users_answer),
        TEST(each_of_many_calls_at_once_is_answered_once),
        TEST(calls_under_way_do_not_outlive_the_port),
    };
    factory = with;
    return cmocka_run_group_tests_name(with->name, tests, NULL, NULL);
}
