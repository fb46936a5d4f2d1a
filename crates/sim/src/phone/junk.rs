//! What a telephone and its carrier put into messages that is nobody else's business: names, addresses and the
//! number in every spelling. Each piece can be recognised, so that it is found where it does not belong.

use std::net::SocketAddr;

use axbridge_media::Side;
use rand::Rng;
use rand::rngs::SmallRng;

/// What must never be seen on the other side.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// Display name.
    pub name: String,
    /// Host name.
    pub host: String,
    /// User-Agent.
    pub agent: String,
    /// A word for headers and bodies.
    pub word: String,
    /// User name in `o=`.
    pub origin: String,
    /// `s=`.
    pub session_name: String,
    /// All of it, and the number and the address in every spelling.
    pub needles: Vec<Vec<u8>>,
}

impl Secrets {
    pub(crate) fn new(
        random: &mut SmallRng,
        side: Side,
        number: &str,
        address: SocketAddr,
    ) -> Secrets {
        let mark = match side {
            Side::A => "qa",
            Side::B => "qb",
        };
        let mut word =
            |kind: &str| format!("{mark}{kind}{:06x}", random.random::<u32>() & 0xff_ffff);
        let (name, host, agent) = (word("name"), word("host") + ".example", word("agent"));
        let (plain, origin, session_name) = (word("word"), word("user"), word("sess"));
        let national = &number[3..];
        let mut needles: Vec<Vec<u8>> = [&name, &host, &agent, &plain, &origin, &session_name]
            .iter()
            .map(|s| s.as_bytes().to_vec())
            .collect();
        let escaped: String = national.bytes().map(|b| format!("%{b:02x}")).collect();
        let dashed = format!("{}-{}-{}", &national[..3], &national[3..7], &national[7..]);
        needles.extend([
            // Covers +86..., 0086..., 86..., 0... and tel: as well.
            national.as_bytes().to_vec(),
            escaped.into_bytes(),
            dashed.into_bytes(),
            base64(number.as_bytes()).into_bytes(),
            address.ip().to_string().into_bytes(),
        ]);
        Secrets {
            name,
            host,
            agent,
            word: plain,
            origin,
            session_name,
            needles,
        }
    }

    /// Headers that real carriers send, full of what must not cross.
    pub(crate) fn headers(
        &self,
        number: &str,
        random: &mut SmallRng,
    ) -> Vec<(&'static str, String)> {
        let national = &number[3..];
        let escaped: String = national.bytes().map(|b| format!("%{b:02x}")).collect();
        let uri = format!("<sip:{number}@{}>", self.host);
        let all = [
            ("P-Preferred-Identity", uri.clone()),
            (
                "Remote-Party-ID",
                format!("\"{}\" {uri};party=calling", self.name),
            ),
            ("Diversion", format!("<tel:{number}>;reason=unconditional")),
            (
                "History-Info",
                format!("<sip:{escaped}@{}>;index=1", self.host),
            ),
            ("Referred-By", uri.clone()),
            ("Session-ID", format!("{}00000000000000000000", self.word)),
            (
                "User-to-User",
                format!("{};encoding=hex", base64(number.as_bytes())),
            ),
            ("Subject", format!("{} calls from 0{national}", self.name)),
            ("Organization", self.word.clone()),
            (
                "Call-Info",
                format!("<http://{}/{national}.png>;purpose=icon", self.host),
            ),
            (
                "P-Access-Network-Info",
                format!("3GPP-E-UTRAN-FDD;x={}", self.word),
            ),
            (
                "P-Charging-Vector",
                format!("icid-value={};orig-ioi={}", self.word, self.host),
            ),
            ("Geolocation", format!("<cid:{}@{}>", self.word, self.host)),
            ("Warning", format!("399 {} \"{}\"", self.host, self.word)),
            ("Reply-To", uri.clone()),
            ("X-Carrier-Caller", format!("0086{national}")),
            (
                "Identity",
                format!(
                    "{};info=<https://{}/c>",
                    base64(number.as_bytes()),
                    self.host
                ),
            ),
            ("Accept-Language", "zh".to_owned()),
            ("Privacy", "none".to_owned()),
            ("In-Reply-To", format!("{}@{}", self.word, self.host)),
        ];
        all.into_iter()
            .filter(|_| random.random_bool(0.35))
            .collect()
    }
}

/// RFC 4648, for the number only.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let word = (0..3).fold(0u32, |w, i| {
            w << 8 | u32::from(three.get(i).copied().unwrap_or(0))
        });
        for i in 0..=three.len() {
            out.push(char::from(LETTERS[(word >> (18 - 6 * i)) as usize & 63]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_of_rfc_4648() {
        assert_eq!(super::base64(b"foobar"), "Zm9vYmFy");
        assert_eq!(super::base64(b"fooba"), "Zm9vYmE");
        assert_eq!(super::base64(b"f"), "Zg");
    }
}
