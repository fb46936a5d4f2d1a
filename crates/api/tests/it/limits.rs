//! Limits, set through the operator API: each with its code at the customers' API, and what is set is what is shown.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{A, B, Harness, X};

const BIND: &str = "/rest/caas/relationnumber/partners/v1.0";

async fn set(h: &Harness, path: &str, patch: &Value) {
    let answer = h.operator(Method::PATCH, path, patch).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn bind(h: &Harness) -> (u16, String) {
    let body = json!({"callerNum": A, "calleeNum": B, "relationNum": X});
    let answer = h.call(Method::POST, BIND, &body).await;
    let code = answer.code();
    if code == "0" {
        let path = format!("{BIND}?relationNum=%2B{}", &X[1..]);
        assert_eq!(
            h.call(Method::DELETE, &path, &Value::Null).await.code(),
            "0"
        );
    }
    (answer.status.as_u16(), code)
}

#[tokio::test]
async fn suspended_applications_frozen_subscribers_and_numbers_have_their_codes() {
    let h = Harness::new().await;
    let (app, number) = ("/applications/demo", format!("/numbers/{X}"));
    for (path, field, word, code) in [
        (app, "status", "suspended", "1010008"),
        (app, "status", "frozen", "1010029"),
        (number.as_str(), "status", "suspended", "1012102"),
        (number.as_str(), "status", "unavailable", "1012102"),
        (number.as_str(), "status", "frozen", "1012102"),
    ] {
        set(&h, path, &json!({field: word})).await;
        assert_eq!(bind(&h).await, (403, code.to_owned()), "{path} {word}");
        let back = if path == app { "active" } else { "normal" };
        set(&h, path, &json!({field: back})).await;
        assert_eq!(bind(&h).await, (200, "0".to_owned()), "{path} {back}");
    }
}

#[tokio::test]
async fn a_number_has_so_many_binds_a_day() {
    let h = Harness::new().await;
    let limit = |n: Value| json!({"settings": {"binds_per_number_per_day": n}});
    set(&h, "/applications/demo", &limit(json!(2))).await;
    assert_eq!(bind(&h).await.1, "0");
    assert_eq!(bind(&h).await.1, "0");
    assert_eq!(bind(&h).await, (403, "1020182".to_owned()));
    set(&h, "/applications/demo", &limit(Value::Null)).await;
    assert_eq!(bind(&h).await.1, "0", "off by default");
}

#[tokio::test]
async fn rules_of_calls_are_shown_as_they_were_set_and_wrong_ones_refused() {
    let h = Harness::new().await;
    let calls = json!({
        "utc_offset": "+09:30", "hours": [{"days": [1, 2], "from": "08:00", "until": "24:00"}],
        "fixed_callers": true, "international_in": false, "international_out": false,
        "rate": {"per_minute": 1, "per_hour": 2, "per_day": 3},
        "rate_per_number": {"per_minute": 0, "per_hour": 0, "per_day": 4},
        "rate_per_caller": {"per_minute": 0, "per_hour": 0, "per_day": 5},
        "rate_per_callee": {"per_minute": 0, "per_hour": 0, "per_day": 6},
        "rate_per_display": {"per_minute": 0, "per_hour": 0, "per_day": 7},
        "connect_rate": {"calls_min": 8, "answered_percent_min": 9},
        "call_time": {"calls_min": 10, "short_s": 11, "short_percent_max": 12},
    });
    set(
        &h,
        "/applications/demo",
        &json!({"settings": {"calls": calls}}),
    )
    .await;
    let shown = h
        .operator(Method::GET, "/applications/demo", &Value::Null)
        .await
        .json();
    assert_eq!(shown["settings"]["calls"], calls);
    for wrong in [
        json!({"utc_offset": "8"}),
        json!({"hours": [{"from": "8", "until": "9"}]}),
        json!({"hours": vec![json!({"from": "08:00", "until": "09:00"}); 33]}),
        json!({"rate": {"per_second": 1}}),
        json!({"rate": {"per_day": -1}}),
        json!({"connect_rate": {"answered_percent_min": 101}}),
        json!({"call_time": {"short_percent_max": 101}}),
        json!({"no_such": 1}),
    ] {
        let patch = json!({"settings": {"calls": wrong}});
        let answer = h
            .operator(Method::PATCH, "/applications/demo", &patch)
            .await;
        assert_eq!(answer.status, 400, "{wrong}: {answer:?}");
    }
}

#[tokio::test]
async fn limits_of_all_calls_are_merged() {
    let h = Harness::new().await;
    let at = "/call-limits";
    let nothing = h.operator(Method::GET, at, &Value::Null).await.json();
    assert_eq!(
        (&nothing["rate"]["per_day"], &nothing["utc_offset"]),
        (&json!(0), &json!("+08:00"))
    );
    set(
        &h,
        at,
        &json!({"rate": {"per_day": 9}, "rate_per_caller": {"per_minute": 3}}),
    )
    .await;
    set(
        &h,
        at,
        &json!({"rate": {"per_hour": 8}, "rate_per_caller": null}),
    )
    .await;
    let shown = h.operator(Method::GET, at, &Value::Null).await.json();
    assert_eq!(
        shown["rate"],
        json!({"per_minute": 0, "per_hour": 8, "per_day": 9})
    );
    assert_eq!(shown["rate_per_caller"], nothing["rate_per_caller"]);
    for wrong in [json!([]), json!({"rate": 1}), json!({"unknown": 1})] {
        assert_eq!(
            h.operator(Method::PATCH, at, &wrong).await.status,
            400,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn numbers_are_blocked_listed_masked_and_lifted() {
    let h = Harness::new().await;
    let at = "/blocked-numbers";
    let block = json!({"app": "demo", "party": "caller", "numbers": ["+8613900000001", "+86138*"]});
    let answer = h.operator(Method::POST, at, &block).await.json();
    assert_eq!(answer["blocked"], 2);
    let all = json!({"party": "callee", "numbers": ["+1*"]});
    assert_eq!(
        h.operator(Method::POST, at, &all).await.json()["blocked"],
        1
    );
    let list = |query: &str| {
        let path = format!("{at}?{query}");
        async {
            h.operator(Method::GET, &{ path }, &Value::Null)
                .await
                .json()
        }
    };
    let masked = list("app=demo").await;
    assert_eq!(masked["total"], 2);
    assert!(!masked.to_string().contains("13900000001"), "{masked}");
    let whole = list("party=callee&reveal=true").await;
    assert_eq!(
        (&whole["items"][0]["number"], &whole["items"][0]["app"]),
        (&json!("+1*"), &Value::Null)
    );
    let lift = |query: &str| {
        let path = format!("{at}?{query}");
        async {
            h.operator(Method::DELETE, &{ path }, &Value::Null)
                .await
                .status
                .as_u16()
        }
    };
    assert_eq!(
        lift("party=caller&number=8613900000001").await,
        404,
        "of the application, not of all"
    );
    assert_eq!(
        lift("app=demo&party=caller&number=%2B8613900000001").await,
        204
    );
    assert_eq!(lift("app=demo&party=caller&number=+86138*").await, 204);
    assert_eq!(lift("party=caller&number=x").await, 400);
    assert_eq!(lift("number=8613900000001").await, 400);
    assert_eq!(list("").await["total"], 1);
    for (wrong, status) in [
        (json!({"party": "caller", "numbers": ["13900000077"]}), 400),
        (json!({"party": "both", "numbers": []}), 400),
        (json!({"numbers": []}), 400),
        (
            json!({"party": "caller", "numbers": vec!["+1*"; 10_001]}),
            400,
        ),
        (
            json!({"app": "nobody", "party": "caller", "numbers": []}),
            404,
        ),
    ] {
        let answer = h.operator(Method::POST, at, &wrong).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(
            !String::from_utf8(answer.bytes)
                .unwrap()
                .contains("13900000077")
        );
    }
}
