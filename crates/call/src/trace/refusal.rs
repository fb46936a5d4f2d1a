//! Calls for a number that nobody owns: there is no application to tell, so the trace is all there is, for the
//! operator alone.

use std::sync::Arc;

use axbridge_binding::AppId;
use axbridge_media::Side;
use axbridge_numbering::Number;
use axbridge_sip::{Message, Method};

use super::{Note, Pending, SipKind, Trace};
use crate::core::Core;
use crate::directory::Trunk;
use crate::fact::{Fact, FactKind};
use crate::plane::Now;
use crate::setup::caller_number;

/// Told in a second at most. A carrier that sends a range of numbers that is not ours would otherwise fill the disk.
const PER_SECOND: u32 = 5;

/// How many were told lately.
#[derive(Default)]
pub(crate) struct Refusals {
    second: u64,
    told: u32,
}

impl Refusals {
    fn may_tell(&mut self, now: Now) -> bool {
        let second = now.wall_ms / 1000;
        if self.second != second {
            *self = Refusals { second, told: 0 };
        }
        self.told += 1;
        self.told <= PER_SECOND
    }
}

impl Core {
    /// Tells why an INVITE is refused that is for nobody's number `x`; none: what was dialled is no number.
    pub(crate) fn nobodys_number(
        &mut self,
        now: Now,
        trunk: &Trunk,
        message: &Message,
        x: Option<Number>,
    ) {
        if !self.config.trace || !self.refusals.may_tell(now) {
            return;
        }
        let (caller, from) = caller_number(trunk, message).unzip();
        let mut trace = Trace::new(now, caller, x);
        let mut pending = Pending::default();
        let side = Side::A.into();
        pending.message(now, side, false, SipKind::request(&Method::Invite));
        pending.message(now, side, true, SipKind::response(404, &Method::Invite));
        pending.note(
            now,
            Note::Arrived {
                trunk: trunk.name.as_str().into(),
            },
        );
        pending.note(
            now,
            match from {
                Some(header) => Note::CallerFrom(header),
                None => Note::CallerMissing(trunk.caller_from.clone()),
            },
        );
        let why = match x {
            Some(_) => "No application owns the number: the caller got 404.",
            None => "What was dialled is no number by the rules of the trunk: the caller got 404.",
        };
        pending.note(now, Note::said(why));
        trace.take(&mut pending);
        let fact = Fact {
            app: AppId(0),
            app_key: Arc::from(""),
            session_id: self.ids.session(now),
            seq: 0,
            at_ms: now.wall_ms,
            subscription_id: None,
            user_data: None,
            kind: FactKind::Trace(Box::new(trace)),
        };
        self.tell(Some(fact));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_flood_is_told_of_five_times_in_a_second() {
        let mut refusals = Refusals::default();
        let mono = Instant::now();
        let mut told = |wall_ms: u64| {
            let may = (0..20).filter(|_| refusals.may_tell(Now { mono, wall_ms }));
            may.count()
        };
        assert_eq!([told(7_000), told(7_999), told(8_000)], [5, 0, 5]);
    }
}
