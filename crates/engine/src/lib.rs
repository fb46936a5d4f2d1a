//! The only place with sockets, threads and timers: drives SIP, calls and media.
