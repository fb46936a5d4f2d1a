//! RTP as packets in, packets out: SDP, relay, prompts, digits, recording. No sockets, no clock.
