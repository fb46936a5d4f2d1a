//! Signed URLs of recordings: whoever holds one may fetch that one file until it lapses.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore as _;
use subtle::ConstantTimeEq as _;

use crate::auth::hmac_sha256;

/// Signs and checks recording URLs with a key of this installation.
#[derive(Clone)]
pub struct UrlSigner {
    key: [u8; 32],
}

impl fmt::Debug for UrlSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UrlSigner(..)")
    }
}

impl UrlSigner {
    /// With a given key; several nodes that serve each other's URLs need the same one.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Reads the key from a file, making it (readable by its owner only) if it is not there.
    ///
    /// # Errors
    /// Those of the file system, and a file that does not hold exactly 32 bytes.
    pub fn from_file(path: &Path) -> io::Result<Self> {
        let mut key = [0; 32];
        match OpenOptions::new().read(true).open(path) {
            Ok(mut file) => {
                file.read_exact(&mut key)?;
                if file.read(&mut [0])? != 0 {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "the URL key must be 32 bytes long",
                    ));
                }
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                rand::rng().fill_bytes(&mut key);
                let mut options = OpenOptions::new();
                options.write(true).create_new(true);
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                let mut file = options.open(path)?;
                file.write_all(&key)?;
                file.sync_all()?;
            }
            Err(e) => return Err(e),
        }
        Ok(Self { key })
    }

    /// The signature of these values; the same key never signs for another `purpose`.
    pub(crate) fn sign(
        &self,
        purpose: &str,
        app_key: &str,
        object: &str,
        expires_s: u64,
    ) -> String {
        // Lengths first: no two lists of parts have the same bytes.
        let mut message = Vec::new();
        for part in [purpose, app_key, object] {
            message.extend((part.len() as u64).to_be_bytes());
            message.extend(part.as_bytes());
        }
        message.extend(expires_s.to_be_bytes());
        URL_SAFE_NO_PAD.encode(hmac_sha256(&self.key, &[&message]))
    }

    /// Whether a signature is right, in constant time.
    pub(crate) fn verify(
        &self,
        purpose: &str,
        app_key: &str,
        object: &str,
        expires_s: u64,
        signature: &str,
    ) -> bool {
        let right = self.sign(purpose, app_key, object, expires_s);
        right.as_bytes().ct_eq(signature.as_bytes()).into()
    }
}

/// The path that recordings are fetched by; `{key}` and `{object}` follow.
pub(crate) const RECORDINGS_PATH: &str = "/v1/recordings";
/// How long a URL is valid.
const VALID_S: u64 = 3 * 86_400;
const PURPOSE: &str = "recording";

/// Makes and checks the URLs of recordings.
#[derive(Debug, Clone)]
pub(crate) struct RecordingLinks {
    signer: UrlSigner,
    base: String,
}

impl RecordingLinks {
    pub(crate) fn new(signer: UrlSigner, public_url: String) -> Self {
        Self {
            signer,
            base: public_url.trim_end_matches('/').to_owned(),
        }
    }

    /// A URL that is valid for three days. `key` and `object` hold only characters that need no coding in a path.
    pub(crate) fn url(&self, app_key: &str, object: &str, now_ms: u64, alaw: bool) -> String {
        let expires = now_ms / 1000 + VALID_S;
        let signature = self.signer.sign(PURPOSE, app_key, object, expires);
        let format = if alaw { "&format=alaw" } else { "" };
        format!(
            "{}{RECORDINGS_PATH}/{app_key}/{object}?expires={expires}&signature={signature}{format}",
            self.base
        )
    }

    /// Whether these parts are of a URL that we made and that is still valid.
    pub(crate) fn valid(
        &self,
        app_key: &str,
        object: &str,
        expires: u64,
        signature: &str,
        now_ms: u64,
    ) -> bool {
        self.signer
            .verify(PURPOSE, app_key, object, expires, signature)
            && now_ms / 1000 < expires
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_breaks_the_signature() {
        let signer = UrlSigner::new([7; 32]);
        let s = signer.sign("recording", "app", "a.wav", 100);
        assert!(signer.verify("recording", "app", "a.wav", 100, &s));
        assert!(!signer.verify("recording", "ap", "pa.wav", 100, &s));
        assert!(!signer.verify("recording", "app", "b.wav", 100, &s));
        assert!(!signer.verify("recording", "app", "a.wav", 101, &s));
        assert!(!UrlSigner::new([8; 32]).verify("recording", "app", "a.wav", 100, &s));
        assert!(!signer.verify("recording", "app", "a.wav", 100, ""));
    }

    #[test]
    fn the_key_file_is_made_once_and_read_again() {
        let dir = std::env::temp_dir().join(format!("axbridge-api-key-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("url.key");
        let first = UrlSigner::from_file(&path).unwrap();
        let second = UrlSigner::from_file(&path).unwrap();
        assert_eq!(first.key, second.key);
        assert_ne!(first.key, [0; 32]);
        std::fs::write(&path, b"short").unwrap();
        assert!(UrlSigner::from_file(&path).is_err());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
