//! Names of recordings: never a telephone number in them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What identifies a recording, also on disk while it grows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordingName {
    /// The application's folder.
    pub app: String,
    /// The file name.
    pub object: String,
}

impl RecordingName {
    /// Reads the name that a call gave: `<application>/<object>`.
    pub fn from_stem(stem: &str) -> Self {
        let (app, object) = stem.split_once('/').unwrap_or(("0", stem));
        Self {
            app: app.into(),
            object: object.into(),
        }
    }

    /// Where it lies below `dir`.
    pub(super) fn path_in(&self, dir: &Path) -> PathBuf {
        dir.join(escape(&self.app)).join(escape(&self.object))
    }

    /// Reads [`path_in`](Self::path_in) back from its last two components.
    pub(super) fn from_components(app: &OsStr, object: &OsStr) -> Option<Self> {
        Some(Self {
            app: unescape(app.to_str()?)?,
            object: unescape(object.to_str()?)?,
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
    fn the_path_of_a_recording_gives_its_name_back_and_stays_in_its_folder() {
        for stem in [
            "7/20260101000000.wav",
            "../../etc/passwd",
            "./.partial",
            "é~/%41",
            "alone",
        ] {
            let name = RecordingName::from_stem(stem);
            let path = name.path_in(Path::new("/dir"));
            let parts: Vec<_> = path.iter().collect();
            assert_eq!(parts.len(), 4, "{stem}: {path:?}");
            assert!(!parts[2].to_str().unwrap().starts_with('.'), "{path:?}");
            assert_eq!(
                RecordingName::from_components(parts[2], parts[3]),
                Some(name)
            );
        }
    }

    #[test]
    fn a_broken_escape_is_not_a_recording() {
        for text in ["%zz", "%4", "%ff", "%"] {
            assert_eq!(
                RecordingName::from_components(OsStr::new("a"), OsStr::new(text)),
                None
            );
        }
    }
}
