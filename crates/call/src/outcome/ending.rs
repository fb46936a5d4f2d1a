//! Every way a call can end.

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The caller hung up after the answer.
    CallerHungUp,
    /// The callee hung up after the answer.
    CalleeHungUp,
    /// The application ended an answered call by `callStop`.
    StoppedByApplication,
    /// The operator drained the node, or ended the call.
    StoppedByOperator,
    /// `maxDuration` was reached.
    MaxDuration,
    /// The caller gave up before the callee rang.
    CallerGaveUp,
    /// The caller gave up while the callee rang.
    CallerGaveUpRinging,
    /// The application ended the call before the answer.
    StoppedBeforeAnswer,
    /// The callee did not answer within the platform's limit.
    AnswerTimeout,
    /// The callee's side said no with this SIP status; `ringing` tells whether it rang before.
    CalleeFailed {
        /// Final status of the second leg.
        status: u16,
        /// It had rung.
        ringing: bool,
        /// Q.850 cause from its Reason header.
        q850: Option<u8>,
    },
    /// The callee's trunk did not answer at all, or could not be reached.
    CalleeUnreachable,
    /// Nothing is bound for this caller on X, or it has expired.
    NoBinding,
    /// The binding does not allow this direction.
    WrongDirection,
    /// X may not be used (suspended, unavailable).
    NumberUnusable,
    /// The application is suspended: it has no capability to call.
    AppSuspended,
    /// The account of the application is frozen.
    SubscriberFrozen,
    /// The caller's number is missing or unusable.
    NoCallerNumber,
    /// No trunk leads to the callee.
    NoRoute,
    /// No media ports are left.
    NoPorts,
    /// The parties have no codec in common.
    NoCodec,
    /// No RTP came from the caller's side.
    CallerMediaLost,
    /// No RTP came from the callee's side.
    CalleeMediaLost,
    /// The caller's side vanished: no ACK, or a request went unanswered.
    CallerLost,
    /// The callee's side vanished.
    CalleeLost,
    /// The node was stopped or broke; the record was made after the restart.
    Interrupted,
    /// The caller hung up before anybody was called: at the menu, or while the customer was asked.
    CallerGaveUpBeforeForwarding,
    /// AX: A calls X and nobody is set as its callee.
    NoTemporaryCallee,
    /// AXE, and AX with call-back: A calls X and nobody has called A through it.
    NoCallback,
    /// AX: X has no binding.
    NoAxBinding,
    /// AXYB: nothing is bound for this caller.
    NoAxybBinding,
    /// AXYB: no number is left to show the stranger as.
    NoFreeY,
    /// AXYB: the caller dialled the number that leads to itself.
    SelfCall,
    /// AXE: the extension is not bound on X, or no longer.
    BadExtension,
    /// AXE: nothing was keyed.
    EmptyExtension,
    /// AX: the customer has turned X off for calls of others.
    TurnedOff,
    /// AXE: the caller cannot be made to hear the menu.
    CollectFailed,
    /// AX and AXE: A is in another call through a private number.
    PartyBusy,
    /// X mode: the customer said `close`.
    ClosedByCustomer,
    /// X mode: the customer's answer cannot be understood or carried out.
    BadAnswer,
    /// X mode: the customer's answer names a prompt file that does not exist.
    PromptMissing,
    /// X mode: the customer did not answer in time, or not at all.
    CustomerSilent,
    /// A rule of the operator keeps the call from being made.
    Barred(Bar),
}

/// Rules that keep a call from being made, besides those of its binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bar {
    /// The caller is on the operator's list.
    Caller,
    /// The callee is on the operator's list.
    Callee,
    /// Too many calls of the account, or of the whole node.
    DeveloperRate,
    /// Too many calls of the application.
    AppRate,
    /// Too many calls in which one number is displayed.
    DisplayRate,
    /// Too many calls that dial X.
    NumberRate,
    /// Too many calls by the caller.
    CallerRate,
    /// Too many calls to the callee.
    CalleeRate,
    /// Not at this time of the day.
    TimeOfDay,
    /// A landline may not call.
    Landline,
    /// Callers from another country are not served.
    InternationalIn,
    /// Callees in another country are not called.
    InternationalOut,
    /// Too many of the caller's calls were very short.
    CallTime,
    /// Too few of the caller's calls were answered.
    ConnectRate,
    /// The binding would show the real caller, and the trunk does not take that.
    RealCallerShown,
}
