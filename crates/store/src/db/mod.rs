//! The database file: schema, the writer, the readers.

pub(crate) mod readers;
pub(crate) mod schema;
pub(crate) mod writer;
