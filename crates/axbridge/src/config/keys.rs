//! Every key, with its default. `axbridge.example.toml` at the repository's root says the same for operators;
//! a test holds the two together.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use axbridge_call::Network;
use serde::{Deserialize, Serialize};

use super::ListenAddress;

/// Keys without a default.
#[cfg(test)]
pub const OPTIONAL_KEYS: &[&str] = &[
    "advertise",
    "token",
    "public_url",
    "tls_certificate",
    "tls_key",
    "advertise_ip",
    "listen",
];

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$key_doc:meta])* $key:ident: $kind:ty = $default:expr,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name { $($(#[$key_doc])* pub $key: $kind,)* }

        impl Default for $name {
            fn default() -> Self {
                $name { $($key: $default,)* }
            }
        }
    };
}

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// This node.
    pub node: NodeSection,
    /// Signalling.
    pub sip: SipSection,
    /// Audio.
    pub media: MediaSection,
    /// Recordings.
    pub recording: RecordingSection,
    /// What survives.
    pub store: StoreSection,
    /// The customers' API.
    pub api: ApiSection,
    /// The operator's API.
    pub admin: AdminSection,
    /// Webhooks.
    pub notify: NotifySection,
    /// Voice files.
    pub prompts: PromptsSection,
    /// Prometheus.
    pub metrics: MetricsSection,
    /// Logs.
    pub log: LogSection,
    /// Texts.
    pub sms: SmsSection,
    /// Links to SMSCs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub smpp: Vec<axbridge_smpp::LinkConfig>,
    /// For tests only.
    pub test: TestSection,
}

section! {
    /// This node.
    NodeSection {
        /// First part of session ids; letters and digits, different on every node.
        name: String = "n1".to_owned(),
        /// Last part of session ids and Call-IDs, `hostName` and `recordDomain` of call records.
        host: String = "axbridge.invalid".to_owned(),
    }
}

section! {
    /// Signalling.
    SipSection {
        /// Addresses.
        listen: Vec<ListenAddress> = vec![ListenAddress {
            transport: axbridge_sip::Transport::Udp,
            address: SocketAddr::from(([127, 0, 0, 1], 5060)),
        }],
        /// The address that carriers see, where it is not the one listened on.
        advertise: Option<IpAddr> = None,
        /// Signalling threads.
        shards: usize = 1,
        /// Calls at once on this node.
        calls_max: usize = 50_000,
        /// User-Agent and Server.
        user_agent: String = "axbridge".to_owned(),
        /// Messages waiting longer than this make new calls be refused, in milliseconds.
        overload_delay_ms: u64 = 400,
        /// TCP connections at once.
        tcp_connections_max: usize = 10_000,
        /// An idle TCP connection is closed after this many seconds.
        tcp_idle_s: u64 = 900,
        /// Receive and send buffer of each UDP socket, in bytes.
        udp_buffer_bytes: usize = 4 * 1024 * 1024,
        /// On SIGTERM, how long calls may go on, in seconds.
        drain_s: u64 = 60,
    }
}

section! {
    /// Audio.
    MediaSection {
        /// Our addresses for RTP.
        ips: Vec<IpAddr> = vec![IpAddr::from([127, 0, 0, 1])],
        /// The address that carriers see for RTP, where it is not one of ours.
        advertise_ip: Option<IpAddr> = None,
        /// First port for RTP and RTCP.
        port_min: u16 = 20_000,
        /// Last port.
        port_max: u16 = 39_999,
        /// Media threads.
        workers: usize = 1,
        /// A call whose party sends no audio for so many seconds is ended.
        no_media_after_s: u64 = 60,
    }
}

section! {
    /// Recordings.
    RecordingSection {
        /// Where recordings are kept; empty: `recordings` in the store's folder.
        dir: PathBuf = PathBuf::new(),
        /// Writer threads.
        writers: usize = 1,
    }
}

section! {
    /// What survives.
    StoreSection {
        /// Folder of database, journal and recordings.
        dir: PathBuf = PathBuf::from("axbridge-data"),
        /// Bindings to reserve memory for at start.
        bindings_expected: usize = 100_000,
        /// Facts that may wait on disk while the database is down, in bytes.
        journal_bytes_max: u64 = 1 << 30,
        /// Call records are kept so many days.
        records_kept_days: u32 = 31,
        /// Every call keeps a trace of what was decided in it and why, as long as its record.
        call_traces: bool = true,
    }
}

section! {
    /// The customers' API.
    ApiSection {
        /// Address.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8080)),
        /// How clients reach it; recording URLs begin with it. Without it: http(s) and the address.
        public_url: Option<String> = None,
        /// Certificate chain, PEM; without it plain HTTP.
        tls_certificate: Option<PathBuf> = None,
        /// Private key, PEM.
        tls_key: Option<PathBuf> = None,
        /// Proxies whose Forwarded and X-Forwarded-For headers are believed.
        proxies: Vec<Network> = Vec::new(),
        /// Keep connections open after an answer.
        keep_alive: bool = true,
        /// Connections at once.
        connections_max: usize = 4096,
    }
}

section! {
    /// The operator's API.
    AdminSection {
        /// Address.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8081)),
        /// Bearer token; without it one is made and kept in `operator-token` in the store's folder.
        token: Option<String> = None,
        /// Certificate chain, PEM; without it plain HTTP.
        tls_certificate: Option<PathBuf> = None,
        /// Private key, PEM.
        tls_key: Option<PathBuf> = None,
    }
}

section! {
    /// Webhooks.
    NotifySection {
        /// Receivers at loopback, link-local and private addresses are allowed.
        allow_private: bool = false,
        /// Networks that are allowed although they are not public.
        allowed: Vec<Network> = Vec::new(),
        /// Posts at once to one application, for events and records each.
        per_app: u32 = 16,
        /// Posts at once to all.
        total: usize = 512,
        /// Time for one post, in milliseconds.
        timeout_ms: u64 = 5_000,
        /// Time for the customer's answer to a call of X mode, in milliseconds.
        callin_timeout_ms: u64 = 3_000,
    }
}

section! {
    /// Voice files.
    PromptsSection {
        /// Uploaded files are usable at once, without review.
        auto_pass: bool = false,
        /// Ring-back tone in Hz, where we have to make it.
        ring_back_hz: u16 = 450,
        /// How long it sounds, in milliseconds.
        ring_back_on_ms: u16 = 1_000,
        /// How long it pauses, in milliseconds.
        ring_back_off_ms: u16 = 4_000,
    }
}

section! {
    /// Prometheus.
    MetricsSection {
        /// Address of `/metrics`; without it there are none.
        listen: Option<SocketAddr> = None,
    }
}

section! {
    /// Logs.
    LogSection {
        /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,axbridge_engine=debug`.
        level: String = "info".to_owned(),
        /// `text` or `json`.
        format: LogFormat = LogFormat::Text,
    }
}

/// Shape of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

section! {
    /// Texts.
    SmsSection {
        /// How long a customer may take to say what becomes of a text, in milliseconds.
        block_timeout_ms: u64 = 3_000,
        /// How long receipts are waited for before a text counts as sent, in seconds.
        receipt_wait_s: u64 = 300,
        /// Until a text that a carrier did not take is tried again, in seconds; doubled each time.
        retry_first_s: u64 = 5,
        /// The longest pause between two tries, in seconds.
        retry_longest_s: u64 = 300,
        /// From the acceptance of a text to the end of all tries, in seconds.
        give_up_s: u64 = 86_400,
        /// How long the parts of a long text wait for the rest, in seconds.
        parts_wait_s: u64 = 600,
        /// Texts being sent at once.
        at_once: usize = 64,
    }
}

section! {
    /// For tests only.
    TestSection {
        /// Allows the other keys of this section.
        enabled: bool = false,
        /// Length of a minute of `maxDuration`, in milliseconds.
        minute_ms: u64 = 60_000,
        /// Length of a minute between attempts to deliver a notification, in milliseconds.
        retry_minute_ms: u64 = 60_000,
    }
}
