//! What a session costs: held when it begins, held further while there is more, charged to the second when it is over.

use parlor_store::{
    ledger::{Balances, Policy},
    meter::Rounding,
};

use super::*;

crate::stories!(
    what_goes_on_is_held_and_charged_to_the_second,
    who_can_pay_no_further_is_warned_and_then_it_ends,
    who_gets_more_in_time_goes_on,
    a_server_that_was_away_charges_what_was_held,
    who_cannot_pay_does_not_begin,
    what_both_and_the_clock_end_at_once_is_charged_once,
    who_is_erased_in_the_middle_has_paid_until_then,
    the_rules_are_those_of_the_request,
    whatever_the_rules_what_is_charged_is_what_the_time_cost,
);

/// One for each second.
const RATE: i64 = 60;

fn rules() -> Policy {
    Policy { hold_seconds: 60, warn_seconds: 60, commission: 2_000, ..Policy::default() }
}

async fn set(world: &World, rules: Policy) -> Policy {
    world.store.apply(Mutation::set_policy(world.tenant, rules)).await.unwrap()
}

/// Somebody who takes a rate for each minute of writing.
async fn charging(world: &World, name: &str, rate: i64) -> User {
    let user = world.user(name).await;
    let rates = Rates { chat: Some(rate), audio: None, video: None };
    let wanted = ProviderUpsert { rates, ..upsert(world, &user, None) };
    world.store.apply(Mutation::upsert_provider(wanted)).await.unwrap();
    user
}

/// Ann with some money, and Pam who takes a coin for each second.
async fn pair(world: &World, money: i64) -> (User, User) {
    set(world, rules()).await;
    let (ann, pam) = (world.user("ann").await, charging(world, "pam", RATE).await);
    if money > 0 {
        world.credited(&ann, money).await;
    }
    (ann, pam)
}

/// An active session since a moment.
async fn begun(world: &World, ann: &User, pam: &User, at: i64) -> Session {
    let asked = request(world, ann, pam, at).await.unwrap();
    make(world, &asked, pam, SessionMove::Accept, at).await.unwrap()
}

/// The clock looks at it.
async fn tick(world: &World, session: &Session, at: i64) -> Session {
    let what = step(world, session, None, SessionMove::Meter, at);
    world.store.apply(Mutation::move_session(what)).await.unwrap()
}

async fn what_goes_on_is_held_and_charged_to_the_second(world: World) {
    let (ann, pam) = pair(&world, 600).await;
    let active = begun(&world, &ann, &pam, 2_000).await;
    assert_eq!((active.paid_until, active.runs_out, active.charged), (Some(122_000), false, 0));
    assert_eq!(world.balances(&ann).await, Balances { available: 480, held: 120, earnings: 0 });
    assert_eq!(world.store.sessions.next_due().await.unwrap(), Some(62_000), "a minute before it is used up");
    assert_eq!(world.store.sessions.due(61_999, 9).await.unwrap(), []);
    let due = (world.tenant, active.id, SessionMove::Meter);
    assert_eq!(world.store.sessions.due(62_000, 9).await.unwrap(), [due]);

    let early = tick(&world, &active, 61_999).await;
    assert_eq!(early, active, "its time has not come");
    let later = tick(&world, &active, 62_000).await;
    assert_eq!(
        (later.paid_until, later.last_sequence),
        (Some(182_000), active.last_sequence),
        "nobody is told"
    );
    let by_somebody = step(&world, &active, Some(&ann), SessionMove::Meter, 122_000);
    let refused = world.store.apply(Mutation::move_session(by_somebody)).await;
    assert_eq!(refused.unwrap_err(), Error::NotParty, "the clock is nobody's");

    let ended = make(&world, &active, &ann, SessionMove::End, 100_999).await.unwrap();
    assert_eq!((ended.charged, ended.paid_until, ended.ended_at), (98, None, Some(100_999)));
    assert_eq!(world.balances(&ann).await, Balances { available: 502, held: 0, earnings: 0 });
    assert_eq!(
        world.balances(&pam).await,
        Balances { earnings: 79, ..Balances::default() },
        "98 less a fifth"
    );
    assert_eq!(world.store.sessions.next_due().await.unwrap(), None);
    assert_eq!(told(&world, &ended), [SessionState::Pending, SessionState::Active, SessionState::Ended]);
    assert_eq!(world.wrong().await, None);
}

async fn who_can_pay_no_further_is_warned_and_then_it_ends(world: World) {
    let (ann, pam) = pair(&world, 150).await;
    let active = begun(&world, &ann, &pam, 0).await;
    assert_eq!((active.paid_until, active.runs_out), (Some(120_000), false));
    let warned = tick(&world, &active, 60_000).await;
    assert_eq!((warned.paid_until, warned.runs_out), (Some(150_000), true));
    assert_eq!(world.store.sessions.next_due().await.unwrap(), Some(150_000));
    let over = tick(&world, &active, 150_300).await;
    assert_eq!((over.state, over.end_reason), (SessionState::Ended, Some(EndReason::Funds)));
    assert_eq!((over.ended_at, over.ended_by, over.charged), (Some(150_000), None, 150), "the right second");
    assert_eq!(world.balances(&ann).await, Balances::default());
    use SessionState::{Active, Ended, Pending};
    assert_eq!(told(&world, &over), [Pending, Active, Active, Ended]);
    let late = make(&world, &active, &ann, SessionMove::End, 150_400).await;
    assert_eq!(late.unwrap_err(), Error::SessionState(Ended));
    assert!(!world.store.sessions.provider(world.tenant, pam.id).await.unwrap().busy);
    assert_eq!(world.wrong().await, None);
}

async fn who_gets_more_in_time_goes_on(world: World) {
    let (ann, pam) = pair(&world, 90).await;
    let active = begun(&world, &ann, &pam, 0).await;
    assert_eq!((active.paid_until, active.runs_out), (Some(90_000), true), "it is all there is");
    world.credited(&ann, 1_000).await;
    let goes_on = tick(&world, &active, 90_000).await;
    assert_eq!((goes_on.paid_until, goes_on.runs_out), (Some(210_000), false));
    use SessionState::{Active, Pending};
    assert_eq!(told(&world, &goes_on), [Pending, Active, Active]);
    let ended = make(&world, &active, &pam, SessionMove::End, 200_000).await.unwrap();
    assert_eq!((ended.charged, world.balances(&ann).await.available), (200, 890));
    assert_eq!(world.wrong().await, None);
}

async fn a_server_that_was_away_charges_what_was_held(world: World) {
    let (ann, pam) = pair(&world, 10_000).await;
    let active = begun(&world, &ann, &pam, 0).await;
    let over = tick(&world, &active, 3_600_000).await;
    assert_eq!((over.state, over.end_reason), (SessionState::Ended, Some(EndReason::Funds)));
    assert_eq!((over.ended_at, over.charged), (Some(120_000), 120));
    assert_eq!(world.balances(&ann).await, Balances { available: 9_880, held: 0, earnings: 0 });

    let again = begun(&world, &ann, &pam, 4_000_000).await;
    let over = make(&world, &again, &ann, SessionMove::End, 9_000_000).await.unwrap();
    assert_eq!(
        (over.ended_at, over.charged),
        (Some(4_120_000), 120),
        "nor if somebody is faster than the clock"
    );
    assert_eq!((over.end_reason, world.wrong().await), (Some(EndReason::Party), None));
}

async fn who_cannot_pay_does_not_begin(world: World) {
    let (ann, pam) = pair(&world, 59).await;
    let refused = request(&world, &ann, &pam, 0).await;
    assert_eq!(refused.unwrap_err(), Error::InsufficientFunds { available: 59, required: 60 });
    let offered = NewSession {
        cause: cause(world.tenant, customer(&pam), 0),
        offered: true,
        ..wanted(&world, &ann, &pam, 0)
    };
    let offered = world.store.apply(Mutation::request_session(offered)).await.unwrap();
    let refused = make(&world, &offered, &ann, SessionMove::Accept, 1).await;
    assert_eq!(refused.unwrap_err(), Error::PayerCannotPay);
    let still = world.store.sessions.session(world.tenant, offered.id).await.unwrap();
    assert_eq!(
        (still.state, still.conversation_id),
        (SessionState::Pending, None),
        "all of it is taken back"
    );
    assert!(!world.store.sessions.provider(world.tenant, pam.id).await.unwrap().busy);
    world.credited(&ann, 1).await;
    let active = make(&world, &offered, &ann, SessionMove::Accept, 2).await.unwrap();
    assert_eq!(active.paid_until, Some(60_002));
    assert_eq!(world.wrong().await, None);
}

async fn what_both_and_the_clock_end_at_once_is_charged_once(world: World) {
    let (ann, pam) = pair(&world, 0).await;
    for round in 0..20 {
        let from = round * 1_000_000;
        world.credited(&ann, 100 + round).await;
        let money = world.balances(&ann).await.available;
        let active = begun(&world, &ann, &pam, from).await;
        let until = active.paid_until.unwrap();
        let mut enders = JoinSet::new();
        for by in [Some(&ann), Some(&pam), None] {
            let what = if by.is_some() { SessionMove::End } else { SessionMove::Meter };
            let (store, end) = (world.store.clone(), step(&world, &active, by, what, until));
            enders.spawn(async move { store.apply(Mutation::move_session(end)).await });
        }
        let outcomes = enders.join_all().await;
        let ended = outcomes.iter().flatten().filter(|session| session.state == SessionState::Ended);
        assert_eq!(ended.count(), 1, "{outcomes:?}");
        let over = world.store.sessions.session(world.tenant, active.id).await.unwrap();
        let spent = money - world.balances(&ann).await.available;
        assert_eq!((over.charged, spent), (money.min(120), money.min(120)));
        assert_eq!(world.balances(&ann).await.held, 0);
    }
    assert_eq!(world.wrong().await, None);
}

async fn who_is_erased_in_the_middle_has_paid_until_then(world: World) {
    let (ann, pam) = pair(&world, 300).await;
    let active = begun(&world, &ann, &pam, 0).await;
    erase(&world, &pam, 30_000).await;
    let over = world.store.sessions.session(world.tenant, active.id).await.unwrap();
    assert_eq!((over.end_reason, over.charged), (Some(EndReason::Erased), 30));
    assert_eq!(world.balances(&ann).await, Balances { available: 270, held: 0, earnings: 0 });
    assert_eq!(world.wrong().await, None, "what they would have earned is the tenant's");

    let eve = charging(&world, "eve", RATE).await;
    let active = begun(&world, &ann, &eve, 100_000).await;
    erase(&world, &ann, 110_000).await;
    let over = world.store.sessions.session(world.tenant, active.id).await.unwrap();
    assert_eq!((over.end_reason, over.charged), (Some(EndReason::Erased), 10));
    assert_eq!((world.balances(&eve).await.earnings, world.wrong().await), (8, None));
}

async fn the_rules_are_those_of_the_request(world: World) {
    let (ann, pam) = pair(&world, 600).await;
    let asked = request(&world, &ann, &pam, 0).await.unwrap();
    set(&world, Policy { rounding: Rounding::StartedMinute, commission: 0, ..rules() }).await;
    let dear = Rates { chat: Some(6_000), audio: None, video: None };
    let dearer = ProviderUpsert { rates: dear, ..upsert(&world, &pam, None) };
    world.store.apply(Mutation::upsert_provider(dearer)).await.unwrap();
    make(&world, &asked, &pam, SessionMove::Accept, 0).await.unwrap();
    let ended = make(&world, &asked, &ann, SessionMove::End, 10_000).await.unwrap();
    assert_eq!((ended.charged, world.balances(&pam).await.earnings), (10, 8));
}

/// Whole numbers that follow from their seed.
struct Dice(u64);

impl Dice {
    fn up_to(&mut self, most: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).unwrap() % most
    }
}

/// A session by rules that nobody chose, with money that comes in between: the clock looks at it when it asks to be looked at,
/// up to half a second late.
async fn whatever_the_rules_what_is_charged_is_what_the_time_cost(world: World) {
    let mut dice = Dice(20_261_130);
    let mut by_reason = HashSet::new();
    for round in 0..40 {
        let rounding = if dice.up_to(2) == 0 { Rounding::Second } else { Rounding::StartedMinute };
        let rules = Policy {
            rounding,
            minimum_amount: dice.up_to(3) * dice.up_to(200),
            free_seconds: dice.up_to(2) * dice.up_to(400),
            warn_seconds: dice.up_to(90),
            hold_seconds: 1 + dice.up_to(120),
            commission: dice.up_to(10_001),
            ..Policy::default()
        };
        let rules = set(&world, rules).await;
        let rate = 1 + dice.up_to(300);
        let ann = world.user(&format!("ann {round}")).await;
        let pam = charging(&world, &format!("pam {round}"), rate).await;
        let tariff = rules.tariff(rate);
        let mut money = tariff.cost(u64::try_from(rules.hold_seconds).unwrap()).unwrap() + dice.up_to(2_000);
        if money > 0 {
            world.credited(&ann, money).await;
        }
        let (from, wanted_end) = (round * 100_000_000, round * 100_000_000 + dice.up_to(1_500_000));
        let mut session = begun(&world, &ann, &pam, from).await;
        while session.state == SessionState::Active {
            let due = world.store.sessions.next_due().await.unwrap().unwrap();
            if due >= wanted_end {
                session = make(&world, &session, &ann, SessionMove::End, wanted_end).await.unwrap();
                break;
            }
            session = tick(&world, &session, due + dice.up_to(500)).await;
            let more = 5_000 + dice.up_to(50);
            if session.state == SessionState::Active && session.runs_out && dice.up_to(3) == 0 {
                let key = format!("more {round} {money}");
                let order = crate::ledger::order(world.tenant, &key, None);
                world.store.apply(Mutation::credit(order, world.wallet(&ann), more)).await.unwrap();
                money += more;
            }
        }
        let seconds = u64::try_from((session.ended_at.unwrap() - from) / 1_000).unwrap();
        assert_eq!(Some(session.charged), tariff.cost(seconds), "{rules:?} at {rate} for {seconds} s");
        let left = world.balances(&ann).await;
        assert_eq!((left.available, left.held), (money - session.charged, 0), "{rules:?} at {rate}");
        if session.end_reason == Some(EndReason::Funds) {
            let lasts = parlor_store::meter::Lasts::Seconds(seconds);
            assert_eq!(tariff.lasts(money), lasts, "not a second less: {rules:?} at {rate}");
        }
        by_reason.insert(session.end_reason);
    }
    assert_eq!((by_reason.len(), world.wrong().await), (2, None), "some ended so, some so");
}
