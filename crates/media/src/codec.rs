//! Codecs as the two ends of a call name them.
//!
//! Only names listed here can be written into an SDP of ours: a codec is re-rendered from [`Encoding`], never
//! copied, so that nothing a peer puts into an `rtpmap` or `fmtp` reaches the other leg.

use std::sync::Arc;

pub(crate) mod fmtp;

/// Payload type of PCMU (RFC 3551).
pub const PT_PCMU: u8 = 0;
/// Payload type of PCMA (RFC 3551).
pub const PT_PCMA: u8 = 8;
/// Payload type that we give telephone-event when we number it.
pub const PT_DTMF: u8 = 101;
/// First dynamic payload type (RFC 3551 §3).
pub const PT_DYNAMIC: u8 = 96;
/// Highest payload type.
pub const PT_MAX: u8 = 127;

/// A codec. Equality is of everything that is negotiated, so AMR octet-aligned differs from AMR packed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 A-law, 8 kHz mono.
    Pcma,
    /// G.711 µ-law, 8 kHz mono.
    Pcmu,
    /// A codec that is relayed but not spoken.
    Other(RelayCodec),
}

/// A codec that passes through untouched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RelayCodec {
    encoding: Encoding,
    clock: u32,
    channels: u8,
    /// Already rendered from the encoding's allow-list.
    fmtp: Option<Arc<str>>,
}

macro_rules! encodings {
    ($($variant:ident $name:literal $clock:literal $channels:literal $static_pt:expr;)*) => {
        /// The encodings that may be relayed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Encoding { $(#[doc = $name] $variant,)* }

        impl Encoding {
            const ALL: &[Encoding] = &[$(Encoding::$variant,)*];

            /// The name in `a=rtpmap`.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Encoding::$variant => $name,)* } }

            /// RTP clock rate in Hz.
            #[must_use]
            pub const fn clock(self) -> u32 { match self { $(Encoding::$variant => $clock,)* } }

            /// Channels in `a=rtpmap`.
            #[must_use]
            pub const fn channels(self) -> u8 { match self { $(Encoding::$variant => $channels,)* } }

            /// The payload type that needs no `rtpmap`, if the encoding has one.
            #[must_use]
            pub const fn static_pt(self) -> Option<u8> { match self { $(Encoding::$variant => $static_pt,)* } }
        }
    };
}

// G.722 samples at 16 kHz but its RTP clock says 8000 (RFC 3551 §4.5.2).
encodings! {
    G722 "G722" 8000 1 Some(9);
    G729 "G729" 8000 1 Some(18);
    G723 "G723" 8000 1 Some(4);
    G728 "G728" 8000 1 Some(15);
    Gsm "GSM" 8000 1 Some(3);
    GsmEfr "GSM-EFR" 8000 1 None;
    Ilbc "iLBC" 8000 1 None;
    G726_16 "G726-16" 8000 1 None;
    G726_24 "G726-24" 8000 1 None;
    G726_32 "G726-32" 8000 1 None;
    G726_40 "G726-40" 8000 1 None;
    Amr "AMR" 8000 1 None;
    AmrWb "AMR-WB" 16000 1 None;
    Evs "EVS" 16000 1 None;
    Opus "opus" 48000 2 None;
    Speex "speex" 8000 1 None;
    SpeexWb "speex" 16000 1 None;
}

impl RelayCodec {
    /// The encoding.
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Format parameters as we write them: allow-listed keys with checked values.
    #[must_use]
    pub fn fmtp(&self) -> Option<&str> {
        self.fmtp.as_deref()
    }
}

impl From<Encoding> for Codec {
    fn from(encoding: Encoding) -> Self {
        Self::Other(RelayCodec {
            encoding,
            clock: encoding.clock(),
            channels: encoding.channels(),
            fmtp: None,
        })
    }
}

impl Codec {
    /// The codec of an `a=rtpmap` value's parts; `None` for one that may not pass.
    #[must_use]
    pub fn from_rtpmap(name: &str, clock: u32, channels: u8) -> Option<Self> {
        let is = |other: &str, hz: u32, ch: u8| {
            name.eq_ignore_ascii_case(other) && clock == hz && channels == ch
        };
        if is("PCMA", 8000, 1) {
            return Some(Self::Pcma);
        }
        if is("PCMU", 8000, 1) {
            return Some(Self::Pcmu);
        }
        let found = Encoding::ALL
            .iter()
            .find(|e| is(e.name(), e.clock(), e.channels()))?;
        Some((*found).into())
    }

    /// The codec that a configuration names, at its usual clock rate: `"PCMA"`, `"G729"`, `"AMR-WB"`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("PCMA") {
            return Some(Self::Pcma);
        }
        if name.eq_ignore_ascii_case("PCMU") {
            return Some(Self::Pcmu);
        }
        let found = Encoding::ALL
            .iter()
            .find(|e| e.name().eq_ignore_ascii_case(name))?;
        Some((*found).into())
    }

    /// The codec of a static payload type (RFC 3551 table 4).
    #[must_use]
    pub fn from_static_pt(pt: u8) -> Option<Self> {
        match pt {
            PT_PCMU => Some(Self::Pcmu),
            PT_PCMA => Some(Self::Pcma),
            _ => {
                let found = Encoding::ALL.iter().find(|e| e.static_pt() == Some(pt))?;
                Some((*found).into())
            }
        }
    }

    /// The payload type that the codec has everywhere, if any.
    #[must_use]
    pub const fn static_pt(&self) -> Option<u8> {
        match self {
            Self::Pcma => Some(PT_PCMA),
            Self::Pcmu => Some(PT_PCMU),
            Self::Other(other) => other.encoding.static_pt(),
        }
    }

    /// The same codec with a peer's `a=fmtp` parameters, reduced to what may pass.
    #[must_use]
    pub fn with_fmtp(self, raw: &str) -> Self {
        match self {
            Self::Other(other) => Self::Other(RelayCodec {
                fmtp: fmtp::sanitise(other.encoding, raw).map(Arc::from),
                ..other
            }),
            spoken => spoken,
        }
    }

    /// The name in `a=rtpmap`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pcma => "PCMA",
            Self::Pcmu => "PCMU",
            Self::Other(other) => other.encoding.name(),
        }
    }

    /// RTP clock rate in Hz.
    #[must_use]
    pub const fn clock(&self) -> u32 {
        match self {
            Self::Pcma | Self::Pcmu => 8000,
            Self::Other(other) => other.clock,
        }
    }

    /// Channels in `a=rtpmap`; 1 is not written.
    #[must_use]
    pub const fn channels(&self) -> u8 {
        match self {
            Self::Pcma | Self::Pcmu => 1,
            Self::Other(other) => other.channels,
        }
    }

    /// Can the platform itself play, record and convert it?
    #[must_use]
    pub const fn is_spoken(&self) -> bool {
        matches!(self, Self::Pcma | Self::Pcmu)
    }

    /// Can a packet of `self` be handed to an end that speaks `other`, converted where needed?
    #[must_use]
    pub fn bridges_to(&self, other: &Self) -> bool {
        (self.is_spoken() && other.is_spoken()) || self.matches(other)
    }

    /// Is it the same coding on the wire? Parameters that only limit what a sender does are ignored; those that
    /// change how bytes are packed are not (RFC 4867 §8.3.1 for AMR).
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Pcma, Self::Pcma) | (Self::Pcmu, Self::Pcmu) => true,
            (Self::Other(a), Self::Other(b)) => {
                a.encoding == b.encoding
                    && a.clock == b.clock
                    && a.channels == b.channels
                    && fmtp::same_packing(a.encoding, a.fmtp(), b.fmtp())
            }
            _ => false,
        }
    }
}

/// A codec under its payload type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CodecSpec {
    /// Payload type, 0..=127.
    pub pt: u8,
    /// What it carries.
    pub codec: Codec,
}

impl CodecSpec {
    /// The codec under its static payload type; `None` for one that has only dynamic ones.
    #[must_use]
    pub fn fixed(codec: Codec) -> Option<Self> {
        Some(Self {
            pt: codec.static_pt()?,
            codec,
        })
    }
}

/// telephone-event under its payload type (RFC 4733). We always mean events 0-15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DtmfSpec {
    /// Payload type.
    pub pt: u8,
    /// Clock rate in Hz; that of the audio it goes with.
    pub clock: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn static_payload_types_are_those_of_rfc_3551() {
        let table = [
            (0, "PCMU"),
            (3, "GSM"),
            (4, "G723"),
            (8, "PCMA"),
            (9, "G722"),
            (15, "G728"),
            (18, "G729"),
        ];
        for (pt, name) in table {
            let codec = Codec::from_static_pt(pt).expect(name);
            assert_eq!((codec.name(), codec.clock()), (name, 8000));
            assert_eq!(codec.static_pt(), Some(pt));
        }
        assert_eq!(
            Codec::from_static_pt(13),
            None,
            "comfort noise is not a codec"
        );
        assert_eq!(Codec::from_static_pt(96), None);
    }

    #[test]
    fn unknown_names_clocks_and_channels_are_no_codec() {
        assert_eq!(Codec::from_rtpmap("8613900000001", 8000, 1), None);
        assert_eq!(Codec::from_rtpmap("PCMA", 16000, 1), None);
        assert_eq!(Codec::from_rtpmap("PCMA", 8000, 2), None);
        assert_eq!(Codec::from_rtpmap("opus", 48000, 1), None);
        assert_eq!(
            Codec::from_rtpmap("OPUS", 48000, 2).map(|c| c.name()),
            Some("opus")
        );
        assert_eq!(Codec::from_rtpmap("pcma", 8000, 1), Some(Codec::Pcma));
    }

    #[test]
    fn amr_matches_only_with_the_same_packing() {
        let amr = || Codec::from(Encoding::Amr);
        let packed = amr().with_fmtp("mode-set=7");
        let aligned = amr().with_fmtp("octet-align=1; mode-set=7");
        assert!(packed.matches(&amr()));
        assert!(packed.matches(&amr().with_fmtp("octet-align=0")));
        assert!(!packed.matches(&aligned));
        assert!(aligned.matches(&amr().with_fmtp("octet-align=1")));
        assert!(!amr().matches(&Codec::from(Encoding::AmrWb)));
    }

    #[test]
    fn the_two_laws_bridge_and_nothing_else_does() {
        assert!(Codec::Pcma.bridges_to(&Codec::Pcmu));
        assert!(!Codec::Pcma.bridges_to(&Codec::from(Encoding::G729)));
        assert!(Codec::from(Encoding::G729).bridges_to(&Codec::from(Encoding::G729)));
    }
}
