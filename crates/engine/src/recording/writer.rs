//! One writer thread: the files it holds open, their headers kept valid, their publication.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::{
    Message, OnOutcome, Outcome, RecordingConfig, RecordingId, RecordingName, SAMPLE_RATE_HZ,
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
    Growing(Growing),
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
        let asked = Instant::now();
        for (_, recording) in std::mem::take(&mut self.open) {
            recording.finish(&self.config, None, asked);
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
                let recording =
                    Recording::begin(&self.config, name, channels.clamp(1, 2), on_outcome);
                self.open.insert(id, recording);
            }
            Message::Samples { id, samples } => {
                if let Some(recording) = self.open.get_mut(&id) {
                    recording.append(&samples);
                }
            }
            Message::Finish { id, failure, asked } => {
                if let Some(recording) = self.open.remove(&id) {
                    recording.finish(&self.config, failure, asked);
                }
            }
        }
    }
}

impl Recording {
    fn begin(
        config: &RecordingConfig,
        name: RecordingName,
        channels: u16,
        on_outcome: OnOutcome,
    ) -> Self {
        let state = match Growing::create(name.path_in(&config.partial_dir), channels) {
            Ok(growing) => State::Growing(growing),
            Err(error) => State::failed(&name, &error),
        };
        Self {
            name,
            channels,
            on_outcome,
            frames: 0,
            state,
        }
    }

    fn append(&mut self, samples: &[i16]) {
        self.frames += samples.len() as u64 / u64::from(self.channels);
        self.attempt(|growing| growing.append(samples));
    }

    fn flush(&mut self) {
        self.attempt(Growing::flush);
    }

    /// A failed write ends the recording, not the call: the half file goes, the reason stays.
    fn attempt(&mut self, write: impl FnOnce(&mut Growing) -> io::Result<()>) {
        let State::Growing(growing) = &mut self.state else {
            return;
        };
        if let Err(error) = write(growing) {
            growing.discard();
            self.state = State::failed(&self.name, &error);
        }
    }

    fn finish(self, config: &RecordingConfig, failure: Option<String>, asked: Instant) {
        let length_ms = self.frames * 1_000 / u64::from(SAMPLE_RATE_HZ);
        let outcome = match (self.state, failure) {
            (State::Growing(growing), Some(reason)) => {
                growing.discard();
                Outcome::Failed(reason)
            }
            (State::Failed(reason), _) => Outcome::Failed(reason),
            (State::Growing(growing), None) => {
                let path = growing.path.clone();
                match growing.publish(config, &self.name) {
                    // The call no longer waits for it: a file of which no record tells must not stay.
                    Ok(_) if asked.elapsed() > config.publish_within => {
                        let _ = fs::remove_file(config.path_of(&self.name.app, &self.name.object));
                        Outcome::Failed("the disk was too slow to keep the recording".into())
                    }
                    Ok(bytes) => Outcome::Published { bytes, length_ms },
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
        }
        (self.on_outcome)(outcome);
    }
}

impl State {
    fn failed(name: &RecordingName, error: &io::Error) -> Self {
        tracing::error!(object = %name.object, %error, "recording failed");
        State::Failed(error.to_string())
    }
}

impl Growing {
    fn create(path: PathBuf, channels: u16) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
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
        let mut growing = Self {
            wav,
            file: same,
            path,
            dirty: true,
        };
        // The header at once: a crash in the next half second must still leave something to repair.
        growing.flush()?;
        Ok(growing)
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

    fn discard(&self) {
        let _ = fs::remove_file(&self.path);
    }

    fn publish(self, config: &RecordingConfig, name: &RecordingName) -> io::Result<u64> {
        let Self {
            wav, file, path, ..
        } = self;
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
