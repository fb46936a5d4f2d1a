//! RTCP (RFC 3550 §6): terminated here. We send our own SR or RR with SDES CNAME, and BYE at the end; what comes in feeds
//! the statistics and goes no further, because SDES items name people.

/// The largest compound packet that we write.
pub const RTCP_LEN_MAX: usize = 128;
/// Sub-packets read from one datagram; more is nobody's honest report.
const PACKETS_MAX: usize = 32;
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
const SDES_CNAME: u8 = 1;

/// A point of time in NTP format: seconds since 1900 and 2^-32 seconds.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// From microseconds of Unix time.
    pub fn from_unix_us(unix_us: u64) -> NtpTime {
        const UNIX_EPOCH_S: u64 = 2_208_988_800;
        let seconds = (unix_us / 1_000_000).wrapping_add(UNIX_EPOCH_S) & 0xFFFF_FFFF;
        let fraction = ((unix_us % 1_000_000) << 32) / 1_000_000;
        NtpTime((seconds << 32) | fraction)
    }

    /// The middle 32 bits: 1/65536 seconds, as in LSR and DLSR.
    pub fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// Random name of one leg (RFC 7022): says nothing of the party, differs between the two legs of a call.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Cname([u8; 16]);

impl Cname {
    /// Sixteen letters from 64 random bits.
    pub fn from_random(random: u64) -> Cname {
        let mut name = [0; 16];
        for (place, letter) in name.iter_mut().enumerate() {
            *letter = b'a' + ((random >> (4 * place)) & 0x0F) as u8;
        }
        Cname(name)
    }

    /// The name as it is on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What we say about our own stream in an SR.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct SenderInfo {
    /// Wall clock.
    pub ntp: NtpTime,
    /// The RTP timestamp of that moment.
    pub rtp_timestamp: u32,
    /// Packets sent since the stream began.
    pub packets: u32,
    /// Payload bytes sent since the stream began.
    pub octets: u32,
}

/// One report block about a stream.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct ReportBlock {
    /// The stream that is reported on.
    pub ssrc: u32,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the beginning; 24 bits signed on the wire.
    pub cumulative_lost: i32,
    /// Extended highest sequence number received.
    pub highest: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// Middle of the NTP time of the last SR received; 0 if none.
    pub last_sr: u32,
    /// Delay since that SR, 1/65536 s.
    pub delay_since_last_sr: u32,
}

/// A compound packet that we send.
#[derive(Copy, Clone, Debug)]
pub struct Report<'a> {
    /// Our source.
    pub ssrc: u32,
    /// SR if there is something to say about our stream, else RR.
    pub sender: Option<SenderInfo>,
    /// What we received, if anything.
    pub block: Option<ReportBlock>,
    /// Our name.
    pub cname: &'a Cname,
    /// Whether the stream ends here.
    pub bye: bool,
}

impl Report<'_> {
    /// Writes the compound packet and gives its length.
    pub fn write(&self, into: &mut [u8; RTCP_LEN_MAX]) -> usize {
        let mut out = Writer { into, len: 0 };
        self.write_report(&mut out);
        self.write_description(&mut out);
        if self.bye {
            out.head(1, GOODBYE, 1);
            out.u32(self.ssrc);
        }
        out.len
    }

    fn write_report(&self, out: &mut Writer<'_>) {
        let blocks = u8::from(self.block.is_some());
        let block_words = 6 * u16::from(blocks);
        match &self.sender {
            Some(sender) => {
                out.head(blocks, SENDER_REPORT, 6 + block_words);
                out.u32(self.ssrc);
                out.u32((sender.ntp.0 >> 32) as u32);
                out.u32(sender.ntp.0 as u32);
                out.u32(sender.rtp_timestamp);
                out.u32(sender.packets);
                out.u32(sender.octets);
            }
            None => {
                out.head(blocks, RECEIVER_REPORT, 1 + block_words);
                out.u32(self.ssrc);
            }
        }
        if let Some(block) = &self.block {
            out.u32(block.ssrc);
            let lost = block.cumulative_lost.clamp(-0x80_0000, 0x7F_FFFF) as u32 & 0xFF_FFFF;
            out.u32((u32::from(block.fraction_lost) << 24) | lost);
            out.u32(block.highest);
            out.u32(block.jitter);
            out.u32(block.last_sr);
            out.u32(block.delay_since_last_sr);
        }
    }

    fn write_description(&self, out: &mut Writer<'_>) {
        // SSRC, then type, length, 16 letters, and two zero bytes that end the list on a word.
        out.head(1, SOURCE_DESCRIPTION, 6);
        out.u32(self.ssrc);
        out.bytes(&[SDES_CNAME, 16]);
        out.bytes(&self.cname.0);
        out.bytes(&[0, 0]);
    }
}

struct Writer<'a> {
    into: &'a mut [u8; RTCP_LEN_MAX],
    len: usize,
}

impl Writer<'_> {
    fn head(&mut self, count: u8, kind: u8, words: u16) {
        self.bytes(&[0x80 | count, kind]);
        self.bytes(&words.to_be_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if let Some(place) = self.into.get_mut(self.len..self.len + bytes.len()) {
            place.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }
}

/// What matters in an incoming compound packet.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Incoming {
    /// Sender and middle NTP time of the last SR.
    pub sender_report: Option<(u32, u32)>,
    /// The report block about our stream.
    pub about_us: Option<ReportBlock>,
    /// The peer says that its stream ended.
    pub bye: bool,
}

/// Reads a compound packet; `our_ssrc` picks the report block. `None` if it is no RTCP at all. A broken tail is ignored.
pub fn parse(datagram: &[u8], our_ssrc: u32) -> Option<Incoming> {
    let mut incoming = Incoming::default();
    let mut rest = datagram;
    let mut read = 0;
    while read < PACKETS_MAX {
        let Some((packet, tail)) = split_packet(rest) else {
            break;
        };
        read += 1;
        rest = tail;
        let count = usize::from(packet[0] & 0x1F);
        match packet[1] {
            SENDER_REPORT => {
                incoming.sender_report = word(packet, 4)
                    .zip(word(packet, 10))
                    .or(incoming.sender_report);
                find_block(packet, 28, count, our_ssrc, &mut incoming);
            }
            RECEIVER_REPORT => find_block(packet, 8, count, our_ssrc, &mut incoming),
            GOODBYE => incoming.bye = true,
            _ => {}
        }
    }
    (read > 0).then_some(incoming)
}

/// One packet of a compound, at least its four-byte head, and what follows it.
fn split_packet(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let head = rest.first_chunk::<4>()?;
    if head[0] >> 6 != 2 || !(192..=223).contains(&head[1]) {
        return None;
    }
    let len = 4 + 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
    rest.split_at_checked(len)
}

fn find_block(packet: &[u8], from: usize, count: usize, our_ssrc: u32, incoming: &mut Incoming) {
    let blocks = packet
        .get(from..)
        .unwrap_or_default()
        .chunks_exact(24)
        .take(count);
    for block in blocks {
        if word(block, 0) == Some(our_ssrc) {
            incoming.about_us = read_block(block);
        }
    }
}

fn read_block(block: &[u8]) -> Option<ReportBlock> {
    let loss = word(block, 4)?;
    Some(ReportBlock {
        ssrc: word(block, 0)?,
        fraction_lost: (loss >> 24) as u8,
        cumulative_lost: ((loss << 8) as i32) >> 8,
        highest: word(block, 8)?,
        jitter: word(block, 12)?,
        last_sr: word(block, 16)?,
        delay_since_last_sr: word(block, 20)?,
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk::<4>()
        .map(|word| u32::from_be_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block() -> ReportBlock {
        ReportBlock {
            ssrc: 77,
            fraction_lost: 9,
            cumulative_lost: -3,
            highest: 0x1_0005,
            jitter: 12,
            last_sr: 34,
            delay_since_last_sr: 56,
        }
    }

    fn written(report: &Report<'_>) -> Vec<u8> {
        let mut buf = [0; RTCP_LEN_MAX];
        let len = report.write(&mut buf);
        buf[..len].to_vec()
    }

    #[test]
    fn report_with_everything_reads_back() {
        let cname = Cname::from_random(0x0123_4567_89AB_CDEF);
        let ntp = NtpTime::from_unix_us(1_700_000_000_500_000);
        let sender = SenderInfo {
            ntp,
            rtp_timestamp: 160,
            packets: 5,
            octets: 800,
        };
        let bytes = written(&Report {
            ssrc: 1,
            sender: Some(sender),
            block: Some(block()),
            cname: &cname,
            bye: true,
        });
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(bytes.len(), 52 + 28 + 8);
        let read = parse(&bytes, 77).expect("RTCP");
        assert_eq!(
            read,
            Incoming {
                sender_report: Some((1, ntp.middle())),
                about_us: Some(block()),
                bye: true
            }
        );
        assert!(bytes.windows(16).any(|part| part == cname.as_bytes()));
    }

    #[test]
    fn receiver_report_without_stream_is_the_smallest_compound() {
        let cname = Cname::from_random(1);
        let bytes = written(&Report {
            ssrc: 1,
            sender: None,
            block: None,
            cname: &cname,
            bye: false,
        });
        assert_eq!(bytes[..4], [0x80, 201, 0, 1]);
        assert_eq!(bytes[8..12], [0x81, 202, 0, 6]);
        assert_eq!(bytes.len(), 8 + 28);
        assert_eq!(parse(&bytes, 1), Some(Incoming::default()));
    }

    #[test]
    fn block_about_another_stream_is_not_ours() {
        let cname = Cname::from_random(1);
        let bytes = written(&Report {
            ssrc: 1,
            sender: None,
            block: Some(block()),
            cname: &cname,
            bye: false,
        });
        assert_eq!(parse(&bytes, 78).expect("RTCP").about_us, None);
    }

    #[test]
    fn ntp_of_the_unix_epoch() {
        assert_eq!(NtpTime::from_unix_us(0).0 >> 32, 2_208_988_800);
        assert_eq!(NtpTime::from_unix_us(500_000).0 as u32, 1 << 31);
    }

    #[test]
    fn rtp_and_short_datagrams_are_no_rtcp() {
        assert_eq!(parse(&[0x80, 8, 0, 0, 0, 0, 0, 0], 1), None);
        assert_eq!(parse(&[0x80, 200, 0], 1), None);
        assert_eq!(parse(&[0x80, 200, 0, 9, 0, 0, 0, 0], 1), None);
        assert_eq!(parse(&[], 1), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 198u8..206) {
            if let Some(head) = bytes.first_chunk_mut::<4>() {
                *head = [0x80 | (head[0] & 0x3F), kind, 0, head[3] & 0x0F];
            }
            let _ = parse(&bytes, 0);
        }
    }
}
