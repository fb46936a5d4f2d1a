//! Names of recordings: never a telephone number in them, and everything that a restart must know.

use std::path::PathBuf;

use rand::Rng;

const PARTIAL_SUFFIX: &str = ".part";

/// What identifies a recording, also on disk while it grows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordingName {
    /// The application's folder.
    pub app: String,
    /// The call's session identifier.
    pub session: String,
    /// The name under which the recording will be published.
    pub object: String,
}

impl RecordingName {
    /// A fresh object name for a recording that begins at `wall_ms`.
    pub fn new(app: impl Into<String>, session: impl Into<String>, wall_ms: u64) -> Self {
        let digits = rand::rng().random_range(0..10_000_000_000);
        Self {
            app: app.into(),
            session: session.into(),
            object: object_name(wall_ms, digits),
        }
    }

    /// File name while in progress.
    pub(super) fn partial(&self) -> PathBuf {
        let parts = [&self.app, &self.object, &self.session].map(|part| escape(part));
        PathBuf::from(format!("{}{PARTIAL_SUFFIX}", parts.join("~")))
    }

    /// Reads [`partial`](Self::partial) back.
    pub(super) fn from_partial(file_name: &str) -> Option<Self> {
        let mut parts = file_name
            .strip_suffix(PARTIAL_SUFFIX)?
            .split('~')
            .map(unescape);
        let (app, object, session) = (parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(Self {
            app,
            session,
            object,
        })
    }
}

/// `<yyyymmddhhmmss><10 digits>.wav`, UTC.
pub fn object_name(wall_ms: u64, digits: u64) -> String {
    let seconds = wall_ms / 1_000;
    let (year, month, day) = civil_date(seconds / 86_400);
    let of_day = seconds % 86_400;
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!(
        "{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}{:010}.wav",
        digits % 10_000_000_000
    )
}

/// Year, month and day of a day counted from 1970-01-01 (Gregorian; years of 400 make a cycle of 146,097 days).
fn civil_date(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, so that the leap day is the last of its year.
    let days = days + 719_468;
    let (cycle, of_cycle) = (days / 146_097, days % 146_097);
    let year = (of_cycle - of_cycle / 1_460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
    let of_year = of_cycle - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (cycle * 400 + year + u64::from(month <= 2), month, day)
}

/// Any text as one path component: bytes other than letters, digits, `_`, `-` and inner dots become `%xx`.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => out.push(char::from(byte)),
            b'.' if index > 0 => out.push('.'),
            _ => out.push_str(&format!("%{byte:02x}")),
        }
    }
    out
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let hex = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_name_is_the_utc_second_and_ten_digits() {
        assert_eq!(object_name(0, 42), "197001010000000000000042.wav");
        assert_eq!(
            object_name(951_782_399_999, 9_999_999_999),
            "200002282359599999999999.wav"
        );
        assert_eq!(
            object_name(951_782_400_000, 1),
            "200002290000000000000001.wav"
        );
        assert_eq!(
            object_name(1_798_761_599_000, 1),
            "202612312359590000000001.wav"
        );
    }

    #[test]
    fn the_name_of_a_partial_file_gives_the_recording_back() {
        let name = RecordingName::new("../app~1", "n1_7_20260101000000@host/é", 0);
        let file = name.partial();
        let text = file.to_str().unwrap();
        assert!(!text.contains('/') && !text.starts_with('.'));
        assert_eq!(RecordingName::from_partial(text), Some(name));
    }

    #[test]
    fn other_files_are_not_recordings() {
        for text in [
            "",
            "a.wav",
            "a~b.part",
            "a~b~c~d.part",
            "a~%zz~c.part",
            "a~%4",
            "a~b~%ff.part",
        ] {
            assert_eq!(RecordingName::from_partial(text), None, "{text}");
        }
    }
}
