//! What a link is told: the fields of SMPP 3.4 §4.1.5 and what the carrier has granted.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A password. `Debug` does not show it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// Wraps the text.
    pub fn new(text: impl Into<String>) -> Password {
        Password(text.into())
    }

    /// The text, for the bind.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// How the parts of a long text are told from each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Joining {
    /// A user data header in each part (3GPP TS 23.040); what most carriers want.
    #[default]
    Udh,
    /// The parameters `sar_msg_ref_num`, `sar_total_segments`, `sar_segment_seqnum`.
    Sar,
    /// Not at all: a long text goes as one in `message_payload`, and the SMSC cuts it.
    Payload,
}

/// What `data_coding` 0 means to the SMSC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ZeroCoding {
    /// The GSM 7-bit alphabet, one septet in each octet.
    #[default]
    Gsm7,
    /// ISO 8859-1.
    Latin1,
}

/// One link to an SMSC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkConfig {
    /// Its name: a trunk whose texts go this way says `{"smpp": "NAME"}`.
    pub name: String,
    /// Name or address of the SMSC.
    pub host: String,
    /// Its port.
    #[serde(default = "port")]
    pub port: u16,
    /// Who we are, at most 15 characters.
    pub system_id: String,
    /// At most 8 characters.
    #[serde(default)]
    pub password: Password,
    /// At most 12 characters.
    #[serde(default)]
    pub system_type: String,
    /// Type of number of the addresses that we write: 1 international (digits, country code first), 2 national (without
    /// country code), 0 unknown (as 1).
    #[serde(default = "one")]
    pub ton: u8,
    /// Numbering plan of the addresses that we write; 1 is E.164.
    #[serde(default = "one")]
    pub npi: u8,
    /// Country whose national numbers are read and written.
    #[serde(default = "country_code")]
    pub country_code: String,
    /// Parts that may be sent without being answered.
    #[serde(default = "window")]
    pub window: u16,
    /// Parts per second.
    #[serde(default = "throughput")]
    pub throughput_per_s: u32,
    /// Delivery receipts are asked for.
    #[serde(default = "yes")]
    pub receipts: bool,
    /// How long texts are sent.
    #[serde(default)]
    pub joining: Joining,
    /// What `data_coding` 0 means.
    #[serde(default)]
    pub zero_coding: ZeroCoding,
    /// Seconds of silence after which the other end is asked whether it is there.
    #[serde(default = "enquire_link_s")]
    pub enquire_link_s: u16,
    /// Seconds that an answer may take.
    #[serde(default = "response_s")]
    pub response_s: u16,
    /// Seconds until the first attempt to bind again; doubled up to a minute.
    #[serde(default = "one_16")]
    pub reconnect_s: u16,
}

fn port() -> u16 {
    2775
}

fn one() -> u8 {
    1
}

fn one_16() -> u16 {
    1
}

fn country_code() -> String {
    "86".into()
}

fn window() -> u16 {
    16
}

fn throughput() -> u32 {
    50
}

fn enquire_link_s() -> u16 {
    30
}

fn response_s() -> u16 {
    10
}

fn yes() -> bool {
    true
}

/// Why a link cannot be used as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct ConfigError {
    /// The key.
    pub key: &'static str,
    /// What is wrong and what to do.
    pub message: &'static str,
}

impl LinkConfig {
    /// A link with these, everything else as when absent.
    pub fn new(
        name: impl Into<String>,
        host: impl Into<String>,
        port: u16,
        system_id: impl Into<String>,
    ) -> Self {
        LinkConfig {
            name: name.into(),
            host: host.into(),
            port,
            system_id: system_id.into(),
            password: Password::default(),
            system_type: String::new(),
            ton: one(),
            npi: one(),
            country_code: country_code(),
            window: window(),
            throughput_per_s: throughput(),
            receipts: yes(),
            joining: Joining::default(),
            zero_coding: ZeroCoding::default(),
            enquire_link_s: enquire_link_s(),
            response_s: response_s(),
            reconnect_s: one_16(),
        }
    }

    /// Checks what can be checked without the SMSC.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |key, message| Err(ConfigError { key, message });
        let fits = |text: &str, max: usize| {
            text.len() <= max && text.bytes().all(|b| b.is_ascii_graphic())
        };
        if self.name.is_empty() || !fits(&self.name, 64) {
            return wrong(
                "name",
                "give 1 to 64 printable ASCII characters without blanks",
            );
        }
        if self.host.is_empty() {
            return wrong("host", "give the name or address of the SMSC");
        }
        if self.port == 0 {
            return wrong("port", "give the port of the SMSC, often 2775");
        }
        if self.system_id.is_empty() || !fits(&self.system_id, 15) {
            return wrong(
                "system_id",
                "give 1 to 15 printable ASCII characters, as the carrier has named you",
            );
        }
        if !fits(self.password.reveal(), 8) {
            return wrong(
                "password",
                "SMPP allows at most 8 printable ASCII characters",
            );
        }
        if !fits(&self.system_type, 12) {
            return wrong(
                "system_type",
                "SMPP allows at most 12 printable ASCII characters",
            );
        }
        if self.ton > 2 {
            return wrong("ton", "use 1 (international), 2 (national) or 0 (unknown)");
        }
        let digits = self.country_code.bytes().all(|b| b.is_ascii_digit());
        if self.country_code.is_empty() || self.country_code.len() > 3 || !digits {
            return wrong("country_code", "give 1 to 3 digits, such as 86");
        }
        if self.window == 0 || self.throughput_per_s == 0 {
            return wrong("window", "window and throughput_per_s must be at least 1");
        }
        if self.enquire_link_s == 0 || self.response_s == 0 || self.reconnect_s == 0 {
            return wrong(
                "enquire_link_s",
                "enquire_link_s, response_s and reconnect_s must be at least 1",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_smpp_cannot_carry_is_refused() {
        let good = LinkConfig::new("smsc", "192.0.2.1", 2775, "axbridge");
        assert_eq!(good.check(), Ok(()));
        let key = |change: fn(&mut LinkConfig)| {
            let mut config = good.clone();
            change(&mut config);
            config.check().expect_err("wrong").key
        };
        assert_eq!(key(|c| c.password = Password::new("123456789")), "password");
        assert_eq!(key(|c| c.system_id = "a".repeat(16)), "system_id");
        assert_eq!(key(|c| c.name = "two words".into()), "name");
        assert_eq!(key(|c| c.ton = 3), "ton");
        assert_eq!(key(|c| c.country_code = "+86".into()), "country_code");
        assert_eq!(key(|c| c.window = 0), "window");
        assert_eq!(key(|c| c.response_s = 0), "enquire_link_s");
    }

    #[test]
    fn debug_shows_no_password() {
        let mut config = LinkConfig::new("smsc", "192.0.2.1", 2775, "axbridge");
        config.password = Password::new("s3cret");
        assert!(!format!("{config:?}").contains("s3cret"));
    }
}
