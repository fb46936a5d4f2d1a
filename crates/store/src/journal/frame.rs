//! Frames: how one fact lies in a segment.

use axbridge_call::Fact;

use super::crc::crc32;

/// Length and checksum.
const HEAD: usize = 8;
/// A fact is far smaller; a length above this is damage.
pub(crate) const PAYLOAD_MAX: usize = 1 << 20;

/// Appends the frame of a fact.
pub(crate) fn encode(fact: &Fact, out: &mut Vec<u8>) -> std::io::Result<()> {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    serde_json::to_writer(&mut *out, fact)?;
    let payload = &out[start + HEAD..];
    let (length, crc) = (payload.len(), crc32(payload));
    if length > PAYLOAD_MAX {
        out.truncate(start);
        return Err(std::io::Error::other(
            "a fact is larger than a journal frame may be",
        ));
    }
    out[start..start + 4].copy_from_slice(&(length as u32).to_le_bytes());
    out[start + 4..start + HEAD].copy_from_slice(&crc.to_le_bytes());
    Ok(())
}

/// The payload of the frame that begins `bytes`, if a whole and sound one does.
pub(crate) fn decode(bytes: &[u8]) -> Option<&[u8]> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let length = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
    let crc = u32::from_le_bytes(head[4..].try_into().ok()?);
    // Every payload is a JSON object: looking at its first byte spares most checksums while searching.
    if length > PAYLOAD_MAX || rest.first() != Some(&b'{') {
        return None;
    }
    let payload = rest.get(..length)?;
    (crc32(payload) == crc).then_some(payload)
}

/// Bytes of the frame around a payload.
pub(crate) fn size(payload: &[u8]) -> usize {
    HEAD + payload.len()
}

/// Where the next sound frame begins after damage at the start of `bytes`.
pub(crate) fn resync(bytes: &[u8]) -> Option<usize> {
    (1..bytes.len()).find(|&at| decode(&bytes[at..]).is_some())
}
