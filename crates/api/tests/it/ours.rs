//! Our own additions under `/v1/`: calls in progress, records again, the warning point; and that routes are as listed.

use std::sync::{Arc, Mutex};

use axbridge_api::{
    Api, CallChange, CallControl, ChangeOutcome, Changing, LiveCall, NewLimit, StopOutcome,
    Stopping, Tracing,
};
use axbridge_binding::AppId;
use axbridge_call::{CallRecord, CallerHeader, Fact, FactKind, LegQuality, Note, Step, Trace};
use http::{Method, Request};
use serde_json::{Value, json};

use crate::harness::{A, B, Harness, T0_MS, TOKEN, X};

fn trace() -> Trace {
    Trace {
        began_ms: T0_MS,
        caller: Some("+86139****001".into()),
        steps: [Step {
            after_ms: 7,
            note: Note::CallerFrom(CallerHeader::From),
        }]
        .into(),
        caller_media: Some(LegQuality {
            packets: 50,
            lost: 1,
            ..LegQuality::default()
        }),
        ..Trace::default()
    }
}

/// As [`trace`] is shown.
fn shown(session: &str, running: bool) -> Value {
    json!({
        "sessionId": session, "running": running, "beginTime": "2030-01-02 03:04:05.000", "caller": "+86139****001",
        "steps": [{
            "time": "2030-01-02 03:04:05.007",
            "text": "The caller's number +86139****001 was read from the header From.",
        }],
        "messages": [],
        "media": {"caller": {"packets": 50, "lost": 1, "reordered": 0, "jitterMs": 0.0, "mos": 0.0}},
    })
}

#[derive(Default)]
struct Calls {
    changes: Mutex<Vec<CallChange>>,
}

fn live(session: &str, app: &str) -> LiveCall {
    LiveCall {
        session_id: session.into(),
        app_key: app.into(),
        subscription_id: Some("2f1c".into()),
        caller: "+86139****001".into(),
        x: "+86170****009".into(),
        callee: None,
        phase: "talking",
        began_ms: T0_MS,
        answered_ms: Some(T0_MS + 1000),
    }
}

impl CallControl for Calls {
    fn live_calls(&self, _limit: usize) -> Vec<LiveCall> {
        vec![live("1@node", "demo"), live("2@node", "other")]
    }

    fn stop_call<'a>(&'a self, _session_id: &'a str, _app_key: Option<&'a str>) -> Stopping<'a> {
        Box::pin(async { StopOutcome::NoSuchCall })
    }

    fn change_call<'a>(
        &'a self,
        session_id: &'a str,
        app_key: &'a str,
        change: CallChange,
    ) -> Changing<'a> {
        let outcome = match (session_id, app_key) {
            ("1@node", "demo") => ChangeOutcome::Changed {
                ends_at_ms: Some(T0_MS + 60_000),
            },
            ("2@node", "demo") => ChangeOutcome::NotYours,
            _ => ChangeOutcome::NoSuchCall,
        };
        self.changes.lock().unwrap().push(change);
        Box::pin(async move { outcome })
    }

    fn trace<'a>(&'a self, session_id: &'a str, app_key: Option<&'a str>) -> Tracing<'a> {
        let found = session_id == "1@node" && matches!(app_key, None | Some("demo"));
        Box::pin(async move { found.then(trace) })
    }
}

#[tokio::test]
async fn an_application_sees_its_own_calls_masked() {
    let h = Harness::with(Arc::new(Calls::default()), |_| {}).await;
    let answer = h.call(Method::GET, "/v1/calls", &Value::Null).await;
    assert_eq!(
        answer.json(),
        json!({"resultcode": "0", "resultdesc": "Success", "callList": [{"sessionId": "1@node", "subscriptionId": "2f1c",
            "caller": "+86139****001", "privateNum": "+86170****009", "phase": "talking",
            "callInTime": "2030-01-02 03:04:05", "answerTime": "2030-01-02 03:04:06"}]})
    );
}

#[tokio::test]
async fn the_limit_of_a_running_call_is_changed() {
    let calls = Arc::new(Calls::default());
    let h = Harness::with(Arc::clone(&calls) as Arc<_>, |_| {}).await;
    let path = "/v1/calls/1%40node";
    let cases = [
        (
            json!({"maxDuration": 30}),
            Some(NewLimit::FromAnswer(1800)),
            None,
        ),
        (
            json!({"maxDuration": "0", "warnBefore": 0}),
            Some(NewLimit::FromAnswer(0)),
            Some(0),
        ),
        (
            json!({"extendBy": 600, "warnBefore": 30}),
            Some(NewLimit::Later(600)),
            Some(30),
        ),
        (json!({"warnBefore": 15}), None, Some(15)),
    ];
    for (body, limit, warn_before_s) in cases {
        let answer = h.call(Method::PATCH, path, &body).await;
        assert_eq!(
            answer.json(),
            json!({"resultcode": "0", "resultdesc": "Success", "endTime": "2030-01-02 03:05:05"}),
            "{body}"
        );
        let seen = calls.changes.lock().unwrap().pop().unwrap();
        assert_eq!(
            (seen.limit, seen.warn_before_s),
            (limit, warn_before_s),
            "{body}"
        );
    }
    for body in [
        json!({}),
        json!({"maxDuration": 1441}),
        json!({"maxDuration": -1}),
        json!({"maxDuration": 1, "extendBy": 1}),
        json!({"extendBy": 0}),
        json!({"extendBy": 86401}),
        json!({"warnBefore": 3601}),
    ] {
        let answer = h.call(Method::PATCH, path, &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (403, "1010002"),
            "{body}"
        );
    }
    assert!(calls.changes.lock().unwrap().is_empty());
    for other in ["/v1/calls/2%40node", "/v1/calls/3", "/v1/calls/%20"] {
        let answer = h
            .call(Method::PATCH, other, &json!({"maxDuration": 1}))
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (403, "1020152"),
            "{other}"
        );
    }
    let bad = h
        .call(Method::PATCH, "/v1/calls/%ff", &json!({"maxDuration": 1}))
        .await;
    assert_eq!(bad.code(), "1010002");
}

#[tokio::test]
async fn the_path_and_not_the_body_names_the_call() {
    let h = Harness::with(Arc::new(Calls::default()), |_| {}).await;
    let body = json!({"sessionId": "1@node", "maxDuration": 1});
    let answer = h.call(Method::PATCH, "/v1/calls/2%40node", &body).await;
    assert_eq!(answer.code(), "1020152");
}

#[tokio::test]
async fn a_trace_is_for_its_application_and_the_operator() {
    let h = Harness::with(Arc::new(Calls::default()), |_| {}).await;
    let answer = h
        .call(Method::GET, "/v1/calls/1%40node/trace", &Value::Null)
        .await;
    assert_eq!(answer.json()["trace"], shown("1@node", true));
    let answer = h
        .call(Method::GET, "/v1/calls/2%40node/trace", &Value::Null)
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (403, "1020152")
    );
    let answer = h
        .operator(Method::GET, "/calls/1%40node/trace", &Value::Null)
        .await;
    assert_eq!(answer.json(), shown("1@node", true));
    let answer = h
        .operator(Method::GET, "/calls/2%40node/trace", &Value::Null)
        .await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn the_warning_point_is_set_for_a_binding() {
    let h = Harness::new().await;
    let bound = json!({"callerNum": A, "calleeNum": B, "relationNum": X, "maxDuration": 5});
    let bound = h
        .call(
            Method::POST,
            "/rest/caas/relationnumber/partners/v1.0",
            &bound,
        )
        .await;
    let id = bound.json()["subscriptionId"].as_str().unwrap().to_owned();
    let path = format!("/v1/bindings/{id}");
    let answer = h
        .call(Method::PATCH, &path, &json!({"warnBefore": 20}))
        .await;
    assert_eq!(
        answer.json(),
        json!({"resultcode": "0", "resultdesc": "Success"})
    );
    let app = h.api.applications().by_key("demo").unwrap().record.id;
    let subscription = axbridge_binding::SubscriptionId::parse(&id).unwrap();
    let found = h
        .store
        .query(
            app,
            axbridge_store::Query::Subscription(subscription),
            1,
            10,
        )
        .await
        .unwrap();
    assert_eq!(found.items[0].axb.policy.warn_before_s, 20);
    assert_eq!(found.items[0].axb.policy.max_duration_min, 5);
    for (path, body, code) in [
        (path.as_str(), json!({}), "1010002"),
        (path.as_str(), json!({"warnBefore": "x"}), "1010002"),
        ("/v1/bindings/none", json!({"warnBefore": 1}), "1012007"),
        (
            "/v1/bindings/01900000-0000-7000-8000-000000000000",
            json!({"warnBefore": 1}),
            "1012007",
        ),
    ] {
        let answer = h.call(Method::PATCH, path, &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (403, code),
            "{path} {body}"
        );
    }
}

async fn with_records(h: &Harness) {
    let demo = h.api.applications().by_key("demo").unwrap().id;
    let mut journal = h.store.journal_writer(0).unwrap();
    let record = |n: u64, app: u32, at_ms: u64| Fact {
        app: AppId(app),
        app_key: "demo".into(),
        session_id: format!("{n}@node").into(),
        seq: 0,
        at_ms,
        subscription_id: None,
        user_data: Some("u".into()),
        kind: FactKind::Record(Box::new(CallRecord {
            direction: 1,
            icid: format!("icid-{n}"),
            bind_num: X.into(),
            caller_num: A.into(),
            callee_num: X.into(),
            fwd_dst_num: B.into(),
            call_in_ms: at_ms,
            call_end_ms: at_ms + 1000,
            state_code: u32::try_from(n).unwrap(),
            ..CallRecord::default()
        })),
    };
    let day = 24 * 3600 * 1000;
    let facts = [
        record(1, demo, T0_MS - 32 * day),
        record(2, demo, T0_MS - 2 * day),
        record(3, demo, T0_MS - day),
        record(4, demo + 1, T0_MS - day),
    ];
    journal.append(&facts).unwrap();
    h.store.journal_settled().await;
}

#[tokio::test]
async fn records_of_31_days_are_read_again_in_their_own_form() {
    let h = Harness::new().await;
    with_records(&h).await;
    let sessions = async |query: &str| -> Vec<String> {
        let answer = h
            .call(Method::GET, &format!("/v1/records{query}"), &Value::Null)
            .await;
        let body = answer.json();
        let list = body["feeLst"].as_array().expect("a list");
        list.iter()
            .map(|r| r["sessionId"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(sessions("").await, ["3@node", "2@node"]);
    assert_eq!(sessions("?pageSize=1&pageIndex=2").await, ["2@node"]);
    assert_eq!(sessions("?stateCode=2").await, ["2@node"]);
    assert_eq!(
        sessions("?startTime=2030-01-01%2000:00:00").await,
        ["3@node"]
    );
    let until = T0_MS - 24 * 3600 * 1000;
    assert_eq!(sessions(&format!("?endTime={until}")).await, ["2@node"]);
    assert_eq!(
        sessions("?privateNum=%2B8617000000009&party=%2B8613900000002")
            .await
            .len(),
        2
    );
    assert!(sessions("?party=%2B8613900000077").await.is_empty());
    let answer = h
        .call(Method::GET, "/v1/records?pageSize=1", &Value::Null)
        .await;
    let body = answer.json();
    assert_eq!(
        (&body["totalCount"], &body["pageIndex"], &body["pageSize"]),
        (&json!(2), &json!(1), &json!(1))
    );
    let fee = &body["feeLst"][0];
    assert_eq!(
        (
            &fee["callerNum"],
            &fee["fwdDstNum"],
            &fee["callInTime"],
            &fee["spId"],
            &fee["userData"]
        ),
        (
            &json!(A),
            &json!(B),
            &json!("2030-01-01 03:04:05"),
            &json!("acme"),
            &json!("u")
        )
    );
    for query in [
        "?startTime=yesterday",
        "?endTime=2029-01-01%2000:00:00",
        "?party=139",
    ] {
        let answer = h
            .call(Method::GET, &format!("/v1/records{query}"), &Value::Null)
            .await;
        assert_eq!(answer.code(), "1010002", "{query}");
    }
}

#[tokio::test]
async fn every_listed_route_takes_exactly_the_methods_it_says() {
    let h = Harness::new().await;
    let all = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let routes = Api::customer_routes()
        .into_iter()
        .chain(h.api.operator_routes());
    let mut seen = 0;
    for route in routes {
        let path = route.path.replace(['{', '}'], "x");
        let listed: Vec<&str> = route.methods.split(", ").collect();
        for method in all {
            // Where GET is taken the framework takes HEAD with it; the customers' side, to the letter, does not.
            if method == "HEAD" {
                continue;
            }
            let request = Request::builder()
                .method(method)
                .uri(&path)
                .header("authorization", format!("Bearer {TOKEN}"))
                .body(String::new())
                .unwrap();
            let status = h.send_from("203.0.113.9", request).await.status.as_u16();
            let taken = status != 405;
            assert_eq!(
                taken,
                listed.contains(&method),
                "{method} {}: {status}",
                route.path
            );
            seen += 1;
            // Unsigned requests count as failures of the address.
            let lift = h
                .operator(Method::DELETE, "/bans/203.0.113.9", &Value::Null)
                .await;
            assert!(lift.status.is_success() || lift.status == 404);
        }
    }
    assert!(seen > 150, "{seen}");
}
