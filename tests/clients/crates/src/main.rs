//! tosspayments-rs, unchanged, against farebox-fakepg: its base URL is an argument of its own.
use tosspayments::api::{
    CancelPayment, CancelPaymentBody, ConfirmBilling, ConfirmBillingBody, GetPayment,
    IssueBillingByAuthKey, ListTransactions,
};
use tosspayments::data::{ErrorCode, Payment, PaymentStatus};
use tosspayments::{Client, Error};

fn passed(rule: &str) {
    println!("[       OK ] {rule}");
}

async fn issue(client: &Client) -> String {
    let billing = client
        .execute(
            &IssueBillingByAuthKey::builder()
                .auth_key("auth-1".to_string())
                .customer_key("crate-user".to_string())
                .build(),
        )
        .await
        .expect("a billing key is issued");
    assert_eq!(billing.customer_key, "crate-user");
    passed("crate_issues_a_billing_key");
    billing.billing_key
}

async fn charge(client: &Client, billing_key: &str) -> Payment {
    let payment = client
        .execute(
            &ConfirmBilling::builder()
                .billing_key(billing_key.to_string())
                .body(
                    ConfirmBillingBody::builder()
                        .amount(15200)
                        .customer_key("crate-user".to_string())
                        .order_id("crate-order-1".to_string())
                        .order_name("taxi".to_string())
                        .build(),
                )
                .build(),
        )
        .await
        .expect("the charge is approved");
    assert_eq!(payment.status, PaymentStatus::Done);
    assert_eq!(payment.total_amount, 15200);
    assert!(payment.card.is_some());
    passed("crate_charges_and_reads_the_payment");
    payment
}

async fn look_up(client: &Client, payment: &Payment) {
    let by_key = client
        .execute(&GetPayment::PaymentKey(payment.payment_key.clone()))
        .await
        .expect("found by payment key");
    let by_order = client
        .execute(&GetPayment::OrderId(payment.order_id.clone()))
        .await
        .expect("found by order id");
    assert_eq!(by_key.last_transaction_key, payment.last_transaction_key);
    assert_eq!(by_order.payment_key, payment.payment_key);
    passed("crate_finds_the_payment_by_key_and_by_order");
}

async fn cancel(client: &Client, payment: &Payment, amount: i32, key: &str) -> Payment {
    client
        .execute(
            &CancelPayment::builder()
                .payment_key(payment.payment_key.clone())
                .body(
                    CancelPaymentBody::builder()
                        .cancel_reason("changed my mind".to_string())
                        .cancel_amount(Some(amount))
                        .build(),
                )
                .idempotency_key(Some(key.to_string()))
                .build(),
        )
        .await
        .expect("the cancel is done")
}

async fn cancel_in_parts(client: &Client, payment: &Payment) {
    let first = cancel(client, payment, 5200, "crate-cancel-1").await;
    let again = cancel(client, payment, 5200, "crate-cancel-1").await;
    assert_eq!(first.balance_amount, 10000);
    assert_eq!(again.balance_amount, 10000);
    let last = cancel(client, payment, 10000, "crate-cancel-2").await;
    assert_eq!(last.status, PaymentStatus::PartialCanceled);
    assert_eq!(last.cancels.expect("cancels").len(), 2);
    passed("crate_cancels_in_parts_and_a_key_replays");
}

async fn list(client: &Client) {
    let transactions = client
        .execute(
            &ListTransactions::builder()
                .start_date("2020-01-01T00:00:00".to_string())
                .end_date("2090-01-01T00:00:00".to_string())
                .limit(Some(2))
                .build(),
        )
        .await
        .expect("the list");
    assert_eq!(transactions.len(), 2);
    passed("crate_lists_transactions");
}

async fn errors(client: &Client, base: &str) {
    let missing = client.execute(&GetPayment::PaymentKey("nobody".to_string())).await.unwrap_err();
    match missing {
        Error::Tosspayments(failure) => {
            assert_eq!(failure.http_status, 404);
            assert_eq!(failure.code, ErrorCode::NotFoundPayment);
        }
        other => panic!("{other:?}"),
    }
    let stranger = Client::from_url(base, "test_sk_nobody");
    match stranger.execute(&GetPayment::PaymentKey("nobody".to_string())).await.unwrap_err() {
        Error::Tosspayments(failure) => assert_eq!(failure.http_status, 401),
        other => panic!("{other:?}"),
    }
    passed("crate_reads_errors_by_code");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let base = std::env::args().nth(1).expect("the base URL");
    let secret = std::env::args().nth(2).expect("the secret key");
    let client = Client::from_url(&base, secret);
    let billing_key = issue(&client).await;
    let payment = charge(&client, &billing_key).await;
    look_up(&client, &payment).await;
    cancel_in_parts(&client, &payment).await;
    list(&client).await;
    errors(&client, &base).await;
}
