#!/usr/bin/env python3
"""Two Python clients that others published, unchanged, against farebox-fakepg.

tosspayments-python-server-sdk has its base URL in its configuration. python-tosspayments has none
to set, so its private attribute is given another value; its source stays as it is.

    clients.py BASE SECRET
"""

import base64
import importlib.util
import json
import sys
import traceback
import types
import urllib.parse
import urllib.request

import tosspayments


def past_its_init(name):
    """The published package's __init__ imports exceptions that it does not have: all else works."""
    package = types.ModuleType(name)
    package.__path__ = importlib.util.find_spec(name).submodule_search_locations
    sys.modules[name] = package


past_its_init("tosspayments_server_sdk")

from tosspayments_server_sdk import exceptions  # noqa: E402
from tosspayments_server_sdk.client import Client  # noqa: E402
from tosspayments_server_sdk.models.enums import PaymentStatus  # noqa: E402

BASE, SECRET = sys.argv[1:3]


def charge(order_id, billing_key, customer_key):
    """Neither client can charge a billing key: as curl would."""
    body = {
        "customerKey": customer_key,
        "amount": 15200,
        "orderId": order_id,
        "orderName": "택시",
    }
    request = urllib.request.Request(
        f"{BASE}/v1/billing/{urllib.parse.quote(billing_key, safe='')}",
        data=json.dumps(body).encode(),
        headers={
            "Content-Type": "application/json",
            "Authorization": "Basic " + base64.b64encode(f"{SECRET}:".encode()).decode(),
        },
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        return json.load(answer)


def server_sdk():
    client = Client(secret_key=SECRET)
    client.config.api_base = BASE
    return client


def sdk_finds_a_payment_by_key_and_by_order():
    paid = charge("sdk-order-1", "bk_1=", "sdk-user")
    client = server_sdk()
    by_key = client.payments.retrieve(paid["paymentKey"])
    by_order = client.payments.retrieve_by_order_id("sdk-order-1")
    assert by_key.status == by_order.status == PaymentStatus.DONE
    assert by_key.total_amount == 15200 and by_key.order_name == "택시"
    assert by_key.card.issuer_code == paid["card"]["issuerCode"]
    assert by_key.approved_at.utcoffset().total_seconds() == 9 * 3600


def sdk_cancels_in_parts():
    paid = charge("sdk-order-2", "bk_1=", "sdk-user")
    client = server_sdk()
    part = client.payments.cancel(paid["paymentKey"], "a part", cancel_amount=5200)
    assert part.status == PaymentStatus.PARTIAL_CANCELED and part.balance_amount == 10000
    rest = client.payments.cancel(paid["paymentKey"], "the rest")
    assert rest.balance_amount == 0 and rest.status == PaymentStatus.PARTIAL_CANCELED
    assert [cancel.cancel_amount for cancel in rest.cancels] == [5200, 10000]


def sdk_reads_errors_as_its_own_exceptions():
    client = server_sdk()
    try:
        client.payments.retrieve("nobody")
        raise AssertionError("found what is not there")
    except exceptions.PaymentNotFoundError as error:
        assert error.error_code == "NOT_FOUND_PAYMENT", vars(error)
    stranger = Client(secret_key="test_sk_nobody")
    stranger.config.api_base = BASE
    try:
        stranger.payments.retrieve("nobody")
        raise AssertionError("let a stranger in")
    except exceptions.AuthenticationError:
        pass


def plain_client():
    client = tosspayments.TossPayments(SECRET)
    client._TossPayments__base_url = f"{BASE}/"
    return client


def plain_issues_a_key_that_pays():
    client = plain_client()
    billing = client.create_billing_key(
        {
            "customerKey": "plain-user",
            "cardNumber": "4330123412341234",
            "cardExpirationYear": "30",
            "cardExpirationMonth": "07",
            "cardPassword": "12",
            "customerIdentityNumber": "881212",
        }
    )
    paid = charge("plain-order-1", billing["billingKey"], "plain-user")
    assert client.get_payment_by_payment_key(paid["paymentKey"]) == paid
    assert client.get_payment_by_order_id("plain-order-1") == paid


def plain_replays_a_cancel_under_a_key():
    client = plain_client()
    paid = charge("plain-order-2", "bk_1=", "plain-user")
    data = {"cancelReason": "a part", "cancelAmount": 5200}
    first = client.cancel(paid["paymentKey"], data, idempotency_key="plain-1")
    again = client.cancel(paid["paymentKey"], data, idempotency_key="plain-1")
    assert first == again and first["balanceAmount"] == 10000


def plain_lists_transactions_page_by_page():
    client = plain_client()
    period = {"start_date": "2020-01-01T00:00:00", "end_date": "2090-01-01T00:00:00"}
    everything = client.get_transaction(**period)
    seen, after = [], None
    while page := client.get_transaction(**period, starting_after=after, limit=2):
        seen += page
        after = page[-1]["transactionKey"]
    assert len(everything) > 2 and seen == everything


def main():
    rules = [
        sdk_finds_a_payment_by_key_and_by_order,
        sdk_cancels_in_parts,
        sdk_reads_errors_as_its_own_exceptions,
        plain_issues_a_key_that_pays,
        plain_replays_a_cancel_under_a_key,
        plain_lists_transactions_page_by_page,
    ]
    failed = 0
    for rule in rules:
        try:
            rule()
            print(f"[       OK ] pypi_{rule.__name__}")
        except Exception:  # whatever a client throws is a failure of this rule
            traceback.print_exc()
            failed += 1
    if failed:
        print(f"[  FAILED  ] {failed} test(s)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
