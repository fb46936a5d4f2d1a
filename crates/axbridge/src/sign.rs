//! `axbridge sign`: the AKSK headers of one request, for trying the API by hand.

use axbridge_api::auth::Scheme;
use axbridge_api::created_text;
use rand::RngCore;

/// Headers that sign one request of the application, good for 15 minutes.
pub fn headers(key: &str, secret: &str) -> Vec<(&'static str, String)> {
    let mut random = [0; 16];
    rand::rng().fill_bytes(&mut random);
    let nonce: String = random.iter().map(|b| format!("{b:02x}")).collect();
    let created = created_text(axbridge_engine::wall_ms());
    let digest = Scheme::Aksk.digest(secret, &nonce, &created);
    let token = format!(
        "UsernameToken Username=\"{key}\",PasswordDigest=\"{digest}\",Nonce=\"{nonce}\",Created=\"{created}\""
    );
    vec![
        ("Content-Type", "application/json;charset=UTF-8".to_owned()),
        (
            "Authorization",
            "AKSK realm=\"SDP\",profile=\"UsernameToken\",type=\"Appkey\"".to_owned(),
        ),
        (Scheme::Aksk.header(), token),
    ]
}

/// A file for `curl --config`.
pub fn curl_options(key: &str, secret: &str) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let line =
        |(name, value): &(&str, String)| format!("header = \"{name}: {}\"\n", escaped(value));
    headers(key, secret).iter().map(line).collect()
}
