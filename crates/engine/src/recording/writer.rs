//! One writer thread: the files it holds open, their headers kept valid, their publication.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::{
    AUDIO_MIN_MS, Message, OnOutcome, Outcome, RecordingConfig, RecordingId, RecordingName,
    SAMPLE_RATE_HZ,
};

/// Half of the second within which a header must be right, because the disk may be slow.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

pub(super) struct Writer {
    config: RecordingConfig,
    inbox: Receiver<Message>,
    open: HashMap<RecordingId, Recording>,
}

struct Recording {
    name: RecordingName,
    channels: u16,
    on_outcome: OnOutcome,
    frames: u64,
    state: State,
}

enum State {
    /// Not yet long enough for a file.
    InMemory(Vec<i16>),
    OnDisk(Box<Growing>),
    Failed(String),
}

/// A file in the folder of partial recordings.
struct Growing {
    wav: hound::WavWriter<BufWriter<File>>,
    /// The same file, for the fsync after hound has let go of it.
    file: File,
    path: PathBuf,
    dirty: bool,
}

impl Writer {
    pub(super) fn new(config: RecordingConfig, inbox: Receiver<Message>) -> Self {
        Self {
            config,
            inbox,
            open: HashMap::new(),
        }
    }

    /// Works until all senders are gone, then publishes what is still open.
    pub(super) fn run(mut self) {
        let mut next_flush = Instant::now() + FLUSH_EVERY;
        loop {
            let now = Instant::now();
            if now >= next_flush {
                self.open.values_mut().for_each(Recording::flush);
                next_flush = now + FLUSH_EVERY;
            }
            match self
                .inbox
                .recv_timeout(next_flush.saturating_duration_since(now))
            {
                Ok(message) => self.handle(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        for (_, recording) in std::mem::take(&mut self.open) {
            recording.finish(&self.config, None);
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Start {
                id,
                name,
                channels,
                on_outcome,
            } => {
                let state = State::InMemory(Vec::new());
                let channels = channels.clamp(1, 2);
                self.open.insert(
                    id,
                    Recording {
                        name,
                        channels,
                        on_outcome,
                        frames: 0,
                        state,
                    },
                );
            }
            Message::Samples { id, samples } => {
                if let Some(recording) = self.open.get_mut(&id) {
                    recording.append(&self.config.partial_dir, &samples);
                }
            }
            Message::Finish { id, failure } => {
                if let Some(recording) = self.open.remove(&id) {
                    recording.finish(&self.config, failure);
                }
            }
        }
    }
}

impl Recording {
    fn append(&mut self, partial_dir: &Path, samples: &[i16]) {
        self.frames += samples.len() as u64 / u64::from(self.channels);
        let long_enough = self.length_ms() >= AUDIO_MIN_MS;
        let result = match &mut self.state {
            State::InMemory(held) => {
                held.extend_from_slice(samples);
                if !long_enough {
                    return;
                }
                let held = std::mem::take(held);
                Growing::create(partial_dir.join(self.name.partial()), self.channels).and_then(
                    |mut growing| {
                        growing.append(&held)?;
                        // At once, so that a crash right after the third second still leaves a file to repair.
                        growing.flush()?;
                        self.state = State::OnDisk(Box::new(growing));
                        Ok(())
                    },
                )
            }
            State::OnDisk(growing) => growing.append(samples),
            State::Failed(_) => return,
        };
        self.note(result);
    }

    fn flush(&mut self) {
        if let State::OnDisk(growing) = &mut self.state {
            let result = growing.flush();
            self.note(result);
        }
    }

    /// A failed write ends the recording, not the call: the half file goes, the reason stays.
    fn note(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            tracing::error!(session = %self.name.session, %error, "recording failed");
            let old = std::mem::replace(&mut self.state, State::Failed(error.to_string()));
            if let State::OnDisk(growing) = old {
                growing.discard();
            }
        }
    }

    fn length_ms(&self) -> u64 {
        self.frames * 1_000 / u64::from(SAMPLE_RATE_HZ)
    }

    fn finish(self, config: &RecordingConfig, failure: Option<String>) {
        let length_ms = self.length_ms();
        let outcome = match (self.state, failure) {
            (State::OnDisk(growing), Some(reason)) => {
                growing.discard();
                Outcome::Failed(reason)
            }
            (State::Failed(reason), _) | (State::InMemory(_), Some(reason)) => {
                Outcome::Failed(reason)
            }
            (State::InMemory(_), None) => Outcome::TooShort,
            (State::OnDisk(growing), None) => {
                let path = growing.path.clone();
                match growing.publish(config, &self.name) {
                    Ok(bytes) => Outcome::Published {
                        object: self.name.object,
                        bytes,
                        length_ms,
                    },
                    Err(error) => {
                        let _ = fs::remove_file(&path);
                        Outcome::Failed(error.to_string())
                    }
                }
            }
        };
        match &outcome {
            Outcome::Failed(_) => {
                metrics::counter!("axbridge_recordings_failed_total").increment(1)
            }
            Outcome::Published { .. } => {
                metrics::counter!("axbridge_recordings_published_total").increment(1)
            }
            Outcome::TooShort => {}
        }
        (self.on_outcome)(outcome);
    }
}

impl Growing {
    fn create(path: PathBuf, channels: u16) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        let spec = hound::WavSpec {
            channels,
            sample_rate: SAMPLE_RATE_HZ,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let same = file.try_clone()?;
        let wav = hound::WavWriter::new(BufWriter::new(file), spec).map_err(into_io)?;
        Ok(Self {
            wav,
            file: same,
            path,
            dirty: true,
        })
    }

    fn append(&mut self, samples: &[i16]) -> io::Result<()> {
        for &sample in samples {
            self.wav.write_sample(sample).map_err(into_io)?;
        }
        self.dirty = true;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.dirty {
            self.wav.flush().map_err(into_io)?;
            self.dirty = false;
        }
        Ok(())
    }

    fn discard(self: Box<Self>) {
        let _ = fs::remove_file(&self.path);
    }

    fn publish(self: Box<Self>, config: &RecordingConfig, name: &RecordingName) -> io::Result<u64> {
        let Self {
            wav, file, path, ..
        } = *self;
        wav.finalize().map_err(into_io)?;
        publish(config, name, &file, &path)
    }
}

/// Makes a complete file durable, then visible, and returns its size.
pub(super) fn publish(
    config: &RecordingConfig,
    name: &RecordingName,
    file: &File,
    path: &Path,
) -> io::Result<u64> {
    file.sync_all()?;
    let target = config.path_of(&name.app, &name.object);
    let dir = target.parent().unwrap_or(&config.served_dir);
    fs::create_dir_all(dir)?;
    if target.exists() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a recording of this name exists",
        ));
    }
    fs::rename(path, &target)?;
    File::open(dir)?.sync_all()?;
    Ok(file.metadata()?.len())
}

fn into_io(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        other => io::Error::other(other),
    }
}
