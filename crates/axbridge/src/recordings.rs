//! Recordings at start and over time: what a killed process left is repaired, what is too old is deleted.

use std::path::{Path, PathBuf};
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
async fn sweep_once(store: &Store, served: &Path) -> Result<()> {
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use axbridge_binding::Table;
    use axbridge_call::{CallRecord, Fact, FactKind};
    use axbridge_store::{AppSettings, Mode, NewApp, Secret, StoreConfig};

    use super::*;

    const DAY_MS: u64 = 86_400_000;
    const MADE_MS: u64 = 1_900_000_000_000;

    /// A store whose clock is set by hand, and a folder of recordings.
    struct Kept {
        dir: PathBuf,
        now_ms: Arc<AtomicU64>,
        store: Store,
    }

    impl Kept {
        async fn new() -> Kept {
            let dir = std::env::temp_dir().join(format!(
                "axbridge-sweep-{}-{:?}",
                std::process::id(),
                std::thread::current().id()
            ));
            let _ = std::fs::remove_dir_all(&dir);
            let now_ms = Arc::new(AtomicU64::new(MADE_MS));
            let clock = Arc::clone(&now_ms);
            let store = Store::open(StoreConfig {
                clock: Arc::new(move || clock.load(Ordering::Relaxed)),
                ..StoreConfig::new(dir.join("store"))
            })
            .unwrap();
            store.recover(|_| None).unwrap();
            let table = Arc::new(Table::with_capacity(10));
            store.load_table(table).await.unwrap();
            Kept { dir, now_ms, store }
        }

        /// An application, and a recording of a call of it.
        async fn recorded(&self, key: &str, settings: AppSettings) -> (PathBuf, String) {
            let new = NewApp {
                key: key.into(),
                secret: Secret::new("not a secret"),
                sp_id: "acme".into(),
                mode: Mode::Axb,
                settings,
            };
            let app = self.store.create_app(new).await.unwrap().id;
            let object = format!("{key}.wav");
            let folder = self.served().join(app.0.to_string());
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(&object), b"RIFF").unwrap();
            let record = CallRecord {
                record_flag: 1,
                record_object: Some(object.clone()),
                ..CallRecord::default()
            };
            let fact = Fact {
                app,
                app_key: key.into(),
                session_id: key.into(),
                seq: 0,
                at_ms: MADE_MS,
                subscription_id: None,
                user_data: None,
                kind: FactKind::Record(Box::new(record)),
            };
            let mut writer = self.store.journal_writer(0).unwrap();
            writer.append(&[fact]).unwrap();
            self.store.journal_settled().await;
            (folder.join(&object), object)
        }

        fn served(&self) -> PathBuf {
            self.dir.join("published")
        }

        async fn sweep_at(&self, ms: u64) -> Result<()> {
            self.now_ms.store(ms, Ordering::Relaxed);
            sweep_once(&self.store, &self.served()).await
        }

        async fn known(&self, object: &str) -> bool {
            self.store.recording(object.into()).await.unwrap().is_some()
        }
    }

    impl Drop for Kept {
        fn drop(&mut self) {
            self.store.close();
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }

    fn exists(path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }

    #[tokio::test]
    async fn a_recording_is_deleted_when_the_days_of_its_application_are_over() {
        let kept = Kept::new().await;
        let (week, week_object) = kept.recorded("week", AppSettings::default()).await;
        let one_day = AppSettings {
            recording_kept_days: 1,
            ..AppSettings::default()
        };
        let (day, day_object) = kept.recorded("day", one_day).await;

        kept.sweep_at(MADE_MS + DAY_MS - 1).await.unwrap();
        assert!(exists(&week) && exists(&day), "both are still kept");
        kept.sweep_at(MADE_MS + DAY_MS).await.unwrap();
        assert!(!exists(&day) && !kept.known(&day_object).await);
        // Seven days when nothing is said.
        kept.sweep_at(MADE_MS + 7 * DAY_MS - 1).await.unwrap();
        assert!(exists(&week) && kept.known(&week_object).await);
        kept.sweep_at(MADE_MS + 7 * DAY_MS).await.unwrap();
        assert!(!exists(&week) && !kept.known(&week_object).await);

        let log = kept.store.audit_log(1, 10).await.unwrap();
        let deleted: Vec<_> = log
            .items
            .iter()
            .filter(|e| e.actor == "retention" && e.action == "recording.delete")
            .collect();
        assert_eq!(deleted.len(), 2, "each leaves a trace");
    }

    #[tokio::test]
    async fn what_cannot_be_deleted_stays_known_and_what_is_gone_already_does_not() {
        let kept = Kept::new().await;
        let (stuck, stuck_object) = kept.recorded("stuck", AppSettings::default()).await;
        std::fs::remove_file(&stuck).unwrap();
        std::fs::create_dir(&stuck).unwrap();
        let (other, other_object) = kept.recorded("other", AppSettings::default()).await;
        let over = MADE_MS + 7 * DAY_MS;
        assert!(kept.sweep_at(over).await.is_err(), "a folder is no file");
        assert!(kept.known(&stuck_object).await, "tried again in a minute");
        assert!(!exists(&other) && !kept.known(&other_object).await);
        std::fs::remove_dir(&stuck).unwrap();
        kept.sweep_at(over).await.unwrap();
        assert!(!kept.known(&stuck_object).await);
    }
}
