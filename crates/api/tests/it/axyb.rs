//! The AXYB operations: rules, leniency, codes.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{A, Answer, B, X};
use crate::kinds::{C, Kind, NO_ID, X1, X2, X3, ok, q, refused, with};

const PATH: &str = "/rest/omp/xyrelationnumber/v1.0?app_key=axyb";

async fn axyb() -> Kind {
    Kind::new("axyb", json!({"recording": true})).await
}

fn first() -> Value {
    json!({"origNum": A, "areaCode": "0755"})
}

async fn bind(k: &Kind, body: Value) -> Answer {
    k.call(Method::POST, PATH, body).await
}

async fn list(k: &Kind, query: &str) -> Vec<Value> {
    let answer = k
        .call(Method::GET, &format!("{PATH}&{query}"), Value::Null)
        .await;
    ok(&answer)["xyRelationNumList"].as_array().unwrap().clone()
}

#[tokio::test]
async fn bind_in_two_steps_and_query_shows_the_relation() {
    let k = axyb().await;
    for name in ["x.wav", "y.wav", "hint.wav"] {
        k.prompt(name).await;
    }
    let more = json!({"areaMatchMode": "0", "callDirection": 0, "duration": 3600, "ybDuration": 600, "recordFlag": "true",
        "recordHintTone": "hint.wav", "preVoiceX": "x.wav", "userData": "order-1"});
    let bound = ok(&bind(&k, with(&first(), more)).await);
    let id = bound["subscriptionId"].as_str().unwrap();
    let x = bound["relationNumber"].as_str().unwrap();
    assert!([X1, X2].contains(&x));
    assert_eq!(
        bound,
        json!({"resultcode": "0", "resultdesc": "Success", "subscriptionId": id, "relationNumber": x})
    );
    let half = json!({"bindId": id, "numA": A, "numX": x, "recordFlag": "true", "recordHintTone": "hint.wav",
        "subscribeTime": "2030-01-02 03:04:05", "callDirection": 0, "duration": "3600", "ybDuration": "600",
        "preVoiceX": "x.wav", "userData": "order-1"});
    assert_eq!(
        list(&k, &format!("subscriptionId={id}")).await,
        vec![half.clone()]
    );
    let second = json!({"origNum": B, "subscriptionId": id, "areaCode": "010", "ybDuration": 900, "preVoiceY": "y.wav"});
    let answer = ok(&bind(&k, second).await);
    assert_eq!(
        answer,
        json!({"resultcode": "0", "resultdesc": "Success", "subscriptionId": id, "relationNumber": X3})
    );
    let whole = with(
        &half,
        json!({"numY": X3, "numB": B, "ybDuration": "900", "preVoiceY": "y.wav"}),
    );
    for query in [
        format!("subscriptionId={id}"),
        format!("relationNum={}", q(x)),
        format!("subscriptionId={id}&relationNum={}", q(X3)),
    ] {
        assert_eq!(list(&k, &query).await, vec![whole.clone()], "{query}");
    }
}

#[tokio::test]
async fn defaults_are_the_documented_ones() {
    let k = axyb().await;
    let id = ok(&bind(&k, json!({"origNum": A})).await)["subscriptionId"]
        .as_str()
        .unwrap()
        .to_owned();
    let item = list(&k, &format!("subscriptionId={id}")).await[0].clone();
    for (name, value) in [
        ("recordFlag", json!("false")),
        ("callDirection", json!(0)),
        ("duration", json!("7200")),
        ("ybDuration", json!("0")),
    ] {
        assert_eq!(item[name], value, "{name}");
    }
    for absent in [
        "recordHintTone",
        "preVoiceX",
        "preVoiceY",
        "userData",
        "numY",
        "numB",
    ] {
        assert!(item.get(absent).is_none(), "{absent}");
    }
}

#[tokio::test]
async fn expiry_takes_the_y_or_everything() {
    let k = axyb().await;
    let id = ok(&bind(
        &k,
        with(&first(), json!({"duration": 600, "ybDuration": "120"})),
    )
    .await)["subscriptionId"]
        .as_str()
        .unwrap()
        .to_owned();
    ok(&bind(&k, json!({"origNum": B, "subscriptionId": id})).await);
    let query = format!("subscriptionId={id}");
    assert_eq!(list(&k, &query).await[0]["numB"], B);
    k.h.clock.advance(Duration::from_secs(121));
    let found = list(&k, &query).await;
    assert_eq!((found.len(), found[0].get("numB")), (1, None));
    ok(&bind(&k, json!({"origNum": C, "subscriptionId": id})).await);
    k.h.clock.advance(Duration::from_secs(480));
    let gone = k
        .call(Method::GET, &format!("{PATH}&{query}"), Value::Null)
        .await;
    refused(&gone, "1016001", "The record does not exist.");
    let late = bind(&k, json!({"origNum": B, "subscriptionId": id})).await;
    refused(&late, "1016001", "The record does not exist.");
}

#[tokio::test]
async fn the_life_of_a_y_is_never_longer_than_the_relations() {
    let k = axyb().await;
    let id = ok(&bind(
        &k,
        with(&first(), json!({"duration": 600, "ybDuration": 900})),
    )
    .await)["subscriptionId"]
        .as_str()
        .unwrap()
        .to_owned();
    ok(&bind(&k, json!({"origNum": B, "subscriptionId": id})).await);
    let query = format!("subscriptionId={id}");
    k.h.clock.advance(Duration::from_secs(599));
    assert_eq!(list(&k, &query).await[0]["numB"], B);
}

#[tokio::test]
async fn each_refusal_of_the_first_step_has_its_code() {
    let k = axyb().await;
    let invalid = |field: &str| format!("Invalid request.{field}");
    let cases = [
        (json!({"origNum": null}), "1010002", invalid("origNum")),
        (json!({"origNum": "139"}), "1010002", invalid("origNum")),
        (
            json!({"origNum": "+868001234567"}),
            "1010002",
            invalid("origNum"),
        ),
        (
            json!({"areaMatchMode": 3}),
            "1010002",
            invalid("areaMatchMode"),
        ),
        (
            json!({"callDirection": 3}),
            "1010002",
            invalid("callDirection"),
        ),
        (json!({"duration": 59}), "1010002", invalid("duration")),
        (
            json!({"duration": 7_776_001}),
            "1010002",
            invalid("duration"),
        ),
        (json!({"ybDuration": "1"}), "1010002", invalid("ybDuration")),
        (json!({"recordFlag": []}), "1010002", invalid("recordFlag")),
        (
            json!({"preVoiceX": "none.wav"}),
            "1010002",
            invalid("none.wav does not exist."),
        ),
        (
            json!({"recordHintTone": "no/ne.wav"}),
            "1010002",
            invalid("recordHintTone does not exist."),
        ),
        (json!({"userData": "}"}), "1010002", invalid("userData")),
        (
            json!({"areaCode": "021"}),
            "1012008",
            "Insufficient number of resources".into(),
        ),
    ];
    for (change, code, desc) in cases {
        let answer = bind(&k, with(&first(), change.clone())).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (403, code),
            "{change}: {answer:?}"
        );
        refused(&answer, code, &desc);
    }
    let other = "/rest/omp/xyrelationnumber/v1.0?app_key=demo";
    let foreign = k.call(Method::POST, other, first()).await;
    refused(&foreign, "1010003", "Invalid app_key.");
    // Left out of the URL it is that of the headers.
    ok(&k
        .call(Method::POST, "/rest/omp/xyrelationnumber/v1.0", first())
        .await);
}

#[tokio::test]
async fn each_refusal_of_the_second_step_has_its_code() {
    let k = axyb().await;
    let bound = ok(&bind(&k, first()).await);
    let id = &bound["subscriptionId"];
    let second = json!({"origNum": B, "subscriptionId": id});
    for (change, code) in [
        (json!({"origNum": null}), "1010002"),
        (json!({"origNum": A}), "1010002"),
        (json!({"origNum": bound["relationNumber"]}), "1010002"),
        (json!({"ybDuration": 30}), "1010002"),
        (json!({"preVoiceY": "none.wav"}), "1010002"),
        (json!({"subscriptionId": "none"}), "1016001"),
        (json!({"subscriptionId": NO_ID}), "1016001"),
        (json!({"areaCode": "021"}), "1012008"),
    ] {
        let answer = bind(&k, with(&second, change.clone())).await;
        assert_eq!(answer.code(), code, "{change}: {answer:?}");
        refused(&answer, code, "");
    }
    ok(&bind(&k, second.clone()).await);
    refused(
        &bind(&k, second).await,
        "1016002",
        "The record already exists.",
    );
}

#[tokio::test]
async fn unbind_of_one_y_by_either_number_or_of_everything() {
    let k = axyb().await;
    let bound = ok(&bind(&k, first()).await);
    let id = bound["subscriptionId"].as_str().unwrap();
    let y_of = async |party: &str| {
        let body = json!({"origNum": party, "subscriptionId": id});
        ok(&bind(&k, body).await)["relationNumber"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (y_of_b, _) = (y_of(B).await, y_of(C).await);
    let unbind = async |query: String| {
        k.call(Method::DELETE, &format!("{PATH}&{query}"), Value::Null)
            .await
    };
    let query = format!("subscriptionId={id}");
    // Both given: yNum wins.
    ok(&unbind(format!("{query}&yNum={}&bNum={}", q(&y_of_b), q(C))).await);
    let left = list(&k, &query).await;
    assert_eq!((left.len(), &left[0]["numB"]), (1, &json!(C)));
    refused(
        &unbind(format!("{query}&bNum={}", q(B))).await,
        "1016001",
        "The record does not exist.",
    );
    ok(&unbind(format!("{query}&bNum={}", q(C))).await);
    assert!(list(&k, &query).await[0].get("numB").is_none());
    ok(&unbind(query.clone()).await);
    refused(&unbind(query).await, "1016001", "");
    refused(&unbind(format!("yNum={}", q(X1))).await, "1010002", "");
    for query in ["relationNum=170".into(), String::new()] {
        let answer = k
            .call(Method::GET, &format!("{PATH}&{query}"), Value::Null)
            .await;
        refused(&answer, "1010002", "");
    }
    let foreign = k
        .call(
            Method::GET,
            &format!("{PATH}&relationNum={}", q(X)),
            Value::Null,
        )
        .await;
    assert!(
        ["1012001", "1016001"].contains(&foreign.code().as_str()),
        "{foreign:?}"
    );
    let put = k.call(Method::PUT, PATH, first()).await;
    assert_eq!(put.status, 405);
}

#[tokio::test]
async fn every_mode_keeps_to_its_own_addresses() {
    let all = [
        ("axb", "POST", "/rest/caas/relationnumber/partners/v1.0"),
        ("ax", "POST", "/rest/provision/caas/privatenumber/v1.0"),
        ("ax", "PUT", "/rest/caas/privatenumber/calleenumber/v1.0"),
        ("axe", "POST", "/rest/caas/extendnumber/v1.0"),
        ("axe", "GET", "/rest/caas/extendnumber/v2.0"),
        ("axe", "GET", "/rest/caas/virtualnumber/v1.0"),
        ("axyb", "POST", "/rest/omp/xyrelationnumber/v1.0"),
    ];
    for mode in ["axb", "ax", "axe", "axyb", "x"] {
        let k = Kind::new(mode, json!({})).await;
        for (of, method, path) in all {
            let answer = k
                .call(
                    method.parse().unwrap(),
                    path,
                    json!({"origNum": "x", "cursor": "x"}),
                )
                .await;
            let code = answer.code();
            assert_eq!(
                code == "1010040",
                of != mode,
                "{mode} {method} {path}: {answer:?}"
            );
            if of != mode {
                refused(
                    &answer,
                    "1010040",
                    "The app_key is not allowed to invoke the API.",
                );
            }
        }
    }
}
