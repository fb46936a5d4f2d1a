//! Recordings: the 301, the signed URL, the download, and what is never served.

use std::time::Duration;

use axbridge_binding::AppId;
use axbridge_media::g711::linear_to_alaw;
use axbridge_store::Recording;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::harness::{Answer, Harness, T0_MS, wav, write};

const OBJECT: &str = "20300102030405-0123456789.wav";
const DAY_MS: u64 = 86_400_000;

fn ask(file: &str, domain: &str) -> String {
    format!("/rest/provision/voice/record/v1.0?fileName={file}&recordDomain={domain}")
}

fn samples() -> Vec<i16> {
    (0..40_000)
        .map(|i| ((i * 37) % 65_536 - 32_768) as i16)
        .collect()
}

async fn with_recording() -> Harness {
    let h = Harness::new().await;
    write(&h.recordings().join("demo").join(OBJECT), &wav(&samples()));
    add(&h, OBJECT, &format!("demo/{OBJECT}")).await;
    h
}

async fn add(h: &Harness, object: &str, path: &str) {
    let app = h.api.applications().by_key("demo").unwrap().id;
    h.store
        .add_recording(Recording {
            object: object.into(),
            app: AppId(app),
            session: "s".into(),
            path: path.into(),
            bytes: 1,
            duration_ms: 5000,
            created_ms: T0_MS,
            expires_ms: T0_MS + 7 * DAY_MS,
        })
        .await
        .unwrap();
}

async fn url(h: &Harness) -> String {
    let answer = h
        .call(Method::GET, &ask(OBJECT, "rec.example"), &Value::Null)
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (301, "0"),
        "{answer:?}"
    );
    let location = answer.headers["location"].to_str().unwrap();
    location
        .strip_prefix("http://rtc.example")
        .unwrap()
        .to_owned()
}

async fn fetch(h: &Harness, url: &str) -> Answer {
    h.send(Request::get(url).body("").unwrap()).await
}

#[tokio::test]
async fn the_location_leads_to_the_very_file() {
    let h = with_recording().await;
    let answer = fetch(&h, &url(&h).await).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "audio/wav");
    assert!(
        answer.bytes == wav(&samples()),
        "the file arrives byte for byte"
    );
}

#[tokio::test]
async fn a_law_is_made_on_the_way_when_asked_for_or_set() {
    let h = with_recording().await;
    let expected: Vec<u8> = samples().into_iter().map(linear_to_alaw).collect();
    let check = |answer: Answer| {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.bytes.len(), 58 + expected.len());
        assert_eq!(answer.bytes[20..24], [6, 0, 1, 0], "A-law, one channel");
        assert_eq!(&answer.bytes[38..42], b"fact");
        assert!(answer.bytes[58..] == expected);
    };
    check(fetch(&h, &format!("{}&format=alaw", url(&h).await)).await);
    let set = json!({"settings": {"recording_format": "alaw"}});
    assert_eq!(
        h.operator(Method::PATCH, "/applications/demo", &set)
            .await
            .status,
        200
    );
    check(fetch(&h, &url(&h).await).await);
    let odd = fetch(
        &h,
        &format!("{}&format=mp3", url(&h).await.replace("&format=alaw", "")),
    )
    .await;
    assert_eq!(odd.code(), "1010002");
}

#[tokio::test]
async fn what_is_unknown_foreign_or_over_does_not_exist() {
    let h = with_recording().await;
    let refused = |answer: Answer, code: &str| {
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (403, code),
            "{answer:?}"
        );
    };
    for (file, domain) in [
        ("none.wav", "rec.example"),
        (OBJECT, "other.example"),
        ("..%2F..%2Fetc%2Fpasswd", "rec.example"),
    ] {
        refused(
            h.call(Method::GET, &ask(file, domain), &Value::Null).await,
            "1012007",
        );
    }
    refused(
        h.call(Method::GET, &ask("", "rec.example"), &Value::Null)
            .await,
        "1010002",
    );
    let other = json!({"key": "other", "secret": "s3cretS3cret", "settings": {"recording": true}});
    assert_eq!(
        h.operator(Method::POST, "/applications", &other)
            .await
            .status,
        201
    );
    let mut client = h.client.clone();
    client.key = "other".into();
    refused(
        h.send(client.request(Method::GET, &ask(OBJECT, "rec.example"), ""))
            .await,
        "1012007",
    );
    // An index entry whose file is gone, or lies outside, leads nowhere.
    write(&h.folder.0.join("secret.wav"), &wav(&[0; 100]));
    for (object, path) in [
        ("gone.wav", "demo/gone.wav"),
        ("out.wav", "../secret.wav"),
        ("abs.wav", "/etc/hostname"),
    ] {
        add(&h, object, path).await;
        refused(
            h.call(Method::GET, &ask(object, "rec.example"), &Value::Null)
                .await,
            "1012007",
        );
    }
    let off = json!({"settings": {"recording": false}});
    assert_eq!(
        h.operator(Method::PATCH, "/applications/demo", &off)
            .await
            .status,
        200
    );
    refused(
        h.call(Method::GET, &ask(OBJECT, "rec.example"), &Value::Null)
            .await,
        "1012012",
    );
}

#[tokio::test]
async fn a_url_lapses_after_three_days_and_no_part_of_it_can_be_changed() {
    let h = with_recording().await;
    let good = url(&h).await;
    write(&h.recordings().join("demo/other.wav"), &wav(&[0; 100]));
    add(&h, "other.wav", "demo/other.wav").await;
    let expires = T0_MS / 1000 + 3 * 86_400;
    for bad in [
        good.replace(OBJECT, "other.wav"),
        good.replace("/demo/", "/demo2/"),
        good.replace(&expires.to_string(), &(expires + 1).to_string()),
        good.replace("signature=", "signature=A"),
        good.split('?').next().unwrap().to_owned(),
        good.replace("/demo/", "/demo/..%2Fdemo%2F"),
    ] {
        let answer = fetch(&h, &bad).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (403, "1012007"),
            "{bad}"
        );
    }
    h.clock.advance(Duration::from_secs(3 * 86_400 - 1));
    assert_eq!(fetch(&h, &good).await.status, 200);
    h.clock.advance(Duration::from_secs(1));
    assert_eq!(fetch(&h, &good).await.code(), "1012007");
}

#[tokio::test]
async fn the_operator_lists_and_hears_recordings() {
    let h = with_recording().await;
    let list = h
        .operator(Method::GET, "/recordings?app=demo", &Value::Null)
        .await
        .json();
    assert_eq!(
        (&list["total"], &list["items"][0]["object"]),
        (&json!(1), &json!(OBJECT))
    );
    let answer = h
        .operator(
            Method::GET,
            &format!("/recordings/demo/{OBJECT}"),
            &Value::Null,
        )
        .await;
    assert!(answer.status == 200 && answer.bytes == wav(&samples()));
    let log = h.store.audit_log(1, 10).await.unwrap();
    assert_eq!(
        (log.items[0].action.as_str(), log.items[0].subject.as_str()),
        ("recording.listen", OBJECT)
    );
    assert_eq!(
        h.operator(Method::GET, "/recordings/demo/none.wav", &Value::Null)
            .await
            .status,
        404
    );
}
