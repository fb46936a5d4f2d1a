//! Where the demo keeps its data.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::wire::word;

/// A data folder; a temporary one goes away with this value.
pub struct Folder {
    path: PathBuf,
    recording: PathBuf,
    temporary: bool,
}

impl Folder {
    /// `dir`, which must be empty or not there yet; without it a temporary folder, which stays if `keep`.
    pub fn make(dir: Option<&Path>, keep: bool) -> Result<Folder> {
        let name = format!("axbridge-demo-{}", word());
        let path = dir.map_or_else(|| std::env::temp_dir().join(&name), Path::to_path_buf);
        std::fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        if std::fs::read_dir(&path)
            .with_context(|| path.display().to_string())?
            .next()
            .is_some()
        {
            bail!(
                "{} is not empty; give the demo a folder of its own",
                path.display()
            );
        }
        let temporary = dir.is_none() && !keep;
        // The recording is for the reader's ears and outlives a temporary folder.
        let recording = match temporary {
            true => std::env::temp_dir().join(format!("{name}.wav")),
            false => path.join("call.wav"),
        };
        Ok(Folder {
            path: path.join("data"),
            recording,
            temporary,
        })
    }

    /// The platform's data folder.
    pub fn data(&self) -> &Path {
        &self.path
    }

    /// Where the downloaded recording goes.
    pub fn recording(&self) -> &Path {
        &self.recording
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let (true, Some(parent)) = (self.temporary, self.path.parent()) {
            let _ = std::fs::remove_dir_all(parent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_folder_goes_and_a_given_one_must_be_empty() {
        let folder = Folder::make(None, false).unwrap();
        let path = folder.data().parent().unwrap().to_owned();
        assert!(path.is_dir() && !folder.recording().starts_with(&path));
        drop(folder);
        assert!(!path.exists());

        let given = std::env::temp_dir().join(format!("axbridge-folder-{}", word()));
        let folder = Folder::make(Some(&given), false).unwrap();
        std::fs::write(given.join("x"), "").unwrap();
        drop(folder);
        assert!(
            Folder::make(Some(&given), false).is_err_and(|e| e.to_string().contains("not empty"))
        );
        std::fs::remove_dir_all(given).unwrap();
    }
}
