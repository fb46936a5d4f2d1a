//! What must survive: bindings, numbers, applications, call records, the outbox. SQLite embedded.
//!
//! It does not decide who may ask (that is the API's) nor what a call does (that is the call's). It promises:
//! - what was answered is on the disk; what is on the disk is what calls see, in the order of the writes;
//! - a fact that was appended to the journal is kept through a killed process, and reaches the outbox and the
//!   call records exactly once;
//! - every call of which a fact was kept has exactly one record in the end.
//!
//! One thread writes: it takes the operations that wait, runs them in one transaction, and answers all of them
//! after one sync of the disk.
#![forbid(unsafe_code)]

mod ax;
mod axb;
mod axe;
mod axyb;
mod bound;
mod choose;
mod config;
mod daily;
mod db;
mod error;
mod journal;
mod ledger;
mod load;
mod maintenance;
mod policy;
mod pulse;
mod settings;
mod sql;
mod texts;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

pub use ax::{
    AX_CALLEE_DURATION_S, AX_CALLEE_DURATION_S_MAX, AxBindRequest, AxBinding, AxCalleeRequest,
    AxKey, AxModifyRequest, AxQuery,
};
pub use axb::{AreaMatch, BindRequest, Binding, ModifyRequest, PolicyChange, Query, Unbind};
pub use axe::{
    AxeBindRequest, AxeBinding, AxeCount, AxeCursor, AxeKey, AxeModifyRequest, AxePage, TimeUnit,
};
pub use axyb::{AXYB_DURATION_S, AxybBindX, AxybBindY, AxybPart, AxybQuery, AxybRelation, AxybYb};
pub use config::{Clock, StoreConfig, system_clock};
pub use error::{BindError, StoreError};
pub use journal::{Damage, JournalWriter};
pub use ledger::{
    AuditEntry, CallFacts, Due, HistoryFilter, NOTICES_MERGED_MAX, OpenCall, OutboxItem,
    OutboxKind, OutboxStats, RECORDS_MERGED_MAX, REPLAYED_MAX, RETRY_AFTER_MIN, RecordFilter,
    Recording, RecoveredRecording, RecoveryReport, ReplayWhich, Replayed, StoredRecord,
};
pub use load::Loaded;
pub use settings::{
    App, AppSettings, AppStatus, AxePrompts, AxeSettings, BLOCKED_MAX, BlockedFilter,
    BlockedRecord, Configuration, Mode, NewApp, NewNumber, NotificationScheme, NumberArea,
    NumberChange, NumberFilter, NumberRecord, Page, PromptFile, PromptState, RecordingFormat,
    RefusalPrompts, Secret, SmsSettings,
};

pub use texts::{
    DueState, DueText, LongText, NewText, PartKept, SentPart, TextFilter, TextOwner, TextRow,
    TextState,
};

use db::readers::Readers;
use db::writer::{Ctx, WriterHandle, WriterSetup};
use journal::Journal;
use ledger::{InFlight, Ingest};
use pulse::Pulse;

/// The store; clones share it. Write operations complete after the commit.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    config: StoreConfig,
    writer: WriterHandle,
    readers: Arc<Readers>,
    changes: watch::Sender<u64>,
    outbox_changes: watch::Sender<u64>,
    in_flight: InFlight,
    journal: Arc<Journal>,
    /// Grows whenever facts were taken from the journal.
    progress: watch::Sender<u64>,
    /// There until recovery is done.
    ingest: Mutex<Option<Ingest>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// When a write was last tried on behalf of a health check, and what came of it.
    probed: tokio::sync::Mutex<Option<(Instant, Result<(), StoreError>)>>,
    /// Held for as long as the store is open: two processes on one folder would eat each other's journal.
    lock: Mutex<Option<File>>,
}

impl Store {
    /// Opens the store, bringing an older database to the newest schema. Blocks for file operations.
    pub fn open(config: StoreConfig) -> Result<Store, StoreError> {
        std::fs::create_dir_all(&config.dir)?;
        let lock = lock(&config.dir)?;
        let path = config.dir.join("axbridge.db");
        let mut conn = Connection::open(&path)?;
        db::schema::tune(&conn, true)?;
        db::schema::migrate(&mut conn)?;
        let (changes, outbox_changes) = (watch::Sender::new(0), watch::Sender::new(0));
        let (writer, thread) = db::writer::start(WriterSetup {
            conn,
            queue: config.write_queue.max(1),
            batch_max: config.batch_max.max(1),
            clock: Arc::clone(&config.clock),
            seed: (config.clock)(),
            changes: changes.clone(),
            outbox_changes: outbox_changes.clone(),
        })?;
        let readers = Arc::new(Readers::new(&path, config.readers.max(1)));
        let dir = config.dir.join("journal");
        let journal = Arc::new(Journal::new(
            &dir,
            config.segment_bytes,
            config.journal_bytes_max,
        ));
        let progress = watch::Sender::new(0);
        let ingest = Ingest::new(Arc::clone(&journal), writer.clone(), progress.clone());
        let shared = Shared {
            config,
            writer,
            readers,
            changes,
            outbox_changes,
            in_flight: InFlight::default(),
            probed: tokio::sync::Mutex::default(),
            journal,
            progress,
            ingest: Mutex::new(Some(ingest)),
            threads: Mutex::new(vec![thread]),
            lock: Mutex::new(Some(lock)),
        };
        Ok(Store {
            shared: Arc::new(shared),
        })
    }

    /// Starts what takes the journal, syncs it and sweeps.
    fn start_journal(&self, ingest: Ingest) -> Result<(), StoreError> {
        let mut threads = self.shared.threads.lock();
        let mut spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            threads.push(std::thread::Builder::new().name(name.into()).spawn(run)?);
            Ok::<(), StoreError>(())
        };
        spawn("store-ingest", Box::new(move || ingest.run()))?;
        let (journal, every) = (
            Arc::clone(&self.shared.journal),
            Duration::from_millis(self.shared.config.journal_sync_ms.max(1)),
        );
        let mut pulse = Pulse::start(&self.shared.config)?;
        let sync = move || {
            while !journal.stopped() {
                std::thread::sleep(every);
                journal.sync();
                pulse.beat();
            }
            journal.sync();
        };
        spawn("store-sync", Box::new(sync))?;
        let journal = Arc::clone(&self.shared.journal);
        let (writer, config) = (self.shared.writer.clone(), self.shared.config.clone());
        spawn(
            "store-sweeper",
            Box::new(move || maintenance::run(&writer, &config, &journal)),
        )
    }

    /// Opens the journal of a shard for writing; one writer for each shard at a time. Only after
    /// [`Store::recover`].
    pub fn journal_writer(&self, shard: usize) -> Result<JournalWriter, StoreError> {
        if self.shared.ingest.lock().is_some() {
            return Err(StoreError::Invalid(
                "recover before writing the journal".into(),
            ));
        }
        let name = format!("shard-{shard:03}");
        if self.shared.journal.written(&name).is_some() {
            return Err(StoreError::InUse("the journal of this shard"));
        }
        let shard = name.clone();
        let at = self
            .shared
            .writer
            .write_blocking(move |ctx| ledger::position(ctx, &shard))?;
        Ok(JournalWriter::open(
            Arc::clone(&self.shared.journal),
            name,
            at.segment,
        )?)
    }

    /// Bytes of facts that are in the journal and not yet in the tables.
    pub fn journal_backlog(&self) -> u64 {
        self.shared.journal.unread()
    }

    /// Whether a bind would be kept: writes and commits a row, at most once a second however often it is asked, so
    /// that it may be open to everybody.
    ///
    /// # Errors
    /// What kept the row from being written.
    pub async fn writable(&self) -> Result<(), StoreError> {
        let mut probed = self.shared.probed.lock().await;
        if let Some((at, result)) = &*probed
            && at.elapsed() < Duration::from_secs(1)
        {
            return result.clone();
        }
        let result = self
            .write(|ctx| Ok(sql::next(ctx.conn, "health_checks").map(drop)?))
            .await;
        *probed = Some((Instant::now(), result.clone()));
        result
    }

    /// Waits until everything that was appended before is in the tables. Endless while the database is down.
    pub async fn journal_settled(&self) {
        let mut progress = self.shared.progress.subscribe();
        while self.journal_backlog() > 0 {
            if progress.changed().await.is_err() {
                return;
            }
        }
    }

    /// Removes what has expired or is too old, as the sweeper does by itself every few seconds; blocks. Says
    /// how many bindings were removed.
    pub fn sweep(&self) -> Result<u64, StoreError> {
        maintenance::round(&self.shared.writer, &self.shared.config)
    }

    /// Ends the threads after what is queued and waits for them. Operations that come later are refused. Facts
    /// that are still in the journal are taken at the next start.
    pub fn close(&self) {
        self.shared.journal.stop();
        let mut threads = std::mem::take(&mut *self.shared.threads.lock());
        // The writer is the first and goes last: the others wait for its answers.
        for thread in threads.drain(1.min(threads.len())..) {
            join(thread);
        }
        self.shared.writer.stop_blocking();
        threads.into_iter().for_each(join);
        self.shared.lock.lock().take();
    }

    /// The time of the store's clock.
    pub fn now_ms(&self) -> u64 {
        (self.shared.config.clock)()
    }

    async fn write<T, E, F>(&self, op: F) -> Result<T, E>
    where
        F: FnOnce(&mut Ctx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (tx, rx) = oneshot::channel();
        self.shared
            .writer
            .submit(op, Box::new(move |result| drop(tx.send(result))));
        rx.await
            .unwrap_or_else(|_| Err(StoreError::Unavailable("the store is closed".into()).into()))
    }

    async fn read<T, E, F>(&self, op: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.shared.readers.read(op).await
    }
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("a thread of the store had broken off");
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Threads hold parts, not the whole: without a store they end by themselves.
        self.journal.stop();
    }
}

fn lock(dir: &Path) -> Result<File, StoreError> {
    let file = File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(dir.join("lock"))?;
    file.try_lock()
        .map_err(|_| StoreError::InUse("the data folder"))?;
    Ok(file)
}
