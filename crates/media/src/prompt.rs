//! Prompts: short audio, checked and coded once for both laws, shared by all calls that play it.

use crate::codec::Codec;
use crate::g711;
use crate::wav::{Encoding, Wav, WavError};

/// Largest file that may be uploaded.
pub const FILE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// The one sample rate, Hz.
pub const SAMPLE_RATE: u32 = 8000;

/// Why a prompt was refused. The text is for the person who uploaded it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// Larger than [`FILE_BYTES_MAX`].
    #[error("the file has {bytes} bytes; at most 2097152 (2 MiB) are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not a WAV file that can be read.
    #[error(transparent)]
    Wav(#[from] WavError),
    /// Not 8 kHz.
    #[error("the sample rate is {hz} Hz; convert it to 8000 Hz")]
    SampleRate {
        /// Its sample rate.
        hz: u32,
    },
    /// More than one channel.
    #[error("the file has {channels} channels; convert it to mono")]
    Channels {
        /// Its channels.
        channels: u16,
    },
    /// Nothing to play.
    #[error("the file contains no audio")]
    Empty,
}

/// Audio ready to be sent in either law, 8 kHz mono. Never empty.
#[derive(Clone, PartialEq, Eq)]
pub struct Prompt {
    alaw: Box<[u8]>,
    ulaw: Box<[u8]>,
}

impl std::fmt::Debug for Prompt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prompt({} ms)", self.duration_ms())
    }
}

impl Prompt {
    /// Reads a customer's file: WAV, 8 kHz, mono, A-law or 16-bit PCM (µ-law is taken too), at most 2 MiB.
    ///
    /// # Errors
    /// [`PromptError`], whose text says what to change.
    pub fn from_wav(file: &[u8]) -> Result<Self, PromptError> {
        if file.len() > FILE_BYTES_MAX {
            return Err(PromptError::TooLarge { bytes: file.len() });
        }
        let wav = Wav::read(file)?;
        if wav.sample_rate != SAMPLE_RATE {
            return Err(PromptError::SampleRate {
                hz: wav.sample_rate,
            });
        }
        if wav.channels != 1 {
            return Err(PromptError::Channels {
                channels: wav.channels,
            });
        }
        if wav.data.is_empty() {
            return Err(PromptError::Empty);
        }
        Ok(match wav.encoding {
            Encoding::Alaw => Self {
                alaw: wav.data.into(),
                ulaw: wav.data.iter().map(|c| g711::alaw_to_ulaw(*c)).collect(),
            },
            Encoding::Ulaw => Self {
                alaw: wav.data.iter().map(|c| g711::ulaw_to_alaw(*c)).collect(),
                ulaw: wav.data.into(),
            },
            Encoding::Pcm16 => Self {
                alaw: wav.linear().map(g711::linear_to_alaw).collect(),
                ulaw: wav.linear().map(g711::linear_to_ulaw).collect(),
            },
        })
    }

    /// A prompt from linear samples.
    ///
    /// # Errors
    /// [`PromptError::Empty`] without samples.
    pub fn from_linear(samples: &[i16]) -> Result<Self, PromptError> {
        if samples.is_empty() {
            return Err(PromptError::Empty);
        }
        Ok(Self {
            alaw: samples.iter().map(|s| g711::linear_to_alaw(*s)).collect(),
            ulaw: samples.iter().map(|s| g711::linear_to_ulaw(*s)).collect(),
        })
    }

    /// The audio in A-law.
    #[must_use]
    pub fn alaw(&self) -> &[u8] {
        &self.alaw
    }

    /// The audio in µ-law.
    #[must_use]
    pub fn ulaw(&self) -> &[u8] {
        &self.ulaw
    }

    /// The audio as the codec's payload bytes; `None` for a codec that is not spoken.
    #[must_use]
    pub fn payload(&self, codec: &Codec) -> Option<&[u8]> {
        match codec {
            Codec::Pcma => Some(&self.alaw),
            Codec::Pcmu => Some(&self.ulaw),
            Codec::Other(_) => None,
        }
    }

    /// Samples; at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a prompt is never empty")]
    pub fn len(&self) -> usize {
        self.alaw.len()
    }

    /// Length in milliseconds, rounded up.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        (self.alaw.len() as u64).div_ceil(u64::from(SAMPLE_RATE / 1000))
    }
}
