//! Offer/answer as RFC 3264, RFC 4317 and RFC 6337 tell it, on one leg and across two.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use axbridge_media::sdp::{
    AnswerSpec, LocalMedia, NarrowPolicy, OfferSpec, SdpError, SessionDescription, answer, narrow,
    offer, prefer, read_answer,
};
use axbridge_media::{Codec, CodecSpec, Direction, DtmfSpec, Encoding, Negotiated};

fn ours() -> LocalMedia {
    LocalMedia::new(14, "192.0.2.50:30000".parse().unwrap())
}

fn parse(text: &str) -> SessionDescription {
    SessionDescription::parse(text.as_bytes()).expect(text)
}

/// A description with usual session lines; `media` is the rest, lines ended by `|`.
fn sdp(media: &str) -> SessionDescription {
    parse(&format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{}\r\n",
        media.replace('|', "\r\n")
    ))
}

/// The media part of what we wrote, lines ended by `|`.
fn media_of(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).unwrap();
    let at = text.find("m=").unwrap();
    text[at..].trim_end().replace("\r\n", "|")
}

fn answered(media: &str, spec: &AnswerSpec) -> Result<(String, Negotiated), SdpError> {
    let (bytes, negotiated) = answer(&mut ours(), &sdp(media), spec)?;
    SessionDescription::parse(&bytes).expect("we can read what we write");
    Ok((media_of(&bytes), negotiated))
}

#[test]
fn an_answer_takes_one_codec_under_the_offerers_number() {
    let any = AnswerSpec::default();
    let spoken = AnswerSpec {
        policy: NarrowPolicy::SpokenOnly,
        ..AnswerSpec::default()
    };
    let like_ulaw = AnswerSpec {
        prefer: vec![Codec::Pcmu],
        ..AnswerSpec::default()
    };
    let table = [
        (
            "first in the offer",
            &any,
            "m=audio 4000 RTP/AVP 0 8 97|a=rtpmap:0 PCMU/8000|a=rtpmap:8 PCMA/8000|a=rtpmap:97 iLBC/8000",
            "m=audio 30000 RTP/AVP 0|a=rtpmap:0 PCMU/8000|a=ptime:20|a=sendrecv",
        ),
        (
            "static numbers need no rtpmap",
            &any,
            "m=audio 4000 RTP/AVP 8",
            "m=audio 30000 RTP/AVP 8|a=rtpmap:8 PCMA/8000|a=ptime:20|a=sendrecv",
        ),
        (
            "telephone-event under its number",
            &any,
            "m=audio 4000 RTP/AVP 8 96|a=rtpmap:96 telephone-event/8000|a=fmtp:96 0-11",
            "m=audio 30000 RTP/AVP 8 96|a=rtpmap:8 PCMA/8000|a=rtpmap:96 telephone-event/8000|a=fmtp:96 0-15|a=ptime:20|a=sendrecv",
        ),
        (
            "unknown first, known later",
            &any,
            "m=audio 4000 RTP/AVP 99 8|a=rtpmap:99 fancy/8000",
            "m=audio 30000 RTP/AVP 8|a=rtpmap:8 PCMA/8000|a=ptime:20|a=sendrecv",
        ),
        (
            "relayed codec keeps its parameters, no ptime of ours",
            &any,
            "m=audio 4000 RTP/AVP 97 8|a=rtpmap:97 AMR/8000|a=fmtp:97 octet-align=1;mode-set=7",
            "m=audio 30000 RTP/AVP 97|a=rtpmap:97 AMR/8000|a=fmtp:97 octet-align=1; mode-set=7|a=sendrecv",
        ),
        (
            "only what we speak",
            &spoken,
            "m=audio 4000 RTP/AVP 18 0",
            "m=audio 30000 RTP/AVP 0|a=rtpmap:0 PCMU/8000|a=ptime:20|a=sendrecv",
        ),
        (
            "our preference",
            &like_ulaw,
            "m=audio 4000 RTP/AVP 8 0",
            "m=audio 30000 RTP/AVP 0|a=rtpmap:0 PCMU/8000|a=ptime:20|a=sendrecv",
        ),
        (
            "preference that is not offered",
            &like_ulaw,
            "m=audio 4000 RTP/AVP 8",
            "m=audio 30000 RTP/AVP 8|a=rtpmap:8 PCMA/8000|a=ptime:20|a=sendrecv",
        ),
        (
            "the asked packet length",
            &any,
            "m=audio 4000 RTP/AVP 8|a=ptime:40",
            "m=audio 30000 RTP/AVP 8|a=rtpmap:8 PCMA/8000|a=ptime:40|a=sendrecv",
        ),
        (
            "a packet length of nonsense",
            &any,
            "m=audio 4000 RTP/AVP 8|a=ptime:12345",
            "m=audio 30000 RTP/AVP 8|a=rtpmap:8 PCMA/8000|a=ptime:20|a=sendrecv",
        ),
        (
            "video is refused in its place",
            &any,
            "m=video 51372 RTP/AVP 31 32|a=rtpmap:31 H261/90000|m=audio 4000 RTP/AVP 8|m=image 4002 udptl t38",
            "m=video 0 RTP/AVP 31|m=audio 30000 RTP/AVP 8|a=rtpmap:8 PCMA/8000|a=ptime:20|a=sendrecv|m=image 0 udptl t38",
        ),
        (
            "of two audio lines the first open one",
            &any,
            "m=audio 0 RTP/AVP 0|m=audio 51372 RTP/AVP 8|m=audio 51374 RTP/AVP 8",
            "m=audio 0 RTP/AVP 0|m=audio 30000 RTP/AVP 8|a=rtpmap:8 PCMA/8000|a=ptime:20|a=sendrecv|m=audio 0 RTP/AVP 8",
        ),
        (
            "secure RTP is refused beside a plain stream",
            &any,
            "m=audio 4000 RTP/SAVP 8|m=audio 4002 RTP/AVP 8",
            "m=audio 0 RTP/SAVP 8|m=audio 30000 RTP/AVP 8|a=rtpmap:8 PCMA/8000|a=ptime:20|a=sendrecv",
        ),
        (
            "multiplexing, feedback and the rest are not taken up",
            &any,
            "m=audio 4000 RTP/AVP 8|a=rtcp-mux|a=rtcp-fb:* nack|a=candidate:1 1 UDP 1 192.0.2.9 4000 typ host|a=crypto:1 X",
            "m=audio 30000 RTP/AVP 8|a=rtpmap:8 PCMA/8000|a=ptime:20|a=sendrecv",
        ),
    ];
    for (name, spec, offered, want) in table {
        let (got, _) = answered(offered, spec).expect(name);
        assert_eq!(got, want, "{name}");
    }
}

#[test]
fn offers_that_cannot_be_answered_say_why() {
    let spoken = AnswerSpec {
        policy: NarrowPolicy::SpokenOnly,
        ..AnswerSpec::default()
    };
    let any = AnswerSpec::default();
    let absent = SdpError::UnsupportedStream("no open audio stream");
    let plain = SdpError::UnsupportedStream("only plain RTP/AVP is taken");
    let table = [
        ("m=audio 4000 RTP/AVP 18", &spoken, SdpError::NoCommonCodec),
        ("m=audio 4000 RTP/AVP 13 101", &any, SdpError::NoCommonCodec),
        ("m=audio 0 RTP/AVP 8", &any, absent),
        ("m=video 4000 RTP/AVP 31", &any, absent),
        ("a=tool:none", &any, absent),
        ("m=audio 4000 RTP/SAVP 8", &any, plain),
        ("m=audio 4000 RTP/AVPF 8", &any, plain),
        ("m=audio 4000 UDP/TLS/RTP/SAVPF 8", &any, plain),
    ];
    for (media, spec, want) in table {
        assert_eq!(answered(media, spec).unwrap_err(), want, "{media}");
    }
}

#[test]
fn texts_that_cannot_be_answered_at_all_are_bad() {
    let many_lines = format!("v=0\r\n{}", "m=video 0 RTP/AVP 31\r\n".repeat(33));
    let many_formats = format!("v=0\r\nm=audio 4000 RTP/AVP{}\r\n", " 8".repeat(65));
    let large = format!("v=0\r\na={}\r\n", "x".repeat(64 * 1024));
    let table = [
        ("empty", ""),
        ("no SDP", "hello\r\nworld\r\n"),
        ("no address", "v=0\r\nm=audio 4000 RTP/AVP 8\r\n"),
        (
            "broken address",
            "v=0\r\nc=IN IP4 300.1.2.3\r\nm=audio 4000 RTP/AVP 8\r\n",
        ),
        (
            "family mixed up",
            "v=0\r\nc=IN IP6 192.0.2.1\r\nm=audio 4000 RTP/AVP 8\r\n",
        ),
        (
            "port 65536",
            "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 65536 RTP/AVP 8\r\n",
        ),
        ("short media line", "v=0\r\nm=audio 4000\r\n"),
        ("media lines", &many_lines),
        ("formats", &many_formats),
        ("size", &large),
    ];
    for (name, text) in table {
        let got = SessionDescription::parse(text.as_bytes());
        assert!(
            matches!(got, Err(SdpError::BadSdp { .. })),
            "{name}: {got:?}"
        );
    }
}

#[test]
fn what_carriers_send_is_read() {
    let table: [(&str, &[u8], &str, &str); 9] = [
        ("bare line feeds, no t=", b"v=0\no=x 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 8\n",
         "192.0.2.1:4000", "192.0.2.1:4001"),
        ("no newline at the end", b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 8",
         "192.0.2.1:4000", "192.0.2.1:4001"),
        ("subject in GBK", b"v=0\r\ns=\xC4\xE3\xBA\xC3\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 8\r\n",
         "192.0.2.1:4000", "192.0.2.1:4001"),
        ("o= beyond 64 bits, unknown lines", b"v=0\r\no=- 99999999999999999999999 x IN IP4 h\r\ny=1\r\nnonsense\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 8\r\n",
         "192.0.2.1:4000", "192.0.2.1:4001"),
        ("address of the media before that of the session", b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 8\r\nc=IN IP4 192.0.2.2\r\n",
         "192.0.2.2:4000", "192.0.2.2:4001"),
        ("IPv6", b"v=0\r\nc=IN IP6 2001:db8::9\r\nm=audio 4000 RTP/AVP 8\r\n",
         "[2001:db8::9]:4000", "[2001:db8::9]:4001"),
        ("rtcp port", b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 8\r\na=rtcp:53020\r\n",
         "192.0.2.1:4000", "192.0.2.1:53020"),
        ("rtcp port and address", b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 8\r\na=rtcp:53020 IN IP4 192.0.2.7\r\n",
         "192.0.2.1:4000", "192.0.2.7:53020"),
        ("spare spaces, port count", b"v=0\r\nc=IN  IP4  192.0.2.1 \r\nm=audio  4000/2  RTP/AVP  8 \r\n",
         "192.0.2.1:4000", "192.0.2.1:4001"),
    ];
    for (name, text, rtp, rtcp) in table {
        let parsed = SessionDescription::parse(text).expect(name);
        let stream = parsed.audio().expect(name);
        let want: (SocketAddr, SocketAddr) = (rtp.parse().unwrap(), rtcp.parse().unwrap());
        assert_eq!((stream.remote, stream.remote_rtcp), want, "{name}");
        assert!(stream.lists(&Codec::Pcma), "{name}");
    }
}

#[test]
fn an_address_that_is_no_single_host_is_refused_not_sent_to() {
    for address in [
        "IP4 224.2.1.1/127/3",
        "IP4 255.255.255.255",
        "IP6 ff02::1",
        "IP4 host.example.com",
    ] {
        let text = format!("v=0\r\nc=IN {address}\r\nm=audio 4000 RTP/AVP 8\r\n");
        let offer = parse(&text);
        let got = answer(&mut ours(), &offer, &AnswerSpec::default());
        assert!(
            matches!(got, Err(SdpError::UnsupportedStream(_))),
            "{address}: {got:?}"
        );
    }
}

#[test]
fn direction_is_answered_with_its_counterpart_within_what_we_allow() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    let table = [
        ("", SendRecv, SendRecv),
        ("|a=sendrecv", SendRecv, SendRecv),
        ("|a=sendonly", SendRecv, RecvOnly),
        ("|a=recvonly", SendRecv, SendOnly),
        ("|a=inactive", SendRecv, Inactive),
        ("", RecvOnly, RecvOnly),
        ("", Inactive, Inactive),
        ("|a=sendonly", SendOnly, Inactive),
        ("|a=recvonly", SendOnly, SendOnly),
        // The old way to hold: no address. We may only listen.
        ("|c=IN IP4 0.0.0.0", SendRecv, RecvOnly),
        ("|c=IN IP4 0.0.0.0|a=recvonly", SendRecv, Inactive),
        ("|c=IN IP6 ::", SendRecv, RecvOnly),
    ];
    for (attribute, allowed, want) in table {
        let spec = AnswerSpec {
            direction: allowed,
            ..AnswerSpec::default()
        };
        let media = format!("m=audio 4000 RTP/AVP 8{attribute}");
        let (text, negotiated) = answered(&media, &spec).expect(attribute);
        assert_eq!(negotiated.direction, want, "{media} {allowed:?}");
        assert!(text.ends_with(&format!("a={}", want.as_str())), "{text}");
        assert_eq!(negotiated.may_send(), want.sends());
    }
}

#[test]
fn a_direction_of_the_session_holds_until_the_media_says_another() {
    let text = "v=0\r\nc=IN IP4 192.0.2.1\r\na=sendonly\r\nm=audio 4000 RTP/AVP 8\r\n";
    assert_eq!(parse(text).audio().unwrap().direction, Direction::SendOnly);
    let text = format!("{text}a=sendrecv\r\n");
    assert_eq!(parse(&text).audio().unwrap().direction, Direction::SendRecv);
}

#[test]
fn our_usual_offer() {
    let (bytes, _) = offer(&mut ours(), &OfferSpec::default()).unwrap();
    assert_eq!(
        std::str::from_utf8(&bytes).unwrap(),
        "v=0\r\no=- 7 1 IN IP4 192.0.2.50\r\ns=-\r\nc=IN IP4 192.0.2.50\r\nt=0 0\r\n\
         m=audio 30000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    );
    let mut v6 = LocalMedia::new(14, "[2001:db8::50]:30000".parse().unwrap());
    let (bytes, _) = offer(&mut v6, &OfferSpec::default()).unwrap();
    let text = std::str::from_utf8(&bytes).unwrap();
    assert!(text.contains("\r\nc=IN IP6 2001:db8::50\r\n"), "{text}");
}

#[test]
fn an_answer_to_our_offer_settles_the_leg() {
    let (_, offered) = offer(&mut ours(), &OfferSpec::default()).unwrap();
    let table = [
        // answer, codec, pt_send, pt_recv, dtmf_send, dtmf_recv
        (
            "m=audio 4000 RTP/AVP 8 101|a=rtpmap:101 telephone-event/8000",
            Codec::Pcma,
            8,
            8,
            Some(101),
            Some(101),
        ),
        ("m=audio 4000 RTP/AVP 0", Codec::Pcmu, 0, 0, None, None),
        ("m=audio 4000 RTP/AVP 0 8", Codec::Pcmu, 0, 0, None, None),
        // The peer numbers telephone-event its own way; we listen where we said.
        (
            "m=audio 4000 RTP/AVP 8 96|a=rtpmap:96 telephone-event/8000",
            Codec::Pcma,
            8,
            8,
            Some(96),
            Some(101),
        ),
        // It leaves out what our number means.
        (
            "m=audio 4000 RTP/AVP 8 101",
            Codec::Pcma,
            8,
            8,
            Some(101),
            Some(101),
        ),
        // What we did not offer does not count.
        ("m=audio 4000 RTP/AVP 18 8", Codec::Pcma, 8, 8, None, None),
    ];
    for (media, codec, pt_send, pt_recv, dtmf_send, dtmf_recv) in table {
        let got = read_answer(&offered, &sdp(media)).expect(media);
        let want = Negotiated {
            remote: "192.0.2.1:4000".parse().unwrap(),
            remote_rtcp: "192.0.2.1:4001".parse().unwrap(),
            codec,
            pt_send,
            pt_recv,
            dtmf_send,
            dtmf_recv,
            direction: Direction::SendRecv,
            ptime_ms: 20,
        };
        assert_eq!(got, want, "{media}");
    }
    let refused = [
        ("m=audio 0 RTP/AVP 8", SdpError::MediaRejected),
        ("a=tool:none", SdpError::MediaRejected),
        ("m=audio 4000 RTP/AVP 18", SdpError::NoCommonCodec),
        (
            "m=audio 4000 RTP/SAVP 8",
            SdpError::UnsupportedStream("only plain RTP/AVP is taken"),
        ),
    ];
    for (media, want) in refused {
        assert_eq!(
            read_answer(&offered, &sdp(media)).unwrap_err(),
            want,
            "{media}"
        );
    }
}

#[test]
fn dynamic_numbers_may_differ_each_way() {
    let amr = |fmtp: &str| Codec::from(Encoding::Amr).with_fmtp(fmtp);
    let spec = OfferSpec {
        codecs: vec![
            CodecSpec {
                pt: 97,
                codec: amr("octet-align=0"),
            },
            CodecSpec {
                pt: 98,
                codec: amr("octet-align=1"),
            },
        ],
        ..OfferSpec::default()
    };
    let (_, offered) = offer(&mut ours(), &spec).unwrap();
    let got = read_answer(
        &offered,
        &sdp("m=audio 4000 RTP/AVP 110|a=rtpmap:110 AMR/8000|a=fmtp:110 octet-align=1"),
    )
    .unwrap();
    assert_eq!((got.pt_send, got.pt_recv), (110, 98));
    // The number alone, nothing said about it.
    let got = read_answer(&offered, &sdp("m=audio 4000 RTP/AVP 97")).unwrap();
    assert_eq!(
        (got.pt_send, got.pt_recv, &got.codec),
        (97, 97, &amr("octet-align=0"))
    );
}

#[test]
fn an_answer_cannot_widen_the_direction_we_offered() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    let table = [
        (SendRecv, "", SendRecv),
        (SendOnly, "|a=recvonly", SendOnly),
        (SendOnly, "", SendOnly),
        (SendRecv, "|a=recvonly", SendOnly),
        (RecvOnly, "|a=inactive", Inactive),
        (Inactive, "|a=sendrecv", Inactive),
        (SendRecv, "|a=sendonly", RecvOnly),
    ];
    for (offered_direction, attribute, want) in table {
        let spec = OfferSpec {
            direction: offered_direction,
            ..OfferSpec::default()
        };
        let (_, offered) = offer(&mut ours(), &spec).unwrap();
        let got = read_answer(
            &offered,
            &sdp(&format!("m=audio 4000 RTP/AVP 8{attribute}")),
        );
        assert_eq!(
            got.unwrap().direction,
            want,
            "{offered_direction:?} {attribute}"
        );
    }
}

#[test]
fn packet_length_stays_within_what_both_can() {
    let table = [
        ("", 20),
        ("|a=ptime:30", 30),
        ("|a=ptime:40|a=maxptime:30", 30),
        ("|a=maxptime:10", 10),
        ("|a=maxptime:80", 20),
        ("|a=ptime:20.0", 20),
        ("|a=ptime:5", 20),
        ("|a=ptime:0", 20),
        ("|a=ptime:99999999", 20),
    ];
    let (_, offered) = offer(&mut ours(), &OfferSpec::default()).unwrap();
    for (attribute, want) in table {
        let media = format!("m=audio 4000 RTP/AVP 8{attribute}");
        let got = read_answer(&offered, &sdp(&media)).unwrap();
        assert_eq!(got.ptime_ms, want, "{media}");
    }
}

#[test]
fn the_version_rises_only_when_the_text_changes() {
    let mut local = ours();
    let first = sdp("m=audio 4000 RTP/AVP 8");
    let spec = AnswerSpec::default();
    let (one, _) = answer(&mut local, &first, &spec).unwrap();
    let (two, _) = answer(&mut local, &first, &spec).unwrap();
    assert_eq!(one, two);
    assert_eq!(local.version(), 1);
    let hold = sdp("m=audio 4000 RTP/AVP 8|a=sendonly");
    answer(&mut local, &hold, &spec).unwrap();
    assert_eq!(local.version(), 2);
    // A refusal changes nothing.
    assert!(answer(&mut local, &sdp("m=audio 0 RTP/AVP 8"), &spec).is_err());
    answer(&mut local, &hold, &spec).unwrap();
    assert_eq!(local.version(), 2);
    local.set_addr("192.0.2.51:30002".parse().unwrap());
    answer(&mut local, &hold, &spec).unwrap();
    assert_eq!(local.version(), 3);
}

#[test]
fn a_later_offer_of_ours_keeps_the_media_lines_and_numbers_of_the_leg() {
    let mut local = ours();
    let first = sdp(
        "m=video 4002 RTP/AVP 31|m=audio 4000 RTP/AVP 96 97|a=rtpmap:96 AMR/8000|a=rtpmap:97 telephone-event/8000",
    );
    answer(&mut local, &first, &AnswerSpec::default()).unwrap();
    // The other leg numbers the same things the other way round, and one more thing under a number used here.
    let spec = OfferSpec {
        codecs: vec![
            CodecSpec {
                pt: 97,
                codec: Codec::from(Encoding::Amr),
            },
            CodecSpec {
                pt: 98,
                codec: Codec::from(Encoding::Ilbc),
            },
            CodecSpec {
                pt: 8,
                codec: Codec::Pcma,
            },
        ],
        dtmf: vec![DtmfSpec {
            pt: 96,
            clock: 8000,
        }],
        direction: Direction::SendOnly,
        ptime_ms: None,
    };
    let (bytes, offered) = offer(&mut local, &spec).unwrap();
    assert_eq!(
        media_of(&bytes),
        "m=video 0 RTP/AVP 31|m=audio 30000 RTP/AVP 96 98 8 97|a=rtpmap:96 AMR/8000|a=rtpmap:98 iLBC/8000|\
         a=rtpmap:8 PCMA/8000|a=rtpmap:97 telephone-event/8000|a=fmtp:97 0-15|a=sendonly"
    );
    assert_eq!(offered.codecs()[0].pt, 96);
    assert_eq!(local.version(), 2);
}

#[test]
fn what_goes_from_one_leg_to_the_other() {
    let a = sdp(
        "m=audio 4000 RTP/AVP 18 8 101|a=rtpmap:101 telephone-event/8000|a=ptime:20|a=sendonly",
    );
    let stream = a.audio().unwrap();
    let to_b = OfferSpec::from_stream(stream, NarrowPolicy::Any);
    let (bytes, _) = offer(&mut ours(), &to_b).unwrap();
    assert_eq!(
        media_of(&bytes),
        "m=audio 30000 RTP/AVP 18 8 0 101|a=rtpmap:18 G729/8000|a=rtpmap:8 PCMA/8000|a=rtpmap:0 PCMU/8000|\
         a=rtpmap:101 telephone-event/8000|a=fmtp:101 0-15|a=ptime:20|a=sendonly"
    );
    // A was promised A-law already: that first.
    let promised = prefer(to_b.codecs.clone(), &Codec::Pcma);
    let names: Vec<_> = promised.iter().map(|c| c.codec.name()).collect();
    assert_eq!(names, ["PCMA", "G729", "PCMU"]);
    let spoken = narrow(&promised, NarrowPolicy::SpokenOnly);
    assert_eq!(spoken.len(), 2);
    // Nothing of G.711 there: nothing added.
    let only_g729 = sdp("m=audio 4000 RTP/AVP 18");
    let to_b = OfferSpec::from_stream(only_g729.audio().unwrap(), NarrowPolicy::Any);
    assert_eq!(to_b.codecs.len(), 1);
    let to_b = OfferSpec::from_stream(only_g729.audio().unwrap(), NarrowPolicy::SpokenOnly);
    assert_eq!(
        offer(&mut ours(), &to_b).unwrap_err(),
        SdpError::NoCommonCodec
    );
}

#[test]
fn the_first_leg_is_answered_so_that_it_can_talk_to_the_second() {
    let a = "m=audio 4000 RTP/AVP 18 8 97|a=rtpmap:97 AMR/8000|a=fmtp:97 mode-set=0,2,4,7";
    let to_b = OfferSpec::from_stream(sdp(a).audio().unwrap(), NarrowPolicy::Any);
    let (_, offered) = offer(&mut ours(), &to_b).unwrap();
    let table = [
        // B's answer, what A is told
        (
            "m=audio 5000 RTP/AVP 18",
            "m=audio 30000 RTP/AVP 18|a=rtpmap:18 G729/8000|a=sendrecv",
        ),
        (
            "m=audio 5000 RTP/AVP 0|a=recvonly",
            "m=audio 30000 RTP/AVP 8|a=rtpmap:8 PCMA/8000|a=ptime:20|a=recvonly",
        ),
        (
            "m=audio 5000 RTP/AVP 99|a=rtpmap:99 AMR/8000|a=fmtp:99 mode-set=7",
            "m=audio 30000 RTP/AVP 97|a=rtpmap:97 AMR/8000|a=fmtp:97 mode-set=7|a=sendrecv",
        ),
    ];
    for (b, want) in table {
        let b = read_answer(&offered, &sdp(b)).expect(b);
        let (text, _) = answered(a, &AnswerSpec::like(&b)).expect(want);
        assert_eq!(text, want);
    }
    let b = read_answer(&offered, &sdp("m=audio 5000 RTP/AVP 18")).unwrap();
    assert_eq!(
        answered("m=audio 4000 RTP/AVP 8", &AnswerSpec::like(&b)).unwrap_err(),
        SdpError::NoCommonCodec
    );
}

#[test]
fn telephone_event_goes_with_its_clock_rate() {
    let media = "m=audio 4000 RTP/AVP 96 8 97 98|a=rtpmap:96 AMR-WB/16000|a=rtpmap:97 telephone-event/16000|a=rtpmap:98 telephone-event/8000";
    let (_, wide) = answered(media, &AnswerSpec::default()).unwrap();
    assert_eq!(wide.dtmf_recv, Some(97));
    let spoken = AnswerSpec {
        policy: NarrowPolicy::SpokenOnly,
        ..AnswerSpec::default()
    };
    let (_, narrow_band) = answered(media, &spoken).unwrap();
    assert_eq!(narrow_band.dtmf_recv, Some(98));
    let spec = OfferSpec::from_stream(sdp(media).audio().unwrap(), NarrowPolicy::SpokenOnly);
    let (bytes, _) = offer(&mut ours(), &spec).unwrap();
    assert!(media_of(&bytes).starts_with("m=audio 30000 RTP/AVP 8 0 98|"));
}

#[test]
fn a_refresh_is_told_from_a_change() {
    let base = "m=audio 4000 RTP/AVP 8 101|a=rtpmap:101 telephone-event/8000";
    let table = [
        // media, same for this leg, same for the other
        (
            "m=audio 4000 RTP/AVP 8 101|a=rtpmap:101 telephone-event/8000|a=sendrecv|a=x-other:1",
            true,
            true,
        ),
        (
            "m=audio 4002 RTP/AVP 8 101|a=rtpmap:101 telephone-event/8000",
            false,
            true,
        ),
        (
            "m=audio 4000 RTP/AVP 8 96|a=rtpmap:96 telephone-event/8000",
            false,
            true,
        ),
        (
            "m=audio 4000 RTP/AVP 8 101|a=rtpmap:101 telephone-event/8000|a=sendonly",
            false,
            false,
        ),
        (
            "m=audio 4000 RTP/AVP 0 101|a=rtpmap:101 telephone-event/8000",
            false,
            false,
        ),
        ("m=audio 4000 RTP/AVP 8", false, false),
        ("m=audio 0 RTP/AVP 8", false, false),
    ];
    for (media, here, there) in table {
        let (before, after) = (sdp(base), sdp(media));
        assert_eq!(before.same_media(&after), here, "{media}");
        assert_eq!(before.same_for_other_leg(&after), there, "{media}");
    }
}

#[test]
fn numbers_that_contradict_the_registry_are_no_codec() {
    // 8 is A-law whatever is said; a wrong clock on G.722 is a slip that everyone forgives.
    let media = "m=audio 4000 RTP/AVP 8 9 0|a=rtpmap:8 PCMU/8000|a=rtpmap:9 G722/16000";
    let parsed = sdp(media);
    let names: Vec<_> = parsed
        .audio()
        .unwrap()
        .codecs
        .iter()
        .map(|c| c.codec.name())
        .collect();
    assert_eq!(names, ["G722", "PCMU"]);
}
