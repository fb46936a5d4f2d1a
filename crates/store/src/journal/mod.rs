//! The journal: facts on disk before SQLite has them.
//!
//! One folder for each shard, in it numbered segments, in them frames: `length u32 | crc32 u32 | JSON`, little
//! endian. A shard appends with one `write(2)` and never waits for SQLite: a killed process loses nothing that
//! was appended, and a database that is down holds up no call. A writer always begins a new segment, so a torn
//! end of an older one is never written over.

mod crc;
pub(crate) mod frame;
pub(crate) mod reader;
mod shared;
mod writer;

pub use reader::Damage;
pub(crate) use shared::{Journal, ShardPosition};
pub use writer::JournalWriter;
