//! What a call looks up: trunks, applications and their prompts (a snapshot that is replaced whole), and the
//! binding table.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use axbridge_binding::{AppId, Table, TrunkId};
use axbridge_media::Prompt;
use axbridge_numbering::{Number, NumberRules};
use serde::{Deserialize, Serialize};

use crate::busy::Busy;
use crate::rules::{BlockedNumbers, CallRules, Counts, PlatformRules, Standing};

/// Everything that a call looks up. Reading takes no lock.
pub struct Directory {
    snapshot: ArcSwap<Snapshot>,
    pub(crate) busy: Arc<Busy>,
    pub(crate) counts: Counts,
    /// Who may reach whom through which X.
    pub table: Arc<Table>,
}

impl Directory {
    /// A directory over `table` with nothing else known yet.
    pub fn new(table: Arc<Table>) -> Self {
        Directory {
            snapshot: ArcSwap::from_pointee(Snapshot::default()),
            busy: Arc::default(),
            counts: Counts::default(),
            table,
        }
    }

    /// How many parties are in a call that makes them busy for others (AX, AXE); 0 when there are no calls.
    pub fn busy_parties(&self) -> usize {
        self.busy.len()
    }

    /// Counts of calls, of the running day, that had to make room for others since the start; they are bounded. While
    /// this grows, frequency limits are looser than they are set.
    pub fn counts_forgotten(&self) -> u64 {
        self.counts.forgotten()
    }

    /// Replaces trunks, applications and rules; calls in progress keep what they began with.
    pub fn publish(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
    }

    /// The trunks and applications of this moment.
    pub fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }
}

/// Trunks, applications and rules, as they are at one moment.
#[derive(Default)]
pub struct Snapshot {
    /// By trunk id.
    pub trunks: HashMap<TrunkId, Arc<Trunk>>,
    /// By application id.
    pub apps: HashMap<AppId, Arc<App>>,
    /// What all calls are allowed.
    pub rules: PlatformRules,
    /// Who may not call or be called.
    pub blocked: BlockedNumbers,
}

impl Snapshot {
    /// The trunk that a message from `source` belongs to: an exact signalling address first, then a network.
    /// None means a stranger. Where two trunks match equally, the lower id wins.
    pub fn trunk_of(&self, source: SocketAddr) -> Option<&Arc<Trunk>> {
        let by_id = |t: &&Arc<Trunk>| t.id;
        let exact = self
            .trunks
            .values()
            .filter(|t| t.peers.contains(&source))
            .min_by_key(by_id);
        exact.or_else(|| {
            self.trunks
                .values()
                .filter(|t| t.admits(source.ip()))
                .min_by_key(by_id)
        })
    }
}

/// One carrier's SIP trunk.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trunk {
    /// Number of the trunk.
    pub id: TrunkId,
    /// Its name for people.
    pub name: String,
    /// Signalling addresses of the carrier; calls go out to the first one.
    pub peers: Vec<SocketAddr>,
    /// Networks that calls may come from besides the peers' own addresses.
    #[serde(default)]
    pub sources: Vec<Network>,
    /// Transport of calls going out.
    #[serde(default)]
    pub transport: TrunkTransport,
    /// Which of our listening addresses calls go out from; without it the first of the same transport and
    /// address family.
    #[serde(default)]
    pub local: Option<SocketAddr>,
    /// Host part of the Request-URI and To of calls going out; without it the peer's address.
    #[serde(default)]
    pub domain: Option<String>,
    /// How this carrier writes numbers.
    #[serde(default)]
    pub numbers: NumberRules,
    /// Where the caller's number is read from, in order.
    #[serde(default = "default_caller_headers")]
    pub caller_from: Vec<CallerHeader>,
    /// Our address for RTP on this trunk; without it the address that signalling came in on.
    #[serde(default)]
    pub media_ip: Option<IpAddr>,
    /// Reliable provisional responses (RFC 3262).
    #[serde(default)]
    pub prack: Prack,
    /// Learn the source of RTP from the first valid packet (carriers behind NAT) instead of insisting on the
    /// signalled address.
    #[serde(default)]
    pub learn_media_source: bool,
    /// Sends requests inside a dialog where the peer's Contact or Record-Route says (RFC 3261 §12.2.1.1). False: to the
    /// address that the dialog was made with, for peers behind NAT whose Contact names an address that cannot be
    /// reached. Without it: the opposite of `learn_media_source`.
    #[serde(default)]
    pub follow_contact: Option<bool>,
    /// Adds `;user=phone` to the URIs that we write.
    #[serde(default)]
    pub user_phone: bool,
    /// Sends P-Asserted-Identity with X (RFC 3325).
    #[serde(default = "yes")]
    pub asserted_identity: bool,
    /// Answers a caller from this trunk (200) before it hears the menu of an AXE number, so that its digits come
    /// through: many carriers carry none before the answer, and some no sound. The caller's carrier counts from
    /// there; when the callee then cannot be reached the caller hears it as the end of an answered call. False: the
    /// menu is early media (183), and the caller is answered when the callee is.
    #[serde(default = "yes")]
    pub answer_for_menu: bool,
    /// Takes calls that show the real caller, where a binding asks for it. False: such calls are refused (8024).
    #[serde(default = "yes")]
    pub shows_callers: bool,
    /// How texts for the numbers on this trunk come and go.
    #[serde(default)]
    pub texts: TextWay,
}

fn default_caller_headers() -> Vec<CallerHeader> {
    vec![CallerHeader::PAssertedIdentity, CallerHeader::From]
}

fn yes() -> bool {
    true
}

impl Trunk {
    /// A trunk with these signalling addresses, everything else as when absent.
    pub fn new(id: TrunkId, name: impl Into<String>, peers: Vec<SocketAddr>) -> Self {
        Trunk {
            id,
            name: name.into(),
            peers,
            sources: Vec::new(),
            transport: TrunkTransport::default(),
            local: None,
            domain: None,
            numbers: NumberRules::default(),
            caller_from: default_caller_headers(),
            media_ip: None,
            prack: Prack::default(),
            learn_media_source: false,
            follow_contact: None,
            user_phone: false,
            asserted_identity: true,
            answer_for_menu: true,
            shows_callers: true,
            texts: TextWay::default(),
        }
    }

    /// True when requests inside a dialog go where the peer's Contact or Record-Route says.
    pub fn follows_contact(&self) -> bool {
        self.follow_contact.unwrap_or(!self.learn_media_source)
    }

    /// True when a message from this address belongs to the trunk.
    pub fn admits(&self, ip: IpAddr) -> bool {
        self.peers.iter().any(|p| p.ip() == ip) || self.sources.iter().any(|n| n.contains(ip))
    }
}

/// Transport of a trunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrunkTransport {
    /// UDP.
    #[default]
    Udp,
    /// TCP.
    Tcp,
}

/// How texts for the numbers on a trunk come and go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextWay {
    /// Not at all.
    #[default]
    None,
    /// As MESSAGE on the trunk itself (RFC 3428).
    Sip,
    /// By the SMPP link of this name.
    Smpp(String),
}

/// A header that may carry the caller's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallerHeader {
    /// P-Asserted-Identity (RFC 3325).
    PAssertedIdentity,
    /// From.
    From,
}

/// Use of reliable provisional responses on a trunk (RFC 3262).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prack {
    /// Never offered or used (a caller that requires it is refused with 420).
    Never,
    /// Used when the peer supports it.
    #[default]
    Supported,
    /// Calls that go out require it; calls that come in without it are answered 421.
    Required,
}

/// An IP network, written `192.0.2.0/24`; a single address stands for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// True when `ip` lies inside.
    pub fn contains(&self, ip: IpAddr) -> bool {
        fn same(a: &[u8], b: &[u8], prefix: u8) -> bool {
            let (whole, rest) = (usize::from(prefix / 8), prefix % 8);
            let mask = !(0xffu16 >> rest) as u8;
            a[..whole] == b[..whole] && (rest == 0 || (a[whole] ^ b[whole]) & mask == 0)
        }
        match (self.address, ip.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(&a.octets(), &b.octets(), self.prefix),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(&a.octets(), &b.octets(), self.prefix),
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let wrong = || format!("{s:?} is not a network; write 192.0.2.0/24 or 2001:db8::/32");
        let (address, prefix) = match s.split_once('/') {
            Some((a, p)) => (a, Some(p.parse::<u8>().map_err(|_| wrong())?)),
            None => (s, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(widest);
        if prefix > widest {
            return Err(wrong());
        }
        Ok(Network { address, prefix })
    }
}

impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{}/{}", self.address, self.prefix))
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// How the two sides of a recording are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordLayout {
    /// Both parties mixed into one channel, as PrivateNumber delivers.
    #[default]
    Mono,
    /// The caller left, the callee right.
    Stereo,
}

/// What a call needs to know of its application.
#[derive(Clone)]
pub struct App {
    /// Number of the application.
    pub id: AppId,
    /// Its key.
    pub key: Arc<str>,
    /// Recording is switched on for it.
    pub recording: bool,
    /// How its recordings are laid out.
    pub layout: RecordLayout,
    /// What refused callers hear.
    pub refusals: AppPrompts,
    /// How extensions are asked for (AXE).
    pub menu: MenuRules,
    /// How long the customer may take to say what becomes of a call (X mode), in milliseconds.
    pub callin_timeout_ms: u64,
    /// Approved prompt files by name.
    pub prompts: HashMap<Arc<str>, Arc<Prompt>>,
    /// How long the callee may ring, in milliseconds.
    pub answer_timeout_ms: u64,
    /// Whether its calls are served.
    pub standing: Standing,
    /// The account that it belongs to, as a number that stays: calls of one account are counted together.
    pub account: u64,
    /// What its calls are allowed.
    pub rules: CallRules,
}

impl App {
    /// An application with nothing set.
    pub fn new(id: AppId, key: impl Into<Arc<str>>) -> Self {
        App {
            id,
            key: key.into(),
            recording: false,
            layout: RecordLayout::default(),
            refusals: AppPrompts::default(),
            menu: MenuRules::default(),
            callin_timeout_ms: 3_000,
            prompts: HashMap::new(),
            answer_timeout_ms: 90_000,
            standing: Standing::Active,
            account: 0,
            rules: CallRules::default(),
        }
    }
}

/// Prompts for refused calls; without one the call is refused at once.
#[derive(Clone, Default)]
pub struct AppPrompts {
    /// "No call permission": wrong direction, number not usable.
    pub no_permission: Option<Arc<Prompt>>,
    /// "Service abnormal".
    pub service_abnormal: Option<Arc<Prompt>>,
    /// "Binding does not exist".
    pub no_binding: Option<Arc<Prompt>>,
    /// Nobody is there to be called back (AXE, and AX with call-back).
    pub no_callback: Option<Arc<Prompt>>,
}

/// How a caller of an AXE number is asked for the extension.
#[derive(Clone)]
pub struct MenuRules {
    /// Digits of every extension, 1 to 4.
    pub digits: u8,
    /// How often the extension is asked for, at least once.
    pub tries: u8,
    /// How long the first digit may take after the prompt, in milliseconds.
    pub first_digit_ms: u64,
    /// How long each further digit may take, in milliseconds.
    pub next_digit_ms: u64,
    /// "Key the extension"; without it a tone.
    pub ask: Option<Arc<Prompt>>,
    /// "That was wrong, key it again"; without it `ask` again.
    pub wrong: Option<Arc<Prompt>>,
    /// "That was wrong", and the call ends; without it a tone.
    pub wrong_end: Option<Arc<Prompt>>,
    /// "Nothing was keyed", and the call ends; without it `wrong_end`.
    pub none_end: Option<Arc<Prompt>>,
    /// "You are being put through"; without it nothing.
    pub waiting: Option<Arc<Prompt>>,
    /// Who is called when A calls X, nobody is there to call back, and the binding says nothing of that.
    pub callback_number: Option<Number>,
}

impl Default for MenuRules {
    fn default() -> Self {
        MenuRules {
            digits: 4,
            tries: 3,
            first_digit_ms: 10_000,
            next_digit_ms: 4_000,
            ask: None,
            wrong: None,
            wrong_end: None,
            none_end: None,
            waiting: None,
            callback_number: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    #[test]
    fn network_contains_its_own_addresses_only() {
        let n: Network = "192.0.2.128/25".parse().unwrap();
        assert!(n.contains("192.0.2.200".parse().unwrap()));
        assert!(!n.contains("192.0.2.127".parse().unwrap()));
        assert!(!n.contains("::1".parse().unwrap()));
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("198.51.100.1".parse().unwrap()));
        let v6: Network = "2001:db8::/33".parse().unwrap();
        assert!(v6.contains("2001:db8:7fff::1".parse().unwrap()));
        assert!(!v6.contains("2001:db8:8000::1".parse().unwrap()));
        assert!(n.contains("::ffff:192.0.2.129".parse().unwrap()));
    }

    #[test]
    fn a_wrong_network_says_how_to_write_one() {
        for wrong in ["192.0.2.0/33", "x/8", "192.0.2.0/", "2001:db8::/129"] {
            assert!(
                wrong
                    .parse::<Network>()
                    .unwrap_err()
                    .contains("write 192.0.2.0/24")
            );
        }
    }
}
