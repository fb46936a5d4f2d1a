//! When the process was last alive: written every second, read after a crash, so that a call that was cut off is not
//! recorded as shorter than it was.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::config::{Clock, StoreConfig};

const EVERY_MS: u64 = 1_000;

pub(crate) struct Pulse {
    file: File,
    clock: Clock,
    last_ms: u64,
}

impl Pulse {
    /// Begins; what an earlier run has left is gone.
    pub fn start(config: &StoreConfig) -> io::Result<Self> {
        let mut pulse = Self {
            file: File::create(path(&config.dir))?,
            clock: config.clock.clone(),
            last_ms: 0,
        };
        pulse.beat();
        Ok(pulse)
    }

    /// Notes the time if a second has passed. Not synced: it has to survive the process, not the machine.
    pub fn beat(&mut self) {
        let now_ms = (self.clock)();
        if now_ms.abs_diff(self.last_ms) < EVERY_MS {
            return;
        }
        self.last_ms = now_ms;
        // On a full disk the end of a call is less exact, nothing else.
        let _ = self.file.write_all_at(&now_ms.to_le_bytes(), 0);
    }
}

/// When the run before was last alive, Unix milliseconds; 0 when that is not known.
pub(crate) fn last_ms(dir: &Path) -> u64 {
    let bytes = std::fs::read(path(dir)).unwrap_or_default();
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

fn path(dir: &Path) -> PathBuf {
    dir.join("alive")
}
