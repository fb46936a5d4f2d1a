//! The AX operations: rules, leniency, codes.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{A, Answer, B, X};
use crate::kinds::{C, Kind, NO_ID, X1, X2, X3, ok, q, refused, with};

const PATH: &str = "/rest/provision/caas/privatenumber/v1.0";
const CALLEE: &str = "/rest/caas/privatenumber/calleenumber/v1.0";

async fn ax() -> Kind {
    Kind::new("ax", json!({"recording": true})).await
}

fn plain() -> Value {
    json!({"origNum": A, "privateNum": X1, "calleeNumDisplay": "0"})
}

async fn bind(k: &Kind, body: Value) -> Answer {
    k.call(Method::POST, PATH, body).await
}

async fn list(k: &Kind, query: &str) -> Value {
    ok(&k
        .call(Method::GET, &format!("{PATH}?{query}"), Value::Null)
        .await)["privateNumList"]
        .clone()
}

#[tokio::test]
async fn bind_answers_and_query_shows_what_was_bound() {
    let k = ax().await;
    for name in ["a.wav", "b.wav", "hint.wav", "last.wav"] {
        k.prompt(name).await;
    }
    let more = json!({"callDirection": 2, "maxDuration": 30, "recordFlag": "true", "recordHintTone": "hint.wav",
        "lastMinVoice": "last.wav", "privateSms": false, "turnFlag": "off", "userData": "order-1", "extParas": [{"key": "a"}],
        "calleeNumDisplay": "1", "preVoice": {"callerHintTone": "a.wav", "calleeHintTone": "b.wav"}});
    let bound = ok(&bind(&k, with(&plain(), more)).await);
    let id = bound["subscriptionId"].as_str().unwrap();
    assert_eq!(
        bound,
        json!({"resultcode": "0", "resultdesc": "Success", "origNum": A, "privateNum": X1, "subscriptionId": id})
    );
    let item = json!({"origNum": A, "privateNum": X1, "privateNumType": "mobile-virtual",
        "subscribeTime": "2030-01-02 03:04:05", "subscriptionId": id, "recordFlag": "true", "recordHintTone": "hint.wav",
        "calleeNumDisplay": "1", "privateSms": "false", "preVoice": {"callerHintTone": "a.wav", "calleeHintTone": "b.wav"},
        "maxDuration": 30, "lastMinVoice": "last.wav", "callDirection": 2, "turnFlag": "off", "userData": "order-1"});
    for query in [
        format!("subscriptionId={id}"),
        format!("origNum={}", q(A)),
        format!("privateNum={}", q(X1)),
        // The id wins, whatever else is given.
        format!("subscriptionId={id}&origNum={}&privateNum={}", q(C), q(X2)),
        format!("origNum={A}"),
    ] {
        assert_eq!(list(&k, &query).await, json!([item]), "{query}");
    }
    let by_body = k.call(Method::GET, PATH, json!({"privateNum": X1})).await;
    assert_eq!(ok(&by_body)["privateNumList"], json!([item]));
}

#[tokio::test]
async fn defaults_are_the_documented_ones() {
    let k = ax().await;
    ok(&bind(&k, json!({"origNum": A, "privateNum": X1})).await);
    let item = &list(&k, &format!("privateNum={}", q(X1))).await[0];
    for (name, value) in [
        ("recordFlag", json!("false")),
        ("privateSms", json!("true")),
        ("calleeNumDisplay", json!("0")),
        ("turnFlag", json!("on")),
        ("maxDuration", json!(0)),
    ] {
        assert_eq!(item[name], value, "{name}");
    }
    for absent in [
        "callDirection",
        "recordHintTone",
        "lastMinVoice",
        "preVoice",
        "userData",
    ] {
        assert!(item.get(absent).is_none(), "{absent}");
    }
}

#[tokio::test]
async fn types_are_read_leniently() {
    let k = ax().await;
    let more = json!({"calleeNumDisplay": 1, "recordFlag": true, "privateSms": "0", "callDirection": "1",
        "maxDuration": 5.0, "turnFlag": "OFF", "privateNumType": "mobile-virtual", "areaCode": "010", "areaMatchMode": 0});
    ok(&bind(&k, with(&plain(), more)).await);
    let item = &list(&k, &format!("privateNum={}", q(X1))).await[0];
    assert_eq!(
        (
            &item["calleeNumDisplay"],
            &item["recordFlag"],
            &item["privateSms"],
            &item["callDirection"],
            &item["turnFlag"]
        ),
        (
            &json!("1"),
            &json!("true"),
            &json!("false"),
            &json!(1),
            &json!("off")
        )
    );
    // The number named wins over the area.
    assert_eq!(item["privateNum"], X1);
}

#[tokio::test]
async fn each_refusal_of_a_bind_has_its_code() {
    let k = ax().await;
    let invalid = |field: &str| format!("Invalid request.{field}");
    let cases = [
        (json!({"origNum": null}), "1010002", invalid("origNum")),
        (
            json!({"origNum": "13900000001"}),
            "1010002",
            invalid("origNum"),
        ),
        (
            json!({"origNum": "+864001234567"}),
            "1010002",
            invalid("origNum"),
        ),
        (
            json!({"origNum": ["+8613900000001"]}),
            "1010002",
            invalid("origNum"),
        ),
        (
            json!({"privateNum": null}),
            "1010002",
            invalid("privateNumType"),
        ),
        (
            json!({"privateNum": null, "privateNumType": "mobile-virtual"}),
            "1010002",
            invalid("privateNum"),
        ),
        (
            json!({"privateNum": null, "areaCode": "0755"}),
            "1010002",
            invalid("privateNumType"),
        ),
        (
            json!({"privateNumType": "fixed"}),
            "1010002",
            invalid("privateNumType"),
        ),
        (
            json!({"areaCode": "0".repeat(33)}),
            "1010002",
            invalid("areaCode"),
        ),
        (
            json!({"areaMatchMode": 2}),
            "1010002",
            invalid("areaMatchMode"),
        ),
        (
            json!({"calleeNumDisplay": "2"}),
            "1010002",
            invalid("calleeNumDisplay"),
        ),
        (
            json!({"callDirection": 3}),
            "1010002",
            invalid("callDirection"),
        ),
        (
            json!({"maxDuration": 1441}),
            "1010002",
            invalid("maxDuration"),
        ),
        (
            json!({"recordFlag": "maybe"}),
            "1010002",
            invalid("recordFlag"),
        ),
        (json!({"privateSms": 2}), "1010002", invalid("privateSms")),
        (json!({"turnFlag": "half"}), "1010002", invalid("turnFlag")),
        (json!({"preVoice": "a.wav"}), "1010002", invalid("preVoice")),
        (json!({"userData": "{"}), "1010002", invalid("userData")),
        (
            json!({"userData": "u".repeat(257)}),
            "1010002",
            invalid("userData"),
        ),
        (
            json!({"recordHintTone": "none.wav"}),
            "1010002",
            invalid("none.wav does not exist."),
        ),
        (
            json!({"preVoice": {"callerHintTone": "none.wav"}}),
            "1010002",
            invalid("none.wav does not exist."),
        ),
        (json!({"origNum": X1}), "1010002", String::new()),
        (
            json!({"privateNum": X}),
            "1011001",
            "The account does not exist.".into(),
        ),
        (
            json!({"privateNum": "+8617000000999"}),
            "1011001",
            "The account does not exist.".into(),
        ),
        (
            json!({"privateNum": null, "areaCode": "021", "privateNumType": "mobile-virtual"}),
            "1011002",
            "Insufficient number of resources".into(),
        ),
    ];
    for (change, code, desc) in cases {
        let answer = bind(&k, with(&plain(), change.clone())).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (403, code),
            "{change}: {answer:?}"
        );
        refused(&answer, code, &desc);
    }
    k.freeze(X1).await;
    refused(
        &bind(&k, plain()).await,
        "1012102",
        "The number status is abnormal.",
    );
    let off = json!({"settings": {"recording": false}});
    k.h.operator(Method::PATCH, "/applications/ax", &off).await;
    let answer = bind(
        &k,
        with(&plain(), json!({"recordFlag": "true", "privateNum": X2})),
    )
    .await;
    refused(
        &answer,
        "1012012",
        "Application does not open recording function.",
    );
}

#[tokio::test]
async fn x_is_chosen_by_area_and_holds_one_a() {
    let k = ax().await;
    let by_area = |area: &str, mode: &str| json!({"origNum": A, "areaCode": area, "areaMatchMode": mode, "privateNumType": "mobile-virtual"});
    assert_eq!(ok(&bind(&k, by_area("010", "0")).await)["privateNum"], X3);
    refused(&bind(&k, by_area("010", "0")).await, "1011002", "");
    let other = ok(&bind(&k, by_area("010", "1")).await)["privateNum"].clone();
    assert!(other == X1 || other == X2, "{other}");
    let taken = json!({"origNum": C, "privateNum": X3});
    refused(
        &bind(&k, taken).await,
        "1011005",
        "Resources have been allocated.",
    );
    assert_eq!(
        list(&k, &format!("origNum={}", q(A)))
            .await
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn one_a_holds_five_numbers_and_no_more() {
    let k = ax().await;
    let numbers: Vec<Value> = (0..6)
        .map(|n| json!({"number": format!("+861700000020{n}"), "area": "0755", "trunk": 1}))
        .collect();
    let added =
        k.h.operator(
            Method::POST,
            "/numbers",
            &json!({"app": "ax", "numbers": numbers}),
        )
        .await;
    assert_eq!(added.status, 201);
    for n in 0..5 {
        ok(&bind(
            &k,
            json!({"origNum": A, "privateNum": format!("+861700000020{n}")}),
        )
        .await);
    }
    let sixth = bind(&k, json!({"origNum": A, "privateNum": "+8617000000205"})).await;
    refused(
        &sixth,
        "1011003",
        "Exceeded the upper limit of resources that can be applied for.",
    );
    ok(&k
        .call(
            Method::DELETE,
            &format!("{PATH}?privateNum={}", q("+8617000000200")),
            Value::Null,
        )
        .await);
    ok(&bind(&k, json!({"origNum": A, "privateNum": "+8617000000205"})).await);
}

#[tokio::test]
async fn modify_changes_what_is_sent() {
    let k = ax().await;
    k.prompt("last.wav").await;
    let id = ok(&bind(
        &k,
        with(
            &plain(),
            json!({"userData": "u", "maxDuration": 9, "callDirection": 1}),
        ),
    )
    .await)["subscriptionId"]
        .clone();
    let change = json!({"subscriptionId": id, "privateNum": X2, "origNum": C, "privateSms": "false", "turnFlag": "off",
        "lastMinVoice": "last.wav", "recordFlag": true});
    assert_eq!(
        ok(&k.call(Method::PUT, PATH, change).await),
        json!({"resultcode": "0", "resultdesc": "Success"})
    );
    let query = format!("privateNum={}", q(X1));
    let item = list(&k, &query).await[0].clone();
    for (name, value) in [
        ("origNum", json!(A)),
        ("privateSms", json!("false")),
        ("turnFlag", json!("off")),
        ("lastMinVoice", json!("last.wav")),
        ("recordFlag", json!("true")),
        ("userData", json!("u")),
        ("maxDuration", json!(9)),
        ("callDirection", json!(1)),
    ] {
        assert_eq!(item[name], value, "{name}");
    }
    ok(&k
        .call(
            Method::PUT,
            PATH,
            json!({"privateNum": X1, "userData": "", "callDirection": 0}),
        )
        .await);
    let item = list(&k, &query).await[0].clone();
    assert!(item.get("userData").is_none());
    assert_eq!(item["callDirection"], 0);
    for (body, code) in [
        (json!({"origNum": A}), "1010002"),
        (json!({"subscriptionId": id, "maxDuration": "x"}), "1010002"),
        (
            json!({"subscriptionId": id, "lastMinVoice": "none.wav"}),
            "1010002",
        ),
        (
            json!({"subscriptionId": "none", "maxDuration": 1}),
            "1011004",
        ),
        (
            json!({"subscriptionId": NO_ID, "maxDuration": 1}),
            "1011004",
        ),
        (json!({"privateNum": X2, "maxDuration": 1}), "1011004"),
        (json!({"privateNum": X, "maxDuration": 1}), "1011001"),
    ] {
        refused(&k.call(Method::PUT, PATH, body).await, code, "");
    }
}

#[tokio::test]
async fn unbind_by_id_or_number() {
    let k = ax().await;
    let id = ok(&bind(&k, plain()).await)["subscriptionId"]
        .as_str()
        .unwrap()
        .to_owned();
    ok(&bind(&k, json!({"origNum": A, "privateNum": X2})).await);
    let unbind = async |query: String| {
        k.call(Method::DELETE, &format!("{PATH}?{query}"), Value::Null)
            .await
    };
    // Both given: the id wins.
    assert_eq!(
        ok(&unbind(format!("subscriptionId={id}&privateNum={}", q(X2))).await),
        json!({"resultcode": "0", "resultdesc": "Success"})
    );
    let text = "The number is not applied for binding application.";
    refused(
        &unbind(format!("subscriptionId={id}")).await,
        "1011004",
        text,
    );
    refused(
        &unbind(format!("privateNum={}", q(X1))).await,
        "1011004",
        text,
    );
    refused(
        &unbind(format!("privateNum={}", q(X))).await,
        "1011004",
        text,
    );
    refused(&unbind(format!("origNum={}", q(A))).await, "1010002", "");
    // As the official samples send it.
    ok(&unbind(format!("origNum={}&privateNum={}", q(A), q(X2))).await);
    ok(&bind(&k, plain()).await);
    ok(&k
        .call(Method::DELETE, PATH, json!({"privateNum": X1}))
        .await);
}

#[tokio::test]
async fn query_needs_one_of_three_and_knows_what_is_not_there() {
    let k = ax().await;
    let query = async |query: String| {
        k.call(Method::GET, &format!("{PATH}?{query}"), Value::Null)
            .await
    };
    refused(&query(String::new()).await, "1010002", "");
    refused(
        &query(format!("subscriptionId={NO_ID}")).await,
        "1011004",
        "",
    );
    refused(&query("subscriptionId=none".into()).await, "1011004", "");
    refused(&query(format!("privateNum={}", q(X))).await, "1011001", "");
    refused(&query(format!("privateNum={}", q(X1))).await, "1011004", "");
    refused(&query(format!("origNum={}", q(A))).await, "1011004", "");
}

#[tokio::test]
async fn a_temporary_callee_is_set() {
    let k = ax().await;
    let id = ok(&bind(&k, plain()).await)["subscriptionId"].clone();
    let set = async |body: Value| k.call(Method::PUT, CALLEE, body).await;
    for body in [
        json!({"privateNum": X1, "calleeNum": B}),
        json!({"subscriptionId": id, "privateNum": X2, "origNum": C, "calleeNum": C, "duration": 259_200, "userData": "u"}),
        // Service numbers may be called.
        json!({"subscriptionId": id, "calleeNum": "+864001234567", "duration": "1"}),
        json!({"subscriptionId": id, "calleeNum": "+8695588"}),
    ] {
        assert_eq!(
            ok(&set(body).await),
            json!({"resultcode": "0", "resultdesc": "Success"})
        );
    }
    for (body, code) in [
        (json!({"privateNum": X1}), "1010002"),
        (json!({"calleeNum": B}), "1010002"),
        (
            json!({"privateNum": X1, "calleeNum": "13900000002"}),
            "1010002",
        ),
        (json!({"privateNum": X1, "calleeNum": A}), "1010002"),
        (json!({"privateNum": X1, "calleeNum": X1}), "1010002"),
        (
            json!({"privateNum": X1, "calleeNum": B, "duration": 0}),
            "1010002",
        ),
        (
            json!({"privateNum": X1, "calleeNum": B, "duration": 259_201}),
            "1010002",
        ),
        (
            json!({"privateNum": X1, "calleeNum": B, "userData": "}"}),
            "1010002",
        ),
        (json!({"privateNum": X2, "calleeNum": B}), "1011004"),
        (json!({"privateNum": X, "calleeNum": B}), "1011001"),
        (json!({"subscriptionId": NO_ID, "calleeNum": B}), "1011004"),
    ] {
        refused(&set(body).await, code, "");
    }
    let wrong = k
        .call(
            Method::POST,
            CALLEE,
            json!({"privateNum": X1, "calleeNum": B}),
        )
        .await;
    assert_eq!(
        (wrong.status.as_u16(), &wrong.headers["allow"]),
        (405, &"PUT".parse().unwrap())
    );
}
