//! What both halves of the crate know about one leg: its side, its direction, what its offer/answer settled.

use std::net::SocketAddr;

use crate::codec::Codec;

/// One of the two legs of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The leg that dialled X.
    A,
    /// The leg that we called.
    B,
}

impl Side {
    /// The opposite leg.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// 0 for A, 1 for B: the place in a `[T; 2]` kept per leg.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }
}

/// Which way media flows, seen by whoever says it (RFC 3264 §6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// The speaker only sends (it has the other on hold).
    SendOnly,
    /// The speaker only receives (it is held).
    RecvOnly,
    /// Neither way.
    Inactive,
}

impl Direction {
    /// A direction from its two halves.
    #[must_use]
    pub const fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Does the speaker send?
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Does the speaker receive?
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same flow told by the other end.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self::of(self.receives(), self.sends())
    }

    /// What both allow; both seen from the same end.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self::of(
            self.sends() && other.sends(),
            self.receives() && other.receives(),
        )
    }

    /// The SDP attribute's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

/// What one offer/answer exchange settled for one leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Where our RTP goes. The address is unspecified (`0.0.0.0`) while the peer holds the old way
    /// (RFC 3264 §8.4); [`Negotiated::direction`] does not send then, and RTCP must not be sent either.
    pub remote: SocketAddr,
    /// Where our RTCP goes: the port after `remote`, or what `a=rtcp` said (RFC 3605).
    pub remote_rtcp: SocketAddr,
    /// The codec both sides use. For G.711 a peer may still send the other law where both were answered:
    /// payload types 0 and 8 are static, so take either.
    pub codec: Codec,
    /// Payload type that we send.
    pub pt_send: u8,
    /// Payload type that the peer sends.
    pub pt_recv: u8,
    /// Payload type of telephone-event that we send, if agreed at the codec's clock rate (RFC 4733).
    pub dtmf_send: Option<u8>,
    /// Payload type of telephone-event that the peer sends.
    pub dtmf_recv: Option<u8>,
    /// Ours: does this leg's stream go out, does it come in.
    pub direction: Direction,
    /// Milliseconds of audio in a packet that the peer wants; 20 where it said nothing sensible.
    pub ptime_ms: u8,
}

impl Negotiated {
    /// May media be sent to the peer at all?
    #[must_use]
    pub fn may_send(&self) -> bool {
        self.direction.sends() && !self.remote.ip().is_unspecified()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reversed_swaps_the_one_way_directions_only() {
        use Direction::*;
        let all = [SendRecv, SendOnly, RecvOnly, Inactive];
        assert_eq!(
            all.map(Direction::reversed),
            [SendRecv, RecvOnly, SendOnly, Inactive]
        );
        assert_eq!(SendOnly.and(RecvOnly), Inactive);
        assert_eq!(SendRecv.and(RecvOnly), RecvOnly);
    }

    #[test]
    fn sides_are_each_other() {
        assert_eq!(Side::A.other(), Side::B);
        assert_eq!(Side::B.other().index(), 0);
    }
}
