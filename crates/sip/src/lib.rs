//! SIP as bytes in, bytes out: messages, transactions, dialogs, framing. No sockets, no clock.
