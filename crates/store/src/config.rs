//! How the store is opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Wall clock: Unix milliseconds.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The clock of the system.
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Where the store lives and how much it may hold back.
#[derive(Clone)]
pub struct StoreConfig {
    /// Folder of the database and the journal; made when absent. One process at a time.
    pub dir: PathBuf,
    /// Writes that may wait; one more is refused with `Overloaded`.
    pub write_queue: usize,
    /// Operations in one transaction at most.
    pub batch_max: usize,
    /// Read connections.
    pub readers: usize,
    /// A journal segment is closed when it is larger than this.
    pub segment_bytes: u64,
    /// Facts on disk that SQLite has not taken yet: above this new calls are to be refused
    /// (`JournalWriter::accepting`), above a quarter more appends fail.
    pub journal_bytes_max: u64,
    /// Journal files are synced to the disk at least this often while something is written.
    pub journal_sync_ms: u64,
    /// Length of a minute between attempts to deliver; anything but 60,000 is for tests.
    pub retry_minute_ms: u64,
    /// How long call records are kept.
    pub records_kept_days: u32,
    /// How long undelivered notifications are kept.
    pub undelivered_kept_days: u32,
    /// How long the parts of a long text wait for the rest.
    pub text_parts_wait_ms: u64,
    /// The clock; tests give their own.
    pub clock: Clock,
}

impl StoreConfig {
    /// The defaults, in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            write_queue: 8_192,
            batch_max: 1_000,
            readers: 4,
            segment_bytes: 16 << 20,
            journal_bytes_max: 1 << 30,
            journal_sync_ms: 100,
            retry_minute_ms: 60_000,
            records_kept_days: 31,
            undelivered_kept_days: 31,
            text_parts_wait_ms: 600_000,
            clock: system_clock(),
        }
    }
}
