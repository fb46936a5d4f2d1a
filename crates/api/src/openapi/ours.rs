//! Our own additions for customers.

use serde_json::{Value, json};

use super::customer::{answers, item, refusals};
use super::{Operation, list_of, taken, text, the, whole, whole_within};

pub(super) fn operations() -> Vec<Operation> {
    let at = |method, path, id, summary| Operation::new(method, path, id, summary).tag("Additions");
    let wav = json!({"type": "string", "contentMediaType": "audio/wav"});
    vec![
        answers(
            at("get", "/v1/calls", "calls", "The application's calls of this moment."),
            json!({"callList": list_of(the("LiveCall"))}),
        ),
        answers(
            at("patch", "/v1/calls/{sessionId}", "callChange", "Change the limit of a running call.")
                .about("maxDuration counts from the answer in minutes, 0 = no limit; extendBy adds seconds; they \
                    exclude each other. warnBefore: seconds before the end.")
                .takes_json(taken(&[], json!({
                    "maxDuration": whole_within(0, 1440), "extendBy": whole_within(1, 86_400),
                    "warnBefore": whole_within(0, 3600),
                }))),
            json!({"endTime?": the("Time")}),
        ),
        answers(
            at("get", "/v1/calls/{sessionId}/trace", "callTrace", "Why a call was put through or refused."),
            json!({"trace": {}}),
        ),
        answers(
            at("patch", "/v1/bindings/{subscriptionId}", "bindingChange", "Set the warning point of a binding.")
                .takes_json(taken(&["warnBefore"], json!({
                    "warnBefore": {"type": ["integer", "string"], "minimum": 0, "maximum": 3600, "pattern": "^[0-9]+$"},
                }))),
            json!({}),
        ),
        answers(
            span(at("get", "/v1/records", "records", "Call records of the last 31 days, as they were sent."))
                .query("privateNum", false, the("NumberTaken"))
                .query("party", false, the("NumberTaken"))
                .query("stateCode", false, json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}))
                .query("pageIndex", false, json!({"type": "integer", "default": 1}))
                .query("pageSize", false, json!({"type": "integer", "default": 50})),
            json!({
                "feeLst": list_of(the("FeeInfo")), "totalCount": whole(), "pageIndex": whole(), "pageSize": whole(),
            }),
        ),
        refusals(
            download("get", "recordingGet", "A recording, by an address that was given.")
                .gives("200", "The WAV file.", "audio/wav", wav),
        ),
        refusals(
            download("head", "recordingHead", "Its head.").gives_nothing("200", "It is there."),
        ),
        at("get", "/v1/openapi.json", "openapi", "This document.")
            .open()
            .gives_json("200", "An OpenAPI document.", json!({"type": "object"})),
    ]
}

fn download(method: &'static str, id: &str, summary: &str) -> Operation {
    Operation::new(method, "/v1/recordings/{key}/{object}", id, summary)
        .tag("Calls")
        .about("The signature in the address is all that is asked for.")
        .open()
        .query("expires", true, json!({"type": "integer", "minimum": 0}))
        .query("signature", true, text())
        .query("format", false, json!({"enum": ["pcm", "alaw"]}))
}

/// From when to when: UTC text or Unix milliseconds.
fn span(operation: Operation) -> Operation {
    operation
        .query("startTime", false, text())
        .query("endTime", false, text())
}

pub(super) fn schemas() -> Value {
    let masked = json!({"type": "string"});
    json!({
        "LiveCall": item(json!({
            "sessionId": text(), "subscriptionId?": text(), "caller": masked, "privateNum": masked,
            "callee?": masked, "phase": {"enum": ["incoming", "calling", "ringing", "talking", "ending"]},
            "callInTime": the("Time"), "answerTime?": the("Time"),
        })),
        "FeeInfo": item(fee_info()),
    })
}

/// A call record: what every one has, then what some have.
fn fee_info() -> Value {
    let mut fields = json!({
        "direction": the("Direction"), "spId": text(), "appKey": text(), "icid": text(), "bindNum": text(),
        "sessionId": text(), "subscriptionId": text(), "callerNum": text(), "calleeNum": text(),
        "callInTime": the("Time"), "callEndTime": the("Time"), "fwdUnaswRsn": whole(), "ulFailReason": whole(),
        "sipStatusCode": whole(), "callOutUnaswRsn": whole(), "recordFlag": {"enum": [0, 1]},
        "ttsPlayTimes": whole(), "ttsTransDuration": whole(), "mptyId": text(), "serviceType": text(),
    });
    let sometimes = json!({
        "fwdDisplayNum?": text(), "fwdDstNum?": text(), "fwdStartTime?": the("Time"),
        "fwdAlertingTime?": the("Time"), "fwdAnswerTime?": the("Time"), "failTime?": the("Time"),
        "recordStartTime?": the("Time"), "recordDomain?": text(), "recordBucketName?": text(),
        "recordObjectName?": text(), "recordFileDownloadUrl?": text(), "hostName?": text(), "userData?": text(),
        "extendNum?": text(), "notifyMode?": {"const": "Block"}, "areaCode?": text(), "callDuration?": whole(),
        "callRelDirection?": {"enum": [1, 2]},
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut fields, sometimes) {
        all.extend(more);
    }
    fields
}
