//! The SDP examples of RFC 3264 and RFC 4317, read where they lie beside the project.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use axbridge_media::sdp::{AnswerSpec, LocalMedia, SessionDescription, answer};

#[test]
fn the_examples_of_the_rfcs_are_read_and_answered() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/sdp/rfc");
    if !folder.is_dir() {
        println!("shared/fixtures/sdp is not here: the examples of the RFCs were not read");
        return;
    }
    let index = std::fs::read_to_string(folder.join("INDEX.tsv")).unwrap();
    let (mut read, mut answered) = (0, 0);
    for row in index.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let (name, media) = (columns[0], columns.last().copied().unwrap_or_default());
        let Ok(text) = std::fs::read_to_string(folder.join(name)) else {
            continue;
        };
        read += 1;
        let parsed = SessionDescription::parse(text.as_bytes()).expect(name);
        let lines = media.matches("m=").count();
        assert_eq!(parsed.media_lines(), lines, "{name}");
        // The examples carry host names; with addresses in their place they can be answered.
        let literal: String = text
            .lines()
            .map(|line| match line.strip_prefix("c=IN IP4 ") {
                Some(_) => "c=IN IP4 192.0.2.1\r\n".to_owned(),
                None => format!("{line}\r\n"),
            })
            .collect();
        let offer = SessionDescription::parse(literal.as_bytes()).expect(name);
        let open_audio = media
            .split(" | ")
            .any(|m| m.starts_with("m=audio ") && !m.starts_with("m=audio 0 "));
        assert_eq!(offer.audio().is_some(), open_audio, "{name}");
        let mut local = LocalMedia::new(1, "192.0.2.50:30000".parse().unwrap());
        if let Ok((bytes, _)) = answer(&mut local, &offer, &AnswerSpec::default()) {
            answered += 1;
            let own = SessionDescription::parse(&bytes).expect(name);
            assert_eq!(own.media_lines(), lines, "{name}: as many lines as offered");
        }
    }
    println!("{read} examples read, {answered} answered");
    assert!(
        read >= 40 && answered >= 40,
        "{read} read, {answered} answered"
    );
}
