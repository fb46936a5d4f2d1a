//! The AXE operations: rules, leniency, codes.

use std::collections::HashSet;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{A, Answer, B, X};
use crate::kinds::{C, Kind, NO_ID, X1, X2, X3, ok, q, refused, with};

const PATH: &str = "/rest/caas/extendnumber/v1.0";
const PATH2: &str = "/rest/caas/extendnumber/v2.0";
const COUNT: &str = "/rest/caas/virtualnumber/v1.0";

async fn axe() -> Kind {
    Kind::new("axe", json!({"recording": true})).await
}

fn plain() -> Value {
    json!({"virtualNum": X1, "bindNum": A, "extendNum": "0042"})
}

async fn bind(k: &Kind, body: Value) -> Answer {
    k.call(Method::POST, PATH, body).await
}

async fn get(k: &Kind, path: &str, query: &str) -> Answer {
    k.call(Method::GET, &format!("{path}?{query}"), Value::Null)
        .await
}

fn pair(x: &str, extension: &str) -> String {
    format!("virtualNum={}&extendNum={extension}", q(x))
}

#[tokio::test]
async fn bind_answers_and_query_shows_what_was_bound() {
    let k = axe().await;
    for name in ["hint.wav", "tone.wav"] {
        k.prompt(name).await;
    }
    let more = json!({"displayNumMode": "1", "recordFlag": "true", "recordHintTone": "hint.wav", "callbackTone": "tone.wav",
        "timeUnit": "1", "bindExpiredTime": 43200, "callbackExpiredTime": 60, "userData": "order-1"});
    let bound = ok(&bind(&k, with(&plain(), more)).await);
    let id = bound["subscriptionId"].as_str().unwrap();
    assert_eq!(
        bound,
        json!({"resultcode": "0", "resultdesc": "Success", "subscriptionId": id, "virtualNum": X1, "extendNum": "0042",
            "bindExpiredTime": 43200, "callbackExpiredTime": 60})
    );
    let wanted = json!({"resultcode": "0", "resultdesc": "Success", "subscriptionId": id, "virtualNum": X1,
        "extendNum": "0042", "bindNum": A, "displayNumMode": "1", "recordFlag": "true", "recordHintTone": "hint.wav",
        "callbackTone": "tone.wav", "timeUnit": "1", "bindExpiredTime": 43200, "callbackExpiredTime": 60, "userData": "order-1"});
    for query in [
        format!("subscriptionId={id}"),
        pair(X1, "0042"),
        format!("subscriptionId={id}&{}", pair(X2, "0001")),
    ] {
        assert_eq!(ok(&get(&k, PATH, &query).await), wanted, "{query}");
    }
}

#[tokio::test]
async fn defaults_are_the_documented_ones() {
    let k = axe().await;
    let bound = ok(&bind(&k, json!({"virtualNum": X1, "bindNum": A, "extendNum": "", "callbackTone": "", "callbackNum": ""})).await);
    let extension = bound["extendNum"].as_str().unwrap();
    assert!(
        extension.len() == 4 && extension.bytes().all(|b| b.is_ascii_digit()),
        "{extension}"
    );
    assert_eq!(
        (&bound["bindExpiredTime"], &bound["callbackExpiredTime"]),
        (&json!(0), &json!(0))
    );
    let item = ok(&get(&k, PATH, &pair(X1, extension)).await);
    for (name, value) in [
        ("displayNumMode", json!("0")),
        ("recordFlag", json!("false")),
        ("timeUnit", json!("0")),
        ("bindExpiredTime", json!(0)),
        ("callbackExpiredTime", json!(0)),
    ] {
        assert_eq!(item[name], value, "{name}");
    }
    for absent in ["recordHintTone", "callbackTone", "callbackNum", "userData"] {
        assert!(item.get(absent).is_none(), "{absent}");
    }
}

#[tokio::test]
async fn types_are_read_leniently_as_old_clients_send_them() {
    let k = axe().await;
    let more = json!({"displayNumMode": 0, "recordFlag": true, "timeUnit": 1, "bindExpiredTime": "120", "extendNum": 1234,
        "callbackNum": B, "areaCode": "010", "areaMatchMode": 1});
    let bound = ok(&bind(&k, with(&plain(), more)).await);
    assert_eq!(
        (
            &bound["virtualNum"],
            &bound["extendNum"],
            &bound["bindExpiredTime"]
        ),
        (&json!(X1), &json!("1234"), &json!(120))
    );
    let item = ok(&get(&k, PATH, &pair(X1, "1234")).await);
    assert_eq!(
        (&item["recordFlag"], &item["callbackNum"]),
        (&json!("true"), &json!(B))
    );
}

#[tokio::test]
async fn each_refusal_of_a_bind_has_its_code() {
    let k = axe().await;
    k.prompt("tone.wav").await;
    let invalid = |field: &str| format!("Invalid request.{field}");
    let cases = [
        (json!({"bindNum": null}), "1010002", invalid("bindNum")),
        (
            json!({"bindNum": "13900000001"}),
            "1010002",
            invalid("bindNum"),
        ),
        (
            json!({"bindNum": "+864001234567"}),
            "1010002",
            invalid("bindNum"),
        ),
        (
            json!({"virtualNum": null}),
            "1010002",
            invalid("virtualNum"),
        ),
        (
            json!({"virtualNum": null, "areaMatchMode": "1"}),
            "1010002",
            invalid("virtualNum"),
        ),
        (
            json!({"virtualNum": "170"}),
            "1010002",
            invalid("virtualNum"),
        ),
        (
            json!({"areaMatchMode": "2"}),
            "1010002",
            invalid("areaMatchMode"),
        ),
        (json!({"extendNum": "123"}), "1010002", invalid("extendNum")),
        (
            json!({"extendNum": "12345"}),
            "1010002",
            invalid("extendNum"),
        ),
        (
            json!({"extendNum": "12a4"}),
            "1010002",
            invalid("extendNum"),
        ),
        (
            json!({"displayNumMode": "2"}),
            "1010002",
            invalid("displayNumMode"),
        ),
        (json!({"recordFlag": "x"}), "1010002", invalid("recordFlag")),
        (
            json!({"recordHintTone": "none.wav"}),
            "1010002",
            invalid("none.wav does not exist."),
        ),
        (
            json!({"callbackTone": "none.wav"}),
            "1010002",
            invalid("none.wav does not exist."),
        ),
        (
            json!({"callbackTone": "tone.wav", "callbackNum": B}),
            "1010002",
            invalid("callbackNum"),
        ),
        (
            json!({"callbackNum": "139"}),
            "1010002",
            invalid("callbackNum"),
        ),
        (json!({"timeUnit": "2"}), "1010002", invalid("timeUnit")),
        (
            json!({"bindExpiredTime": 721}),
            "1010002",
            invalid("bindExpiredTime"),
        ),
        (
            json!({"bindExpiredTime": 43201, "timeUnit": "1"}),
            "1010002",
            invalid("bindExpiredTime"),
        ),
        (
            json!({"callbackExpiredTime": 721}),
            "1010002",
            invalid("callbackExpiredTime"),
        ),
        (
            json!({"bindExpiredTime": 1, "callbackExpiredTime": 2}),
            "1010002",
            invalid("callbackExpiredTime"),
        ),
        (json!({"userData": "{u}"}), "1010002", invalid("userData")),
        (json!({"bindNum": X1}), "1010002", String::new()),
        (
            json!({"virtualNum": X}),
            "1012001",
            "Resource of number is not to be applied.".into(),
        ),
        (
            json!({"virtualNum": null, "areaCode": "021"}),
            "1012008",
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
    ok(&bind(&k, plain()).await);
    let same_a = bind(&k, with(&plain(), json!({"extendNum": "0043"}))).await;
    refused(&same_a, "1016002", "The record already exists.");
    let same_e = bind(&k, with(&plain(), json!({"bindNum": B}))).await;
    refused(&same_e, "1020167", "No idle extend Number.");
    k.freeze(X2).await;
    let frozen = bind(&k, with(&plain(), json!({"virtualNum": X2}))).await;
    refused(&frozen, "1012102", "The number status is abnormal.");
    let off = json!({"settings": {"recording": false}});
    k.h.operator(Method::PATCH, "/applications/axe", &off).await;
    let answer = bind(
        &k,
        with(&plain(), json!({"recordFlag": "true", "virtualNum": X3})),
    )
    .await;
    refused(
        &answer,
        "1012012",
        "Application does not open recording function.",
    );
}

#[tokio::test]
async fn x_is_chosen_by_area_and_extensions_are_given_until_none_is_left() {
    let k = Kind::new("axe", json!({"axe": {"extension_digits": 1}})).await;
    let by_area = |n: u32, area: &str, mode: &str| json!({"bindNum": format!("+861390000{n:04}"), "areaCode": area, "areaMatchMode": mode});
    let mut given = HashSet::new();
    // One digit: 1 to 9 (the counter of the reference says 9, 99, 999, 9999).
    for n in 0..9 {
        let bound = ok(&bind(&k, by_area(n, "010", "0")).await);
        assert_eq!(bound["virtualNum"], X3);
        assert!(given.insert(bound["extendNum"].as_str().unwrap().to_owned()));
    }
    assert!(given.iter().all(|e| e.len() == 1));
    let answer = bind(&k, by_area(9, "010", "0")).await;
    assert!(
        ["1020167", "1012008"].contains(&answer.code().as_str()),
        "{answer:?}"
    );
    let named = bind(&k, json!({"bindNum": "+8613900000077", "virtualNum": X3})).await;
    refused(&named, "1020167", "No idle extend Number.");
    let other = ok(&bind(&k, by_area(9, "010", "1")).await)["virtualNum"].clone();
    assert!(other == X1 || other == X2, "{other}");
}

#[tokio::test]
async fn modify_changes_what_is_sent_and_query_shows_the_documented_quirk() {
    let k = axe().await;
    k.prompt("tone.wav").await;
    let first = with(
        &plain(),
        json!({"callbackTone": "tone.wav", "timeUnit": "1", "bindExpiredTime": 600, "userData": "u"}),
    );
    let id = ok(&bind(&k, first).await)["subscriptionId"]
        .as_str()
        .unwrap()
        .to_owned();
    let query = format!("subscriptionId={id}");
    let modify = async |body: Value| k.call(Method::PUT, PATH, body).await;
    let shown = async || ok(&get(&k, PATH, &query).await);
    let change = json!({"virtualNum": X1, "extendNum": "0042", "callbackNum": B, "displayNumMode": 1, "recordFlag": "true"});
    assert_eq!(
        ok(&modify(change).await),
        json!({"resultcode": "0", "resultdesc": "Success"})
    );
    let item = shown().await;
    assert_eq!(
        (&item["callbackNum"], item.get("callbackTone")),
        (&json!(B), None)
    );
    assert_eq!(
        (
            &item["displayNumMode"],
            &item["recordFlag"],
            &item["userData"]
        ),
        (&json!("1"), &json!("true"), &json!("u"))
    );
    // Unlike in a bind both may be given: the number wins.
    ok(&modify(json!({"subscriptionId": id, "callbackNum": C, "callbackTone": "tone.wav"})).await);
    assert_eq!(shown().await["callbackNum"], C);
    ok(&modify(json!({"subscriptionId": id, "callbackTone": "tone.wav"})).await);
    let item = shown().await;
    assert_eq!(
        (&item["callbackTone"], item.get("callbackNum")),
        (&json!("tone.wav"), None)
    );
    // An empty one clears itself and nothing else.
    ok(&modify(json!({"subscriptionId": id, "callbackNum": ""})).await);
    assert_eq!(shown().await["callbackTone"], "tone.wav");
    ok(&modify(json!({"subscriptionId": id, "callbackTone": "", "userData": ""})).await);
    let item = shown().await;
    assert!(item.get("callbackTone").is_none() && item.get("userData").is_none());
    // Bind and modify have both said unit and time: the query shows what bind said.
    ok(&modify(json!({"subscriptionId": id, "timeUnit": "0", "bindExpiredTime": 2})).await);
    let item = shown().await;
    assert_eq!(
        (&item["timeUnit"], &item["bindExpiredTime"]),
        (&json!("1"), &json!(600))
    );
    k.h.clock.advance(Duration::from_secs(2 * 3600 - 1));
    shown().await;
    k.h.clock.advance(Duration::from_secs(2));
    refused(
        &get(&k, PATH, &query).await,
        "1016001",
        "The record does not exist.",
    );
}

#[tokio::test]
async fn each_refusal_of_a_modification_has_its_code() {
    let k = axe().await;
    let id = ok(&bind(
        &k,
        with(
            &plain(),
            json!({"bindExpiredTime": 5, "callbackExpiredTime": 5}),
        ),
    )
    .await)["subscriptionId"]
        .clone();
    for (body, code) in [
        (json!({"displayNumMode": 1}), "1010002"),
        (json!({"virtualNum": X1, "displayNumMode": 1}), "1010002"),
        (json!({"virtualNum": X1, "extendNum": "42"}), "1010002"),
        (json!({"subscriptionId": id, "timeUnit": 5}), "1010002"),
        (
            json!({"subscriptionId": id, "bindExpiredTime": 4}),
            "1010002",
        ),
        (
            json!({"subscriptionId": id, "callbackExpiredTime": 6}),
            "1010002",
        ),
        (
            json!({"subscriptionId": id, "bindExpiredTime": 43201}),
            "1010002",
        ),
        (
            json!({"subscriptionId": id, "timeUnit": 0, "bindExpiredTime": 721}),
            "1010002",
        ),
        (
            json!({"subscriptionId": id, "callbackTone": "none.wav"}),
            "1010002",
        ),
        (
            json!({"subscriptionId": id, "callbackNum": "1390"}),
            "1010002",
        ),
        (json!({"subscriptionId": "none"}), "1016001"),
        (json!({"subscriptionId": NO_ID}), "1016001"),
        (json!({"virtualNum": X1, "extendNum": "0001"}), "1016001"),
    ] {
        let answer = k.call(Method::PUT, PATH, body.clone()).await;
        assert_eq!(answer.code(), code, "{body}");
        refused(&answer, code, "");
    }
}

#[tokio::test]
async fn unbind_by_id_or_by_number_and_extension() {
    let k = axe().await;
    let id = ok(&bind(&k, plain()).await)["subscriptionId"]
        .as_str()
        .unwrap()
        .to_owned();
    ok(&bind(
        &k,
        json!({"virtualNum": X1, "bindNum": B, "extendNum": "0001"}),
    )
    .await);
    let unbind = async |query: &str| {
        k.call(Method::DELETE, &format!("{PATH}?{query}"), Value::Null)
            .await
    };
    ok(&unbind(&format!("subscriptionId={id}&{}", pair(X1, "0001"))).await);
    refused(
        &unbind(&format!("subscriptionId={id}")).await,
        "1016001",
        "The record does not exist.",
    );
    refused(&unbind(&pair(X1, "0042")).await, "1016001", "");
    refused(
        &unbind(&format!("virtualNum={}", q(X1))).await,
        "1010002",
        "",
    );
    ok(&unbind(&pair(X1, "0001")).await);
    ok(&bind(&k, plain()).await);
    ok(&k
        .call(
            Method::DELETE,
            PATH,
            json!({"virtualNum": X1, "extendNum": "0042"}),
        )
        .await);
}

#[tokio::test]
async fn query_v2_pages_over_a_number_and_finds_one() {
    let k = axe().await;
    let mut made = Vec::new();
    for n in 0..7 {
        let body = json!({"virtualNum": X1, "bindNum": format!("+861390000{n:04}"), "extendNum": format!("{:04}", 9 - n)});
        made.push(
            ok(&bind(&k, body).await)["extendNum"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
        k.h.clock.advance(Duration::from_millis(n % 2));
    }
    let mut cursor = "0000000000000_0".to_owned();
    let mut seen = Vec::new();
    for page in 0.. {
        let answer = ok(&get(
            &k,
            PATH2,
            &format!("virtualNum={}&cursor={cursor}&limit=3", q(X1)),
        )
        .await);
        let list = answer["extendNumList"].as_array().unwrap();
        assert!(list.len() <= 3 && page < 4, "{answer}");
        seen.extend(
            list.iter()
                .map(|i| i["extendNum"].as_str().unwrap().to_owned()),
        );
        let Some(next) = answer.get("nextCursor") else {
            break;
        };
        assert_eq!(answer["nextCusor"], *next);
        cursor = next.as_str().unwrap().to_owned();
        assert!(
            cursor.len() > 14 && cursor.as_bytes()[13] == b'_',
            "{cursor}"
        );
    }
    seen.sort();
    made.sort();
    assert_eq!(seen, made);
    let one = ok(&get(&k, PATH2, &format!("{}&cursor=x", pair(X1, "0009"))).await);
    assert_eq!(one["extendNumList"].as_array().unwrap().len(), 1);
    assert_eq!(one["extendNumList"][0]["bindNum"], "+8613900000000");
    let empty = ok(&get(&k, PATH2, &format!("virtualNum={}", q(X2))).await);
    assert_eq!(empty["extendNumList"], json!([]));
    for (query, code) in [
        (String::new(), "1010002"),
        (format!("virtualNum={}&cursor=5", q(X1)), "1010002"),
        (
            format!("virtualNum={}&cursor=000000000000_0", q(X1)),
            "1010002",
        ),
        (
            format!("virtualNum={}&cursor=0000000000000_", q(X1)),
            "1010002",
        ),
        (
            format!("virtualNum={}&cursor=000000000000a_1", q(X1)),
            "1010002",
        ),
        (format!("virtualNum={}", q(X)), "1016001"),
        (pair(X1, "0099"), "1016001"),
        (format!("subscriptionId={NO_ID}"), "1016001"),
    ] {
        refused(&get(&k, PATH2, &query).await, code, "");
    }
}

#[tokio::test]
async fn bindings_are_counted() {
    let k = axe().await;
    ok(&bind(&k, plain()).await);
    ok(&bind(&k, json!({"virtualNum": X1, "bindNum": B})).await);
    ok(&bind(&k, json!({"virtualNum": X3, "bindNum": B})).await);
    let one = ok(&get(&k, COUNT, &format!("number={}&cursor=x&limit=900", q(X1))).await);
    assert_eq!(
        one,
        json!({"resultcode": "0", "resultdesc": "Success", "virtualNumList": [{"virtualNum": X1, "bindCount": 2}]})
    );
    let mut all = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        let page = ok(&get(&k, COUNT, &format!("cursor={cursor}&limit=2")).await);
        for item in page["virtualNumList"].as_array().unwrap() {
            all.push((
                item["virtualNum"].as_str().unwrap().to_owned(),
                item["bindCount"].as_u64().unwrap(),
            ));
        }
        match page.get("nextCursor") {
            Some(next) => cursor = next.as_str().unwrap().to_owned(),
            None => break,
        }
    }
    assert_eq!(all, [(X1.into(), 2), (X2.into(), 0), (X3.into(), 1)]);
    assert_eq!(
        ok(&get(&k, COUNT, "").await)["virtualNumList"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    for (query, code) in [
        (format!("number={}", q(X)), "1016001"),
        ("number=170".into(), "1010002"),
        ("cursor=a".into(), "1010002"),
    ] {
        refused(&get(&k, COUNT, &query).await, code, "");
    }
}
