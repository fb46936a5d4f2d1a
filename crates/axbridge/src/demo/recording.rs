//! The recording, fetched as a customer fetches it, and what is in it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use axbridge_api::customer::RECORD_PATH;
use axbridge_media::wav::Wav;
use http::header::LOCATION;
use http::{Method, StatusCode};
use serde_json::Value;

use super::client::Client;
use super::hearing::{BLOCK, Tone, tone_of};

/// A recording and the way it came.
pub struct Recording {
    /// Where it lies now.
    pub path: PathBuf,
    /// Channels.
    pub channels: u16,
    /// Samples per second.
    pub sample_rate: u32,
    /// Length in milliseconds.
    pub length_ms: u64,
    /// Length of each tone in milliseconds, left and right.
    tones: [Vec<(Tone, u64)>; 2],
}

impl Recording {
    /// How long this tone is heard on that channel, in milliseconds.
    pub fn length_of(&self, channel: usize, tone: Tone) -> u64 {
        self.tones[channel]
            .iter()
            .filter(|(t, _)| *t == tone)
            .map(|(_, ms)| ms)
            .sum()
    }
}

/// The path of the request for the recording that a call record names.
pub fn request_path(fee: &Value) -> Result<String> {
    let text = |name: &str| {
        fee[name]
            .as_str()
            .with_context(|| format!("the call record has no {name}"))
    };
    Ok(format!(
        "{RECORD_PATH}?fileName={}&recordDomain={}",
        text("recordObjectName")?,
        text("recordDomain")?
    ))
}

/// Asks for the recording, follows the redirect, keeps the file at `path` and reads it.
pub async fn fetch(client: &Client, fee: &Value, path: &Path) -> Result<Recording> {
    let answer = client
        .customer(Method::GET, &request_path(fee)?, None)
        .await?;
    if answer.status != StatusCode::MOVED_PERMANENTLY {
        bail!(
            "asked for the recording: {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
    }
    let url = answer
        .headers
        .get(LOCATION)
        .and_then(|v| v.to_str().ok())
        .context("301 without a Location")?;
    let file = client.fetch(url).await?;
    if file.status != StatusCode::OK {
        bail!(
            "downloaded the recording: {} {}",
            file.status,
            String::from_utf8_lossy(&file.body)
        );
    }
    tokio::fs::write(path, &file.body)
        .await
        .with_context(|| path.display().to_string())?;
    read(&file.body, path)
}

fn read(file: &[u8], path: &Path) -> Result<Recording> {
    let wav = Wav::read(file)?;
    let tones = [0, 1].map(|channel| {
        let samples = wav.channel(channel);
        let expected = [
            Tone::A,
            Tone::B,
            Tone::PreCall,
            Tone::Notice,
            Tone::LastMinute,
        ];
        let heard = samples
            .chunks(BLOCK)
            .filter_map(|block| tone_of(block, &expected));
        heard.map(|tone| (tone, 20)).collect()
    });
    Ok(Recording {
        path: path.to_owned(),
        channels: wav.channels,
        sample_rate: wav.sample_rate,
        length_ms: wav.duration_ms(),
        tones,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axbridge_media::{tone, wav};

    #[test]
    fn each_channel_is_read_by_itself() {
        let (left, right) = (tone::sine(440.0, 500, 8000), tone::sine(880.0, 500, 8000));
        let both: Vec<i16> = left
            .into_iter()
            .zip(right)
            .flat_map(|(l, r)| [l, r])
            .collect();
        let recording = read(&wav::write_pcm16(2, 8000, &both), Path::new("x.wav")).unwrap();
        assert_eq!((recording.channels, recording.length_ms), (2, 500));
        assert_eq!(
            (
                recording.length_of(0, Tone::A),
                recording.length_of(0, Tone::B)
            ),
            (500, 0)
        );
        assert_eq!(
            (
                recording.length_of(1, Tone::A),
                recording.length_of(1, Tone::B)
            ),
            (0, 500)
        );
    }
}
