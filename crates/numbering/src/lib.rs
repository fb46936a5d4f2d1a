//! E.164 numbers and how carriers write them.
//!
//! This crate knows nothing of SIP, of bindings or of calls. [`Number`] is the one form in which a
//! telephone number travels through the house; [`NumberRules`] reads the many spellings of a carrier
//! into it and writes it back the way that carrier expects.
//!
//! A number is personal data: `Debug` and `Display` of [`Number`] hide its middle, and no error of
//! this crate repeats what it refused.
#![forbid(unsafe_code)]

mod error;
mod line;
mod number;
mod rules;
pub mod serde_global;

pub use error::{NumberError, RulesError};
pub use line::Line;
pub use number::{MAX_DIGITS, MIN_DIGITS, Number, Revealed};
pub use rules::{NumberRules, OutFormat};
