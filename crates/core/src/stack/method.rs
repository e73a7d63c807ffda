//! The methods of the contract, read from its descriptors, so that a new one needs no entry anywhere.

use std::{
    collections::HashMap,
    sync::{LazyLock, OnceLock},
};

use metrics::{Counter, Histogram};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::Code;

const CODES: usize = 17;

/// One method, with its instruments.
#[derive(Debug)]
pub struct Method {
    /// As metrics and logs name it: `parlor.v1.ChatService/SendMessage`.
    pub name: String,
    /// One message each way.
    pub unary: bool,
    /// One message comes with the call, however many are answered.
    pub asks_once: bool,
    /// It stays open: messages come, or are answered, one after another.
    pub streams: bool,
    /// Asked by probes, which are answered however busy the rest is.
    pub is_probe: bool,
    seconds: OnceLock<Histogram>,
    calls: [OnceLock<Counter>; CODES],
}

/// By path.
static OF_THE_CONTRACT: LazyLock<HashMap<String, Method>> = LazyLock::new(|| {
    let files = FileDescriptorSet::decode(parlor_api::DESCRIPTORS).expect("the build wrote the descriptors");
    let mut methods = HashMap::new();
    for file in &files.file {
        for service in &file.service {
            for method in &service.method {
                let name = format!("{}.{}/{}", file.package(), service.name(), method.name());
                let asks_once = !method.client_streaming();
                let unary = asks_once && !method.server_streaming();
                let method = Method { unary, asks_once, streams: !unary, ..Method::new(name.clone()) };
                methods.insert(format!("/{name}"), method);
            }
        }
    }
    methods
});

/// The standard health service. Its watch is a stream, and one message asks for it, too.
static HEALTH: LazyLock<Method> =
    LazyLock::new(|| Method { asks_once: true, is_probe: true, ..Method::new("other".to_owned()) });
const HEALTH_PATHS: &str = "/grpc.health.v1.Health/";

/// Reflection, and whatever does not exist.
static UNKNOWN: LazyLock<Method> = LazyLock::new(|| Method::new("other".to_owned()));

impl Method {
    fn new(name: String) -> Self {
        let (seconds, calls) = (OnceLock::new(), std::array::from_fn(|_| OnceLock::new()));
        let (unary, asks_once, streams, is_probe) = (false, false, false, false);
        Self { name, unary, asks_once, streams, is_probe, seconds, calls }
    }

    /// Finds the method of a path.
    pub fn of(path: &str) -> &'static Self {
        let unlisted = || if path.starts_with(HEALTH_PATHS) { &HEALTH } else { Self::unknown() };
        OF_THE_CONTRACT.get(path).unwrap_or_else(unlisted)
    }

    /// Stands for all that is not in the contract.
    pub fn unknown() -> &'static Self {
        &UNKNOWN
    }

    /// How long calls take until they answer, in seconds.
    pub fn seconds(&self) -> &Histogram {
        self.seconds
            .get_or_init(|| metrics::histogram!(crate::metric::CALL_SECONDS, "method" => self.name.clone()))
    }

    /// How many calls ended with a code.
    pub fn calls(&self, code: Code) -> &Counter {
        let index = usize::try_from(code as i32).unwrap_or_default().min(CODES - 1);
        self.calls[index].get_or_init(|| {
            metrics::counter!(crate::metric::CALLS, "method" => self.name.clone(), "code" => format!("{code:?}"))
        })
    }
}
