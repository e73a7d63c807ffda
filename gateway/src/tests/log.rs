//! Who is not let in leaves a line in the log, once a minute for each mount and reason.

use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex},
};

use http::StatusCode;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use crate::tests::world::{Plan, World};

/// What was said at warn and above by whoever runs on this thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn enter(&self, _span: &Id) {}
    fn exit(&self, _span: &Id) {}
}

impl Lines {
    /// Those that have all of this in them.
    fn with(&self, parts: &[&str]) -> usize {
        let lines = self.0.lock().unwrap();
        lines.iter().filter(|line| parts.iter().all(|part| line.contains(part))).count()
    }
}

#[tokio::test]
async fn who_is_not_let_in_is_told_once_for_each_mount_and_reason() {
    let lines = Lines::default();
    let _here = tracing::subscriber::set_default(lines.clone());
    let origins = vec!["https://shop.example".to_owned()];
    let world = World::start(Plan { origins, ..Plan::default() }).await;
    for mount in ["/echo", "/calm", "/echo"] {
        let mut socket = world.socket(mount).await;
        socket.say("refuse").await;
        socket.say("after").await;
        socket.hears("after").await;
    }
    assert_eq!(lines.with(&["mount=\"echo\"", "what=\"join\"", "why=\"no proof\"", "times=1"]), 1);
    assert_eq!(lines.with(&["mount=\"calm\"", "why=\"no proof\""]), 1);

    let foreign = [("origin", "https://evil.example")];
    for path in ["/echo", "/echo", "/socket.io/?EIO=4&transport=websocket"] {
        assert_eq!(world.try_socket(path, &foreign).await.err(), Some(StatusCode::FORBIDDEN), "{path}");
    }
    assert_eq!(lines.with(&["mount=\"echo\"", "https://evil.example"]), 1);
    assert_eq!(lines.with(&["mount=\"calm\"", "https://evil.example"]), 1, "no mount of the path lets it in");
}
