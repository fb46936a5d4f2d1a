//! AXE: anyone reaches `bindNum` through `virtualNum` and `extendNum`; A calls back by calling X.

use std::sync::Arc;

use axbridge_binding::{CallBack, Extension, Policy};
use axbridge_store::{
    AxeBindRequest, AxeBinding, AxeCount, AxeCursor, AxeKey, AxeModifyRequest, Mode, TimeUnit,
};
use axum::response::Response;
use http::Method;
use serde::Serialize;

use super::fields::{
    Nothing, area, area_match, changed, file, needed_party, record_flag, subscription, truth,
    user_data, zero_one,
};
use super::params::{Change, Params};
use super::{Call, Codes, forbidden, of_mode};
use crate::answer::{Refusal, success};
use crate::apps::Application;
use crate::state::Api;

pub(super) const METHODS: &str = "GET, POST, PUT, DELETE";

/// 30 days, in both units.
const EXPIRED_HOURS_MAX: u64 = 720;
const EXPIRED_MINUTES_MAX: u64 = 43_200;
const LIMIT: u64 = 50;
const LIMIT_MAX: u64 = 100;

pub(super) async fn answer(api: Api, call: Call) -> Result<Response, Refusal> {
    of_mode(&call, Mode::Axe)?;
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
    virtual_num: String,
    extend_num: String,
    bind_expired_time: u32,
    callback_expired_time: u32,
}

async fn bind(api: Api, call: Call) -> Result<Response, Refusal> {
    let request = bind_request(call.who.app(), &call.params)?;
    let bound = api
        .store()
        .axe_bind(request)
        .await
        .map_err(|e| CODES.refusal(e))?;
    Ok(success(Bound {
        subscription_id: bound.axe.subscription.to_string(),
        virtual_num: bound.axe.x.to_global(),
        extend_num: bound.axe.extension.to_string(),
        bind_expired_time: bound.bind_expires.unwrap_or(0),
        callback_expired_time: bound.call_back_expires.unwrap_or(0),
    }))
}

fn bind_request(app: &Application, p: &Params) -> Result<AxeBindRequest, Refusal> {
    let a = needed_party(p, "bindNum")?;
    let x = p.number("virtualNum")?;
    let area = area(p)?;
    if x.is_none() && area.is_none() {
        return Err(Refusal::parameter(
            "virtualNum",
            "or areaCode must be given",
        ));
    }
    let record = record_flag(app, p)?.unwrap_or(false);
    let hint = file(app, p, "recordHintTone")?.value();
    let (tone, number) = (
        file(app, p, "callbackTone")?.value(),
        p.number("callbackNum")?,
    );
    let call_back = match (tone, number) {
        (Some(_), Some(_)) => {
            return Err(Refusal::parameter(
                "callbackNum",
                "and callbackTone exclude each other",
            ));
        }
        (Some(tone), None) => CallBack::Tone(tone),
        (None, Some(number)) => CallBack::Number(number),
        (None, None) => CallBack::OfApplication,
    };
    let time_unit = time_unit(p)?;
    let minutes = time_unit == Some(TimeUnit::Minutes);
    Ok(AxeBindRequest {
        app: app.record.id,
        a,
        x,
        area,
        area_match: area_match(p)?,
        extension: extension(app, p)?,
        show_caller: p.zero_one("displayNumMode")?.unwrap_or(false),
        policy: Policy {
            record,
            record_hint_tone: hint.filter(|_| record),
            ..Policy::default()
        },
        call_back,
        unit: time_unit,
        bind_expires: expired(p, "bindExpiredTime", minutes)?,
        call_back_expires: expired(p, "callbackExpiredTime", minutes)?,
        user_data: user_data(p)?.value(),
    })
}

/// `extendNum`, of exactly as many digits as the application's extensions have.
fn extension(app: &Application, p: &Params) -> Result<Option<Extension>, Refusal> {
    let Some(text) = p.text("extendNum", 1, 4)?.value() else {
        return Ok(None);
    };
    let digits = app.record.settings.axe.extension_digits;
    match Extension::parse(&text) {
        Some(extension) if extension.digits() == digits => Ok(Some(extension)),
        _ => Err(Refusal::parameter(
            "extendNum",
            &format!("must have {digits} digits"),
        )),
    }
}

fn time_unit(p: &Params) -> Result<Option<TimeUnit>, Refusal> {
    Ok(match p.integer("timeUnit", 0, 1)? {
        None => None,
        Some(0) => Some(TimeUnit::Hours),
        Some(_) => Some(TimeUnit::Minutes),
    })
}

/// A life of up to 30 days, in hours or minutes; 0: without end.
fn expired(p: &Params, name: &str, minutes: bool) -> Result<Option<u32>, Refusal> {
    let max = if minutes {
        EXPIRED_MINUTES_MAX
    } else {
        EXPIRED_HOURS_MAX
    };
    Ok(p.integer(name, 0, max)?.map(|n| n as u32))
}

/// `subscriptionId`, or `virtualNum` and `extendNum` together.
fn key(app: &Application, p: &Params) -> Result<AxeKey, Refusal> {
    if let Some(id) = subscription(p, unknown)? {
        return Ok(AxeKey::Subscription(id));
    }
    match (p.number("virtualNum")?, extension(app, p)?) {
        (Some(x), Some(extension)) => Ok(AxeKey::Extension(x, extension)),
        _ => Err(Refusal::parameter(
            "subscriptionId",
            "or virtualNum with extendNum must be given",
        )),
    }
}

async fn modify(api: Api, call: Call) -> Result<Response, Refusal> {
    let app = call.who.app();
    let p = &call.params;
    let mut request = AxeModifyRequest::new(app.record.id, key(app, p)?);
    request.show_caller = p.zero_one("displayNumMode")?;
    request.policy.record = record_flag(app, p)?;
    request.policy.record_hint_tone = changed(file(app, p, "recordHintTone")?);
    request.call_back_tone = changed(file(app, p, "callbackTone")?);
    request.call_back_num = match p.text("callbackNum", 1, 128)? {
        Change::Clear => Some(None),
        _ => p.number("callbackNum")?.map(Some),
    };
    request.unit = time_unit(p)?;
    // Without a unit it is that of the binding, which the store knows.
    let minutes = request.unit != Some(TimeUnit::Hours);
    request.bind_expires = expired(p, "bindExpiredTime", minutes)?;
    request.call_back_expires = expired(p, "callbackExpiredTime", minutes)?;
    request.user_data = changed(user_data(p)?);
    api.store()
        .axe_modify(request)
        .await
        .map_err(|e| CODES.refusal(e))?;
    Ok(success(Nothing {}))
}

async fn unbind(api: Api, call: Call) -> Result<Response, Refusal> {
    let app = call.who.app();
    api.store()
        .axe_unbind(app.record.id, key(app, &call.params)?)
        .await
        .map_err(|e| CODES.refusal(e))?;
    Ok(success(Nothing {}))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    subscription_id: String,
    virtual_num: String,
    extend_num: String,
    bind_num: String,
    display_num_mode: &'static str,
    record_flag: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_hint_tone: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_tone: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_num: Option<String>,
    time_unit: &'static str,
    bind_expired_time: u32,
    callback_expired_time: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_data: Option<Arc<str>>,
}

async fn query(api: Api, call: Call) -> Result<Response, Refusal> {
    let app = call.who.app();
    Ok(success(one(&api, app, &call.params).await?))
}

async fn one(api: &Api, app: &Application, p: &Params) -> Result<Item, Refusal> {
    let found = api
        .store()
        .axe_query(app.record.id, key(app, p)?)
        .await
        .map_err(|e| CODES.refusal(e))?;
    Ok(item(found))
}

fn item(binding: AxeBinding) -> Item {
    let axe = binding.axe;
    let (callback_tone, callback_num) = match axe.otherwise {
        CallBack::OfApplication => (None, None),
        CallBack::Tone(tone) => (Some(tone), None),
        CallBack::Number(number) => (None, Some(number.to_global())),
    };
    Item {
        subscription_id: axe.subscription.to_string(),
        virtual_num: axe.x.to_global(),
        extend_num: axe.extension.to_string(),
        bind_num: axe.a.to_global(),
        display_num_mode: zero_one(axe.show_caller),
        record_flag: truth(axe.policy.record),
        record_hint_tone: axe.policy.record_hint_tone.filter(|_| axe.policy.record),
        callback_tone,
        callback_num,
        time_unit: zero_one(binding.unit == Some(TimeUnit::Minutes)),
        bind_expired_time: binding.bind_expires.unwrap_or(0),
        callback_expired_time: binding.call_back_expires.unwrap_or(0),
        user_data: axe.user_data,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    extend_num_list: Vec<Item>,
    /// The reference's own spelling, and the right one.
    #[serde(rename = "nextCusor", skip_serializing_if = "Option::is_none")]
    next_as_documented: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Version 2.0 of the query: one binding, or all of one X a page at a time.
pub(super) async fn query_v2(api: Api, call: Call) -> Result<Response, Refusal> {
    of_mode(&call, Mode::Axe)?;
    let app = call.who.app();
    let p = &call.params;
    let x = p.number("virtualNum")?;
    let single = !p.absent("subscriptionId") || !p.absent("extendNum");
    let (Some(x), false) = (x, single) else {
        return Ok(success(Listed {
            extend_num_list: vec![one(&api, app, p).await?],
            next_as_documented: None,
            next_cursor: None,
        }));
    };
    let limit = p.integer_or("limit", 1, LIMIT_MAX, LIMIT) as u32;
    let page = api
        .store()
        .axe_page(app.record.id, x, cursor(p)?, limit)
        .await
        .map_err(|e| CODES.refusal(e))?;
    let next = page
        .next
        .map(|c| format!("{:013}_{}", c.bound_ms, c.extension_code));
    Ok(success(Listed {
        extend_num_list: page.items.into_iter().map(item).collect(),
        next_as_documented: next.clone(),
        next_cursor: next,
    }))
}

/// `\d{13}_\d{1,20}`; the first page is asked for by `0000000000000_0` or none.
fn cursor(p: &Params) -> Result<AxeCursor, Refusal> {
    let bad = || {
        Refusal::parameter(
            "cursor",
            "must be nextCursor of the page before, or 0000000000000_0",
        )
    };
    let Some(text) = p.text("cursor", 1, 34)?.value() else {
        return Ok(AxeCursor::default());
    };
    let (ms, serial) = text.split_once('_').ok_or_else(bad)?;
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if ms.len() != 13 || serial.len() > 20 || !digits(ms) || !digits(serial) {
        return Err(bad());
    }
    Ok(AxeCursor {
        bound_ms: ms.parse().map_err(|_| bad())?,
        extension_code: serial.parse().map_err(|_| bad())?,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Counted {
    virtual_num_list: Vec<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Count {
    virtual_num: String,
    /// Bindings on it.
    bind_count: u32,
}

/// How many bindings the numbers of the application have.
pub(super) async fn count(api: Api, call: Call) -> Result<Response, Refusal> {
    of_mode(&call, Mode::Axe)?;
    let p = &call.params;
    let app = call.who.app().record.id;
    if let Some(x) = p.number("number")? {
        // Cursor and limit are not looked at then, as documented.
        let one = api.store().axe_count(app, x).await;
        return Ok(success(Counted {
            virtual_num_list: vec![counted(one.map_err(|e| CODES.refusal(e))?)],
            next_cursor: None,
        }));
    }
    let after = p.integer("cursor", 0, u64::MAX)?.unwrap_or(0);
    let limit = p.integer_or("limit", 1, LIMIT_MAX, LIMIT) as u32;
    let found = api
        .store()
        .axe_counts(app, after, limit)
        .await
        .map_err(|e| CODES.refusal(e))?;
    let full = found.len() == limit as usize;
    let last = found.last().filter(|_| full);
    Ok(success(Counted {
        next_cursor: last.map(|c| c.x.as_u64().to_string()),
        virtual_num_list: found.into_iter().map(counted).collect(),
    }))
}

fn counted(count: AxeCount) -> Count {
    Count {
        virtual_num: count.x.to_global(),
        bind_count: count.bound,
    }
}

fn unknown() -> Refusal {
    forbidden("1016001", "The record does not exist.").detail(
        "No binding of this application fits; check virtualNum, extendNum or subscriptionId.",
    )
}

const CODES: Codes = Codes {
    foreign_number: || {
        forbidden("1012001", "Resource of number is not to be applied.")
            .detail("virtualNum is not a number of this application.")
    },
    not_found: unknown,
    no_number: || {
        forbidden("1012008", "Insufficient number of resources").detail(
            "No number of this application can be used in this area; give virtualNum or set areaMatchMode to 1.",
        )
    },
    full: || {
        forbidden("1020167", "No idle extend Number.")
            .detail("This number holds as many bindings as it may.")
    },
    bound: || {
        forbidden("1016002", "The record already exists.")
            .detail("bindNum has an extension on this number already.")
    },
    same_party: || {
        Refusal::invalid("")
            .detail("bindNum, callbackNum and the private number must be different numbers.")
    },
};
