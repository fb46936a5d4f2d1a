//! Where a call goes and under which rules: what the binding table says, in the words of a call.

use std::sync::Arc;

use axbridge_binding::{Decision, Extension, Policy, Refusal, Route, RouteKind};
use axbridge_media::Prompt;
use axbridge_numbering::Number;

use crate::ask::QuestionKind;
use crate::core::Ctx;
use crate::directory::App;
use crate::outcome::Ending;
use crate::story::Story;
use crate::trace::Note;

/// What is known of a call when it comes in; kept for decisions that are made later.
pub(crate) struct Arrived {
    /// X belongs to this application.
    pub app: Arc<App>,
    pub x: Number,
    /// None when the carrier gave no usable number.
    pub caller: Option<Number>,
    /// For the second leg: theirs less one.
    pub max_forwards: u8,
}

/// The way to the callee.
pub(crate) struct Way {
    pub route: Route,
    pub policy: Arc<Policy>,
    /// Heard by the caller instead of ring-back.
    pub waiting: Option<Arc<Prompt>>,
    /// Heard by the callee before it hears the caller.
    pub callee_hint: Option<Arc<Prompt>>,
}

/// What was decided; a later change of the binding does not touch it.
pub(crate) struct Plan {
    pub app: Arc<App>,
    pub policy: Arc<Policy>,
    pub waiting: Option<Arc<Prompt>>,
    pub callee_hint: Option<Arc<Prompt>>,
}

/// What becomes of a call.
pub(crate) enum Next {
    Connect(Box<Way>),
    /// The caller keys an extension first.
    Menu,
    /// Somebody outside is asked first.
    Ask(QuestionKind),
    /// The caller hears this file, and the call ends so.
    Announce(Option<Arc<Prompt>>, Ending),
    Refuse(Ending),
}

/// Decides about a call that has come in, or for which a number has just been allocated.
pub(crate) fn decide(ctx: &mut Ctx<'_>, arrived: &Arrived, story: &mut Story) -> Next {
    let Some(caller) = arrived.caller else {
        return Next::Refuse(Ending::NoCallerNumber);
    };
    let table = &ctx.core.directory.table;
    match table.decide(arrived.x, caller, ctx.now.wall_ms) {
        Err(refusal) => refused(ctx, arrived, refusal, story),
        Ok(Decision::Connect(route, policy)) => connect(ctx, arrived, route, policy, story),
        Ok(Decision::Menu { .. }) => {
            ctx.note(Note::said("The caller is asked for an extension."));
            Next::Menu
        }
        Ok(Decision::AskCustomer { app, x, .. }) => {
            ctx.note(Note::said(
                "The application is asked what becomes of the call.",
            ));
            Next::Ask(QuestionKind::CallIn { app, x, caller })
        }
        Ok(Decision::AllocateY {
            app,
            subscription,
            user_data,
        }) => {
            story.bound(subscription, user_data);
            ctx.note(Note::said(
                "The caller is new to the binding: a number to show it as is allocated.",
            ));
            Next::Ask(QuestionKind::AllocateY {
                app,
                subscription,
                x: arrived.x,
                caller,
            })
        }
        Ok(Decision::PlayAndEnd {
            subscription,
            tone,
            user_data,
            ..
        }) => {
            story.bound(subscription, user_data);
            ctx.note(Note::said(
                "There is nobody to call back: the binding says which prompt is played for that.",
            ));
            let prompt = arrived.app.prompts.get(&tone).cloned();
            Next::Announce(prompt, Ending::NoCallback)
        }
        // A kind of binding that this version does not know yet.
        Ok(_) => Next::Refuse(Ending::NoBinding),
    }
}

/// Decides about an extension that was keyed.
pub(crate) fn by_extension(
    ctx: &mut Ctx<'_>,
    arrived: &Arrived,
    extension: Extension,
    story: &mut Story,
) -> Next {
    let Some(caller) = arrived.caller else {
        return Next::Refuse(Ending::NoCallerNumber);
    };
    let table = &ctx.core.directory.table;
    match table.extension(arrived.x, extension, caller, ctx.now.wall_ms) {
        Ok((route, policy)) => connect(ctx, arrived, route, policy, story),
        Err(refusal) => refused(ctx, arrived, refusal, story),
    }
}

fn connect(
    ctx: &mut Ctx<'_>,
    arrived: &Arrived,
    route: Route,
    policy: Arc<Policy>,
    story: &mut Story,
) -> Next {
    ctx.note(Note::Bound {
        kind: kind_name(route.kind).into(),
        caller_is_a: route.caller_is_a,
    });
    if let Some(subscription) = route.subscription {
        story.bound(subscription, route.user_data.clone());
    }
    let tone = match route.caller_is_a {
        true => policy.pre_voice_caller.as_ref(),
        false => policy.pre_voice_callee.as_ref(),
    };
    let app = &arrived.app;
    let mut waiting = tone.and_then(|name| app.prompts.get(name).cloned());
    if route.kind == RouteKind::Axe && !route.caller_is_a {
        waiting = waiting.or_else(|| app.menu.waiting.clone());
    }
    Next::Connect(Box::new(Way {
        route,
        policy,
        waiting,
        callee_hint: None,
    }))
}

/// What a refusal leads to; the story learns which binding refused.
fn refused(ctx: &mut Ctx<'_>, arrived: &Arrived, refusal: Refusal, story: &mut Story) -> Next {
    if let Some((subscription, user_data)) = refusal.binding() {
        story.bound(subscription, user_data);
    }
    ctx.note(Note::said(why(&refusal)));
    Next::Refuse(match refusal {
        Refusal::WrongDirection { .. } => Ending::WrongDirection,
        Refusal::NoTemporaryCallee { .. } => Ending::NoTemporaryCallee,
        Refusal::NoCallBack { .. } => return call_back_otherwise(ctx, arrived, story),
        Refusal::TurnedOff { .. } => Ending::TurnedOff,
        Refusal::SelfCall { .. } => Ending::SelfCall,
        Refusal::NumberUnusable { .. } => Ending::NumberUnusable,
        Refusal::NoAxBinding { .. } => Ending::NoAxBinding,
        Refusal::NoAxybBinding { .. } => Ending::NoAxybBinding,
        Refusal::BadExtension { .. } => Ending::BadExtension,
        _ => Ending::NoBinding,
    })
}

fn kind_name(kind: RouteKind) -> &'static str {
    match kind {
        RouteKind::Axb => "AXB",
        RouteKind::Ax => "AX",
        RouteKind::Axe => "AXE",
        RouteKind::Axyb => "AXYB",
        RouteKind::X => "X",
        _ => "other",
    }
}

/// What the table's refusal means, for the trace.
fn why(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::WrongDirection { .. } => {
            "A binding was found, but it does not allow calls in this direction."
        }
        Refusal::NoTemporaryCallee { .. } => {
            "The caller is A of the binding, and no temporary callee is set, or it has expired."
        }
        Refusal::NoCallBack { .. } => {
            "The caller is A of the binding, and nobody is there whom A could call back."
        }
        Refusal::TurnedOff { .. } => {
            "A binding was found, but the number is turned off for calls of others."
        }
        Refusal::SelfCall { .. } => "The number leads to the caller itself.",
        Refusal::NumberUnusable { .. } => "The status of the private number does not allow calls.",
        Refusal::NoAxBinding { .. } => "The private number is bound to nobody.",
        Refusal::NoAxybBinding { .. } => {
            "No binding of the private number counts for this caller, or it has expired."
        }
        Refusal::BadExtension { .. } => {
            "The extension is not bound on the private number, or no longer."
        }
        _ => "No binding of the private number has this caller as a party, or it has expired.",
    }
}

/// Nobody is there to call back: the application may have set a number for that.
fn call_back_otherwise(ctx: &mut Ctx<'_>, arrived: &Arrived, story: &mut Story) -> Next {
    let (Some(number), Some(caller)) = (arrived.app.menu.callback_number, arrived.caller) else {
        return Next::Refuse(Ending::NoCallback);
    };
    let table = &ctx.core.directory.table;
    match table.call_back_to(arrived.x, caller, number, ctx.now.wall_ms) {
        Ok((route, policy)) => {
            ctx.note(Note::said(
                "The application's own number for that case is called.",
            ));
            connect(ctx, arrived, route, policy, story)
        }
        Err(_) => Next::Refuse(Ending::NoCallback),
    }
}
