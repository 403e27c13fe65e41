// The OpenAPI document inside toss-payments-server-api against farebox-fakepg: every operation that
// both have takes what the document says and answers with what it says.
//
// The document describes an older version of the API. What version 2022-11-16 renamed or dropped is
// listed in `newer`, with the name it has now; nothing else may differ.
"use strict";
const assert = require("node:assert");
const Ajv = require("ajv/dist/2020").default;
const addFormats = require("ajv-formats").default;
const document = require("toss-payments-server-api/swagger.json");

const [base, secret] = process.argv.slice(2);
const headers = {
  Authorization: `Basic ${Buffer.from(`${secret}:`).toString("base64")}`,
  "Content-Type": "application/json",
};

// schema -> members of the older version, and what 2022-11-16 has instead (null: nothing)
const newer = {
  ITossCardPayment: { transactionKey: "lastTransactionKey" },
  "ITossCardPayment.ICard": { company: "issuerCode", receiptUrl: null },
  ITossPaymentCancel: { taxAmount: null },
};
// Card numbers are masked now: digits and `*`.
const masked = "^[0-9*]{14,20}$";

function passed(rule) {
  console.log(`[       OK ] ${rule}`);
}

function schemas() {
  const all = structuredClone(document.components.schemas);
  for (const [name, members] of Object.entries(newer)) {
    for (const [old, now] of Object.entries(members)) {
      const rest = all[name].required.filter((member) => member !== old);
      assert.notStrictEqual(rest.length, all[name].required.length, `${name}.${old} is no member`);
      all[name].required = now === null ? rest : [...rest, now];
      delete all[name].properties[old];
    }
  }
  all["ITossCardPayment.ICard"].properties.number.pattern = masked;
  all.ITossBilling.properties.cardNumber.pattern = masked;
  return all;
}

const ajv = new Ajv({ strict: false, allErrors: true });
addFormats(ajv);
ajv.addSchema({ $id: "doc", components: { schemas: schemas() } });

function expectSchema(name, value) {
  const validate = ajv.getSchema(`doc#/components/schemas/${name}`);
  assert(validate(value), `${name}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(value)}`);
}

async function call(method, path, input) {
  const operation = document.paths[path.template][method.toLowerCase()];
  assert(operation, `${method} ${path.template} is not in the document`);
  if (input !== undefined) {
    const schema = operation.requestBody.content["application/json"].schema;
    expectSchema(schema.$ref.split("/").pop(), input);
  }
  const body = input === undefined ? undefined : JSON.stringify(input);
  const response = await fetch(base + path.actual, { method, headers, body });
  const answer = await response.json();
  assert.strictEqual(response.status, 200, JSON.stringify(answer));
  return answer;
}

async function main() {
  const billing = await call(
    "POST",
    {
      template: "/v1/billing/authorizations/card",
      actual: "/v1/billing/authorizations/card",
    },
    {
      cardNumber: "4330123412341234",
      cardExpirationYear: "30",
      cardExpirationMonth: "07",
      cardPassword: "12",
      customerBirthday: "881212",
      customerKey: "openapi-user",
    },
  );
  expectSchema("ITossBilling", billing);
  const key = encodeURIComponent(billing.billingKey);
  expectSchema(
    "ITossBilling",
    await call(
      "POST",
      {
        template: "/v1/billing/authorizations/{billingKey}",
        actual: `/v1/billing/authorizations/${key}`,
      },
      { customerKey: "openapi-user" },
    ),
  );
  passed("openapi_billing_keys_are_as_the_document_says");

  const payment = await call(
    "POST",
    { template: "/v1/billing/{billingKey}", actual: `/v1/billing/${key}` },
    {
      method: "billing",
      billingKey: billing.billingKey,
      customerKey: "openapi-user",
      orderId: "openapi-order-1",
      orderName: "taxi",
      amount: 15200,
    },
  );
  expectSchema("ITossCardPayment", payment);
  passed("openapi_a_charge_is_as_the_document_says");

  const of = (tail) => ({
    template: `/v1/payments/{paymentKey}${tail}`,
    actual: `/v1/payments/${payment.paymentKey}${tail}`,
  });
  expectSchema("ITossCardPayment", await call("GET", of("")));
  passed("openapi_a_look_up_is_as_the_document_says");

  for (const amount of [5200, undefined]) {
    const cancelled = await call("POST", of("/cancel"), {
      paymentKey: payment.paymentKey,
      cancelReason: "as the document says",
      cancelAmount: amount,
    });
    expectSchema("ITossCardPayment", cancelled);
    cancelled.cancels.forEach((cancel) => expectSchema("ITossPaymentCancel", cancel));
  }
  passed("openapi_a_cancel_is_as_the_document_says");
}

main().catch((error) => {
  console.error(error);
  console.log("[  FAILED  ] 1 test(s)");
  process.exit(1);
});
