//! Small conversions between rows and types.

use std::sync::Arc;

use axbridge_binding::{CallDirection, NumberStatus, SubscriptionId};
use axbridge_numbering::Number;
use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;

/// SQLite integers are signed.
pub(crate) fn ms(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn to_ms(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Invalid(error.to_string()))
}

pub(crate) fn from_json<T: DeserializeOwned>(row: &Row<'_>, at: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(at)?.as_str()?;
    serde_json::from_str(text)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(e)))
}

/// A unit variant as its JSON name without quotes.
pub(crate) fn name_of<T: Serialize>(value: &T) -> String {
    to_json(value)
        .unwrap_or_default()
        .trim_matches('"')
        .to_owned()
}

pub(crate) fn number(row: &Row<'_>, at: usize) -> rusqlite::Result<Number> {
    let value = to_ms(row.get(at)?);
    Number::from_u64(value)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(at, Type::Integer, Box::new(e)))
}

pub(crate) fn num(number: Number) -> i64 {
    ms(number.as_u64())
}

pub(crate) fn subscription(row: &Row<'_>, at: usize) -> rusqlite::Result<SubscriptionId> {
    let bytes: [u8; 16] = row.get(at)?;
    Ok(SubscriptionId(u128::from_be_bytes(bytes)))
}

pub(crate) fn sub(subscription: SubscriptionId) -> [u8; 16] {
    subscription.0.to_be_bytes()
}

pub(crate) fn direction(row: &Row<'_>, at: usize) -> rusqlite::Result<CallDirection> {
    CallDirection::try_from(row.get::<_, u8>(at)?)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(at, Type::Integer, Box::new(e)))
}

/// A number where there may be none.
pub(crate) fn number_or_none(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Number>> {
    match row.get_ref(at)? {
        ValueRef::Null => Ok(None),
        _ => number(row, at).map(Some),
    }
}

/// A text where there may be none.
pub(crate) fn text_or_none(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Arc<str>>> {
    Ok(row.get_ref(at)?.as_str_or_null()?.map(Arc::from))
}

/// A moment where there may be none.
pub(crate) fn ms_or_none(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(at)?.map(to_ms))
}

pub(crate) fn status(row: &Row<'_>, at: usize) -> rusqlite::Result<NumberStatus> {
    // What cannot be understood is not used for calls.
    Ok(NumberStatus::try_from(row.get::<_, u8>(at)?).unwrap_or(NumberStatus::Unavailable))
}

pub(crate) fn is_unique_violation(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error().map(|e| e.extended_code),
        Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY)
    )
}

/// The next value of a counter, from 1; never one that was given before, whatever was removed meanwhile.
pub(crate) fn next(conn: &Connection, counter: &str) -> rusqlite::Result<i64> {
    let sql = "INSERT INTO counters(name, value) VALUES (?1, 1)
               ON CONFLICT(name) DO UPDATE SET value = value + 1 RETURNING value";
    conn.prepare_cached(sql)?
        .query_row([counter], |row| row.get(0))
}
