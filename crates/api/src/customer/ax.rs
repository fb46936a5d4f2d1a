//! AX: anyone reaches `origNum` through `privateNum`; A reaches the temporary callee by calling it.

use std::sync::Arc;

use axbridge_binding::{CallDirection, Policy};
use axbridge_store::{
    AX_CALLEE_DURATION_S, AX_CALLEE_DURATION_S_MAX, AxBindRequest, AxBinding, AxCalleeRequest,
    AxKey, AxModifyRequest, AxQuery, Mode,
};
use axum::response::Response;
use http::Method;
use serde::Serialize;

use super::fields::{
    Nothing, PreVoice, area, area_match, changed, direction, file, max_duration, needed_party,
    record_flag, subscription, truth, user_data, word, zero_one,
};
use super::params::Params;
use super::{Call, Codes, forbidden, of_mode};
use crate::answer::{Refusal, success};
use crate::apps::Application;
use crate::state::Api;
use axbridge_call::utc::text as utc_text;

pub(super) const METHODS: &str = "GET, POST, PUT, DELETE";

/// The one kind of number there is.
const NUMBER_TYPE: &str = "mobile-virtual";

pub(super) async fn answer(api: Api, call: Call) -> Result<Response, Refusal> {
    of_mode(&call, Mode::Ax)?;
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
    orig_num: String,
    private_num: String,
    subscription_id: String,
}

async fn bind(api: Api, call: Call) -> Result<Response, Refusal> {
    let request = bind_request(call.who.app(), &call.params)?;
    let bound = api
        .store()
        .ax_bind(request)
        .await
        .map_err(|e| CODES.refusal(e))?;
    Ok(success(Bound {
        orig_num: bound.ax.a.to_global(),
        private_num: bound.ax.x.to_global(),
        subscription_id: bound.ax.subscription.to_string(),
    }))
}

fn bind_request(app: &Application, p: &Params) -> Result<AxBindRequest, Refusal> {
    let a = needed_party(p, "origNum")?;
    let x = p.number("privateNum")?;
    let area = area(p)?;
    number_type(p, x.is_none())?;
    if x.is_none() && area.is_none() {
        return Err(Refusal::parameter(
            "privateNum",
            "or areaCode with privateNumType must be given",
        ));
    }
    let record = record_flag(app, p)?.unwrap_or(false);
    let hint = file(app, p, "recordHintTone")?.value();
    let pre_voice = p.object("preVoice")?;
    Ok(AxBindRequest {
        app: app.record.id,
        a,
        x,
        area,
        area_match: area_match(p)?,
        direction: direction(p)?,
        show_caller: p.zero_one("calleeNumDisplay")?.unwrap_or(false),
        turned_off: turned_off(p)?.unwrap_or(false),
        policy: Policy {
            max_duration_min: max_duration(p)?.unwrap_or(0),
            last_min_voice: file(app, p, "lastMinVoice")?.value(),
            record,
            record_hint_tone: hint.filter(|_| record),
            pre_voice_caller: file(app, &pre_voice, "callerHintTone")?.value(),
            pre_voice_callee: file(app, &pre_voice, "calleeHintTone")?.value(),
            private_sms: p.flag("privateSms")?.unwrap_or(true),
            ..Policy::default()
        },
        user_data: user_data(p)?.value(),
    })
}

/// Needed where X is to be chosen; there is only one type.
fn number_type(p: &Params, needed: bool) -> Result<(), Refusal> {
    match p.text("privateNumType", 1, 32)?.value() {
        None if needed => Err(Refusal::parameter(
            "privateNumType",
            "must be mobile-virtual",
        )),
        Some(given) if given != NUMBER_TYPE => Err(Refusal::parameter(
            "privateNumType",
            "must be mobile-virtual",
        )),
        _ => Ok(()),
    }
}

fn turned_off(p: &Params) -> Result<Option<bool>, Refusal> {
    word(p, "turnFlag", &[("on", false), ("off", true)])
}

/// `subscriptionId` or `privateNum`; `origNum`, which older samples send too, is not looked at.
fn key(p: &Params) -> Result<AxKey, Refusal> {
    match (subscription(p, unknown)?, p.number("privateNum")?) {
        (Some(id), _) => Ok(AxKey::Subscription(id)),
        (None, Some(x)) => Ok(AxKey::Number(x)),
        (None, None) => Err(Refusal::parameter(
            "subscriptionId",
            "or privateNum must be given",
        )),
    }
}

async fn modify(api: Api, call: Call) -> Result<Response, Refusal> {
    let app = call.who.app();
    let p = &call.params;
    let pre_voice = p.object("preVoice")?;
    let mut request = AxModifyRequest::new(app.record.id, key(p)?);
    request.direction = direction(p)?;
    request.show_caller = p.zero_one("calleeNumDisplay")?;
    request.turned_off = turned_off(p)?;
    request.policy.max_duration_min = max_duration(p)?;
    request.policy.last_min_voice = changed(file(app, p, "lastMinVoice")?);
    request.policy.record = record_flag(app, p)?;
    request.policy.record_hint_tone = changed(file(app, p, "recordHintTone")?);
    request.policy.pre_voice_caller = changed(file(app, &pre_voice, "callerHintTone")?);
    request.policy.pre_voice_callee = changed(file(app, &pre_voice, "calleeHintTone")?);
    request.policy.private_sms = p.flag("privateSms")?;
    request.user_data = changed(user_data(p)?);
    api.store()
        .ax_modify(request)
        .await
        .map_err(|e| CODES.refusal(e))?;
    Ok(success(Nothing {}))
}

async fn unbind(api: Api, call: Call) -> Result<Response, Refusal> {
    let app = call.who.app().record.id;
    api.store()
        .ax_unbind(app, key(&call.params)?)
        .await
        .map_err(|e| UNBIND_CODES.refusal(e))?;
    Ok(success(Nothing {}))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    private_num_list: Vec<Item>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    orig_num: String,
    private_num: String,
    private_num_type: &'static str,
    subscribe_time: String,
    subscription_id: String,
    record_flag: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_hint_tone: Option<Arc<str>>,
    callee_num_display: &'static str,
    private_sms: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pre_voice: Option<PreVoice>,
    max_duration: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_min_voice: Option<Arc<str>>,
    /// Only if it was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    call_direction: Option<u8>,
    turn_flag: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_data: Option<Arc<str>>,
}

async fn query(api: Api, call: Call) -> Result<Response, Refusal> {
    let p = &call.params;
    let what = match (
        subscription(p, unknown)?,
        p.number("origNum")?,
        p.number("privateNum")?,
    ) {
        (Some(id), ..) => AxQuery::Key(AxKey::Subscription(id)),
        (None, _, Some(x)) => AxQuery::Key(AxKey::Number(x)),
        (None, Some(a), None) => AxQuery::Party(a),
        (None, None, None) => {
            return Err(Refusal::parameter(
                "subscriptionId",
                "or origNum or privateNum must be given",
            ));
        }
    };
    let app = call.who.app().record.id;
    let found = api
        .store()
        .ax_query(app, what)
        .await
        .map_err(|e| CODES.refusal(e))?;
    Ok(success(Found {
        private_num_list: found.into_iter().map(item).collect(),
    }))
}

fn item(binding: AxBinding) -> Item {
    let policy = binding.ax.policy;
    Item {
        orig_num: binding.ax.a.to_global(),
        private_num: binding.ax.x.to_global(),
        private_num_type: NUMBER_TYPE,
        subscribe_time: utc_text(binding.changed_ms),
        subscription_id: binding.ax.subscription.to_string(),
        record_flag: truth(policy.record),
        record_hint_tone: policy.record_hint_tone.filter(|_| policy.record),
        callee_num_display: zero_one(binding.ax.show_caller),
        private_sms: truth(policy.private_sms),
        pre_voice: PreVoice::shown(policy.pre_voice_caller, policy.pre_voice_callee),
        max_duration: policy.max_duration_min,
        last_min_voice: policy.last_min_voice,
        call_direction: binding.direction.map(CallDirection::into),
        turn_flag: if binding.ax.turned_off { "off" } else { "on" },
        user_data: binding.ax.user_data,
    }
}

/// `PUT`: whom A reaches by its next calls, until the time is over or another is set.
pub(super) async fn temporary_callee(api: Api, call: Call) -> Result<Response, Refusal> {
    of_mode(&call, Mode::Ax)?;
    let p = &call.params;
    // Service numbers may be called, they only cannot be bound.
    let callee = p
        .number("calleeNum")?
        .ok_or_else(|| Refusal::parameter("calleeNum", "is missing"))?;
    let duration_s = p
        .integer("duration", 1, u64::from(AX_CALLEE_DURATION_S_MAX))?
        .map_or(AX_CALLEE_DURATION_S, |n| n as u32);
    let request = AxCalleeRequest {
        app: call.who.app().record.id,
        key: key(p)?,
        callee,
        duration_s,
        user_data: user_data(p)?.value(),
    };
    api.store()
        .ax_set_callee(request)
        .await
        .map_err(|e| CODES.refusal(e))?;
    Ok(success(Nothing {}))
}

fn no_account() -> Refusal {
    forbidden("1011001", "The account does not exist.")
        .detail("privateNum is not a number of this application.")
}

/// An id, or a number that is the application's and has no binding.
fn unknown() -> Refusal {
    forbidden(
        "1011004",
        "The number is not applied for binding application.",
    )
    .detail("No binding of this application fits.")
}

const CODES: Codes = Codes {
    foreign_number: no_account,
    not_found: unknown,
    no_number: || {
        forbidden("1011002", "Insufficient number of resources").detail(
            "No number of this application is free in this area; bind another number to the application, give \
             privateNum, or set areaMatchMode to 1.",
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
        forbidden("1011005", "Resources have been allocated.")
            .detail("privateNum is bound already; unbind it or use another number.")
    },
    same_party: || {
        Refusal::invalid("").detail("The parties and the private number must be different numbers.")
    },
};

/// On unbind the public API has one code for both.
const UNBIND_CODES: Codes = Codes {
    foreign_number: unknown,
    ..CODES
};
