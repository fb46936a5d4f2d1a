//! What all calls of a shard share: the SIP endpoint, the directory, the identifiers, the facts that wait to
//! be fetched, and the maps that lead from a transaction or a tag to its call.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axbridge_media as media;
use axbridge_sip::{
    ClientTx, Endpoint, EndpointConfig, Hop, Method, RequestBuilder, ServerTx, Transport,
};

use crate::ask::Question;
use crate::directory::{Directory, Trunk, TrunkTransport};
use crate::fact::Fact;
use crate::ids::{Ids, Tag};
use crate::plane::{CallKey, MediaPlane, Now};
use crate::trace::{Note, Pending, Refusals, SipKind, TracedParty};

/// An address we listen on, and how the world sees it.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Transport.
    pub transport: Transport,
    /// The socket's own address, as it stands in [`Hop::local`].
    pub local: SocketAddr,
    /// The address written into Via and Contact; differs from `local` behind NAT or when listening on all addresses.
    pub advertised: SocketAddr,
}

/// Settings of a [`Switch`](crate::Switch).
#[derive(Clone, Debug)]
pub struct SwitchConfig {
    /// Name of this node, letters and digits; first part of session ids.
    pub node: String,
    /// Host part of session ids and Call-IDs; nothing that may not be seen by carriers.
    pub host: String,
    /// This shard, from 0.
    pub shard: usize,
    /// How many shards there are.
    pub shards: usize,
    /// Our addresses.
    pub listen: Vec<Listen>,
    /// Calls at once in this shard; a further one is refused with 503.
    pub calls_max: usize,
    /// Length of a minute of `maxDuration`. Anything but 60 s is for tests.
    pub minute: Duration,
    /// After the end of a call, how long its recording and statistics may take before the record goes out without them.
    pub closing_max: Duration,
    /// Ring-back heard by the caller when nobody else makes it.
    pub ring_back: Arc<media::Prompt>,
    /// Every call tells, before its record, what was decided in it and why ([`FactKind::Trace`](crate::FactKind)).
    pub trace: bool,
    /// Transactions.
    pub sip: EndpointConfig,
}

/// A leg of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LegKey {
    pub call: CallKey,
    pub side: media::Side,
}

/// See the module.
pub(crate) struct Core {
    pub config: SwitchConfig,
    pub endpoint: Endpoint,
    pub directory: Arc<Directory>,
    pub ids: Ids,
    pub facts: VecDeque<Fact>,
    pub questions: VecDeque<Question>,
    /// For the trace of the call that is being handled.
    pub pending: Pending,
    pub refusals: Refusals,
    pub server_txs: HashMap<ServerTx, LegKey, foldhash::fast::FixedState>,
    pub client_txs: HashMap<ClientTx, LegKey, foldhash::fast::FixedState>,
    pub tags: HashMap<Tag, LegKey, foldhash::fast::FixedState>,
}

impl Core {
    pub fn new(config: SwitchConfig, directory: Arc<Directory>, seed: u64) -> Self {
        let mut ids = Ids::new(
            seed,
            &config.node,
            &config.host,
            config.shard,
            config.shards,
        );
        let mut sip = config.sip.clone();
        // Via says what Contact says (RFC 3261 section 18.1.1: where answers are wanted).
        let seen = config.listen.iter().filter(|l| l.local != l.advertised);
        sip.sent_by
            .extend(seen.map(|l| (l.local, l.advertised.to_string())));
        // What the node may say to strangers is shared out among its shards.
        let shards = u32::try_from(config.shards).unwrap_or(u32::MAX).max(1);
        sip.stranger_answers_per_s = (sip.stranger_answers_per_s / shards).max(1);
        let endpoint = Endpoint::new(sip, ids.number());
        Core {
            endpoint,
            directory,
            ids,
            facts: VecDeque::new(),
            questions: VecDeque::new(),
            pending: Pending::default(),
            refusals: Refusals::default(),
            server_txs: HashMap::default(),
            client_txs: HashMap::default(),
            tags: HashMap::default(),
            config,
        }
    }

    pub fn tell(&mut self, fact: Option<Fact>) {
        self.facts.extend(fact);
    }

    /// The address the world sees for one of our sockets.
    pub fn advertised(&self, hop: &Hop) -> SocketAddr {
        self.config
            .listen
            .iter()
            .find(|l| l.transport == hop.transport && l.local == hop.local)
            .map_or(hop.local, |l| l.advertised)
    }

    /// Our RTP address for a leg on this trunk.
    pub fn media_ip(&self, trunk: &Trunk, hop: &Hop) -> IpAddr {
        trunk.media_ip.unwrap_or_else(|| self.advertised(hop).ip())
    }

    /// The path of a call going out on `trunk`; none when we do not listen on anything that reaches it.
    pub fn hop_to(&self, trunk: &Trunk) -> Option<Hop> {
        let remote = *trunk.peers.first()?;
        let transport = match trunk.transport {
            TrunkTransport::Udp => Transport::Udp,
            TrunkTransport::Tcp => Transport::Tcp,
        };
        let fits = |l: &&Listen| {
            l.transport == transport
                && l.local.is_ipv4() == remote.is_ipv4()
                && trunk.local.is_none_or(|wanted| wanted == l.local)
        };
        let local = self.config.listen.iter().find(fits)?.local;
        Some(Hop {
            transport,
            local,
            remote,
            conn: None,
        })
    }

    /// Notes a message of a leg for the trace of the call that is being handled; `sent`: it is ours.
    pub fn saw(&mut self, now: Now, side: media::Side, sent: bool, kind: SipKind) {
        if self.config.trace {
            self.pending
                .message(now, TracedParty::from(side), sent, kind);
        }
    }

    /// Sends a request in a transaction of `leg`.
    pub fn request(
        &mut self,
        now: Now,
        leg: LegKey,
        hop: Hop,
        request: RequestBuilder,
    ) -> ClientTx {
        self.saw(now, leg.side, true, SipKind::request(request.method()));
        let tx = self.endpoint.request(now.mono, hop, request);
        self.client_txs.insert(tx, leg);
        tx
    }
}

/// What a call may touch while it handles something.
pub(crate) struct Ctx<'a> {
    pub now: Now,
    pub core: &'a mut Core,
    pub plane: &'a mut dyn MediaPlane,
}

impl Ctx<'_> {
    /// Notes something for the trace of the call that is being handled.
    pub fn note(&mut self, note: Note) {
        if self.core.config.trace {
            self.core.pending.note(self.now, note);
        }
    }

    /// Gives up an INVITE of ours.
    pub fn cancel(&mut self, side: media::Side, tx: ClientTx) {
        let kind = SipKind::request(&Method::Cancel);
        self.core.saw(self.now, side, true, kind);
        self.core.endpoint.cancel(self.now.mono, tx);
    }

    pub fn t1(&self) -> Duration {
        self.core.config.sip.t1
    }
}
