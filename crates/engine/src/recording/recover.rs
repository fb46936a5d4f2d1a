//! Recordings that a killed process left half done: repaired and published, or deleted when there is nothing in them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::writer::publish;
use super::{RecordingConfig, RecordingName, SAMPLE_RATE_HZ};

/// Size of the header that the writer makes: RIFF, a plain `fmt ` chunk, the head of `data`.
const HEADER_BYTES: u64 = 44;

/// A recording that is published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recovered {
    /// The application's folder.
    pub app: String,
    /// File name inside the application's folder.
    pub object: String,
    /// Size of the file.
    pub bytes: u64,
    /// Length of the audio.
    pub length_ms: u64,
}

/// Empties the folder of partial recordings: all that hold audio are published, the talk was long enough. Call it before [`Recorder::start`](super::Recorder::start). A file that
/// cannot be read or published is logged and left where it is.
pub fn recover(config: &RecordingConfig) -> io::Result<Vec<Recovered>> {
    let mut recovered = Vec::new();
    for folder in list(&config.partial_dir)? {
        if !folder.is_dir() {
            continue;
        }
        for path in list(&folder)? {
            let parts = folder.file_name().zip(path.file_name());
            let Some(name) =
                parts.and_then(|(app, object)| RecordingName::from_components(app, object))
            else {
                continue;
            };
            match recover_one(config, name, &path) {
                Ok(found) => recovered.extend(found),
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "a partial recording could not be saved")
                }
            }
        }
    }
    Ok(recovered)
}

/// What is in a folder; a folder that does not exist is empty.
fn list(dir: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// A published recording; None when there is none of this name. After [`recover`] this answers what became of any
/// recording that a killed process had begun.
pub fn published(config: &RecordingConfig, app: &str, object: &str) -> Option<Recovered> {
    let path = config.path_of(app, object);
    let wav = hound::WavReader::open(&path).ok()?;
    Some(Recovered {
        app: app.into(),
        object: object.into(),
        bytes: fs::metadata(&path).ok()?.len(),
        length_ms: u64::from(wav.duration()) * 1_000 / u64::from(wav.spec().sample_rate.max(1)),
    })
}

fn recover_one(
    config: &RecordingConfig,
    name: RecordingName,
    path: &Path,
) -> io::Result<Option<Recovered>> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let audio = repair(&mut file)?;
    // A file is begun when the talk has outlasted the minimum; what was in memory at the end is not in it, so that it
    // may be shorter.
    let Some(length_ms) = audio.filter(|&length_ms| length_ms > 0) else {
        fs::remove_file(path)?;
        return Ok(None);
    };
    let bytes = publish(config, &name, &file, path)?;
    let RecordingName { app, object, .. } = name;
    Ok(Some(Recovered {
        app,
        object,
        bytes,
        length_ms,
    }))
}

/// Makes the header tell the length that the file has, and returns it in milliseconds; None if there is no header.
fn repair(file: &mut File) -> io::Result<Option<u64>> {
    let size = file.metadata()?.len();
    let mut header = [0u8; HEADER_BYTES as usize];
    if size < HEADER_BYTES {
        return Ok(None);
    }
    file.read_exact(&mut header)?;
    let tags_right =
        header.starts_with(b"RIFF") && header[8..16] == *b"WAVEfmt " && header[36..40] == *b"data";
    let channels = u64::from(u16::from_le_bytes([header[22], header[23]]));
    if !tags_right || !(1..=2).contains(&channels) {
        return Ok(None);
    }
    let frame_bytes = channels * 2;
    let frames = (size - HEADER_BYTES) / frame_bytes;
    let data_bytes = frames * frame_bytes;
    let (Ok(riff_size), Ok(data_size)) = (
        u32::try_from(data_bytes + HEADER_BYTES - 8),
        u32::try_from(data_bytes),
    ) else {
        return Ok(None);
    };
    file.set_len(HEADER_BYTES + data_bytes)?;
    for (at, value) in [(4, riff_size), (HEADER_BYTES - 4, data_size)] {
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&value.to_le_bytes())?;
    }
    Ok(Some(frames * 1_000 / u64::from(SAMPLE_RATE_HZ)))
}
