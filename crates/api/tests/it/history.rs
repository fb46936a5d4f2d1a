//! Traces, events and replays of calls that ended.

use axbridge_binding::AppId;
use axbridge_call::{CallRecord, Fact, FactKind, Note, Step, Trace};
use http::Method;
use serde_json::{Value, json};

use crate::client::Client;
use crate::harness::{A, Answer, B, Harness, T0_CREATED, T0_MS, X};

const DAY_MS: u64 = 24 * 3600 * 1000;

/// The second application: another customer.
async fn other(h: &Harness) -> (AppId, Client) {
    let made = json!({"key": "other", "secret": "0therS3cret", "sp_id": "other", "mode": "axb"});
    let answer = h.operator(Method::POST, "/applications", &made).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let client = Client {
        key: "other".into(),
        secret: "0therS3cret".into(),
        created: T0_CREATED.into(),
    };
    let id = h.api.applications().by_key("other").unwrap().record.id;
    (id, client)
}

fn demo(h: &Harness) -> AppId {
    h.api.applications().by_key("demo").unwrap().record.id
}

fn trace() -> FactKind {
    FactKind::Trace(Box::new(Trace {
        began_ms: T0_MS,
        caller: Some("+86139****001".into()),
        x: Some("+86170****009".into()),
        steps: [Step {
            after_ms: 1,
            note: Note::Arrived {
                trunk: "carrier".into(),
            },
        }]
        .into(),
        ..Trace::default()
    }))
}

/// A refused call: what it tells, its trace among that, and its record.
fn call(app: AppId, session: &str, at_ms: u64) -> Vec<Fact> {
    let kinds = [
        FactKind::CallIn {
            caller: A.into(),
            called: X.into(),
            asked: false,
        },
        FactKind::CallOut {
            caller: X.into(),
            called: B.into(),
        },
        FactKind::Disconnect {
            caller: X.into(),
            called: B.into(),
            state_code: 8102,
            state_desc: "The callee is busy.".into(),
            released_by: None,
        },
        trace(),
        FactKind::Record(Box::new(CallRecord {
            icid: session.into(),
            bind_num: X.into(),
            caller_num: A.into(),
            callee_num: X.into(),
            call_in_ms: at_ms,
            call_end_ms: at_ms + 1000,
            ..CallRecord::default()
        })),
    ];
    let fact = |(seq, kind): (usize, FactKind)| Fact {
        app,
        app_key: "demo".into(),
        session_id: session.into(),
        seq: seq as u32,
        at_ms,
        subscription_id: None,
        user_data: None,
        kind,
    };
    kinds.into_iter().enumerate().map(fact).collect()
}

async fn tell(h: &Harness, facts: Vec<Fact>) {
    let mut journal = h.store.journal_writer(0).unwrap();
    journal.append(&facts).unwrap();
    h.store.journal_settled().await;
}

fn refused(answer: &Answer, code: &str, what: &str) {
    let seen = (answer.status.as_u16(), answer.code());
    assert_eq!(seen, (403, code.to_owned()), "{what}");
}

#[tokio::test]
async fn a_trace_is_served_to_its_owner_after_the_call() {
    let h = Harness::new().await;
    let (other, _) = other(&h).await;
    tell(&h, call(demo(&h), "1@node", T0_MS)).await;
    tell(&h, call(other, "2@node", T0_MS)).await;
    let get = async |session: &str| {
        let path = format!("/v1/calls/{session}%40node/trace");
        h.call(Method::GET, &path, &Value::Null).await
    };
    let mine = get("1").await.json();
    assert_eq!(
        mine["trace"],
        json!({
            "sessionId": "1@node", "running": false, "beginTime": "2030-01-02 03:04:05.000",
            "caller": "+86139****001", "privateNum": "+86170****009",
            "steps": [{
                "time": "2030-01-02 03:04:05.001",
                "text": "The call came in by the trunk carrier for the private number +86170****009.",
            }],
            "messages": [],
        })
    );
    refused(&get("2").await, "1020152", "another's");
    refused(&get("3").await, "1020152", "nobody's");
    let operator = h
        .operator(Method::GET, "/calls/2%40node/trace", &Value::Null)
        .await;
    assert_eq!(operator.json()["sessionId"], "2@node");
}

#[tokio::test]
async fn a_call_for_nobodys_number_is_for_the_operator_alone() {
    let h = Harness::new().await;
    let mut fact = call(AppId(0), "9@node", T0_MS).remove(3);
    fact.seq = 0;
    tell(&h, vec![fact]).await;
    let path = "/v1/calls/9%40node/trace";
    refused(
        &h.call(Method::GET, path, &Value::Null).await,
        "1020152",
        "nobody's",
    );
    let one = h
        .operator(Method::GET, "/calls/9%40node/trace", &Value::Null)
        .await;
    assert_eq!(one.json()["sessionId"], "9@node");
    let list = h.operator(Method::GET, "/refusals", &Value::Null).await;
    assert_eq!(
        (&list.json()["total"], &list.json()["items"][0]),
        (&json!(1), &one.json())
    );
    let page = h
        .operator(Method::GET, "/refusals?page=2", &Value::Null)
        .await;
    assert_eq!(page.json()["items"], json!([]));
    let wrong = h
        .operator(Method::GET, "/refusals?page=x", &Value::Null)
        .await;
    assert_eq!(wrong.status, 400);
}

#[tokio::test]
async fn events_of_31_days_are_read_again_call_by_call() {
    let h = Harness::new().await;
    let (other, _) = other(&h).await;
    for (session, app, days) in [
        ("1@node", demo(&h), 32),
        ("2@node", demo(&h), 2),
        ("3@node", demo(&h), 1),
        ("4@node", other, 1),
    ] {
        tell(&h, call(app, session, T0_MS - days * DAY_MS)).await;
    }
    let sessions = async |query: &str| -> Vec<String> {
        let path = format!("/v1/events{query}");
        let answer = h.call(Method::GET, &path, &Value::Null).await.json();
        let list = answer["callList"].as_array().expect("a list");
        let name = |c: &Value| c["sessionId"].as_str().unwrap().to_owned();
        list.iter().map(name).collect()
    };
    assert_eq!(sessions("").await, ["3@node", "2@node"]);
    assert_eq!(sessions("?pageSize=1&pageIndex=2").await, ["2@node"]);
    assert_eq!(sessions("?sessionId=2%40node").await, ["2@node"]);
    assert!(sessions("?sessionId=4%40node").await.is_empty());
    assert_eq!(
        sessions("?startTime=2030-01-01%2000:00:00").await,
        ["3@node"]
    );
    let one = h
        .call(Method::GET, "/v1/events?pageSize=1", &Value::Null)
        .await;
    assert_eq!(
        one.json(),
        json!({
            "resultcode": "0", "resultdesc": "Success", "totalCount": 2, "pageIndex": 1, "pageSize": 1,
            "callList": [{"sessionId": "3@node", "eventList": [
                {"eventType": "callin", "statusInfo": {"sessionId": "3@node", "timestamp": "2030-01-01 03:04:05",
                    "caller": A, "called": X}},
                {"eventType": "callout", "statusInfo": {"sessionId": "3@node", "timestamp": "2030-01-01 03:04:05",
                    "caller": X, "called": B}},
                {"eventType": "disconnect", "statusInfo": {"sessionId": "3@node",
                    "timestamp": "2030-01-01 03:04:05", "caller": X, "called": B, "stateCode": 8102,
                    "stateDesc": "The callee is busy."}},
            ]}],
        })
    );
    for query in [
        "?startTime=yesterday",
        "?endTime=2029-01-01%2000:00:00",
        "?startTime=2030-01-01%2000:00:00&endTime=2029-12-31%2000:00:00",
    ] {
        let path = format!("/v1/events{query}");
        let answer = h.call(Method::GET, &path, &Value::Null).await;
        refused(&answer, "1010002", query);
    }
}

#[tokio::test]
async fn ended_calls_are_told_again_on_wish() {
    let h = Harness::new().await;
    let (other, stranger) = other(&h).await;
    let urls = json!({"settings": {
        "call_status_url": "http://127.0.0.1:9/status", "cdr_url": "http://127.0.0.1:9/cdr",
    }});
    // Told before there were receivers: nothing of them waits.
    for (n, app) in [(1, demo(&h)), (2, demo(&h)), (3, other)] {
        tell(&h, call(app, &format!("{n}@node"), T0_MS - n * DAY_MS)).await;
    }
    for key in ["demo", "other"] {
        let path = format!("/applications/{key}");
        let answer = h.operator(Method::PATCH, &path, &urls).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let replay = async |body: Value| h.call(Method::POST, "/v1/replay", &body).await;
    let pending = async || h.store.outbox_stats().await.unwrap().pending;
    let told = |calls: u64, notifications: u64, waiting: u64| {
        json!({
            "resultcode": "0", "resultdesc": "Success", "callCount": calls,
            "notificationCount": notifications, "waitingCount": waiting,
        })
    };
    let body = json!({"sessionIds": ["1@node", "3@node", "none"], "kind": "records"});
    assert_eq!(replay(body).await.json(), told(1, 1, 0));
    assert_eq!(pending().await, 1);
    let body = json!({"startTime": T0_MS - 10 * DAY_MS});
    assert_eq!(replay(body.clone()).await.json(), told(1, 4, 1));
    assert_eq!(pending().await, 5);
    assert_eq!(replay(body).await.json(), told(0, 0, 2));
    let body =
        json!({"startTime": "2029-12-30 00:00:00", "endTime": T0_MS - DAY_MS, "next": "0_0"});
    assert_eq!(replay(body).await.json(), told(0, 0, 1));
    drop(stranger);
    for body in [
        json!({}),
        json!({"endTime": T0_MS}),
        json!({"sessionIds": []}),
        json!({"sessionIds": [1]}),
        json!({"sessionIds": [""]}),
        json!({"sessionIds": "1@node"}),
        json!({"sessionIds": vec!["x"; 101]}),
        json!({"sessionIds": ["1@node"], "startTime": T0_MS}),
        json!({"startTime": "yesterday"}),
        json!({"startTime": 1, "next": "x"}),
        json!({"startTime": 1, "next": "1_x"}),
        json!({"startTime": 1, "kind": "both"}),
        json!({"startTime": T0_MS, "endTime": T0_MS}),
    ] {
        let answer = replay(body.clone()).await;
        refused(&answer, "1010002", &body.to_string());
    }
    assert_eq!(pending().await, 5);
}
