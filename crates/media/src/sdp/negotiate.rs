//! Offer and answer (RFC 3264) for one leg, and what goes from one leg's offer into the other's.

use bytes::Bytes;

use super::describe::{AudioStream, NoAudio, SessionDescription};
use super::write::{AudioLine, LocalMedia};
use super::{FORMATS_MAX, SdpError};
use crate::codec::{Codec, CodecSpec, DtmfSpec, PT_DTMF, PT_PCMA, PT_PCMU};
use crate::leg::{Direction, Negotiated};

/// Packet length where nobody says another.
const PTIME_MS: u8 = 20;

/// Which codecs may be used on a leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NarrowPolicy {
    /// All that we know, also those that are only relayed.
    #[default]
    Any,
    /// Those that we speak: a prompt or a recording is wanted.
    SpokenOnly,
}

impl NarrowPolicy {
    fn allows(self, codec: &Codec) -> bool {
        self == Self::Any || codec.is_spoken()
    }
}

/// The codecs that the policy allows, in their order.
#[must_use]
pub fn narrow(codecs: &[CodecSpec], policy: NarrowPolicy) -> Vec<CodecSpec> {
    let allowed = codecs.iter().filter(|c| policy.allows(&c.codec));
    allowed.cloned().collect()
}

/// The same codecs with those that match `first` (what the other leg was promised) in front.
#[must_use]
pub fn prefer(mut codecs: Vec<CodecSpec>, first: &Codec) -> Vec<CodecSpec> {
    codecs.sort_by_key(|c| !c.codec.matches(first));
    codecs
}

/// What an offer of ours contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferSpec {
    /// Codecs, best first.
    pub codecs: Vec<CodecSpec>,
    /// telephone-event; written only for clock rates that a codec has.
    pub dtmf: Vec<DtmfSpec>,
    /// Ours.
    pub direction: Direction,
    /// Packet length that we ask for.
    pub ptime_ms: Option<u8>,
}

impl Default for OfferSpec {
    /// PCMA, PCMU, telephone-event 101, both ways, 20 ms.
    fn default() -> Self {
        let spec = |pt, codec| CodecSpec { pt, codec };
        Self {
            codecs: vec![spec(PT_PCMA, Codec::Pcma), spec(PT_PCMU, Codec::Pcmu)],
            dtmf: vec![DtmfSpec {
                pt: PT_DTMF,
                clock: 8000,
            }],
            direction: Direction::SendRecv,
            ptime_ms: Some(PTIME_MS),
        }
    }
}

impl OfferSpec {
    /// What the other leg offered, as an offer to this one. Where it has one G.711 law the other one is added behind it,
    /// because we convert. The direction is the other leg's own: whoever is held there is held here.
    #[must_use]
    pub fn from_stream(other_leg: &AudioStream, policy: NarrowPolicy) -> Self {
        let mut codecs = narrow(&other_leg.codecs, policy);
        let at = |law: &Codec, list: &[CodecSpec]| list.iter().position(|c| c.codec == *law);
        let added = match (at(&Codec::Pcma, &codecs), at(&Codec::Pcmu, &codecs)) {
            (Some(place), None) => Some((place + 1, PT_PCMU, Codec::Pcmu)),
            (None, Some(place)) => Some((place + 1, PT_PCMA, Codec::Pcma)),
            _ => None,
        };
        if let Some((place, pt, codec)) = added {
            codecs.insert(place, CodecSpec { pt, codec });
        }
        Self {
            codecs,
            dtmf: other_leg.dtmf.clone(),
            direction: other_leg.direction,
            ptime_ms: other_leg.ptime_ms,
        }
    }
}

/// An offer that went out: needed to read its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    codecs: Vec<CodecSpec>,
    dtmf: Vec<DtmfSpec>,
    direction: Direction,
}

impl Offered {
    /// The codecs under the numbers that were written.
    #[must_use]
    pub fn codecs(&self) -> &[CodecSpec] {
        &self.codecs
    }
}

/// Writes an offer for the leg. Payload numbers that already mean something else on this leg are replaced.
///
/// # Errors
/// [`SdpError::NoCommonCodec`] if no codec is left to offer.
pub fn offer(local: &mut LocalMedia, spec: &OfferSpec) -> Result<(Bytes, Offered), SdpError> {
    let mut taken: Vec<u8> = Vec::new();
    let mut codecs: Vec<CodecSpec> = Vec::new();
    for wanted in spec.codecs.iter().take(FORMATS_MAX) {
        if codecs.iter().any(|c| c.codec == wanted.codec) {
            continue;
        }
        let Some(pt) = local.number_codec(wanted, &taken) else {
            continue;
        };
        taken.push(pt);
        codecs.push(CodecSpec {
            pt,
            codec: wanted.codec.clone(),
        });
    }
    if codecs.is_empty() {
        return Err(SdpError::NoCommonCodec);
    }
    let mut dtmf: Vec<DtmfSpec> = Vec::new();
    for wanted in &spec.dtmf {
        let has_audio = codecs.iter().any(|c| c.codec.clock() == wanted.clock);
        if !has_audio || dtmf.iter().any(|d| d.clock == wanted.clock) {
            continue;
        }
        if let Some(pt) = local.number_dtmf(*wanted, &taken) {
            taken.push(pt);
            dtmf.push(DtmfSpec {
                pt,
                clock: wanted.clock,
            });
        }
    }
    let bytes = local.render(&AudioLine {
        codecs: &codecs,
        dtmf: &dtmf,
        direction: spec.direction,
        ptime_ms: spec.ptime_ms,
    });
    let offered = Offered {
        codecs,
        dtmf,
        direction: spec.direction,
    };
    Ok((bytes, offered))
}

/// What the answer to our offer settled. Of several codecs answered, the first one that we offered counts.
///
/// # Errors
/// [`SdpError::MediaRejected`] for port 0, [`SdpError::UnsupportedStream`] for a stream of another kind,
/// [`SdpError::NoCommonCodec`] if nothing answered was offered.
pub fn read_answer(offered: &Offered, answer: &SessionDescription) -> Result<Negotiated, SdpError> {
    let (_, stream) = answer.stream().map_err(|why| match why {
        NoAudio::Absent => SdpError::MediaRejected,
        NoAudio::Unsupported(why) => SdpError::UnsupportedStream(why),
    })?;
    let (pt_recv, chosen) = answered_codec(offered, stream).ok_or(SdpError::NoCommonCodec)?;
    let clock = chosen.codec.clock();
    let our_dtmf = offered.dtmf.iter().find(|d| d.clock == clock).map(|d| d.pt);
    let dtmf_send = our_dtmf.and_then(|ours| {
        let bare = stream.unmapped.contains(&ours).then_some(ours);
        stream.dtmf_at(clock).or(bare)
    });
    Ok(Negotiated {
        remote: stream.remote,
        remote_rtcp: stream.remote_rtcp,
        pt_send: chosen.pt,
        pt_recv,
        codec: chosen.codec,
        dtmf_send,
        dtmf_recv: dtmf_send.and(our_dtmf),
        direction: stream.direction.reversed().and(offered.direction),
        ptime_ms: stream.ptime_ms.unwrap_or(PTIME_MS),
    })
}

/// Our number and the peer's spec of the codec that an answer chose.
fn answered_codec(offered: &Offered, stream: &AudioStream) -> Option<(u8, CodecSpec)> {
    for theirs in &stream.codecs {
        // The same number first: with AMR offered in two packings it is what tells them apart.
        let same = offered
            .codecs
            .iter()
            .filter(|ours| ours.codec.matches(&theirs.codec));
        if let Some(ours) = same.min_by_key(|ours| ours.pt != theirs.pt) {
            return Some((ours.pt, theirs.clone()));
        }
    }
    // An answer may list our dynamic numbers without saying again what they mean.
    let bare = stream.unmapped.iter();
    bare.filter_map(|pt| offered.codecs.iter().find(|ours| ours.pt == *pt))
        .map(|ours| (ours.pt, ours.clone()))
        .next()
}

/// How an offer is to be answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerSpec {
    /// Tried first, in this order; then the offerer's order counts.
    pub prefer: Vec<Codec>,
    /// Which codecs may be chosen at all.
    pub policy: NarrowPolicy,
    /// The codec of the other leg, to which the choice must bridge: the same one, else (G.711) the other law.
    pub bridge_to: Option<Codec>,
    /// The most that we may do on this leg.
    pub direction: Direction,
    /// Packet length that we ask for; without one, the offerer's.
    pub ptime_ms: Option<u8>,
}

impl AnswerSpec {
    /// An answer that lets this leg talk to one that is already settled: its codec, its direction seen from here.
    #[must_use]
    pub fn like(other_leg: &Negotiated) -> Self {
        Self {
            bridge_to: Some(other_leg.codec.clone()),
            direction: other_leg.direction.reversed(),
            ..Self::default()
        }
    }
}

/// Answers the peer's offer with one codec (and telephone-event where it was offered at that clock rate).
///
/// The same offer answered alike gives the same text with the same version.
///
/// # Errors
/// [`SdpError::UnsupportedStream`] or [`SdpError::NoCommonCodec`]; nothing was changed then.
pub fn answer(
    local: &mut LocalMedia,
    offer: &SessionDescription,
    spec: &AnswerSpec,
) -> Result<(Bytes, Negotiated), SdpError> {
    let (index, stream) = offer.stream().map_err(|why| {
        SdpError::UnsupportedStream(match why {
            NoAudio::Absent => "no open audio stream",
            NoAudio::Unsupported(why) => why,
        })
    })?;
    let chosen = choose(stream, spec).ok_or(SdpError::NoCommonCodec)?;
    let pt = chosen.pt;
    let dtmf_pt = stream.dtmf_at(chosen.codec.clock());
    let dtmf: Vec<DtmfSpec> = dtmf_pt
        .map(|pt| DtmfSpec {
            pt,
            clock: chosen.codec.clock(),
        })
        .into_iter()
        .collect();
    let direction = stream.direction.reversed().and(spec.direction);
    let spoken_ptime = chosen.codec.is_spoken().then_some(PTIME_MS);
    local.follow(&offer.media, index);
    local.learn(&stream.codecs, &stream.dtmf);
    let bytes = local.render(&AudioLine {
        codecs: std::slice::from_ref(&chosen),
        dtmf: &dtmf,
        direction,
        ptime_ms: spec.ptime_ms.or(stream.ptime_ms).or(spoken_ptime),
    });
    let negotiated = Negotiated {
        remote: stream.remote,
        remote_rtcp: stream.remote_rtcp,
        codec: chosen.codec,
        pt_send: pt,
        pt_recv: pt,
        dtmf_send: dtmf_pt,
        dtmf_recv: dtmf_pt,
        direction,
        ptime_ms: stream.ptime_ms.unwrap_or(PTIME_MS),
    };
    Ok((bytes, negotiated))
}

fn choose(stream: &AudioStream, spec: &AnswerSpec) -> Option<CodecSpec> {
    let may = |c: &&CodecSpec| {
        let bridges = spec
            .bridge_to
            .as_ref()
            .is_none_or(|other| c.codec.bridges_to(other));
        bridges && spec.policy.allows(&c.codec)
    };
    let candidates: Vec<&CodecSpec> = stream.codecs.iter().filter(may).collect();
    let first_like = |wanted: &Codec| candidates.iter().find(|c| c.codec.matches(wanted));
    if let Some(preferred) = spec.prefer.iter().find_map(first_like) {
        return Some((*preferred).clone());
    }
    if let Some(other) = &spec.bridge_to
        && let Some(same) = first_like(other)
    {
        // With the other leg's parameters: what it settled is what will be sent here.
        return Some(CodecSpec {
            pt: same.pt,
            codec: other.clone(),
        });
    }
    candidates.first().map(|c| (*c).clone())
}
