//! A customer's client, written apart from the code under test: its own HMAC (RFC 2104) over SHA-256, its own Base64.

use http::{Method, Request};
use sha2::{Digest as _, Sha256};

pub const AUTHORIZATION: &str = r#"AKSK realm="SDP",profile="UsernameToken",type="Appkey""#;

/// RFC 2104, for keys up to one block.
pub fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |with: u8| block.map(|b| b ^ with);
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

/// RFC 4648, with padding.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let sextet = (n >> (18 - 6 * i)) & 63;
            out.push(if i <= chunk.len() {
                ALPHABET[sextet as usize] as char
            } else {
                '='
            });
        }
    }
    out
}

pub fn aksk_digest(secret: &str, nonce: &str, created: &str) -> String {
    base64(&hmac(
        secret.as_bytes(),
        format!("{nonce}{created}").as_bytes(),
    ))
}

pub fn wsse_hash(secret: &str, nonce: &str, created: &str) -> Vec<u8> {
    Sha256::digest(format!("{nonce}{created}{secret}")).to_vec()
}

/// What a client signs with.
#[derive(Clone, Debug)]
pub struct Client {
    pub key: String,
    pub secret: String,
    pub created: String,
}

impl Client {
    pub fn headers(&self) -> (String, String) {
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        let digest = aksk_digest(&self.secret, &nonce, &self.created);
        let (key, created) = (&self.key, &self.created);
        let x = format!(
            r#"UsernameToken Username="{key}", PasswordDigest="{digest}", Nonce="{nonce}", Created="{created}""#
        );
        (AUTHORIZATION.to_owned(), x)
    }

    pub fn request(&self, method: Method, uri: &str, body: impl Into<String>) -> Request<String> {
        let (authorization, x) = self.headers();
        Request::builder()
            .method(method)
            .uri(uri)
            .header("content-type", "application/json;charset=UTF-8")
            .header("authorization", authorization)
            .header("x-aksk", x)
            .body(body.into())
            .unwrap()
    }
}

#[test]
fn this_client_computes_the_published_vectors() {
    // RFC 4231 test case 2; RFC 4648 section 10.
    let mac = hmac(b"Jefe", b"what do ya want for nothing?");
    assert_eq!(mac[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    assert_eq!(
        (base64(b"f"), base64(b"fo"), base64(b"foobar")),
        ("Zg==".into(), "Zm8=".into(), "Zm9vYmFy".into())
    );
}
