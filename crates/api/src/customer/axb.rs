//! AXB: `callerNum` and `calleeNum` reach each other through `relationNum`.

use std::sync::Arc;

use axbridge_binding::{AppId, CallDirection, Policy};
use axbridge_store::{BindRequest, Binding, Mode, ModifyRequest, Query, Unbind};
use axum::response::Response;
use http::Method;
use serde::Serialize;

use super::fields::{
    Nothing, PreVoice, area, area_match, changed, direction, file, max_duration, needed_party,
    party, record_flag, subscription, truth, user_data,
};
use super::params::Params;
use super::{Call, Codes, forbidden, of_mode};
use crate::answer::{Refusal, success};
use crate::apps::Application;
use crate::state::Api;
use axbridge_call::utc::text as utc_text;

pub(super) const METHODS: &str = "GET, POST, PUT, DELETE";

/// 90 days.
const DURATION_S_MAX: u64 = 7_776_000;
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

async fn bind(api: Api, call: Call) -> Result<Response, Refusal> {
    let request = bind_request(call.who.app(), &call.params)?;
    let binding = api
        .store()
        .bind(request)
        .await
        .map_err(|e| CODES.refusal(e))?;
    Ok(success(Bound {
        subscription_id: binding.axb.subscription.to_string(),
        relation_num: binding.axb.x.to_global(),
        call_direction: binding.axb.direction.into(),
        duration: binding.duration_s,
        max_duration: binding.axb.policy.max_duration_min,
    }))
}

fn bind_request(app: &Application, p: &Params) -> Result<BindRequest, Refusal> {
    let a = needed_party(p, "callerNum")?;
    let b = needed_party(p, "calleeNum")?;
    if a == b {
        return Err(Refusal::parameter(
            "calleeNum",
            "must differ from callerNum",
        ));
    }
    let x = p.number("relationNum")?;
    let record = record_flag(app, p)?.unwrap_or(false);
    let hint = file(app, p, "recordHintTone")?.value();
    let pre_voice = p.object("preVoice")?;
    Ok(BindRequest {
        app: app.record.id,
        a,
        b,
        x,
        area: area(p)?,
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
    let subscription = subscription(p, Refusal::no_record)?
        .ok_or_else(|| Refusal::parameter("subscriptionId", "is missing"))?;
    let mut request = ModifyRequest::new(app.record.id, subscription);
    request.a = party(p, "callerNum")?;
    request.b = party(p, "calleeNum")?;
    request.direction = direction(p)?;
    request.duration_s = duration(p)?;
    let pre_voice = p.object("preVoice")?;
    request.policy.max_duration_min = max_duration(p)?;
    request.policy.last_min_voice = changed(file(app, p, "lastMinVoice")?);
    request.policy.record = record_flag(app, p)?;
    request.policy.record_hint_tone = changed(file(app, p, "recordHintTone")?);
    request.policy.pre_voice_caller = changed(file(app, &pre_voice, "callerHintTone")?);
    request.policy.pre_voice_callee = changed(file(app, &pre_voice, "calleeHintTone")?);
    request.policy.private_sms = p.flag("privateSms")?;
    request.user_data = changed(user_data(p)?);
    api.store()
        .modify(request)
        .await
        .map_err(|e| CODES.refusal(e))?;
    Ok(success(Nothing {}))
}

async fn unbind(api: Api, call: Call) -> Result<Response, Refusal> {
    let what = match (
        subscription(&call.params, Refusal::no_record)?,
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
        .map_err(|e| UNBIND_CODES.refusal(e))?;
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

async fn query(api: Api, call: Call) -> Result<Response, Refusal> {
    let p = &call.params;
    let (a, b) = (p.number("callerNum")?, p.number("calleeNum")?);
    let what = match (
        subscription(p, Refusal::no_record)?,
        p.number("relationNum")?,
    ) {
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
        .map_err(|e| CODES.refusal(e))?;
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
    let pre_voice = PreVoice::shown(policy.pre_voice_caller, policy.pre_voice_callee);
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

fn duration(p: &Params) -> Result<Option<u32>, Refusal> {
    Ok(p.integer("duration", 0, DURATION_S_MAX)?.map(|n| n as u32))
}

fn no_number() -> Refusal {
    forbidden("1012008", "Insufficient number of resources").detail(
        "No number of this application is free for these parties in this area; bind another number to the \
         application, give relationNum, or set areaMatchMode to 1.",
    )
}

const CODES: Codes = Codes {
    foreign_number: || {
        Refusal::no_record().detail("relationNum is not a number of this application.")
    },
    not_found: || Refusal::no_record().detail("No binding or number of this application fits."),
    no_number,
    full: || {
        forbidden("1012008", "Insufficient number of resources")
            .detail("This number holds as many bindings as it may.")
    },
    bound: || {
        forbidden("1012010", "The relation number has been bound.")
            .detail("A party can be bound only once on a number; unbind it or use another number.")
    },
    same_party: || {
        Refusal::invalid("")
            .detail("callerNum, calleeNum and the private number must be three different numbers.")
    },
};

/// On unbind the public API calls a foreign number by another code.
const UNBIND_CODES: Codes = Codes {
    foreign_number: || {
        forbidden("1012001", "Resource of number is not to be applied.")
            .detail("relationNum is not a number of this application.")
    },
    ..CODES
};
