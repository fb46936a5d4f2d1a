//! The grammar of `Authorization`, `X-AKSK` and `X-WSSE`: a word, then `name="value"` pairs parted by `,` or `, `.

/// One header value taken apart; borrows from it.
#[derive(Debug)]
pub(crate) struct Attributes<'a> {
    /// The word before the first pair (`AKSK`, `WSSE`, `UsernameToken`).
    pub(crate) scheme: &'a str,
    pairs: Vec<(&'a str, &'a str)>,
}

/// More pairs than this are not looked at: the longest real header has four.
const PAIRS_MAX: usize = 16;

impl<'a> Attributes<'a> {
    /// Takes `value` apart as far as it can; what is not a pair is skipped, so that the check that follows names the
    /// attribute that is missing rather than "syntax error".
    pub(crate) fn parse(value: &'a str) -> Self {
        let value = value.trim();
        let (scheme, mut rest) = value.split_once([' ', '\t']).unwrap_or((value, ""));
        let mut pairs = Vec::new();
        while pairs.len() < PAIRS_MAX {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            let Some((name, after)) = rest.split_once('=') else {
                break;
            };
            let after = after.trim_start();
            let (text, tail) = match after.strip_prefix('"') {
                Some(quoted) => match quoted.split_once('"') {
                    Some(split) => split,
                    None => (quoted, ""),
                },
                None => after.split_once(',').unwrap_or((after, "")),
            };
            pairs.push((name.trim(), text.trim()));
            rest = tail;
        }
        Self { scheme, pairs }
    }

    /// The value of an attribute, its name in any case; an empty value counts as absent.
    pub(crate) fn value(&self, name: &str) -> Option<&'a str> {
        self.pairs
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| *v)
            .filter(|v| !v.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_separators_and_any_case_are_read() {
        for text in [
            r#"UsernameToken Username="k",PasswordDigest="a+b/c==",Nonce="n",Created="2030-01-02T03:04:05Z""#,
            r#"UsernameToken  username="k", passworddigest="a+b/c==" , NONCE="n",   Created="2030-01-02T03:04:05Z""#,
        ] {
            let a = Attributes::parse(text);
            assert_eq!(a.scheme, "UsernameToken");
            assert_eq!(a.value("Username"), Some("k"));
            assert_eq!(a.value("PasswordDigest"), Some("a+b/c=="));
            assert_eq!(a.value("Nonce"), Some("n"));
            assert_eq!(a.value("Created"), Some("2030-01-02T03:04:05Z"));
        }
    }

    #[test]
    fn rubbish_is_survived() {
        for text in [
            "",
            " ",
            "=",
            "\"",
            "a=\"",
            "x ,,,,=,=,=\"\"\"",
            "AKSK realm=SDP,type",
        ] {
            let _ = Attributes::parse(text).value("realm");
        }
        assert_eq!(
            Attributes::parse("AKSK realm=SDP,type").value("realm"),
            Some("SDP")
        );
        assert_eq!(Attributes::parse("AKSK realm=\"\"").value("realm"), None);
    }
}
