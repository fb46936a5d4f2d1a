//! Notifications against receivers on loopback: signed, in order, merged, retried; the dead and the slow delay nobody.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axbridge_api::{Deliverer, DelivererConfig, TargetPolicy, UrlSigner};
use axbridge_binding::AppId;
use http::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::client::{aksk_digest, base64, wsse_hash};
use crate::harness::{Harness, T0_CREATED, T0_MS};
use crate::sink::Sink;
use crate::told::{deliverer_config, whole_call};

fn deliverer(h: &Harness, adjust: impl FnOnce(&mut DelivererConfig)) -> JoinHandle<()> {
    let mut config = deliverer_config();
    adjust(&mut config);
    let apps = Arc::clone(h.api.applications());
    let deliverer = Deliverer::new(config, h.store.clone(), apps, UrlSigner::new([9; 32])).unwrap();
    tokio::spawn(deliverer.run(std::future::pending()))
}

/// Makes an application with these receivers; `None` = no URL.
async fn app(h: &Harness, key: &str, settings: Value) -> AppId {
    let body = json!({"key": key, "secret": "s3cretS3cret", "sp_id": "acme", "settings": settings});
    assert_eq!(
        h.operator(Method::POST, "/applications", &body)
            .await
            .status,
        201
    );
    AppId(h.api.applications().by_key(key).unwrap().id)
}

struct Calls {
    journal: axbridge_store::JournalWriter,
}

impl Calls {
    fn new(h: &Harness) -> Self {
        Self {
            journal: h.store.journal_writer(0).unwrap(),
        }
    }

    /// The five events and the record of one call.
    fn whole(&mut self, app: AppId, key: &str, session: &str) {
        let facts = whole_call(app, key, session, T0_MS);
        self.journal.append(&facts).unwrap();
    }
}

fn attribute(header: &str, name: &str) -> String {
    let from = header.find(&format!("{name}=\"")).unwrap() + name.len() + 2;
    header[from..].split('"').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_told_in_order_signed_and_then_its_record() {
    let h = Harness::new().await;
    let mut sink = Sink::start(200, Duration::ZERO).await;
    let id = app(
        &h,
        "k",
        json!({"call_status_url": sink.url("/event"), "cdr_url": sink.url("/cdr")}),
    )
    .await;
    let _task = deliverer(&h, |_| {});
    Calls::new(&h).whole(id, "k", "s1");
    for expected in [
        "callin",
        "callout",
        "alerting",
        "answer",
        "disconnect",
        "fee",
    ] {
        let post = sink.next().await;
        assert_eq!(post.body["eventType"], expected);
        assert_eq!(post.path, if expected == "fee" { "/cdr" } else { "/event" });
        assert_eq!(
            post.headers["content-type"],
            "application/json;charset=UTF-8"
        );
        assert_eq!(
            post.headers["authorization"],
            r#"AKSK realm="SDP",profile="UsernameToken",type="Appkey""#
        );
        let x = post.headers["x-aksk"].to_str().unwrap();
        let (nonce, created) = (attribute(x, "Nonce"), attribute(x, "Created"));
        assert_eq!(
            (attribute(x, "Username").as_str(), created.as_str()),
            ("k", T0_CREATED)
        );
        assert_eq!(
            attribute(x, "PasswordDigest"),
            aksk_digest("s3cretS3cret", &nonce, &created)
        );
        if expected == "fee" {
            let fee = &post.body["feeLst"][0];
            assert_eq!(
                (&fee["spId"], &fee["hostName"]),
                (&json!("acme"), &json!("node1"))
            );
            let url = fee["recordFileDownloadUrl"].as_str().unwrap();
            assert!(
                url.starts_with("http://rtc.example/v1/recordings/k/a.wav?expires="),
                "{url}"
            );
        }
    }
    settled(&h, 0, 0).await;
}

async fn settled(h: &Harness, pending: u64, undelivered: u64) {
    let began = Instant::now();
    loop {
        let stats = h.store.outbox_stats().await.unwrap();
        if (stats.pending, stats.undelivered) == (pending, undelivered) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{stats:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_may_have_wsse_or_no_receiver() {
    let h = Harness::new().await;
    let mut sink = Sink::start(200, Duration::ZERO).await;
    let id = app(
        &h,
        "k",
        json!({"cdr_url": sink.url("/cdr"), "notification_scheme": "wsse"}),
    )
    .await;
    let _task = deliverer(&h, |_| {});
    Calls::new(&h).whole(id, "k", "s1");
    let post = sink.next().await;
    assert_eq!(
        (post.body["eventType"].as_str(), post.path.as_str()),
        (Some("fee"), "/cdr")
    );
    let x = post.headers["x-wsse"].to_str().unwrap();
    let digest = base64(&wsse_hash(
        "s3cretS3cret",
        &attribute(x, "Nonce"),
        &attribute(x, "Created"),
    ));
    assert_eq!(attribute(x, "PasswordDigest"), digest);
    settled(&h, 0, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_200_counts_and_what_failed_comes_again_in_its_place() {
    let h = Harness::new().await;
    let mut sink = Sink::start(500, Duration::ZERO).await;
    let id = app(&h, "k", json!({"call_status_url": sink.url("/event")})).await;
    let _task = deliverer(&h, |_| {});
    Calls::new(&h).whole(id, "k", "s1");
    // After 1, 4, 9, 106, 203 and 300 minutes; a redirect is not followed.
    for (status, minutes) in [(500, 1), (302, 4), (404, 9), (503, 106), (500, 203)] {
        sink.status.store(status, Ordering::SeqCst);
        let post = sink.next().await;
        assert_eq!(
            (post.body["eventType"].as_str(), post.path.as_str()),
            (Some("callin"), "/event"),
            "{status}"
        );
        assert!(
            sink.silent_for(Duration::from_millis(300)).await,
            "nothing overtakes"
        );
        h.clock.advance(Duration::from_secs(minutes * 60 - 1));
        assert!(
            sink.silent_for(Duration::from_millis(200)).await,
            "not before its time"
        );
        h.clock.advance(Duration::from_secs(1));
    }
    sink.status.store(200, Ordering::SeqCst);
    for expected in ["callin", "callout", "alerting", "answer", "disconnect"] {
        assert_eq!(sink.next().await.body["eventType"], expected);
    }
    settled(&h, 0, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_up_can_be_seen_and_replayed() {
    let h = Harness::new().await;
    let mut sink = Sink::start(500, Duration::ZERO).await;
    let id = app(&h, "k", json!({"cdr_url": sink.url("/cdr")})).await;
    let _task = deliverer(&h, |_| {});
    Calls::new(&h).whole(id, "k", "s1");
    for minutes in [1, 4, 9, 106, 203, 300, 0] {
        assert_eq!(sink.next().await.body["eventType"], "fee");
        tokio::time::sleep(Duration::from_millis(200)).await;
        h.clock.advance(Duration::from_secs(minutes * 60));
    }
    settled(&h, 0, 1).await;
    let list = h
        .operator(Method::GET, "/outbox/undelivered?app=k", &Value::Null)
        .await
        .json();
    assert_eq!(
        (&list["items"][0]["event"], &list["items"][0]["session_id"]),
        (&json!("fee"), &json!("s1"))
    );
    sink.status.store(200, Ordering::SeqCst);
    let replay = json!({"ids": [list["items"][0]["id"]]});
    assert_eq!(
        h.operator(Method::POST, "/outbox/replay", &replay)
            .await
            .json()["replayed"],
        1
    );
    assert_eq!(sink.next().await.body["feeLst"][0]["sessionId"], "s1");
    settled(&h, 0, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_wait_are_merged_fifty_at_most() {
    let h = Harness::new().await;
    let mut sink = Sink::start(200, Duration::ZERO).await;
    let id = app(&h, "k", json!({"cdr_url": sink.url("/cdr")})).await;
    let mut calls = Calls::new(&h);
    (0..120).for_each(|n| calls.whole(id, "k", &format!("s{n}")));
    h.store.journal_settled().await;
    let _task = deliverer(&h, |c| c.per_app = 60);
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut largest = 0;
    while seen.len() < 120 {
        let post = sink.next().await;
        let fees = post.body["feeLst"].as_array().unwrap().clone();
        largest = largest.max(fees.len());
        fees.iter().for_each(|f| {
            *seen
                .entry(f["sessionId"].as_str().unwrap().into())
                .or_default() += 1
        });
    }
    assert!((2..=50).contains(&largest), "{largest}");
    assert!(seen.values().all(|n| *n == 1), "each record once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_that_are_dead_or_slow_delay_nobody_else() {
    let h = Harness::new().await;
    // Accepts connections and never answers; and one where nobody listens.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let urls =
        [mute.local_addr().unwrap(), closed.local_addr().unwrap()].map(|a| format!("http://{a}/"));
    drop(closed);
    let slow = Sink::start(200, Duration::from_secs(1)).await;
    let mut fast = Sink::start(200, Duration::ZERO).await;
    let mut calls = Calls::new(&h);
    let mut bad = Vec::new();
    for (n, url) in urls.iter().cloned().chain([slow.url("/")]).enumerate() {
        let key = format!("bad{n}");
        bad.push((
            app(&h, &key, json!({"call_status_url": url, "cdr_url": url})).await,
            key,
        ));
    }
    let good = app(
        &h,
        "good",
        json!({"call_status_url": fast.url("/"), "cdr_url": fast.url("/")}),
    )
    .await;
    for n in 0..50 {
        bad.iter()
            .for_each(|(id, key)| calls.whole(*id, key, &format!("{key}-{n}")));
    }
    h.store.journal_settled().await;
    // Less room in all than the three would take.
    let _task = deliverer(&h, |c| c.total = 8);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Instant::now();
    (0..10).for_each(|n| calls.whole(good, "good", &format!("good-{n}")));
    let mut last: HashMap<String, usize> = HashMap::new();
    let order = ["callin", "callout", "alerting", "answer", "disconnect"];
    let (mut events, mut records) = (0, 0);
    while events < 50 || records < 10 {
        let post = fast.next().await;
        if post.body["eventType"] == "fee" {
            records += post.body["feeLst"].as_array().unwrap().len();
            continue;
        }
        let session = post.body["statusInfo"]["sessionId"]
            .as_str()
            .unwrap()
            .to_owned();
        let at = order
            .iter()
            .position(|e| post.body["eventType"] == *e)
            .unwrap();
        assert_eq!(
            last.insert(session, at).map_or(0, |n| n + 1),
            at,
            "in order"
        );
        events += 1;
    }
    let took = began.elapsed();
    println!(
        "60 facts of 10 calls beside three bad receivers: {} ms",
        took.as_millis()
    );
    assert!(
        took < Duration::from_secs(4),
        "{took:?}: longer than one post to a dead receiver may take"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_not_allowed_is_never_connected_to() {
    let h = Harness::new().await;
    let mut sink = Sink::start(200, Duration::ZERO).await;
    // It was allowed when it was set; the deliverer's own rules are what counts now.
    let by_name = format!("http://localhost:{}/", sink.address.port());
    let id = app(
        &h,
        "k",
        json!({"call_status_url": sink.url("/"), "cdr_url": by_name}),
    )
    .await;
    let _task = deliverer(&h, |c| c.targets = TargetPolicy::default());
    Calls::new(&h).whole(id, "k", "s1");
    assert!(sink.silent_for(Duration::from_secs(1)).await);
    let stats = h.store.outbox_stats().await.unwrap();
    assert_eq!(stats.pending, 6);
}
