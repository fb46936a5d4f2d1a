//! What the table says about a call to X.

use crate::kinds::Extension;
use crate::types::{AppId, Policy, PolicyId, SubscriptionId, TrunkId};
use axbridge_numbering::Number;
use std::sync::Arc;

/// Kind of the binding that a route came from, and the mode of an application.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Hash)]
#[non_exhaustive]
pub enum RouteKind {
    /// A and B share X.
    #[default]
    Axb,
    /// A behind X for everybody.
    Ax,
    /// A behind X and an extension.
    Axe,
    /// A behind X, the other behind Y.
    Axyb,
    /// The customer says at each call.
    X,
}

/// What is to be done with a call to X.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Decision {
    /// Call somebody, by these rules.
    Connect(Route, Arc<Policy>),
    /// AXE: ask the caller for an extension, then [`crate::Table::extension`].
    Menu {
        /// The application that X belongs to.
        app: AppId,
        /// X.
        x: Number,
    },
    /// X mode: ask the customer. What he answers is a [`Route::of_answer`].
    AskCustomer {
        /// The application that X belongs to.
        app: AppId,
        /// X.
        x: Number,
        /// The trunk of X.
        trunk: TrunkId,
    },
    /// AXYB: a stranger dials X. Have the store give him a Y, then [`crate::Table::decide`] again; no Y: 8031.
    AllocateY {
        /// The application that X belongs to.
        app: AppId,
        /// The binding of A and X.
        subscription: SubscriptionId,
        /// The customer's own text.
        user_data: Option<Arc<str>>,
    },
    /// AXE: A calls and there is nobody to call back: play the binding's own tone, then end (8019).
    PlayAndEnd {
        /// The application that X belongs to.
        app: AppId,
        /// The binding.
        subscription: SubscriptionId,
        /// The prompt file (`callbackTone`).
        tone: Arc<str>,
        /// The customer's own text.
        user_data: Option<Arc<str>>,
        /// The extension of A.
        extension: Extension,
    },
}

/// Where a call to X goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    /// The application that X belongs to.
    pub app: AppId,
    /// The trunk to call out on: that of the number displayed.
    pub trunk: TrunkId,
    /// The kind of binding.
    pub kind: RouteKind,
    /// Who is to be called.
    pub callee: Number,
    /// The private number on the callee's side: X, or the other one of AXYB.
    pub display: Number,
    /// The callee sees the real caller instead of `display`, because the binding asks for it.
    pub show_caller: bool,
    /// Whether the caller is A of the binding.
    pub caller_is_a: bool,
    /// `direction` of the call record: 1 A calls, 0 the other calls A, 2 no binding.
    pub direction: u8,
    /// The binding; none in X mode.
    pub subscription: Option<SubscriptionId>,
    /// The extension of A (AXE).
    pub extension: Option<Extension>,
    /// The rules of the call; see [`crate::Table::policy`].
    pub policy: PolicyId,
    /// The customer's own text.
    pub user_data: Option<Arc<str>>,
}

impl Route {
    /// What the customer's answer makes of a [`Decision::AskCustomer`]: nothing is bound, the rules are in
    /// the answer, and the handle of the policy means nothing.
    pub fn of_answer(app: AppId, trunk: TrunkId, display: Number, callee: Number) -> Route {
        Route {
            app,
            trunk,
            kind: RouteKind::X,
            callee,
            display,
            show_caller: false,
            caller_is_a: false,
            direction: 2,
            subscription: None,
            extension: None,
            policy: PolicyId(u32::MAX),
            user_data: None,
        }
    }
}

/// Why a call to X is not connected. In brackets the hang-up cause of the PrivateNumber appendix.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// X is not a number of this platform (404).
    UnknownNumber,
    /// X, or the Y that would be displayed, is suspended or unavailable.
    NumberUnusable {
        /// The application that X belongs to.
        app: AppId,
    },
    /// AXB: the caller has no binding on X, or it has expired (8014).
    NoBinding {
        /// The application that X belongs to.
        app: AppId,
    },
    /// AX: nobody is bound to X (8018).
    NoAxBinding {
        /// The application that X belongs to.
        app: AppId,
    },
    /// AXYB: nothing fits: nobody is bound to X, or the caller is not the A of this Y (8030).
    NoAxybBinding {
        /// The application that X belongs to.
        app: AppId,
    },
    /// AXE: nobody has this extension, or no longer (8022).
    BadExtension {
        /// The application that X belongs to.
        app: AppId,
    },
    /// The binding does not let this side call (8016).
    WrongDirection {
        /// The application that X belongs to.
        app: AppId,
        /// The binding.
        subscription: SubscriptionId,
        /// The customer's own text.
        user_data: Option<Arc<str>>,
    },
    /// AX: A calls and no temporary callee is set, or no longer (8013).
    NoTemporaryCallee {
        /// The application that X belongs to.
        app: AppId,
        /// The binding.
        subscription: SubscriptionId,
        /// The customer's own text.
        user_data: Option<Arc<str>>,
    },
    /// AX: X is turned off (`turnFlag`), others do not reach A (8104).
    TurnedOff {
        /// The application that X belongs to.
        app: AppId,
        /// The binding.
        subscription: SubscriptionId,
        /// The customer's own text.
        user_data: Option<Arc<str>>,
    },
    /// AXE, or AX where the application calls back: A calls and nobody is there to be called back (8019). In
    /// AXE the application may have set a prompt, or a number: for that see [`crate::Table::call_back_to`].
    NoCallBack {
        /// The application that X belongs to.
        app: AppId,
        /// The binding.
        subscription: SubscriptionId,
        /// The customer's own text.
        user_data: Option<Arc<str>>,
    },
    /// AXYB: the number dialled is the caller's own (8032).
    SelfCall {
        /// The application that X belongs to.
        app: AppId,
        /// The binding, where it is one certain.
        subscription: Option<SubscriptionId>,
        /// The customer's own text.
        user_data: Option<Arc<str>>,
    },
}

impl Refusal {
    /// The application that X belongs to, if X is known.
    pub fn app(&self) -> Option<AppId> {
        use Refusal as R;
        match self {
            R::UnknownNumber => None,
            R::NumberUnusable { app }
            | R::NoBinding { app }
            | R::NoAxBinding { app }
            | R::NoAxybBinding { app }
            | R::BadExtension { app }
            | R::WrongDirection { app, .. }
            | R::NoTemporaryCallee { app, .. }
            | R::TurnedOff { app, .. }
            | R::NoCallBack { app, .. }
            | R::SelfCall { app, .. } => Some(*app),
        }
    }

    /// The binding that refused, where one did, and the customer's own text.
    pub fn binding(&self) -> Option<(SubscriptionId, Option<Arc<str>>)> {
        use Refusal as R;
        match self {
            R::WrongDirection {
                subscription,
                user_data,
                ..
            }
            | R::NoTemporaryCallee {
                subscription,
                user_data,
                ..
            }
            | R::TurnedOff {
                subscription,
                user_data,
                ..
            }
            | R::NoCallBack {
                subscription,
                user_data,
                ..
            } => Some((*subscription, user_data.clone())),
            R::SelfCall {
                subscription,
                user_data,
                ..
            } => Some(((*subscription)?, user_data.clone())),
            R::UnknownNumber
            | R::NumberUnusable { .. }
            | R::NoBinding { .. }
            | R::NoAxBinding { .. }
            | R::NoAxybBinding { .. }
            | R::BadExtension { .. } => None,
        }
    }
}
