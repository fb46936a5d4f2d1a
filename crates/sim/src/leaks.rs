//! Searches every byte sent to one side for what belongs to the other.

use axbridge_media::Side;
use axbridge_sip::{Message, Name};
use bytes::Bytes;
use memchr::memmem;

use crate::phone::Secrets;

/// What belongs to each side: what its telephone hides in its messages, and the identifiers of its leg.
pub struct Leaks {
    needles: [Vec<Vec<u8>>; 2],
}

/// Identifiers of one leg that are remembered.
const NEEDLES_MAX: usize = 80;

impl Leaks {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(secrets: [&Secrets; 2]) -> Leaks {
        Leaks {
            needles: secrets.map(|s| s.needles.clone()),
        }
    }

    /// Remembers the identifiers in a message of one leg, whoever wrote it.
    pub fn learn(&mut self, side: Side, bytes: &Bytes) {
        let Ok(message) = Message::parse(bytes.clone()) else {
            return;
        };
        let needles = &mut self.needles[side.index()];
        let mut add = |found: Option<&[u8]>| {
            let Some(found) = found.filter(|f| f.len() >= 8) else {
                return;
            };
            if needles.len() < NEEDLES_MAX && !needles.iter().any(|n| n == found) {
                needles.push(found.to_vec());
            }
        };
        add(Some(message.call_id()));
        add(message.from().tag());
        add(message.to().tag());
        add(message.top_via().branch());
    }

    /// Looks at a message of ours to one side. What was found, if anything; and remembers its own identifiers.
    pub fn search(&mut self, to: Side, bytes: &Bytes) -> Option<String> {
        let foreign = &self.needles[to.other().index()];
        let hit = foreign
            .iter()
            .find(|needle| memmem::find(bytes, needle).is_some());
        let hit = hit.map(|needle| String::from_utf8_lossy(needle).into_owned());
        self.learn(to, bytes);
        hit.map(|needle| format!("{needle:?} in {}", start_line(bytes)))
    }
}

fn start_line(bytes: &Bytes) -> String {
    match Message::parse(bytes.clone()) {
        Ok(m) => {
            let cseq = m.header(Name::CSeq).unwrap_or_default();
            format!("{:?} of {}", m.status(), String::from_utf8_lossy(cseq))
        }
        Err(_) => "an unreadable message".into(),
    }
}
