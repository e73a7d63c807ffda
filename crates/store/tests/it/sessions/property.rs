//! Whatever is tried in whatever order, a session moves along its lines only.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::*;
use crate::world::Place;

/// What somebody does next.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Request { payer: usize, provider: usize },
    Move { session: usize, by: usize, what: SessionMove },
}

const PAYERS: usize = 3;
const PEOPLE: usize = 5;

fn deed() -> impl Strategy<Value = Deed> {
    use SessionMove::{Accept, Cancel, Decline, End, Expire, Leave};
    let what = prop::sample::select(vec![Accept, Accept, Decline, Cancel, End, End, Leave, Expire]);
    prop_oneof![
        1 => (0..PAYERS, PAYERS..PEOPLE).prop_map(|(payer, provider)| Deed::Request { payer, provider }),
        4 => (0..8_usize, 0..PEOPLE, what).prop_map(|(session, by, what)| Deed::Move { session, by, what }),
    ]
}

/// Whatever is tried in whatever order: a session moves along its lines only, each move is told once, and nobody is in two
/// that are active.
#[test]
fn no_sequence_of_moves_commits_an_illegal_one() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    let deeds = prop::collection::vec(deed(), 1..60);
    let world = runtime.block_on(World::on(Place::sqlite()));
    let round = std::sync::atomic::AtomicU64::new(0);
    TestRunner::new(config)
        .run(&deeds, |deeds| {
            let round = round.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            runtime.block_on(carry_out(&world, round, &deeds));
            Ok(())
        })
        .unwrap();
}

async fn carry_out(world: &World, round: u64, deeds: &[Deed]) {
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        let name = format!("{round} {number}");
        people.push(if number < PAYERS { world.user(&name).await } else { provider(world, &name).await });
    }
    let mut sessions: Vec<Session> = Vec::new();
    for (at, deed) in (10_000..).zip(deeds) {
        match *deed {
            Deed::Request { payer, provider } => {
                let live = |session: &&Session| {
                    session.payer_id == Some(people[payer].id)
                        && session.provider_id == Some(people[provider].id)
                        && session.state.is_live()
                };
                let expected = sessions.iter().find(live).map(|session| session.id);
                match request(world, &people[payer], &people[provider], at).await {
                    Ok(session) => {
                        assert_eq!(expected, None);
                        sessions.push(session);
                    }
                    Err(error) => assert_eq!(Some(error), expected.map(Error::SessionExists)),
                }
            }
            Deed::Move { session, by, what } => {
                let Some(before) = sessions.get(session).cloned() else { continue };
                let by = Some(&people[by]).filter(|_| what != SessionMove::Expire);
                let over = what == SessionMove::Expire;
                let at = if over { before.expires_at } else { at };
                let moved =
                    world.store.apply(Mutation::move_session(step(world, &before, by, what, at))).await;
                if let Ok(after) = moved {
                    use SessionState::{Active, Cancelled, Declined, Ended, Expired, Pending};
                    let legal = [
                        (Pending, Active),
                        (Pending, Declined),
                        (Pending, Cancelled),
                        (Pending, Expired),
                        (Active, Ended),
                    ];
                    assert!(legal.contains(&(before.state, after.state)), "{before:?} {after:?}");
                    sessions[session] = after;
                }
            }
        }
        for person in &people {
            let takes_part = |session: &&Session| session.side_of(person.id).is_some();
            let active = sessions.iter().filter(|session| session.state == SessionState::Active);
            assert!(active.filter(takes_part).count() <= 1, "nobody is in two");
        }
    }
    for session in &sessions {
        let stored = world.store.sessions.session(world.tenant, session.id).await.unwrap();
        assert_eq!((stored.state, stored.last_sequence), (session.state, session.last_sequence));
        assert_eq!(told(world, session).last(), Some(&session.state));
    }
}
