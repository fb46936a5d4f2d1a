//! The signalling socket of a simulated carrier: every datagram is kept, for the search for leaks, and shown.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use anyhow::{Context, Result};
use axbridge_numbering::{Number, NumberRules};
use axbridge_sip::{Message, Method};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::net::UdpSocket;

use super::scribe::{Numbers, Party, Scribe};

const DATAGRAM_MAX: usize = 65_535;

/// One datagram that came from the platform.
#[derive(Clone, Debug)]
pub struct Received {
    /// When.
    pub at: Instant,
    /// What.
    pub message: Message,
}

/// A UDP socket that speaks SIP with the platform.
pub struct Wire {
    socket: UdpSocket,
    party: Party,
    platform: SocketAddr,
    local: SocketAddr,
    tape: Mutex<Vec<Bytes>>,
    scribe: Scribe,
}

impl Wire {
    /// On this address, at a port that the system chooses.
    pub async fn open(
        party: Party,
        ip: IpAddr,
        platform: SocketAddr,
        scribe: Scribe,
    ) -> Result<Wire> {
        let socket = UdpSocket::bind((ip, 0))
            .await
            .with_context(|| format!("opening a socket on {ip}"))?;
        let local = socket.local_addr()?;
        Ok(Wire {
            socket,
            party,
            platform,
            local,
            tape: Mutex::default(),
            scribe,
        })
    }

    /// Our address.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Where the platform speaks SIP.
    pub fn platform(&self) -> SocketAddr {
        self.platform
    }

    /// The next message that can be read; what cannot is kept for the leak search all the same.
    pub async fn receive(&self) -> Result<Received> {
        let mut buffer = vec![0; DATAGRAM_MAX];
        loop {
            let (length, _) = self
                .socket
                .recv_from(&mut buffer)
                .await
                .context("receiving")?;
            let bytes = Bytes::copy_from_slice(&buffer[..length]);
            self.tape.lock().push(bytes.clone());
            if let Ok(message) = Message::parse(bytes) {
                self.show(false, &message);
                return Ok(Received {
                    at: Instant::now(),
                    message,
                });
            }
        }
    }

    /// Sends to the platform.
    pub async fn send(&self, text: String) -> Result<()> {
        let bytes = Bytes::from(text);
        if let Ok(message) = Message::parse(bytes.clone()) {
            self.show(true, &message);
        }
        self.socket
            .send_to(&bytes, self.platform)
            .await
            .context("sending")?;
        Ok(())
    }

    /// Everything received so far, taken out.
    pub fn take_tape(&self) -> Vec<Bytes> {
        std::mem::take(&mut self.tape.lock())
    }

    fn show(&self, to_platform: bool, message: &Message) {
        self.scribe.arrow(
            self.party,
            to_platform,
            &label(message, self.scribe.numbers()),
        );
    }
}

/// `INVITE B from X, SDP`, `183 Session Progress, SDP`.
fn label(message: &Message, numbers: &Numbers) -> String {
    let mut label = match message.status() {
        Some(status) => format!(
            "{status} {}",
            String::from_utf8_lossy(message.reason().unwrap_or_default())
        ),
        None => message.cseq_method().as_str().to_owned(),
    };
    if let Some(uri) = message
        .uri()
        .filter(|_| *message.cseq_method() == Method::Invite)
    {
        let called = uri
            .user()
            .and_then(number)
            .map_or("?".to_owned(), |n| numbers.name(n));
        let caller = message
            .from()
            .uri()
            .user()
            .and_then(number)
            .map_or("?".to_owned(), |n| numbers.name(n));
        label = format!("{label} {called} from {caller}");
    }
    if !message.body().is_empty() {
        label.push_str(", SDP");
    }
    label
}

/// The number in the user part of a URI, as both carriers of the demo write it.
pub fn number(user: &[u8]) -> Option<Number> {
    NumberRules::default().normalise(user).ok()
}

/// The address for RTP in an SDP body.
pub fn media_address(body: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(body).ok()?;
    let value = |start: &str| text.lines().find_map(|l| l.strip_prefix(start));
    let ip: IpAddr = value("c=IN IP4 ")?.trim().parse().ok()?;
    let port: u16 = value("m=audio ")?.split(' ').next()?.parse().ok()?;
    Some(SocketAddr::new(ip, port))
}

/// A word that nobody can guess, for tags, branches and Call-IDs.
pub fn word() -> String {
    format!("{:016x}", rand::random::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_of_an_invite_names_parties_not_numbers() {
        let parse = |d: &[u8]| Number::from_digits(d).unwrap();
        let numbers = Numbers {
            a: parse(b"8613900000001"),
            b: parse(b"8613900000002"),
            x: parse(b"8617000000009"),
        };
        let text = "INVITE sip:+8613900000002@127.0.0.3 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKa\r\n\
            From: <sip:+8617000000009@127.0.0.1>;tag=1\r\nTo: <sip:+8613900000002@127.0.0.3>\r\nCall-ID: c\r\n\
            CSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
        let message = Message::parse(Bytes::from(text)).unwrap();
        assert_eq!(label(&message, &numbers), "INVITE B from X");
    }

    #[test]
    fn the_media_address_is_read_from_sdp() {
        let sdp = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 8\r\n";
        assert_eq!(
            media_address(sdp),
            Some(SocketAddr::from(([127, 0, 0, 1], 20_000)))
        );
        assert_eq!(media_address(b"v=0"), None);
    }
}
