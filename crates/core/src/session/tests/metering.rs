//! What a session costs, through the whole core.

use super::*;

/// Ten for each minute: a coin for six seconds.
async fn charging(world: &World, money: i64) -> Pair {
    let pair = Pair::of(world).await;
    let policy = v1::BillingPolicy {
        unit: "coin".into(),
        rounding: v1::Rounding::Second.into(),
        warn_seconds: 30,
        hold_seconds: 60,
        ..Default::default()
    };
    let set = v1::SetBillingPolicyRequest { policy: Some(policy), ..Default::default() };
    world.billing().set_billing_policy(call(set, ADMIN)).await.unwrap();
    let user_id = pair.ann.id.clone();
    let credit =
        v1::CreditWalletRequest { user_id, amount: money, request_id: "first".into(), ..Default::default() };
    world.billing().credit_wallet(call(credit, ADMIN)).await.unwrap();
    pair
}

#[tokio::test]
async fn the_clock_holds_further_warns_and_ends_what_is_paid_for_no_longer() {
    let world = World::new().await;
    let pair = charging(&world, 20).await;
    let (mut ann, mut pam) = (watch(&world, &pair.ann_token).await, watch(&world, &pair.pam_token).await);
    snapshot(&mut ann).await;
    snapshot(&mut pam).await;
    let asked = pair.request(&world).await;
    let active = pair.accept(&world, &asked).await;
    assert_eq!((active.runs_out, active.charged), (false, 0));
    let accepted = active.accept_time.unwrap().seconds;
    assert_eq!(active.paid_until_time.unwrap().seconds - accepted, 90);
    for watching in [&mut ann, &mut pam] {
        assert_eq!(changed(watching).await.0, v1::SessionState::Pending);
        let (state, told) = changed(watching).await;
        assert_eq!((state, told.paid_until_time), (v1::SessionState::Active, active.paid_until_time));
    }

    world.clock.advance(Duration::from_secs(60));
    for watching in [&mut ann, &mut pam] {
        let (state, warned) = changed(watching).await;
        assert_eq!((state, warned.runs_out), (v1::SessionState::Active, true));
        assert_eq!(warned.paid_until_time.unwrap().seconds - accepted, 120, "all that there is");
    }
    world.clock.advance(Duration::from_secs(60));
    for watching in [&mut ann, &mut pam] {
        let (state, over) = changed(watching).await;
        assert_eq!((state, over.end_reason()), (v1::SessionState::Ended, v1::SessionEndReason::Funds));
        assert_eq!((over.charged, over.end_time.unwrap().seconds - accepted), (20, 120));
    }
    let verified = world.billing().verify_ledger(call(v1::VerifyLedgerRequest {}, ADMIN)).await.unwrap();
    assert_eq!(verified.into_inner().problem, "");
    world.core.shutdown().await;
}

#[tokio::test]
async fn what_somebody_has_is_not_told_to_the_other_one() {
    let world = World::new().await;
    let pair = charging(&world, 9).await;
    let asking_her = call(asking(&pair.pam.id), &[bearer(&pair.ann_token)]);
    let refused = sessions(&world).request_session(asking_her).await.unwrap_err();
    assert_eq!(failure::reason(&refused), v1::Reason::InsufficientFunds);
    assert_eq!(failure::details(&refused)["available"], "9", "to whoever has it");
    let offer = v1::RequestSessionRequest {
        responder: Some(Responder::PayerId(pair.ann.id.clone())),
        ..asking(&pair.pam.id)
    };
    let offer = call(offer, &[bearer(&pair.pam_token)]);
    let offered = sessions(&world).request_session(offer).await.unwrap().into_inner().session.unwrap();
    let accept = v1::AcceptSessionRequest { session: named(&offered), ..Default::default() };
    let refused =
        sessions(&world).accept_session(call(accept, &[bearer(&pair.ann_token)])).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(failure::reason(&refused), v1::Reason::InsufficientFunds);
    assert_eq!(failure::details(&refused).len(), 0);
    world.core.shutdown().await;
}
