//! The recorder of metrics: one for the process, since that is what the `metrics` facade knows.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How often histograms are drained, so that they do not grow between two scrapes.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

static RECORDER: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

/// Everything recorded so far, in the text format of Prometheus.
pub fn render() -> String {
    let recorder = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
    recorder.as_ref().map(PrometheusHandle::render).unwrap_or_default()
}

/// The task that keeps the recorder small, owned by a server.
#[derive(Debug)]
pub struct Upkeep {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Upkeep {
    /// Installs the recorder, if no server of this process has yet, and keeps it.
    pub fn start() -> Result<Self> {
        let handle = install()?;
        let upkeep = Self { tasks: TaskTracker::new(), stop: CancellationToken::new() };
        let stop = upkeep.stop.clone();
        upkeep.tasks.spawn(async move {
            while stop.run_until_cancelled(tokio::time::sleep(UPKEEP_INTERVAL)).await.is_some() {
                handle.run_upkeep();
            }
        });
        Ok(upkeep)
    }

    /// Ends the task.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn install() -> Result<PrometheusHandle> {
    let mut recorder = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = recorder.as_ref() {
        return Ok(handle.clone());
    }
    let handle =
        PrometheusBuilder::new().install_recorder().context("cannot install the recorder of metrics")?;
    parlor_store::metric::describe();
    parlor_core::metric::describe();
    parlor_gateway::metric::describe();
    Ok(recorder.insert(handle).clone())
}

#[cfg(test)]
mod tests;
