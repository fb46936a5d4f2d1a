//! AXYB: A behind X, B behind Y; the relation is made in two steps, or by a stranger's call.
//!
//! All three operations carry `app_key` in the query string besides the headers.

use std::sync::Arc;

use axbridge_binding::{CallDirection, Policy};
use axbridge_store::{
    AXYB_DURATION_S, AxybBindX, AxybBindY, AxybPart, AxybQuery, AxybRelation, Mode,
};
use axum::response::Response;
use http::Method;
use serde::Serialize;

use super::fields::{
    Nothing, area, area_match, direction, file, needed_party, record_flag, subscription, truth,
    user_data,
};
use super::params::Params;
use super::{Call, Codes, forbidden, of_mode};
use crate::answer::{Refusal, success};
use crate::apps::Application;
use crate::state::Api;
use axbridge_call::utc::text as utc_text;

/// A relation has as many parts as strangers have called: more than these are not listed.
const LISTED_MAX: u32 = 1000;

pub(super) const METHODS: &str = "GET, POST, DELETE";

const DURATION_S_MIN: u64 = 60;
/// 90 days.
const DURATION_S_MAX: u64 = 7_776_000;

pub(super) async fn answer(api: Api, call: Call) -> Result<Response, Refusal> {
    own_key(&call)?;
    of_mode(&call, Mode::Axyb)?;
    match call.method {
        Method::POST if call.params.absent("subscriptionId") => bind_a(api, call).await,
        Method::POST => bind_b(api, call).await,
        Method::DELETE => unbind(api, call).await,
        _ => query(api, call).await,
    }
}

/// `app_key` says again whose the request is. A client that leaves it out is known by its headers.
fn own_key(call: &Call) -> Result<(), Refusal> {
    match call.params.text("app_key", 1, 128)?.value() {
        Some(key) if key != call.who.app().record.key => {
            Err(forbidden("1010003", "Invalid app_key.")
                .detail("app_key of the query string is not that of the headers."))
        }
        _ => Ok(()),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bound {
    subscription_id: String,
    relation_number: String,
}

async fn bind_a(api: Api, call: Call) -> Result<Response, Refusal> {
    let request = bind_a_request(call.who.app(), &call.params)?;
    let bound = api
        .store()
        .axyb_bind_x(request)
        .await
        .map_err(|e| CODES.refusal(e))?;
    Ok(success(Bound {
        subscription_id: bound.subscription.to_string(),
        relation_number: bound.x.to_global(),
    }))
}

fn bind_a_request(app: &Application, p: &Params) -> Result<AxybBindX, Refusal> {
    let a = needed_party(p, "origNum")?;
    let record = record_flag(app, p)?.unwrap_or(false);
    let hint = file(app, p, "recordHintTone")?.value();
    let duration_s = duration(p, "duration")?.unwrap_or(AXYB_DURATION_S);
    let yb_duration_s = duration(p, "ybDuration")?.unwrap_or(0);
    Ok(AxybBindX {
        app: app.record.id,
        a,
        area: area(p)?,
        area_match: area_match(p)?,
        direction: direction(p)?.unwrap_or(CallDirection::Both),
        duration_s,
        yb_duration_s: within(duration_s, yb_duration_s),
        policy: Policy {
            record,
            record_hint_tone: hint.filter(|_| record),
            pre_voice_caller: file(app, p, "preVoiceX")?.value(),
            ..Policy::default()
        },
        user_data: user_data(p)?.value(),
    })
}

async fn bind_b(api: Api, call: Call) -> Result<Response, Refusal> {
    let app = call.who.app();
    let p = &call.params;
    let subscription = subscription(p, unknown)?
        .ok_or_else(|| Refusal::parameter("subscriptionId", "is missing"))?;
    let request = AxybBindY {
        app: app.record.id,
        subscription,
        b: needed_party(p, "origNum")?,
        area: area(p)?,
        area_match: area_match(p)?,
        yb_duration_s: duration(p, "ybDuration")?,
        pre_voice_y: file(app, p, "preVoiceY")?.value(),
        user_data: user_data(p)?.value(),
    };
    let bound = api
        .store()
        .axyb_bind_y(request)
        .await
        .map_err(|e| CODES.refusal(e))?;
    let y = bound.yb.ok_or_else(Refusal::internal)?.y;
    Ok(success(Bound {
        subscription_id: bound.subscription.to_string(),
        relation_number: y.to_global(),
    }))
}

/// 0, or a minute to 90 days.
fn duration(p: &Params, name: &str) -> Result<Option<u32>, Refusal> {
    match p.integer(name, 0, DURATION_S_MAX)? {
        Some(n) if n != 0 && n < DURATION_S_MIN => {
            Err(Refusal::parameter(name, "must be 0 or from 60 to 7776000"))
        }
        n => Ok(n.map(|n| n as u32)),
    }
}

/// The life of a Y that is longer than the whole relation's is that of the relation (0: no end of its own).
fn within(duration_s: u32, yb_duration_s: u32) -> u32 {
    if duration_s != 0 && yb_duration_s >= duration_s {
        0
    } else {
        yb_duration_s
    }
}

async fn unbind(api: Api, call: Call) -> Result<Response, Refusal> {
    let p = &call.params;
    let subscription = subscription(p, unknown)?
        .ok_or_else(|| Refusal::parameter("subscriptionId", "is missing"))?;
    let part = match (p.number("yNum")?, p.number("bNum")?) {
        (Some(y), _) => AxybPart::Y(y),
        (None, Some(b)) => AxybPart::B(b),
        (None, None) => AxybPart::Whole,
    };
    api.store()
        .axyb_unbind(call.who.app().record.id, subscription, part)
        .await
        .map_err(|e| CODES.refusal(e))?;
    Ok(success(Nothing {}))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    xy_relation_num_list: Vec<Item>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    bind_id: String,
    num_a: String,
    num_x: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_y: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_b: Option<String>,
    record_flag: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_hint_tone: Option<Arc<str>>,
    subscribe_time: String,
    call_direction: u8,
    duration: String,
    yb_duration: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pre_voice_x: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pre_voice_y: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_data: Option<Arc<str>>,
}

async fn query(api: Api, call: Call) -> Result<Response, Refusal> {
    let p = &call.params;
    let what = match (subscription(p, unknown)?, p.number("relationNum")?) {
        (Some(id), _) => AxybQuery::Subscription(id),
        (None, Some(x)) => AxybQuery::Number(x),
        (None, None) => {
            return Err(Refusal::parameter(
                "subscriptionId",
                "or relationNum must be given",
            ));
        }
    };
    let found = api
        .store()
        .axyb_query(call.who.app().record.id, what, LISTED_MAX)
        .await
        .map_err(|e| CODES.refusal(e))?;
    Ok(success(Found {
        xy_relation_num_list: found.into_iter().map(item).collect(),
    }))
}

fn item(relation: AxybRelation) -> Item {
    let policy = relation.policy;
    Item {
        bind_id: relation.subscription.to_string(),
        num_a: relation.a.to_global(),
        num_x: relation.x.to_global(),
        num_y: relation.yb.map(|yb| yb.y.to_global()),
        num_b: relation.yb.map(|yb| yb.b.to_global()),
        record_flag: truth(policy.record),
        record_hint_tone: policy.record_hint_tone.filter(|_| policy.record),
        subscribe_time: utc_text(relation.changed_ms),
        call_direction: relation.direction.into(),
        duration: relation.duration_s.to_string(),
        yb_duration: relation.yb_duration_s.to_string(),
        pre_voice_x: policy.pre_voice_caller,
        pre_voice_y: policy.pre_voice_callee,
        user_data: relation.user_data,
    }
}

fn unknown() -> Refusal {
    forbidden("1016001", "The record does not exist.")
        .detail("No binding of this application fits.")
}

const CODES: Codes = Codes {
    foreign_number: || {
        forbidden("1012001", "Resource of number is not to be applied.")
            .detail("relationNum is not a number of this application.")
    },
    not_found: unknown,
    no_number: || {
        forbidden("1012008", "Insufficient number of resources").detail(
            "No number of this application is free in this area; bind another number to the application or set \
             areaMatchMode to 1.",
        )
    },
    full: || {
        forbidden(
            "1011003",
            "Exceeded the upper limit of resources that can be applied for.",
        )
        .detail("origNum has five private numbers already; unbind one.")
    },
    bound: || {
        forbidden("1016002", "The record already exists.")
            .detail("origNum is part of this relation already.")
    },
    same_party: || {
        Refusal::invalid("")
            .detail("The parties and the private numbers must be different numbers.")
    },
};
