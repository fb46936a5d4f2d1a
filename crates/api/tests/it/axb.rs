//! The AXB operations: rules, leniency, codes.

use std::time::Duration;

use http::{Method, Request};
use serde_json::{Value, json};

use crate::harness::{A, Answer, B, Harness, X};

const PATH: &str = "/rest/caas/relationnumber/partners/v1.0";

async fn bind(h: &Harness, body: Value) -> Answer {
    h.call(Method::POST, PATH, &body).await
}

fn pair(more: Value) -> Value {
    let mut body = json!({"callerNum": A, "calleeNum": B, "relationNum": X});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    body
}

fn ok(answer: &Answer) -> Value {
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (200, "0"),
        "{answer:?}"
    );
    answer.json()
}

fn refused(answer: &Answer, code: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (403, code),
        "{answer:?}"
    );
    let text = String::from_utf8_lossy(&answer.bytes);
    for number in [A, B, X] {
        assert!(!text.contains(&number[1..]), "a whole number in {text}");
    }
}

fn by_id(id: &str) -> String {
    format!("{PATH}?subscriptionId={id}")
}

#[tokio::test]
async fn bind_echoes_and_query_shows_what_was_bound() {
    let h = Harness::new().await;
    for name in ["a.wav", "b.wav", "hint.wav", "last.wav"] {
        h.prompt(name).await;
    }
    let answer = bind(
        &h,
        pair(json!({"callDirection": 1, "duration": 3600, "maxDuration": 30, "recordFlag": "true",
            "recordHintTone": "hint.wav", "lastMinVoice": "last.wav", "privateSms": false,
            "preVoice": {"callerHintTone": "a.wav", "calleeHintTone": "b.wav"}, "userData": "order-1"})),
    )
    .await;
    let body = ok(&answer);
    let id = body["subscriptionId"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 36);
    assert_eq!(
        body,
        json!({"resultcode": "0", "resultdesc": "Success", "subscriptionId": id, "relationNum": X, "callDirection": 1,
            "duration": 3600, "maxDuration": 30})
    );
    let found = ok(&h.call(Method::GET, &by_id(&id), &Value::Null).await);
    assert_eq!(
        found,
        json!({"resultcode": "0", "resultdesc": "Success", "totalCount": 1, "pageIndex": 1, "pageSize": 50,
            "relationNumList": [{"subscriptionId": id, "relationNum": X, "callerNum": A, "calleeNum": B,
                "callDirection": 1, "duration": 3600, "maxDuration": 30, "recordFlag": "true",
                "recordHintTone": "hint.wav", "lastMinVoice": "last.wav", "privateSms": "false",
                "preVoice": {"callerHintTone": "a.wav", "calleeHintTone": "b.wav"},
                "subscribeTime": "2030-01-02 03:04:05", "userData": "order-1"}]})
    );
}

#[tokio::test]
async fn defaults_are_the_documented_ones() {
    let h = Harness::new().await;
    let body = ok(&bind(
        &h,
        pair(json!({"areaCode": "", "userData": "", "preVoice": null})),
    )
    .await);
    assert_eq!(
        (
            &body["callDirection"],
            &body["duration"],
            &body["maxDuration"]
        ),
        (&json!(0), &json!(0), &json!(0))
    );
    let id = body["subscriptionId"].as_str().unwrap();
    let item = &ok(&h.call(Method::GET, &by_id(id), &Value::Null).await)["relationNumList"][0];
    assert_eq!(
        (&item["recordFlag"], &item["privateSms"]),
        (&json!("false"), &json!("true"))
    );
    assert!(
        item.get("userData").is_none()
            && item.get("preVoice").is_none()
            && item.get("recordHintTone").is_none()
    );
}

#[tokio::test]
async fn each_bad_parameter_is_refused_with_its_code() {
    let h = Harness::new().await;
    let cases = [
        (json!({"calleeNum": B}), "1010002"),
        (json!({"callerNum": A}), "1010002"),
        (
            json!({"callerNum": A, "calleeNum": A, "relationNum": X}),
            "1010002",
        ),
        (
            json!({"callerNum": A, "calleeNum": X, "relationNum": X}),
            "1010002",
        ),
        (
            json!({"callerNum": "13900000001", "calleeNum": B, "relationNum": X}),
            "1010002",
        ),
        (
            json!({"callerNum": "+864001234567", "calleeNum": B, "relationNum": X}),
            "1010002",
        ),
        (
            json!({"callerNum": "+8695588", "calleeNum": B, "relationNum": X}),
            "1010002",
        ),
        (pair(json!({"callDirection": 3})), "1010002"),
        (pair(json!({"duration": 7_776_001})), "1010002"),
        (pair(json!({"duration": -1})), "1010002"),
        (pair(json!({"maxDuration": 1441})), "1010002"),
        (pair(json!({"areaMatchMode": "2"})), "1010002"),
        (pair(json!({"recordFlag": "maybe"})), "1010002"),
        (pair(json!({"preVoice": "a.wav"})), "1010002"),
        (pair(json!({"userData": "{x}"})), "1010002"),
        (pair(json!({"userData": "x".repeat(257)})), "1010002"),
        (pair(json!({"userData": "\u{4f60}\u{597d}"})), "1010002"),
        (pair(json!({"lastMinVoice": "none.wav"})), "1010002"),
        (pair(json!({"relationNum": "+8617000000099"})), "1012007"),
        (
            json!({"callerNum": A, "calleeNum": B, "areaCode": "010"}),
            "1012008",
        ),
    ];
    for (body, code) in cases {
        refused(&bind(&h, body).await, code);
    }
    let missing = bind(&h, pair(json!({"lastMinVoice": "lastMinVoice.wav"}))).await;
    assert_eq!(
        missing.json()["resultdesc"],
        "Invalid request.lastMinVoice.wav does not exist."
    );
}

#[tokio::test]
async fn types_are_read_leniently() {
    let h = Harness::new().await;
    let body = ok(&bind(
        &h,
        pair(json!({"recordFlag": true, "privateSms": "0", "callDirection": "2", "duration": "60", "maxDuration": 5.0,
            "areaMatchMode": 1, "unknown": [1]})),
    )
    .await);
    assert_eq!(
        (
            &body["callDirection"],
            &body["duration"],
            &body["maxDuration"]
        ),
        (&json!(2), &json!(60), &json!(5))
    );
}

#[tokio::test]
async fn a_party_is_bound_once_on_a_number() {
    let h = Harness::new().await;
    ok(&bind(&h, pair(json!({}))).await);
    refused(&bind(&h, pair(json!({}))).await, "1012010");
    refused(
        &bind(
            &h,
            json!({"callerNum": B, "calleeNum": "+8613900000003", "relationNum": X}),
        )
        .await,
        "1012010",
    );
    ok(&bind(
        &h,
        json!({"callerNum": "+8613900000003", "calleeNum": "+8613900000004", "relationNum": X}),
    )
    .await);
    refused(
        &bind(
            &h,
            json!({"callerNum": A, "calleeNum": B, "areaCode": "0755"}),
        )
        .await,
        "1012008",
    );
}

#[tokio::test]
async fn x_is_chosen_by_area() {
    let h = Harness::new().await;
    let body = ok(&bind(
        &h,
        json!({"callerNum": A, "calleeNum": B, "areaCode": "0755"}),
    )
    .await);
    assert_eq!(body["relationNum"], X);
    let far =
        json!({"callerNum": "+8613900000003", "calleeNum": "+8613900000004", "areaCode": "010"});
    refused(&bind(&h, far.clone()).await, "1012008");
    let mut loose = far;
    loose["areaMatchMode"] = json!("1");
    assert_eq!(ok(&bind(&h, loose).await)["relationNum"], X);
}

#[tokio::test]
async fn recording_must_be_on_and_the_number_usable() {
    let h = Harness::new().await;
    let off = json!({"settings": {"recording": false}});
    assert_eq!(
        h.operator(Method::PATCH, "/applications/demo", &off)
            .await
            .status,
        200
    );
    refused(
        &bind(&h, pair(json!({"recordFlag": "true"}))).await,
        "1012012",
    );
    let body = ok(&bind(&h, pair(json!({"recordFlag": "false"}))).await);
    let id = body["subscriptionId"].clone();
    let change = json!({"subscriptionId": id, "recordFlag": "true"});
    refused(&h.call(Method::PUT, PATH, &change).await, "1012012");
    ok(&h
        .call(Method::DELETE, &by_id(id.as_str().unwrap()), &Value::Null)
        .await);
    for status in ["suspended", "unavailable", "frozen"] {
        let number = format!("/numbers/{X}");
        assert_eq!(
            h.operator(Method::PATCH, &number, &json!({"status": status}))
                .await
                .status,
            200
        );
        refused(&bind(&h, pair(json!({}))).await, "1012102");
    }
}

#[tokio::test]
async fn modify_changes_what_is_sent_and_restarts_the_duration() {
    let h = Harness::new().await;
    let id = ok(&bind(
        &h,
        pair(json!({"duration": 600, "userData": "u", "maxDuration": 9})),
    )
    .await)["subscriptionId"]
        .clone();
    let id = id.as_str().unwrap();
    h.clock.advance(Duration::from_secs(500));
    let change = json!({"subscriptionId": id, "calleeNum": "+8613900000005", "duration": 600, "callDirection": 2,
        "relationNum": "+8617000000099"});
    let answer = ok(&h.call(Method::PUT, PATH, &change).await);
    assert_eq!(answer, json!({"resultcode": "0", "resultdesc": "Success"}));
    h.clock.advance(Duration::from_secs(599));
    let item =
        ok(&h.call(Method::GET, &by_id(id), &Value::Null).await)["relationNumList"][0].clone();
    assert_eq!(
        (&item["callerNum"], &item["calleeNum"]),
        (&json!(A), &json!("+8613900000005"))
    );
    assert_eq!(
        (&item["relationNum"], &item["callDirection"]),
        (&json!(X), &json!(2))
    );
    assert_eq!(
        (&item["userData"], &item["maxDuration"]),
        (&json!("u"), &json!(9))
    );
    assert_eq!(item["subscribeTime"], "2030-01-02 03:12:25");
    let clear = json!({"subscriptionId": id, "userData": ""});
    ok(&h.call(Method::PUT, PATH, &clear).await);
    let item =
        ok(&h.call(Method::GET, &by_id(id), &Value::Null).await)["relationNumList"][0].clone();
    assert!(item.get("userData").is_none());
    h.clock.advance(Duration::from_secs(2));
    refused(
        &h.call(Method::GET, &by_id(id), &Value::Null).await,
        "1012007",
    );
    refused(&h.call(Method::PUT, PATH, &clear).await, "1012007");
}

#[tokio::test]
async fn modify_must_not_collide_and_needs_an_id() {
    let h = Harness::new().await;
    ok(&bind(&h, pair(json!({}))).await);
    let other =
        json!({"callerNum": "+8613900000003", "calleeNum": "+8613900000004", "relationNum": X});
    let id = ok(&bind(&h, other).await)["subscriptionId"].clone();
    refused(
        &h.call(
            Method::PUT,
            PATH,
            &json!({"subscriptionId": id, "callerNum": A}),
        )
        .await,
        "1012010",
    );
    refused(
        &h.call(Method::PUT, PATH, &json!({"callerNum": A})).await,
        "1010002",
    );
    refused(
        &h.call(Method::PUT, PATH, &json!({"subscriptionId": "no-such-id"}))
            .await,
        "1012007",
    );
}

#[tokio::test]
async fn unbind_by_id_or_by_number_also_in_a_json_body() {
    let h = Harness::new().await;
    let id = ok(&bind(&h, pair(json!({}))).await)["subscriptionId"].clone();
    let other =
        json!({"callerNum": "+8613900000003", "calleeNum": "+8613900000004", "relationNum": X});
    ok(&bind(&h, other).await);
    // Both given: the id wins and the other binding stays.
    let both = format!("{}&relationNum=%2B{}", by_id(id.as_str().unwrap()), &X[1..]);
    ok(&h.call(Method::DELETE, &both, &Value::Null).await);
    refused(
        &h.call(Method::DELETE, &both, &Value::Null).await,
        "1012007",
    );
    let list = ok(&h.call(Method::GET, PATH, &json!({"relationNum": X})).await);
    assert_eq!(list["totalCount"], 1);
    ok(&h
        .call(Method::DELETE, PATH, &json!({"relationNum": X}))
        .await);
    let list = ok(&h
        .call(
            Method::GET,
            &format!("{PATH}?relationNum={X}"),
            &Value::Null,
        )
        .await);
    assert_eq!(
        (&list["totalCount"], &list["relationNumList"]),
        (&json!(0), &json!([]))
    );
    refused(
        &h.call(
            Method::DELETE,
            PATH,
            &json!({"relationNum": "+8617000000099"}),
        )
        .await,
        "1012001",
    );
    refused(&h.call(Method::DELETE, PATH, &Value::Null).await, "1010002");
}

#[tokio::test]
async fn query_by_number_and_parties_a_page_at_a_time() {
    let h = Harness::new().await;
    for n in 0..25 {
        let body = json!({"callerNum": format!("+861390000{:04}", 100 + n), "calleeNum": format!("+861390000{:04}", 200 + n), "relationNum": X});
        ok(&bind(&h, body).await);
    }
    let x = format!("{PATH}?relationNum=%2B{}", &X[1..]);
    let page = ok(&h
        .call(
            Method::GET,
            &format!("{x}&pageIndex=3&pageSize=10"),
            &Value::Null,
        )
        .await);
    assert_eq!(
        (
            &page["totalCount"],
            page["relationNumList"].as_array().unwrap().len()
        ),
        (&json!(25), 5)
    );
    let page = ok(&h
        .call(Method::GET, &format!("{x}&pageSize=9"), &Value::Null)
        .await);
    assert_eq!(
        (
            &page["pageSize"],
            page["relationNumList"].as_array().unwrap().len()
        ),
        (&json!(50), 25)
    );
    let one = ok(&h
        .call(
            Method::GET,
            &format!("{x}&callerNum=%2B8613900000107&calleeNum=%2B8613900000207"),
            &Value::Null,
        )
        .await);
    assert_eq!(one["totalCount"], 1);
    refused(
        &h.call(
            Method::GET,
            &format!("{x}&callerNum=%2B8613900000107&calleeNum=%2B8613900000208"),
            &Value::Null,
        )
        .await,
        "1012007",
    );
    refused(
        &h.call(
            Method::GET,
            &format!("{PATH}?callerNum=%2B8613900000107"),
            &Value::Null,
        )
        .await,
        "1010002",
    );
    refused(
        &h.call(
            Method::GET,
            &format!("{PATH}?relationNum=%2B8617000000099"),
            &Value::Null,
        )
        .await,
        "1012007",
    );
}

#[tokio::test]
async fn another_application_sees_nothing_and_another_mode_may_nothing() {
    let h = Harness::new().await;
    let id = ok(&bind(&h, pair(json!({}))).await)["subscriptionId"].clone();
    for (key, mode) in [("other", "axb"), ("axapp", "ax")] {
        let app = json!({"key": key, "secret": "s3cretS3cret", "mode": mode});
        assert_eq!(
            h.operator(Method::POST, "/applications", &app).await.status,
            201
        );
    }
    let mut other = h.client.clone();
    other.key = "other".into();
    let uri = by_id(id.as_str().unwrap());
    refused(
        &h.send(other.request(Method::GET, &uri, "")).await,
        "1012007",
    );
    refused(
        &h.send(other.request(Method::DELETE, &uri, "")).await,
        "1012007",
    );
    refused(
        &h.send(other.request(Method::POST, PATH, pair(json!({})).to_string()))
            .await,
        "1012007",
    );
    other.key = "axapp".into();
    refused(
        &h.send(other.request(Method::GET, &uri, "")).await,
        "1010040",
    );
    ok(&h.call(Method::GET, &uri, &Value::Null).await);
}

#[tokio::test]
async fn http_level_faults_have_their_status() {
    let h = Harness::new().await;
    let answer = h.call(Method::PATCH, PATH, &Value::Null).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["allow"]),
        (405, &"GET, POST, PUT, DELETE".parse().unwrap())
    );
    assert_eq!(
        h.call(Method::GET, "/rest/nothing", &Value::Null)
            .await
            .status,
        404
    );
    let mut form = h.client.request(Method::POST, PATH, "a=b");
    form.headers_mut().insert(
        "content-type",
        "application/x-www-form-urlencoded".parse().unwrap(),
    );
    assert_eq!(h.send(form).await.status, 415);
    let mut bare = h
        .client
        .request(Method::POST, PATH, pair(json!({})).to_string());
    bare.headers_mut().remove("content-type");
    assert_eq!(h.send(bare).await.status, 200);
    let long = h.client.request(Method::POST, PATH, " ".repeat(65 * 1024));
    let answer = h.send(long).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["connection"]),
        (413, &"close".parse().unwrap())
    );
    let announced = Request::post(PATH)
        .header("content-length", "65537")
        .body("")
        .unwrap();
    assert_eq!(h.send(announced).await.status, 413);
}
