//! The end that calls append to.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use axbridge_call::Fact;

use super::frame;
use super::shared::{Journal, ShardPosition, ShardState, segment_path, segments};

/// Appends facts of one shard. Synchronous: one `write(2)`, no wait for SQLite or for the disk.
pub struct JournalWriter {
    journal: Arc<Journal>,
    state: Arc<ShardState>,
    shard: String,
    dir: PathBuf,
    file: Arc<File>,
    at: ShardPosition,
    /// The segment may end in half a frame; nothing may be written behind it.
    torn: bool,
    buffer: Vec<u8>,
}

impl JournalWriter {
    /// Opens the shard's journal with a new segment, numbered after every one that exists or was ever read.
    pub(crate) fn open(journal: Arc<Journal>, shard: String, read_until: u32) -> io::Result<Self> {
        let dir = journal.dir.join(&shard);
        std::fs::create_dir_all(&dir)?;
        let last = segments(&dir)?.last().copied().unwrap_or(0);
        let at = ShardPosition {
            segment: last.max(read_until) + 1,
            offset: 0,
        };
        let file = create(&dir, at.segment)?;
        let state = journal.register(&shard, at);
        state.begin(Arc::clone(&file));
        Ok(Self {
            journal,
            state,
            shard,
            dir,
            file,
            at,
            torn: false,
            buffer: Vec::new(),
        })
    }

    /// Keeps the facts: after this a killed process does not lose them; a power cut may, for as long as the
    /// sync interval. On an error nothing was kept and the engine must refuse new calls; the error is
    /// `StorageFull` when SQLite has not taken facts for so long that the journal is full.
    pub fn append(&mut self, facts: &[Fact]) -> io::Result<()> {
        if facts.is_empty() {
            return Ok(());
        }
        self.buffer.clear();
        for fact in facts {
            frame::encode(fact, &mut self.buffer)?;
        }
        let bytes = self.buffer.len() as u64;
        if !self.journal.has_room(bytes) {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "the journal is full of facts that wait for the store",
            ));
        }
        if self.torn || u64::from(self.at.offset) >= self.journal.segment_bytes {
            self.rotate()?;
        }
        self.write()?;
        self.at.offset += self.buffer.len() as u32;
        self.journal.wrote(bytes);
        self.state.set_written(self.at);
        self.journal.ring();
        Ok(())
    }

    /// False when new calls should be refused because facts pile up. Appending still works for a while, so
    /// that calls in progress can tell their end.
    pub fn accepting(&self) -> bool {
        !self.torn && self.journal.accepting()
    }

    fn write(&mut self) -> io::Result<()> {
        let error = loop {
            match (&*self.file).write(&self.buffer) {
                Ok(n) if n == self.buffer.len() => return Ok(()),
                Ok(_) => {
                    break io::Error::new(
                        io::ErrorKind::WriteZero,
                        "the journal was written in part: disk full?",
                    );
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break error,
            }
        };
        self.torn = self.file.set_len(u64::from(self.at.offset)).is_err();
        Err(error)
    }

    fn rotate(&mut self) -> io::Result<()> {
        let segment = self.at.segment + 1;
        self.file = create(&self.dir, segment)?;
        self.state.begin(Arc::clone(&self.file));
        self.at = ShardPosition { segment, offset: 0 };
        self.torn = false;
        Ok(())
    }
}

impl Drop for JournalWriter {
    fn drop(&mut self) {
        self.journal.unregister(&self.shard);
        self.journal.ring();
    }
}

fn create(dir: &std::path::Path, segment: u32) -> io::Result<Arc<File>> {
    let file = File::options()
        .append(true)
        .create_new(true)
        .open(segment_path(dir, segment))?;
    // The name must survive a power cut, too, or a synced segment could be gone.
    File::open(dir)?.sync_all()?;
    Ok(Arc::new(file))
}
