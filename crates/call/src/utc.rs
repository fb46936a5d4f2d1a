//! UTC calendar time as text, from Unix milliseconds (proleptic Gregorian calendar, no leap seconds).

/// A moment split into its calendar parts.
struct Parts {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

fn parts(ms: u64) -> Parts {
    let seconds = ms / 1000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years are counted from 1 March so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    Parts {
        year: year_of_era + era * 400 + u64::from(month <= 2),
        month,
        day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
        hour: rest / 3600,
        minute: rest / 60 % 60,
        second: rest % 60,
    }
}

/// `yyyy-MM-dd HH:mm:ss`, the time format of events and call records.
pub fn text(ms: u64) -> String {
    let p = parts(ms);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        p.year, p.month, p.day, p.hour, p.minute, p.second
    )
}

/// `yyyymmddhhmmss`, as used in session ids and recording names.
pub fn compact(ms: u64) -> String {
    let p = parts(ms);
    format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}",
        p.year, p.month, p.day, p.hour, p.minute, p.second
    )
}

/// Reads `yyyy-MM-dd HH:mm:ss` (also with `T` between and `Z` behind) as Unix milliseconds.
pub fn parse_text(s: &str) -> Option<u64> {
    let s = s.strip_suffix('Z').unwrap_or(s);
    let b = s.as_bytes();
    let shape_holds = b.len() == 19
        && b[4] == b'-'
        && b[7] == b'-'
        && matches!(b[10], b' ' | b'T')
        && b[13] == b':'
        && b[16] == b':';
    if !shape_holds {
        return None;
    }
    let field = |from: usize, to: usize| -> Option<u64> {
        b[from..to].iter().try_fold(0u64, |n, d| {
            d.is_ascii_digit().then(|| n * 10 + u64::from(d - b'0'))
        })
    };
    let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
    let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
    if year < 1970
        || !(1..=12).contains(&month)
        || day < 1
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if day > longest {
        return None;
    }
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (shifted_year / 400, shifted_year % 400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    Some((days * 86_400 + hour * 3600 + minute * 60 + second) * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        assert_eq!(text(0), "1970-01-01 00:00:00");
        assert_eq!(text(951_782_400_000), "2000-02-29 00:00:00");
        assert_eq!(text(1_893_553_445_999), "2030-01-02 03:04:05");
        assert_eq!(compact(1_893_553_445_999), "20300102030405");
        assert_eq!(text(4_107_542_399_000), "2100-02-28 23:59:59");
    }

    #[test]
    fn text_reads_back() {
        for ms in (0..4_200_000_000_000).step_by(86_399_000 * 17) {
            assert_eq!(parse_text(&text(ms)), Some(ms / 1000 * 1000), "{ms}");
        }
    }

    #[test]
    fn wrong_text_is_no_time() {
        for wrong in [
            "",
            "2030-02-29 00:00:00",
            "2030-13-01 00:00:00",
            "2030-01-01 24:00:00",
            "2030-01-01x00:00:00",
            "203a-01-01 00:00:00",
        ] {
            assert_eq!(parse_text(wrong), None, "{wrong}");
        }
        assert_eq!(parse_text("2030-01-02T03:04:05Z"), Some(1_893_553_445_000));
    }
}
