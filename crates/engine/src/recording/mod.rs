//! Recordings on disk: samples come through one bounded queue to each writer thread and never make a call wait.
//!
//! The media session begins a recording here only when it has outlasted the minimum. It grows as a valid WAV file in a folder
//! that nobody serves, and appears in the served folder by one rename when it is finished. What a killed process left
//! behind is repaired and published by [`recover`] at the next start.

mod name;
mod recover;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use name::{RecordingName, object_name};
pub use recover::{Recovered, published, recover};

/// Samples per second and channel.
pub const SAMPLE_RATE_HZ: u32 = 8_000;

/// Where recordings go and how much may wait for the disk.
#[derive(Clone, Debug)]
pub struct RecordingConfig {
    /// Finished recordings: one folder for each application.
    pub served_dir: PathBuf,
    /// Recordings in progress; on the same file system, outside `served_dir`.
    pub partial_dir: PathBuf,
    /// Writer threads.
    pub writers: usize,
    /// Chunks of samples that may wait for each writer; when it is full, the recording fails, not the call.
    pub queue_chunks: usize,
    /// A recording that is not in the served folder so long after its end has failed: its call's record is told
    /// without it. Below `SwitchConfig::closing_max`.
    pub publish_within: Duration,
}

impl RecordingConfig {
    /// Everything under one folder: `<application>/` and, never served, `.partial/`.
    pub fn under(dir: &std::path::Path) -> Self {
        Self {
            served_dir: dir.into(),
            partial_dir: dir.join(".partial"),
            writers: 1,
            queue_chunks: 16_384,
            publish_within: Duration::from_secs(8),
        }
    }

    /// Where a finished recording lies.
    pub fn path_of(&self, app: &str, object: &str) -> PathBuf {
        let name = RecordingName {
            app: app.into(),
            object: object.into(),
        };
        name.path_in(&self.served_dir)
    }
}

/// How a recording ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The file is in the served folder and on the disk.
    Published {
        /// Size of the file.
        bytes: u64,
        /// Length of the audio.
        length_ms: u64,
    },
    /// No file; the reason in words for the operator.
    Failed(String),
}

/// Called once by a writer thread when a recording has ended.
pub type OnOutcome = Box<dyn FnOnce(Outcome) + Send>;

/// One recording in progress, as known to the writers.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash)]
pub struct RecordingId(u64);

/// The queue to the writer is full: the disk does not keep up.
#[derive(Debug, thiserror::Error)]
#[error("the recording queue is full")]
pub struct QueueFull;

pub(crate) enum Message {
    Start {
        id: RecordingId,
        name: RecordingName,
        channels: u16,
        on_outcome: OnOutcome,
    },
    Samples {
        id: RecordingId,
        samples: Vec<i16>,
    },
    /// `failure`: why samples are missing, if some are. `asked`: when.
    Finish {
        id: RecordingId,
        failure: Option<String>,
        asked: Instant,
    },
}

struct Writers {
    queues: Vec<SyncSender<Message>>,
    next_id: AtomicU64,
}

/// Hands samples to the writer threads; cheap to clone, never blocks.
#[derive(Clone)]
pub struct Recorder {
    writers: Arc<Writers>,
}

/// The writer threads; they end when every [`Recorder`] is gone and what they hold is written.
pub struct WriterThreads(Vec<JoinHandle<()>>);

impl WriterThreads {
    /// Waits for the last file.
    pub fn join(self) {
        for thread in self.0 {
            let _ = thread.join();
        }
    }
}

impl Recorder {
    /// Starts the writer threads. The folders are made when missing; when that fails the error says which.
    pub fn start(config: &RecordingConfig) -> io::Result<(Self, WriterThreads)> {
        for dir in [&config.served_dir, &config.partial_dir] {
            std::fs::create_dir_all(dir).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", dir.display()))
            })?;
        }
        let mut queues = Vec::new();
        let mut threads = Vec::new();
        for index in 0..config.writers.max(1) {
            let (queue, inbox) = sync_channel(config.queue_chunks.max(16));
            let writer = writer::Writer::new(config.clone(), inbox);
            let thread = std::thread::Builder::new()
                .name(format!("recorder-{index}"))
                .spawn(move || writer.run())?;
            queues.push(queue);
            threads.push(thread);
        }
        let writers = Writers {
            queues,
            next_id: AtomicU64::new(0),
        };
        Ok((
            Self {
                writers: Arc::new(writers),
            },
            WriterThreads(threads),
        ))
    }

    /// Begins a recording of one or two interleaved channels. `on_outcome` is called exactly once after
    /// [`finish`](Self::finish), unless this fails.
    pub fn begin(
        &self,
        name: RecordingName,
        channels: u16,
        on_outcome: OnOutcome,
    ) -> Result<RecordingId, QueueFull> {
        let id = RecordingId(self.writers.next_id.fetch_add(1, Ordering::Relaxed));
        self.send(
            id,
            Message::Start {
                id,
                name,
                channels,
                on_outcome,
            },
        )
        .map_err(|_| QueueFull)?;
        Ok(id)
    }

    /// Appends samples (interleaved when stereo).
    pub fn push(&self, id: RecordingId, samples: Vec<i16>) -> Result<(), QueueFull> {
        self.send(id, Message::Samples { id, samples })
            .map_err(|_| QueueFull)
    }

    /// Ends a recording; a failure given here discards it. Gives the failure back when the queue is full: try again
    /// later, or the recording stays open.
    pub fn finish(&self, id: RecordingId, failure: Option<String>) -> Result<(), Option<String>> {
        let asked = Instant::now();
        match self.send(id, Message::Finish { id, failure, asked }) {
            Err(Message::Finish { failure, .. }) => Err(failure),
            _ => Ok(()),
        }
    }

    fn send(&self, id: RecordingId, message: Message) -> Result<(), Message> {
        let index = usize::try_from(id.0).unwrap_or(0) % self.writers.queues.len();
        match self
            .writers
            .queues
            .get(index)
            .map(|queue| queue.try_send(message))
        {
            Some(Ok(())) | None => Ok(()),
            Some(Err(TrySendError::Full(message) | TrySendError::Disconnected(message))) => {
                Err(message)
            }
        }
    }
}

#[cfg(test)]
mod tests;
