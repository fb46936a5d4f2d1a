//! Where a message ends on a stream, and which shard a message belongs to before it is parsed.

use crate::error::Fault;
use crate::limits::Limits;
use crate::name::Name;
use crate::scan::{self, is_ws, trim};
use bytes::{Buf, Bytes, BytesMut};

/// What came out of a stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Frame {
    /// A whole message, to be parsed with [`crate::Source::Stream`].
    Message(Bytes),
    /// CRLF CRLF between messages (RFC 5626 §3.5.1): answer with CRLF.
    KeepAlivePing,
}

/// The stream cannot be followed any further: answer what can be answered, then close it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FramingError {
    /// No end of the head within the limit.
    #[error("head longer than allowed")]
    HeadTooLong,
    /// The end of the message cannot be told. Parsing `head` as a stream's message gives the
    /// [`crate::Reject`] to answer with.
    #[error("{fault}")]
    Unframeable {
        /// What is wrong.
        fault: Fault,
        /// Start line and headers with the blank line.
        head: Bytes,
    },
}

/// Cuts a TCP or TLS stream into messages by Content-Length (RFC 3261 §18.3). Holds at most one message
/// over what was pushed last.
#[derive(Debug)]
pub struct StreamFramer {
    limits: Limits,
    buf: BytesMut,
    /// No end of the head before this offset.
    scanned: usize,
    /// Length of the message at the front, once its head is complete.
    frame_len: Option<usize>,
    failed: Option<FramingError>,
}

impl Default for StreamFramer {
    fn default() -> Self {
        StreamFramer::new(Limits::DEFAULT)
    }
}

impl StreamFramer {
    /// An empty framer.
    pub fn new(limits: Limits) -> Self {
        StreamFramer {
            limits,
            buf: BytesMut::new(),
            scanned: 0,
            frame_len: None,
            failed: None,
        }
    }

    /// Adds bytes as they came. After an error they are thrown away.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.buf.extend_from_slice(bytes);
        }
    }

    /// Octets held that belong to no frame yet.
    pub fn pending(&self) -> usize {
        self.buf.len()
    }

    /// The next frame; `None`: more bytes are needed. An error stays.
    #[allow(clippy::should_implement_trait)] // `Iterator` would end at `None`, a framer goes on after it.
    pub fn next(&mut self) -> Result<Option<Frame>, FramingError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.advance();
        if let Err(error) = &result {
            self.failed = Some(error.clone());
            self.buf = BytesMut::new();
        }
        result
    }

    fn advance(&mut self) -> Result<Option<Frame>, FramingError> {
        if self.frame_len.is_none() {
            match self.skip_between() {
                Between::Ping => return Ok(Some(Frame::KeepAlivePing)),
                Between::Wait => return Ok(None),
                Between::Message => {}
            }
            let Some(head_len) = self.find_head_end()? else {
                return Ok(None);
            };
            let body_len = content_length(&self.buf[..head_len]).and_then(|n| {
                let fits = head_len
                    .checked_add(n)
                    .is_some_and(|len| len <= self.limits.message_max);
                if fits {
                    Ok(n)
                } else {
                    Err(Fault::MessageTooLarge)
                }
            });
            match body_len {
                Ok(n) => self.frame_len = Some(head_len + n),
                Err(fault) => {
                    let head = Bytes::copy_from_slice(&self.buf[..head_len]);
                    return Err(FramingError::Unframeable { fault, head });
                }
            }
        }
        match self.frame_len {
            Some(len) if self.buf.len() >= len => {
                self.frame_len = None;
                self.scanned = 0;
                Ok(Some(Frame::Message(self.buf.split_to(len).freeze())))
            }
            _ => Ok(None),
        }
    }

    /// Takes line ends and NULs before a message away. Half a ping waits for its other half.
    fn skip_between(&mut self) -> Between {
        while self.scanned == 0 {
            match self.buf[..] {
                [b'\r', b'\n', b'\r', b'\n', ..] => {
                    self.buf.advance(4);
                    return Between::Ping;
                }
                [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return Between::Wait,
                [b'\r' | b'\n' | 0, ..] => self.buf.advance(1),
                _ => break,
            }
        }
        Between::Message
    }

    /// Offset just past the blank line. Looks at no octet twice but the few at the end of what has come.
    fn find_head_end(&mut self) -> Result<Option<usize>, FramingError> {
        let bytes = &self.buf[..self.buf.len().min(self.limits.head())];
        let mut at = self.scanned;
        while let Some(hit) = memchr::memchr(b'\n', &bytes[at..]) {
            let eol = at + hit;
            match bytes[eol + 1..] {
                [b'\n', ..] => return Ok(Some(eol + 2)),
                [b'\r', b'\n', ..] => return Ok(Some(eol + 3)),
                [] | [b'\r'] => {
                    at = eol;
                    break;
                }
                _ => at = eol + 1,
            }
        }
        let undecided = bytes.get(at) == Some(&b'\n');
        self.scanned = if undecided { at } else { bytes.len() };
        if bytes.len() == self.limits.head() {
            return Err(FramingError::HeadTooLong);
        }
        Ok(None)
    }
}

/// What stands where a message may begin.
enum Between {
    Ping,
    Wait,
    Message,
}

/// Content-Length of a complete head: there, a number, and the same wherever it is repeated.
fn content_length(head: &[u8]) -> Result<usize, Fault> {
    let mut length = None;
    for (name, value) in Lines::new(head) {
        if Name::from_bytes(name) != Some(Name::ContentLength) {
            continue;
        }
        let n = scan::parse_u32(value).ok_or(Fault::ContentLength)?;
        if length.is_some_and(|other| other != n) {
            return Err(Fault::ContentLength);
        }
        length = Some(n);
    }
    length.map(|n| n as usize).ok_or(Fault::NoContentLength)
}

/// Header lines as (name, value with its folds still in), without judging them.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    /// Over the lines after the first one.
    fn new(message: &'a [u8]) -> Self {
        let rest = memchr::memchr(b'\n', message).map_or(&message[..0], |eol| &message[eol + 1..]);
        Lines { rest }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line_start = self.rest;
            let mut end = memchr::memchr(b'\n', line_start)?;
            if trim(&line_start[..end]).is_empty()
                && !line_start.first().copied().is_some_and(is_ws)
            {
                return None;
            }
            while line_start.get(end + 1).copied().is_some_and(is_ws) {
                match memchr::memchr(b'\n', &line_start[end + 1..]) {
                    Some(more) => end += 1 + more,
                    None => break,
                }
            }
            self.rest = &line_start[end + 1..];
            let line = &line_start[..end];
            if let Some(colon) = memchr::memchr(b':', line) {
                return Some((trim(&line[..colon]), trim(&line[colon + 1..])));
            }
        }
    }
}

/// The Call-ID without parsing the message: enough to choose a shard. `None` if there is none in what is
/// given, or only past the default limit of a head.
pub fn peek_call_id(message: &[u8]) -> Option<&[u8]> {
    let skipped = message
        .iter()
        .take_while(|b| matches!(b, b'\r' | b'\n' | 0))
        .count();
    let bytes = &message[skipped..];
    let bytes = &bytes[..bytes.len().min(Limits::DEFAULT.head_max)];
    Lines::new(bytes)
        .find(|(name, _)| Name::from_bytes(name) == Some(Name::CallId))
        .map(|(_, value)| value)
}

/// The shard of a Call-ID, the same in every process and version. 0 if there are no shards.
pub fn shard_of(call_id: &[u8], shards: usize) -> usize {
    if shards <= 1 {
        return 0;
    }
    // FNV-1a, then a finishing mix so that the high bits depend on every octet.
    let mut hash = call_id.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, &b| {
        (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let scaled = u128::from(hash) * shards as u128;
    usize::try_from(scaled >> 64).unwrap_or(0)
}
