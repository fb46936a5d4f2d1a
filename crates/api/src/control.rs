//! What the API asks of the call side, without knowing it: live calls and their end.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axbridge_call::Trace;
use serde::Serialize;

/// One call in progress; numbers are masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LiveCall {
    /// The call, as in events and records.
    pub session_id: Arc<str>,
    /// The application's key.
    pub app_key: Arc<str>,
    /// The binding that decided the route.
    pub subscription_id: Option<Arc<str>>,
    /// Who calls, masked.
    pub caller: String,
    /// The private number, masked.
    pub x: String,
    /// Who is called, masked.
    pub callee: Option<String>,
    /// `incoming`, `calling`, `ringing`, `talking` or `ending`.
    pub phase: &'static str,
    /// When it reached X, Unix milliseconds.
    pub began_ms: u64,
    /// When it was answered, Unix milliseconds.
    pub answered_ms: Option<u64>,
}

/// What came of the wish to end a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopOutcome {
    /// The call is being released.
    Stopping,
    /// No live call has this session identifier.
    NoSuchCall,
    /// The call belongs to another application.
    NotYours,
}

/// The answer to [`CallControl::stop_call`], when it comes.
pub type Stopping<'a> = Pin<Box<dyn Future<Output = StopOutcome> + Send + 'a>>;

/// A change of a running call; absent = unchanged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallChange {
    /// Its new limit.
    pub limit: Option<NewLimit>,
    /// Seconds before the limit at which the last-minute voice plays; 0: it does not.
    pub warn_before_s: Option<u16>,
}

/// The new limit of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewLimit {
    /// Seconds from the callee's answer; one that is over already ends the call. 0: no limit.
    FromAnswer(u32),
    /// So many seconds later than now set. A call without a limit stays without.
    Later(u32),
}

/// What came of the wish to change a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// It is changed.
    Changed {
        /// When the call will end, Unix milliseconds; `None`: not answered yet, or no limit.
        ends_at_ms: Option<u64>,
    },
    /// No live call has this session identifier.
    NoSuchCall,
    /// The call belongs to another application.
    NotYours,
}

/// The answer to [`CallControl::change_call`], when it comes.
pub type Changing<'a> = Pin<Box<dyn Future<Output = ChangeOutcome> + Send + 'a>>;

/// The trace of a call in progress: what was decided in it and why. `None`: there is no such call, or it is another
/// application's.
pub type Tracing<'a> = Pin<Box<dyn Future<Output = Option<Trace>> + Send + 'a>>;

/// The call side, implemented by the engine's handle.
pub trait CallControl: Send + Sync + 'static {
    /// The calls of this moment, at most `limit`, oldest first.
    fn live_calls(&self, limit: usize) -> Vec<LiveCall>;

    /// Releases both legs of a call. `app_key`: only if the call is this application's; `None`: the operator's wish.
    /// Ready as soon as the call's owner has taken it; the release itself is told by the call's facts.
    fn stop_call<'a>(&'a self, session_id: &'a str, app_key: Option<&'a str>) -> Stopping<'a>;

    /// Changes the limit of a call of this application. Ready when the call's owner has taken it.
    fn change_call<'a>(
        &'a self,
        session_id: &'a str,
        app_key: &'a str,
        change: CallChange,
    ) -> Changing<'a> {
        let _ = (session_id, app_key, change);
        Box::pin(async { ChangeOutcome::NoSuchCall })
    }

    /// The trace of a call in progress, as far as it has come. `app_key`: only if the call is this application's.
    fn trace<'a>(&'a self, session_id: &'a str, app_key: Option<&'a str>) -> Tracing<'a> {
        let _ = (session_id, app_key);
        Box::pin(async { None })
    }
}

/// A node without calls, for tests and for tools that run the API alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCalls;

impl CallControl for NoCalls {
    fn live_calls(&self, _limit: usize) -> Vec<LiveCall> {
        Vec::new()
    }

    fn stop_call<'a>(&'a self, _session_id: &'a str, _app_key: Option<&'a str>) -> Stopping<'a> {
        Box::pin(async { StopOutcome::NoSuchCall })
    }
}
