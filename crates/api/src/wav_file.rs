//! A published recording as a response body, as it is or turned into A-law on the way.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axbridge_media::g711::linear_to_alaw;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::fs::File;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncSeekExt as _, ReadBuf};

const CHUNK: usize = 64 * 1024;
/// RIFF header, 16-byte `fmt `, `data` header: what the recorder writes.
const PCM_HEADER: usize = 44;

/// The file, streamed.
pub(crate) struct WavBody {
    file: File,
    head: Option<Bytes>,
    left: u64,
    to_alaw: bool,
    /// The first byte of a sample whose second has not been read.
    half: Option<u8>,
    buffer: Box<[u8]>,
}

impl WavBody {
    /// Opens a regular file. `alaw`: convert, if it is 16-bit PCM.
    pub(crate) async fn open(path: &Path, alaw: bool) -> io::Result<Self> {
        let mut file = File::open(path).await?;
        let meta = file.metadata().await?;
        if !meta.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "not a regular file",
            ));
        }
        let converted = if alaw {
            alaw_head(&mut file, meta.len()).await?
        } else {
            None
        };
        let (start, left) = match &converted {
            Some((_, samples)) => (PCM_HEADER as u64, samples * 2),
            None => (0, meta.len()),
        };
        file.seek(io::SeekFrom::Start(start)).await?;
        Ok(Self {
            file,
            left,
            to_alaw: converted.is_some(),
            head: converted.map(|(head, _)| head),
            half: None,
            buffer: vec![0; CHUNK].into_boxed_slice(),
        })
    }

    /// Bytes that will be sent.
    pub(crate) fn len(&self) -> u64 {
        let head = self.head.as_ref().map_or(0, |h| h.len() as u64);
        head + if self.to_alaw {
            self.left / 2
        } else {
            self.left
        }
    }
}

/// The A-law header for a PCM file of ours and its number of samples; `None` for any other file.
async fn alaw_head(file: &mut File, len: u64) -> io::Result<Option<(Bytes, u64)>> {
    let mut h = [0; PCM_HEADER];
    if len < PCM_HEADER as u64 {
        return Ok(None);
    }
    file.read_exact(&mut h).await?;
    let word = |at: usize| u16::from_le_bytes([h[at], h[at + 1]]);
    let pcm = &h[..4] == b"RIFF"
        && &h[8..16] == b"WAVEfmt "
        && word(20) == 1
        && word(34) == 16
        && &h[36..40] == b"data";
    if !pcm {
        return Ok(None);
    }
    let channels = word(22).max(1);
    let rate = u32::from_le_bytes([h[24], h[25], h[26], h[27]]);
    let announced = u64::from(u32::from_le_bytes([h[40], h[41], h[42], h[43]]));
    let samples = announced.min(len - PCM_HEADER as u64) / 2;
    let Ok(data) = u32::try_from(samples) else {
        return Ok(None);
    };
    let mut out = Vec::with_capacity(58);
    out.extend(b"RIFF");
    out.extend((50 + data + (data & 1)).to_le_bytes());
    out.extend(b"WAVEfmt ");
    out.extend(18_u32.to_le_bytes());
    out.extend(6_u16.to_le_bytes());
    out.extend(channels.to_le_bytes());
    out.extend(rate.to_le_bytes());
    out.extend((rate.saturating_mul(u32::from(channels))).to_le_bytes());
    out.extend(channels.to_le_bytes());
    out.extend(8_u16.to_le_bytes());
    out.extend(0_u16.to_le_bytes());
    out.extend(b"fact");
    out.extend(4_u32.to_le_bytes());
    out.extend((data / u32::from(channels)).to_le_bytes());
    out.extend(b"data");
    out.extend(data.to_le_bytes());
    Ok(Some((out.into(), samples)))
}

impl Body for WavBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if let Some(head) = this.head.take() {
            return Poll::Ready(Some(Ok(Frame::data(head))));
        }
        while this.left > 0 {
            let want = usize::try_from(this.left).unwrap_or(CHUNK).min(CHUNK);
            let mut buf = ReadBuf::new(&mut this.buffer[..want]);
            if let Err(e) = ready!(Pin::new(&mut this.file).poll_read(cx, &mut buf)) {
                return Poll::Ready(Some(Err(e)));
            }
            let read = buf.filled();
            if read.is_empty() {
                return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
            }
            this.left -= read.len() as u64;
            let data = if this.to_alaw {
                convert(&mut this.half, read)
            } else {
                Bytes::copy_from_slice(read)
            };
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0 && self.head.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len())
    }
}

fn convert(half: &mut Option<u8>, mut pcm: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(pcm.len() / 2 + 1);
    if let (Some(low), Some((high, rest))) = (*half, pcm.split_first()) {
        out.push(linear_to_alaw(i16::from_le_bytes([low, *high])));
        pcm = rest;
        *half = None;
    }
    let samples = pcm.chunks_exact(2);
    if let [odd] = samples.remainder() {
        *half = Some(*odd);
    }
    out.extend(samples.map(|s| linear_to_alaw(i16::from_le_bytes([s[0], s[1]]))));
    out.into()
}
