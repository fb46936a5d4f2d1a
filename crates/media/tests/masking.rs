//! Nothing that a peer can put into its SDP shows up in what we write for the other leg, or anywhere it was not ours.
#![allow(clippy::unwrap_used)]

use axbridge_media::sdp::{
    AnswerSpec, LocalMedia, NarrowPolicy, OfferSpec, SessionDescription, answer, offer, read_answer,
};
use proptest::prelude::*;

const SPELLINGS: &[&str] = &[
    "8613900000001",
    "+8613900000001",
    "13900000001",
    "013900000001",
    "tel:+8613900000001",
    "139-0000-0001",
    "%2B8613900000001",
    "Kzg2MTM5MDAwMDAwMDE=",
    "198.51.100.77",
    "secret-of-the-caller",
];

fn local() -> LocalMedia {
    LocalMedia::new(42, "192.0.2.50:30000".parse().unwrap())
}

/// The texts we write after reading this one: as an offer, answered and carried to the other leg; as an answer.
fn written_after(text: &[u8]) -> Vec<Vec<u8>> {
    let Ok(peer) = SessionDescription::parse(text) else {
        return Vec::new();
    };
    let mut out = Vec::new();
    let mut own = local();
    if let Ok((bytes, negotiated)) = answer(&mut own, &peer, &AnswerSpec::default()) {
        out.push(bytes.to_vec());
        let like = AnswerSpec::like(&negotiated);
        let other_offer = b"v=0\r\nc=IN IP4 192.0.2.9\r\nm=audio 4000 RTP/AVP 8 0 18 96 97\r\na=rtpmap:96 AMR/8000\r\na=rtpmap:97 opus/48000/2\r\n";
        let other = SessionDescription::parse(other_offer).unwrap();
        if let Ok((bytes, _)) = answer(&mut local(), &other, &like) {
            out.push(bytes.to_vec());
        }
    }
    if let Some(stream) = peer.audio() {
        for policy in [NarrowPolicy::Any, NarrowPolicy::SpokenOnly] {
            let spec = OfferSpec::from_stream(stream, policy);
            if let Ok((bytes, _)) = offer(&mut local(), &spec) {
                out.push(bytes.to_vec());
            }
        }
    }
    if let Ok((bytes, offered)) = offer(&mut own, &OfferSpec::default()) {
        out.push(bytes.to_vec());
        let _ = read_answer(&offered, &peer);
    }
    out
}

fn leaks(text: &[u8], hidden: &str) -> bool {
    let digits: Vec<u8> = text.iter().copied().filter(u8::is_ascii_digit).collect();
    let found = |hay: &[u8], needle: &[u8]| hay.windows(needle.len()).any(|w| w == needle);
    // Digits alone as well: a separator must not help a number through.
    found(text, hidden.as_bytes()) || found(&digits, b"13900000001")
}

/// A description with the hidden text in every line where something can be written.
fn seeded(h: &str) -> String {
    format!(
        "v=0\r\no={h} {h} {h} IN IP4 {h}\r\ns={h}\r\ni={h}\r\nu=http://{h}/\r\ne={h}\r\np={h}\r\nc=IN IP4 203.0.113.5\r\n\
         b={h}:1\r\nt={h} {h}\r\nr={h}\r\nz={h}\r\nk=clear:{h}\r\na={h}\r\na=tool:{h}\r\na=group:{h}\r\n{h}\r\n\
         m={h} 9 {h}/{h} {h}\r\ni={h}\r\n\
         m=application 9 {h} {h}\r\n\
         m=audio 4000 RTP/AVP 97 98 99 100 8 18 {h} 101\r\ni={h}\r\nb=AS:{h}\r\nk=clear:{h}\r\n\
         a=rtpmap:97 {h}/8000\r\na=rtpmap:98 AMR/8000/{h}\r\na=rtpmap:99 AMR/8000\r\n\
         a=fmtp:99 octet-align=0;x={h};mode-set={h};{h}={h};max-red={h};{h}\r\n\
         a=rtpmap:100 opus/48000/2\r\na=fmtp:100 maxaveragebitrate={h}; sprop-stereo={h};cbr=1\r\n\
         a=fmtp:8 {h}\r\na=fmtp:18 annexb={h}\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15,{h}\r\n\
         a=ptime:{h}\r\na=maxptime:{h}\r\na=rtcp:{h} IN IP4 {h}\r\na=label:{h}\r\na=ssrc:{h} cname:{h}\r\n\
         a=mid:{h}\r\na=candidate:1 1 UDP 1 {h} 4000 typ host\r\na=crypto:1 {h}\r\na={h}:{h}\r\na=sendrecv\r\n\
         m=video {h} RTP/AVP {h}\r\nc=IN IP4 {h}\r\na=rtpmap:31 {h}/90000\r\n"
    )
}

#[test]
fn no_line_of_the_peer_carries_a_number_through() {
    for hidden in SPELLINGS {
        let texts = written_after(seeded(hidden).as_bytes());
        assert_eq!(
            texts.len(),
            5,
            "every way of writing was tried for {hidden}"
        );
        for text in texts {
            assert!(
                !leaks(&text, hidden),
                "{hidden} in {}",
                String::from_utf8_lossy(&text)
            );
            assert!(!String::from_utf8_lossy(&text).contains("203.0.113.5"));
        }
    }
}

#[test]
fn the_search_itself_finds_what_is_there() {
    assert!(leaks(b"a=x:139-0000-0001", "zz"));
    assert!(leaks(b"a=x:secret-of-the-caller", "secret-of-the-caller"));
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..60),
        "[vosctmabkz]=[ -~]{0,60}".prop_map(String::into_bytes),
        "a=(rtpmap|fmtp|ptime|rtcp|maxptime):[0-9]{1,4} [A-Za-z0-9=;/.-]{0,30}"
            .prop_map(String::into_bytes),
        "m=(audio|video|image) [0-9]{1,6}(/[0-9])? RTP/(AVP|SAVP)( [0-9]{1,4}){0,70}"
            .prop_map(String::into_bytes),
        "c=IN IP[46] [0-9a-f.:/]{0,20}".prop_map(String::into_bytes),
        Just(b"m=audio 4000 RTP/AVP 8 0 96 97".to_vec()),
        Just(b"c=IN IP4 203.0.113.5".to_vec()),
        Just(b"a=rtpmap:96 AMR/8000".to_vec()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics_and_what_is_written_can_be_read(
        lines in proptest::collection::vec(line(), 0..40),
        end in prop_oneof![Just("\r\n"), Just("\n")],
    ) {
        let text = lines.join(end.as_bytes());
        for written in written_after(&text) {
            let again = SessionDescription::parse(&written).expect("our own text");
            let stream = again.audio().expect("our own stream");
            prop_assert!(!stream.codecs.is_empty());
            prop_assert!(written.iter().all(|b| b.is_ascii_graphic() || matches!(b, b' ' | b'\r' | b'\n')));
        }
    }

    #[test]
    fn bytes_alone_do_not_panic(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = SessionDescription::parse(&text);
    }

    #[test]
    fn a_hidden_number_in_any_attribute_stays_hidden(
        name in "[a-z-]{1,12}", glue in "[ :=;,/]", codec in "(AMR|AMR-WB|EVS|opus|G729|iLBC|speex)", key in "[a-z-]{1,12}",
    ) {
        let hidden = "8613900000001";
        let text = format!(
            "v=0\r\nc=IN IP4 203.0.113.5\r\na={name}:{hidden}\r\nm=audio 4000 RTP/AVP 96 8\r\n\
             a=rtpmap:96 {codec}/8000\r\na=fmtp:96 {key}={hidden}{glue}{hidden}\r\na={name}{glue}{hidden}\r\n"
        );
        for written in written_after(text.as_bytes()) {
            prop_assert!(!leaks(&written, hidden));
        }
    }
}
