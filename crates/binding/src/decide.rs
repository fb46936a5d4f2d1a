//! What is to be done with a call to X, for every kind of binding.

use crate::kinds::Extension;
use crate::route::{Decision, Refusal, Route, RouteKind};
use crate::table::Table;
use crate::types::Policy;
use axbridge_numbering::Number;
use std::sync::Arc;

impl Table {
    /// What is to be done with a call from `caller` to `x` at this moment.
    pub fn decide(&self, x: Number, caller: Number, wall_ms: u64) -> Result<Decision, Refusal> {
        let info = self.number(x).ok_or(Refusal::UnknownNumber)?;
        let app = info.app;
        if !info.status.serves_calls() {
            return Err(Refusal::NumberUnusable { app });
        }
        match info.mode {
            RouteKind::Axb => self
                .route_with_policy(x, caller, wall_ms)
                .map(|(route, policy)| Decision::Connect(route, policy)),
            RouteKind::Ax => Err(Refusal::NoAxBinding { app }),
            RouteKind::Axe => Ok(Decision::Menu { app, x }),
            RouteKind::Axyb => Err(Refusal::NoAxybBinding { app }),
            RouteKind::X => Ok(Decision::AskCustomer {
                app,
                x,
                trunk: info.trunk,
            }),
        }
    }

    /// Where a call to `x` goes of which the caller has keyed this extension (AXE).
    pub fn extension(
        &self,
        x: Number,
        _extension: Extension,
        _caller: Number,
        _wall_ms: u64,
    ) -> Result<(Route, Arc<Policy>), Refusal> {
        let info = self.number(x).ok_or(Refusal::UnknownNumber)?;
        Err(Refusal::BadExtension { app: info.app })
    }

    /// A's call to `x`, sent to the number that the application has set for want of a callback record (AXE,
    /// after [`Refusal::NoCallBack`]).
    pub fn call_back_to(
        &self,
        x: Number,
        a: Number,
        callee: Number,
        wall_ms: u64,
    ) -> Result<(Route, Arc<Policy>), Refusal> {
        let _ = callee;
        self.route_with_policy(x, a, wall_ms)
    }
}
