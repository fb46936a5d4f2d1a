//! Session descriptions as a telephone writes and reads them. Written anew for the simulator, so that what we
//! write is read by other eyes than ours.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// A codec of a telephone: number, name, clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codec {
    /// Payload type.
    pub pt: u8,
    /// Encoding name.
    pub name: &'static str,
    /// Clock rate.
    pub clock: u32,
}

/// G.711 A-law.
pub const PCMA: Codec = Codec {
    pt: 8,
    name: "PCMA",
    clock: 8000,
};
/// G.711 µ-law.
pub const PCMU: Codec = Codec {
    pt: 0,
    name: "PCMU",
    clock: 8000,
};
/// G.729.
pub const G729: Codec = Codec {
    pt: 18,
    name: "G729",
    clock: 8000,
};
/// AMR narrow band.
pub const AMR: Codec = Codec {
    pt: 97,
    name: "AMR",
    clock: 8000,
};

/// Which way media flows, by whoever says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// `sendrecv`
    #[default]
    Both,
    /// `sendonly`
    Send,
    /// `recvonly`
    Receive,
    /// `inactive`
    None,
}

impl Flow {
    fn of(sends: bool, receives: bool) -> Flow {
        match (sends, receives) {
            (true, true) => Flow::Both,
            (true, false) => Flow::Send,
            (false, true) => Flow::Receive,
            (false, false) => Flow::None,
        }
    }

    /// Does the speaker send?
    #[must_use]
    pub fn sends(self) -> bool {
        matches!(self, Flow::Both | Flow::Send)
    }

    /// Does the speaker receive?
    #[must_use]
    pub fn receives(self) -> bool {
        matches!(self, Flow::Both | Flow::Receive)
    }

    /// What may be answered to this when one wants `wish`.
    #[must_use]
    pub fn answered(self, wish: Flow) -> Flow {
        Flow::of(
            self.receives() && wish.sends(),
            self.sends() && wish.receives(),
        )
    }

    /// True when `answer` is allowed to an offer of this (RFC 3264 §6.1).
    #[must_use]
    pub fn allows(self, answer: Flow) -> bool {
        (!answer.sends() || self.receives()) && (!answer.receives() || self.sends())
    }

    fn text(self) -> &'static str {
        match self {
            Flow::Both => "sendrecv",
            Flow::Send => "sendonly",
            Flow::Receive => "recvonly",
            Flow::None => "inactive",
        }
    }
}

/// The telephone's own side.
#[derive(Clone, Debug)]
pub struct Own {
    /// User name in `o=`.
    pub origin: String,
    /// `s=`.
    pub session_name: String,
    /// Where it wants RTP.
    pub address: SocketAddr,
    /// Number of telephone-event, if it speaks that.
    pub dtmf: Option<u8>,
    session: u32,
    version: u32,
    last: String,
}

impl Own {
    /// A side that has said nothing yet.
    #[must_use]
    pub fn new(
        origin: String,
        session_name: String,
        address: SocketAddr,
        dtmf: Option<u8>,
        session: u32,
    ) -> Self {
        Own {
            origin,
            session_name,
            address,
            dtmf,
            session,
            version: 1,
            last: String::new(),
        }
    }

    /// An answer with the stream refused.
    pub fn refuse(&mut self) -> String {
        self.version += 1;
        self.last.clear();
        let ip = self.address.ip();
        format!(
            "v=0\r\no={} {} {} IN IP4 {ip}\r\ns={}\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n",
            self.origin, self.session, self.version, self.session_name
        )
    }

    /// Writes an offer or answer.
    pub fn write(
        &mut self,
        codecs: &[Codec],
        flow: Flow,
        dtmf: Option<u8>,
        old_hold: bool,
    ) -> String {
        let ip = match old_hold {
            true => "0.0.0.0".to_owned(),
            false => self.address.ip().to_string(),
        };
        let mut media = format!(
            "s={}\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP",
            self.session_name,
            self.address.port()
        );
        for pt in codecs.iter().map(|c| c.pt).chain(dtmf) {
            let _ = write!(media, " {pt}");
        }
        media.push_str("\r\n");
        for c in codecs {
            let _ = write!(media, "a=rtpmap:{} {}/{}\r\n", c.pt, c.name, c.clock);
        }
        if let Some(pt) = dtmf {
            let _ = write!(
                media,
                "a=rtpmap:{pt} telephone-event/8000\r\na=fmtp:{pt} 0-15\r\n"
            );
        }
        let _ = write!(media, "a=ptime:20\r\na={}\r\n", flow.text());
        if media != self.last {
            self.version += 1;
            self.last.clone_from(&media);
        }
        format!(
            "v=0\r\no={} {} {} IN IP4 {}\r\n{media}",
            self.origin,
            self.session,
            self.version,
            self.address.ip()
        )
    }
}

/// What the other side has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theirs {
    /// Session id of `o=`.
    pub session: u64,
    /// Version of `o=`.
    pub version: u64,
    /// Where it wants RTP.
    pub address: SocketAddr,
    /// Codecs by number and name.
    pub codecs: Vec<(u8, String)>,
    /// Number of telephone-event.
    pub dtmf: Option<u8>,
    /// Direction.
    pub flow: Flow,
    /// Everything behind `o=`.
    pub rest: String,
}

/// Reads a description of ours. Strict: what we write has to be exactly right.
///
/// # Errors
/// What is wrong.
pub fn read(body: &[u8]) -> Result<Theirs, String> {
    let text = std::str::from_utf8(body).map_err(|_| "not UTF-8")?;
    if !text.ends_with("\r\n") {
        return Err("does not end with CRLF".into());
    }
    let lines: Vec<&str> = text.split("\r\n").filter(|l| !l.is_empty()).collect();
    let kinds: String = lines.iter().filter_map(|l| l.chars().next()).collect();
    let Some(attributes) = kinds.strip_prefix("vosctm") else {
        return Err(format!("lines in the order {kinds}"));
    };
    if !attributes.chars().all(|c| c == 'a') {
        return Err(format!("lines in the order {kinds}"));
    }
    let origin: Vec<&str> = lines[1][2..].split(' ').collect();
    let [user, session, version, "IN", "IP4", _] = origin[..] else {
        return Err(format!("o= line {:?}", lines[1]));
    };
    if user != "-" || lines[2] != "s=-" {
        return Err("an origin or a name of its own".into());
    }
    let ip: IpAddr = lines[3]
        .strip_prefix("c=IN IP4 ")
        .and_then(|ip| ip.parse().ok())
        .ok_or("c= line")?;
    let media: Vec<&str> = lines[5].split(' ').collect();
    let ["m=audio", port, "RTP/AVP", formats @ ..] = &media[..] else {
        return Err(format!("m= line {:?}", lines[5]));
    };
    let port: u16 = port.parse().map_err(|_| "port")?;
    let (mut codecs, mut dtmf, mut flow) = (Vec::new(), None, Flow::Both);
    for format in formats {
        let pt: u8 = format.parse().map_err(|_| "format")?;
        let map = format!("a=rtpmap:{pt} ");
        let name = lines.iter().find_map(|l| l.strip_prefix(&map));
        match name {
            Some(name) if name.starts_with("telephone-event/") => dtmf = Some(pt),
            Some(name) => codecs.push((pt, name.split('/').next().unwrap_or_default().to_owned())),
            None => return Err(format!("format {pt} without a=rtpmap")),
        }
    }
    for line in &lines[6..] {
        flow = match &line[2..] {
            "sendrecv" => Flow::Both,
            "sendonly" => Flow::Send,
            "recvonly" => Flow::Receive,
            "inactive" => Flow::None,
            _ => flow,
        };
    }
    let number = |s: &str| s.parse::<u64>().map_err(|_| format!("o= number {s:?}"));
    Ok(Theirs {
        session: number(session)?,
        version: number(version)?,
        address: SocketAddr::new(ip, port),
        codecs,
        dtmf,
        flow,
        rest: lines[2..].join("\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_right_and_says_what_is_not() {
        let good = "v=0\r\no=- 1 2 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n\
                    m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n";
        let theirs = read(good.as_bytes()).unwrap();
        assert_eq!(theirs.codecs, [(8, "PCMA".to_owned())]);
        assert_eq!((theirs.dtmf, theirs.flow), (Some(101), Flow::Send));
        assert!(read(good.replace("o=- ", "o=bob ").as_bytes()).is_err());
        assert!(read(good.replace("a=rtpmap:8 PCMA/8000\r\n", "").as_bytes()).is_err());
        assert!(read(good.replace("\r\n", "\n").as_bytes()).is_err());
    }

    #[test]
    fn directions_by_rfc_3264() {
        assert_eq!(Flow::Send.answered(Flow::Both), Flow::Receive);
        assert_eq!(Flow::None.answered(Flow::Both), Flow::None);
        assert_eq!(Flow::Both.answered(Flow::Send), Flow::Send);
        assert!(Flow::Send.allows(Flow::None));
        assert!(!Flow::Send.allows(Flow::Both));
        assert!(!Flow::Receive.allows(Flow::Receive));
    }
}
