//! The RTP header (RFC 3550 §5.1): a checked view of a received packet and the twelve bytes that we write.
//!
//! By hand, because a relay patches packets in place: our header goes directly in front of the payload, over whatever CSRC
//! list or extension was there, so nothing of the peer's header can cross and nothing is copied. `rtp-rs` is the oracle
//! of the tests.

use std::ops::Range;

/// Bytes of a header without CSRC list and extension: the only kind that we send.
pub const HEADER_LEN: usize = 12;

/// Why a datagram is no RTP packet.
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RtpError {
    /// Shorter than what its own header announces.
    #[error("RTP packet is shorter than its header says")]
    Short,
    /// Not version 2: STUN, DTLS or noise.
    #[error("not RTP version 2")]
    Version,
    /// Padding flag set with an impossible padding length.
    #[error("RTP padding is longer than the packet or zero")]
    Padding,
}

/// What a received header says, with the place of the payload in the datagram.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RtpHeader {
    /// Marker bit.
    pub marker: bool,
    /// Payload type, 7 bits.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp in the clock of the payload type.
    pub timestamp: u32,
    /// Synchronisation source of the sender.
    pub ssrc: u32,
    /// Where the payload is; without padding. Starts at 12 or later.
    pub payload: Range<usize>,
}

impl RtpHeader {
    /// Reads the header of a datagram. Never panics, whatever the bytes are.
    pub fn parse(packet: &[u8]) -> Result<RtpHeader, RtpError> {
        let Some((fixed, _)) = packet.split_first_chunk::<HEADER_LEN>() else {
            return Err(RtpError::Short);
        };
        if fixed[0] >> 6 != 2 {
            return Err(RtpError::Version);
        }
        let start = payload_start(packet, fixed[0])?;
        let end = payload_end(packet, fixed[0], start)?;
        Ok(RtpHeader {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7F,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            payload: start..end,
        })
    }
}

fn payload_start(packet: &[u8], first: u8) -> Result<usize, RtpError> {
    let mut start = HEADER_LEN + 4 * usize::from(first & 0x0F);
    if first & 0x10 != 0 {
        let Some(&[high, low]) = packet.get(start + 2..start + 4) else {
            return Err(RtpError::Short);
        };
        start += 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
    }
    if start > packet.len() {
        return Err(RtpError::Short);
    }
    Ok(start)
}

fn payload_end(packet: &[u8], first: u8, start: usize) -> Result<usize, RtpError> {
    if first & 0x20 == 0 {
        return Ok(packet.len());
    }
    let padding = usize::from(packet.last().copied().unwrap_or(0));
    if padding == 0 || padding > packet.len() - start {
        return Err(RtpError::Padding);
    }
    Ok(packet.len() - padding)
}

/// The header that we send: no padding, no extension, no CSRC.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct OutHeader {
    /// Marker bit.
    pub marker: bool,
    /// Payload type; only the lower 7 bits are used.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Our source.
    pub ssrc: u32,
}

impl OutHeader {
    /// Writes the header into twelve bytes.
    pub fn write(&self, into: &mut [u8; HEADER_LEN]) {
        into[0] = 0x80;
        into[1] = (u8::from(self.marker) << 7) | (self.payload_type & 0x7F);
        into[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        into[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        into[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
    }

    /// Writes the header directly in front of a payload that was received, and gives the place of the new packet.
    /// `None` if there is no room in front, which a parsed packet always has.
    pub fn write_before(&self, packet: &mut [u8], payload: Range<usize>) -> Option<Range<usize>> {
        let start = payload.start.checked_sub(HEADER_LEN)?;
        let place = packet
            .get_mut(start..payload.start)?
            .first_chunk_mut::<HEADER_LEN>()?;
        self.write(place);
        Some(start..payload.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rtp_rs::{RtpPacketBuilder, RtpReader, Seq};

    fn built(csrc: u32, extension: bool, padding: bool) -> Vec<u8> {
        let mut builder = RtpPacketBuilder::new()
            .payload_type(8)
            .marked(true)
            .sequence(Seq::from(65_535))
            .timestamp(0xDEAD_BEEF)
            .ssrc(0x0102_0304)
            .payload(b"abcde");
        for source in 0..csrc {
            builder = builder.add_csrc(source);
        }
        if extension {
            builder = builder.extension(0xBEDE, &[1, 2, 3, 4, 5, 6, 7, 8]);
        }
        if padding {
            builder = builder.padded(rtp_rs::Pad::round_to(4));
        }
        builder.build().expect("oracle builds")
    }

    #[test]
    fn payload_is_found_behind_csrc_extension_and_before_padding() {
        for (csrc, extension, padding) in [
            (0, false, false),
            (3, true, true),
            (15, true, false),
            (0, false, true),
        ] {
            let packet = built(csrc, extension, padding);
            let header = RtpHeader::parse(&packet).expect("valid");
            assert_eq!(&packet[header.payload.clone()], b"abcde");
            assert!(header.marker);
            assert_eq!((header.payload_type, header.sequence), (8, 65_535));
            assert_eq!((header.timestamp, header.ssrc), (0xDEAD_BEEF, 0x0102_0304));
        }
    }

    #[test]
    fn rewritten_packet_carries_nothing_of_the_old_header() {
        let mut packet = built(15, true, true);
        let header = RtpHeader::parse(&packet).expect("valid");
        let ours = OutHeader {
            marker: false,
            payload_type: 0,
            sequence: 7,
            timestamp: 9,
            ssrc: 11,
        };
        let range = ours
            .write_before(&mut packet, header.payload)
            .expect("room");
        let out = &packet[range];
        assert_eq!(out.len(), HEADER_LEN + 5);
        let read = RtpReader::new(out).expect("oracle accepts");
        assert_eq!(
            (
                read.csrc_count(),
                read.extension(),
                read.padding(),
                read.mark()
            ),
            (0, None, None, false)
        );
        assert_eq!(
            (read.payload_type(), read.ssrc(), read.timestamp()),
            (0, 11, 9)
        );
        assert_eq!(read.sequence_number(), Seq::from(7));
        assert_eq!(read.payload(), b"abcde");
    }

    #[test]
    fn broken_packets_are_refused() {
        assert_eq!(RtpHeader::parse(&[0x80; 11]), Err(RtpError::Short));
        assert_eq!(RtpHeader::parse(&[0x00; 20]), Err(RtpError::Version));
        let mut padded = [0u8; 13];
        padded[0] = 0xA0;
        assert_eq!(RtpHeader::parse(&padded), Err(RtpError::Padding));
        padded[12] = 2;
        assert_eq!(RtpHeader::parse(&padded), Err(RtpError::Padding));
        padded[12] = 1;
        assert_eq!(
            RtpHeader::parse(&padded).expect("padding only").payload,
            12..12
        );
        let mut sources = [0u8; 12];
        sources[0] = 0x8F;
        assert_eq!(RtpHeader::parse(&sources), Err(RtpError::Short));
        let mut extension = [0u8; 16];
        extension[0] = 0x90;
        extension[15] = 1;
        assert_eq!(RtpHeader::parse(&extension), Err(RtpError::Short));
    }

    proptest! {
        #[test]
        fn agrees_with_rtp_rs_on_any_bytes(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), force in any::<bool>()) {
            if force && let Some(first) = bytes.first_mut() {
                *first = (*first & 0x3F) | 0x80;
            }
            let ours = RtpHeader::parse(&bytes);
            match RtpReader::new(&bytes) {
                Ok(oracle) => {
                    let header = ours.expect("oracle accepts");
                    prop_assert_eq!(&bytes[header.payload.clone()], oracle.payload());
                    prop_assert_eq!(header.payload_type, oracle.payload_type());
                    prop_assert_eq!(header.ssrc, oracle.ssrc());
                    prop_assert_eq!(header.timestamp, oracle.timestamp());
                    prop_assert_eq!(Seq::from(header.sequence), oracle.sequence_number());
                }
                Err(_) => prop_assert!(ours.is_err()),
            }
        }
    }
}
