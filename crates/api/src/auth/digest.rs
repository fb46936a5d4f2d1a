//! `PasswordDigest` of both schemes: computed to sign our notifications, compared in constant time on requests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Which of the two documented schemes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// `Base64(HMAC-SHA256(secret, Nonce + Created))`.
    #[default]
    Aksk,
    /// `Base64(SHA256(Nonce + Created + secret))`, of the raw hash or of its lower-case hex.
    Wsse,
}

impl Scheme {
    /// The word that begins `Authorization`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Scheme::Aksk => "AKSK",
            Scheme::Wsse => "WSSE",
        }
    }

    /// The header that carries the digest.
    #[must_use]
    pub fn header(self) -> &'static str {
        match self {
            Scheme::Aksk => "X-AKSK",
            Scheme::Wsse => "X-WSSE",
        }
    }

    /// The same for a header map.
    pub(crate) fn header_name(self) -> http::HeaderName {
        match self {
            Scheme::Aksk => http::HeaderName::from_static("x-aksk"),
            Scheme::Wsse => http::HeaderName::from_static("x-wsse"),
        }
    }

    /// The digest as clients and our notifications write it.
    #[must_use]
    pub fn digest(self, secret: &str, nonce: &str, created: &str) -> String {
        STANDARD.encode(self.hash(secret, nonce, created))
    }

    fn hash(self, secret: &str, nonce: &str, created: &str) -> [u8; 32] {
        match self {
            Scheme::Aksk => hmac_sha256(secret.as_bytes(), &[nonce.as_bytes(), created.as_bytes()]),
            Scheme::Wsse => {
                let mut h = Sha256::new();
                h.update(nonce.as_bytes());
                h.update(created.as_bytes());
                h.update(secret.as_bytes());
                h.finalize().into()
            }
        }
    }

    /// Whether `given` is the digest of these values. Takes the same time for every wrong digest of the same length.
    #[must_use]
    pub fn matches(self, given: &str, secret: &str, nonce: &str, created: &str) -> bool {
        let hash = self.hash(secret, nonce, created);
        let raw = STANDARD.encode(hash);
        let mut equal = raw.as_bytes().ct_eq(given.as_bytes());
        if self == Scheme::Wsse {
            equal |= STANDARD
                .encode(hex(&hash))
                .as_bytes()
                .ct_eq(given.as_bytes());
        }
        equal.into()
    }
}

/// HMAC-SHA256 over the parts one after the other.
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes a key of any length, so this branch cannot be taken; an all-zero answer would match nothing useful.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut s, b| {
            for nibble in [b >> 4, b & 15] {
                s.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
            s
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with `openssl dgst`, not with this code.
    const NONCE: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";
    const CREATED: &str = "2030-01-02T03:04:05Z";
    const SECRET: &str = "s3cretS3cret";

    #[test]
    fn digests_equal_those_of_another_implementation() {
        assert_eq!(
            Scheme::Aksk.digest(SECRET, NONCE, CREATED),
            "z1tg39d9OYSJbJIfv3Ns6CqmQWfEWXYfoVMvuW21ZPQ="
        );
        assert_eq!(
            Scheme::Wsse.digest(SECRET, NONCE, CREATED),
            "8L3MZQoSG9uRSsmoZtCdmvgHLtBBHjH4N9OKo8Gv2Mk="
        );
        assert!(Scheme::Wsse.matches("ZjBiZGNjNjUwYTEyMWJkYjkxNGFjOWE4NjZkMDlkOWFmODA3MmVkMDQxMWUzMWY4MzdkMzhhYTNjMWFmZDhjOQ==", SECRET, NONCE, CREATED));
        // RFC 4231 test case 2.
        assert_eq!(
            hex(&hmac_sha256(
                b"Jefe",
                &[b"what do ya want ", b"for nothing?"]
            )),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_digest_of_the_other_scheme_or_secret_does_not_match() {
        let aksk = Scheme::Aksk.digest(SECRET, NONCE, CREATED);
        assert!(Scheme::Aksk.matches(&aksk, SECRET, NONCE, CREATED));
        assert!(!Scheme::Wsse.matches(&aksk, SECRET, NONCE, CREATED));
        assert!(!Scheme::Aksk.matches(&aksk, "other", NONCE, CREATED));
        assert!(!Scheme::Aksk.matches("", SECRET, NONCE, CREATED));
    }
}
