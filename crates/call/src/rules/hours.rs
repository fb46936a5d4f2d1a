//! Times of the day and of the week, in a time zone that is always named.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const MINUTE_MS: u64 = 60_000;
const DAY_MIN: u64 = 24 * 60;

/// Minutes east of UTC, written `+08:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UtcOffset(i16);

impl Default for UtcOffset {
    /// China's.
    fn default() -> Self {
        UtcOffset(8 * 60)
    }
}

impl UtcOffset {
    /// Minutes of the local clock since the beginning of 1970 there.
    pub fn local_minutes(self, wall_ms: u64) -> u64 {
        // A clock before 1970 is none that anybody has.
        (wall_ms / MINUTE_MS).saturating_add_signed(i64::from(self.0))
    }

    /// Days of the local clock since 1970-01-01.
    pub fn local_day(self, wall_ms: u64) -> u64 {
        self.local_minutes(wall_ms) / DAY_MIN
    }
}

impl FromStr for UtcOffset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no time zone; write it like +08:00");
        let east = match text.as_bytes().first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(wrong()),
        };
        let minutes = minutes_of(&text[1..])
            .filter(|m| *m <= 14 * 60)
            .ok_or_else(wrong)?;
        Ok(UtcOffset(east * minutes as i16))
    }
}

impl fmt::Display for UtcOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        let minutes = self.0.unsigned_abs();
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

impl TryFrom<String> for UtcOffset {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<UtcOffset> for String {
    fn from(offset: UtcOffset) -> String {
        offset.to_string()
    }
}

/// One window in which calls are allowed: days of the week (1 Monday to 7 Sunday; none named: all), from one minute of
/// the day until before another. A window whose end is not after its beginning goes on into the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct CallingHours {
    /// Bit 0 is Monday.
    days: u8,
    from_min: u16,
    until_min: u16,
}

/// As it stands in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    days: Vec<u8>,
    from: String,
    until: String,
}

impl CallingHours {
    /// Every day from `from` until before `until`, both `hh:mm`; `24:00` is the end of the day.
    ///
    /// # Errors
    /// What is not a time, and how to write one.
    pub fn daily(from: &str, until: &str) -> Result<Self, String> {
        Self::on(&[], from, until)
    }

    /// The same on some days of the week, 1 (Monday) to 7; none: all.
    ///
    /// # Errors
    /// What is not a day or a time, and how to write one.
    pub fn on(days: &[u8], from: &str, until: &str) -> Result<Self, String> {
        let time = |text: &str| {
            minutes_of(text)
                .ok_or_else(|| format!("{text:?} is no time of the day; write it like 08:30"))
        };
        let mut mask = 0;
        for day in days {
            if !(1..=7).contains(day) {
                return Err(format!(
                    "{day} is no day of the week; 1 is Monday, 7 Sunday"
                ));
            }
            mask |= 1 << (day - 1);
        }
        Ok(CallingHours {
            days: if mask == 0 { 0x7f } else { mask },
            from_min: time(from)?,
            until_min: time(until)?,
        })
    }

    /// Whether this moment lies inside, by the clock of `zone`.
    pub fn holds(&self, wall_ms: u64, zone: UtcOffset) -> bool {
        let minutes = zone.local_minutes(wall_ms);
        // 1970-01-01 was a Thursday.
        let (today, minute) = ((minutes / DAY_MIN + 3) % 7, (minutes % DAY_MIN) as u16);
        let begins_on = |day: u64| self.days & (1 << day) != 0;
        if self.from_min < self.until_min {
            return begins_on(today) && (self.from_min..self.until_min).contains(&minute);
        }
        let yesterday = (today + 6) % 7;
        (begins_on(today) && minute >= self.from_min)
            || (begins_on(yesterday) && minute < self.until_min)
    }
}

impl TryFrom<Written> for CallingHours {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        Self::on(&written.days, &written.from, &written.until)
    }
}

impl From<CallingHours> for Written {
    fn from(hours: CallingHours) -> Written {
        let text = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        Written {
            days: (1..=7)
                .filter(|d| hours.days & (1 << (d - 1)) != 0)
                .collect(),
            from: text(hours.from_min),
            until: text(hours.until_min),
        }
    }
}

/// Minutes of `hh:mm`, up to 24:00.
fn minutes_of(text: &str) -> Option<u16> {
    let two = |text: &str| -> Option<u16> {
        (text.len() == 2 && text.bytes().all(|c| c.is_ascii_digit())).then(|| text.parse().ok())?
    };
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    let sum = hours * 60 + minutes;
    (minutes < 60 && sum <= DAY_MIN as u16).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2030-01-02 00:00:00 UTC, a Wednesday.
    const WEDNESDAY_MS: u64 = 1_893_542_400_000;

    fn utc(day: u64, hour: u64, minute: u64) -> u64 {
        WEDNESDAY_MS + ((day * 24 + hour) * 60 + minute) * MINUTE_MS
    }

    #[test]
    fn a_window_is_read_by_the_clock_of_its_zone() {
        let hours = CallingHours::daily("08:00", "22:00").unwrap();
        let (china, utc_itself) = (UtcOffset::default(), "+00:00".parse().unwrap());
        for (hour, minute, in_china, in_utc) in [
            (0, 0, true, false),
            (7, 59, true, false),
            (8, 0, true, true),
            (13, 59, true, true),
            (14, 0, false, true),
            (21, 59, false, true),
            (22, 0, false, false),
            (23, 59, false, false),
        ] {
            let at = utc(0, hour, minute);
            let both = (hours.holds(at, china), hours.holds(at, utc_itself));
            assert_eq!(both, (in_china, in_utc), "{hour}:{minute:02} UTC");
        }
        let west: UtcOffset = "-05:30".parse().unwrap();
        assert!(!hours.holds(utc(0, 13, 29), west) && hours.holds(utc(0, 13, 30), west));
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_begins_on() {
        let zone = "+00:00".parse().unwrap();
        let hours = CallingHours::on(&[3], "22:00", "02:00").unwrap();
        for (day, hour, inside) in [
            (0, 1, false),
            (0, 21, false),
            (0, 22, true),
            (0, 23, true),
            (1, 0, true),
            (1, 1, true),
            (1, 2, false),
            (1, 22, false),
        ] {
            assert_eq!(
                hours.holds(utc(day, hour, 0), zone),
                inside,
                "day {day}, {hour}:00"
            );
        }
        let whole = CallingHours::daily("00:00", "24:00").unwrap();
        assert!((0..24).all(|hour| whole.holds(utc(5, hour, 59), zone)));
    }

    #[test]
    fn json_says_what_was_meant_and_what_is_wrong() {
        let text = r#"{"days":[1,7],"from":"08:30","until":"24:00"}"#;
        let hours: CallingHours = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&hours).unwrap(), text);
        for wrong in [
            r#"{"from":"8:30","until":"24:00"}"#,
            r#"{"from":"08:30","until":"24:01"}"#,
            r#"{"from":"08:60","until":"24:00"}"#,
            r#"{"days":[0],"from":"08:30","until":"24:00"}"#,
            r#"{"days":[8],"from":"08:30","until":"24:00"}"#,
            r#"{"from":"08:30"}"#,
        ] {
            serde_json::from_str::<CallingHours>(wrong).unwrap_err();
        }
        for offset in ["+08:00", "-03:30", "+00:00", "+14:00"] {
            assert_eq!(offset.parse::<UtcOffset>().unwrap().to_string(), offset);
        }
        for wrong in [
            "",
            "+",
            "08:00",
            "+8:00",
            "+14:01",
            "+0800",
            "é8:00",
            "Asia/Shanghai",
        ] {
            assert!(
                wrong.parse::<UtcOffset>().unwrap_err().contains("+08:00"),
                "{wrong}"
            );
        }
    }
}
