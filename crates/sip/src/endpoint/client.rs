//! Client side: requests that we send, and the responses.

use super::matching;
use super::table::{Client, ClientMachine, Transaction, client_key};
use super::{ClientTx, Endpoint, Event};
use crate::build::RequestBuilder;
use crate::limits::Limits;
use crate::message::{Message, Source};
use crate::method::Method;
use crate::timer::Tick;
use crate::transaction::{InviteClient, NonInviteClient, Rules, Step, Tell};
use crate::transport::Hop;
use bytes::Bytes;
use std::time::Instant;

impl Endpoint {
    /// Sends a request by `hop` in a transaction of its own; Via is added. Not for ACK ([`Endpoint::send_ack`]) nor CANCEL
    /// ([`Endpoint::cancel`]). With too many transactions already it is not sent, which is told as a transport error.
    pub fn request(&mut self, now: Instant, hop: Hop, r: RequestBuilder) -> ClientTx {
        debug_assert!(!matches!(r.method(), Method::Ack | Method::Cancel));
        let tick = self.tick_up(now);
        if self.table.clients() >= self.config.transactions_max {
            let tx = ClientTx(self.table.burnt_id());
            self.counters.refused += 1;
            self.events.push_back(Event::ClientTransportError { tx });
            return tx;
        }
        let token = self.secrets.token();
        let is_invite = *r.method() == Method::Invite;
        let bytes = self.with_via(hop, token, r).encode();
        let rules = self.rules(hop);
        let machine = if is_invite {
            ClientMachine::Invite(InviteClient::new(bytes.clone(), tick, rules))
        } else {
            ClientMachine::Other(NonInviteClient::new(bytes.clone(), tick, rules))
        };
        self.start(
            hop,
            bytes,
            Client {
                token,
                internal: false,
                machine: Some(machine),
            },
        )
    }

    fn start(&mut self, hop: Hop, bytes: Bytes, client: Client) -> ClientTx {
        let deadline = client.machine.as_ref().and_then(ClientMachine::deadline);
        let id = self.table.insert(hop, Transaction::Client(client));
        if let Some(deadline) = deadline {
            self.wheel.set(id.index, deadline);
        }
        self.send(hop, bytes);
        ClientTx(id)
    }

    /// Cancels an INVITE of ours (§9.1): at once if a provisional response came, else when the first one does; after a final
    /// response nothing. If no final response follows within 64*T1 of the CANCEL, [`Event::ClientTimeout`] is told.
    pub fn cancel(&mut self, now: Instant, tx: ClientTx) {
        let tick = self.tick_up(now);
        let Some(index) = self.table.resolve(tx.0) else {
            return;
        };
        self.client_step(tick, index, |machine, rules| {
            machine.step(|invite| invite.on_cancel(tick, rules), Step::to)
        });
    }

    pub(super) fn on_response(&mut self, tick: Tick, hop: Hop, message: Message) {
        let is_cancel = *message.cseq_method() == Method::Cancel;
        let found = matching::token(&message)
            .and_then(|token| self.table.find(client_key(token, is_cancel)));
        let (Some(index), Some(status)) = (found, message.status()) else {
            self.counters.stray_responses += 1;
            return;
        };
        let Some((client, own_hop)) = self.table.client(index) else {
            return;
        };
        // §17.1.3: the branch alone does not make it a response to this request.
        let method = message.cseq_method();
        let fits = match &client.machine {
            Some(ClientMachine::Invite(_)) => *method == Method::Invite,
            Some(ClientMachine::Other(machine)) => machine.is_method(method.as_str()),
            None => false,
        };
        if !fits {
            self.counters.stray_responses += 1;
            return;
        }
        // ACK and CANCEL go by the connection that the driver chose for the INVITE.
        if own_hop.conn.is_none()
            && own_hop.remote == hop.remote
            && own_hop.transport == hop.transport
        {
            own_hop.conn = hop.conn;
        }
        let Some(tx) = self.table.id(index).map(ClientTx) else {
            return;
        };
        let told = self.client_step(tick, index, |machine, rules| {
            let ack = |request: &Bytes| make_ack(request, &message);
            machine.step(
                |invite| invite.on_response(tick, rules, status, ack),
                |other| other.on_response(tick, rules, status),
            )
        });
        if told == Some(Tell::Message) {
            self.events.push_back(Event::Response { tx, message, hop });
        }
    }

    pub(super) fn client_timer(&mut self, tick: Tick, index: u32) {
        let was = self.transmits.len();
        self.client_step(tick, index, |machine, rules| {
            machine.step(
                |invite| invite.on_timer(tick),
                |other| other.on_timer(tick, rules),
            )
        });
        self.counters.retransmitted += (self.transmits.len() - was) as u64;
    }

    pub(super) fn client_transport_error(&mut self, tick: Tick, index: u32) {
        self.client_step(tick, index, |machine, _| {
            machine.step(
                InviteClient::on_transport_error,
                NonInviteClient::on_transport_error,
            )
        });
    }

    /// Gives one input to a machine and does what comes of it; what concerns a message of the user's is given back.
    fn client_step(
        &mut self,
        tick: Tick,
        index: u32,
        input: impl FnOnce(ClientMachine, Rules) -> Step<ClientMachine>,
    ) -> Option<Tell> {
        let tx = ClientTx(self.table.id(index)?);
        let timers = self.timers;
        let (client, hop) = self.table.client(index)?;
        let hop = *hop;
        let rules = Rules {
            timers,
            reliable: hop.transport.is_reliable(),
        };
        let internal = client.internal;
        let Step {
            next,
            send,
            tell,
            cancel,
        } = input(client.machine.take()?, rules);
        let deadline = next.as_ref().map(ClientMachine::deadline);
        client.machine = next;
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
        if cancel {
            self.start_cancel(tick, index);
        }
        match tell.filter(|_| !internal) {
            Some(Tell::Timeout) => self.events.push_back(Event::ClientTimeout { tx }),
            Some(Tell::TransportError) => self.events.push_back(Event::ClientTransportError { tx }),
            other => return other,
        }
        None
    }

    /// The CANCEL's own transaction, whose end nobody is told: the INVITE's says all.
    fn start_cancel(&mut self, tick: Tick, invite: u32) {
        let Some((client, hop)) = self.table.client(invite) else {
            return;
        };
        let (token, hop) = (client.token, *hop);
        let Some(ClientMachine::Invite(machine)) = &client.machine else {
            return;
        };
        let Some(sent) = machine.request().and_then(read_own) else {
            return;
        };
        let bytes = RequestBuilder::cancel_for(&sent).encode();
        let machine = NonInviteClient::new(bytes.clone(), tick, self.rules(hop));
        self.start(
            hop,
            bytes,
            Client {
                token,
                internal: true,
                machine: Some(ClientMachine::Other(machine)),
            },
        );
    }
}

/// Reads what we wrote ourselves, however large.
fn read_own(bytes: &Bytes) -> Option<Message> {
    let limits = Limits {
        message_max: usize::MAX,
        head_max: usize::MAX,
        headers_max: usize::MAX,
        header_max: usize::MAX,
    };
    Message::parse_with(bytes.clone(), &limits, Source::Datagram).ok()
}

/// §17.1.1.3. An INVITE of ours that cannot be read gets no ACK rather than a wrong one.
fn make_ack(request: &Bytes, response: &Message) -> Option<Bytes> {
    read_own(request).map(|sent| RequestBuilder::ack_for(&sent, response).encode())
}
