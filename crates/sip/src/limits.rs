//! How large a message may be before it is refused unread.

/// Bounds on one message. A sender that goes past them costs us a scan of the bound, not of its datagram.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Octets of a whole message, head and body.
    pub message_max: usize,
    /// Octets of start line and headers with the blank line; never more than 65,535 whatever is set here.
    pub head_max: usize,
    /// Number of header lines.
    pub headers_max: usize,
    /// Octets of one header value, and of the start line.
    pub header_max: usize,
}

impl Limits {
    /// The defaults as a constant.
    pub const DEFAULT: Limits = Limits {
        message_max: 64 * 1024,
        head_max: 16 * 1024,
        headers_max: 256,
        header_max: 8 * 1024,
    };

    /// The head bound in force: offsets into the head are kept as `u16`.
    pub(crate) fn head(&self) -> usize {
        self.head_max.min(usize::from(u16::MAX))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits::DEFAULT
    }
}
