//! AXB: `callerNum` and `calleeNum` reach each other through `relationNum`.

use std::sync::Arc;

use axbridge_binding::{AppId, CallDirection, Policy, SubscriptionId};
use axbridge_numbering::Number;
use axbridge_store::{AreaMatch, BindRequest, Binding, Mode, ModifyRequest, Query, Unbind};
use axum::response::Response;
use http::{Method, StatusCode};
use serde::Serialize;

use super::params::{Change, Params};
use super::{Call, bind_failed, of_mode};
use crate::answer::{Refusal, success};
use crate::apps::Application;
use crate::state::Api;
use axbridge_call::utc::text as utc_text;

pub(super) const METHODS: &str = "GET, POST, PUT, DELETE";

/// 90 days.
const DURATION_S_MAX: u64 = 7_776_000;
const MAX_DURATION_MIN_MAX: u64 = 1440;
const PAGE_SIZE: u64 = 50;

pub(super) async fn answer(api: Api, call: Call) -> Result<Response, Refusal> {
    of_mode(&call, Mode::Axb)?;
    match call.method {
        Method::POST => bind(api, call).await,
        Method::PUT => modify(api, call).await,
        Method::DELETE => unbind(api, call).await,
        _ => query(api, call).await,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bound {
    subscription_id: String,
    relation_num: String,
    call_direction: u8,
    duration: u32,
    max_duration: u16,
}

#[derive(Serialize)]
struct Nothing {}

async fn bind(api: Api, call: Call) -> Result<Response, Refusal> {
    let request = bind_request(call.who.app(), &call.params)?;
    let binding = api
        .store()
        .bind(request)
        .await
        .map_err(|e| bind_failed(e, unknown_number))?;
    Ok(success(Bound {
        subscription_id: binding.axb.subscription.to_string(),
        relation_num: binding.axb.x.to_global(),
        call_direction: binding.axb.direction.into(),
        duration: binding.duration_s,
        max_duration: binding.axb.policy.max_duration_min,
    }))
}

fn bind_request(app: &Application, p: &Params) -> Result<BindRequest, Refusal> {
    let a = party(p, "callerNum")?.ok_or_else(|| Refusal::parameter("callerNum", "is missing"))?;
    let b = party(p, "calleeNum")?.ok_or_else(|| Refusal::parameter("calleeNum", "is missing"))?;
    if a == b {
        return Err(Refusal::parameter(
            "calleeNum",
            "must differ from callerNum",
        ));
    }
    let x = p.number("relationNum")?;
    let record = p.flag("recordFlag")?.unwrap_or(false);
    if record && !app.record.settings.recording {
        return Err(Refusal::no_recording());
    }
    let hint = file(app, p, "recordHintTone")?.value();
    let pre_voice = p.object("preVoice")?;
    Ok(BindRequest {
        app: app.record.id,
        a,
        b,
        x,
        area: p.text("areaCode", 1, 32)?.value(),
        area_match: area_match(p)?,
        direction: direction(p)?.unwrap_or(CallDirection::Both),
        duration_s: duration(p)?.unwrap_or(0),
        policy: Policy {
            max_duration_min: max_duration(p)?.unwrap_or(0),
            last_min_voice: file(app, p, "lastMinVoice")?.value(),
            record,
            // The notice belongs to a recording; without one the documented behaviour is silence.
            record_hint_tone: hint.filter(|_| record),
            pre_voice_caller: file(app, &pre_voice, "callerHintTone")?.value(),
            pre_voice_callee: file(app, &pre_voice, "calleeHintTone")?.value(),
            private_sms: p.flag("privateSms")?.unwrap_or(true),
            ..Policy::default()
        },
        user_data: user_data(p)?.value(),
    })
}

async fn modify(api: Api, call: Call) -> Result<Response, Refusal> {
    let app = call.who.app();
    let p = &call.params;
    let subscription =
        subscription(p)?.ok_or_else(|| Refusal::parameter("subscriptionId", "is missing"))?;
    let mut request = ModifyRequest::new(app.record.id, subscription);
    request.a = party(p, "callerNum")?;
    request.b = party(p, "calleeNum")?;
    request.direction = direction(p)?;
    request.duration_s = duration(p)?;
    let pre_voice = p.object("preVoice")?;
    request.policy.max_duration_min = max_duration(p)?;
    request.policy.last_min_voice = changed(file(app, p, "lastMinVoice")?);
    request.policy.record = p.flag("recordFlag")?;
    request.policy.record_hint_tone = changed(file(app, p, "recordHintTone")?);
    request.policy.pre_voice_caller = changed(file(app, &pre_voice, "callerHintTone")?);
    request.policy.pre_voice_callee = changed(file(app, &pre_voice, "calleeHintTone")?);
    request.policy.private_sms = p.flag("privateSms")?;
    request.user_data = changed(user_data(p)?);
    api.store()
        .modify(request)
        .await
        .map_err(|e| bind_failed(e, unknown_number))?;
    Ok(success(Nothing {}))
}

async fn unbind(api: Api, call: Call) -> Result<Response, Refusal> {
    let what = match (
        subscription(&call.params)?,
        call.params.number("relationNum")?,
    ) {
        (Some(id), _) => Unbind::Subscription(id),
        (None, Some(x)) => Unbind::Number(x),
        (None, None) => {
            return Err(Refusal::parameter(
                "subscriptionId",
                "or relationNum must be given",
            ));
        }
    };
    let app = call.who.app().record.id;
    api.store()
        .unbind(app, what)
        .await
        .map_err(|e| bind_failed(e, not_applied))?;
    Ok(success(Nothing {}))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    relation_num_list: Vec<Item>,
    total_count: u64,
    page_index: u64,
    page_size: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    subscription_id: String,
    relation_num: String,
    caller_num: String,
    callee_num: String,
    call_direction: u8,
    duration: u32,
    max_duration: u16,
    record_flag: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_hint_tone: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_min_voice: Option<Arc<str>>,
    private_sms: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pre_voice: Option<PreVoice>,
    subscribe_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_data: Option<Arc<str>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PreVoice {
    #[serde(skip_serializing_if = "Option::is_none")]
    caller_hint_tone: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callee_hint_tone: Option<Arc<str>>,
}

async fn query(api: Api, call: Call) -> Result<Response, Refusal> {
    let p = &call.params;
    let (a, b) = (p.number("callerNum")?, p.number("calleeNum")?);
    let what = match (subscription(p)?, p.number("relationNum")?) {
        (Some(id), _) => Query::Subscription(id),
        (None, Some(x)) => Query::Number { x, a, b },
        (None, None) => {
            return Err(Refusal::parameter(
                "subscriptionId",
                "or relationNum must be given",
            ));
        }
    };
    let page_index = p.integer_or("pageIndex", 1, u64::from(u32::MAX), 1);
    let page_size = p.integer_or("pageSize", 10, 100, PAGE_SIZE);
    let app: AppId = call.who.app().record.id;
    let page = api
        .store()
        .query(
            app,
            what,
            u32::try_from(page_index).unwrap_or(u32::MAX),
            page_size as u32,
        )
        .await
        .map_err(|e| bind_failed(e, unknown_number))?;
    // A number without bindings has an empty list; a pair that was named and is not there does not exist.
    if page.total == 0 && (a.is_some() || b.is_some()) {
        return Err(Refusal::no_record().detail("These parties are not bound on this number."));
    }
    Ok(success(Found {
        relation_num_list: page.items.into_iter().map(item).collect(),
        total_count: page.total,
        page_index,
        page_size,
    }))
}

fn item(binding: Binding) -> Item {
    let policy = binding.axb.policy;
    let pre_voice = (policy.pre_voice_caller.is_some() || policy.pre_voice_callee.is_some())
        .then_some(PreVoice {
            caller_hint_tone: policy.pre_voice_caller,
            callee_hint_tone: policy.pre_voice_callee,
        });
    Item {
        subscription_id: binding.axb.subscription.to_string(),
        relation_num: binding.axb.x.to_global(),
        caller_num: binding.axb.a.to_global(),
        callee_num: binding.axb.b.to_global(),
        call_direction: binding.axb.direction.into(),
        duration: binding.duration_s,
        max_duration: policy.max_duration_min,
        record_flag: truth(policy.record),
        record_hint_tone: policy.record_hint_tone.filter(|_| policy.record),
        last_min_voice: policy.last_min_voice,
        private_sms: truth(policy.private_sms),
        pre_voice,
        subscribe_time: utc_text(binding.changed_ms),
        user_data: binding.axb.user_data,
    }
}

fn truth(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// A or B: a mobile or landline number. Service numbers (400, 800, 95...) cannot be bound.
fn party(p: &Params, name: &str) -> Result<Option<Number>, Refusal> {
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

/// An id that is not of our form is an id that does not exist.
fn subscription(p: &Params) -> Result<Option<SubscriptionId>, Refusal> {
    let Some(text) = p.text("subscriptionId", 1, 64)?.value() else {
        return Ok(None);
    };
    SubscriptionId::parse(&text).map(Some).ok_or_else(|| {
        Refusal::no_record().detail("No binding of this application has this subscriptionId.")
    })
}

fn direction(p: &Params) -> Result<Option<CallDirection>, Refusal> {
    Ok(match p.integer("callDirection", 0, 2)? {
        None => None,
        Some(0) => Some(CallDirection::Both),
        Some(1) => Some(CallDirection::CallerOnly),
        Some(_) => Some(CallDirection::CalleeOnly),
    })
}

fn duration(p: &Params) -> Result<Option<u32>, Refusal> {
    Ok(p.integer("duration", 0, DURATION_S_MAX)?.map(|n| n as u32))
}

fn max_duration(p: &Params) -> Result<Option<u16>, Refusal> {
    Ok(p.integer("maxDuration", 0, MAX_DURATION_MIN_MAX)?
        .map(|n| n as u16))
}

fn area_match(p: &Params) -> Result<AreaMatch, Refusal> {
    Ok(match p.integer("areaMatchMode", 0, 1)? {
        Some(1) => AreaMatch::Loose,
        _ => AreaMatch::Strict,
    })
}

/// A voice file of the application, which must have been uploaded and passed.
fn file(app: &Application, p: &Params, name: &str) -> Result<Change<Arc<str>>, Refusal> {
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
fn user_data(p: &Params) -> Result<Change<Arc<str>>, Refusal> {
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

fn changed<T>(change: Change<T>) -> Option<Option<T>> {
    match change {
        Change::Keep => None,
        Change::Clear => Some(None),
        Change::Set(value) => Some(Some(value)),
    }
}

fn unknown_number() -> Refusal {
    Refusal::no_record().detail("relationNum is not a number of this application.")
}

/// On unbind the public API calls it by another code.
fn not_applied() -> Refusal {
    Refusal::new(
        StatusCode::FORBIDDEN,
        "1012001",
        "Resource of number is not to be applied.",
    )
    .detail("relationNum is not a number of this application.")
}
