//! The media session of one call.

mod command;

pub use command::{Command, Event, Layout, PlayEnd, RecordingEvent};
