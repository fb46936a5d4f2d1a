//! One text: its alphabet, its parts, its way through X, its fate.
//!
//! This crate says what a text is and what becomes of it. It is *not* a carrier: it opens no socket, keeps no file and
//! reads no clock; SIP and SMPP bring bytes and take bytes, the store keeps what was accepted.
//!
//! - [`coding`]: GSM 7-bit, UCS-2 and the others of `data_coding` (3GPP TS 23.038, SMPP 3.4 §5.2.19);
//! - [`header`]: the user data header that joins the parts of a long text (3GPP TS 23.040 §9.2.3.24);
//! - [`split`] cuts a long text, [`join`] puts one together;
//! - [`route`]: to whom a text goes, by the binding table and the `@number` and `[From number]` rules;
//! - [`receipt`]: what a delivery receipt says;
//! - [`Text`]: what people write. It is nobody's business: `Debug` shows its length.
#![forbid(unsafe_code)]

pub mod coding;
pub mod header;
pub mod join;
pub mod outcome;
pub mod receipt;
pub mod route;
pub mod rules;
pub mod split;
mod text;

pub use outcome::SendResult;
pub use text::{TEXT_UNITS_MAX, Text, TextError};
