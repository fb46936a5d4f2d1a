//! Published recordings: found by their object name in the store's index, opened only inside their folder.

use std::io;
use std::path::{Component, Path, PathBuf};

use axbridge_store::Recording;
use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue};

use crate::state::Api;
use crate::wav_file::WavBody;

/// Whether a text can be an object name at all: one plain file name.
pub(crate) fn is_object_name(text: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
    (1..=128).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('.')
}

/// The recording of this name if it is this application's and not over; `None` otherwise.
pub(crate) async fn find(
    api: &Api,
    app: u32,
    object: &str,
) -> Result<Option<Recording>, axbridge_store::StoreError> {
    if !is_object_name(object) {
        return Ok(None);
    }
    let found = api.store().recording(object.to_owned()).await?;
    Ok(found.filter(|r| r.app.0 == app && r.expires_ms > api.clock().wall_ms()))
}

/// Opens the file of a recording.
pub(crate) async fn open(api: &Api, recording: &Recording, alaw: bool) -> io::Result<WavBody> {
    let dir = api.config().recordings_dir.clone();
    let relative = recording.path.clone();
    let path = tokio::task::spawn_blocking(move || inside(&dir, Path::new(&relative)))
        .await
        .map_err(io::Error::other)??;
    WavBody::open(&path, alaw).await
}

/// The file below `dir`, links resolved: a path that leads out is not found.
fn inside(dir: &Path, relative: &Path) -> io::Result<PathBuf> {
    let outside = || {
        io::Error::new(
            io::ErrorKind::NotFound,
            "the path leads out of the folder of recordings",
        )
    };
    if !relative
        .components()
        .all(|c| matches!(c, Component::Normal(_)))
    {
        return Err(outside());
    }
    let path = dir.join(relative).canonicalize()?;
    if path.starts_with(dir.canonicalize()?) {
        Ok(path)
    } else {
        Err(outside())
    }
}

/// The answer that carries a recording.
pub(crate) fn response(body: WavBody, object: &str) -> Response {
    let mut response = Response::new(Body::new(body));
    let disposition = format!("attachment; filename=\"{object}\"");
    let fixed: [(HeaderName, &'static str); 3] = [
        (CONTENT_TYPE, "audio/wav"),
        (CACHE_CONTROL, "private, no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let headers = response.headers_mut();
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_names_are_plain_file_names() {
        assert!(is_object_name("30010203042112050118304.wav"));
        for bad in [
            "", "..", ".hidden", "a/b", "a\\b", "../a.wav", "a\0", "a b", "ä.wav",
        ] {
            assert!(!is_object_name(bad), "{bad:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn no_path_leads_out_of_the_folder() {
        let root = std::env::temp_dir().join(format!("axbridge-api-inside-{}", std::process::id()));
        let dir = root.join("recordings");
        std::fs::create_dir_all(dir.join("app")).unwrap();
        std::fs::write(root.join("secret"), b"x").unwrap();
        std::fs::write(dir.join("app/a.wav"), b"x").unwrap();
        std::os::unix::fs::symlink(root.join("secret"), dir.join("app/link.wav")).unwrap();
        assert!(inside(&dir, Path::new("app/a.wav")).is_ok());
        for bad in [
            "../secret",
            "app/../../secret",
            "/etc/passwd",
            "app/link.wav",
            "app/none.wav",
        ] {
            assert!(inside(&dir, Path::new(bad)).is_err(), "{bad}");
        }
        std::fs::remove_dir_all(&root).unwrap();
    }
}
