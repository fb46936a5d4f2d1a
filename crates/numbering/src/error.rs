//! What can be wrong with a number. No variant carries the digits it complains about.

/// Why a spelling is not a usable number. The spelling itself is deliberately not repeated.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash, thiserror::Error)]
pub enum NumberError {
    /// Nothing was left to read.
    #[error("the number is empty")]
    Empty,
    /// Fewer than [`crate::MIN_DIGITS`] digits, country code included.
    #[error("the number is too short")]
    TooShort,
    /// More than [`crate::MAX_DIGITS`] digits, country code included.
    #[error("the number is too long")]
    TooLong,
    /// No country code begins with 0, so neither does an E.164 number.
    #[error("an international number cannot begin with 0")]
    LeadingZero,
    /// Something other than digits: letters, `*`, `#`, foreign bytes.
    #[error("the number has characters other than digits")]
    NotDigits,
    /// A global number was expected and the `+` is missing.
    #[error("a global number begins with +")]
    NotGlobal,
    /// The caller withholds the number (`anonymous`, `restricted`, ...).
    #[error("the number is withheld")]
    Anonymous,
    /// The network does not know the number (`unavailable`, `unknown`, ...).
    #[error("the number is not available")]
    Unavailable,
}

/// Why a set of [`crate::NumberRules`] makes no sense. Always the configuration's fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RulesError {
    /// A country code is one to three digits and does not begin with 0.
    #[error("country_code must be 1 to 3 digits, not beginning with 0")]
    CountryCode,
    /// International and trunk prefix are up to 8 digits.
    #[error("international_prefix and trunk_prefix must be at most 8 digits")]
    Prefix,
    /// Both prefixes are set to the same digits: they could not be told apart.
    #[error("international_prefix and trunk_prefix are the same")]
    SamePrefix,
    /// An entry of `strip_in` is empty or has characters that no number has.
    #[error("every entry of strip_in must be 1 to 16 of the characters + * # 0-9")]
    Strip,
    /// More entries in `strip_in` than a trunk can need.
    #[error("strip_in has more than 64 entries")]
    TooManyStrips,
}
