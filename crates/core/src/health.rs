//! Whether this core can serve: it looks at the database now and then, at once when somebody asks, and tells whoever
//! speaks the standard health service.
//!
//! The rule it keeps: an answer is fresh, comes soon, and costs the database nothing that grows with the asking. All who
//! ask at once share one look, and a look that is young enough serves those who come after.

use std::{sync::Arc, time::Duration};

use parlor_api::v1::{
    chat_service_server, directory_service_server, presence_service_server, token_service_server,
};
use parlor_store::{Error as StoreError, Store};
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tonic::{Request, Response, Status};
use tonic_health::{
    ServingStatus,
    pb::{
        HealthCheckRequest, HealthCheckResponse, health_check_response,
        health_server::{Health as HealthApi, HealthServer},
    },
    server::{HealthReporter, HealthService, WatchStream},
};

use crate::{Error, Result, clock::Clock};

/// What health is told of: the server as a whole, and each service by its name.
const SERVICES: [&str; 5] = [
    "",
    chat_service_server::SERVICE_NAME,
    directory_service_server::SERVICE_NAME,
    presence_service_server::SERVICE_NAME,
    token_service_server::SERVICE_NAME,
];

/// Those who watch rather than ask hear of a change within about this.
const LOOK_EVERY_MS: i64 = 5_000;
/// A database that takes longer cannot serve; below what a gateway's own probe waits.
const LOOK_WITHIN: Duration = Duration::from_secs(1);
/// So old may an answer be: the database is asked four times a second at most, however many probes there are.
const FRESH_MS: i64 = 250;

/// The health of this core.
pub struct Health {
    asked: Arc<Notify>,
    seen: watch::Receiver<Look>,
    clock: Clock,
    reporter: HealthReporter,
    tasks: TaskTracker,
    stop: CancellationToken,
    lost: CancellationToken,
    /// A core that is dropped takes the task with it.
    _stops: DropGuard,
}

/// What was seen, and when.
#[derive(Clone, Debug)]
struct Look {
    at_ms: i64,
    found: Result<(), StoreError>,
}

impl Look {
    /// Young enough to answer with. A clock that was set back makes nothing young.
    fn is_fresh(&self, now_ms: i64) -> bool {
        (0..FRESH_MS).contains(&now_ms.saturating_sub(self.at_ms))
    }
}

/// What the task owns.
struct Looker {
    store: Store,
    clock: Clock,
    reporter: HealthReporter,
    asked: Arc<Notify>,
    seen: watch::Sender<Look>,
    lost: CancellationToken,
}

impl Health {
    /// Looks for the first time, and goes on looking, until `lost` says that the database is another core's.
    pub async fn start(store: Store, clock: Clock, lost: CancellationToken) -> Arc<Self> {
        let (asked, reporter) = (Arc::new(Notify::new()), HealthReporter::new());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let first = look(&store, &clock).await;
        tell(&reporter, &first).await;
        let (sender, seen) = watch::channel(first);
        let looker = Looker {
            store,
            clock: clock.clone(),
            reporter: reporter.clone(),
            asked: asked.clone(),
            seen: sender,
            lost: lost.clone(),
        };
        let stopped = stop.clone();
        tasks.spawn(async move {
            let _ = stopped.run_until_cancelled(looker.work()).await;
        });
        let _stops = stop.clone().drop_guard();
        Arc::new(Self { asked, seen, clock, reporter, tasks, stop, lost, _stops })
    }

    /// Whether calls can be served now.
    pub async fn ready(&self) -> Result<()> {
        let mut seen = self.seen.clone();
        if self.lost.is_cancelled() {
            return Err(StoreError::Unavailable("the database is another core's".to_owned()).into());
        }
        if !seen.borrow_and_update().is_fresh(self.clock.now()) && !self.stop.is_cancelled() {
            self.asked.notify_one();
            // The task has ended if this fails, which is told below.
            let _ = seen.changed().await;
        }
        if self.stop.is_cancelled() {
            return Err(StoreError::Unavailable("this core goes down".to_owned()).into());
        }
        let look = seen.borrow().clone();
        Ok(look.found?)
    }

    /// From now on this core does not serve.
    pub async fn end(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        set(&self.reporter, ServingStatus::NotServing).await;
    }

    /// The standard health service.
    pub fn service(self: &Arc<Self>) -> HealthServer<impl HealthApi> {
        let told = HealthService::from_health_reporter(self.reporter.clone());
        HealthServer::new(Rpc { health: self.clone(), told })
    }
}

impl Looker {
    async fn work(self) {
        loop {
            let last = self.seen.borrow().clone();
            tokio::select! {
                () = self.lost.cancelled() => break,
                () = self.asked.notified() => {}
                () = self.clock.sleep_until(last.at_ms.saturating_add(LOOK_EVERY_MS)) => {}
            }
            if last.is_fresh(self.clock.now()) {
                // Callers who asked during the last look have been answered by it.
                continue;
            }
            let (look, before) = (look(&self.store, &self.clock).await, last.found.is_ok());
            match &look.found {
                Ok(()) if !before => tracing::info!("the database serves again"),
                Err(error) if before => tracing::warn!(%error, "the database does not serve"),
                Ok(()) | Err(_) => {}
            }
            tell(&self.reporter, &look).await;
            self.seen.send_replace(look);
        }
        metrics::gauge!(crate::metric::READY).set(0.0);
        set(&self.reporter, ServingStatus::NotServing).await;
    }
}

async fn look(store: &Store, clock: &Clock) -> Look {
    let late = |_| Err(StoreError::Unavailable("the database takes too long".to_owned()));
    let found = timeout(LOOK_WITHIN, store.ping()).await.unwrap_or_else(late);
    metrics::gauge!(crate::metric::READY).set(if found.is_ok() { 1.0 } else { 0.0 });
    Look { at_ms: clock.now(), found }
}

async fn tell(reporter: &HealthReporter, look: &Look) {
    let serves = if look.found.is_ok() { ServingStatus::Serving } else { ServingStatus::NotServing };
    set(reporter, serves).await;
}

async fn set(reporter: &HealthReporter, status: ServingStatus) {
    for service in SERVICES {
        reporter.set_service_status(service, status).await;
    }
}

/// The service as it is told, after a look that is fresh.
struct Rpc {
    health: Arc<Health>,
    told: HealthService,
}

#[tonic::async_trait]
impl HealthApi for Rpc {
    type WatchStream = WatchStream;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if self.health.lost.is_cancelled() && SERVICES.contains(&request.get_ref().service.as_str()) {
            // Also before those who watch have been told.
            let status = health_check_response::ServingStatus::NotServing.into();
            return Ok(Response::new(HealthCheckResponse { status }));
        }
        // What was found is in what is told; a service that nobody has heard of is refused there.
        let _: Result<(), Error> = self.health.ready().await;
        self.told.check(request).await
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.told.watch(request).await
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt as _, future::join_all};

    use super::*;

    /// A store, and where it is.
    async fn store() -> (Store, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("test.db").display());
        parlor_migration::up(&url).await.unwrap();
        let options = parlor_store::Options { url, read_connections: 1 };
        (Store::open(options, Box::new(|_| {})).await.unwrap(), directory)
    }

    fn rpc(health: &Arc<Health>) -> Rpc {
        let told = HealthService::from_health_reporter(health.reporter.clone());
        Rpc { health: health.clone(), told }
    }

    fn anything() -> Request<HealthCheckRequest> {
        Request::new(HealthCheckRequest::default())
    }

    async fn asked(rpc: &Rpc) -> i32 {
        rpc.check(anything()).await.unwrap().into_inner().status
    }

    #[tokio::test]
    async fn a_database_that_is_gone_is_told_to_who_asks_and_who_watches() {
        let ((store, _directory), clock) = (store().await, Clock::default());
        let health = Health::start(store.clone(), clock.clone(), CancellationToken::new()).await;
        let rpc = rpc(&health);
        let mut watched = rpc.watch(anything()).await.unwrap().into_inner();
        let mut next = async || watched.next().await.unwrap().unwrap().status;
        assert_eq!((asked(&rpc).await, next().await), (1, 1), "it serves");
        store.close().await;
        clock.advance(Duration::from_secs(5));
        assert_eq!(next().await, 2, "who only watches hears of it");
        assert!(health.ready().await.is_err());
        assert_eq!(asked(&rpc).await, 2);
    }

    #[test]
    fn an_answer_may_be_so_old() {
        let look = Look { at_ms: 1_000, found: Ok(()) };
        assert!(look.is_fresh(1_000 + FRESH_MS - 1));
        assert!(!look.is_fresh(1_000 + FRESH_MS));
        assert!(!look.is_fresh(999), "the clock was set back");
    }

    #[tokio::test]
    async fn many_who_ask_share_a_fresh_look() {
        let ((store, _directory), clock) = (store().await, Clock::default());
        let health = Health::start(store, clock.clone(), CancellationToken::new()).await;
        clock.advance(Duration::from_millis(250));
        join_all((0..100).map(|_| async { health.ready().await.unwrap() })).await;
        assert!(health.seen.has_changed().unwrap());
    }

    #[tokio::test]
    async fn a_core_that_goes_down_does_not_serve() {
        let ((store, _directory), clock) = (store().await, Clock::default());
        let health = Health::start(store, clock.clone(), CancellationToken::new()).await;
        health.end().await;
        assert!(health.ready().await.is_err());
        assert_eq!(asked(&rpc(&health)).await, 2);
    }

    #[tokio::test]
    async fn a_core_whose_database_is_anothers_does_not_serve_whoever_asks_or_watches() {
        let ((store, _directory), clock) = (store().await, Clock::default());
        let lost = CancellationToken::new();
        let health = Health::start(store, clock.clone(), lost.clone()).await;
        let rpc = rpc(&health);
        let mut watched = rpc.watch(anything()).await.unwrap().into_inner();
        let mut next = async || watched.next().await.unwrap().unwrap().status;
        assert_eq!(next().await, 1);
        lost.cancel();
        assert_eq!((health.ready().await.is_err(), asked(&rpc).await), (true, 2), "at once");
        assert_eq!(next().await, 2, "also without a question");
        clock.advance(Duration::from_secs(5));
        assert!(health.ready().await.is_err(), "that the database answers changes nothing");
    }
}
