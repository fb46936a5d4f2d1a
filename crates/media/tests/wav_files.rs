//! WAV files as customers upload them and editors write them; each refusal with the text that the customer reads.
#![allow(clippy::unwrap_used)]

use std::io::Cursor;
use std::path::PathBuf;

use axbridge_media::wav::{self, Encoding, Wav, WavError};
use axbridge_media::{Prompt, PromptError, g711, tone};
use proptest::prelude::*;

fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut out = id.to_vec();
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(body);
    if body.len() % 2 == 1 {
        out.push(0);
    }
    out
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    let mut out = b"RIFF".to_vec();
    out.extend_from_slice(&(body.len() as u32 + 4).to_le_bytes());
    out.extend_from_slice(b"WAVE");
    out.extend_from_slice(&body);
    out
}

fn format(tag: u16, channels: u16, hz: u32, bits: u16) -> Vec<u8> {
    let frame = channels * bits.div_ceil(8);
    let mut out = Vec::new();
    out.extend_from_slice(&tag.to_le_bytes());
    out.extend_from_slice(&channels.to_le_bytes());
    out.extend_from_slice(&hz.to_le_bytes());
    out.extend_from_slice(&(hz.wrapping_mul(u32::from(frame))).to_le_bytes());
    out.extend_from_slice(&frame.to_le_bytes());
    out.extend_from_slice(&bits.to_le_bytes());
    chunk(b"fmt ", &out)
}

fn extensible(tag: u16, bits: u16, tail: [u8; 14]) -> Vec<u8> {
    let mut out = format(0xFFFE, 1, 8000, bits)[8..].to_vec();
    out.extend_from_slice(&22u16.to_le_bytes());
    out.extend_from_slice(&bits.to_le_bytes());
    out.extend_from_slice(&4u32.to_le_bytes());
    out.extend_from_slice(&tag.to_le_bytes());
    out.extend_from_slice(&tail);
    chunk(b"fmt ", &out)
}

const GUID_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];
const ALAW: [u8; 4] = [0xD5, 0x55, 0x2A, 0xAA];

#[test]
fn files_that_are_taken() {
    let data = || chunk(b"data", &ALAW);
    let alaw = || format(6, 1, 8000, 8);
    let mut open_end = riff(&[alaw(), data()]);
    let at = open_end.len() - 8;
    open_end[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut no_pad = riff(&[alaw()]);
    no_pad.extend_from_slice(b"LIST\x03\0\0\0abc");
    no_pad.extend_from_slice(&data());
    let mut half_chunk_behind = riff(&[alaw(), data()]);
    half_chunk_behind.extend_from_slice(b"LIST\xff\0\0\0ab");
    let table = [
        ("plain", riff(&[alaw(), data()])),
        (
            "odd chunk padded",
            riff(&[
                chunk(b"LIST", b"abc"),
                alaw(),
                chunk(b"bext", &[1; 603]),
                data(),
            ]),
        ),
        ("odd chunk without its pad", no_pad),
        ("fmt behind data", riff(&[data(), alaw()])),
        (
            "fact, chunks behind",
            riff(&[
                alaw(),
                chunk(b"fact", &[4, 0, 0, 0]),
                data(),
                chunk(b"cue ", &[0; 28]),
            ]),
        ),
        ("extensible", riff(&[extensible(6, 8, GUID_TAIL), data()])),
        ("written to a pipe", open_end),
        ("cut off behind the audio", half_chunk_behind),
    ];
    for (name, file) in table {
        let prompt = Prompt::from_wav(&file).expect(name);
        assert_eq!(prompt.alaw(), ALAW, "{name}");
        let ulaw = ALAW.map(g711::alaw_to_ulaw);
        assert_eq!(prompt.ulaw(), ulaw, "{name}");
    }
}

#[test]
fn pcm_and_mu_law_become_both_laws() {
    let samples = [0i16, 1000, -1000, i16::MAX, i16::MIN];
    let prompt = Prompt::from_wav(&wav::write_pcm16(1, 8000, &samples)).unwrap();
    assert_eq!(prompt.alaw(), samples.map(g711::linear_to_alaw));
    assert_eq!(prompt.ulaw(), samples.map(g711::linear_to_ulaw));
    let prompt =
        Prompt::from_wav(&wav::write(Encoding::Ulaw, 1, 8000, &[0xFF, 0x7F, 0x80])).unwrap();
    assert_eq!(prompt.ulaw(), [0xFF, 0x7F, 0x80]);
    assert_eq!(prompt.alaw(), [0xFF, 0x7F, 0x80].map(g711::ulaw_to_alaw));
    assert_eq!(prompt.duration_ms(), 1);
}

#[test]
fn refusals_say_what_to_do() {
    let data = || chunk(b"data", &ALAW);
    let alaw = || format(6, 1, 8000, 8);
    let mut cut = riff(&[alaw(), chunk(b"data", &[0xD5; 100])]);
    cut.truncate(cut.len() - 50);
    let mut cut_format = riff(&[alaw()]);
    cut_format.truncate(24);
    let mut rifx = riff(&[alaw(), data()]);
    rifx[3] = b'X';
    let mut avi = riff(&[alaw(), data()]);
    avi[8..12].copy_from_slice(b"AVI ");
    let table: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "not a WAV file: the file is too short"),
        (
            b"RIFF\0\0".to_vec(),
            "the WAV file is cut short: it ends inside the RIFF header",
        ),
        (
            b"ID3\x03rest of an mp3".to_vec(),
            "not a WAV file: it looks like an MP3 file",
        ),
        (
            b"FORM\0\0\0\0AIFF".to_vec(),
            "not a WAV file: it is an AIFF file",
        ),
        (
            b"<html></html>".to_vec(),
            "not a WAV file: it does not begin with RIFF",
        ),
        (rifx, "not a WAV file: it is a big-endian RIFX file"),
        (avi, "not a WAV file: it is a RIFF file of another kind"),
        (riff(&[data()]), "the WAV file has no fmt chunk"),
        (riff(&[alaw()]), "the WAV file has no data chunk"),
        (
            riff(&[alaw(), chunk(b"data", &[])]),
            "the file contains no audio",
        ),
        (
            riff(&[format(1, 1, 8000, 16), chunk(b"data", &[1])]),
            "the file contains no audio",
        ),
        (
            cut,
            "the WAV file is cut short: there is less audio than its header says; upload it again",
        ),
        (
            cut_format,
            "the WAV file is cut short: it ends inside the fmt chunk",
        ),
        (
            riff(&[chunk(b"fmt ", &[6, 0, 1, 0]), data()]),
            "damaged WAV header: the fmt chunk is too short",
        ),
        (
            riff(&[format(6, 0, 8000, 8), data()]),
            "damaged WAV header: it has no channel",
        ),
        (
            riff(&[format(6, 1, 0, 8), data()]),
            "damaged WAV header: its sample rate is 0",
        ),
        (
            riff(&[format(6, 1, 8000, 16), data()]),
            "damaged WAV header: A-law and µ-law samples have 8 bits",
        ),
        (
            riff(&[format(0xFFFE, 1, 8000, 8), data()]),
            "damaged WAV header: the extensible fmt chunk is too short",
        ),
        (
            riff(&[format(1, 1, 8000, 8), data()]),
            "8-bit samples are not supported; use 16-bit PCM or 8-bit A-law",
        ),
        (
            riff(&[format(1, 1, 8000, 24), data()]),
            "24-bit samples are not supported; use 16-bit PCM or 8-bit A-law",
        ),
        (
            riff(&[format(3, 1, 8000, 32), data()]),
            "unsupported audio coding: floating point (format tag 3); use A-law or 16-bit PCM",
        ),
        (
            riff(&[format(0x11, 1, 8000, 4), data()]),
            "unsupported audio coding: IMA ADPCM (format tag 17); use A-law or 16-bit PCM",
        ),
        (
            riff(&[extensible(6, 8, [7; 14]), data()]),
            "unsupported audio coding: an unknown extensible coding (format tag 65534); use A-law or 16-bit PCM",
        ),
        (
            riff(&[format(6, 1, 16000, 8), data()]),
            "the sample rate is 16000 Hz; convert it to 8000 Hz",
        ),
        (
            riff(&[format(6, 2, 8000, 8), data()]),
            "the file has 2 channels; convert it to mono",
        ),
        (
            vec![0; 2 * 1024 * 1024 + 1],
            "the file has 2097153 bytes; at most 2097152 (2 MiB) are allowed",
        ),
    ];
    for (file, want) in table {
        let got = Prompt::from_wav(&file).expect_err(want).to_string();
        assert_eq!(got, want);
    }
}

#[test]
fn the_largest_file_is_taken() {
    let audio = 2 * 1024 * 1024 - wav::header(Encoding::Alaw, 1, 8000, 0).len();
    let file = wav::write(Encoding::Alaw, 1, 8000, &vec![0xD5; audio]);
    assert_eq!(file.len(), 2 * 1024 * 1024);
    assert_eq!(Prompt::from_wav(&file).unwrap().len(), audio);
}

#[test]
fn hound_reads_our_pcm_and_we_read_hounds() {
    let samples: Vec<i16> = (0..400i16).map(|n| n * 80 - 16000).collect();
    let ours = wav::write_pcm16(2, 8000, &samples);
    let mut reader = hound::WavReader::new(Cursor::new(&ours)).unwrap();
    assert_eq!(
        (reader.spec().channels, reader.spec().sample_rate),
        (2, 8000)
    );
    let read: Vec<i16> = reader.samples::<i16>().map(Result::unwrap).collect();
    assert_eq!(read, samples);

    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut theirs = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut theirs, spec).unwrap();
    samples
        .iter()
        .for_each(|s| writer.write_sample(*s).unwrap());
    writer.finalize().unwrap();
    let theirs = theirs.into_inner();
    let read = Wav::read(&theirs).unwrap();
    assert_eq!(read.linear().collect::<Vec<_>>(), samples);
    assert_eq!(read.channel(1)[..3], [samples[1], samples[3], samples[5]]);
    assert!(read.channel(2).is_empty());
}

#[test]
fn a_recording_is_downloaded_as_a_law_with_its_channels_apart() {
    let left = tone::sine(440.0, 1000, 8000);
    let right = tone::sine(880.0, 1000, 8000);
    let both: Vec<i16> = left
        .iter()
        .zip(&right)
        .flat_map(|(l, r)| [*l, *r])
        .collect();
    let file = wav::convert_to_alaw(&wav::write_pcm16(2, 8000, &both)).unwrap();
    let read = Wav::read(&file).unwrap();
    assert_eq!(
        (read.encoding, read.channels, read.sample_rate),
        (Encoding::Alaw, 2, 8000)
    );
    assert_eq!((read.frames(), read.duration_ms()), (8000, 1000));
    assert!(tone::share_of(&read.channel(0), 440.0) > 0.99);
    assert!(tone::share_of(&read.channel(1), 880.0) > 0.99);
    assert_eq!(
        wav::convert_to_alaw(&file).unwrap(),
        file,
        "A-law stays as it is"
    );
}

#[test]
fn our_headers_carry_the_right_lengths() {
    for (encoding, channels, bytes) in [
        (Encoding::Pcm16, 1, 320usize),
        (Encoding::Alaw, 1, 161),
        (Encoding::Alaw, 2, 160),
        (Encoding::Ulaw, 1, 1),
    ] {
        let file = wav::write(encoding, channels, 8000, &vec![0xD5; bytes]);
        let riff = u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize;
        assert_eq!(riff + 8, file.len(), "{encoding:?}");
        assert_eq!(file.len() % 2, 0);
        assert_eq!(Wav::read(&file).unwrap().data.len(), bytes);
    }
}

#[test]
fn files_of_real_editors() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/wav");
    if !folder.is_dir() {
        println!("shared/fixtures/wav is not here: only the files made by this test were read");
        return;
    }
    let table: [(&str, &str); 18] = [
        ("wavefile/16-bit-8kHz-noBext-mono.wav", "ok"),
        ("wavefile/8bit-alaw-8kHz-noBext-mono-encoded.wav", "ok"),
        ("wavefile/8bit-mulaw-8kHz-noBext-mono-encoded.wav", "ok"),
        ("wavefile/16bit-8kHz-stereo.wav", "convert it to mono"),
        ("wavefile/4bit-imaadpcm-8kHz-noBext-mono.wav", "IMA ADPCM"),
        ("wavefile/RIFX-16bit-mono.wav", "RIFX"),
        (
            "scipy/test-44100Hz-le-1ch-4bytes-incomplete-chunk.wav",
            "no fmt chunk",
        ),
        ("scipy/test-44100Hz-le-1ch-4bytes.wav", "32-bit samples"),
        ("scipy/test-8000Hz-le-1ch-1byte-ulaw.wav", "ok"),
        ("scipy/test-8000Hz-le-2ch-1byteu.wav", "8-bit samples"),
        ("cpython/pluck-pcm16.wav", "convert it to 8000 Hz"),
        ("cpython/pluck-pcm24.wav", "24-bit samples"),
        ("cpython/pluck-pcm32.wav", "32-bit samples"),
        ("cpython/pluck-pcm8.wav", "8-bit samples"),
        ("cpython/pluck-pcm16.aiff", "AIFF"),
        ("cpython/pluck-alaw.aifc", "AIFF"),
        ("cpython/pluck-pcm16.au", "AU file"),
        ("cpython/pluck-ulaw.au", "AU file"),
    ];
    for (name, want) in table {
        let file = std::fs::read(folder.join(name)).expect(name);
        let got = match Prompt::from_wav(&file) {
            Ok(_) => "ok".to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(got.contains(want), "{name}: {got}");
    }
    // The three codings of one recording sound alike.
    let load = |name: &str| std::fs::read(folder.join("wavefile").join(name)).unwrap();
    let pcm = Prompt::from_wav(&load("16-bit-8kHz-noBext-mono.wav")).unwrap();
    let alaw = Prompt::from_wav(&load("8bit-alaw-8kHz-noBext-mono-encoded.wav")).unwrap();
    assert_eq!(pcm.len(), alaw.len());
    let far = pcm.alaw().iter().zip(alaw.alaw()).filter(|(a, b)| {
        let (a, b) = (g711::alaw_to_linear(**a), g711::alaw_to_linear(**b));
        (i32::from(a) - i32::from(b)).abs() > i32::from(a).abs() / 16 + 16
    });
    assert_eq!(far.count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damage_never_panics(
        cuts in proptest::collection::vec((0usize..200, any::<u8>()), 0..12), keep in 0usize..220,
    ) {
        let mut file = riff(&[
            chunk(b"LIST", b"abc"),
            format(6, 1, 8000, 8),
            chunk(b"data", &[0xD5; 100]),
            chunk(b"cue ", &[0; 28]),
        ]);
        for (at, byte) in cuts {
            if let Some(place) = file.get_mut(at) {
                *place = byte;
            }
        }
        file.truncate(keep);
        match Prompt::from_wav(&file) {
            Ok(prompt) => prop_assert!(!prompt.alaw().is_empty()),
            Err(PromptError::Wav(WavError::NotWav(why))) => prop_assert!(!why.is_empty()),
            Err(_) => {}
        }
        if let Ok(converted) = wav::convert_to_alaw(&file) {
            prop_assert!(Wav::read(&converted).is_ok());
        }
    }

    #[test]
    fn bytes_alone_do_not_panic(file in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Prompt::from_wav(&file);
        let mut riff = b"RIFF\0\0\0\0WAVE".to_vec();
        riff.extend_from_slice(&file);
        let _ = Prompt::from_wav(&riff);
    }
}
