//! What the API may ask of the engine.

use axbridge_api::{
    CallChange, CallControl, ChangeOutcome, Changing, LiveCall, NewLimit, StopOutcome, Stopping,
    Tracing,
};
use axbridge_call::{LimitChange, NewLength, StoppedBy};
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

    fn change_call<'a>(
        &'a self,
        session_id: &'a str,
        app_key: &'a str,
        change: CallChange,
    ) -> Changing<'a> {
        Box::pin(async move {
            let Some(call) = self.engine.live_call(session_id) else {
                return ChangeOutcome::NoSuchCall;
            };
            if *app_key != *call.app_key {
                return ChangeOutcome::NotYours;
            }
            let change = LimitChange {
                length: change.limit.map(|limit| match limit {
                    NewLimit::FromAnswer(s) => NewLength::FromAnswer(s),
                    NewLimit::Later(s) => NewLength::Later(s),
                }),
                warn_before_s: change.warn_before_s,
            };
            // The call may have ended between the look and the wish, or nobody is being called yet.
            match self.engine.change_limit(session_id, change).await {
                Some(limit) => ChangeOutcome::Changed {
                    ends_at_ms: limit.ends_at_ms,
                },
                None => ChangeOutcome::NoSuchCall,
            }
        })
    }

    fn trace<'a>(&'a self, session_id: &'a str, app_key: Option<&'a str>) -> Tracing<'a> {
        Box::pin(async move {
            let call = self.engine.live_call(session_id)?;
            if app_key.is_some_and(|key| *key != *call.app_key) {
                return None;
            }
            self.engine.trace(session_id).await
        })
    }
}
