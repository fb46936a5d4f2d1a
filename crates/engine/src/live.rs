//! The calls of this moment, for operators. Kept from the facts, so it can say nothing that was not told.

use std::sync::Arc;

use axbridge_call::{Fact, FactKind};
use dashmap::DashMap;

/// One call in progress. Numbers are masked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LiveCallInfo {
    /// The call.
    pub session_id: Arc<str>,
    /// The application's key.
    pub app_key: Arc<str>,
    /// The binding, if one decided the route.
    pub subscription_id: Option<Arc<str>>,
    /// The shard that owns it.
    pub shard: usize,
    /// Who calls.
    pub caller: String,
    /// The private number.
    pub x: String,
    /// Who is called, once known.
    pub callee: Option<String>,
    /// How far it has come.
    pub phase: Phase,
    /// When it reached X, Unix milliseconds.
    pub began_ms: u64,
    /// When it was answered, Unix milliseconds.
    pub answered_ms: Option<u64>,
}

/// How far a call has come.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Reached X.
    Incoming,
    /// The callee is being called.
    Calling,
    /// The callee's phone rings.
    Ringing,
    /// The parties talk.
    Talking,
    /// Over; the record is being made.
    Ending,
}

impl Phase {
    /// As the operator API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Incoming => "incoming",
            Phase::Calling => "calling",
            Phase::Ringing => "ringing",
            Phase::Talking => "talking",
            Phase::Ending => "ending",
        }
    }
}

/// All live calls of all shards, by session identifier.
#[derive(Default)]
pub struct LiveCalls {
    calls: DashMap<Arc<str>, LiveCallInfo, foldhash::fast::RandomState>,
}

impl LiveCalls {
    /// Follows what `shard` tells.
    pub fn note(&self, shard: usize, fact: &Fact) {
        if let FactKind::CallIn { caller, called, .. } = &fact.kind {
            let info = LiveCallInfo {
                session_id: Arc::clone(&fact.session_id),
                app_key: Arc::clone(&fact.app_key),
                subscription_id: fact.subscription_id.clone(),
                shard,
                caller: mask(caller),
                x: mask(called),
                callee: None,
                phase: Phase::Incoming,
                began_ms: fact.at_ms,
                answered_ms: None,
            };
            self.calls.insert(Arc::clone(&fact.session_id), info);
            return;
        }
        if matches!(fact.kind, FactKind::Record(_)) {
            self.calls.remove(&fact.session_id);
            return;
        }
        let Some(mut info) = self.calls.get_mut(&fact.session_id) else {
            return;
        };
        if info.subscription_id.is_none() {
            info.subscription_id.clone_from(&fact.subscription_id);
        }
        match &fact.kind {
            FactKind::CallOut { called, .. } => {
                info.callee = Some(mask(called));
                info.phase = Phase::Calling;
            }
            FactKind::Alerting { .. } => info.phase = Phase::Ringing,
            FactKind::Answer { .. } => {
                info.phase = Phase::Talking;
                info.answered_ms = Some(fact.at_ms);
            }
            FactKind::Disconnect { .. } => info.phase = Phase::Ending,
            _ => {}
        }
    }

    /// All of them, in no order.
    pub fn list(&self) -> Vec<LiveCallInfo> {
        self.calls
            .iter()
            .map(|entry| entry.value().clone())
            .collect()
    }

    /// One of them.
    pub fn get(&self, session_id: &str) -> Option<LiveCallInfo> {
        self.calls
            .get(session_id)
            .map(|entry| entry.value().clone())
    }

    /// The shard that owns a call.
    pub fn shard_of(&self, session_id: &str) -> Option<usize> {
        self.calls.get(session_id).map(|info| info.shard)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.calls.len()
    }
}

/// A number as an operator may see it in a list.
fn mask(number: &str) -> String {
    axbridge_numbering::Number::parse_global(number)
        .map_or_else(|_| String::new(), |number| number.to_string())
}
