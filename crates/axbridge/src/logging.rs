//! Structured logs on standard error. Numbers are masked by their types before they get here.

use std::io::IsTerminal as _;

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogSection};

/// Starts logging; once in a process.
pub fn start(log: &LogSection) -> Result<()> {
    let filter = EnvFilter::try_new(&log.level).with_context(|| {
        format!(
            "[log] level = \"{}\" is neither a level nor a filter",
            log.level
        )
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Colours are for eyes: in a file or a journal they are noise.
        .with_ansi(std::io::stderr().is_terminal())
        // They would be written to the same place, and a thread that cannot write there panics: a full disk under the
        // log must not end calls.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging: {error}"))
}
