//! Offers and answers between the two legs: which session description a leg is sent, given what the other one
//! has said. What may be written is decided in `axbridge_media::sdp`; here is only who is asked what.

use axbridge_media::sdp::{
    self, AnswerSpec, NarrowPolicy, OfferSpec, SdpError, SessionDescription,
};
use axbridge_media::{Codec, Direction, Negotiated};
use bytes::Bytes;

use crate::leg::Leg;

/// The offer to the callee: what the caller offered, the promised codec first; or our own for a late offer.
pub(crate) fn to_callee(
    callee: &mut Leg,
    caller: &Leg,
    policy: NarrowPolicy,
) -> Result<Bytes, SdpError> {
    let heard = caller.offered.as_ref().or(caller.theirs.as_ref());
    let mut spec = match heard.and_then(SessionDescription::audio) {
        Some(stream) => OfferSpec::from_stream(stream, policy),
        None => OfferSpec::default(),
    };
    if let Some(promised) = &caller.negotiated {
        spec.codecs = sdp::prefer(spec.codecs, &promised.codec);
    }
    write(callee, &spec)
}

/// The offer to a caller who made none: what we speak, the callee's codec first.
pub(crate) fn to_caller(caller: &mut Leg, callee: Option<&Negotiated>) -> Result<Bytes, SdpError> {
    let mut spec = OfferSpec::default();
    if let Some(chosen) = callee {
        spec.codecs = sdp::prefer(spec.codecs, &chosen.codec);
        spec.direction = chosen.direction.reversed();
    }
    write(caller, &spec)
}

/// What a leg is offered of the other leg.
pub(crate) struct Heard {
    /// What the other leg's peer has said.
    pub description: SessionDescription,
    /// The direction that it wants.
    pub wants: Direction,
    /// It has settled on this codec: nothing else is of use.
    pub settled: Option<Codec>,
}

impl Heard {
    /// An offer that is to be answered by this leg's answer.
    pub fn offer(description: SessionDescription) -> Heard {
        let wants = description
            .audio()
            .map_or(Direction::SendRecv, |s| s.direction);
        Heard {
            description,
            wants,
            settled: None,
        }
    }

    /// What stands on the other leg. None before it has said anything.
    pub fn standing(other: &Leg) -> Option<Heard> {
        Some(Heard {
            description: other.theirs.clone()?,
            wants: other.wants,
            settled: other.negotiated.as_ref().map(|n| n.codec.clone()),
        })
    }
}

/// The offer of a re-INVITE or UPDATE: what the other leg says now.
pub(crate) fn passing_on(
    leg: &mut Leg,
    heard: &Heard,
    policy: NarrowPolicy,
) -> Result<Bytes, SdpError> {
    let stream = heard.description.audio().ok_or(SdpError::MediaRejected)?;
    let mut spec = OfferSpec::from_stream(stream, policy);
    spec.direction = heard.wants;
    if let Some(settled) = &heard.settled {
        spec.codecs.retain(|c| c.codec.bridges_to(settled));
        spec.codecs = sdp::prefer(spec.codecs, settled);
    }
    write(leg, &spec)
}

fn write(leg: &mut Leg, spec: &OfferSpec) -> Result<Bytes, SdpError> {
    let local = leg.local.as_mut().ok_or(SdpError::MediaRejected)?;
    let (body, offered) = sdp::offer(local, spec)?;
    leg.our_offer = Some(offered);
    leg.our_direction = spec.direction;
    Ok(body)
}

/// Answers the leg's open offer with a codec that we speak.
pub(crate) fn answer_spoken(leg: &mut Leg) -> Result<Bytes, SdpError> {
    answer(
        leg,
        &AnswerSpec {
            policy: NarrowPolicy::SpokenOnly,
            ..AnswerSpec::default()
        },
    )
}

/// Answers the leg's open offer so that it can talk to the other leg.
pub(crate) fn answer_as(leg: &mut Leg, other: &Negotiated) -> Result<Bytes, SdpError> {
    answer(leg, &AnswerSpec::like(other))
}

fn answer(leg: &mut Leg, spec: &AnswerSpec) -> Result<Bytes, SdpError> {
    let offered = leg.offered.as_ref().ok_or(SdpError::MediaRejected)?;
    let local = leg.local.as_mut().ok_or(SdpError::MediaRejected)?;
    let (body, negotiated) = sdp::answer(local, offered, spec)?;
    leg.negotiated = Some(negotiated);
    if let Some(offered) = leg.offered.take() {
        leg.heard(offered, false);
    }
    Ok(body)
}

/// What their answer to our last offer settles; nothing is changed yet.
pub(crate) fn read_answer(
    leg: &Leg,
    body: &[u8],
) -> Result<(Negotiated, SessionDescription), SdpError> {
    let ours = leg.our_offer.as_ref().ok_or(SdpError::MediaRejected)?;
    let theirs = SessionDescription::parse(body)?;
    Ok((sdp::read_answer(ours, &theirs)?, theirs))
}

/// Takes their answer to our last offer.
pub(crate) fn take_answer(leg: &mut Leg, body: &[u8]) -> Result<(), SdpError> {
    let (negotiated, theirs) = read_answer(leg, body)?;
    leg.negotiated = Some(negotiated);
    leg.heard(theirs, true);
    Ok(())
}
