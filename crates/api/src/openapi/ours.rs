//! Our own additions for customers.

use serde_json::{Value, json};

use super::customer::{answers, item, refusals};
use super::{Operation, list_of, taken, text, text_to, the, whole, whole_within};

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
            at("get", "/v1/calls/{sessionId}/trace", "callTrace", "Why a call was put through or refused.")
                .about("Of calls in progress, and of ended ones for 31 days. Numbers are masked; of SIP messages only \
                    method, status, leg and time are told."),
            json!({"trace": the("Trace")}),
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
        answers(
            span(at("get", "/v1/events", "events", "Events of ended calls of the last 31 days, as they were sent."))
                .about("In order for each call, the latest call first. Pages are of calls.")
                .query("sessionId", false, json!({"type": "string", "maxLength": 256}))
                .query("pageIndex", false, json!({"type": "integer", "default": 1}))
                .query("pageSize", false, json!({"type": "integer", "default": 50})),
            json!({
                "callList": list_of(the("CallEvents")), "totalCount": whole(), "pageIndex": whole(),
                "pageSize": whole(),
            }),
        ),
        answers(
            at("post", "/v1/replay", "replay", "Send events and records of ended calls again.")
                .about("Either sessionIds, or startTime (with endTime, and next of the answer before). To the addresses \
                    set now, each call in its order. A call of which something is still to be sent is passed over and \
                    counted in waitingCount. 1,000 calls at once: next in the answer says that there are more.")
                .takes_json(taken(&[], json!({
                    "sessionIds": {"type": "array", "minItems": 1, "maxItems": 100, "items": {
                        "type": "string", "minLength": 1, "maxLength": 256,
                    }},
                    "startTime": moment(), "endTime": moment(), "next": text_to(64),
                    "kind": {"enum": ["events", "records", "all", "", null]},
                }))),
            json!({
                "callCount": whole(), "notificationCount": whole(), "waitingCount": whole(), "next?": text(),
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

/// As it is taken: UTC text or Unix milliseconds.
fn moment() -> Value {
    json!({"type": ["string", "integer", "null"]})
}

/// The trace of a call, the same on both surfaces.
pub(super) fn trace_schema() -> Value {
    let leg = item(json!({
        "packets": whole(), "lost": whole(), "reordered": whole(), "jitterMs": {"type": "number"},
        "mos": {"type": "number"},
    }));
    item(json!({
        "sessionId": text(), "running": {"type": "boolean"}, "beginTime": text(), "caller?": text(),
        "privateNum?": text(), "shownNum?": text(), "callee?": text(),
        "steps": list_of(item(json!({"time": text(), "text": text()}))),
        "messages": list_of(item(json!({
            "time": text(), "leg": {"enum": ["caller", "callee"]}, "direction": {"enum": ["received", "sent"]},
            "method": text(), "status?": whole(),
        }))),
        "media?": item(json!({"caller?": leg, "callee?": leg})),
        "cut?": text(),
    }))
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
        "Trace": trace_schema(),
        "CallEvents": item(json!({"sessionId": text(), "eventList": list_of(the("Event"))})),
        "Event": event(),
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

fn event() -> Value {
    item(json!({
        "eventType": {"enum": ["callin", "collectInfo", "callout", "alerting", "answer", "disconnect"]},
        "statusInfo": item(json!({
            "sessionId": text(), "timestamp": the("Time"), "caller?": text(), "called?": text(),
            "notifyMode?": {"const": "Block"}, "digitInfo?": text(), "stateCode?": whole(), "stateDesc?": text(),
            "callRelDirection?": {"enum": [1, 2]}, "subscriptionId?": text(), "userData?": text(),
        })),
    }))
}
