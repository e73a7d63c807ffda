//! BillingService on the wire: who may call comes first, then decode, the rule, encode.

use futures::StreamExt as _;
use parlor_api::{
    limits::RATE_MAX,
    v1::{self, billing_service_server::BillingService},
};
use parlor_store::{EntryFilter, Mutation, Store, TransactionId, ledger::Policy, meter::Lasts};
use tonic::{Request, Response, Status};

use super::{
    Billing, convert, decode,
    watch::{Ears, watch},
};
use crate::{
    Error, Result,
    caller::Caller,
    clock::Clock,
    field,
    page::{Pages, Sizes},
    request::{self, Answers, Requests, service, streamed},
    wire::millis,
};

/// As the contract documents it.
const PAGE: Sizes = Sizes { default: 50, maximum: 500 };

/// The service as it is called.
#[derive(Clone)]
pub struct BillingRpc {
    billing: Billing,
    requests: Requests,
    pages: Pages,
    ears: Ears,
}

service! {
    BillingService for BillingRpc {
        fn get_wallet(GetWalletRequest) -> GetWalletResponse = answered(Self::get_wallet);
        fn credit_wallet(CreditWalletRequest) -> CreditWalletResponse = stored(Self::credit_wallet);
        fn debit_wallet(DebitWalletRequest) -> DebitWalletResponse = stored(Self::debit_wallet);
        fn refund_transaction(RefundTransactionRequest) -> RefundTransactionResponse = stored(Self::refund_transaction);
        fn list_entries(ListEntriesRequest) -> ListEntriesResponse = answered(Self::list_entries);
        fn get_statement(GetStatementRequest) -> GetStatementResponse = answered(Self::get_statement);
        fn quote(QuoteRequest) -> QuoteResponse = answered(Self::quote);
        fn get_billing_policy(GetBillingPolicyRequest) -> GetBillingPolicyResponse = answered(Self::get_billing_policy);
        fn set_billing_policy(SetBillingPolicyRequest) -> SetBillingPolicyResponse = answered(Self::set_billing_policy);
        fn verify_ledger(VerifyLedgerRequest) -> VerifyLedgerResponse = answered(Self::verify_ledger);
    }

    type WatchWalletStream = Answers<v1::WatchWalletResponse>;

    async fn watch_wallet(
        &self,
        request: Request<v1::WatchWalletRequest>,
    ) -> Result<Response<Self::WatchWalletStream>, Status> {
        streamed(self, request, async |rpc, caller, request| {
            let principal = caller.principal()?;
            let wallet = rpc.billing.seen(principal, &request.user_id, &request.unit).await?;
            Ok(watch(&rpc.billing, &rpc.ears, principal, wallet).await?.boxed())
        })
        .await
    }
}

impl BillingRpc {
    /// Over a store.
    #[must_use]
    pub fn new(store: Store, clock: Clock, requests: Requests, pages: Pages, ears: Ears) -> Self {
        Self { billing: Billing { store, clock }, requests, pages, ears }
    }

    async fn get_wallet(
        &self,
        caller: &Caller,
        request: v1::GetWalletRequest,
    ) -> Result<v1::GetWalletResponse> {
        let wallet = self.billing.seen(caller.principal()?, &request.user_id, &request.unit).await?;
        let balances = self.billing.store.billing.balances(wallet.tenant, wallet.id()).await?;
        Ok(v1::GetWalletResponse { wallet: Some(convert::wallet(&wallet, balances)) })
    }

    async fn credit_wallet(
        &self,
        caller: &Caller,
        request: v1::CreditWalletRequest,
    ) -> Result<(v1::CreditWalletResponse, Option<i64>)> {
        let tenant = caller.admin()?.tenant;
        let amount = decode::amount(request.amount)?;
        let order = self.billing.order(caller, &request.request_id, &request.note)?;
        let wallet = self.billing.booked(tenant, &request.user_id, &request.unit).await?;
        let (posted, position) = self.billing.book(Mutation::credit(order, wallet, amount)).await?;
        let transaction = Some(convert::transaction(&posted.transaction));
        Ok((v1::CreditWalletResponse { transaction }, Some(position)))
    }

    async fn debit_wallet(
        &self,
        caller: &Caller,
        request: v1::DebitWalletRequest,
    ) -> Result<(v1::DebitWalletResponse, Option<i64>)> {
        let tenant = caller.admin()?.tenant;
        let (amount, from) = (decode::amount(request.amount)?, decode::debited(request.account())?);
        let order = self.billing.order(caller, &request.request_id, &request.note)?;
        let wallet = self.billing.booked(tenant, &request.user_id, &request.unit).await?;
        self.billing.store.directory.user(tenant, wallet.owner).await?;
        let (posted, position) = self.billing.book(Mutation::debit(order, wallet, from, amount)).await?;
        let transaction = Some(convert::transaction(&posted.transaction));
        Ok((v1::DebitWalletResponse { transaction }, Some(position)))
    }

    async fn refund_transaction(
        &self,
        caller: &Caller,
        request: v1::RefundTransactionRequest,
    ) -> Result<(v1::RefundTransactionResponse, Option<i64>)> {
        caller.admin()?;
        let id = field::id("transaction_id", &request.transaction_id, TransactionId::parse)?;
        let order = self.billing.order(caller, &request.request_id, &request.note)?;
        let (posted, position) = self.billing.refund(order, id).await?;
        let transaction = Some(convert::transaction(&posted.transaction));
        Ok((v1::RefundTransactionResponse { transaction }, Some(position)))
    }

    async fn list_entries(
        &self,
        caller: &Caller,
        request: v1::ListEntriesRequest,
    ) -> Result<v1::ListEntriesResponse> {
        let principal = caller.principal()?;
        let size = PAGE.of("page_size", request.page_size)?;
        let (kinds, account) = (decode::kinds(&request.kinds)?, decode::account(request.account())?);
        let wallet = self.billing.seen(principal, &request.user_id, &request.unit).await?;
        let (tenant, id) = (wallet.tenant, wallet.id().to_string());
        let filter = format!("{:?}/{}", request.kinds, request.account);
        let scope = ["ListEntries", &*principal.tenant_slug, &id, &filter];
        let before = self.pages.open(&scope, &request.page_token)?;
        let wanted = EntryFilter { kinds, account, before };
        let mut rows = self.billing.store.billing.entries(tenant, wallet.id(), wanted, size + 1).await?;
        let next_page_token = self.pages.cut(&scope, &mut rows, size, |(entry, of)| (of.number, entry.line));
        let entries = rows.iter().map(|(entry, of)| convert::entry(entry, Some(of))).collect();
        Ok(v1::ListEntriesResponse { entries, next_page_token })
    }

    async fn get_statement(
        &self,
        caller: &Caller,
        request: v1::GetStatementRequest,
    ) -> Result<v1::GetStatementResponse> {
        let wallet = self.billing.seen(caller.principal()?, &request.user_id, &request.unit).await?;
        let from = request.start_time.as_ref().map_or(i64::MIN, millis);
        // What is booked in this millisecond is in it.
        let until = request.end_time.as_ref().map_or_else(|| self.billing.clock.now() + 1, millis);
        if until < from {
            return Err(Error::field("end_time", "must not be before start_time"));
        }
        let stored = self.billing.store.billing.statement(wallet.tenant, wallet.id(), from, until).await?;
        Ok(v1::GetStatementResponse {
            opening: Some(convert::wallet(&wallet, stored.opening)),
            sums: stored.sums.iter().map(convert::sum).collect(),
            closing: Some(convert::wallet(&wallet, stored.closing)),
        })
    }

    async fn quote(&self, caller: &Caller, request: v1::QuoteRequest) -> Result<v1::QuoteResponse> {
        let rate = decode::number("rate_per_minute", request.rate_per_minute, 0, RATE_MAX)?;
        let seconds = decode::number("seconds", request.seconds, 0, decode::QUOTED_SECONDS_MAX)?;
        let wallet = self.billing.seen(caller.principal()?, &request.user_id, "").await?;
        let policy = self.billing.policy(wallet.tenant, None).await?;
        let balances = self.billing.store.billing.balances(wallet.tenant, wallet.id()).await?;
        let tariff = policy.tariff(rate);
        let cost = |seconds: i64| {
            let cost = tariff.cost(u64::try_from(seconds).unwrap_or_default());
            cost.ok_or_else(|| Error::field("seconds", "cost more than there is a number for"))
        };
        let affordable_seconds = match tariff.lasts(balances.available) {
            Lasts::Seconds(seconds) => Some(i64::try_from(seconds).unwrap_or(i64::MAX)),
            Lasts::Forever => None,
        };
        Ok(v1::QuoteResponse {
            amount: cost(seconds)?,
            unit: policy.unit,
            affordable_seconds,
            hold_amount: cost(policy.hold_seconds)?,
            policy_version: policy.version,
        })
    }

    async fn get_billing_policy(
        &self,
        caller: &Caller,
        request: v1::GetBillingPolicyRequest,
    ) -> Result<v1::GetBillingPolicyResponse> {
        let policy = self.billing.policy(caller.staff()?.tenant, request.version).await?;
        Ok(v1::GetBillingPolicyResponse { policy: Some(convert::policy(&policy)) })
    }

    async fn set_billing_policy(
        &self,
        caller: &Caller,
        request: v1::SetBillingPolicyRequest,
    ) -> Result<v1::SetBillingPolicyResponse> {
        let admin = caller.admin()?;
        let wanted = field::given("policy", request.policy.as_ref())?;
        let wanted = decode::policy(wanted, admin.key(), self.billing.clock.now())?;
        let key = self.requests.key(admin, "SetBillingPolicy", &request.request_id, &request)?;
        let respond = |row: &Policy| v1::SetBillingPolicyResponse { policy: Some(convert::policy(row)) };
        let sets = Mutation::set_policy(admin.tenant, wanted);
        Ok(request::apply(&self.billing.store, key, sets, respond).await?.response)
    }

    async fn verify_ledger(
        &self,
        caller: &Caller,
        _request: v1::VerifyLedgerRequest,
    ) -> Result<v1::VerifyLedgerResponse> {
        let verdict = self.billing.store.billing.verify(caller.admin()?.tenant).await?;
        if let Some(wrong) = &verdict.wrong {
            tracing::error!(row = wrong.row, problem = wrong.problem, "the ledger is wrong");
        }
        Ok(convert::verdict(verdict))
    }
}
