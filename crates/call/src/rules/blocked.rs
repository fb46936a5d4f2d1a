//! Numbers that may not call, or may not be called: exact ones and prefixes, of one application or of all.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::str::FromStr;

use axbridge_binding::AppId;
use axbridge_numbering::{MAX_DIGITS, Number};
use serde::{Deserialize, Serialize};

/// Which side of a call a number is blocked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Party {
    /// It may not call (7005).
    Caller,
    /// It may not be called (7004).
    Callee,
}

/// A number, `+8613900000001`, or all that begin with some digits, `+86139*`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    digits: u64,
    prefix: bool,
}

/// The text is no pattern. It is not repeated: it may hold a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a blocked number is written +8613900000001, a prefix +86139*")]
pub struct BadPattern;

impl FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        let Some(prefix) = text.strip_suffix('*') else {
            let number = Number::parse_global(text).map_err(|_| BadPattern)?;
            return Ok(Pattern {
                digits: number.as_u64(),
                prefix: false,
            });
        };
        let digits = prefix.strip_prefix('+').ok_or(BadPattern)?;
        let fits = (1..=MAX_DIGITS).contains(&digits.len())
            && digits.bytes().all(|c| c.is_ascii_digit())
            && !digits.starts_with('0');
        let digits = digits.parse().ok().filter(|_| fits).ok_or(BadPattern)?;
        Ok(Pattern {
            digits,
            prefix: true,
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}{}", self.digits, if self.prefix { "*" } else { "" })
    }
}

/// Hides the middle of a number, as [`Number`] does.
impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Number::from_u64(self.digits) {
            Ok(number) => write!(f, "{number}{}", if self.prefix { "*" } else { "" }),
            Err(_) => fmt::Display::fmt(self, f),
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = BadPattern;

    fn try_from(text: String) -> Result<Self, BadPattern> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.to_string()
    }
}

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Blocked {
    /// The application in which it holds; none: in all.
    pub app: Option<AppId>,
    /// On which side.
    pub party: Party,
    /// What is blocked.
    pub pattern: Pattern,
}

/// All entries, ready to be looked up in.
#[derive(Debug, Default)]
pub struct BlockedNumbers {
    lists: HashMap<(Option<AppId>, Party), List>,
}

#[derive(Debug, Default)]
struct List {
    exact: HashSet<u64>,
    /// A prefix has no leading zero: as an integer it says how long it is.
    prefixes: HashSet<u64>,
}

impl FromIterator<Blocked> for BlockedNumbers {
    fn from_iter<T: IntoIterator<Item = Blocked>>(entries: T) -> Self {
        let mut lists: HashMap<_, List> = HashMap::new();
        for Blocked {
            app,
            party,
            pattern,
        } in entries
        {
            let list = lists.entry((app, party)).or_default();
            match pattern.prefix {
                true => list.prefixes.insert(pattern.digits),
                false => list.exact.insert(pattern.digits),
            };
        }
        BlockedNumbers { lists }
    }
}

impl BlockedNumbers {
    /// Whether the number is blocked on this side for calls (or messages) of this application.
    pub fn blocks(&self, app: AppId, party: Party, number: Number) -> bool {
        if self.lists.is_empty() {
            return false;
        }
        [Some(app), None].into_iter().any(|app| {
            let list = self.lists.get(&(app, party));
            list.is_some_and(|list| list.holds(number))
        })
    }
}

impl List {
    fn holds(&self, number: Number) -> bool {
        if self.exact.contains(&number.as_u64()) {
            return true;
        }
        if self.prefixes.is_empty() {
            return false;
        }
        let mut leading = number.as_u64();
        // At most as often as a number has digits.
        while leading > 0 {
            if self.prefixes.contains(&leading) {
                return true;
            }
            leading /= 10;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse_global(text).unwrap()
    }

    fn list(entries: &[(Option<u32>, Party, &str)]) -> BlockedNumbers {
        let entry = |(app, party, pattern): &(Option<u32>, Party, &str)| Blocked {
            app: app.map(AppId),
            party: *party,
            pattern: pattern.parse().unwrap(),
        };
        entries.iter().map(entry).collect()
    }

    #[test]
    fn exact_numbers_and_prefixes_of_one_application_and_of_all() {
        let blocked = list(&[
            (Some(1), Party::Caller, "+8613900000001"),
            (None, Party::Caller, "+861390001*"),
            (Some(1), Party::Callee, "+1*"),
        ]);
        let caller = |app, text| blocked.blocks(AppId(app), Party::Caller, number(text));
        assert!(caller(1, "+8613900000001") && !caller(2, "+8613900000001"));
        assert!(
            !caller(1, "+86139000000010"),
            "an exact number is no prefix"
        );
        assert!(caller(1, "+8613900010001") && caller(2, "+8613900010001"));
        assert!(!caller(1, "+8613900000002"));
        let callee = |app, text| blocked.blocks(AppId(app), Party::Callee, number(text));
        assert!(callee(1, "+12025550100") && !callee(2, "+12025550100"));
        assert!(!callee(1, "+8613900010001"), "blocked as a caller only");
    }

    #[test]
    fn patterns_are_written_as_they_are_read_and_logs_hide_their_middle() {
        for text in ["+8613900000001", "+86139*", "+1*", "+861390000000100*"] {
            assert_eq!(text.parse::<Pattern>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "*",
            "+*",
            "86139*",
            "+0*",
            "+86139**",
            "+86 139*",
            "+8613900000000001*",
            "+86x",
        ] {
            assert_eq!(wrong.parse::<Pattern>(), Err(BadPattern), "{wrong}");
        }
        let shown = format!("{:?}", "+8613900000001".parse::<Pattern>().unwrap());
        assert_eq!(shown, "+86139****001");
    }
}
