//! From the journal into the tables: in batches, each with the position behind it in one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{OptionalExtension, params};
use tokio::sync::watch;

use super::apply::Applier;
use crate::db::writer::{Ctx, WriterHandle};
use crate::error::StoreError;
use crate::journal::reader::{Piece, ShardReader, shard_names};
use crate::journal::{Damage, Journal, ShardPosition};

/// Facts in one transaction.
const FACTS_MAX: usize = 2_000;
/// Looked for new facts at least so often, should a bell be missed.
const IDLE: Duration = Duration::from_secs(1);
/// From one batch to the next at least. Each batch is a transaction with its syncs, which cost as much as hundreds of
/// facts; the first fact after a quiet moment is taken at once.
const BATCH_EVERY: Duration = Duration::from_millis(50);
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Moves facts. Owned by recovery first, then by its thread.
pub(crate) struct Ingest {
    journal: Arc<Journal>,
    writer: WriterHandle,
    readers: BTreeMap<String, ShardReader>,
    /// Grows with every batch: those who wait for the journal to be taken look again.
    progress: watch::Sender<u64>,
    pub damage: Damage,
    pub applied: u64,
}

impl Ingest {
    pub fn new(journal: Arc<Journal>, writer: WriterHandle, progress: watch::Sender<u64>) -> Self {
        Self {
            journal,
            writer,
            readers: BTreeMap::new(),
            progress,
            damage: Damage::default(),
            applied: 0,
        }
    }

    /// Takes everything that can be read now, of all shards that ever were.
    pub fn drain(&mut self) -> Result<(), StoreError> {
        for shard in shard_names(&self.journal.dir)? {
            if !self.readers.contains_key(&shard) {
                let at = self.position(&shard)?;
                let reader = ShardReader::new(&self.journal, shard.clone(), at);
                self.readers.insert(shard, reader);
            }
        }
        let shards: Vec<String> = self.readers.keys().cloned().collect();
        let mut more = true;
        while more && !self.journal.stopped() {
            more = false;
            for shard in &shards {
                // One batch of each in turn: a shard with much to tell does not hold up the others.
                more |= self.step(shard)?;
            }
        }
        Ok(())
    }

    /// Removes what old runs left and is taken. Only before the first writer.
    pub fn clean(&self) {
        self.readers.values().for_each(ShardReader::remove_if_done);
    }

    fn position(&self, shard: &str) -> Result<ShardPosition, StoreError> {
        let shard = shard.to_owned();
        self.writer.write_blocking(move |ctx| position(ctx, &shard))
    }

    fn step(&mut self, shard: &str) -> Result<bool, StoreError> {
        let Some(reader) = self.readers.get_mut(shard) else {
            return Ok(false);
        };
        let Some(piece) = reader.read(&self.journal, FACTS_MAX)? else {
            return Ok(false);
        };
        let (next, bytes, damage) = (piece.next, piece.bytes, piece.damage);
        let name = shard.to_owned();
        let applied = self
            .writer
            .write_blocking(move |ctx| take(ctx, &name, &piece))?;
        reader.advance(next);
        self.journal.took(bytes);
        self.applied += applied;
        if damage != Damage::default() {
            tracing::warn!(shard, ?damage, "parts of the journal could not be read");
            self.damage.add(damage);
        }
        self.progress.send_modify(|n| *n += 1);
        Ok(true)
    }

    /// The thread: until the journal is stopped.
    pub fn run(mut self) {
        let mut pause = RETRY_FIRST;
        while !self.journal.stopped() {
            let begun = Instant::now();
            match self.drain() {
                Ok(()) => {
                    pause = RETRY_FIRST;
                    self.journal.wait(IDLE);
                    self.journal
                        .rest(BATCH_EVERY.saturating_sub(begun.elapsed()));
                }
                Err(error) => {
                    // Facts wait in the journal for as long as it takes; calls go on.
                    tracing::error!(%error, waiting_bytes = self.journal.unread(), "facts could not be stored");
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(RETRY_MAX);
                }
            }
        }
    }
}

pub(crate) fn position(ctx: &mut Ctx<'_>, shard: &str) -> Result<ShardPosition, StoreError> {
    let sql = "SELECT segment, position FROM journal_positions WHERE shard = ?1";
    let mut statement = ctx.conn.prepare_cached(sql)?;
    let at = statement.query_row([shard], |row| {
        Ok(ShardPosition {
            segment: row.get(0)?,
            offset: row.get(1)?,
        })
    });
    Ok(at.optional()?.unwrap_or_default())
}

fn take(ctx: &mut Ctx<'_>, shard: &str, piece: &Piece) -> Result<u64, StoreError> {
    let mut applier = Applier::default();
    for (fact, text) in &piece.facts {
        match applier.apply(ctx, fact, text) {
            Ok(()) => {}
            // The next ones must not wait behind it for ever.
            Err(StoreError::Invalid(error)) => {
                tracing::error!(error, ?fact, "a fact cannot be kept and is left out");
            }
            Err(error) => return Err(error),
        }
    }
    if applier.duplicates > 0 {
        tracing::warn!(
            shard,
            duplicates = applier.duplicates,
            "facts came a second time and were left out"
        );
    }
    let sql = "INSERT INTO journal_positions(shard, segment, position) VALUES (?1, ?2, ?3)
               ON CONFLICT(shard) DO UPDATE SET segment = ?2, position = ?3";
    ctx.conn
        .prepare_cached(sql)?
        .execute(params![shard, piece.next.segment, piece.next.offset])?;
    Ok(applier.applied)
}
