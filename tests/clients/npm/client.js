// toss-payments-server-api, unchanged, against farebox-fakepg: the client's own option `host`.
"use strict";
const assert = require("node:assert");
const toss = require("toss-payments-server-api").default;
const { HttpError } = require("toss-payments-server-api");

const [base, secret] = process.argv.slice(2);
const connection = {
  host: base,
  headers: { Authorization: `Basic ${Buffer.from(`${secret}:`).toString("base64")}` },
};
const v1 = toss.functional.v1;

function passed(rule) {
  console.log(`[       OK ] ${rule}`);
}

async function refused(call, status, code) {
  const error = await call.then(() => null, (reason) => reason);
  assert(error instanceof HttpError, `not refused: ${error}`);
  assert.strictEqual(error.status, status);
  assert.strictEqual(JSON.parse(error.message).code, code);
}

async function main() {
  const billing = await v1.billing.authorizations.card.create(connection, {
    cardNumber: "4330123412341234",
    cardExpirationYear: "30",
    cardExpirationMonth: "07",
    cardPassword: "12",
    customerBirthday: "881212",
    customerKey: "npm-user",
  });
  assert.strictEqual(billing.customerKey, "npm-user");
  passed("npm_issues_a_billing_key_for_a_card");

  const shown = await v1.billing.authorizations.at(connection, billing.billingKey, {
    customerKey: "npm-user",
  });
  assert.deepStrictEqual(shown, billing);
  passed("npm_reads_a_billing_key");

  const payment = await v1.billing.pay(connection, billing.billingKey, {
    method: "billing",
    billingKey: billing.billingKey,
    customerKey: "npm-user",
    orderId: "npm-order-1",
    orderName: "taxi", // the service wants it; the client's types are older than that
    amount: 15200,
  });
  assert.strictEqual(payment.status, "DONE");
  assert.strictEqual(payment.totalAmount, 15200);
  passed("npm_charges_and_reads_the_payment");

  assert.deepStrictEqual(await v1.payments.at(connection, payment.paymentKey), payment);
  passed("npm_finds_the_payment_by_its_key");

  const part = await v1.payments.cancel(connection, payment.paymentKey, {
    paymentKey: payment.paymentKey,
    cancelReason: "a part",
    cancelAmount: 5200,
    refundableAmount: 15200,
  });
  assert.strictEqual(part.balanceAmount, 10000);
  await refused(
    v1.payments.cancel(connection, payment.paymentKey, {
      paymentKey: payment.paymentKey,
      cancelReason: "with an old balance",
      refundableAmount: 15200,
    }),
    400,
    "NOT_MATCHES_REFUNDABLE_AMOUNT",
  );
  const rest = await v1.payments.cancel(connection, payment.paymentKey, {
    paymentKey: payment.paymentKey,
    cancelReason: "the rest",
  });
  assert.strictEqual(rest.status, "PARTIAL_CANCELED");
  assert.strictEqual(rest.balanceAmount, 0);
  assert.strictEqual(rest.cancels.length, 2);
  passed("npm_cancels_in_parts_with_a_guard");

  await refused(v1.payments.at(connection, "nobody"), 404, "NOT_FOUND_PAYMENT");
  await refused(v1.payments.at({ host: base }, "nobody"), 401, "UNAUTHORIZED_KEY");
  passed("npm_reads_errors_by_code");
}

main().catch((error) => {
  console.error(error);
  console.log("[  FAILED  ] 1 test(s)");
  process.exit(1);
});
