//! One SIP message of a ladder, and the compact text in which many are kept: `0A<INVITE;0A>100 INVITE;3B>INVITE`.

use super::TracedParty;

/// Methods by name; what is not among them is `OTHER`, so that no text of a peer gets into a trace.
const METHODS: [&str; 9] = [
    "INVITE", "ACK", "BYE", "CANCEL", "PRACK", "UPDATE", "INFO", "OPTIONS", "OTHER",
];

/// A request, or a response to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SipKind {
    /// 0: a request.
    status: u16,
    method: u8,
}

impl SipKind {
    /// `status` 0 is a request.
    pub(crate) fn new(status: u16, method: &str) -> SipKind {
        let known = METHODS.iter().position(|m| *m == method);
        SipKind {
            status,
            method: known.unwrap_or(METHODS.len() - 1) as u8,
        }
    }

    /// Status of a response; none for a request.
    pub fn status(self) -> Option<u16> {
        Some(self.status).filter(|s| *s != 0)
    }

    /// Method of the request, or of the one that is answered.
    pub fn method(self) -> &'static str {
        METHODS
            .get(usize::from(self.method))
            .copied()
            .unwrap_or("OTHER")
    }
}

/// One message of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SipMessage {
    /// Milliseconds since the call came in.
    pub after_ms: u32,
    /// Whose leg.
    pub party: TracedParty,
    /// We sent it.
    pub sent: bool,
    /// What it was.
    pub kind: SipKind,
}

/// For serde: all messages as one text.
pub(super) mod compact {
    use std::collections::VecDeque;
    use std::fmt::Write as _;

    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::{SipKind, SipMessage, TracedParty};

    pub fn serialize<S: Serializer>(
        messages: &VecDeque<SipMessage>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(16 * messages.len());
        for m in messages {
            if !text.is_empty() {
                text.push(';');
            }
            let party = match m.party {
                TracedParty::Caller => 'A',
                TracedParty::Callee => 'B',
            };
            let way = if m.sent { '>' } else { '<' };
            // Writing into a String cannot fail.
            let _ = write!(text, "{}{party}{way}", m.after_ms);
            if let Some(status) = m.kind.status() {
                let _ = write!(text, "{status} ");
            }
            text.push_str(m.kind.method());
        }
        to.serialize_str(&text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<VecDeque<SipMessage>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        let wrong = || serde::de::Error::custom("not a ladder");
        let pieces = text.split(';').filter(|piece| !piece.is_empty());
        pieces
            .map(|piece| message(piece).ok_or_else(wrong))
            .collect()
    }

    fn message(piece: &str) -> Option<SipMessage> {
        let at = piece.find(['A', 'B'])?;
        let (after_ms, rest) = piece.split_at(at);
        let (mark, what) = rest.split_at_checked(2)?;
        let (status, method) = what.split_once(' ').unwrap_or(("0", what));
        Some(SipMessage {
            after_ms: after_ms.parse().ok()?,
            party: match mark.starts_with('A') {
                true => TracedParty::Caller,
                false => TracedParty::Callee,
            },
            sent: mark.ends_with('>'),
            kind: SipKind::new(status.parse().ok()?, method),
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        struct Held(#[serde(with = "super")] VecDeque<SipMessage>);

        #[test]
        fn what_is_written_is_read() {
            let of = |after_ms, party, sent, status, method| SipMessage {
                after_ms,
                party,
                sent,
                kind: SipKind::new(status, method),
            };
            let held = Held(VecDeque::from([
                of(0, TracedParty::Caller, false, 0, "INVITE"),
                of(0, TracedParty::Caller, true, 100, "INVITE"),
                of(12, TracedParty::Callee, true, 0, "BYE"),
                of(4_000_000_000, TracedParty::Callee, false, 481, "PUBLISH"),
            ]));
            let text = serde_json::to_string(&held).expect("written");
            assert_eq!(
                text,
                r#""0A<INVITE;0A>100 INVITE;12B>BYE;4000000000B<481 OTHER""#
            );
            assert_eq!(serde_json::from_str::<Held>(&text).expect("read"), held);
            assert_eq!(
                serde_json::from_str::<Held>(r#""""#).expect("none"),
                Held(VecDeque::new())
            );
            for wrong in ["x", "1A", "1A<70000 INVITE", "A<BYE", "1Aä", "-1A<BYE"] {
                let text = format!("\"{wrong}\"");
                let read = serde_json::from_str::<Held>(&text);
                assert!(read.is_err(), "{wrong}");
            }
        }
    }
}
