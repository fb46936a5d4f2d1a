//! Every refusal of the authentication, one row each, and the rules in time.

use std::time::Duration;

use http::{Method, Request};
use serde_json::{Value, json};

use crate::client::{AUTHORIZATION, aksk_digest, base64, wsse_hash};
use crate::harness::{Answer, Harness, T0_CREATED, TOKEN, X};

const PATH: &str = "/rest/caas/relationnumber/partners/v1.0";
const NONCE: &str = "0a1b2c3d";
const SECRET: &str = "s3cretS3cret";
const WSSE: &str = r#"WSSE realm="SDP", profile="UsernameToken", type="Appkey""#;

fn query() -> String {
    format!("{PATH}?relationNum=%2B{}", &X[1..])
}

async fn get(h: &Harness, headers: &[(&str, &str)]) -> Answer {
    get_from(h, "203.0.113.1", headers).await
}

async fn get_from(h: &Harness, peer: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(query());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    h.send_from(peer, request.body("").unwrap()).await
}

fn token(key: &str, digest: &str, nonce: &str, created: &str) -> String {
    format!(
        r#"UsernameToken Username="{key}",PasswordDigest="{digest}",Nonce="{nonce}",Created="{created}""#
    )
}

fn good(nonce: &str, created: &str) -> String {
    token("demo", &aksk_digest(SECRET, nonce, created), nonce, created)
}

#[tokio::test]
async fn each_fault_has_its_code_and_status() {
    let h = Harness::new().await;
    let whole = good(NONCE, T0_CREATED);
    let without = |name: &str| {
        let kept: Vec<&str> = whole["UsernameToken ".len()..]
            .split(',')
            .filter(|p| !p.starts_with(name))
            .collect();
        format!("UsernameToken {}", kept.join(","))
    };
    let (no_user, no_nonce, no_created, no_digest) = (
        without("Username"),
        without("Nonce"),
        without("Created"),
        without("PasswordDigest"),
    );
    let long_nonce = "n".repeat(129);
    let long_nonce = good(&long_nonce, T0_CREATED);
    let unknown = token("nobody", "x", NONCE, T0_CREATED);
    let wrong = token(
        "demo",
        &aksk_digest("other", NONCE, T0_CREATED),
        NONCE,
        T0_CREATED,
    );
    let hex_aksk = {
        let mac = crate::client::hmac(SECRET.as_bytes(), format!("{NONCE}{T0_CREATED}").as_bytes());
        let hex: String = mac.iter().map(|b| format!("{b:02x}")).collect();
        token("demo", &base64(hex.as_bytes()), NONCE, T0_CREATED)
    };
    let empty_digest = token("demo", "", NONCE, T0_CREATED);
    let late = good(NONCE, "2030-01-02T02:49:04Z");
    let rubbish = good(NONCE, "yesterday");
    let a = AUTHORIZATION;
    let cases: &[(&str, Option<&str>, Option<(&str, &str)>, u16, &str)] = &[
        (
            "no Authorization",
            None,
            Some(("x-aksk", &whole)),
            400,
            "1023006",
        ),
        (
            "another scheme",
            Some("Basic abc"),
            Some(("x-aksk", &whole)),
            400,
            "1023006",
        ),
        (
            "no realm",
            Some(r#"AKSK profile="UsernameToken",type="Appkey""#),
            None,
            400,
            "1023007",
        ),
        (
            "no profile",
            Some(r#"AKSK realm="SDP",type="Appkey""#),
            None,
            400,
            "1023008",
        ),
        (
            "bad realm",
            Some(r#"AKSK realm="X",profile="UsernameToken",type="Appkey""#),
            None,
            400,
            "1023009",
        ),
        (
            "bad profile",
            Some(r#"AKSK realm="SDP",profile="X",type="Appkey""#),
            None,
            400,
            "1023010",
        ),
        (
            "bad type",
            Some(r#"AKSK realm="SDP",profile="UsernameToken",type="X""#),
            None,
            400,
            "1023011",
        ),
        (
            "no type",
            Some(r#"AKSK realm="SDP",profile="UsernameToken""#),
            None,
            400,
            "1023012",
        ),
        ("no X-AKSK", Some(a), None, 400, "1023033"),
        (
            "X-WSSE for AKSK",
            Some(a),
            Some(("x-wsse", &whole)),
            400,
            "1023033",
        ),
        (
            "X-AKSK for WSSE",
            Some(WSSE),
            Some(("x-aksk", &whole)),
            400,
            "1023033",
        ),
        (
            "no Username",
            Some(a),
            Some(("x-aksk", &no_user)),
            400,
            "1023034",
        ),
        (
            "no Nonce",
            Some(a),
            Some(("x-aksk", &no_nonce)),
            400,
            "1023035",
        ),
        (
            "no Created",
            Some(a),
            Some(("x-aksk", &no_created)),
            400,
            "1023036",
        ),
        (
            "no PasswordDigest",
            Some(a),
            Some(("x-aksk", &no_digest)),
            400,
            "1023037",
        ),
        (
            "empty PasswordDigest",
            Some(a),
            Some(("x-aksk", &empty_digest)),
            400,
            "1023037",
        ),
        (
            "long nonce",
            Some(a),
            Some(("x-aksk", &long_nonce)),
            403,
            "1010002",
        ),
        (
            "old Created",
            Some(a),
            Some(("x-aksk", &late)),
            400,
            "1010013",
        ),
        (
            "no time",
            Some(a),
            Some(("x-aksk", &rubbish)),
            400,
            "1010013",
        ),
        (
            "unknown key",
            Some(a),
            Some(("x-aksk", &unknown)),
            403,
            "1010003",
        ),
        (
            "wrong digest",
            Some(a),
            Some(("x-aksk", &wrong)),
            400,
            "1023006",
        ),
        (
            "hex digest is WSSE's alone",
            Some(a),
            Some(("x-aksk", &hex_aksk)),
            400,
            "1023006",
        ),
        ("all right", Some(a), Some(("X-AKSK", &whole)), 200, "0"),
    ];
    for (name, authorization, credentials, status, code) in cases {
        let mut headers = Vec::new();
        headers.extend(authorization.map(|v| ("Authorization", v)));
        headers.extend(*credentials);
        let answer = get(&h, &headers).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (*status, *code),
            "{name}: {answer:?}"
        );
        assert_eq!(
            answer.headers["content-type"], "application/json;charset=UTF-8",
            "{name}"
        );
        let text = String::from_utf8(answer.bytes).unwrap();
        assert!(!text.contains(SECRET), "{name}");
    }
    let text = get(&h, &[("authorization", WSSE)]).await.json();
    assert_eq!(text["resultdesc"], "HTTP header not found X-WSSE field.");
    let text = get(&h, &[("authorization", a), ("x-aksk", &no_user)])
        .await
        .json();
    assert_eq!(text["resultdesc"], "UserName not contained in X-AKSK.");
}

#[tokio::test]
async fn wsse_is_taken_raw_and_as_hex() {
    let h = Harness::new().await;
    let raw = wsse_hash(SECRET, "n1", T0_CREATED);
    let x = token("demo", &base64(&raw), "n1", T0_CREATED);
    assert_eq!(
        get(&h, &[("authorization", WSSE), ("x-wsse", &x)])
            .await
            .code(),
        "0"
    );
    let hex: String = wsse_hash(SECRET, "n2", T0_CREATED)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let x = token("demo", &base64(hex.as_bytes()), "n2", T0_CREATED);
    assert_eq!(
        get(&h, &[("authorization", WSSE), ("x-wsse", &x)])
            .await
            .code(),
        "0"
    );
}

#[tokio::test]
async fn created_is_read_as_utc_or_as_beijing_time_within_a_quarter_of_an_hour() {
    let h = Harness::new().await;
    for (nonce, created, code) in [
        ("a", "2030-01-02T02:49:05Z", "0"),
        ("b", "2030-01-02T02:49:04Z", "1010013"),
        ("c", "2030-01-02T03:19:05Z", "0"),
        ("d", "2030-01-02T03:19:06Z", "1010013"),
        ("e", "2030-01-02T11:04:05Z", "0"),
        ("f", "2030-01-02T11:19:05Z", "0"),
        ("g", "2030-01-02T11:19:06Z", "1010013"),
        ("h", "2030-01-02T10:49:04Z", "1010013"),
    ] {
        let x = good(nonce, created);
        assert_eq!(
            get(&h, &[("authorization", AUTHORIZATION), ("x-aksk", &x)])
                .await
                .code(),
            code,
            "{created}"
        );
    }
}

#[tokio::test]
async fn a_nonce_counts_once_even_eight_hours_later() {
    let h = Harness::new().await;
    let beijing = good("once", "2030-01-02T11:04:05Z");
    let headers = [
        ("authorization", AUTHORIZATION),
        ("x-aksk", beijing.as_str()),
    ];
    assert_eq!(get(&h, &headers).await.code(), "0");
    let again = get(&h, &headers).await;
    assert_eq!(
        (again.status.as_u16(), again.code().as_str()),
        (403, "1010002")
    );
    assert_eq!(
        again.json()["resultdesc"],
        "Invalid request.The nonce has been used."
    );
    // Now the same request would be in time, read as UTC.
    h.clock.advance(Duration::from_secs(8 * 3600));
    assert_eq!(get(&h, &headers).await.code(), "1010002");
}

#[tokio::test]
async fn ten_failures_ban_the_address_on_every_application_until_lifted_or_over() {
    let h = Harness::new().await;
    let peer = "198.51.100.7";
    let wrong = token("demo", "x", "n", T0_CREATED);
    for _ in 0..10 {
        let answer = get_from(
            &h,
            peer,
            &[("authorization", AUTHORIZATION), ("x-aksk", &wrong)],
        )
        .await;
        assert_eq!(answer.code(), "1023006");
    }
    let fine = good("fine", T0_CREATED);
    let headers = [("authorization", AUTHORIZATION), ("x-aksk", fine.as_str())];
    let banned = get_from(&h, peer, &headers).await;
    assert_eq!(
        (banned.status.as_u16(), banned.code().as_str()),
        (403, "1020176")
    );
    assert_eq!(
        banned.json()["resultdesc"],
        "Authentication failed, try again later"
    );
    assert!(banned.headers.contains_key("retry-after"));
    assert_eq!(
        get(&h, &headers).await.code(),
        "0",
        "other addresses are not touched"
    );
    let list = h.operator(Method::GET, "/bans", &Value::Null).await.json();
    assert_eq!(list["items"][0]["address"], peer);
    assert_eq!(
        h.operator(Method::DELETE, "/bans/198.51.100.7", &Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(
        h.operator(Method::DELETE, "/bans/198.51.100.7", &Value::Null)
            .await
            .status,
        404
    );
    let fine = good("fine2", T0_CREATED);
    assert_eq!(
        get_from(
            &h,
            peer,
            &[("authorization", AUTHORIZATION), ("x-aksk", &fine)]
        )
        .await
        .code(),
        "0"
    );
}

#[tokio::test]
async fn the_address_list_and_the_state_of_an_application_count() {
    let h = Harness::with(std::sync::Arc::new(axbridge_api::NoCalls), |c| {
        c.proxies = vec!["10.0.0.0/8".parse().unwrap()];
    })
    .await;
    let patch = json!({"settings": {"ip_allow_list": ["203.0.113.0/24"]}});
    assert_eq!(
        h.operator(Method::PATCH, "/applications/demo", &patch)
            .await
            .status,
        200
    );
    let x = good("n1", T0_CREATED);
    let headers = [("authorization", AUTHORIZATION), ("x-aksk", x.as_str())];
    assert_eq!(
        get_from(&h, "198.51.100.7", &headers).await.code(),
        "1020166"
    );
    let forged = [headers[0], headers[1], ("x-forwarded-for", "203.0.113.9")];
    assert_eq!(
        get_from(&h, "198.51.100.7", &forged).await.code(),
        "1020166"
    );
    assert_eq!(get_from(&h, "10.0.0.1", &forged).await.code(), "0");
    for (state, code) in [
        ("suspended", "1010008"),
        ("frozen", "1010029"),
        ("active", "0"),
    ] {
        assert_eq!(
            h.operator(
                Method::PATCH,
                "/applications/demo",
                &json!({"status": state})
            )
            .await
            .status,
            200
        );
        let x = good(state, T0_CREATED);
        assert_eq!(
            get(&h, &[("authorization", AUTHORIZATION), ("x-aksk", &x)])
                .await
                .code(),
            code
        );
    }
}

#[tokio::test]
async fn the_rate_of_an_application_is_limited() {
    let h = Harness::new().await;
    let patch = json!({"settings": {"rate_per_s": 1, "rate_burst": 2}});
    assert_eq!(
        h.operator(Method::PATCH, "/applications/demo", &patch)
            .await
            .status,
        200
    );
    for (nonce, code) in [("a", "0"), ("b", "0"), ("c", "1010010")] {
        let x = good(nonce, T0_CREATED);
        let answer = get(&h, &[("authorization", AUTHORIZATION), ("x-aksk", &x)]).await;
        assert_eq!(answer.code(), code);
        assert_eq!(
            answer.headers.contains_key("retry-after"),
            code == "1010010"
        );
    }
    h.clock.advance(Duration::from_secs(1));
    let x = good("d", T0_CREATED);
    assert_eq!(
        get(&h, &[("authorization", AUTHORIZATION), ("x-aksk", &x)])
            .await
            .code(),
        "0"
    );
}

#[tokio::test]
async fn the_operator_needs_the_token_and_guessing_it_bans() {
    let h = Harness::new().await;
    let ask = |authorization: &'static str| {
        Request::get("/admin/v1/applications")
            .header("authorization", authorization)
            .body("")
            .unwrap()
    };
    let peer = "198.51.100.8";
    for wrong in [
        "",
        "Bearer",
        "Bearer x",
        "Basic operator-token-of-the-test",
        "Bearer operator-token-of-the-tes",
    ] {
        let answer = h.send_from(peer, ask(wrong)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["error"].as_str()),
            (401, Some("unauthorised")),
            "{wrong}"
        );
    }
    for _ in 0..5 {
        h.send_from(peer, ask("Bearer y")).await;
    }
    let right =
        Request::get("/admin/v1/applications").header("authorization", format!("Bearer {TOKEN}"));
    assert_eq!(
        h.send_from(peer, right.body("").unwrap()).await.json()["error"],
        "banned"
    );
    let open = Request::get("/admin/v1/health").body("").unwrap();
    assert_eq!(h.send_from(peer, open).await.status, 200);
}

#[tokio::test]
async fn without_a_configured_token_the_operator_api_is_closed() {
    let h = Harness::new().await;
    // Only the guard is looked at: the application of the harness was made through an open one.
    let closed = Harness::closed(&h).await;
    let request = Request::get("/admin/v1/applications")
        .header("authorization", "Bearer ")
        .body("")
        .unwrap();
    assert_eq!(closed.send(request).await.json()["error"], "closed");
}
