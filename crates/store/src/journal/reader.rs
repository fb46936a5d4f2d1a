//! The end that the ingest reads from.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use axbridge_call::Fact;

use super::frame::{self, PAYLOAD_MAX};
use super::shared::{Journal, ShardPosition, segment_path, segments};

/// Read at once: room for several of the largest frames.
const CHUNK: u64 = 4 * PAYLOAD_MAX as u64;

/// What was read in one go.
#[derive(Default)]
pub(crate) struct Piece {
    /// Facts with their JSON as it was written.
    pub facts: Vec<(Fact, String)>,
    /// Where the next piece begins.
    pub next: ShardPosition,
    /// Bytes that this piece takes out of the journal.
    pub bytes: u64,
    /// Damage that was stepped over.
    pub damage: Damage,
}

/// What could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Ends of segments that were torn off (a crash while writing): nothing acknowledged was there.
    pub torn_tails: u32,
    /// Places in the middle of a segment that are not frames.
    pub gaps: u32,
    /// Bytes in those places and ends.
    pub bytes: u64,
    /// Sound frames that are not facts that this version knows.
    pub unreadable: u32,
}

impl Damage {
    pub(crate) fn add(&mut self, other: Damage) {
        self.torn_tails += other.torn_tails;
        self.gaps += other.gaps;
        self.bytes += other.bytes;
        self.unreadable += other.unreadable;
    }
}

/// Reads the journal of one shard from a position on.
pub(crate) struct ShardReader {
    pub shard: String,
    dir: PathBuf,
    at: ShardPosition,
    buffer: Vec<u8>,
}

impl ShardReader {
    pub fn new(journal: &Journal, shard: String, at: ShardPosition) -> Self {
        let dir = journal.dir.join(&shard);
        Self {
            shard,
            dir,
            at,
            buffer: Vec::new(),
        }
    }

    /// Up to `limit` facts, or none when there is nothing new. The position is moved by [`Self::advance`] only.
    pub fn read(&mut self, journal: &Journal, limit: usize) -> io::Result<Option<Piece>> {
        // Asked first: a writer that goes on meanwhile only adds behind it.
        let written = journal.written(&self.shard);
        let list = segments(&self.dir)?;
        let mut piece = Piece {
            next: self.at,
            ..Piece::default()
        };
        let from = self.at.segment;
        for segment in list.into_iter().filter(|s| *s >= from) {
            if segment != piece.next.segment {
                piece.next = ShardPosition { segment, offset: 0 };
            }
            let live = written.filter(|w| w.segment <= segment);
            let end = match live {
                Some(w) if w.segment == segment => u64::from(w.offset),
                // Being made this moment.
                Some(_) => break,
                None => std::fs::metadata(segment_path(&self.dir, segment))?.len(),
            };
            self.read_segment(&mut piece, end, live.is_some(), limit)?;
            if u64::from(piece.next.offset) < end || piece.facts.len() >= limit {
                break;
            }
        }
        Ok((piece.next != self.at).then_some(piece))
    }

    fn read_segment(
        &mut self,
        piece: &mut Piece,
        end: u64,
        live: bool,
        limit: usize,
    ) -> io::Result<()> {
        while u64::from(piece.next.offset) < end && piece.facts.len() < limit {
            let start = u64::from(piece.next.offset);
            let length = (end - start).min(CHUNK);
            let mut file = File::open(segment_path(&self.dir, piece.next.segment))?;
            file.seek(SeekFrom::Start(start))?;
            self.buffer.clear();
            file.take(length).read_to_end(&mut self.buffer)?;
            if (self.buffer.len() as u64) < length {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "a journal segment became shorter",
                ));
            }
            let used = take_frames(&self.buffer, start + length == end, live, limit, piece);
            piece.bytes += used as u64;
            piece.next.offset += used as u32;
        }
        Ok(())
    }

    /// The piece was committed: go on behind it, and remove segments that are done with.
    pub fn advance(&mut self, next: ShardPosition) {
        let done = next.segment;
        self.at = next;
        let Ok(list) = segments(&self.dir) else {
            return;
        };
        for segment in list.into_iter().filter(|s| *s < done) {
            if let Err(error) = std::fs::remove_file(segment_path(&self.dir, segment)) {
                tracing::warn!(%error, segment, "a journal segment could not be removed");
            }
        }
    }

    /// Removes the folder of a shard that nobody writes any more, once everything in it was taken.
    pub fn remove_if_done(&self) {
        let whole = |segment: &u32| {
            let length =
                std::fs::metadata(segment_path(&self.dir, *segment)).map_or(0, |m| m.len());
            *segment == self.at.segment && length <= u64::from(self.at.offset) || length == 0
        };
        let Ok(list) = segments(&self.dir) else {
            return;
        };
        if list.iter().all(whole) {
            for segment in list {
                let _ = std::fs::remove_file(segment_path(&self.dir, segment));
            }
        }
    }
}

/// Takes whole frames from `bytes`; says how many bytes are done with. `last`: the segment ends with `bytes`.
fn take_frames(bytes: &[u8], last: bool, live: bool, limit: usize, piece: &mut Piece) -> usize {
    let mut at = 0;
    while at < bytes.len() && piece.facts.len() < limit {
        if let Some(payload) = frame::decode(&bytes[at..]) {
            match parse(payload) {
                Some(fact) => piece.facts.push(fact),
                None => piece.damage.unreadable += 1,
            }
            at += frame::size(payload);
            continue;
        }
        // Half a frame at the end of a chunk: the next chunk begins with it.
        if !last && at > 0 && bytes.len() - at <= PAYLOAD_MAX + 8 {
            break;
        }
        let gap = frame::resync(&bytes[at..]);
        let skipped = match gap {
            Some(gap) => gap,
            // Keep what may be the beginning of a sound frame, unless nothing follows.
            None if !last => (bytes.len() - at).saturating_sub(PAYLOAD_MAX + 8).max(1),
            None => bytes.len() - at,
        };
        let torn = gap.is_none() && last && !live;
        piece.damage.torn_tails += u32::from(torn);
        piece.damage.gaps += u32::from(!torn);
        piece.damage.bytes += skipped as u64;
        at += skipped;
    }
    at
}

fn parse(payload: &[u8]) -> Option<(Fact, String)> {
    let text = std::str::from_utf8(payload).ok()?;
    let fact = serde_json::from_str(text).ok()?;
    Some((fact, text.to_owned()))
}

/// Folders of all shards, whoever wrote them.
pub(crate) fn shard_names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    if !dir.exists() {
        return Ok(names);
    }
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir()
            && let Some(name) = entry.file_name().to_str()
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}
