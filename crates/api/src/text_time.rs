//! `Created` of the authentication headers: `yyyy-MM-dd'T'HH:mm:ss'Z'`.

use axbridge_call::utc;

/// A moment in Unix milliseconds as `Created` writes it, in UTC.
#[must_use]
pub fn created_text(wall_ms: u64) -> String {
    let mut text = utc::text(wall_ms).replace(' ', "T");
    text.push('Z');
    text
}

/// Reads `Created` as UTC, in Unix milliseconds. Fractions of a second are tolerated and dropped, because some client
/// libraries cannot leave them out. `None`: not this grammar or not a real date.
pub(crate) fn parse_created(text: &str) -> Option<i64> {
    let body = text.strip_suffix('Z')?;
    let body = match body.split_once('.') {
        Some((b, f)) if (1..=9).contains(&f.len()) && f.bytes().all(|c| c.is_ascii_digit()) => b,
        Some(_) => return None,
        None => body,
    };
    // `parse_text` takes more than the grammar of `Created`.
    if body.len() != 19 || body.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    i64::try_from(utc::parse_text(body)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn created_is_read_back() {
        assert_eq!(created_text(1_893_553_445_999), "2030-01-02T03:04:05Z");
        for day in 0..36_525_u64 {
            let ms = (day * 86_400 + 3723) * 1000;
            assert_eq!(parse_created(&created_text(ms)), Some(ms as i64));
        }
        assert_eq!(
            parse_created("2030-01-02T03:04:05.123Z"),
            Some(1_893_553_445_000)
        );
    }

    #[test]
    fn what_is_not_this_grammar_is_refused() {
        for bad in [
            "",
            "Z",
            "2030-01-02 03:04:05Z",
            "2030-01-02T03:04:05",
            "2030-02-30T00:00:00Z",
            "2030-13-01T00:00:00Z",
            "2030-01-02T24:00:00Z",
            "2030-01-02T03:04:05.Z",
            "2030-01-02T03:04:05ZZ",
            "+030-01-02T03:04:05Z",
            "2030-1-2T03:04:05Z",
            "2030-01-02T03:04:0\u{0665}Z",
        ] {
            assert_eq!(parse_created(bad), None, "{bad}");
        }
    }
}
