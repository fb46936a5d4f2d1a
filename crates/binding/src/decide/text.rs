//! Who may text whom through X: AXB, AX and X mode; the other kinds carry no texts.
//!
//! Directions and the temporary callee are rules of calls and say nothing about texts; `privateSms` is the rule of
//! a binding that does, and it comes with the policy.

use std::sync::Arc;

use axbridge_numbering::Number;

use super::{Dialled, Standing, Towards};
use crate::entry::{Packed, Party, direction_key};
use crate::route::{Route, RouteKind};
use crate::table::{SIDE_TRIES, Table};
use crate::types::{AppId, NumberInfo, Policy};

/// What is to be done with a text to X.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TextDecision {
    /// It goes to the other side of the binding, by these rules. `show_caller` of the route does not count: the
    /// sender shown is X.
    Forward(Route, Arc<Policy>),
    /// AX: A texts. For whom it is stands in the text, or the customer says it. `callee` of the route is A.
    FromA(Route, Arc<Policy>),
    /// X mode: the customer says for whom it is.
    AskCustomer {
        /// What X is.
        info: NumberInfo,
    },
}

/// Why a text to X is not carried.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum TextRefusal {
    /// X is not a number of this platform.
    UnknownNumber,
    /// X is suspended or unavailable, or turned off (AX, `turnFlag`).
    NumberUnusable {
        /// The application that X belongs to.
        app: AppId,
    },
    /// Nobody is bound to X, or the sender is not.
    NoBinding {
        /// The application that X belongs to.
        app: AppId,
    },
    /// The mode of the application carries no texts (AXE, AXYB).
    NoTexts {
        /// The application that X belongs to.
        app: AppId,
    },
}

impl TextRefusal {
    /// The application that X belongs to, if X is known.
    pub fn app(self) -> Option<AppId> {
        match self {
            TextRefusal::UnknownNumber => None,
            TextRefusal::NumberUnusable { app }
            | TextRefusal::NoBinding { app }
            | TextRefusal::NoTexts { app } => Some(app),
        }
    }
}

impl Table {
    /// What is to be done with a text from `sender` to `x` at this moment.
    pub fn decide_text(
        &self,
        x: Number,
        sender: Number,
        wall_ms: u64,
    ) -> Result<TextDecision, TextRefusal> {
        let info = self.number(x).ok_or(TextRefusal::UnknownNumber)?;
        let app = info.app;
        if !info.status.serves_calls() {
            return Err(TextRefusal::NumberUnusable { app });
        }
        let sent = Dialled {
            x,
            info,
            caller: sender,
            wall_ms,
        };
        match info.mode {
            RouteKind::Axb => self
                .text_on_axb(&sent)
                .map(|(route, policy)| TextDecision::Forward(route, policy))
                .ok_or(TextRefusal::NoBinding { app }),
            RouteKind::Ax => self.text_on_ax(&sent),
            RouteKind::X => Ok(TextDecision::AskCustomer { info }),
            RouteKind::Axe | RouteKind::Axyb => Err(TextRefusal::NoTexts { app }),
        }
    }

    fn text_on_axb(&self, sent: &Dialled) -> Option<(Route, Arc<Policy>)> {
        let party = Party::Caller(sent.caller);
        let hash = self.hash.of_direction(sent.x, party);
        let key = direction_key(sent.x, party);
        let shard = self.shard(self.hash.of_number(sent.x));
        for _ in 0..SIDE_TRIES {
            let side = Packed(shard.directions.find(hash, key)?);
            if side.is_expired(sent.wall_ms) || side.kind() != Some(RouteKind::Axb) {
                return None;
            }
            let callee = side.other()?;
            let user_data = match side.handle() {
                0 => None,
                handle => self.user_data.get(handle, side.subscription()),
            };
            // Changed between the reads: once more.
            if let Some(policy) = self.policies.get(side.policy())
                && user_data.is_some() == (side.handle() != 0)
                && shard.directions.find(hash, key) == Some(side.0)
            {
                let route = axb_route(&side, sent, callee, user_data);
                return Some((route, policy));
            }
        }
        None
    }

    fn text_on_ax(&self, sent: &Dialled) -> Result<TextDecision, TextRefusal> {
        let app = sent.info.app;
        let at = self.standing(sent.x, Party::Anyone, sent.wall_ms);
        let Some((at, ax)) = at.as_ref().and_then(Standing::ax) else {
            return Err(TextRefusal::NoBinding { app });
        };
        if sent.caller == ax.a {
            let towards = Towards::from_a(ax.a, ax.user_data.as_ref());
            let (route, policy) = at.route(sent, &towards);
            return Ok(TextDecision::FromA(route, policy));
        }
        if ax.turned_off {
            return Err(TextRefusal::NumberUnusable { app });
        }
        let (route, policy) = at.route(sent, &Towards::a_of_ax(ax));
        Ok(TextDecision::Forward(route, policy))
    }
}

fn axb_route(side: &Packed, sent: &Dialled, callee: Number, user_data: Option<Arc<str>>) -> Route {
    let caller_is_a = side.caller_is_a();
    Route {
        app: sent.info.app,
        trunk: sent.info.trunk,
        kind: RouteKind::Axb,
        callee,
        display: sent.x,
        show_caller: false,
        caller_is_a,
        direction: u8::from(caller_is_a),
        subscription: Some(side.subscription()),
        extension: None,
        policy: side.policy(),
        user_data,
    }
}
