//! Facts as the PrivateNumber API writes them: call events (`statusInfo`) and call records (`feeLst`).
//!
//! Times are UTC text `yyyy-MM-dd HH:mm:ss`; numbers are whole, since they go to the application that bound them.

use axbridge_call::{CallRecord, Fact, FactKind};
use serde::Serialize;
use serde_json::Value;

use super::ask::CallIn;
use crate::apps::Application;
use axbridge_call::utc::text as utc_text;

/// `notifyMode` of X mode, where the customer's answer steers the call.
const BLOCK: &str = "Block";

/// What every call record of this installation says about it.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// `hostName`: the node that produced the record.
    pub host_name: String,
    /// `recordDomain`: passed back to us when a recording is asked for.
    pub record_domain: String,
}

/// What every call record says about the customer.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    /// `spId`.
    pub sp_id: &'a str,
    /// Records also carry `areaCode`, `callDuration` and `callRelDirection`, which the reference gives on request.
    pub on_request: bool,
}

impl<'a> Account<'a> {
    /// That of an application.
    #[must_use]
    pub fn of(app: &'a Application) -> Self {
        Self {
            sp_id: &app.record.sp_id,
            on_request: app.record.settings.cdr_on_request,
        }
    }
}

/// `eventType` and `statusInfo`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    event_type: &'static str,
    status_info: StatusInfo<'a>,
}

#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusInfo<'a> {
    session_id: &'a str,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    called: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notify_mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digit_info: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_code: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_desc: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_rel_direction: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_data: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fees<'a> {
    event_type: &'static str,
    fee_lst: Vec<FeeInfo<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FeeInfo<'a> {
    direction: u8,
    sp_id: &'a str,
    app_key: &'a str,
    icid: &'a str,
    bind_num: &'a str,
    session_id: &'a str,
    subscription_id: &'a str,
    caller_num: &'a str,
    callee_num: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    extend_num: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    fwd_display_num: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    fwd_dst_num: &'a str,
    call_in_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fwd_start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fwd_alerting_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fwd_answer_time: Option<String>,
    call_end_time: String,
    fwd_unasw_rsn: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    fail_time: Option<String>,
    ul_fail_reason: u32,
    sip_status_code: u16,
    call_out_unasw_rsn: u16,
    record_flag: u8,
    #[serde(flatten)]
    recording: Option<Recording<'a>>,
    tts_play_times: u8,
    tts_trans_duration: u8,
    mpty_id: &'a str,
    service_type: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    host_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    notify_mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_data: Option<&'a str>,
    #[serde(flatten)]
    on_request: Option<OnRequest<'a>>,
}

/// The reference has a fourth, `voiceCheckType`; nobody checks recordings here, and then it is absent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OnRequest<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    area_code: Option<&'a str>,
    /// Seconds of talk, as the times of the record give it.
    call_duration: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_rel_direction: Option<u8>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recording<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    record_start_time: Option<String>,
    record_domain: &'a str,
    record_bucket_name: &'a str,
    record_object_name: &'a str,
    record_file_download_url: String,
}

/// The body of a call event; `None` for a fact that is not an event.
#[must_use]
pub fn event_body(fact: &Fact) -> Option<Vec<u8>> {
    let bare = StatusInfo {
        session_id: &fact.session_id,
        timestamp: utc_text(fact.at_ms),
        ..StatusInfo::default()
    };
    let told = StatusInfo {
        subscription_id: fact.subscription_id.as_deref(),
        user_data: fact.user_data.as_deref(),
        ..bare.clone()
    };
    let status_info = match &fact.kind {
        // Nobody knows yet whose extension it is.
        FactKind::CollectInfo { digits } => StatusInfo {
            digit_info: Some(digits),
            ..bare
        },
        FactKind::CallIn { caller, called, .. }
        | FactKind::CallOut { caller, called }
        | FactKind::Alerting { caller, called }
        | FactKind::Answer { caller, called } => StatusInfo {
            caller: Some(caller),
            called: Some(called),
            ..told
        },
        FactKind::Disconnect {
            caller,
            called,
            state_code,
            state_desc,
            released_by,
        } => StatusInfo {
            caller: Some(caller),
            called: Some(called),
            state_code: Some(*state_code),
            state_desc: Some(state_desc),
            call_rel_direction: *released_by,
            ..told
        },
        _ => return None,
    };
    let event = Event {
        event_type: fact.kind.name(),
        status_info,
    };
    serde_json::to_vec(&event).ok()
}

/// The question of X mode: `callin`, in Block mode.
pub(super) fn callin_body(call: &CallIn) -> Option<Vec<u8>> {
    let (caller, called) = (call.caller.to_global(), call.called.to_global());
    let event = Event {
        event_type: "callin",
        status_info: StatusInfo {
            session_id: &call.session_id,
            timestamp: utc_text(call.at_ms),
            caller: Some(&caller),
            called: Some(&called),
            notify_mode: Some(BLOCK),
            ..StatusInfo::default()
        },
    };
    serde_json::to_vec(&event).ok()
}

/// The body that carries these call records, 1 to 50; facts that are not records are left out. `None` if none is one.
/// `download_url`: a signed URL for an object name, empty if there is none.
#[must_use]
pub fn records_body(
    facts: &[Fact],
    account: Account<'_>,
    origin: &Origin,
    download_url: impl Fn(&str) -> String,
) -> Option<Vec<u8>> {
    let fee_lst: Vec<FeeInfo<'_>> = facts
        .iter()
        .filter_map(|fact| match &fact.kind {
            FactKind::Record(record) => {
                Some(fee_info(fact, record, account, origin, &download_url))
            }
            _ => None,
        })
        .collect();
    if fee_lst.is_empty() {
        return None;
    }
    serde_json::to_vec(&Fees {
        event_type: "fee",
        fee_lst,
    })
    .ok()
}

/// One call record as it stands in `feeLst`; `None` for a fact that is none.
pub(crate) fn record_json(
    fact: &Fact,
    account: Account<'_>,
    origin: &Origin,
    download_url: impl Fn(&str) -> String,
) -> Option<Value> {
    let FactKind::Record(record) = &fact.kind else {
        return None;
    };
    serde_json::to_value(fee_info(fact, record, account, origin, &download_url)).ok()
}

fn fee_info<'a>(
    fact: &'a Fact,
    record: &'a CallRecord,
    account: Account<'a>,
    origin: &'a Origin,
    download_url: &impl Fn(&str) -> String,
) -> FeeInfo<'a> {
    let subscription_id = fact.subscription_id.as_deref().unwrap_or_default();
    let failed = record.fwd_answer_ms.is_none();
    let recording = record
        .record_object
        .as_deref()
        .filter(|_| record.record_flag == 1)
        .map(|object| Recording {
            record_start_time: record.record_start_ms.map(utc_text),
            record_domain: &origin.record_domain,
            record_bucket_name: &fact.app_key,
            record_object_name: object,
            record_file_download_url: download_url(object),
        });
    FeeInfo {
        direction: record.direction,
        sp_id: account.sp_id,
        app_key: &fact.app_key,
        icid: &record.icid,
        bind_num: &record.bind_num,
        session_id: &fact.session_id,
        subscription_id,
        caller_num: &record.caller_num,
        callee_num: &record.callee_num,
        extend_num: record.extend_num.as_deref(),
        fwd_display_num: &record.fwd_display_num,
        fwd_dst_num: &record.fwd_dst_num,
        call_in_time: utc_text(record.call_in_ms),
        fwd_start_time: record.fwd_start_ms.map(utc_text),
        fwd_alerting_time: record.fwd_alerting_ms.map(utc_text),
        fwd_answer_time: record.fwd_answer_ms.map(utc_text),
        call_end_time: utc_text(record.call_end_ms),
        fwd_unasw_rsn: record.fwd_unasw_rsn,
        fail_time: failed.then(|| utc_text(record.call_end_ms)),
        ul_fail_reason: record.ul_fail_reason,
        sip_status_code: record.sip_status_code,
        call_out_unasw_rsn: 0,
        record_flag: record.record_flag,
        recording,
        tts_play_times: 0,
        tts_trans_duration: 0,
        mpty_id: subscription_id,
        service_type: "004",
        host_name: &origin.host_name,
        notify_mode: record.asked.then_some(BLOCK),
        user_data: fact.user_data.as_deref(),
        on_request: account.on_request.then(|| on_request(record)),
    }
}

fn on_request(record: &CallRecord) -> OnRequest<'_> {
    let second = |ms: u64| ms / 1_000;
    let answered = record.fwd_answer_ms.unwrap_or(record.call_end_ms);
    OnRequest {
        area_code: record.area_code.as_deref(),
        call_duration: second(record.call_end_ms).saturating_sub(second(answered)),
        call_rel_direction: record.released_by,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axbridge_binding::AppId;
    use serde_json::json;

    const ACME: Account<'_> = Account {
        sp_id: "acme",
        on_request: false,
    };

    fn fact(kind: FactKind) -> Fact {
        Fact {
            app: AppId(1),
            app_key: "demoKey01".into(),
            session_id: "1200_7_20300102030405@node1.example".into(),
            seq: 0,
            at_ms: 1_893_553_445_678,
            subscription_id: Some("2f1c".into()),
            user_data: Some("order-1".into()),
            kind,
        }
    }

    fn parsed(body: Option<Vec<u8>>) -> Value {
        serde_json::from_slice(&body.unwrap()).unwrap()
    }

    #[test]
    fn a_disconnect_event_has_the_documented_fields_and_types() {
        let body = parsed(event_body(&fact(FactKind::Disconnect {
            caller: "+8617000000009".into(),
            called: "+8613900000002".into(),
            state_code: 0,
            state_desc: "The user releases the call.".into(),
            released_by: Some(2),
        })));
        assert_eq!(
            body,
            json!({"eventType":"disconnect","statusInfo":{"sessionId":"1200_7_20300102030405@node1.example",
                "timestamp":"2030-01-02 03:04:05","caller":"+8617000000009","called":"+8613900000002","stateCode":0,
                "stateDesc":"The user releases the call.","callRelDirection":2,"subscriptionId":"2f1c","userData":"order-1"}})
        );
    }

    #[test]
    fn other_events_carry_no_state_and_absent_fields_are_left_out() {
        let mut f = fact(FactKind::CallIn {
            caller: "+8613900000001".into(),
            called: "+8617000000009".into(),
            asked: false,
        });
        f.subscription_id = None;
        f.user_data = None;
        assert_eq!(
            parsed(event_body(&f)),
            json!({"eventType":"callin","statusInfo":{"sessionId":"1200_7_20300102030405@node1.example",
                "timestamp":"2030-01-02 03:04:05","caller":"+8613900000001","called":"+8617000000009"}})
        );
        assert!(event_body(&fact(FactKind::Record(Box::default()))).is_none());
    }

    fn record() -> CallRecord {
        CallRecord {
            direction: 1,
            icid: "ab12".into(),
            bind_num: "+8617000000009".into(),
            caller_num: "+8613900000001".into(),
            callee_num: "+8617000000009".into(),
            fwd_display_num: "+8617000000009".into(),
            fwd_dst_num: "+8613900000002".into(),
            call_in_ms: 1_893_553_445_000,
            fwd_start_ms: Some(1_893_553_446_000),
            fwd_alerting_ms: Some(1_893_553_452_000),
            fwd_answer_ms: Some(1_893_553_460_000),
            call_end_ms: 1_893_553_540_000,
            record_flag: 1,
            record_start_ms: Some(1_893_553_461_000),
            record_object: Some("30010203042112050118304.wav".into()),
            ..CallRecord::default()
        }
    }

    #[test]
    fn a_recorded_call_has_the_documented_record() {
        let origin = Origin {
            host_name: "node1.example".into(),
            record_domain: "rec.example".into(),
        };
        let facts = [fact(FactKind::Record(Box::new(record())))];
        let body = parsed(records_body(&facts, ACME, &origin, |o| {
            format!("https://rec.example/{o}")
        }));
        assert_eq!(
            body,
            json!({"eventType":"fee","feeLst":[{"direction":1,"spId":"acme","appKey":"demoKey01","icid":"ab12",
                "bindNum":"+8617000000009","sessionId":"1200_7_20300102030405@node1.example","subscriptionId":"2f1c",
                "callerNum":"+8613900000001","calleeNum":"+8617000000009","fwdDisplayNum":"+8617000000009",
                "fwdDstNum":"+8613900000002","callInTime":"2030-01-02 03:04:05","fwdStartTime":"2030-01-02 03:04:06",
                "fwdAlertingTime":"2030-01-02 03:04:12","fwdAnswerTime":"2030-01-02 03:04:20",
                "callEndTime":"2030-01-02 03:05:40","fwdUnaswRsn":0,"ulFailReason":0,"sipStatusCode":0,
                "callOutUnaswRsn":0,"recordFlag":1,"recordStartTime":"2030-01-02 03:04:21","recordDomain":"rec.example",
                "recordBucketName":"demoKey01","recordObjectName":"30010203042112050118304.wav",
                "recordFileDownloadUrl":"https://rec.example/30010203042112050118304.wav","ttsPlayTimes":0,
                "ttsTransDuration":0,"mptyId":"2f1c","serviceType":"004","hostName":"node1.example","userData":"order-1"}]})
        );
    }

    #[test]
    fn a_refused_call_has_an_empty_subscription_a_fail_time_and_no_recording() {
        let refused = CallRecord {
            direction: 2,
            record_flag: 0,
            fwd_start_ms: None,
            fwd_alerting_ms: None,
            fwd_answer_ms: None,
            fwd_display_num: String::new(),
            fwd_dst_num: String::new(),
            ul_fail_reason: 8014,
            ..record()
        };
        let mut f = fact(FactKind::Record(Box::new(refused)));
        f.subscription_id = None;
        let body = parsed(records_body(&[f], ACME, &Origin::default(), |_| {
            String::new()
        }));
        let fee = &body["feeLst"][0];
        assert_eq!(fee["subscriptionId"], "");
        assert_eq!(fee["failTime"], "2030-01-02 03:05:40");
        assert_eq!(fee["ulFailReason"], 8014);
        for absent in [
            "fwdAnswerTime",
            "fwdDstNum",
            "recordObjectName",
            "recordFileDownloadUrl",
            "recordStartTime",
        ] {
            assert!(fee.get(absent).is_none(), "{absent}");
        }
    }
}
