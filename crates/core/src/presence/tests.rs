//! Presence over a real store: what is told, and what a restart leaves.

use std::time::Duration;

use parlor_api::v1::event::Payload;
use parlor_bus as _;
use parlor_store::{Availability, Roles, Store, Tenant, TenantId, UserUpsert, What};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{caller::Actor, caller::Proof, clock::Clock};

const LINGER: Duration = Duration::from_secs(10);

pub(super) struct World {
    _dir: tempfile::TempDir,
    store: Store,
    pub clock: Clock,
    pub tenant: TenantId,
    pub ann: Arc<User>,
}

impl World {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("parlor.db").display());
        parlor_migration::up(&url).await.unwrap();
        let options = parlor_store::Options { url, read_connections: 2 };
        let store = Store::open(options, Box::new(|_| {})).await.unwrap();
        let clock = Clock::default();
        let tenant = Tenant {
            id: TenantId(0),
            slug: "demo".into(),
            number: None,
            display_name: "Demo".into(),
            origins: Vec::new(),
            created_at: clock.now(),
        };
        let tenant = store.directory.create_tenant(tenant).await.unwrap().id;
        let upsert =
            UserUpsert { username: Some("ann".into()), roles: Some(Roles::CUSTOMER), ..Default::default() };
        let (ann, _) = store.directory.upsert_user(tenant, upsert, clock.now()).await.unwrap();
        Self { _dir: dir, store, clock, tenant, ann: Arc::new(ann) }
    }

    async fn node(&self, epoch: &str) -> (Presence, mpsc::Receiver<v1::PresenceChanged>) {
        self.node_named("a", epoch).await
    }

    async fn node_named(&self, node: &str, epoch: &str) -> (Presence, mpsc::Receiver<v1::PresenceChanged>) {
        self.node_heard(node, epoch, 100).await
    }

    /// A node of whom so many changes may wait to be heard.
    async fn node_heard(
        &self,
        node: &str,
        epoch: &str,
        room: usize,
    ) -> (Presence, mpsc::Receiver<v1::PresenceChanged>) {
        let (told, heard) = mpsc::channel(room);
        let announce: Announce = Arc::new(move |_, _, event| {
            if let Some(Payload::PresenceChanged(changed)) = event.payload {
                told.try_send(changed).unwrap();
            }
        });
        let started = self.try_node(node, "home", epoch, CancellationToken::new(), announce).await;
        (started.unwrap(), heard)
    }

    async fn try_node(
        &self,
        node: &str,
        home: &str,
        epoch: &str,
        lost: CancellationToken,
        announce: Announce,
    ) -> Result<Presence, NotStarted> {
        let options = Options {
            node: node.into(),
            epoch: epoch.into(),
            home: home.into(),
            restart_linger: Some(LINGER),
        };
        Presence::start(self.store.clone(), self.clock.clone(), options, lost, announce).await
    }

    /// A node of another home, which nobody hears.
    async fn elsewhere(&self, node: &str, epoch: &str) -> Result<Presence, NotStarted> {
        let nobody: Announce = Arc::new(|_, _, _| {});
        self.try_node(node, "elsewhere", epoch, CancellationToken::new(), nobody).await
    }

    /// Moves the clock on, again and again, until it has come to pass.
    pub async fn while_time_goes_by<T>(&self, coming: impl Future<Output = T>) -> T {
        let mut moments = tokio::time::interval(Duration::from_millis(20));
        moments.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tokio::pin!(coming);
        loop {
            tokio::select! {
                come = &mut coming => return come,
                _ = moments.tick() => self.clock.advance(Duration::from_millis(500)),
            }
        }
    }

    fn caller(&self, principal: Principal) -> Caller {
        Caller {
            principal: Some(Arc::new(principal)),
            edge: false,
            connection: String::new(),
            peer: String::new(),
            request_id: Arc::default(),
            tenant_wish: None,
            issuers: Vec::new(),
            signup: false,
        }
    }

    /// A node of which one hears what is told of visits.
    pub async fn visited(&self, epoch: &str) -> (Presence, mpsc::Receiver<v1::VisitChanged>) {
        let (told, heard) = mpsc::channel(100);
        let announce: Announce = Arc::new(move |_, _, event| {
            if let Some(Payload::VisitChanged(changed)) = event.payload {
                told.try_send(changed).unwrap();
            }
        });
        let started = self.try_node("a", "home", epoch, CancellationToken::new(), announce).await;
        (started.unwrap(), heard)
    }

    pub fn guest(&self) -> Principal {
        Principal { actor: Actor::Guest, roles: Roles::default(), ..self.staff() }
    }

    pub fn customer(&self) -> Principal {
        Principal { actor: Actor::User(Arc::clone(&self.ann)), roles: Roles::CUSTOMER, ..self.staff() }
    }

    pub fn staff(&self) -> Principal {
        Principal {
            tenant: self.tenant,
            tenant_slug: "demo".into(),
            actor: Actor::Operator,
            roles: Roles::ADMIN,
            proof: Proof::default(),
            rights_until: None,
        }
    }
}

fn tab(name: &str) -> Counted {
    Counted { scope: "test".into(), name: name.into() }
}

async fn reachable(heard: &mut mpsc::Receiver<v1::PresenceChanged>) -> bool {
    heard.recv().await.unwrap().presence.unwrap().reachable
}

#[tokio::test]
async fn a_person_with_two_tabs_comes_once_and_leaves_after_the_linger_of_the_last() {
    let world = World::new().await;
    let (presence, mut heard) = world.node("1").await;
    presence.connect(world.tenant, &world.ann, tab("tab 1")).await.unwrap();
    presence.connect(world.tenant, &world.ann, tab("tab 2")).await.unwrap();
    assert!(reachable(&mut heard).await);
    let seen = presence.person(world.tenant, world.ann.id).await.unwrap();
    assert_eq!(seen.connections, 2);
    assert!(seen.reachable());

    presence.disconnect(world.tenant, world.ann.id, &tab("tab 1"), LINGER);
    presence.disconnect(world.tenant, world.ann.id, &tab("tab 2"), LINGER);
    assert!(presence.person(world.tenant, world.ann.id).await.unwrap().reachable());
    assert!(heard.try_recv().is_err(), "nobody left yet");

    world.clock.advance(LINGER);
    assert!(!reachable(&mut heard).await);
    let seen = presence.person(world.tenant, world.ann.id).await.unwrap();
    assert!(!seen.reachable());
    assert!(seen.row.last_seen.is_some());
    presence.shutdown().await;
}

#[tokio::test]
async fn who_was_renamed_since_they_were_let_in_is_told_by_the_new_name() {
    let world = World::new().await;
    let (presence, mut heard) = world.node("1").await;
    let rename =
        UserUpsert { id: Some(world.ann.id), display_name: Some("Anna".into()), ..UserUpsert::default() };
    // Not even the clock has moved since they were made.
    world.store.directory.upsert_user(world.tenant, rename, world.ann.updated_at).await.unwrap();
    presence.connect(world.tenant, &world.ann, tab("tab")).await.unwrap();
    let told = heard.recv().await.unwrap();
    assert_eq!(told.person.unwrap().display_name, "Anna");
    presence.shutdown().await;
}

#[tokio::test]
async fn a_quick_restart_shows_nobody_leaving() {
    let world = World::new().await;
    let (first, _heard) = world.node("1").await;
    first.connect(world.tenant, &world.ann, tab("tab")).await.unwrap();

    // The first run is killed: it says no goodbye.
    let (second, mut heard) = world.node("2").await;
    assert_eq!(second.online(world.tenant).await.unwrap().0.len(), 1);
    second.connect(world.tenant, &world.ann, tab("tab again")).await.unwrap();
    world.clock.advance(LINGER * 2);
    assert!(second.person(world.tenant, world.ann.id).await.unwrap().reachable());
    assert!(heard.try_recv().is_err(), "nobody left and nobody came");
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test]
async fn who_does_not_come_back_after_a_restart_left_when_they_were_last_there() {
    let world = World::new().await;
    let (first, _heard) = world.node("1").await;
    first.connect(world.tenant, &world.ann, tab("tab")).await.unwrap();
    let last_there = world.clock.now();
    first.shutdown().await;

    world.clock.advance(Duration::from_secs(3600));
    let (second, mut heard) = world.node("2").await;
    world.clock.advance(LINGER);
    assert!(!reachable(&mut heard).await);
    let seen = second.person(world.tenant, world.ann.id).await.unwrap();
    let last_seen = seen.row.last_seen.unwrap();
    assert!(last_seen < last_there + 1_800_000, "{last_seen} is not when they were last there, {last_there}");
    second.shutdown().await;
}

#[tokio::test]
async fn availability_outlives_connections_and_decides_who_is_shown() {
    let world = World::new().await;
    let (presence, mut heard) = world.node("1").await;
    let upsert = UserUpsert { username: Some("sue".into()), roles: Some(Roles::STAFF), ..Default::default() };
    let (sue, _) = world.store.directory.upsert_user(world.tenant, upsert, 1).await.unwrap();
    let sue = Arc::new(sue);
    let customer =
        Principal { actor: Actor::User(Arc::clone(&world.ann)), roles: Roles::CUSTOMER, ..world.staff() };
    let caller = world.caller(world.staff());

    presence.connect(world.tenant, &sue, tab("desk")).await.unwrap();
    assert!(presence.visible_person(&customer, sue.id).await.is_ok());
    let off = v1::SetAvailabilityRequest {
        user_id: sue.id.to_string(),
        availability: v1::Availability::Off.into(),
    };
    presence.choose(&caller, &off).await.unwrap();
    assert_eq!(presence.visible_person(&customer, sue.id).await.unwrap_err(), Error::NotFound(What::User));
    assert!(presence.visible_person(&world.staff(), sue.id).await.unwrap().reachable());

    presence.disconnect(world.tenant, sue.id, &tab("desk"), Duration::ZERO);
    let mut revisions = Vec::new();
    for _ in 0..3 {
        revisions.push(heard.recv().await.unwrap().revision);
    }
    assert_eq!(revisions, [1, 2, 3], "each change has its own revision, in order");
    let seen = presence.person(world.tenant, sue.id).await.unwrap();
    assert_eq!((seen.reachable(), seen.row.availability), (false, Availability::Off));
    presence.shutdown().await;
}

#[tokio::test]
async fn a_choice_is_told_though_nobody_waits_for_the_answer() {
    let world = World::new().await;
    let (presence, mut heard) = world.node("1").await;
    let upsert = UserUpsert { username: Some("sue".into()), roles: Some(Roles::STAFF), ..Default::default() };
    let (sue, _) = world.store.directory.upsert_user(world.tenant, upsert, 1).await.unwrap();
    let caller = world.caller(world.staff());
    let busy = v1::SetAvailabilityRequest {
        user_id: sue.id.to_string(),
        availability: v1::Availability::Busy.into(),
    };
    let mut stored = world.store.presence.presence(world.tenant, sue.id).await.unwrap();
    {
        let choosing = presence.choose(&caller, &busy);
        tokio::pin!(choosing);
        // It is polled until its change is in the store, and then dropped.
        while stored.is_none() {
            assert!(futures::poll!(&mut choosing).is_pending());
            stored = world.store.presence.presence(world.tenant, sue.id).await.unwrap();
        }
    }
    let told = tokio::time::timeout(Duration::from_secs(10), heard.recv()).await.unwrap().unwrap();
    assert_eq!(told.presence.unwrap().availability, i32::from(v1::Availability::Busy));
    presence.shutdown().await;
}

/// Its number is that of somebody else's change, which may not have been told yet.
#[tokio::test]
async fn who_changes_nothing_is_not_told_with_the_number_of_another() {
    let world = World::new().await;
    let (presence, mut heard) = world.node("1").await;
    let caller = world.caller(world.staff());
    let choose = async |user: UserId, choice: v1::Availability| {
        let request = v1::SetAvailabilityRequest { user_id: user.to_string(), availability: choice.into() };
        presence.choose(&caller, &request).await.unwrap()
    };
    let upsert = UserUpsert { username: Some("sue".into()), roles: Some(Roles::STAFF), ..Default::default() };
    let (sue, _) = world.store.directory.upsert_user(world.tenant, upsert, 1).await.unwrap();
    choose(world.ann.id, v1::Availability::Busy).await;
    assert_eq!(heard.recv().await.unwrap().revision, 1);
    // Stored, and told by nobody yet.
    let busy = world.store.presence.set_availability(world.tenant, sue.id, Availability::Busy).await.unwrap();
    let shown = choose(world.ann.id, v1::Availability::Busy).await;
    assert_eq!(shown.availability, i32::from(v1::Availability::Busy));
    let told = heard.recv().await.unwrap();
    assert_eq!((told.revision, told.presence), (busy.revision.unsigned_abs(), None), "all are read anew");
    presence.shutdown().await;
}

#[tokio::test]
async fn whom_a_node_of_another_name_left_online_leaves_too() {
    let world = World::new().await;
    let (first, _heard) = world.node_named("pod-1", "1").await;
    first.connect(world.tenant, &world.ann, tab("tab")).await.unwrap();
    let (second, mut heard) = world.node_named("pod-2", "2").await;
    assert_eq!(second.online(world.tenant).await.unwrap().0.len(), 1);
    world.clock.advance(LINGER);
    let left = tokio::time::timeout(Duration::from_secs(5), reachable(&mut heard)).await;
    assert_eq!(left, Ok(false), "nobody is a ghost");
    assert!(second.online(world.tenant).await.unwrap().0.is_empty());
    second.shutdown().await;
}

#[tokio::test]
async fn a_second_core_is_refused_while_the_first_lives_whatever_their_names() {
    let world = World::new().await;
    let (first, _heard) = world.node_named("first", "1").await;
    first.connect(world.tenant, &world.ann, tab("tab")).await.unwrap();
    for name in ["first", "second"] {
        let refused = world.while_time_goes_by(world.elsewhere(name, name)).await.unwrap_err();
        let NotStarted::Occupied(other) = refused else { panic!("{refused:?}") };
        assert_eq!(other.node, "first");
    }
    assert!(
        first.person(world.tenant, world.ann.id).await.unwrap().reachable(),
        "nothing has happened to it"
    );
    first.shutdown().await;
    first.end().await;
    // Its clock stands still: nothing is waited for.
    let third = world.elsewhere("third", "3").await.unwrap();
    assert_eq!(third.online(world.tenant).await.unwrap().0.len(), 1, "nobody is shown as leaving");
    third.shutdown().await;
}

#[tokio::test]
async fn a_core_elsewhere_that_is_silent_is_dead_and_one_that_was_so_for_long_is_not_waited_for() {
    let world = World::new().await;
    for (epoch, silence) in [("1", Duration::ZERO), ("2", Duration::from_secs(3601))] {
        let (first, _heard) = world.node_named("first", epoch).await;
        first.connect(world.tenant, &world.ann, tab("tab")).await.unwrap();
        // As if it were killed.
        first.shutdown().await;
        world.clock.advance(silence);
        let began = world.clock.now();
        let second = world.elsewhere("second", epoch);
        let second = if silence.is_zero() { world.while_time_goes_by(second).await } else { second.await };
        let second = second.unwrap();
        assert_eq!(world.clock.now() - began >= 7_000, silence.is_zero());
        assert_eq!(second.online(world.tenant).await.unwrap().0.len(), 1, "they may come back");
        second.shutdown().await;
        second.end().await;
    }
}

#[tokio::test]
async fn a_core_that_another_has_taken_over_from_finds_out_and_keeps_nobody_waiting() {
    let world = World::new().await;
    let (lost, nobody): (_, Announce) = (CancellationToken::new(), Arc::new(|_, _, _| {}));
    let first = world.try_node("first", "home", "1", lost.clone(), nobody).await.unwrap();
    let (second, _heard) = world.node_named("second", "2").await;
    let refused = first.connect(world.tenant, &world.ann, tab("tab")).await;
    assert_eq!(refused, Err(Error::TryAgain));
    lost.cancelled().await;
    first.shutdown().await;
    first.end().await;
    second.connect(world.tenant, &world.ann, tab("tab")).await.unwrap();
    assert!(second.person(world.tenant, world.ann.id).await.unwrap().reachable());
    second.shutdown().await;
}

#[tokio::test]
async fn a_renewal_finds_out_too() {
    let world = World::new().await;
    let (lost, nobody): (_, Announce) = (CancellationToken::new(), Arc::new(|_, _, _| {}));
    let first = world.try_node("first", "home", "1", lost.clone(), nobody).await.unwrap();
    let (second, _heard) = world.node_named("second", "2").await;
    world.while_time_goes_by(lost.cancelled()).await;
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test]
async fn many_who_stay_away_are_told_each_with_a_revision_and_who_comes_back_is_not() {
    const MANY: usize = 300;
    let world = World::new().await;
    let (first, _heard) = world.node_heard("a", "1", MANY).await;
    let mut people = Vec::new();
    for nth in 0..MANY {
        let upsert = UserUpsert { username: Some(format!("user-{nth}")), ..Default::default() };
        let (user, _) = world.store.directory.upsert_user(world.tenant, upsert, 1).await.unwrap();
        people.push(Arc::new(user));
    }
    let come = people.iter().map(|user| first.connect(world.tenant, user, tab("tab")));
    for come in futures::future::join_all(come).await {
        come.unwrap();
    }
    first.shutdown().await;
    let (second, mut heard) = world.node_heard("a", "2", MANY).await;
    second.connect(world.tenant, &people[7], tab("again")).await.unwrap();
    world.clock.advance(LINGER);
    let mut gone = HashMap::new();
    let mut revisions = Vec::new();
    for _ in 1..MANY {
        let changed = heard.recv().await.unwrap();
        revisions.push(changed.revision);
        let presence = changed.presence.unwrap();
        gone.insert(presence.person.unwrap().user_id, presence.reachable);
    }
    assert!(revisions.windows(2).all(|pair| pair[1] == pair[0] + 1), "{revisions:?}");
    assert_eq!(gone.len(), MANY - 1, "each is told once");
    assert!(gone.values().all(|reachable| !reachable) && !gone.contains_key(&people[7].id.to_string()));
    assert_eq!(second.online(world.tenant).await.unwrap().0.len(), 1);
    second.shutdown().await;
}
