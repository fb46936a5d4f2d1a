//! The transactions themselves: a slab whose ids outlive what they name, and the index by message.

use crate::message::Message;
use crate::timer::Tick;
use crate::transaction::{InviteClient, InviteServer, NonInviteClient, NonInviteServer, Step};
use crate::transport::Hop;
use bytes::Bytes;
use slab::Slab;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// Place and generation: a place is used again, a generation is not (for four thousand million transactions).
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, Ord, PartialOrd)]
pub(super) struct Id {
    pub(super) index: u32,
    generation: u32,
}

/// Our keys are hashes already.
#[derive(Default)]
pub(super) struct Plain(u64);

impl Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64;
    }
}

type Plainly = BuildHasherDefault<Plain>;

/// A server transaction's machine.
pub(super) enum ServerMachine {
    Invite(InviteServer),
    Other(NonInviteServer),
}

impl ServerMachine {
    pub(super) fn is_open(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_open(),
            Self::Other(machine) => machine.is_open(),
        }
    }

    pub(super) fn last_response(&self) -> Option<&Bytes> {
        match self {
            Self::Invite(machine) => machine.last_response(),
            Self::Other(machine) => machine.last_response(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        match self {
            Self::Invite(machine) => machine.deadline(),
            Self::Other(machine) => machine.deadline(),
        }
    }

    /// One input, to whichever machine it is.
    pub(super) fn step(
        self,
        invite: impl FnOnce(InviteServer) -> Step<InviteServer>,
        other: impl FnOnce(NonInviteServer) -> Step<NonInviteServer>,
    ) -> Step<ServerMachine> {
        match self {
            Self::Invite(machine) => invite(machine).map(Self::Invite),
            Self::Other(machine) => other(machine).map(Self::Other),
        }
    }
}

/// A client transaction's machine.
pub(super) enum ClientMachine {
    Invite(InviteClient),
    Other(NonInviteClient),
}

impl ClientMachine {
    pub(super) fn deadline(&self) -> Option<Tick> {
        match self {
            Self::Invite(machine) => machine.deadline(),
            Self::Other(machine) => machine.deadline(),
        }
    }

    /// One input, to whichever machine it is.
    pub(super) fn step(
        self,
        invite: impl FnOnce(InviteClient) -> Step<InviteClient>,
        other: impl FnOnce(NonInviteClient) -> Step<NonInviteClient>,
    ) -> Step<ClientMachine> {
        match self {
            Self::Invite(machine) => invite(machine).map(Self::Invite),
            Self::Other(machine) => other(machine).map(Self::Other),
        }
    }
}

/// A server transaction.
pub(super) struct Server {
    pub(super) key: u128,
    pub(super) merge: Option<u64>,
    /// The request, until its final answer.
    pub(super) request: Option<Box<Message>>,
    /// Where it came from, as Via is to say.
    pub(super) source: Hop,
    /// Port of sent-by: where to connect if the connection is lost.
    pub(super) fallback_port: u16,
    /// A CANCEL was told to the user.
    pub(super) cancelled: bool,
    /// `None` only while a step is taken.
    pub(super) machine: Option<ServerMachine>,
}

/// A client transaction.
pub(super) struct Client {
    pub(super) token: u64,
    /// Our own CANCEL, of which the user hears nothing.
    pub(super) internal: bool,
    /// `None` only while a step is taken.
    pub(super) machine: Option<ClientMachine>,
}

impl Client {
    fn key(&self) -> u128 {
        client_key(self.token, self.internal)
    }
}

/// A CANCEL has the branch of its INVITE.
pub(super) fn client_key(token: u64, is_cancel: bool) -> u128 {
    u128::from(is_cancel) << 64 | u128::from(token)
}

/// Either kind.
pub(super) enum Transaction {
    Server(Server),
    Client(Client),
}

struct Entry {
    generation: u32,
    /// Where this transaction's messages go.
    hop: Hop,
    transaction: Transaction,
}

/// All transactions.
#[derive(Default)]
pub(super) struct Table {
    entries: Slab<Entry>,
    by_key: HashMap<u128, u32, Plainly>,
    merges: HashSet<u64, Plainly>,
    clients: usize,
    generation: u32,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn clients(&self) -> usize {
        self.clients
    }

    pub(super) fn servers(&self) -> usize {
        self.entries.len() - self.clients
    }

    /// The transaction of that key.
    pub(super) fn find(&self, key: u128) -> Option<u32> {
        self.by_key.get(&key).copied()
    }

    /// Whether a request with this merge key is in a transaction.
    pub(super) fn is_merged(&self, merge: u64) -> bool {
        self.merges.contains(&merge)
    }

    /// An id that names nothing.
    pub(super) fn burnt_id(&mut self) -> Id {
        Id {
            index: u32::MAX,
            generation: self.next_generation(),
        }
    }

    fn next_generation(&mut self) -> u32 {
        self.generation = self.generation.wrapping_add(1);
        self.generation
    }

    pub(super) fn insert(&mut self, hop: Hop, transaction: Transaction) -> Id {
        let key = match &transaction {
            Transaction::Server(server) => {
                self.merges.extend(server.merge);
                server.key
            }
            Transaction::Client(client) => {
                self.clients += 1;
                client.key()
            }
        };
        let generation = self.next_generation();
        let index = self.entries.insert(Entry {
            generation,
            hop,
            transaction,
        }) as u32;
        self.by_key.insert(key, index);
        Id { index, generation }
    }

    pub(super) fn remove(&mut self, index: u32) {
        let Some(entry) = self.entries.try_remove(index as usize) else {
            return;
        };
        let key = match entry.transaction {
            Transaction::Server(server) => {
                if let Some(merge) = server.merge {
                    self.merges.remove(&merge);
                }
                server.key
            }
            Transaction::Client(client) => {
                self.clients -= 1;
                client.key()
            }
        };
        self.by_key.remove(&key);
    }

    fn entry(&mut self, index: u32) -> Option<&mut Entry> {
        self.entries.get_mut(index as usize)
    }

    /// The place of an id, if what it names still lives.
    pub(super) fn resolve(&self, id: Id) -> Option<u32> {
        self.entries
            .get(id.index as usize)
            .filter(|entry| entry.generation == id.generation)
            .map(|_| id.index)
    }

    pub(super) fn id(&self, index: u32) -> Option<Id> {
        self.entries.get(index as usize).map(|entry| Id {
            index,
            generation: entry.generation,
        })
    }

    pub(super) fn is_client(&self, index: u32) -> bool {
        self.entries
            .get(index as usize)
            .is_some_and(|entry| matches!(entry.transaction, Transaction::Client(_)))
    }

    pub(super) fn server(&mut self, index: u32) -> Option<(&mut Server, &mut Hop)> {
        match self.entry(index)? {
            Entry {
                transaction: Transaction::Server(server),
                hop,
                ..
            } => Some((server, hop)),
            Entry {
                transaction: Transaction::Client(_),
                ..
            } => None,
        }
    }

    pub(super) fn client(&mut self, index: u32) -> Option<(&mut Client, &mut Hop)> {
        match self.entry(index)? {
            Entry {
                transaction: Transaction::Client(client),
                hop,
                ..
            } => Some((client, hop)),
            Entry {
                transaction: Transaction::Server(_),
                ..
            } => None,
        }
    }

    pub(super) fn request(&self, id: Id) -> Option<&Message> {
        match &self.entries.get(self.resolve(id)? as usize)?.transaction {
            Transaction::Server(server) => server.request.as_deref(),
            Transaction::Client(_) => None,
        }
    }

    /// The transactions that a failure of `hop` concerns. One that left the choice of a connection to the driver is concerned by
    /// the loss of any to the same address.
    pub(super) fn using(&self, hop: Hop) -> Vec<u32> {
        let same_path = |own: Hop| {
            own.transport == hop.transport
                && own.local == hop.local
                && own.remote == hop.remote
                && (own.conn == hop.conn || own.conn.is_none())
        };
        self.entries
            .iter()
            .filter(|(_, entry)| same_path(entry.hop))
            .map(|(index, _)| index as u32)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_small() {
        // Beside this: 24 bytes of wheel, some 40 of index, a boxed message until the final answer, and message buffers.
        let bytes = size_of::<Entry>();
        println!(
            "{bytes} bytes for an entry, {} for a message's index",
            size_of::<Message>()
        );
        assert!(bytes <= 320, "{bytes}");
    }
}
