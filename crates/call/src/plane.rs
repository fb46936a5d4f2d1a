//! What a call needs from the media side, and the clocks it is given.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use axbridge_media as media;

/// The time: a monotonic instant for deadlines, the wall clock for what is told about the call and for expiry.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Monotonic.
    pub mono: Instant,
    /// Unix milliseconds, UTC.
    pub wall_ms: u64,
}

/// A call within its shard. Never reused while anything may still refer to the old call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallKey {
    /// Slot.
    pub index: u32,
    /// Generation of the slot.
    pub generation: u32,
}

/// No media port (or descriptor) is left; the call is refused with 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no media ports left")]
pub struct NoPorts;

/// The media side of a shard. A session is opened once per call, takes commands, and is closed once.
pub trait MediaPlane {
    /// Opens the RTP and RTCP ports of both legs on the given local addresses and starts a session.
    /// Returns the RTP addresses of the A and the B side (RTCP is the next port).
    ///
    /// # Errors
    /// [`NoPorts`] when the port range or the descriptors are exhausted.
    fn open(
        &mut self,
        call: CallKey,
        a_local: IpAddr,
        b_local: IpAddr,
    ) -> Result<[SocketAddr; 2], NoPorts>;

    /// Passes a command to the call's session.
    fn command(&mut self, call: CallKey, command: media::Command);

    /// Closes the session: nothing is sent any more, the ports are given back. A recording that was not
    /// stopped is ended.
    fn close(&mut self, call: CallKey);
}
