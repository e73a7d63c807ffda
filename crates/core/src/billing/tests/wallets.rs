//! Wallets: who sees them, who books on them, and what is refused.

use parlor_api::{
    failure,
    v1::{self, Reason, Role, TransactionKind},
};
use tonic::{Code, Status};

use crate::testing::{Metadata, OPERATOR, World, bearer, call};

fn refused(status: &Status, code: Code, reason: Reason) {
    assert_eq!((status.code(), failure::reason(status)), (code, reason), "{status:?}");
}

const SHOP: Metadata<'static> = &[("authorization", OPERATOR), ("parlor-tenant", "shop")];

fn credit(user: &v1::User, amount: i64, id: &str) -> v1::CreditWalletRequest {
    v1::CreditWalletRequest {
        user_id: user.id.clone(),
        amount,
        note: "a payment".to_owned(),
        request_id: id.to_owned(),
        ..Default::default()
    }
}

fn debit(user: &v1::User, amount: i64, id: &str) -> v1::DebitWalletRequest {
    v1::DebitWalletRequest {
        user_id: user.id.clone(),
        amount,
        request_id: id.to_owned(),
        ..Default::default()
    }
}

async fn available(world: &World, token: &str) -> i64 {
    let request = call(v1::GetWalletRequest::default(), &[bearer(token)]);
    world.billing().get_wallet(request).await.unwrap().into_inner().wallet.unwrap().available
}

#[tokio::test]
async fn a_wallet_is_credited_once_for_its_request_and_seen_by_its_owner() {
    let world = World::new().await;
    let (ann, token) = world.somebody("shop", Role::Customer).await;
    let (_, other) = world.somebody("other", Role::Staff).await;
    assert_eq!(available(&world, &token).await, 0, "nothing was booked yet");
    let first = world.billing().credit_wallet(call(credit(&ann, 100, "pay-1"), SHOP)).await.unwrap();
    let again = world.billing().credit_wallet(call(credit(&ann, 100, "pay-1"), SHOP)).await.unwrap();
    assert_eq!(first.get_ref(), again.get_ref());
    let booked = first.into_inner().transaction.unwrap();
    assert_eq!((booked.kind(), booked.amount, booked.unit.as_str()), (TransactionKind::Credit, 100, "coin"));
    assert_eq!(booked.entries.iter().map(|entry| entry.amount).sum::<i64>(), 0);
    assert_eq!(booked.made_by, "operator");
    assert_eq!(available(&world, &token).await, 100);

    let changed = world.billing().credit_wallet(call(credit(&ann, 101, "pay-1"), SHOP)).await.unwrap_err();
    refused(&changed, Code::FailedPrecondition, Reason::RequestIdReused);
    let nameless = world.billing().credit_wallet(call(credit(&ann, 1, ""), SHOP)).await.unwrap_err();
    refused(&nameless, Code::InvalidArgument, Reason::FieldInvalid);
    for amount in [0, -1, (1 << 53), i64::MIN] {
        let wrong = world.billing().credit_wallet(call(credit(&ann, amount, "x"), SHOP)).await.unwrap_err();
        refused(&wrong, Code::InvalidArgument, Reason::FieldInvalid);
    }
    let too_much = call(credit(&ann, (1 << 53) - 1, "x"), SHOP);
    let too_much = world.billing().credit_wallet(too_much).await.unwrap_err();
    refused(&too_much, Code::ResourceExhausted, Reason::LimitReached);
    let euro = v1::CreditWalletRequest { unit: "EUR".to_owned(), ..credit(&ann, 1, "e") };
    let euro = world.billing().credit_wallet(call(euro, SHOP)).await.unwrap_err();
    refused(&euro, Code::FailedPrecondition, Reason::UnitMismatch);
    // Not theirs to do, and nobody else's to see.
    let own = world.billing().credit_wallet(call(credit(&ann, 1, "x"), &[bearer(&token)])).await;
    refused(&own.unwrap_err(), Code::PermissionDenied, Reason::RoleRequired);
    let strangers = v1::GetWalletRequest { user_id: ann.id.clone(), ..Default::default() };
    let elsewhere = world.billing().get_wallet(call(strangers.clone(), &[bearer(&other)])).await;
    refused(&elsewhere.unwrap_err(), Code::NotFound, Reason::UserNotFound);
    let nobody = v1::User { id: uuid::Uuid::new_v4().to_string(), ..Default::default() };
    let missing = world.billing().credit_wallet(call(credit(&nobody, 1, "y"), SHOP)).await.unwrap_err();
    refused(&missing, Code::NotFound, Reason::UserNotFound);
    assert_eq!(available(&world, &token).await, 100);
}

#[tokio::test]
async fn nobody_sees_what_another_has_but_staff() {
    let world = World::new().await;
    let (ann, token) = world.somebody("shop", Role::Customer).await;
    let eve = world.user("shop", "eve", &[Role::Customer]).await;
    let eve = world.token_of("shop", &eve).await.token;
    let (_, sam) = world.somebody("shop", Role::Staff).await;
    world.billing().credit_wallet(call(credit(&ann, 100, "1"), SHOP)).await.unwrap();
    let get = v1::GetWalletRequest { user_id: ann.id.clone(), ..Default::default() };
    let list = v1::ListEntriesRequest { user_id: ann.id.clone(), ..Default::default() };
    let statement = v1::GetStatementRequest { user_id: ann.id.clone(), ..Default::default() };
    let quote = v1::QuoteRequest { user_id: ann.id.clone(), ..Default::default() };
    let as_eve = &[bearer(&eve)];
    let refusals = [
        world.billing().get_wallet(call(get.clone(), as_eve)).await.unwrap_err(),
        world.billing().list_entries(call(list.clone(), as_eve)).await.unwrap_err(),
        world.billing().get_statement(call(statement, as_eve)).await.unwrap_err(),
        world.billing().quote(call(quote, as_eve)).await.unwrap_err(),
    ];
    for refusal in refusals {
        refused(&refusal, Code::NotFound, Reason::UserNotFound);
    }
    let seen = world.billing().get_wallet(call(get, &[bearer(&sam)])).await.unwrap().into_inner();
    assert_eq!(seen.wallet.unwrap().available, 100);
    // Staff do not book, and do not set rules.
    let booked = world.billing().debit_wallet(call(debit(&ann, 1, "d"), &[bearer(&sam)])).await.unwrap_err();
    refused(&booked, Code::PermissionDenied, Reason::RoleRequired);
    let verify = world.billing().verify_ledger(call(v1::VerifyLedgerRequest {}, &[bearer(&sam)])).await;
    refused(&verify.unwrap_err(), Code::PermissionDenied, Reason::RoleRequired);
    let policy = world.billing().get_billing_policy(call(Default::default(), as_eve)).await.unwrap_err();
    refused(&policy, Code::PermissionDenied, Reason::RoleRequired);
    // Who ordered it is for staff to know.
    let of = |list: v1::ListEntriesResponse| list.entries[0].transaction.clone().unwrap().made_by;
    let own = world.billing().list_entries(call(list.clone(), &[bearer(&token)])).await.unwrap();
    assert_eq!(of(own.into_inner()), "");
    let staffs = world.billing().list_entries(call(list, &[bearer(&sam)])).await.unwrap();
    assert_eq!(of(staffs.into_inner()), "operator");
}

#[tokio::test]
async fn more_than_there_is_is_not_taken_and_a_refund_happens_once() {
    let world = World::new().await;
    let (ann, token) = world.somebody("shop", Role::Customer).await;
    let paid = world.billing().credit_wallet(call(credit(&ann, 10, "1"), SHOP)).await.unwrap().into_inner();
    let short = world.billing().debit_wallet(call(debit(&ann, 11, "2"), SHOP)).await.unwrap_err();
    refused(&short, Code::FailedPrecondition, Reason::InsufficientFunds);
    let metadata = failure::details(&short);
    assert_eq!((metadata["available"].as_str(), metadata["required"].as_str()), ("10", "11"));
    let taken = world.billing().debit_wallet(call(debit(&ann, 4, "3"), SHOP)).await.unwrap().into_inner();
    let refund = |of: &str, id: &str| v1::RefundTransactionRequest {
        transaction_id: of.to_owned(),
        note: String::new(),
        request_id: id.to_owned(),
    };
    let paid = paid.transaction.unwrap().id;
    let gone = world.billing().refund_transaction(call(refund(&paid, "4"), SHOP)).await.unwrap_err();
    refused(&gone, Code::FailedPrecondition, Reason::InsufficientFunds);
    let taken = taken.transaction.unwrap().id;
    let back =
        world.billing().refund_transaction(call(refund(&taken, "5"), SHOP)).await.unwrap().into_inner();
    let again =
        world.billing().refund_transaction(call(refund(&taken, "5"), SHOP)).await.unwrap().into_inner();
    assert_eq!(back, again);
    let twice = world.billing().refund_transaction(call(refund(&taken, "6"), SHOP)).await.unwrap_err();
    refused(&twice, Code::FailedPrecondition, Reason::AlreadyRefunded);
    let back = back.transaction.unwrap();
    assert_eq!(back.refunds, taken);
    let of_refund = world.billing().refund_transaction(call(refund(&back.id, "7"), SHOP)).await.unwrap_err();
    refused(&of_refund, Code::FailedPrecondition, Reason::NotRefundable);
    let nothing = uuid::Uuid::new_v4().to_string();
    let nothing = world.billing().refund_transaction(call(refund(&nothing, "8"), SHOP)).await.unwrap_err();
    refused(&nothing, Code::NotFound, Reason::TransactionNotFound);
    assert_eq!(available(&world, &token).await, 10);
    let proof = world.billing().verify_ledger(call(v1::VerifyLedgerRequest {}, SHOP)).await.unwrap();
    let expected = v1::VerifyLedgerResponse {
        sound: true,
        transactions: 3,
        entries: 6,
        accounts: 2,
        ..Default::default()
    };
    assert_eq!(proof.into_inner(), expected);
}

#[tokio::test]
async fn entries_are_paged_and_a_statement_sums_them_up() {
    let world = World::new().await;
    let (ann, token) = world.somebody("shop", Role::Customer).await;
    for payment in 1..=5 {
        let request = credit(&ann, payment, &payment.to_string());
        world.billing().credit_wallet(call(request, SHOP)).await.unwrap();
    }
    world.billing().debit_wallet(call(debit(&ann, 7, "out"), SHOP)).await.unwrap();
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let list = v1::ListEntriesRequest { page_size: 4, page_token, ..Default::default() };
        let page = world.billing().list_entries(call(list, &[bearer(&token)])).await.unwrap().into_inner();
        seen.extend(page.entries.iter().map(|entry| (entry.amount, entry.balance)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        let elsewhere = v1::ListEntriesRequest {
            page_token: page_token.clone(),
            kinds: vec![TransactionKind::Debit.into()],
            ..Default::default()
        };
        let elsewhere = world.billing().list_entries(call(elsewhere, &[bearer(&token)])).await.unwrap_err();
        refused(&elsewhere, Code::InvalidArgument, Reason::PageTokenInvalid);
    }
    assert_eq!(seen, [(-7, 8), (5, 15), (4, 10), (3, 6), (2, 3), (1, 1)]);
    let debits = v1::ListEntriesRequest { kinds: vec![TransactionKind::Debit.into()], ..Default::default() };
    let debits = world.billing().list_entries(call(debits, &[bearer(&token)])).await.unwrap().into_inner();
    assert_eq!(debits.entries.len(), 1);
    let statement = call(v1::GetStatementRequest::default(), &[bearer(&token)]);
    let statement = world.billing().get_statement(statement).await.unwrap().into_inner();
    let sums: Vec<_> =
        statement.sums.iter().map(|sum| (sum.kind(), sum.entries, sum.credited, sum.debited)).collect();
    assert_eq!(sums, [(TransactionKind::Credit, 5, 15, 0), (TransactionKind::Debit, 1, 0, 7)]);
    assert_eq!((statement.opening.unwrap().available, statement.closing.unwrap().available), (0, 8));
    let later = v1::GetStatementRequest {
        start_time: Some(prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 }),
        end_time: Some(prost_types::Timestamp { seconds: 4_000_000_001, nanos: 0 }),
        ..Default::default()
    };
    let later = world.billing().get_statement(call(later, &[bearer(&token)])).await.unwrap().into_inner();
    assert_eq!((later.opening.unwrap().available, later.sums.len()), (8, 0));
    let backwards = v1::GetStatementRequest {
        end_time: Some(prost_types::Timestamp::default()),
        start_time: Some(prost_types::Timestamp { seconds: 1, nanos: 0 }),
        ..Default::default()
    };
    let backwards = world.billing().get_statement(call(backwards, &[bearer(&token)])).await.unwrap_err();
    refused(&backwards, Code::InvalidArgument, Reason::FieldInvalid);
}

#[tokio::test]
async fn rules_are_versioned_and_a_quote_follows_them() {
    let world = World::new().await;
    let (ann, token) = world.somebody("shop", Role::Customer).await;
    world.billing().credit_wallet(call(credit(&ann, 25, "1"), SHOP)).await.unwrap();
    let quote = v1::QuoteRequest { rate_per_minute: 10, seconds: 61, ..Default::default() };
    let quoted =
        async || world.billing().quote(call(quote.clone(), &[bearer(&token)])).await.unwrap().into_inner();
    let first = quoted().await;
    assert_eq!((first.amount, first.affordable_seconds, first.hold_amount), (11, Some(150), 10));
    let free = v1::QuoteRequest { rate_per_minute: 0, ..quote.clone() };
    let free = world.billing().quote(call(free, &[bearer(&token)])).await.unwrap().into_inner();
    assert_eq!((free.amount, free.affordable_seconds), (0, None));

    let rules = v1::BillingPolicy {
        unit: "coin".to_owned(),
        rounding: v1::Rounding::StartedMinute.into(),
        free_seconds: 60,
        hold_seconds: 60,
        commission: 2_000,
        ..Default::default()
    };
    let set = |policy: v1::BillingPolicy, id: &str| v1::SetBillingPolicyRequest {
        policy: Some(policy),
        request_id: id.to_owned(),
    };
    let second = world.billing().set_billing_policy(call(set(rules.clone(), "r"), SHOP)).await.unwrap();
    let again = world.billing().set_billing_policy(call(set(rules.clone(), "r"), SHOP)).await.unwrap();
    assert_eq!(second.get_ref(), again.get_ref());
    assert_eq!(second.into_inner().policy.unwrap().version, 1);
    let second = quoted().await;
    assert_eq!((second.amount, second.affordable_seconds, second.policy_version), (10, Some(180), 1));
    assert_eq!(second.hold_amount, 0, "the beginning is free");
    let read = |version| call(v1::GetBillingPolicyRequest { version }, SHOP);
    let default =
        world.billing().get_billing_policy(read(Some(0))).await.unwrap().into_inner().policy.unwrap();
    assert_eq!((default.version, default.rounding()), (0, v1::Rounding::Second));
    let missing = world.billing().get_billing_policy(read(Some(2))).await.unwrap_err();
    refused(&missing, Code::NotFound, Reason::BillingPolicyNotFound);
    for wrong in [
        v1::BillingPolicy { unit: "c o".to_owned(), ..rules.clone() },
        v1::BillingPolicy { commission: 10_001, ..rules.clone() },
        v1::BillingPolicy { hold_seconds: 0, ..rules.clone() },
        v1::BillingPolicy { rounding: 0, ..rules.clone() },
        v1::BillingPolicy { free_seconds: 86_401, ..rules },
    ] {
        let wrong = world.billing().set_billing_policy(call(set(wrong, ""), SHOP)).await.unwrap_err();
        refused(&wrong, Code::InvalidArgument, Reason::FieldInvalid);
    }
}
