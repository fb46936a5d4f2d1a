//! The customer's half of the AKSK scheme, written from its definition and not from the platform's code, so that one
//! checks the other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha2::Sha256;

/// `Base64(HMAC-SHA256(secret, nonce + created))`.
fn digest(secret: &str, nonce: &str, created: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(nonce.as_bytes());
    mac.update(created.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The two headers that sign a request of `key`. `created` is `yyyy-MM-ddTHH:mm:ssZ`.
pub fn headers(key: &str, secret: &str, nonce: &str, created: &str) -> [(&'static str, String); 2] {
    let digest = digest(secret, nonce, created);
    let credentials = format!(
        r#"UsernameToken Username="{key}",PasswordDigest="{digest}",Nonce="{nonce}",Created="{created}""#
    );
    [
        (
            "Authorization",
            r#"AKSK realm="SDP",profile="UsernameToken",type="Appkey""#.to_owned(),
        ),
        ("X-AKSK", credentials),
    ]
}

/// The nonce of a signed notification, if its signature is that of `key`; otherwise what is wrong with it.
pub fn verify(received: &HeaderMap, key: &str, secret: &str) -> Result<String, String> {
    let text = |name: &str| {
        let value = received.get(name).and_then(|v| v.to_str().ok());
        value.ok_or_else(|| format!("no {name} header"))
    };
    if !text("authorization")?.starts_with("AKSK ") {
        return Err("Authorization is not of the AKSK scheme".to_owned());
    }
    let credentials = text("x-aksk")?;
    let part = |name: &str| {
        let start = format!("{name}=\"");
        let at = credentials
            .find(&start)
            .ok_or_else(|| format!("no {name} in X-AKSK"))?
            + start.len();
        Ok::<_, String>(
            credentials[at..]
                .split('"')
                .next()
                .unwrap_or_default()
                .to_owned(),
        )
    };
    let (nonce, created) = (part("Nonce")?, part("Created")?);
    if part("Username")? != key {
        return Err("signed with another key".to_owned());
    }
    match part("PasswordDigest")? == digest(secret, &nonce, &created) {
        true => Ok(nonce),
        false => Err("the digest is wrong".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: [(&'static str, String); 2]) -> HeaderMap {
        pairs
            .into_iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn the_digest_is_the_one_that_openssl_makes() {
        let made = digest(
            "s3cretS3cret",
            "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
            "2030-01-02T03:04:05Z",
        );
        assert_eq!(made, "z1tg39d9OYSJbJIfv3Ns6CqmQWfEWXYfoVMvuW21ZPQ=");
    }

    #[test]
    fn only_the_right_key_and_secret_verify() {
        let signed = map(headers("key", "secret-1", "nonce", "2030-01-02T03:04:05Z"));
        assert_eq!(verify(&signed, "key", "secret-1"), Ok("nonce".to_owned()));
        assert!(
            verify(&signed, "key", "secret-2")
                .unwrap_err()
                .contains("digest")
        );
        assert!(
            verify(&signed, "other", "secret-1")
                .unwrap_err()
                .contains("another key")
        );
        assert!(
            verify(&HeaderMap::new(), "key", "secret-1")
                .unwrap_err()
                .contains("no authorization")
        );
    }
}
