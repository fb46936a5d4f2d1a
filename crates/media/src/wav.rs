//! WAV files in memory: read what customers upload and what the recorder wrote; write A-law and PCM.
//!
//! The recorder's growing files are not written here. The hound crate reads and writes PCM only, and no A-law, so both
//! directions are here; hound checks them in the tests.

use crate::g711;

/// RIFF's chunk loop ends here whatever the file says.
const CHUNKS_MAX: usize = 1024;
/// Length that writers to a pipe leave in the data chunk: "until the end". Some write all ones, some the largest
/// 31-bit length rounded down.
const OPEN_LENGTH: u32 = 0x7FFF_0000;
/// The constant part of the sub-format GUID in WAVE_FORMAT_EXTENSIBLE.
const EXTENSIBLE_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

/// How samples are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// 16-bit linear, format tag 1.
    Pcm16,
    /// G.711 A-law, format tag 6.
    Alaw,
    /// G.711 µ-law, format tag 7.
    Ulaw,
}

impl Encoding {
    const fn tag(self) -> u16 {
        match self {
            Self::Pcm16 => 1,
            Self::Alaw => 6,
            Self::Ulaw => 7,
        }
    }

    const fn bytes_per_sample(self) -> u16 {
        match self {
            Self::Pcm16 => 2,
            Self::Alaw | Self::Ulaw => 1,
        }
    }
}

/// Why a file was not taken. The text is for the person who uploaded it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WavError {
    /// Some other kind of file.
    #[error("not a WAV file: {0}")]
    NotWav(&'static str),
    /// The file ends inside its header or audio.
    #[error("the WAV file is cut short: {0}")]
    Truncated(&'static str),
    /// A chunk that must be there is missing.
    #[error("the WAV file has no {0} chunk")]
    Missing(&'static str),
    /// A coding that is not taken.
    #[error("unsupported audio coding: {name} (format tag {tag}); use A-law or 16-bit PCM")]
    Coding {
        /// The format tag in the file.
        tag: u16,
        /// Its usual name.
        name: &'static str,
    },
    /// PCM, but not 16 bits wide.
    #[error("{bits}-bit samples are not supported; use 16-bit PCM or 8-bit A-law")]
    Bits {
        /// Bits per sample in the file.
        bits: u16,
    },
    /// A header that contradicts itself.
    #[error("damaged WAV header: {0}")]
    Damaged(&'static str),
}

/// A WAV file seen in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wav<'a> {
    /// How samples are coded.
    pub encoding: Encoding,
    /// Channels, interleaved.
    pub channels: u16,
    /// Hz.
    pub sample_rate: u32,
    /// The audio.
    pub data: &'a [u8],
}

struct Format {
    encoding: Encoding,
    channels: u16,
    sample_rate: u32,
}

impl<'a> Wav<'a> {
    /// Reads a WAV file: chunks in any order, unknown ones skipped, padded or not, plain or extensible header.
    ///
    /// # Errors
    /// [`WavError`], whose text says what is wrong with the file.
    pub fn read(file: &'a [u8]) -> Result<Self, WavError> {
        check_magic(file)?;
        let mut format = None;
        let mut data = None;
        let mut at = 12usize;
        for _ in 0..CHUNKS_MAX {
            let Some(head) = file.get(at..at + 8) else {
                break;
            };
            let id = &head[..4];
            let size = le32(head, 4);
            let body = file.get(at + 8..).unwrap_or_default();
            let wanted = size as usize;
            match id {
                b"fmt " if format.is_none() => {
                    let body = body
                        .get(..wanted)
                        .ok_or(WavError::Truncated("it ends inside the fmt chunk"))?;
                    format = Some(read_format(body)?);
                }
                b"data" if data.is_none() => {
                    data = Some(match body.get(..wanted) {
                        Some(audio) => audio,
                        None if size >= OPEN_LENGTH => body,
                        None => {
                            return Err(WavError::Truncated(
                                "there is less audio than its header says; upload it again",
                            ));
                        }
                    });
                }
                _ => {}
            }
            if wanted > body.len() {
                break;
            }
            at += 8 + wanted;
            // An odd chunk is followed by a zero; writers that forget it go straight on with the next name.
            if wanted % 2 == 1 && file.get(at) == Some(&0) {
                at += 1;
            }
        }
        let format = format.ok_or(WavError::Missing("fmt"))?;
        let data = data.ok_or(WavError::Missing("data"))?;
        let frame = usize::from(format.channels) * usize::from(format.encoding.bytes_per_sample());
        Ok(Self {
            encoding: format.encoding,
            channels: format.channels,
            sample_rate: format.sample_rate,
            // Half a frame at the end is nothing that can be played.
            data: &data[..data.len() - data.len() % frame],
        })
    }

    /// Samples of one channel.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.data.len()
            / (usize::from(self.channels) * usize::from(self.encoding.bytes_per_sample()))
    }

    /// Length in milliseconds.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        self.frames() as u64 * 1000 / u64::from(self.sample_rate.max(1))
    }

    /// Every sample as linear, channels interleaved.
    pub fn linear(&self) -> impl Iterator<Item = i16> + 'a {
        let encoding = self.encoding;
        self.data
            .chunks_exact(usize::from(encoding.bytes_per_sample()))
            .map(move |raw| match (encoding, raw) {
                (Encoding::Pcm16, [low, high]) => i16::from_le_bytes([*low, *high]),
                (Encoding::Alaw, [code]) => g711::alaw_to_linear(*code),
                (Encoding::Ulaw, [code]) => g711::ulaw_to_linear(*code),
                _ => 0,
            })
    }

    /// One channel as linear samples; empty when there is no such channel.
    #[must_use]
    pub fn channel(&self, index: u16) -> Vec<i16> {
        if index >= self.channels {
            return Vec::new();
        }
        self.linear()
            .skip(usize::from(index))
            .step_by(usize::from(self.channels))
            .collect()
    }
}

fn check_magic(file: &[u8]) -> Result<(), WavError> {
    let kind = match file.get(..4) {
        None => return Err(WavError::NotWav("the file is too short")),
        Some(b"RIFF") => None,
        Some(b"RIFX") => Some("it is a big-endian RIFX file"),
        Some(b"RF64" | b"BW64") => Some("it is an RF64 file; save it as plain WAV"),
        Some(b"FORM") => Some("it is an AIFF file"),
        Some(b".snd") => Some("it is an AU file"),
        Some(b"OggS") => Some("it is an Ogg file"),
        Some(b"fLaC") => Some("it is a FLAC file"),
        Some([b'I', b'D', b'3', _] | [0xFF, 0xE0..=0xFF, _, _]) => {
            Some("it looks like an MP3 file")
        }
        Some(b"#!AM") => Some("it is an AMR file"),
        Some(_) => Some("it does not begin with RIFF"),
    };
    if let Some(kind) = kind {
        return Err(WavError::NotWav(kind));
    }
    match file.get(8..12) {
        Some(b"WAVE") => Ok(()),
        Some(_) => Err(WavError::NotWav("it is a RIFF file of another kind")),
        None => Err(WavError::Truncated("it ends inside the RIFF header")),
    }
}

fn read_format(body: &[u8]) -> Result<Format, WavError> {
    if body.len() < 16 {
        return Err(WavError::Damaged("the fmt chunk is too short"));
    }
    let mut tag = le16(body, 0);
    let channels = le16(body, 2);
    let sample_rate = le32(body, 4);
    let bits = le16(body, 14);
    if tag == 0xFFFE {
        if body.len() < 40 {
            return Err(WavError::Damaged("the extensible fmt chunk is too short"));
        }
        if body[26..40] != EXTENSIBLE_TAIL {
            return Err(WavError::Coding {
                tag,
                name: "an unknown extensible coding",
            });
        }
        tag = le16(body, 24);
    }
    let encoding = match tag {
        1 if bits == 16 => Encoding::Pcm16,
        1 => return Err(WavError::Bits { bits }),
        6 | 7 if bits != 8 => return Err(WavError::Damaged("A-law and µ-law samples have 8 bits")),
        6 => Encoding::Alaw,
        7 => Encoding::Ulaw,
        _ => {
            return Err(WavError::Coding {
                tag,
                name: coding_name(tag),
            });
        }
    };
    if channels == 0 {
        return Err(WavError::Damaged("it has no channel"));
    }
    if sample_rate == 0 {
        return Err(WavError::Damaged("its sample rate is 0"));
    }
    Ok(Format {
        encoding,
        channels,
        sample_rate,
    })
}

const fn coding_name(tag: u16) -> &'static str {
    match tag {
        2 => "Microsoft ADPCM",
        3 => "floating point",
        0x11 => "IMA ADPCM",
        0x31 => "GSM 6.10",
        0x50 => "MPEG audio",
        0x55 => "MP3",
        _ => "unknown",
    }
}

fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The header of a WAV file with `data_len` bytes of audio; everything before the audio. For codings other than PCM
/// with the size field and the `fact` chunk that the format asks for. An odd `data_len` needs one zero byte after the audio.
#[must_use]
pub fn header(encoding: Encoding, channels: u16, sample_rate: u32, data_len: u32) -> Vec<u8> {
    let frame = channels.saturating_mul(encoding.bytes_per_sample());
    let is_pcm = encoding == Encoding::Pcm16;
    let mut out = Vec::with_capacity(58);
    out.extend_from_slice(b"RIFF\0\0\0\0WAVEfmt ");
    out.extend_from_slice(&(if is_pcm { 16u32 } else { 18 }).to_le_bytes());
    out.extend_from_slice(&encoding.tag().to_le_bytes());
    out.extend_from_slice(&channels.to_le_bytes());
    out.extend_from_slice(&sample_rate.to_le_bytes());
    out.extend_from_slice(&sample_rate.saturating_mul(u32::from(frame)).to_le_bytes());
    out.extend_from_slice(&frame.to_le_bytes());
    out.extend_from_slice(&(8 * encoding.bytes_per_sample()).to_le_bytes());
    if !is_pcm {
        out.extend_from_slice(&0u16.to_le_bytes());
        out.extend_from_slice(b"fact");
        out.extend_from_slice(&4u32.to_le_bytes());
        out.extend_from_slice(&(data_len / u32::from(frame.max(1))).to_le_bytes());
    }
    out.extend_from_slice(b"data");
    out.extend_from_slice(&data_len.to_le_bytes());
    let riff = (out.len() as u32 - 8)
        .saturating_add(data_len)
        .saturating_add(data_len % 2);
    out[4..8].copy_from_slice(&riff.to_le_bytes());
    out
}

/// A whole file around audio that is already coded.
#[must_use]
pub fn write(encoding: Encoding, channels: u16, sample_rate: u32, data: &[u8]) -> Vec<u8> {
    let data_len = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut out = header(encoding, channels, sample_rate, data_len);
    out.reserve(data.len() + 1);
    out.extend_from_slice(data);
    if data.len() % 2 == 1 {
        out.push(0);
    }
    out
}

/// A 16-bit PCM file of interleaved samples.
#[must_use]
pub fn write_pcm16(channels: u16, sample_rate: u32, samples: &[i16]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    write(Encoding::Pcm16, channels, sample_rate, &data)
}

/// The same recording as an A-law file: what a download asks for.
///
/// # Errors
/// Those of [`Wav::read`].
pub fn convert_to_alaw(file: &[u8]) -> Result<Vec<u8>, WavError> {
    let wav = Wav::read(file)?;
    let data: Vec<u8> = match wav.encoding {
        Encoding::Alaw => wav.data.to_vec(),
        Encoding::Ulaw => wav.data.iter().map(|c| g711::ulaw_to_alaw(*c)).collect(),
        Encoding::Pcm16 => wav.linear().map(g711::linear_to_alaw).collect(),
    };
    Ok(write(Encoding::Alaw, wav.channels, wav.sample_rate, &data))
}
