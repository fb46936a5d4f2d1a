//! The operator API and `callStop`.

use std::sync::Arc;

use axbridge_api::{CallControl, LiveCall, NoCalls, StopOutcome, Stopping};
use http::{Method, Request};
use serde_json::{Value, json};

use crate::harness::{Harness, TOKEN, X, wav};

struct OneCall;

impl CallControl for OneCall {
    fn live_calls(&self, _limit: usize) -> Vec<LiveCall> {
        vec![LiveCall {
            session_id: "1200_7@node".into(),
            app_key: "demo".into(),
            subscription_id: None,
            caller: "+86139****001".into(),
            x: "+86170****009".into(),
            callee: None,
            phase: "talking",
            began_ms: 1,
            answered_ms: Some(2),
        }]
    }

    fn stop_call<'a>(&'a self, session_id: &'a str, app_key: Option<&'a str>) -> Stopping<'a> {
        let outcome = match (session_id, app_key) {
            ("1200_7@node", None | Some("demo")) => StopOutcome::Stopping,
            ("1200_7@node", Some(_)) => StopOutcome::NotYours,
            _ => StopOutcome::NoSuchCall,
        };
        Box::pin(async move { outcome })
    }
}

#[tokio::test]
async fn call_stop_ends_the_applications_own_calls_only() {
    let h = Harness::with(Arc::new(OneCall), |_| {}).await;
    let path = "/rest/httpsessions/callStop/v2.0";
    let good = json!({"sessionid": "1200_7@node", "signal": "call_stop"});
    let answer = h.call(Method::POST, path, &good).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (200, "0"));
    assert_eq!(answer.headers["content-type"], "text/html;charset=UTF-8");
    for (body, code) in [
        (
            json!({"sessionid": "none", "signal": "call_stop"}),
            "1020152",
        ),
        (json!({"sessionid": "1200_7@node"}), "1010002"),
        (json!({"signal": "call_stop"}), "1010002"),
    ] {
        let answer = h.call(Method::POST, path, &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (403, code)
        );
    }
    let other = json!({"key": "other", "secret": "s3cretS3cret"});
    assert_eq!(
        h.operator(Method::POST, "/applications", &other)
            .await
            .status,
        201
    );
    let mut client = h.client.clone();
    client.key = "other".into();
    assert_eq!(
        h.send(client.request(Method::POST, path, good.to_string()))
            .await
            .code(),
        "1020152"
    );
    let live = h.operator(Method::GET, "/calls", &Value::Null).await.json();
    assert_eq!(live["items"][0]["phase"], "talking");
    assert_eq!(
        h.operator(Method::DELETE, "/calls/1200_7@node", &Value::Null)
            .await
            .status,
        202
    );
    assert_eq!(
        h.operator(Method::DELETE, "/calls/none", &Value::Null)
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn an_application_lives_from_post_to_delete() {
    let h = Harness::new().await;
    let made = h
        .operator(Method::POST, "/applications", &json!({"sp_id": "acme"}))
        .await;
    assert_eq!(made.status, 201);
    let made = made.json();
    let (key, secret) = (
        made["key"].as_str().unwrap(),
        made["secret"].as_str().unwrap(),
    );
    assert!(key.len() >= 20 && secret.len() >= 28);
    let shown = h
        .operator(Method::GET, &format!("/applications/{key}"), &Value::Null)
        .await;
    assert!(
        !String::from_utf8(shown.bytes).unwrap().contains(secret),
        "the secret is shown once"
    );
    let path = format!("/applications/{key}");
    let patch =
        json!({"sp_id": "b", "settings": {"cdr_url": "http://8.8.8.8/cdr", "rate_per_s": 7}});
    let changed = h.operator(Method::PATCH, &path, &patch).await.json();
    assert_eq!(
        (&changed["sp_id"], &changed["settings"]["rate_per_s"]),
        (&json!("b"), &json!(7))
    );
    let cleared = h
        .operator(
            Method::PATCH,
            &path,
            &json!({"settings": {"cdr_url": null}}),
        )
        .await
        .json();
    assert_eq!(
        (
            &cleared["settings"]["cdr_url"],
            &cleared["settings"]["rate_per_s"]
        ),
        (&Value::Null, &json!(7))
    );
    assert_eq!(
        h.operator(Method::DELETE, &path, &Value::Null).await.status,
        204
    );
    assert_eq!(
        h.operator(Method::GET, &path, &Value::Null).await.status,
        404
    );
    let used = h
        .operator(Method::DELETE, "/applications/demo", &Value::Null)
        .await;
    assert_eq!(
        (used.status.as_u16(), used.json()["error"].as_str()),
        (409, Some("in_use"))
    );
}

#[tokio::test]
async fn bad_operator_requests_say_what_to_do() {
    let h = Harness::with(Arc::new(NoCalls), |c| c.targets.allow_private = false).await;
    let cases = [
        (
            Method::POST,
            "/applications",
            json!({"key": "demo", "secret": "s3cretS3cret"}),
            409,
        ),
        (Method::POST, "/applications", json!({"key": "a/b"}), 400),
        (
            Method::POST,
            "/applications",
            json!({"key": "ok", "secret": "short"}),
            400,
        ),
        (Method::POST, "/applications", json!({"unknown": 1}), 400),
        (
            Method::PATCH,
            "/applications/demo",
            json!({"settings": {"call_status_url": "http://127.0.0.1/"}}),
            400,
        ),
        (
            Method::PATCH,
            "/applications/demo",
            json!({"settings": {"cdr_url": "http://localhost/"}}),
            400,
        ),
        (
            Method::PATCH,
            "/applications/demo",
            json!({"settings": {"cdr_url": "http://169.254.169.254/"}}),
            400,
        ),
        (
            Method::PATCH,
            "/applications/demo",
            json!({"settings": {"ip_allow_list": ["x"]}}),
            400,
        ),
        (
            Method::PATCH,
            "/applications/demo",
            json!({"settings": {"no_such": 1}}),
            400,
        ),
        (
            Method::PATCH,
            "/applications/demo",
            json!({"settings": {"rate_per_s": 0}}),
            400,
        ),
        (
            Method::POST,
            "/numbers",
            json!({"app": "demo", "numbers": [{"number": X, "trunk": 1}]}),
            409,
        ),
        (
            Method::POST,
            "/numbers",
            json!({"app": "demo", "numbers": [{"number": "x", "trunk": 1}]}),
            400,
        ),
        (
            Method::POST,
            "/numbers",
            json!({"app": "demo", "numbers": [{"number": "+8617000000010", "trunk": 9}]}),
            400,
        ),
        (
            Method::POST,
            "/numbers",
            json!({"app": "demo", "numbers": [{"number": "+8617000000010", "trunk": 1, "area": "x"}]}),
            400,
        ),
        (
            Method::PATCH,
            "/numbers/+8617000000009",
            json!({"status": "gone"}),
            400,
        ),
        (
            Method::PATCH,
            "/numbers/+8617000000009",
            json!({"status": "unavailable", "cause": 4}),
            400,
        ),
        (
            Method::PATCH,
            "/numbers/+8617000000009",
            json!({"status": "normal", "cause": 2}),
            400,
        ),
        (
            Method::PATCH,
            "/numbers/+8617000000010",
            json!({"status": "normal"}),
            404,
        ),
        (
            Method::PUT,
            "/trunks/2",
            json!({"id": 3, "name": "x", "peers": ["127.0.0.1:5060"]}),
            400,
        ),
        (
            Method::PUT,
            "/trunks/2",
            json!({"id": 2, "name": "x", "peers": []}),
            400,
        ),
        (Method::DELETE, "/trunks/1", Value::Null, 409),
        (Method::DELETE, "/bans/x", Value::Null, 400),
        (Method::GET, "/records?from_ms=x", Value::Null, 400),
        (Method::GET, "/nothing", Value::Null, 404),
        (Method::PUT, "/bans", Value::Null, 405),
    ];
    for (method, path, body, status) in cases {
        let answer = h.operator(method.clone(), path, &body).await;
        assert_eq!(
            answer.status.as_u16(),
            status,
            "{method} {path} {body}: {answer:?}"
        );
        let json = answer.json();
        for field in ["error", "message", "action"] {
            assert!(
                json[field].as_str().is_some_and(|t| !t.is_empty()),
                "{method} {path}: {json}"
            );
        }
    }
}

#[tokio::test]
async fn numbers_are_imported_whole_or_not_at_all() {
    let h = Harness::new().await;
    let two = json!({"app": "demo", "numbers": [
        {"number": "+8617000000010", "trunk": 1, "area": "010", "province": "Beijing"}, {"number": X, "trunk": 1}]});
    assert_eq!(h.operator(Method::POST, "/numbers", &two).await.status, 409);
    assert_eq!(
        h.operator(Method::GET, "/numbers/+8617000000010", &Value::Null)
            .await
            .status,
        404
    );
    let many: Vec<Value> = (100..1100)
        .map(|n| json!({"number": format!("+861700000{n:04}"), "trunk": 1}))
        .collect();
    let answer = h
        .operator(
            Method::POST,
            "/numbers",
            &json!({"app": "demo", "numbers": many}),
        )
        .await;
    assert_eq!(answer.json()["imported"], 1000);
    let page = h
        .operator(
            Method::GET,
            "/numbers?app=demo&page=2&page_size=1000",
            &Value::Null,
        )
        .await
        .json();
    assert_eq!(
        (&page["total"], page["items"].as_array().unwrap().len()),
        (&json!(1001), 1)
    );
    assert_eq!(
        h.operator(Method::DELETE, "/numbers/8617000000100", &Value::Null)
            .await
            .status,
        204
    );
}

#[tokio::test]
async fn prompts_are_checked_reviewed_and_then_usable() {
    let h = Harness::with(Arc::new(NoCalls), |c| c.prompts_pass = false).await;
    let put = |name: &str, body: Vec<u8>| {
        Request::put(format!("/admin/v1/applications/demo/prompts/{name}"))
            .header("authorization", format!("Bearer {TOKEN}"))
            .body(body)
            .unwrap()
    };
    assert_eq!(
        h.send(put("a.wav", b"not a wave".to_vec())).await.json()["error"],
        "invalid"
    );
    assert_eq!(h.send(put(".a", wav(&[0; 8000]))).await.status, 400);
    let kept = h.send(put("a.wav", wav(&[0; 8000]))).await.json();
    assert_eq!(
        (&kept["state"], &kept["duration_ms"]),
        (&json!("to_review"), &json!(1000))
    );
    let path = "/rest/caas/relationnumber/partners/v1.0";
    let bind = json!({"callerNum": "+8613900000001", "calleeNum": "+8613900000002", "relationNum": X, "maxDuration": 2,
        "lastMinVoice": "a.wav"});
    assert_eq!(h.call(Method::POST, path, &bind).await.code(), "1010002");
    let review = "/applications/demo/prompts/a.wav/review";
    assert_eq!(
        h.operator(Method::POST, review, &json!({"state": "passed"}))
            .await
            .status,
        204
    );
    assert_eq!(h.call(Method::POST, path, &bind).await.code(), "0");
    let audio = h
        .operator(
            Method::GET,
            "/applications/demo/prompts/a.wav",
            &Value::Null,
        )
        .await;
    assert!(audio.bytes == wav(&[0; 8000]));
    let mut form =
        b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"b.wav\"\r\n\r\n"
            .to_vec();
    form.extend(wav(&[0; 800]));
    form.extend(b"\r\n--b--\r\n");
    let request = Request::post("/admin/v1/applications/demo/prompts")
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "multipart/form-data; boundary=b")
        .body(form)
        .unwrap();
    assert_eq!(h.send(request).await.json()["name"], "b.wav");
    let list = h
        .operator(Method::GET, "/applications/demo/prompts", &Value::Null)
        .await
        .json();
    assert_eq!(list["total"], 2);
    assert_eq!(
        h.operator(
            Method::DELETE,
            "/applications/demo/prompts/b.wav",
            &Value::Null
        )
        .await
        .status,
        204
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ready_says_whether_the_store_answers_and_customers_get_no_inner_text() {
    let h = Harness::new().await;
    let ready = || Request::get("/admin/v1/ready").body("").unwrap();
    assert_eq!(h.send(ready()).await.json()["status"], "ready");
    let store = h.store.clone();
    tokio::task::spawn_blocking(move || store.close())
        .await
        .unwrap();
    // What was found a moment ago holds for a second.
    tokio::time::sleep(std::time::Duration::from_millis(1_050)).await;
    let not_ready = h.send(ready()).await;
    assert_eq!(
        (not_ready.status.as_u16(), &not_ready.json()["error"]),
        (503, &json!("not_ready"))
    );
    let bind =
        json!({"callerNum": "+8613900000001", "calleeNum": "+8613900000002", "relationNum": X});
    let answer = h
        .call(
            Method::POST,
            "/rest/caas/relationnumber/partners/v1.0",
            &bind,
        )
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (500, "1010001")
    );
    assert_eq!(answer.json()["resultdesc"], "Internal system error.");
    assert!(!String::from_utf8(answer.bytes).unwrap().contains("closed"));
}

#[tokio::test]
async fn what_others_write_into_the_store_is_followed() {
    let h = Harness::new().await;
    let mut app = h.store.apps().await.unwrap().remove(0);
    app.status = axbridge_store::AppStatus::Suspended;
    h.store.update_app(app).await.unwrap();
    let path = "/rest/caas/relationnumber/partners/v1.0";
    for _ in 0..200 {
        let answer = h.call(Method::GET, path, &json!({"relationNum": X})).await;
        if answer.code() == "1010008" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the change was not noticed");
}

#[tokio::test]
async fn a_trunk_may_ask_only_for_a_media_address_there_is() {
    let ours = "203.0.113.10";
    let h = Harness::with(std::sync::Arc::new(axbridge_api::NoCalls), |config| {
        config.media_ips = vec![ours.parse().unwrap()];
    })
    .await;
    let trunk =
        |ip: &str| json!({"id": 7, "name": "seven", "peers": ["192.0.2.7:5060"], "media_ip": ip});
    let path = "/trunks/7";
    let wrong = h.operator(Method::PUT, path, &trunk("203.0.113.11")).await;
    assert_eq!(wrong.status, 400, "{wrong:?}");
    assert!(wrong.json()["action"].as_str().unwrap().contains(ours));
    let right = h.operator(Method::PUT, path, &trunk(ours)).await;
    assert_eq!(right.status, 200, "{right:?}");
}
