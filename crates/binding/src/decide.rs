//! What is to be done with a call to X, for every kind of binding.
//!
//! AXB goes its own, shorter way (`table`). Of the others an entry says who stands there, until when and by
//! which rules; the rest is in the `detail` beside it.

use crate::detail::{AxDetail, AxeDetail, AxybXDetail, AxybYDetail, Detail};
use crate::entry::{Packed, Party, direction_key};
use crate::kinds::{CallBack, Extension};
use crate::route::{Decision, Refusal, Route, RouteKind};
use crate::table::{SIDE_TRIES, Table, Unrouted};
use crate::types::{NumberInfo, Policy};
use axbridge_numbering::Number;
use std::sync::Arc;

mod text;

pub use text::{TextDecision, TextRefusal};

/// One state of what stands under a key.
struct Standing {
    side: Packed,
    detail: Arc<Detail>,
    policy: Arc<Policy>,
}

/// Who calls what, and when.
#[derive(Copy, Clone)]
struct Dialled {
    x: Number,
    info: NumberInfo,
    caller: Number,
    wall_ms: u64,
}

impl Table {
    /// What is to be done with a call from `caller` to `x` at this moment.
    #[inline]
    pub fn decide(&self, x: Number, caller: Number, wall_ms: u64) -> Result<Decision, Refusal> {
        match self.resolve(x, caller, wall_ms, |id| self.policies.get(id)) {
            Ok((route, policy)) => Ok(Decision::Connect(route, policy)),
            Err(Unrouted::Refused(refusal)) => Err(refusal),
            Err(Unrouted::OtherMode(info)) => self.decide_other(&Dialled {
                x,
                info,
                caller,
                wall_ms,
            }),
        }
    }

    /// Where a call to `x` goes of which the caller has keyed this extension (AXE).
    pub fn extension(
        &self,
        x: Number,
        extension: Extension,
        caller: Number,
        wall_ms: u64,
    ) -> Result<(Route, Arc<Policy>), Refusal> {
        let dialled = self.dialled(x, caller, wall_ms)?;
        let app = dialled.info.app;
        let at = self.standing(x, Party::Extension(extension), wall_ms);
        let Some((at, axe)) = at.as_ref().and_then(Standing::axe) else {
            return Err(Refusal::BadExtension { app });
        };
        Ok(at.route(&dialled, &Towards::a_of_axe(axe)))
    }

    /// A's call to `x`, sent to the number that the application has set for want of a callback record (AXE,
    /// after [`Refusal::NoCallBack`]). `BadExtension` when the binding is gone meanwhile.
    pub fn call_back_to(
        &self,
        x: Number,
        a: Number,
        callee: Number,
        wall_ms: u64,
    ) -> Result<(Route, Arc<Policy>), Refusal> {
        let dialled = self.dialled(x, a, wall_ms)?;
        let app = dialled.info.app;
        let at = self.standing(x, Party::Caller(a), wall_ms);
        let Some((at, axe)) = at.as_ref().and_then(Standing::axe) else {
            return Err(Refusal::BadExtension { app });
        };
        Ok(at.route(&dialled, &Towards::called_back(axe, callee)))
    }

    fn dialled(&self, x: Number, caller: Number, wall_ms: u64) -> Result<Dialled, Refusal> {
        let info = self.number(x).ok_or(Refusal::UnknownNumber)?;
        let app = info.app;
        let dialled = Dialled {
            x,
            info,
            caller,
            wall_ms,
        };
        match info.status.serves_calls() {
            true => Ok(dialled),
            false => Err(Refusal::NumberUnusable { app }),
        }
    }

    fn decide_other(&self, dialled: &Dialled) -> Result<Decision, Refusal> {
        let NumberInfo { app, trunk, .. } = dialled.info;
        match dialled.info.mode {
            RouteKind::Axb => Err(Refusal::NoBinding { app }),
            RouteKind::Ax => self.decide_ax(dialled),
            RouteKind::Axe => self.decide_axe(dialled),
            RouteKind::Axyb => self.decide_axyb(dialled),
            RouteKind::X => Ok(Decision::AskCustomer {
                app,
                x: dialled.x,
                trunk,
            }),
        }
    }

    fn decide_ax(&self, dialled: &Dialled) -> Result<Decision, Refusal> {
        let app = dialled.info.app;
        let at = self.standing(dialled.x, Party::Anyone, dialled.wall_ms);
        let Some((at, ax)) = at.as_ref().and_then(Standing::ax) else {
            return Err(Refusal::NoAxBinding { app });
        };
        let (subscription, user_data) = (at.side.subscription(), ax.user_data.clone());
        let caller_is_a = dialled.caller == ax.a;
        if !at.side.direction().allows(caller_is_a) {
            return Err(Refusal::WrongDirection {
                app,
                subscription,
                user_data,
            });
        }
        if !caller_is_a {
            if ax.turned_off {
                return Err(Refusal::TurnedOff {
                    app,
                    subscription,
                    user_data,
                });
            }
            return Ok(at.connect(dialled, &Towards::a_of_ax(ax)));
        }
        if let Some(temporary) = &ax.temporary
            && dialled.wall_ms < temporary.until_ms
        {
            let user_data = temporary.user_data.as_ref().or(ax.user_data.as_ref());
            return Ok(at.connect(dialled, &Towards::from_a(temporary.callee, user_data)));
        }
        if !self.calling_back.load().contains(&app) {
            return Err(Refusal::NoTemporaryCallee {
                app,
                subscription,
                user_data,
            });
        }
        match ax.last_caller {
            Some(last) => Ok(at.connect(dialled, &Towards::from_a(last, ax.user_data.as_ref()))),
            None => Err(Refusal::NoCallBack {
                app,
                subscription,
                user_data,
            }),
        }
    }

    fn decide_axe(&self, dialled: &Dialled) -> Result<Decision, Refusal> {
        let (app, x) = (dialled.info.app, dialled.x);
        let at = self.standing(x, Party::Caller(dialled.caller), dialled.wall_ms);
        let Some((at, axe)) = at.as_ref().and_then(Standing::axe) else {
            return Ok(Decision::Menu { app, x });
        };
        let still = |until: Option<u64>| until.is_none_or(|until| dialled.wall_ms < until);
        let record = axe.reached.filter(|reached| still(reached.until_ms));
        let callee = match (record, &axe.otherwise) {
            (Some(reached), _) => reached.caller,
            (None, CallBack::Number(number)) => *number,
            (None, CallBack::Tone(tone)) => {
                return Ok(Decision::PlayAndEnd {
                    app,
                    subscription: at.side.subscription(),
                    tone: tone.clone(),
                    user_data: axe.user_data.clone(),
                    extension: axe.extension,
                });
            }
            (None, CallBack::OfApplication) => {
                return Err(Refusal::NoCallBack {
                    app,
                    subscription: at.side.subscription(),
                    user_data: axe.user_data.clone(),
                });
            }
        };
        Ok(at.connect(dialled, &Towards::called_back(axe, callee)))
    }

    fn decide_axyb(&self, dialled: &Dialled) -> Result<Decision, Refusal> {
        let Dialled {
            x, caller, wall_ms, ..
        } = *dialled;
        let app = dialled.info.app;
        let at = self.standing(x, Party::Caller(caller), wall_ms);
        if let Some((at, part)) = at.as_ref().and_then(Standing::axyb_y) {
            return self.connect_axyb(dialled, at, part);
        }
        let at = self.standing(x, Party::Anyone, wall_ms);
        if let Some((at, part)) = at.as_ref().and_then(Standing::axyb_x) {
            let (subscription, user_data) = (at.side.subscription(), part.user_data.clone());
            return if caller == part.a {
                Err(Refusal::SelfCall {
                    app,
                    subscription: Some(subscription),
                    user_data,
                })
            } else if at.side.direction().allows(false) {
                Ok(Decision::AllocateY {
                    app,
                    subscription,
                    user_data,
                })
            } else {
                Err(Refusal::WrongDirection {
                    app,
                    subscription,
                    user_data,
                })
            };
        }
        Err(match self.is_own(x, caller) {
            true => Refusal::SelfCall {
                app,
                subscription: None,
                user_data: None,
            },
            false => Refusal::NoAxybBinding { app },
        })
    }

    /// B calls X or A calls Y: the call leaves by the trunk of the other of the two numbers.
    fn connect_axyb(
        &self,
        dialled: &Dialled,
        at: &Standing,
        part: &AxybYDetail,
    ) -> Result<Decision, Refusal> {
        let app = dialled.info.app;
        let caller_is_a = at.side.caller_is_a();
        if !at.side.direction().allows(caller_is_a) {
            return Err(Refusal::WrongDirection {
                app,
                subscription: part.subscription,
                user_data: part.user_data.clone(),
            });
        }
        let displayed = self.number(part.display);
        let Some(displayed) = displayed.filter(|info| info.status.serves_calls()) else {
            return Err(Refusal::NumberUnusable { app });
        };
        let (mut route, policy) = at.route(
            dialled,
            &Towards {
                callee: part.callee,
                caller_is_a,
                show_caller: false,
                extension: None,
                user_data: part.user_data.as_ref(),
            },
        );
        route.trunk = displayed.trunk;
        route.display = part.display;
        route.subscription = Some(part.subscription);
        Ok(Decision::Connect(route, policy))
    }

    /// Whether `y` is the caller's own number.
    fn is_own(&self, y: Number, caller: Number) -> bool {
        let party = Party::Owner(caller);
        let hash = self.hash.of_direction(y, party);
        let shard = self.shard(self.hash.of_number(y));
        shard
            .directions
            .find(hash, direction_key(y, party))
            .is_some()
    }

    /// What stands under (x, party) at this moment: entry, detail and rules of one and the same state.
    fn standing(&self, x: Number, party: Party, wall_ms: u64) -> Option<Standing> {
        let hash = self.hash.of_direction(x, party);
        let key = direction_key(x, party);
        let shard = self.shard(self.hash.of_number(x));
        for _ in 0..SIDE_TRIES {
            let side = Packed(shard.directions.find(hash, key)?);
            if side.is_expired(wall_ms) || side.kind() == Some(RouteKind::Axb) {
                return None;
            }
            let detail = self.details.get(side.handle(), side.subscription());
            let policy = self.policies.get(side.policy());
            // Changed between the reads: once more.
            if let (Some(detail), Some(policy)) = (detail, policy)
                && shard.directions.find(hash, key) == Some(side.0)
            {
                return Some(Standing {
                    side,
                    detail,
                    policy,
                });
            }
        }
        None
    }
}

/// What a route of this kind has of its own.
struct Towards<'a> {
    callee: Number,
    caller_is_a: bool,
    show_caller: bool,
    extension: Option<Extension>,
    user_data: Option<&'a Arc<str>>,
}

impl<'a> Towards<'a> {
    fn a_of_ax(ax: &'a AxDetail) -> Self {
        Towards {
            callee: ax.a,
            caller_is_a: false,
            show_caller: ax.show_caller,
            extension: None,
            user_data: ax.user_data.as_ref(),
        }
    }

    fn from_a(callee: Number, user_data: Option<&'a Arc<str>>) -> Self {
        Towards {
            callee,
            caller_is_a: true,
            show_caller: false,
            extension: None,
            user_data,
        }
    }

    fn a_of_axe(axe: &'a AxeDetail) -> Self {
        Towards {
            callee: axe.a,
            caller_is_a: false,
            show_caller: axe.show_caller,
            extension: Some(axe.extension),
            user_data: axe.user_data.as_ref(),
        }
    }

    fn called_back(axe: &'a AxeDetail, callee: Number) -> Self {
        Towards {
            extension: Some(axe.extension),
            ..Towards::from_a(callee, axe.user_data.as_ref())
        }
    }
}

impl Standing {
    fn ax(&self) -> Option<(&Standing, &AxDetail)> {
        match &*self.detail {
            Detail::Ax(ax) => Some((self, ax)),
            _ => None,
        }
    }

    fn axe(&self) -> Option<(&Standing, &AxeDetail)> {
        match &*self.detail {
            Detail::Axe(axe) => Some((self, axe)),
            _ => None,
        }
    }

    fn axyb_x(&self) -> Option<(&Standing, &AxybXDetail)> {
        match &*self.detail {
            Detail::AxybX(part) => Some((self, part)),
            _ => None,
        }
    }

    fn axyb_y(&self) -> Option<(&Standing, &AxybYDetail)> {
        match &*self.detail {
            Detail::AxybY(part) => Some((self, part)),
            _ => None,
        }
    }

    fn connect(&self, dialled: &Dialled, towards: &Towards<'_>) -> Decision {
        let (route, policy) = self.route(dialled, towards);
        Decision::Connect(route, policy)
    }

    fn route(&self, dialled: &Dialled, towards: &Towards<'_>) -> (Route, Arc<Policy>) {
        let route = Route {
            app: dialled.info.app,
            trunk: dialled.info.trunk,
            kind: dialled.info.mode,
            callee: towards.callee,
            display: dialled.x,
            show_caller: towards.show_caller,
            caller_is_a: towards.caller_is_a,
            direction: u8::from(towards.caller_is_a),
            subscription: Some(self.side.subscription()),
            extension: towards.extension,
            policy: self.side.policy(),
            user_data: towards.user_data.cloned(),
        };
        (route, self.policy.clone())
    }
}
