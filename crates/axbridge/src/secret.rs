//! The operator's token: from the configuration, or made once and kept in the data folder.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use rand::RngCore;

use crate::config::Config;

/// File of a token that we made.
pub fn token_file(config: &Config) -> PathBuf {
    config.store.dir.join("operator-token")
}

/// The token. When it is made here, the log says where it lies, not what it is.
pub fn operator_token(config: &Config) -> Result<String> {
    if let Some(token) = &config.admin.token {
        return Ok(token.clone());
    }
    let path = token_file(config);
    match std::fs::read_to_string(&path) {
        Ok(token) => return Ok(token.trim().to_owned()),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| path.display().to_string());
        }
        Err(_) => {}
    }
    let mut bytes = [0; 24];
    rand::rng().fill_bytes(&mut bytes);
    let token: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| path.display().to_string())?;
    writeln!(file, "{token}")?;
    tracing::info!(file = %path.display(), "a token for the operator API was made");
    Ok(token)
}
