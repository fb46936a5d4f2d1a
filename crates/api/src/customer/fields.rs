//! Parameters that several modes share, each with its one rule.

use std::sync::Arc;

use axbridge_binding::{CallDirection, SubscriptionId};
use axbridge_numbering::Number;
use axbridge_store::AreaMatch;
use serde::Serialize;

use super::params::{Change, Params};
use crate::answer::Refusal;
use crate::apps::Application;

const MAX_DURATION_MIN_MAX: u64 = 1440;

/// An answer that is only a success.
#[derive(Serialize)]
pub(super) struct Nothing {}

/// `preVoice`: what the calling party hears while the other is being called.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PreVoice {
    #[serde(skip_serializing_if = "Option::is_none")]
    caller_hint_tone: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callee_hint_tone: Option<Arc<str>>,
}

impl PreVoice {
    /// `None` when neither is set: then the field is left out.
    pub(super) fn shown(caller: Option<Arc<str>>, callee: Option<Arc<str>>) -> Option<Self> {
        (caller.is_some() || callee.is_some()).then_some(Self {
            caller_hint_tone: caller,
            callee_hint_tone: callee,
        })
    }
}

pub(super) fn truth(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

pub(super) fn zero_one(value: bool) -> &'static str {
    if value { "1" } else { "0" }
}

/// A mobile or landline number that can be bound. Service numbers (400, 800, 95...) cannot.
pub(super) fn party(p: &Params, name: &str) -> Result<Option<Number>, Refusal> {
    let Some(number) = p.number(name)? else {
        return Ok(None);
    };
    let digits = number.digits();
    let service = digits.strip_prefix("86").is_some_and(|national| {
        let ten = national.len() == 10;
        (ten && (national.starts_with("400") || national.starts_with("800")))
            || (national.starts_with("95") && national.len() <= 8)
    });
    if service {
        return Err(Refusal::parameter(
            name,
            "is a service number, only mobile and landline numbers can be bound",
        ));
    }
    Ok(Some(number))
}

/// A party that must be there.
pub(super) fn needed_party(p: &Params, name: &str) -> Result<Number, Refusal> {
    party(p, name)?.ok_or_else(|| Refusal::parameter(name, "is missing"))
}

/// An id that is not of our form is an id that does not exist, which each mode has its own code for.
pub(super) fn subscription(
    p: &Params,
    unknown: fn() -> Refusal,
) -> Result<Option<SubscriptionId>, Refusal> {
    let Some(text) = p.text("subscriptionId", 1, 64)?.value() else {
        return Ok(None);
    };
    SubscriptionId::parse(&text)
        .map(Some)
        .ok_or_else(|| unknown().detail("No binding of this application has this subscriptionId."))
}

pub(super) fn direction(p: &Params) -> Result<Option<CallDirection>, Refusal> {
    Ok(match p.integer("callDirection", 0, 2)? {
        None => None,
        Some(0) => Some(CallDirection::Both),
        Some(1) => Some(CallDirection::CallerOnly),
        Some(_) => Some(CallDirection::CalleeOnly),
    })
}

/// `maxDuration` in minutes; 0: no limit.
pub(super) fn max_duration(p: &Params) -> Result<Option<u16>, Refusal> {
    Ok(p.integer("maxDuration", 0, MAX_DURATION_MIN_MAX)?
        .map(|n| n as u16))
}

pub(super) fn area(p: &Params) -> Result<Option<String>, Refusal> {
    Ok(p.text("areaCode", 1, 32)?.value())
}

pub(super) fn area_match(p: &Params) -> Result<AreaMatch, Refusal> {
    Ok(match p.integer("areaMatchMode", 0, 1)? {
        Some(1) => AreaMatch::Loose,
        _ => AreaMatch::Strict,
    })
}

/// `recordFlag`, refused while the application has recording off.
pub(super) fn record_flag(app: &Application, p: &Params) -> Result<Option<bool>, Refusal> {
    let record = p.flag("recordFlag")?;
    if record == Some(true) && !app.record.settings.recording {
        return Err(Refusal::no_recording());
    }
    Ok(record)
}

/// A voice file of the application, which must have been uploaded and passed.
pub(super) fn file(app: &Application, p: &Params, name: &str) -> Result<Change<Arc<str>>, Refusal> {
    Ok(match p.text(name, 1, 128)? {
        Change::Keep => Change::Keep,
        Change::Clear => Change::Clear,
        Change::Set(file) => match app.prompt(&file) {
            Some(known) => Change::Set(known),
            None => return Err(no_file(name, &file)),
        },
    })
}

fn no_file(name: &str, file: &str) -> Refusal {
    let detail = format!(
        "{name} names a voice file that was not uploaded for this application or has not passed review."
    );
    // The documented text repeats the file name; only one that could be a file name is repeated.
    let plain = file
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_.@".contains(&b));
    let shown = if plain { file } else { name };
    Refusal::invalid(&format!("{shown} does not exist.")).detail(detail)
}

/// Given back in every notification. Braces are refused as documented, and so is what is not ASCII, which customers
/// of the public API must send as Base64.
pub(crate) fn user_data(p: &Params) -> Result<Change<Arc<str>>, Refusal> {
    Ok(match p.text("userData", 1, 256)? {
        Change::Keep => Change::Keep,
        Change::Clear => Change::Clear,
        Change::Set(text) if text.contains(['{', '}']) => {
            return Err(Refusal::parameter("userData", "must not contain { or }"));
        }
        Change::Set(text) if !text.is_ascii() => {
            return Err(Refusal::parameter(
                "userData",
                "must be ASCII; code other text in Base64",
            ));
        }
        Change::Set(text) => Change::Set(text.into()),
    })
}

/// What a modification does to a field: nothing, removal, a new value.
pub(super) fn changed<T>(change: Change<T>) -> Option<Option<T>> {
    match change {
        Change::Keep => None,
        Change::Clear => Some(None),
        Change::Set(value) => Some(Some(value)),
    }
}

/// A choice by one of these words, in any case.
pub(super) fn word<T: Copy>(
    p: &Params,
    name: &str,
    words: &[(&str, T)],
) -> Result<Option<T>, Refusal> {
    let Some(text) = p.text(name, 1, 64)?.value() else {
        return Ok(None);
    };
    match words.iter().find(|(w, _)| w.eq_ignore_ascii_case(&text)) {
        Some((_, value)) => Ok(Some(*value)),
        None => {
            let known: Vec<&str> = words.iter().map(|(w, _)| *w).collect();
            let problem = format!("must be {}", known.join(" or "));
            Err(Refusal::parameter(name, &problem))
        }
    }
}
