//! What the API may ask of the engine.

use axbridge_api::{CallControl, LiveCall, StopOutcome, Stopping};
use axbridge_call::StoppedBy;
use axbridge_engine::EngineHandle;

/// The engine, as the API sees it.
pub struct EngineControl {
    engine: EngineHandle,
}

impl EngineControl {
    /// Over a running engine.
    pub fn new(engine: EngineHandle) -> Self {
        EngineControl { engine }
    }
}

impl CallControl for EngineControl {
    fn live_calls(&self, limit: usize) -> Vec<LiveCall> {
        let mut calls = self.engine.live_calls();
        calls.sort_by_key(|c| c.began_ms);
        calls.truncate(limit);
        calls
            .into_iter()
            .map(|c| LiveCall {
                session_id: c.session_id,
                app_key: c.app_key,
                subscription_id: c.subscription_id,
                caller: c.caller,
                x: c.x,
                callee: c.callee,
                phase: c.phase.as_str(),
                began_ms: c.began_ms,
                answered_ms: c.answered_ms,
            })
            .collect()
    }

    fn stop_call<'a>(&'a self, session_id: &'a str, app_key: Option<&'a str>) -> Stopping<'a> {
        Box::pin(async move {
            let Some(call) = self.engine.live_call(session_id) else {
                return StopOutcome::NoSuchCall;
            };
            if app_key.is_some_and(|key| *key != *call.app_key) {
                return StopOutcome::NotYours;
            }
            let by = match app_key {
                Some(_) => StoppedBy::Application,
                None => StoppedBy::Operator,
            };
            // The call may have ended between the look and the wish.
            match self.engine.stop_call(session_id, by).await {
                true => StopOutcome::Stopping,
                false => StopOutcome::NoSuchCall,
            }
        })
    }
}
