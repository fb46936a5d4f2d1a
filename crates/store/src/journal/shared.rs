//! What the writers, the ingest and the sync thread know of each other.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// A place in a shard's journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ShardPosition {
    pub segment: u32,
    pub offset: u32,
}

/// One shard that is being written.
pub(crate) struct ShardState {
    /// Segment in the upper half, length in the lower: everything before it is whole frames.
    written: AtomicU64,
    dirty: AtomicBool,
    /// Files that were written since they were last synced; the current one is last.
    files: Mutex<Vec<Arc<File>>>,
}

impl ShardState {
    pub fn set_written(&self, at: ShardPosition) {
        self.written.store(
            u64::from(at.segment) << 32 | u64::from(at.offset),
            Ordering::Release,
        );
        self.dirty.store(true, Ordering::Release);
    }

    pub fn written(&self) -> ShardPosition {
        let word = self.written.load(Ordering::Acquire);
        ShardPosition {
            segment: (word >> 32) as u32,
            offset: word as u32,
        }
    }

    /// A new segment is written from now on.
    pub fn begin(&self, file: Arc<File>) {
        self.files.lock().push(file);
    }

    fn sync(&self) -> io::Result<()> {
        if !self.dirty.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let files = {
            let mut files = self.files.lock();
            let current = files.len().saturating_sub(1);
            let kept = files[current..].to_vec();
            std::mem::replace(&mut *files, kept)
        };
        files
            .iter()
            .try_for_each(|file| file.sync_data())
            .inspect_err(|_| {
                // Nothing of it counts as synced: the next round tries again, the current file being there already.
                let earlier = &files[..files.len().saturating_sub(1)];
                self.files.lock().splice(..0, earlier.iter().cloned());
                self.dirty.store(true, Ordering::Release);
            })
    }
}

/// The journal of all shards.
pub(crate) struct Journal {
    pub dir: PathBuf,
    pub segment_bytes: u64,
    bytes_max: u64,
    /// Bytes that were written and SQLite has not taken.
    unread: AtomicU64,
    shards: Mutex<BTreeMap<String, Arc<ShardState>>>,
    bell: Mutex<bool>,
    rung: Condvar,
    ended: Condvar,
    stop: AtomicBool,
}

impl Journal {
    pub fn new(dir: &Path, segment_bytes: u64, bytes_max: u64) -> Self {
        Self {
            dir: dir.to_owned(),
            // A position is 32 bits wide.
            segment_bytes: segment_bytes.clamp(4 << 10, 1 << 30),
            bytes_max,
            unread: AtomicU64::new(0),
            shards: Mutex::default(),
            bell: Mutex::new(false),
            rung: Condvar::new(),
            ended: Condvar::new(),
            stop: AtomicBool::new(false),
        }
    }

    /// Bytes not taken yet.
    pub fn unread(&self) -> u64 {
        self.unread.load(Ordering::Relaxed)
    }

    pub fn wrote(&self, bytes: u64) {
        self.unread.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn took(&self, bytes: u64) {
        let less = |unread: u64| Some(unread.saturating_sub(bytes));
        let _ = self
            .unread
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// New calls may begin.
    pub fn accepting(&self) -> bool {
        self.unread() < self.bytes_max
    }

    /// Calls that run may still tell their end: a quarter above what stops new ones.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.unread().saturating_add(bytes) <= self.bytes_max + self.bytes_max / 4
    }

    pub fn register(&self, shard: &str, at: ShardPosition) -> Arc<ShardState> {
        let state = Arc::new(ShardState {
            written: AtomicU64::new(u64::from(at.segment) << 32 | u64::from(at.offset)),
            dirty: AtomicBool::new(false),
            files: Mutex::default(),
        });
        self.shards
            .lock()
            .insert(shard.to_owned(), Arc::clone(&state));
        state
    }

    /// How far a shard is written; none for the folder of a shard that nobody writes now.
    pub fn written(&self, shard: &str) -> Option<ShardPosition> {
        self.shards.lock().get(shard).map(|state| state.written())
    }

    /// The shard's writer is gone: its last segment is complete.
    pub fn unregister(&self, shard: &str) {
        self.shards.lock().remove(shard);
    }

    /// Wakes the ingest.
    pub fn ring(&self) {
        let mut bell = self.bell.lock();
        if !*bell {
            *bell = true;
            self.rung.notify_all();
        }
    }

    /// Waits for the bell or the end.
    pub fn wait(&self, at_most: Duration) {
        let mut bell = self.bell.lock();
        if !*bell && !self.stopped() {
            self.rung.wait_for(&mut bell, at_most);
        }
        *bell = false;
    }

    /// Lets facts gather: waits out the time whether the bell rings or not, or until the end.
    pub fn rest(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut bell = self.bell.lock();
        while !self.stopped() && !self.ended.wait_until(&mut bell, until).timed_out() {}
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        let _bell = self.bell.lock();
        self.rung.notify_all();
        self.ended.notify_all();
    }

    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Syncs what was written since the last time. A failure is told; the next round tries again.
    pub fn sync(&self) {
        let shards: Vec<_> = self.shards.lock().values().cloned().collect();
        for shard in shards {
            if let Err(error) = shard.sync() {
                tracing::error!(%error, "the journal could not be synced to the disk");
            }
        }
    }
}

/// Numbers of the segments in a shard's folder, ascending.
pub(crate) fn segments(dir: &Path) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_suffix(".seg"))
            .and_then(|n| n.parse::<u32>().ok());
        found.extend(number);
    }
    found.sort_unstable();
    Ok(found)
}

pub(crate) fn segment_path(dir: &Path, segment: u32) -> PathBuf {
    dir.join(format!("{segment:010}.seg"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_synced_is_tried_again() {
        let journal = Journal::new(Path::new("."), 1 << 20, 1 << 20);
        let shard = journal.register("0", ShardPosition::default());
        // A pipe cannot be synced.
        let (_reader, writer) = std::io::pipe().unwrap();
        shard.begin(Arc::new(File::from(std::os::fd::OwnedFd::from(writer))));
        let good = tempfile();
        shard.begin(Arc::new(good));
        shard.set_written(ShardPosition {
            segment: 1,
            offset: 8,
        });
        assert!(shard.sync().is_err());
        assert!(shard.sync().is_err(), "the earlier segment was forgotten");
        assert_eq!(shard.files.lock().len(), 2);
    }

    fn tempfile() -> File {
        let path = std::env::temp_dir().join(format!("axbridge-sync-{}", std::process::id()));
        let file = File::create(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file
    }
}
