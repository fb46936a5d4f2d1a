//! Bringing the legs into line again. Mostly an offer of one party is passed to the other before it is answered, so
//! that both legs agree by construction. Where that cannot be, a leg is marked stale and is made an offer of our
//! own as soon as it can take one: when a re-INVITE was cancelled that the other side had just accepted, when an
//! answer came in an ACK, when another fork answered with another codec than the one promised.

use std::time::Duration;

use axbridge_media::Side;

use crate::call::{Call, Phase};
use crate::core::Ctx;
use crate::offer::Heard;
use crate::outcome::Ending;

/// More attempts than this in one call are two parties who never agree.
const SETTLES_MAX: u8 = 16;

impl Call {
    /// Looks whether a leg waits for an offer of ours and can take it now. Called after everything that may have
    /// changed that.
    pub fn settle(&mut self, ctx: &mut Ctx<'_>) {
        for side in [Side::A, Side::B] {
            if let Some(leg) = self.leg(side) {
                leg.settle_at.take_if(|at| *at <= ctx.now.mono);
            }
        }
        if !matches!(self.phase, Phase::Talking) || self.exchange.is_some() {
            return;
        }
        for side in [Side::A, Side::B] {
            self.settle_leg(ctx, side);
        }
    }

    fn settle_leg(&mut self, ctx: &mut Ctx<'_>, side: Side) {
        let Some(leg) = self.leg(side) else { return };
        if !leg.stale || leg.settle_at.is_some() || !leg.is_up() {
            return;
        }
        let other = self.leg(side.other()).filter(|o| o.is_settled());
        let Some(heard) = other.and_then(|o| Heard::standing(o)) else {
            return;
        };
        if self.settles >= SETTLES_MAX {
            return;
        }
        if self.send_offer(ctx, side, &heard, true) {
            self.settles += 1;
        }
    }

    /// The answer to an offer of our own: the other leg has to fit it.
    pub fn settled(&mut self, side: Side) {
        let Some(ours) = self.leg(side).and_then(|l| l.negotiated.clone()) else {
            return;
        };
        if let Some(other) = self.leg(side.other())
            && let Some(theirs) = &other.negotiated
        {
            let fits = theirs.codec.bridges_to(&ours.codec)
                && theirs.direction == ours.direction.reversed();
            other.stale |= !fits;
        }
    }

    /// An offer of our own was refused.
    pub fn not_settled(&mut self, ctx: &mut Ctx<'_>, side: Side, status: u16) {
        if matches!(status, 491 | 500 | 503 | 504) {
            // RFC 3261 §14.1: whoever chose the Call-ID waits longer, so that the two do not meet again.
            let random = ctx.core.ids.number();
            let wait_ms = match side {
                Side::A => random % 2_000,
                Side::B => 2_100 + random % 1_900,
            };
            if let Some(leg) = self.leg(side) {
                leg.stale = true;
                leg.settle_at = Some(ctx.now.mono + Duration::from_millis(wait_ms));
            }
            return;
        }
        // What was agreed before stays; where that is nothing common, there is no call.
        let codec = |call: &mut Call, side| {
            let leg = call.leg(side)?;
            leg.negotiated.as_ref().map(|n| n.codec.clone())
        };
        let codecs = (codec(self, Side::A), codec(self, Side::B));
        if let (Some(a), Some(b)) = codecs
            && !a.bridges_to(&b)
        {
            self.end(ctx, Ending::NoCodec);
        }
    }
}
