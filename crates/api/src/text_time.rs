//! The two time texts of the API: `yyyy-MM-dd HH:mm:ss` (UTC, in notifications and query answers)
//! and `yyyy-MM-dd'T'HH:mm:ss'Z'` (`Created`). Proleptic Gregorian calendar, no leap seconds.

const DAY_S: i64 = 86_400;

/// `yyyy-MM-dd HH:mm:ss` in UTC of a moment in Unix milliseconds.
#[must_use]
pub fn utc_text(wall_ms: u64) -> String {
    let (y, mo, d, h, mi, s) = civil(wall_ms);
    format!("{y:04}-{mo:02}-{d:02} {h:02}:{mi:02}:{s:02}")
}

/// `yyyy-MM-ddTHH:mm:ssZ` in UTC of a moment in Unix milliseconds.
#[must_use]
pub fn created_text(wall_ms: u64) -> String {
    let (y, mo, d, h, mi, s) = civil(wall_ms);
    format!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}Z")
}

/// Reads `yyyy-MM-ddTHH:mm:ssZ` as UTC, in Unix milliseconds. Milliseconds (`.123`) are tolerated and dropped,
/// because some client libraries cannot leave them out. `None`: not this grammar or not a real date.
#[must_use]
pub fn parse_created(text: &str) -> Option<i64> {
    let body = text.strip_suffix('Z')?;
    let body = match body.split_once('.') {
        Some((b, frac))
            if !frac.is_empty() && frac.len() <= 9 && frac.bytes().all(|c| c.is_ascii_digit()) =>
        {
            b
        }
        Some(_) => return None,
        None => body,
    };
    let b = body.as_bytes();
    if b.len() != 19
        || b[4] != b'-'
        || b[7] != b'-'
        || b[10] != b'T'
        || b[13] != b':'
        || b[16] != b':'
    {
        return None;
    }
    let field = |from: usize, len: usize| -> Option<i64> {
        b[from..from + len].iter().try_fold(0_i64, |n, c| {
            c.is_ascii_digit().then(|| n * 10 + i64::from(c - b'0'))
        })
    };
    let (y, mo, d) = (field(0, 4)?, field(5, 2)?, field(8, 2)?);
    let (h, mi, s) = (field(11, 2)?, field(14, 2)?, field(17, 2)?);
    if !(1..=12).contains(&mo) || d < 1 || d > days_in(y, mo) || h > 23 || mi > 59 || s > 60 {
        return None;
    }
    Some((days_from_civil(y, mo, d) * DAY_S + h * 3600 + mi * 60 + s) * 1000)
}

fn days_in(y: i64, m: i64) -> i64 {
    match m {
        4 | 6 | 9 | 11 => 30,
        2 if (y % 4 == 0 && y % 100 != 0) || y % 400 == 0 => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01, counting years from March so that the leap day is the last of its year.
fn days_from_civil(y: i64, m: i64, d: i64) -> i64 {
    let y = if m <= 2 { y - 1 } else { y };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let month_from_march = (m + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + d - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil(wall_ms: u64) -> (i64, i64, i64, i64, i64, i64) {
    let total = i64::try_from(wall_ms / 1000).unwrap_or(0);
    let (days, rest) = (total.div_euclid(DAY_S), total.rem_euclid(DAY_S));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let d = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let m = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let y = year_of_era + era * 400 + i64::from(m <= 2);
    (y, m, d, rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_have_their_text() {
        assert_eq!(utc_text(0), "1970-01-01 00:00:00");
        assert_eq!(utc_text(951_827_696_000), "2000-02-29 12:34:56");
        assert_eq!(utc_text(1_893_553_445_000), "2030-01-02 03:04:05");
        assert_eq!(created_text(1_893_553_445_999), "2030-01-02T03:04:05Z");
    }

    #[test]
    fn every_day_of_a_century_is_read_back() {
        for day in 0..36_525_u64 {
            let ms = (day * 86_400 + 3723) * 1000;
            assert_eq!(parse_created(&created_text(ms)), Some(ms as i64));
        }
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
            "+030-01-02T03:04:05Z",
            "2030-1-2T03:04:05Z",
            "2030-01-02T03:04:0\u{0665}Z",
        ] {
            assert_eq!(parse_created(bad), None, "{bad}");
        }
        assert_eq!(
            parse_created("2030-01-02T03:04:05.123Z"),
            Some(1_893_553_445_000)
        );
    }
}
