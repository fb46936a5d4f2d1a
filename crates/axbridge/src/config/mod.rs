//! The configuration: one TOML file, every key optional, overridden by the environment.
//!
//! `AXBRIDGE__SECTION__KEY=value` overrides `key` in `[section]`; the value is read as TOML where it is TOML
//! (`true`, `8`, `["udp:0.0.0.0:5060"]`) and as text otherwise.

mod address;
mod keys;
mod world;

use std::path::{Path, PathBuf};

use toml::{Table, Value};

pub use address::ListenAddress;
pub use keys::*;

/// Prefix of environment variables that override keys.
pub const ENVIRONMENT: &str = "AXBRIDGE__";

/// Why a configuration cannot be used; the text says where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "{path}: {source}; give another file with --config, or leave it out to run on the defaults"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not TOML, has an unknown key or a value of the wrong kind.
    #[error("{path}: {message}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What and where.
        message: String,
    },
    /// An environment variable does not fit.
    #[error("environment variable {name}: {message}")]
    Environment {
        /// The variable.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// Keys that do not go together.
    #[error("[{section}] {key}: {message}")]
    Contradiction {
        /// Section.
        section: &'static str,
        /// Key.
        key: &'static str,
        /// What is wrong and what to do.
        message: String,
    },
}

impl Config {
    /// Reads the file (none: the defaults), then the environment, then checks what can be checked without
    /// touching the machine.
    pub fn load(
        path: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let text = match path {
            Some(path) => {
                std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
                    path: path.into(),
                    source,
                })?
            }
            None => String::new(),
        };
        let shown = path.map_or_else(|| PathBuf::from("(defaults)"), Path::to_path_buf);
        let malformed = |e: toml::de::Error| ConfigError::Malformed {
            path: shown.clone(),
            message: e.to_string(),
        };
        // First alone, so that an error names the line; then together with the environment.
        let mut config: Config = toml::from_str(&text).map_err(malformed)?;
        let mut variables: Vec<_> = environment
            .filter(|(name, _)| name.starts_with(ENVIRONMENT))
            .collect();
        variables.sort();
        if !variables.is_empty() {
            let mut table: Table = toml::from_str(&text).map_err(malformed)?;
            for (name, value) in variables {
                config = overridden(&mut table, &name, &value)?;
            }
        }
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |section, key, message: &str| {
            Err(ConfigError::Contradiction {
                section,
                key,
                message: message.to_owned(),
            })
        };
        if self.sip.listen.is_empty() {
            return wrong(
                "sip",
                "listen",
                "give at least one address, such as \"udp:0.0.0.0:5060\"",
            );
        }
        if !self.node.name.bytes().all(|c| c.is_ascii_alphanumeric()) || self.node.name.is_empty() {
            return wrong(
                "node",
                "name",
                "use letters and digits only; it begins every session id",
            );
        }
        if !self
            .node
            .host
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || b".-".contains(&c))
            || self.node.host.is_empty()
        {
            return wrong("node", "host", "use a host name; it ends every session id");
        }
        if let Err((section, key, what)) = self.check_addresses() {
            return wrong(section, key, &what);
        }
        if self.media.port_min >= self.media.port_max || self.media.port_min < 1024 {
            return wrong(
                "media",
                "port_min",
                "must be at least 1024 and below port_max",
            );
        }
        if !(1..=64).contains(&self.sip.shards) || !(1..=64).contains(&self.media.workers) {
            return wrong("sip", "shards", "shards and media workers are 1 to 64");
        }
        if !(100..=30_000).contains(&self.notify.callin_timeout_ms) {
            return wrong(
                "notify",
                "callin_timeout_ms",
                "use 100 to 30000; the caller waits as long",
            );
        }
        for (key, value) in [
            ("minute_ms", self.test.minute_ms),
            ("retry_minute_ms", self.test.retry_minute_ms),
        ] {
            if value != 60_000 && !self.test.enabled {
                return wrong(
                    "test",
                    key,
                    "a minute has 60000 ms unless [test] enabled = true; never do that in production",
                );
            }
        }
        if self.api.tls_certificate.is_some() != self.api.tls_key.is_some()
            || self.admin.tls_certificate.is_some() != self.admin.tls_key.is_some()
        {
            return wrong("api", "tls_key", "tls_certificate and tls_key go together");
        }
        if self.admin.token.as_ref().is_some_and(|t| t.len() < 16) {
            return wrong(
                "admin",
                "token",
                "use at least 16 characters, or leave it out to have one made",
            );
        }
        Ok(())
    }
}

/// Puts one variable into the table and reads the whole again, so that a wrong value is blamed on its variable.
fn overridden(table: &mut Table, name: &str, value: &str) -> Result<Config, ConfigError> {
    let wrong = |message: String| ConfigError::Environment {
        name: name.to_owned(),
        message,
    };
    let path = name[ENVIRONMENT.len()..].to_ascii_lowercase();
    let Some((section, key)) = path.split_once("__") else {
        return Err(wrong(format!("write it as {ENVIRONMENT}SECTION__KEY")));
    };
    let entry = table
        .entry(section)
        .or_insert_with(|| Value::Table(Table::new()));
    let Value::Table(section) = entry else {
        return Err(wrong("its section is not a table".to_owned()));
    };
    let as_toml = toml::from_str::<Table>(&format!("v = {value}"))
        .ok()
        .and_then(|mut t| t.remove("v"));
    let candidates = as_toml.into_iter().chain([Value::String(value.to_owned())]);
    let mut last = String::new();
    for candidate in candidates {
        section.insert(key.to_owned(), candidate);
        let whole = Value::Table(Table::from_iter([(
            path.split_once("__").map_or("", |(s, _)| s).to_owned(),
            Value::Table(section.clone()),
        )]));
        match whole.try_into::<Config>() {
            Ok(_) => {
                return Value::Table(table.clone())
                    .try_into()
                    .map_err(|e: toml::de::Error| wrong(e.to_string()));
            }
            Err(e) => last = e.message().to_owned(),
        }
    }
    Err(wrong(last))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let dir =
            std::env::temp_dir().join(format!("axbridge-config-{:?}", std::thread::current().id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("axbridge.toml");
        std::fs::write(&path, text).unwrap();
        let variables = environment
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        Config::load(Some(&path), variables).map_err(|e| e.to_string())
    }

    #[test]
    fn nothing_is_required() {
        let config = load("", &[]).unwrap();
        assert_eq!(config, Config::default());
    }

    #[test]
    fn the_example_file_names_every_key_with_its_default() {
        let example = include_str!("../../../../axbridge.example.toml");
        // Keys without a default stand there commented out; what is set must be the default.
        let config: Config = toml::from_str(example).unwrap();
        assert_eq!(config, Config::default());
        let defaults = toml::Table::try_from(Config::default()).unwrap();
        for (section, keys) in defaults {
            assert!(
                example.contains(&format!("[{section}]")),
                "[{section}] is missing in the example"
            );
            let Value::Table(keys) = keys else {
                panic!("{section} is no section")
            };
            for key in keys.keys() {
                let named = example
                    .lines()
                    .any(|l| l.trim_start_matches("# ").starts_with(&format!("{key} =")));
                assert!(named, "{section}.{key} is missing in the example");
            }
        }
        for optional in OPTIONAL_KEYS {
            assert!(
                example.contains(&format!("# {optional} =")),
                "{optional} is missing in the example"
            );
        }
    }

    #[test]
    fn errors_say_where_and_what() {
        let table: &[(&str, &[&str])] = &[
            (
                "[sip]\nlisten = [\"udp:1.2.3.4\"]",
                &["line 2", "udp:127.0.0.1:5060"],
            ),
            ("[sip]\nlissten = []", &["line 2", "lissten", "listen"]),
            ("[sipp]", &["sipp"]),
            ("[media]\nport_min = 70000", &["line 2"]),
            ("[media]\nport_min = 40000", &["[media] port_min"]),
            ("[sip]\nlisten = []", &["[sip] listen", "at least one"]),
            ("[sip]\nlisten = [\"udp:0.0.0.0:5060\"]", &["advertise"]),
            (
                "[sip]\nlisten = [\"udp:[::]:5060\"]\nadvertise = \"203.0.113.10\"",
                &["[sip] advertise", "family"],
            ),
            (
                "[sip]\nadvertise = \"2001:db8::1\"",
                &["[sip] advertise", "2001:db8::1"],
            ),
            (
                "[sip]\nlisten = [\"udp:203.0.113.10:5060\"]",
                &["[media] ips", "203.0.113.10", "127.0.0.1", "advertise_ip"],
            ),
            (
                "[sip]\nadvertise = \"203.0.113.10\"",
                &["[media] ips", "advertise_ip"],
            ),
            (
                "[sip]\nlisten = [\"udp:[::1]:5060\"]",
                &["[media] ips", "IPv6"],
            ),
            (
                "[media]\nadvertise_ip = \"2001:db8::1\"",
                &["[media] advertise_ip", "family"],
            ),
            ("[media]\nips = [\"0.0.0.0\"]", &["[media] advertise_ip"]),
            (
                "[test]\nminute_ms = 1000",
                &["[test] minute_ms", "production"],
            ),
            (
                "[test]\nretry_minute_ms = 1000",
                &["[test] retry_minute_ms", "production"],
            ),
            ("[admin]\ntoken = \"short\"", &["16 characters"]),
            ("[api]\ntls_key = \"k.pem\"", &["go together"]),
            ("[node]\nname = \"n_1\"", &["letters and digits"]),
            (
                "[notify]\ncallin_timeout_ms = 40000",
                &["[notify] callin_timeout_ms", "30000"],
            ),
            ("x", &["line 1"]),
        ];
        for (text, words) in table {
            let error = load(text, &[]).unwrap_err();
            for word in *words {
                assert!(
                    error.contains(word),
                    "{text:?} gives {error:?} without {word:?}"
                );
            }
        }
    }

    #[test]
    fn both_families_behind_nat_are_seen_as_they_should_be() {
        let text = r#"
            [sip]
            listen = ["udp:0.0.0.0:5060", "tcp:[2001:db8::5]:5060"]
            advertise = "203.0.113.10"
            [media]
            ips = ["10.0.0.5", "2001:db8::5"]
            advertise_ip = "203.0.113.11"
        "#;
        let config = load(text, &[]).unwrap();
        let advertised = |text: &str| config.advertised(text.parse().unwrap());
        assert_eq!(
            advertised("0.0.0.0:5060"),
            Some("203.0.113.10:5060".parse().unwrap())
        );
        assert_eq!(advertised("[2001:db8::5]:5060"), None);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(
            config.media_advertised(),
            [(ip("10.0.0.5"), ip("203.0.113.11"))]
        );
        assert_eq!(
            config.media_addresses(),
            ["10.0.0.5", "2001:db8::5", "203.0.113.11"].map(ip)
        );
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let config = load(
            "[sip]\nshards = 2\n",
            &[
                ("AXBRIDGE__SIP__SHARDS", "3"),
                ("AXBRIDGE__NODE__NAME", "n7"),
                ("AXBRIDGE__SIP__LISTEN", "[\"tcp:127.0.0.1:5070\"]"),
                ("AXBRIDGE__STORE__DIR", "/var/lib/axb"),
                ("UNRELATED", "x"),
            ],
        )
        .unwrap();
        assert_eq!((config.sip.shards, config.node.name.as_str()), (3, "n7"));
        assert_eq!(config.sip.listen.len(), 1);
        assert_eq!(config.store.dir, PathBuf::from("/var/lib/axb"));
        for (name, value, word) in [
            ("AXBRIDGE__SIP__SHARDS", "many", "SHARDS"),
            ("AXBRIDGE__SIP__NONE", "1", "unknown field"),
            ("AXBRIDGE__SIP", "1", "SECTION__KEY"),
        ] {
            let error = load("", &[(name, value)]).unwrap_err();
            assert!(error.contains(word), "{name} gives {error:?}");
        }
    }

    #[test]
    fn a_missing_file_is_an_error_that_names_it() {
        let error = Config::load(Some(Path::new("/no/such.toml")), std::iter::empty()).unwrap_err();
        assert!(error.to_string().contains("/no/such.toml"));
    }
}
