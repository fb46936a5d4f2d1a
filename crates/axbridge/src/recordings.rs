//! Recordings at start and over time: what a killed process left is repaired, what is too old is deleted.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use axbridge_engine::recording::{RecordingConfig, Recovered, published, recover};
use axbridge_store::{OpenCall, RecoveredRecording, RecoveryReport, Store};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often old recordings are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Recordings deleted at once.
const SWEEP_MAX: u32 = 500;

/// Repairs partial recordings, then the journal: every call that was cut off gets its record, which makes its
/// recording known.
pub async fn repair(store: &Store, config: &RecordingConfig) -> Result<RecoveryReport> {
    let found = recover(config).context("repairing recordings")?;
    if !found.is_empty() {
        tracing::warn!(
            recordings = found.len(),
            "recordings of an interrupted run were repaired"
        );
    }
    let report = store
        .recover(|call| recording_of(config, call))
        .context("recovering calls")?;
    if report.calls_ended > 0 {
        tracing::warn!(
            calls = report.calls_ended,
            "calls of an interrupted run were given their record"
        );
    }
    for recording in found {
        remove_if_unknown(store, config, recording).await?;
    }
    Ok(report)
}

/// A recording of which no record tells (its record was written without it before the crash) can be asked for by
/// nobody and would stay for ever.
async fn remove_if_unknown(
    store: &Store,
    config: &RecordingConfig,
    recording: Recovered,
) -> Result<()> {
    let Recovered { app, object, .. } = recording;
    if store.recording(object.clone()).await?.is_none() {
        tracing::warn!(app, object, "a recording without a record was removed");
        std::fs::remove_file(config.path_of(&app, &object))?;
    }
    Ok(())
}

fn recording_of(config: &RecordingConfig, call: &OpenCall) -> Option<RecoveredRecording> {
    let object = call.recording_object()?.to_owned();
    let start_ms = call.recording_start_ms()?;
    let found = published(config, &call.app.0.to_string(), &object);
    Some(RecoveredRecording {
        object,
        start_ms,
        length_ms: found.as_ref().map_or(0, |r| r.length_ms),
        bytes: found.as_ref().map_or(0, |r| r.bytes),
        valid: found.is_some(),
    })
}

/// Deletes recordings whose time is over, file first, until stopped.
pub fn sweep(store: Store, served: PathBuf, mut stopped: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = stopped.wait_for(|s| *s) => return,
                () = tokio::time::sleep(SWEEP_EVERY) => {}
            }
            if let Err(error) = sweep_once(&store, &served).await {
                tracing::error!(
                    error = format!("{error:#}"),
                    "old recordings could not be deleted; trying again in a minute"
                );
            }
        }
    })
}

async fn sweep_once(store: &Store, served: &std::path::Path) -> Result<()> {
    for recording in store.expired_recordings(SWEEP_MAX).await? {
        match tokio::fs::remove_file(served.join(&recording.path)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {
                store
                    .remove_recording(recording.object, "retention".to_owned())
                    .await?
            }
        }
    }
    Ok(())
}
