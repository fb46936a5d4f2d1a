//! Tests: the events and the record of each mode have exactly the fields of its page of the reference.

use axbridge_binding::AppId;
use axbridge_call::{CallRecord, Fact, FactKind};
use axbridge_numbering::Number;
use serde_json::{Value, json};

use super::ask::CallIn;
use super::render::{Account, Origin, callin_body, event_body, records_body};

const REAL: &str = "+8613900000001";
const X: &str = "+8617000000009";
const CALLEE: &str = "+8613900000002";
const SESSION: &str = "1200_7_20300102030405@node1.example";
const AT: u64 = 1_893_553_445_000;

/// A fact of a call; `bound`: by the binding and with the text of the customer.
fn fact(kind: FactKind, bound: Option<&str>, user_data: Option<&str>) -> Fact {
    Fact {
        app: AppId(1),
        app_key: "demoKey01".into(),
        session_id: SESSION.into(),
        seq: 0,
        at_ms: AT,
        subscription_id: bound.map(Into::into),
        user_data: user_data.map(Into::into),
        kind,
    }
}

fn event(fact: &Fact) -> Value {
    serde_json::from_slice(&event_body(fact).unwrap()).unwrap()
}

/// An event with these fields besides `sessionId` and `timestamp`.
fn told(kind: &str, more: Value) -> Value {
    let mut info = json!({"sessionId": SESSION, "timestamp": "2030-01-02 03:04:05"});
    let fields = info.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    json!({"eventType": kind, "statusInfo": info})
}

fn second_leg(kind: &str) -> FactKind {
    let (caller, called) = (X.to_owned(), CALLEE.to_owned());
    match kind {
        "callout" => FactKind::CallOut { caller, called },
        "alerting" => FactKind::Alerting { caller, called },
        "answer" => FactKind::Answer { caller, called },
        _ => FactKind::Disconnect {
            caller,
            called,
            state_code: 0,
            state_desc: "The user releases the call.".into(),
            released_by: Some(1),
        },
    }
}

/// What follows `callin` (and `collectInfo`) is the same in every mode.
fn the_rest_is_told(bound: Option<&str>, user_data: Option<&str>) {
    for kind in ["callout", "alerting", "answer", "disconnect"] {
        let mut more = json!({"caller": X, "called": CALLEE});
        if let Some(bound) = bound {
            more["subscriptionId"] = bound.into();
        }
        if let Some(text) = user_data {
            more["userData"] = text.into();
        }
        if kind == "disconnect" {
            more["stateCode"] = 0.into();
            more["stateDesc"] = "The user releases the call.".into();
            more["callRelDirection"] = 1.into();
        }
        let got = event(&fact(second_leg(kind), bound, user_data));
        assert_eq!(got, told(kind, more));
    }
}

fn call_in(asked: bool) -> FactKind {
    FactKind::CallIn {
        caller: REAL.into(),
        called: X.into(),
        asked,
    }
}

/// What the record of a call of its mode must say, and what it must not.
fn record(record: CallRecord, bound: Option<&str>, user_data: Option<&str>) -> Value {
    let record = CallRecord {
        icid: "ab12".into(),
        bind_num: X.into(),
        caller_num: REAL.into(),
        callee_num: X.into(),
        fwd_display_num: X.into(),
        fwd_dst_num: CALLEE.into(),
        call_in_ms: AT,
        fwd_start_ms: Some(AT + 1_000),
        fwd_alerting_ms: Some(AT + 7_000),
        fwd_answer_ms: Some(AT + 15_900),
        call_end_ms: AT + 95_100,
        area_code: Some("0755".into()),
        released_by: Some(2),
        ..record
    };
    let account = Account {
        sp_id: "acme",
        on_request: false,
    };
    let facts = [fact(FactKind::Record(Box::new(record)), bound, user_data)];
    let body = records_body(&facts, account, &Origin::default(), |_| String::new()).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    body["feeLst"][0].clone()
}

/// The names that every record of a call that was put through has, in every mode.
const ALWAYS: &[&str] = &[
    "appKey",
    "bindNum",
    "callEndTime",
    "callInTime",
    "callOutUnaswRsn",
    "calleeNum",
    "callerNum",
    "direction",
    "fwdAlertingTime",
    "fwdAnswerTime",
    "fwdDisplayNum",
    "fwdDstNum",
    "fwdStartTime",
    "fwdUnaswRsn",
    "icid",
    "mptyId",
    "recordFlag",
    "serviceType",
    "sessionId",
    "sipStatusCode",
    "spId",
    "subscriptionId",
    "ttsPlayTimes",
    "ttsTransDuration",
    "ulFailReason",
];

fn has_exactly(record: &Value, more: &[&str]) {
    let mut wanted: Vec<&str> = ALWAYS.iter().chain(more).copied().collect();
    wanted.sort_unstable();
    let mut got: Vec<&str> = record
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    got.sort_unstable();
    assert_eq!(got, wanted);
}

#[test]
fn axb_ax_and_axyb_name_the_binding_from_the_first_event_on() {
    let (bound, text) = (Some("2f1c"), Some("order-1"));
    assert_eq!(
        event(&fact(call_in(false), bound, text)),
        told(
            "callin",
            json!({"caller": REAL, "called": X, "subscriptionId": "2f1c", "userData": "order-1"})
        )
    );
    the_rest_is_told(bound, text);
    has_exactly(&record(CallRecord::default(), bound, text), &["userData"]);
}

#[test]
fn axe_tells_of_the_digits_and_names_the_binding_after_them() {
    assert_eq!(
        event(&fact(call_in(false), None, None)),
        told("callin", json!({"caller": REAL, "called": X}))
    );
    let collected = FactKind::CollectInfo {
        digits: "1234".into(),
    };
    for (bound, text) in [(None, None), (Some("2f1c"), Some("order-1"))] {
        assert_eq!(
            event(&fact(collected.clone(), bound, text)),
            told("collectInfo", json!({"digitInfo": "1234"}))
        );
    }
    the_rest_is_told(Some("2f1c"), Some("order-1"));
    // A has called back: no menu, no extension.
    has_exactly(&record(CallRecord::default(), Some("2f1c"), None), &[]);
    let keyed = CallRecord {
        extend_num: Some("1234".into()),
        ..CallRecord::default()
    };
    let keyed = record(keyed, Some("2f1c"), None);
    has_exactly(&keyed, &["extendNum"]);
    assert_eq!(keyed["extendNum"], "1234");
}

#[test]
fn x_mode_asks_in_block_mode_and_carries_what_the_answer_carried() {
    let number = |text| Number::parse_global(text).unwrap();
    let question = CallIn {
        session_id: SESSION.into(),
        caller: number(REAL),
        called: number(X),
        at_ms: AT,
    };
    let asked: Value = serde_json::from_slice(&callin_body(&question).unwrap()).unwrap();
    assert_eq!(
        asked,
        told(
            "callin",
            json!({"caller": REAL, "called": X, "notifyMode": "Block"})
        )
    );
    the_rest_is_told(None, Some("order42"));
    let block = CallRecord {
        asked: true,
        ..CallRecord::default()
    };
    let fee = record(block, None, Some("order42"));
    has_exactly(&fee, &["notifyMode", "userData"]);
    assert_eq!(
        (&fee["notifyMode"], &fee["userData"], &fee["subscriptionId"]),
        (&json!("Block"), &json!("order42"), &json!(""))
    );
}

#[test]
fn what_the_reference_gives_on_request_is_given_on_request() {
    let answered = CallRecord {
        area_code: Some("0755".into()),
        // 03:04:20.9 to 03:05:40.1: 80 seconds by the times of the record, though hardly 79.
        fwd_answer_ms: Some(AT + 15_900),
        call_end_ms: AT + 95_100,
        released_by: Some(2),
        ..CallRecord::default()
    };
    let refused = CallRecord {
        fwd_answer_ms: None,
        area_code: None,
        released_by: None,
        ..answered.clone()
    };
    let shown = |record: CallRecord, on_request: bool| {
        let account = Account {
            sp_id: "acme",
            on_request,
        };
        let facts = [fact(FactKind::Record(Box::new(record)), None, None)];
        let body = records_body(&facts, account, &Origin::default(), |_| String::new()).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let fee = &body["feeLst"][0];
        ["areaCode", "callDuration", "callRelDirection"].map(|name| fee.get(name).cloned())
    };
    assert_eq!(shown(answered.clone(), false), [None, None, None]);
    let all = [Some(json!("0755")), Some(json!(80)), Some(json!(2))];
    assert_eq!(shown(answered, true), all);
    assert_eq!(shown(refused, true), [None, Some(json!(0)), None]);
}
