//! Reading what customers send: lenient in types, exact in limits, and every refusal names the parameter.

use axbridge_numbering::Number;
use serde_json::{Map, Value};

use crate::answer::Refusal;

/// The parameters of one request, from the query string, the JSON body, or both.
#[derive(Debug, Default)]
pub(crate) struct Params(Map<String, Value>);

/// A parameter that can be left alone, cleared or set: what a modification distinguishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change<T> {
    /// Not sent.
    Keep,
    /// Sent empty.
    Clear,
    /// Sent.
    Set(T),
}

impl<T> Change<T> {
    /// The value after the change.
    pub(crate) fn apply(self, old: Option<T>) -> Option<T> {
        match self {
            Change::Keep => old,
            Change::Clear => None,
            Change::Set(new) => Some(new),
        }
    }

    /// What a new thing gets.
    pub(crate) fn value(self) -> Option<T> {
        self.apply(None)
    }
}

impl Params {
    /// Reads query and body. The query wins where both name a parameter; of a repeated one the first counts.
    pub(crate) fn read(query: Option<&str>, body: &[u8]) -> Result<Self, Refusal> {
        let mut map = if body.iter().all(u8::is_ascii_whitespace) {
            Map::new()
        } else {
            object(body)?
        };
        let mut from_query = Map::new();
        for pair in query
            .unwrap_or_default()
            .split('&')
            .filter(|p| !p.is_empty())
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name)?;
            let value = decode(value)?;
            from_query.entry(name).or_insert(Value::String(value));
        }
        map.extend(from_query);
        Ok(Self(map))
    }

    /// A parameter that is itself an object (`preVoice`); absent, null or empty: no parameters.
    pub(crate) fn object(&self, name: &str) -> Result<Params, Refusal> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(Params::default()),
            Some(Value::Object(map)) => Ok(Params(map.clone())),
            Some(Value::String(s)) if s.is_empty() => Ok(Params::default()),
            Some(_) => Err(Refusal::parameter(name, "must be an object")),
        }
    }

    /// Sets a parameter that the path holds: it wins over query and body.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.0
            .insert(name.to_owned(), Value::String(value.to_owned()));
    }

    /// The parameters in a JSON object, or in an array of one.
    pub(crate) fn one(value: Value) -> Option<Params> {
        match value {
            Value::Object(map) => Some(Params(map)),
            Value::Array(items) => match <[Value; 1]>::try_from(items) {
                Ok([Value::Object(map)]) => Some(Params(map)),
                _ => None,
            },
            _ => None,
        }
    }

    /// A parameter that is an object or an array of one; `None` when it is absent, null or empty.
    pub(crate) fn one_object(&self, name: &str) -> Result<Option<Params>, Refusal> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(items)) if items.is_empty() => Ok(None),
            Some(Value::String(s)) if s.is_empty() => Ok(None),
            Some(value) => match Params::one(value.clone()) {
                Some(p) => Ok(Some(p)),
                None => Err(Refusal::parameter(name, "must be an object")),
            },
        }
    }

    /// A "String enum" of `0` and `1`, which is also sent as a number or a boolean.
    pub(crate) fn zero_one(&self, name: &str) -> Result<Option<bool>, Refusal> {
        self.flag(name)
            .map_err(|_| Refusal::parameter(name, "must be \"0\" or \"1\""))
    }

    /// Whether a parameter is not there, null or empty.
    pub(crate) fn absent(&self, name: &str) -> bool {
        match self.0.get(name) {
            None | Some(Value::Null) => true,
            Some(Value::String(s)) => s.is_empty(),
            Some(_) => false,
        }
    }

    /// Text of `min..=max` characters; a number is taken as its digits. Empty counts as [`Change::Clear`].
    pub(crate) fn text(
        &self,
        name: &str,
        min: usize,
        max: usize,
    ) -> Result<Change<String>, Refusal> {
        let text = match self.0.get(name) {
            None | Some(Value::Null) => return Ok(Change::Keep),
            Some(Value::String(s)) => s.clone(),
            Some(Value::Number(n)) => n.to_string(),
            Some(_) => return Err(Refusal::parameter(name, "must be a string")),
        };
        if text.is_empty() {
            return Ok(Change::Clear);
        }
        let length = text.chars().count();
        if !(min..=max).contains(&length) {
            return Err(Refusal::parameter(
                name,
                &format!("must be {min} to {max} characters long"),
            ));
        }
        if text.chars().any(char::is_control) {
            return Err(Refusal::parameter(name, "must not hold control characters"));
        }
        Ok(Change::Set(text))
    }

    /// A list of 1 to `count_max` texts of 1 to `chars_max` characters each.
    pub(crate) fn texts(
        &self,
        name: &str,
        count_max: usize,
        chars_max: usize,
    ) -> Result<Vec<String>, Refusal> {
        let bad = || {
            Refusal::parameter(
                name,
                &format!(
                    "must be a list of 1 to {count_max} strings of 1 to {chars_max} characters"
                ),
            )
        };
        let Some(Value::Array(items)) = self.0.get(name) else {
            return Err(bad());
        };
        if !(1..=count_max).contains(&items.len()) {
            return Err(bad());
        }
        let text = |item: &Value| {
            let text = item.as_str()?;
            let fits = (1..=chars_max).contains(&text.chars().count());
            fits.then(|| text.to_owned())
        };
        items.iter().map(|i| text(i).ok_or_else(bad)).collect()
    }

    /// An Integer, sent as a number or as its digits.
    pub(crate) fn integer(&self, name: &str, min: u64, max: u64) -> Result<Option<u64>, Refusal> {
        let bad = || Refusal::parameter(name, &format!("must be an integer from {min} to {max}"));
        let n = match self.0.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(s)) if s.is_empty() => return Ok(None),
            Some(Value::String(s)) if s.bytes().all(|b| b.is_ascii_digit()) => {
                s.parse().map_err(|_| bad())?
            }
            Some(Value::Number(n)) => whole(n).ok_or_else(bad)?,
            Some(_) => return Err(bad()),
        };
        if (min..=max).contains(&n) {
            Ok(Some(n))
        } else {
            Err(bad())
        }
    }

    /// An Integer outside of whose range is not an error but the default (`pageSize`).
    pub(crate) fn integer_or(&self, name: &str, min: u64, max: u64, default: u64) -> u64 {
        self.integer(name, min, max)
            .ok()
            .flatten()
            .unwrap_or(default)
    }

    /// A "String enum" of truth: `"true"`, `true`, `1`, `"1"` and their opposites.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        let bad = || Refusal::parameter(name, "must be \"true\" or \"false\"");
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(b)) => Ok(Some(*b)),
            Some(Value::Number(n)) => match whole(n) {
                Some(0) => Ok(Some(false)),
                Some(1) => Ok(Some(true)),
                _ => Err(bad()),
            },
            Some(Value::String(s)) => match s.to_ascii_lowercase().as_str() {
                "" => Ok(None),
                "true" | "1" => Ok(Some(true)),
                "false" | "0" => Ok(Some(false)),
                _ => Err(bad()),
            },
            Some(_) => Err(bad()),
        }
    }

    /// A telephone number in global format, `+8613900000001`.
    pub(crate) fn number(&self, name: &str) -> Result<Option<Number>, Refusal> {
        let Some(text) = self.text(name, 4, 128)?.value() else {
            return Ok(None);
        };
        // A `+` that was not sent as %2B arrives as a space: only a number can begin that way.
        let text = text
            .strip_prefix(' ')
            .map_or(text.clone(), |digits| format!("+{digits}"));
        if !text.starts_with('+') {
            return Err(Refusal::parameter(
                name,
                "must be in global format: +, country code, number",
            ));
        }
        Number::parse_global(&text).map(Some).map_err(|_| {
            Refusal::parameter(
                name,
                "is not a number in global format: +, country code, number",
            )
        })
    }
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Refusal::invalid("").detail("The body is not UTF-8."))?
        .trim_start_matches('\u{feff}');
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(Refusal::invalid("").detail("The body must be a JSON object.")),
        // The error's own text may quote the input, so only its place is told.
        Err(e) => Err(Refusal::invalid("").detail(format!(
            "The body is not JSON: mistake at line {}, column {}.",
            e.line(),
            e.column()
        ))),
    }
}

/// A whole number, also when written as `3600.0`, which some JSON libraries do.
fn whole(n: &serde_json::Number) -> Option<u64> {
    n.as_u64().or_else(|| {
        let f = n.as_f64()?;
        // Up to 2^53 every whole f64 is exact.
        ((0.0..=9_007_199_254_740_992.0).contains(&f) && f.fract() == 0.0).then_some(f as u64)
    })
}

/// Percent-decoding of a query string, `+` read as a space.
pub(crate) fn decode(text: &str) -> Result<String, Refusal> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |i: usize| bytes.get(i).and_then(|b| char::from(*b).to_digit(16));
        match (bytes[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(hi), Some(lo)) => {
                out.push((hi * 16 + lo) as u8);
                at += 3;
            }
            (b'+', ..) => {
                out.push(b' ');
                at += 1;
            }
            (b, ..) => {
                out.push(b);
                at += 1;
            }
        }
    }
    String::from_utf8(out)
        .map_err(|_| Refusal::invalid("").detail("The query string is not UTF-8."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(json: &str) -> Params {
        Params::read(None, json.as_bytes()).unwrap()
    }

    #[test]
    fn truth_is_read_from_every_documented_and_seen_spelling() {
        let p = params(
            r#"{"a":"true","b":true,"c":1,"d":"0","e":false,"f":"False","g":"","h":null,"i":"yes","j":2}"#,
        );
        for (name, value) in [
            ("a", true),
            ("b", true),
            ("c", true),
            ("d", false),
            ("e", false),
            ("f", false),
        ] {
            assert_eq!(p.flag(name).unwrap(), Some(value), "{name}");
        }
        assert_eq!(
            (
                p.flag("g").unwrap(),
                p.flag("h").unwrap(),
                p.flag("absent").unwrap()
            ),
            (None, None, None)
        );
        assert!(p.flag("i").is_err() && p.flag("j").is_err());
    }

    #[test]
    fn integers_keep_their_range() {
        let p = params(r#"{"a":3600,"b":"3600","c":3600.0,"d":-1,"e":7776001,"f":1.5,"g":"x","h":[1],"i":1e400}"#
            .replace("1e400", "1e300")
            .as_str());
        for name in ["a", "b", "c"] {
            assert_eq!(p.integer(name, 0, 7_776_000).unwrap(), Some(3600), "{name}");
        }
        for name in ["d", "e", "f", "g", "h", "i"] {
            assert_eq!(
                p.integer(name, 0, 7_776_000).unwrap_err().code,
                "1010002",
                "{name}"
            );
        }
        assert_eq!(p.integer_or("e", 10, 100, 50), 50);
    }

    #[test]
    fn numbers_must_be_global_and_a_bare_plus_in_the_query_is_forgiven() {
        for query in ["n=%2B8613900000001", "n=+8613900000001"] {
            let p = Params::read(Some(query), b"").unwrap();
            assert_eq!(
                p.number("n").unwrap().unwrap().to_global(),
                "+8613900000001"
            );
        }
        for bad in ["13900000001", "+86139x0000001", "+", "+1234567890123456"] {
            let p = params(&format!(r#"{{"n":"{bad}"}}"#));
            let refusal = p.number("n").unwrap_err();
            assert_eq!(refusal.code, "1010002");
            assert!(!refusal.detail.contains("139"), "no number in {refusal:?}");
        }
    }

    #[test]
    fn query_wins_over_body_and_body_alone_is_enough() {
        let p = Params::read(Some("a=1&a=2"), br#"{"a":"3","b":"4"}"#).unwrap();
        assert_eq!(p.text("a", 1, 9).unwrap(), Change::Set("1".into()));
        assert_eq!(p.text("b", 1, 9).unwrap(), Change::Set("4".into()));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for bad in [&b"[]"[..], b"1", b"{", b"\xff", b"{\"a\":1}x"] {
            assert_eq!(Params::read(None, bad).unwrap_err().code, "1010002");
        }
        assert!(Params::read(None, b" \r\n").is_ok());
        assert_eq!(
            Params::read(Some("a=%ff"), b"").unwrap_err().code,
            "1010002"
        );
        assert!(Params::read(Some("a=%4&b=%"), b"").is_ok());
    }
}
