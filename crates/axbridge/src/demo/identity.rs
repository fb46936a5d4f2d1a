//! Who a simulated phone says it is, in every place where phones and carriers say it, and what of that must not be
//! found on the other side.

use std::net::SocketAddr;

use axbridge_numbering::Number;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::scribe::Party;

/// A subscriber and the words that betray it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Whose.
    pub party: Party,
    /// Its number.
    pub number: Number,
    /// A name found nowhere else; it goes into every header and SDP line that a phone may fill.
    pub canary: String,
    /// Tone that it speaks with, in Hz.
    pub tone_hz: u16,
    /// SSRC that it sends with.
    pub ssrc: u32,
}

impl Identity {
    /// An identity with an unguessable canary.
    pub fn new(party: Party, number: Number, tone_hz: u16) -> Self {
        let canary = format!(
            "canary{}{:012x}",
            party.letter(),
            rand::random::<u64>() & 0xffff_ffff_ffff
        );
        Identity {
            party,
            number,
            canary,
            tone_hz,
            ssrc: rand::random(),
        }
    }

    /// Headers that real carriers and phones add and that tell who is calling.
    pub fn betraying_headers(&self) -> String {
        let (canary, number) = (&self.canary, self.number.to_global());
        format!(
            "P-Asserted-Identity: \"{canary}\" <sip:{number}@{canary}.invalid>\r\n\
             P-Access-Network-Info: 3GPP-E-UTRAN-FDD; utran-cell-id-3gpp={canary}\r\n\
             Diversion: <sip:{number}@{canary}.invalid>;reason=unconditional\r\n\
             History-Info: <sip:{number}@{canary}.invalid>;index=1\r\n\
             Call-Info: <http://{canary}.invalid/face.png>;purpose=icon\r\n\
             Reply-To: <sip:{canary}@{canary}.invalid>\r\n\
             Subject: {canary}\r\n\
             Organization: {canary}\r\n\
             User-to-User: {}\r\n\
             X-{canary}: {number}\r\n",
            STANDARD.encode(&number)
        )
    }

    /// An SDP body that names its owner wherever SDP can.
    pub fn sdp(&self, media: SocketAddr) -> String {
        let (canary, ip, port) = (&self.canary, media.ip(), media.port());
        format!(
            "v=0\r\no={canary} 1 1 IN IP4 {ip}\r\ns={canary}\r\ni={canary}\r\nu=http://{canary}.invalid\r\n\
             e={canary}@{canary}.invalid\r\np={}\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 0 101\r\n\
             a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
             a=ptime:20\r\na=sendrecv\r\na=tool:{canary}\r\na=label:{canary}\r\n",
            self.number.to_global()
        )
    }

    /// Everything whose appearance on the other side would be a leak: the number in the spellings that signalling and
    /// audio metadata know, the address, the name, the SSRC.
    pub fn traces(&self, addresses: &[SocketAddr]) -> Vec<(String, Vec<u8>)> {
        let digits = self.number.digits();
        let national = digits.strip_prefix("86").unwrap_or(&digits).to_owned();
        let mut traces = vec![
            ("number".to_owned(), national.clone().into_bytes()),
            (
                "number, percent-encoded".to_owned(),
                percent(&national).into_bytes(),
            ),
            ("number, BCD".to_owned(), bcd(&national, false)),
            (
                "number, BCD with nibbles swapped".to_owned(),
                bcd(&national, true),
            ),
            ("name".to_owned(), self.canary.clone().into_bytes()),
            ("SSRC".to_owned(), self.ssrc.to_be_bytes().to_vec()),
        ];
        // The three ways in which base64 cuts a text that stands somewhere inside another.
        for (spelling, text) in [
            ("number, base64", &national),
            ("name, base64", &self.canary),
        ] {
            traces.extend((0..3).map(|skip| (spelling.to_owned(), base64_inside(text, skip))));
        }
        for address in addresses {
            traces.push(("address".to_owned(), address.ip().to_string().into_bytes()));
        }
        traces
    }
}

/// The number in base64 as it looks `skip` characters into its text; the edges, which depend on neighbours, are left out.
fn base64_inside(text: &str, skip: usize) -> Vec<u8> {
    let part = &text.as_bytes()[skip..];
    let whole = part.len() - part.len() % 3;
    STANDARD.encode(&part[..whole]).into_bytes()
}

fn percent(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

fn bcd(digits: &str, swapped: bool) -> Vec<u8> {
    let values: Vec<u8> = digits.bytes().map(|b| b & 15).collect();
    values
        .chunks_exact(2)
        .map(|pair| match swapped {
            true => pair[1] << 4 | pair[0],
            false => pair[0] << 4 | pair[1],
        })
        .collect()
}

/// What of `traces` stands in `bytes`, ASCII letters in either case.
pub fn found_in<'a>(traces: &'a [(String, Vec<u8>)], bytes: &[u8]) -> Option<&'a str> {
    let hay = bytes.to_ascii_lowercase();
    traces.iter().find_map(|(name, trace)| {
        // Base64 and binary mean their case; text does not.
        let exact = memmem(bytes, trace) || memmem(&hay, &trace.to_ascii_lowercase());
        exact.then_some(name.as_str())
    })
}

fn memmem(hay: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && hay.windows(needle.len()).any(|w| w == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn someone() -> Identity {
        Identity::new(
            Party::A,
            Number::from_digits(b"8613900000001").unwrap(),
            440,
        )
    }

    #[test]
    fn every_header_and_sdp_line_of_its_own_is_a_trace() {
        let identity = someone();
        let address = SocketAddr::from(([127, 0, 0, 2], 4000));
        let traces = identity.traces(&[address]);
        for line in identity.betraying_headers().lines() {
            assert!(found_in(&traces, line.as_bytes()).is_some(), "{line}");
        }
        for line in identity
            .sdp(address)
            .lines()
            .filter(|l| "oscuiep".contains(&l[..1]))
        {
            assert!(found_in(&traces, line.as_bytes()).is_some(), "{line}");
        }
    }

    #[test]
    fn spellings_of_the_number_are_found_and_other_numbers_are_not() {
        let traces = someone().traces(&[]);
        for hidden in [
            &b"tel:013900000001"[..],
            b"%31%33%39%30%30%30%30%30%30%30%31",
            b"KzEzOTAwMDAwMDAx",
            &[0xff, 0x13, 0x90, 0x00, 0x00, 0x00, 0xff],
            &STANDARD.encode("<sip:+8613900000001@host>").into_bytes(),
        ] {
            assert!(found_in(&traces, hidden).is_some(), "{hidden:?}");
        }
        assert_eq!(found_in(&traces, b"sip:+8617000000009@127.0.0.1"), None);
    }
}
