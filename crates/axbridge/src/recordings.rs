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

/// One round: a file that cannot be deleted does not keep the others.
async fn sweep_once(store: &Store, served: &std::path::Path) -> Result<()> {
    let mut kept = None;
    for recording in store.expired_recordings(SWEEP_MAX).await? {
        match tokio::fs::remove_file(served.join(&recording.path)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::error!(object = recording.object, %error, "an old recording cannot be deleted");
                kept = Some(error);
            }
            _ => {
                store
                    .remove_recording(recording.object, "retention".to_owned())
                    .await?
            }
        }
    }
    kept.map_or(Ok(()), |error| Err(error.into()))
}

#[cfg(test)]
mod tests {
    use axbridge_binding::AppId;
    use axbridge_store::{Recording, StoreConfig};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_that_cannot_be_deleted_does_not_keep_the_others() {
        let dir = std::env::temp_dir().join(format!("axbridge-sweep-{}", std::process::id()));
        let served = dir.join("served");
        // The oldest is a folder with something in it: it cannot be removed as a file.
        std::fs::create_dir_all(served.join("1/a.wav/kept")).unwrap();
        std::fs::write(served.join("1/b.wav"), b"x").unwrap();
        let store = Store::open(StoreConfig::new(dir.join("store"))).unwrap();
        for (object, expires_ms) in [("a.wav", 1), ("b.wav", 2)] {
            let recording = Recording {
                object: object.into(),
                app: AppId(1),
                session: object.into(),
                path: format!("1/{object}"),
                bytes: 1,
                duration_ms: 3_000,
                created_ms: 1,
                expires_ms,
            };
            store.add_recording(recording).await.unwrap();
        }
        assert!(sweep_once(&store, &served).await.is_err());
        assert!(
            !served.join("1/b.wav").exists(),
            "the younger one is kept for ever"
        );
        assert!(store.recording("b.wav".into()).await.unwrap().is_none());
        assert!(store.recording("a.wav".into()).await.unwrap().is_some());
        store.close();
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
