//! Server side: requests that come, and our answers.

use super::matching::{self, fallback_hop, reply_hop, sent_by_port};
use super::table::{Server, ServerMachine, Transaction};
use super::{Endpoint, Event, ServerTx, UnknownTx};
use crate::build::ResponseBuilder;
use crate::message::Message;
use crate::method::Method;
use crate::name::Name;
use crate::timer::Tick;
use crate::transaction::{InviteServer, NonInviteServer, Rules, Step, Tell};
use crate::transport::Hop;
use std::net::SocketAddr;
use std::time::Instant;

/// What a machine's input may need of its transaction.
struct Context<'a> {
    rules: Rules,
    /// Until the final answer.
    request: Option<&'a Message>,
    remote: SocketAddr,
}

impl Endpoint {
    /// Answers a request. Via (with `received` and `rport`), From, To, Call-ID, CSeq and Record-Route are added; a To tag too, if `r`
    /// brings none and one is due. After a final answer nothing more may be said.
    pub fn respond(
        &mut self,
        now: Instant,
        tx: ServerTx,
        r: ResponseBuilder,
    ) -> Result<(), UnknownTx> {
        let tick = self.tick_up(now);
        let index = self.table.resolve(tx.0).ok_or(UnknownTx)?;
        let tag = match self.table.request(tx.0) {
            Some(request) if r.tag().is_none() && r.status() > 100 => {
                Some(self.secrets.own_tag(request))
            }
            Some(_) => None,
            None => return Err(UnknownTx),
        };
        let r = self.signed(match tag {
            Some(tag) => r.to_tag(&tag),
            None => r,
        });
        let (status, reliable) = (r.status(), r.get(Name::RSeq).is_some());
        self.server_step(index, |machine, context| {
            let bytes = context
                .request
                .map(|request| r.encode(request, context.remote))
                .unwrap_or_default();
            let for_invite = bytes.clone();
            machine.step(
                |invite| invite.on_reply(tick, context.rules, status, for_invite, reliable),
                |other| other.on_reply(tick, context.rules, status, bytes),
            )
        });
        if let (200.., Some((server, _))) = (status, self.table.server(index)) {
            server.request = None;
        }
        Ok(())
    }

    /// Sends what the user repeats by timers of his own: a 2xx to an INVITE until its ACK (RFC 3261 §13.3.1.4), a reliable
    /// provisional until its PRACK (RFC 3262 §3). Does nothing if there is no such response.
    pub fn resend(&mut self, _now: Instant, tx: ServerTx) {
        let Some((server, hop)) = self
            .table
            .resolve(tx.0)
            .and_then(|index| self.table.server(index))
        else {
            return;
        };
        let Some(ServerMachine::Invite(machine)) = &server.machine else {
            return;
        };
        if let Some(bytes) = machine.resend().cloned() {
            let hop = *hop;
            self.counters.retransmitted += 1;
            self.send(hop, bytes);
        }
    }

    /// Answers a request that has no transaction, or is to have none. Its ACK, if it was an INVITE, is absorbed as long as `r`
    /// leaves the To tag to us.
    pub fn respond_stateless(&mut self, request: &Message, hop: Hop, r: ResponseBuilder) {
        let r = match r.tag() {
            None if r.status() > 100 => r.to_tag(&self.secrets.own_tag(request)),
            _ => r,
        };
        let bytes = self.signed(r).encode(request, hop.remote);
        self.send(reply_hop(&request.top_via(), hop), bytes);
    }

    /// The request of a transaction that has no final answer yet.
    #[must_use]
    pub fn server_request(&self, tx: ServerTx) -> Option<&Message> {
        self.table.request(tx.0)
    }

    pub(super) fn on_request(
        &mut self,
        tick: Tick,
        hop: Hop,
        message: Message,
        known: impl Fn(Option<&[u8]>) -> bool,
    ) {
        let key = self.secrets.server_key(&message, message.cseq_method());
        if let Some(index) = self.table.find(key) {
            self.counters.repeated += 1;
            self.server_step(index, |machine, _| {
                machine.step(
                    InviteServer::on_retransmission,
                    NonInviteServer::on_retransmission,
                )
            });
            return;
        }
        let to_tag = message.to().tag();
        if !known(to_tag) {
            let status = if to_tag.is_some() { 481 } else { 403 };
            return self.turn_away(tick, hop, &message, status);
        }
        let merge = self.secrets.merge_key(&message);
        if merge.is_some_and(|merge| self.table.is_merged(merge)) {
            self.counters.merged += 1;
            return self.respond_stateless(&message, hop, ResponseBuilder::new(482));
        }
        if self.table.servers() >= self.room_for(&message) {
            self.counters.refused += 1;
            let r = ResponseBuilder::new(503)
                .header(Name::RetryAfter, self.config.retry_after_s.to_string());
            return self.respond_stateless(&message, hop, r);
        }
        self.open(tick, hop, message, key, merge);
    }

    /// Answers a stranger's request, if there have not been too many.
    fn turn_away(&mut self, tick: Tick, hop: Hop, message: &Message, status: u16) {
        self.counters.strangers += 1;
        if self.allowance.take(tick) {
            self.respond_stateless(message, hop, ResponseBuilder::new(status));
        } else {
            self.counters.unanswered += 1;
        }
    }

    /// How many server transactions may be there before this request is refused.
    fn room_for(&self, message: &Message) -> usize {
        let all = self.config.transactions_max;
        if message.to().tag().is_some() {
            all
        } else {
            all - all / 8
        }
    }

    fn open(&mut self, tick: Tick, hop: Hop, message: Message, key: u128, merge: Option<u64>) {
        let via = message.top_via();
        let machine = match message.cseq_method() {
            Method::Invite => ServerMachine::Invite(InviteServer::new(tick)),
            _ => ServerMachine::Other(NonInviteServer::new(tick, self.rules(hop))),
        };
        let deadline = machine.deadline();
        let server = Server {
            key,
            merge,
            request: Some(Box::new(message.clone())),
            source: hop,
            fallback_port: sent_by_port(&via),
            cancelled: false,
            machine: Some(machine),
        };
        let id = self
            .table
            .insert(reply_hop(&via, hop), Transaction::Server(server));
        if let Some(deadline) = deadline {
            self.wheel.set(id.index, deadline);
        }
        self.events.push_back(Event::Request {
            tx: ServerTx(id),
            message,
            hop,
        });
    }

    pub(super) fn on_ack(&mut self, tick: Tick, hop: Hop, message: Message) {
        let key = self.secrets.server_key(&message, &Method::Invite);
        let told = match self.table.find(key) {
            Some(index) => self.server_step(index, |machine, context| {
                machine.step(|invite| invite.on_ack(tick, context.rules), Step::to)
            }),
            None if self.secrets.is_own_tag(&message) => None,
            None => Some(Tell::Message),
        };
        if told == Some(Tell::Message) {
            self.events.push_back(Event::Ack { message, hop });
        }
    }

    /// §9.2. The answer needs no transaction: see the module's page.
    pub(super) fn on_cancel(
        &mut self,
        tick: Tick,
        hop: Hop,
        message: Message,
        known: impl Fn(Option<&[u8]>) -> bool,
    ) {
        let key = self.secrets.server_key(&message, &Method::Invite);
        let Some((index, (server, _))) = self
            .table
            .find(key)
            .and_then(|index| Some((index, self.table.server(index)?)))
        else {
            if !known(None) {
                return self.turn_away(tick, hop, &message, 481);
            }
            return self.respond_stateless(&message, hop, ResponseBuilder::new(481));
        };
        let machine = server.machine.as_ref();
        let is_news = machine.is_some_and(ServerMachine::is_open) && !server.cancelled;
        server.cancelled = true;
        // §9.2: the To tag of the answer to CANCEL should be that of the answer to the INVITE.
        let tag = machine
            .and_then(ServerMachine::last_response)
            .and_then(matching::tag_in_response);
        let r = ResponseBuilder::new(200);
        self.respond_stateless(
            &message,
            hop,
            match tag {
                Some(tag) => r.to_tag(&tag),
                None => r,
            },
        );
        if let (true, Some(id)) = (is_news, self.table.id(index)) {
            self.events.push_back(Event::Cancel {
                invite: ServerTx(id),
                message,
            });
        }
    }

    pub(super) fn server_timer(&mut self, tick: Tick, index: u32) {
        let was = self.transmits.len();
        self.server_step(index, |machine, context| {
            let trying = || {
                context
                    .request
                    .map(|r| ResponseBuilder::new(100).encode(r, context.remote))
            };
            machine.step(
                |invite| invite.on_timer(tick, context.rules, trying),
                |other| other.on_timer(tick),
            )
        });
        // A 100 is the only thing that a timer says for the first time.
        let is_final = self
            .table
            .server(index)
            .is_some_and(|(server, _)| server.request.is_none());
        self.counters.retransmitted += u64::from(is_final && self.transmits.len() > was);
    }

    /// A lost connection is replaced once by one to sent-by, and the last answer sent there (§18.2.2).
    pub(super) fn server_transport_error(&mut self, index: u32, failed: Hop) {
        let Some((server, hop)) = self.table.server(index) else {
            return;
        };
        if failed.conn.is_some() && hop.conn == failed.conn {
            *hop = fallback_hop(server.fallback_port, *hop);
            let (hop, last) = (
                *hop,
                server
                    .machine
                    .as_ref()
                    .and_then(ServerMachine::last_response)
                    .cloned(),
            );
            if let Some(bytes) = last {
                self.send(hop, bytes);
            }
            return;
        }
        self.server_step(index, |machine, _| {
            machine.step(
                InviteServer::on_transport_error,
                NonInviteServer::on_transport_error,
            )
        });
    }

    /// Gives one input to a machine and does what comes of it; what concerns a message is given back.
    fn server_step(
        &mut self,
        index: u32,
        input: impl FnOnce(ServerMachine, Context<'_>) -> Step<ServerMachine>,
    ) -> Option<Tell> {
        let id = ServerTx(self.table.id(index)?);
        let timers = self.timers;
        let (server, hop) = self.table.server(index)?;
        let hop = *hop;
        let context = Context {
            rules: Rules {
                timers,
                reliable: hop.transport.is_reliable(),
            },
            request: server.request.as_deref(),
            remote: server.source.remote,
        };
        let Step {
            next, send, tell, ..
        } = input(server.machine.take()?, context);
        let deadline = next.as_ref().map(ServerMachine::deadline);
        server.machine = next;
        match deadline {
            Some(Some(deadline)) => self.wheel.set(index, deadline),
            Some(None) => self.wheel.cancel(index),
            None => {
                self.wheel.cancel(index);
                self.table.remove(index);
            }
        }
        if let Some(bytes) = send {
            self.send(hop, bytes);
        }
        match tell {
            Some(Tell::Timeout) => self.events.push_back(Event::ServerTimeout { tx: id }),
            Some(Tell::TransportError) => self
                .events
                .push_back(Event::ServerTransportError { tx: id }),
            Some(Tell::Message) | None => {}
        }
        tell
    }
}
