//! Whatever comes in: no panic, no 5xx, always the shape of the API.

use axum::body::Body;
use http::{Method, Request};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use serde_json::json;

use crate::client::Client;
use crate::harness::{Answer, Harness, TOKEN};

const PATHS: &[&str] = &[
    "/rest/caas/relationnumber/partners/v1.0",
    "/rest/provision/caas/privatenumber/v1.0",
    "/rest/caas/privatenumber/calleenumber/v1.0",
    "/rest/caas/extendnumber/v1.0",
    "/rest/caas/extendnumber/v2.0",
    "/rest/caas/virtualnumber/v1.0",
    "/rest/omp/xyrelationnumber/v1.0",
    "/v1/calls",
    "/v1/calls/1200_7%40node",
    "/v1/calls/%20/trace",
    "/v1/bindings/01900000-0000-7000-8000-000000000000",
    "/v1/records",
    "/rest/provision/voice/record/v1.0",
    "/rest/httpsessions/callStop/v2.0",
    "/v1/recordings/demo/a.wav",
    "/v1/recordings/%ff/%ff",
    "/v1/recordings/%2e%2e/%2e%2e%2fsecret",
    "/",
];
const NAMES: &[&str] = &[
    "callerNum",
    "calleeNum",
    "relationNum",
    "areaCode",
    "areaMatchMode",
    "callDirection",
    "duration",
    "recordFlag",
    "recordHintTone",
    "maxDuration",
    "lastMinVoice",
    "privateSms",
    "preVoice",
    "userData",
    "subscriptionId",
    "pageIndex",
    "pageSize",
    "origNum",
    "privateNum",
    "privateNumType",
    "calleeNumDisplay",
    "turnFlag",
    "virtualNum",
    "bindNum",
    "extendNum",
    "displayNumMode",
    "callbackTone",
    "callbackNum",
    "timeUnit",
    "bindExpiredTime",
    "callbackExpiredTime",
    "cursor",
    "limit",
    "number",
    "relationNumber",
    "relationNum",
    "yNum",
    "bNum",
    "ybDuration",
    "preVoiceX",
    "app_key",
    "extendBy",
    "warnBefore",
    "startTime",
    "endTime",
    "stateCode",
    "party",
    "fileName",
    "recordDomain",
    "sessionid",
    "signal",
    "expires",
    "signature",
    "format",
];

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("-0.0".to_owned()),
        Just("1e308".to_owned()),
        Just("18446744073709551616".to_owned()),
        Just("\"+8613900000001\"".to_owned()),
        Just("\"+8617000000009\"".to_owned()),
        Just("\"+8617000000101\"".to_owned()),
        Just("\"0042\"".to_owned()),
        Just("0".to_owned()),
        Just("60".to_owned()),
        Just("{\"callerHintTone\":{}}".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<String>().prop_map(|s| serde_json::to_string(&s).unwrap()),
        Just("[".repeat(200)),
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let field = (prop::sample::select(NAMES), value()).prop_map(|(n, v)| format!("\"{n}\":{v}"));
    prop_oneof![
        3 => prop::collection::vec(field, 0..8).prop_map(|f| format!("{{{}}}", f.join(",")).into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => Just(Vec::new()),
    ]
}

fn query() -> impl Strategy<Value = String> {
    let pair = (prop::sample::select(NAMES), "[ -~]{0,40}").prop_map(|(n, v)| {
        format!(
            "{n}={}",
            v.replace(
                [' ', '#', '"', '<', '>', '\\', '^', '`', '{', '}', '|'],
                "%"
            )
        )
    });
    prop::collection::vec(pair, 0..5).prop_map(|p| p.join("&"))
}

fn method() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
    ])
}

fn check(answer: &Answer, head: bool) {
    assert!(answer.status.as_u16() < 500, "{answer:?}");
    if !head && !answer.status.is_success() {
        let json = answer.json();
        let code = json["resultcode"].as_str().or(json["error"].as_str());
        assert!(
            code.is_some_and(|c| !c.is_empty() && c.len() <= 32),
            "{answer:?}"
        );
    }
}

fn run(cases: u32, f: impl Fn(&mut TestRunner)) {
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    f(&mut runner);
}

/// Each is signed by an application of one of the five modes.
const SIGNED: u32 = 10_000;

#[test]
fn signed_requests_of_any_shape_are_answered() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (h, clients) = runtime.block_on(every_mode());
    run(SIGNED, |runner| {
        runner
            .run(
                &(
                    method(),
                    prop::sample::select(PATHS),
                    query(),
                    body(),
                    prop::sample::select(clients.clone()),
                ),
                |(method, path, query, body, client)| {
                    let head = method == Method::HEAD;
                    let (parts, _) = client
                        .request(method, &format!("{path}?{query}"), "")
                        .into_parts();
                    let answer =
                        runtime.block_on(h.send(Request::from_parts(parts, Body::from(body))));
                    check(&answer, head);
                    Ok(())
                },
            )
            .unwrap();
    });
}

/// A harness with an application of each mode, each with two numbers, and no rate limit: that is tested elsewhere.
async fn every_mode() -> (Harness, Vec<Client>) {
    let h = Harness::new().await;
    let free = json!({"rate_per_s": 1_000_000, "rate_burst": 1_000_000, "recording": true});
    let mut clients = Vec::new();
    for (n, mode) in ["axb", "ax", "axe", "axyb", "x"].into_iter().enumerate() {
        let app = json!({"key": mode, "secret": h.client.secret, "mode": mode, "settings": free});
        assert_eq!(
            h.operator(Method::POST, "/applications", &app).await.status,
            201
        );
        let number =
            |k: usize| json!({"number": format!("+86170000001{n}{k}"), "area": "0755", "trunk": 1});
        let numbers = json!({"app": mode, "numbers": [number(1), number(2)]});
        assert_eq!(
            h.operator(Method::POST, "/numbers", &numbers).await.status,
            201
        );
        let mut client = h.client.clone();
        client.key = mode.into();
        clients.push(client);
    }
    (h, clients)
}

#[test]
fn unsigned_requests_with_any_headers_are_answered() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let h = runtime.block_on(Harness::new());
    let text = "[ -~]{0,120}";
    let near = r#"(AKSK|WSSE|UsernameToken) ?(realm|profile|Username|Nonce|Created|PasswordDigest)?="?[!-~]{0,12}"?,? ?(type="Appkey")?"#;
    let header = prop_oneof![text.prop_map(|s: String| s), near.prop_map(|s: String| s)];
    run(400, |runner| {
        runner
            .run(
                &(method(), header.clone(), header.clone(), any::<u32>()),
                |(method, auth, x, peer)| {
                    let head = method == Method::HEAD;
                    let request = Request::builder()
                        .method(method)
                        .uri(PATHS[0])
                        .header("authorization", auth)
                        .header("x-aksk", &x)
                        .header("x-wsse", x)
                        .body("")
                        .unwrap();
                    let peer = std::net::Ipv4Addr::from_bits(peer).to_string();
                    check(&runtime.block_on(h.send_from(&peer, request)), head);
                    Ok(())
                },
            )
            .unwrap();
    });
}

#[test]
fn operator_requests_of_any_shape_are_answered() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let h = runtime.block_on(Harness::new());
    let path = prop::sample::select(vec![
        "applications",
        "applications/demo",
        "applications/x",
        "applications/demo/prompts",
        "applications/demo/prompts/a.wav",
        "applications/demo/prompts/a.wav/review",
        "numbers",
        "numbers/+8617000000008",
        "numbers/x",
        "number-areas",
        "trunks",
        "trunks/7",
        "trunks/x",
        "numbers/%ff",
        "calls",
        "calls/s",
        "records",
        "recordings",
        "recordings/demo/..%2f..",
        "bans",
        "bans/::1",
        "outbox/undelivered",
        "outbox/replay",
        "ready",
        "none",
    ]);
    run(300, |runner| {
        runner
            .run(
                &(method(), path.clone(), query(), body()),
                |(method, path, query, body)| {
                    let head = method == Method::HEAD;
                    let request = Request::builder()
                        .method(method)
                        .uri(format!(
                            "/admin/v1/{path}?{query}&page=0&page_size=4294967295"
                        ))
                        .header("authorization", format!("Bearer {TOKEN}"))
                        .body(Body::from(body))
                        .unwrap();
                    let answer = runtime.block_on(h.send(request));
                    check(&answer, head);
                    Ok(())
                },
            )
            .unwrap();
    });
}
