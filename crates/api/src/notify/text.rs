//! `smsEvent`: a text, as the PrivateNumber API tells of it: what became of it (`Notify`), or what is to (`Block`).

use axbridge_call::{Fact, FactKind, utc};
use serde::Serialize;

/// As the samples write it, blanks included.
const EVENT: &str = "Text SMS ";

/// Body of both kinds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Notification<'a> {
    app_key: &'a str,
    sms_event: SmsEvent<'a>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SmsEvent<'a> {
    pub sms_identifier: &'a str,
    pub notification_mode: &'static str,
    pub calling: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub called: Option<&'a str>,
    pub virtual_number: &'a str,
    pub event: &'static str,
    pub time_stamp: String,
    pub ext_info: ExtInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms_content: Option<&'a str>,
    pub send_result: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_data: Option<&'a str>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExtInfo {
    ext_paras: Vec<ExtPara>,
}

#[derive(Serialize)]
struct ExtPara {
    key: &'static str,
    value: String,
}

impl ExtInfo {
    /// `splitNum` and `direction`.
    pub fn new(parts: u32, direction: u8) -> ExtInfo {
        let para = |key, value| ExtPara { key, value };
        ExtInfo {
            ext_paras: vec![
                para("splitNum", parts.to_string()),
                para("direction", direction.to_string()),
            ],
        }
    }
}

/// What became of a text; `None` for another fact.
#[must_use]
pub fn text_body(fact: &Fact) -> Option<Vec<u8>> {
    let FactKind::Text(report) = &fact.kind else {
        return None;
    };
    let event = SmsEvent {
        sms_identifier: &report.id,
        notification_mode: "Notify",
        calling: &report.calling,
        called: report.called.as_deref(),
        virtual_number: &report.virtual_number,
        ext_info: ExtInfo::new(report.parts, report.direction),
        subscription_id: fact.subscription_id.as_deref(),
        sms_content: report.content.as_deref(),
        send_result: report.result,
        area_code: report.area.as_deref(),
        user_data: fact.user_data.as_deref(),
        ..SmsEvent::default()
    };
    body(&fact.app_key, event, fact.at_ms)
}

pub(super) fn body(app_key: &str, event: SmsEvent<'_>, at_ms: u64) -> Option<Vec<u8>> {
    let event = SmsEvent {
        event: EVENT,
        time_stamp: time_stamp(at_ms),
        ..event
    };
    let notification = Notification {
        app_key,
        sms_event: event,
    };
    serde_json::to_vec(&notification).ok()
}

/// `2031-05-06T01:02:03.456Z`
fn time_stamp(ms: u64) -> String {
    let text = utc::text(ms).replace(' ', "T");
    format!("{text}.{:03}Z", ms % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axbridge_binding::AppId;
    use axbridge_call::TextReport;

    fn fact(report: TextReport) -> Fact {
        Fact {
            app: AppId(1),
            app_key: "demoKey01".into(),
            session_id: "text:m1".into(),
            seq: 0,
            at_ms: 1_935_882_123_456,
            subscription_id: Some("c0ffee02".into()),
            user_data: None,
            kind: FactKind::Text(Box::new(report)),
        }
    }

    #[test]
    fn a_text_that_was_sent() {
        let report = TextReport {
            id: "m1".into(),
            calling: "+8613900000002".into(),
            called: Some("+8613900000003".into()),
            virtual_number: "+8617000000001".into(),
            direction: 1,
            parts: 1,
            result: 0,
            content: Some("on my way".into()),
            area: None,
        };
        let written = text_body(&fact(report)).expect("body");
        let written: serde_json::Value = serde_json::from_slice(&written).expect("JSON");
        let expected = serde_json::json!({"appKey": "demoKey01", "smsEvent": {
            "smsIdentifier": "m1", "notificationMode": "Notify", "calling": "+8613900000002",
            "called": "+8613900000003", "virtualNumber": "+8617000000001", "event": "Text SMS ",
            "timeStamp": "2031-05-07T01:02:03.456Z", "subscriptionId": "c0ffee02", "smsContent": "on my way",
            "sendResult": 0,
            "extInfo": {"extParas": [{"key": "splitNum", "value": "1"}, {"key": "direction", "value": "1"}]},
        }});
        assert_eq!(written, expected);
    }

    #[test]
    fn what_is_not_told_is_not_there() {
        let report = TextReport {
            result: 2,
            direction: 2,
            ..TextReport::default()
        };
        let written = text_body(&fact(report)).expect("body");
        let written = String::from_utf8(written).expect("text");
        for absent in ["called", "smsContent", "areaCode", "userData"] {
            assert!(!written.contains(absent), "{written}");
        }
    }
}
