//! X mode: the question, its answer in every form, and what comes of none.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axbridge_api::TargetPolicy;
use axbridge_api::notify::{Answer, AskRules, Asker, CallIn, Connect, Sender};
use axbridge_binding::AppId;
use axbridge_numbering::Number;
use http::Method;
use serde_json::{Value, json};

use crate::client::aksk_digest;
use crate::harness::{A, B, Harness, T0_CREATED, T0_MS, X};
use crate::sink::Sink;

fn number(text: &str) -> Number {
    Number::parse_global(text).unwrap()
}

fn call() -> CallIn {
    CallIn {
        session_id: "1_7_20300102030405@node1".into(),
        caller: number(A),
        called: number(X),
        at_ms: T0_MS,
    }
}

struct Bed {
    h: Harness,
    sink: Sink,
    asker: Asker,
    app: AppId,
}

async fn bed(delay: Duration, rules: AskRules) -> Bed {
    let h = Harness::new().await;
    let sink = Sink::start(200, delay).await;
    let settings = json!({"settings": {"call_status_url": sink.url("/status")}});
    let changed = h
        .operator(Method::PATCH, "/applications/demo", &settings)
        .await;
    assert_eq!(changed.status, 200);
    for name in ["wait.wav", "hint.wav", "last.wav", "hello.wav", "bye.wav"] {
        h.prompt(name).await;
    }
    let policy = TargetPolicy {
        allow_private: true,
        allowed: Vec::new(),
    };
    let sender = Sender::new(policy, Duration::from_secs(60)).unwrap();
    let asker = Asker::new(Arc::clone(h.api.applications()), sender, rules);
    let app = AppId(h.api.applications().by_key("demo").unwrap().id);
    Bed {
        h,
        sink,
        asker,
        app,
    }
}

impl Bed {
    async fn ask(&self, answer: &[u8]) -> Answer {
        *self.sink.answer.lock().unwrap() = answer.to_vec();
        self.asker.ask(self.app, &call(), T0_MS).await
    }
}

fn plain() -> Connect {
    Connect {
        callee: number(B),
        show_caller: false,
        max_duration_min: 0,
        wait_voice: None,
        record: false,
        record_hint_tone: None,
        last_min_voice: None,
        callee_hint_voice: None,
        user_data: None,
    }
}

#[tokio::test]
async fn the_question_is_a_signed_callin_in_block_mode() {
    let mut bed = bed(Duration::ZERO, AskRules::default()).await;
    bed.ask(b"{}").await;
    let post = bed.sink.next().await;
    assert_eq!(post.path, "/status");
    assert_eq!(
        post.body,
        json!({"eventType": "callin", "statusInfo": {"timestamp": "2030-01-02 03:04:05", "sessionId": "1_7_20300102030405@node1",
            "caller": A, "called": X, "notifyMode": "Block"}})
    );
    let credentials = post.headers["x-aksk"].to_str().unwrap();
    let nonce = credentials
        .split("Nonce=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let digest = aksk_digest("s3cretS3cret", nonce, T0_CREATED);
    assert!(credentials.contains(&digest), "{credentials}");
}

#[tokio::test]
async fn connect_is_read_with_all_its_fields_as_object_or_array_of_one() {
    let bed = bed(Duration::ZERO, AskRules::default()).await;
    let info = json!({"displayCalleeNum": X, "calleeNum": B, "maxDuration": 60, "waitVoice": "wait.wav", "recordFlag": "true",
        "recordHintTone": "hint.wav", "lastMinVoice": "last.wav", "calleeHintVoice": "hello.wav", "userData": "order42"});
    let full = Answer::Connect(Box::new(Connect {
        max_duration_min: 60,
        wait_voice: Some("wait.wav".into()),
        record: true,
        record_hint_tone: Some("hint.wav".into()),
        last_min_voice: Some("last.wav".into()),
        callee_hint_voice: Some("hello.wav".into()),
        user_data: Some("order42".into()),
        ..plain()
    }));
    for body in [
        json!({"operation": "connect", "connectInfo": info}),
        json!({"operation": "connect", "connectInfo": [info]}),
        json!([{"operation": "Connect ", "connectInfo": [info]}]),
        json!({"connectInfo": info, "closeInfo": []}),
        json!({"operation": "connect", "connectInfo": info, "closeInfo": null, "more": {"x": [1]}}),
    ] {
        assert_eq!(bed.ask(body.to_string().as_bytes()).await, full, "{body}");
    }
    let mut with_mark = vec![0xef, 0xbb, 0xbf];
    with_mark.extend(
        json!({"operation": "connect", "connectInfo": info})
            .to_string()
            .bytes(),
    );
    assert_eq!(bed.ask(&with_mark).await, full);
}

#[tokio::test]
async fn connect_needs_only_the_callee_and_ignores_what_has_no_effect() {
    let bed = bed(Duration::ZERO, AskRules::default()).await;
    let cases: &[(Value, Connect)] = &[
        (json!({"calleeNum": B}), plain()),
        (
            json!({"calleeNum": B, "displayCalleeNum": "", "userData": "", "maxDuration": "0", "waitVoice": null}),
            plain(),
        ),
        (
            json!({"calleeNum": B, "displayCalleeNum": A}),
            Connect {
                show_caller: true,
                ..plain()
            },
        ),
        (
            json!({"calleeNum": B, "recordFlag": true, "maxDuration": 1440.0}),
            Connect {
                record: true,
                max_duration_min: 1440,
                ..plain()
            },
        ),
        // Not played, so not looked for.
        (
            json!({"calleeNum": B, "recordHintTone": "none.wav", "lastMinVoice": "none.wav"}),
            plain(),
        ),
    ];
    for (info, wanted) in cases {
        let body = json!({"operation": "connect", "connectInfo": info}).to_string();
        assert_eq!(
            bed.ask(body.as_bytes()).await,
            Answer::Connect(Box::new(wanted.clone())),
            "{info}"
        );
    }
    let off = json!({"settings": {"recording": false}});
    bed.h
        .operator(Method::PATCH, "/applications/demo", &off)
        .await;
    let body = json!({"connectInfo": {"calleeNum": B, "recordFlag": "true"}}).to_string();
    assert_eq!(
        bed.ask(body.as_bytes()).await,
        Answer::Connect(Box::new(plain()))
    );
}

#[tokio::test]
async fn close_is_read_with_and_without_its_fields() {
    let bed = bed(Duration::ZERO, AskRules::default()).await;
    for (body, tone, data) in [
        (json!({"operation": "close"}), None, None),
        (json!({"operation": "close", "closeInfo": []}), None, None),
        (
            json!({"operation": "close", "closeInfo": [{"closeHintTone": "bye.wav", "userData": "u"}]}),
            Some("bye.wav"),
            Some("u"),
        ),
        (
            json!({"closeInfo": {"closeHintTone": "bye.wav"}}),
            Some("bye.wav"),
            None,
        ),
    ] {
        let Answer::Close(close) = bed.ask(body.to_string().as_bytes()).await else {
            panic!("{body}");
        };
        assert_eq!(
            (close.hint_tone.as_deref(), close.user_data.as_deref()),
            (tone, data),
            "{body}"
        );
    }
}

#[tokio::test]
async fn what_is_not_allowed_is_malformed_and_a_file_that_is_not_there_is_told_apart() {
    let bed = bed(Duration::ZERO, AskRules::default()).await;
    for body in [
        json!({}),
        json!([]),
        json!("connect"),
        json!([{"operation": "close"}, {"operation": "close"}]),
        json!({"operation": "transfer"}),
        json!({"operation": ["connect"]}),
        json!({"operation": "connect"}),
        json!({"operation": "connect", "connectInfo": "x"}),
        json!({"operation": "connect", "connectInfo": [{"calleeNum": B}, {"calleeNum": B}]}),
        json!({"operation": "connect", "connectInfo": {}}),
        json!({"operation": "connect", "connectInfo": {"calleeNum": "13900000002"}}),
        json!({"operation": "connect", "connectInfo": {"calleeNum": X}}),
        json!({"operation": "connect", "connectInfo": {"calleeNum": B, "maxDuration": 7200}}),
        json!({"operation": "connect", "connectInfo": {"calleeNum": B, "recordFlag": "perhaps"}}),
        json!({"operation": "connect", "connectInfo": {"calleeNum": B, "displayCalleeNum": "+8617000000010"}}),
        json!({"operation": "connect", "connectInfo": {"calleeNum": B, "userData": "{u}"}}),
        json!({"operation": "connect", "connectInfo": {"calleeNum": B, "userData": "u".repeat(257)}}),
        json!({"operation": "connect", "connectInfo": {"calleeNum": B, "waitVoice": "w".repeat(129)}}),
        json!({"operation": "close", "closeInfo": {"userData": "}"}}),
    ] {
        let answer = bed.ask(body.to_string().as_bytes()).await;
        let Answer::Malformed(why) = &answer else {
            panic!("{body}: {answer:?}");
        };
        assert!(!why.is_empty() && !why.contains("139"), "{why}");
    }
    for (body, name) in [
        (
            json!({"connectInfo": {"calleeNum": B, "waitVoice": "none.wav"}}),
            "waitVoice",
        ),
        (
            json!({"connectInfo": {"calleeNum": B, "calleeHintVoice": "none.wav"}}),
            "calleeHintVoice",
        ),
        (
            json!({"connectInfo": {"calleeNum": B, "recordFlag": 1, "recordHintTone": "none.wav"}}),
            "recordHintTone",
        ),
        (
            json!({"connectInfo": {"calleeNum": B, "maxDuration": 2, "lastMinVoice": "none.wav"}}),
            "lastMinVoice",
        ),
        (
            json!({"closeInfo": {"closeHintTone": "none.wav"}}),
            "closeHintTone",
        ),
    ] {
        let answer = bed.ask(body.to_string().as_bytes()).await;
        assert!(
            matches!(&answer, Answer::NoFile(why) if why.starts_with(name)),
            "{body}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn no_answer_is_abnormal_whatever_the_cause() {
    let bed = bed(Duration::ZERO, AskRules::default()).await;
    for body in [&b""[..], b"OK", b"{\"operation\":", b"\xff\xfe"] {
        assert!(
            matches!(bed.ask(body).await, Answer::Abnormal(_)),
            "{body:?}"
        );
    }
    let long = format!(
        "{{\"operation\":\"close\",\"x\":\"{}\"}}",
        "x".repeat(17 * 1024)
    );
    assert!(matches!(
        bed.ask(long.as_bytes()).await,
        Answer::Abnormal(_)
    ));
    for status in [204, 302, 404, 500] {
        bed.sink.status.store(status, Ordering::SeqCst);
        let answer = bed.ask(b"{\"operation\":\"close\"}").await;
        assert!(
            matches!(answer, Answer::Abnormal(_)),
            "{status}: {answer:?}"
        );
    }
    bed.sink.status.store(200, Ordering::SeqCst);
    for url in [json!("http://127.0.0.1:1/"), Value::Null] {
        let settings = json!({"settings": {"call_status_url": url}});
        bed.h
            .operator(Method::PATCH, "/applications/demo", &settings)
            .await;
        let answer = bed.ask(b"{\"operation\":\"close\"}").await;
        assert!(matches!(answer, Answer::Abnormal(_)), "{url}: {answer:?}");
    }
    // A separate address for the question alone goes before.
    let settings = json!({"settings": {"callin_url": bed.sink.url("/callin"), "call_status_url": "http://127.0.0.1:1/"}});
    bed.h
        .operator(Method::PATCH, "/applications/demo", &settings)
        .await;
    let answer = bed.ask(b"{\"operation\":\"close\"}").await;
    assert!(matches!(answer, Answer::Close(_)), "{answer:?}");
    let nobody = bed.asker.ask(AppId(99), &call(), T0_MS).await;
    assert!(matches!(nobody, Answer::Abnormal(_)));
}

#[tokio::test]
async fn a_slow_customer_is_not_waited_for_and_cannot_hold_more_than_its_share() {
    let rules = AskRules {
        timeout: Duration::from_millis(300),
        per_app: 2,
    };
    let bed = bed(Duration::from_secs(5), rules).await;
    let began = Instant::now();
    let call = call();
    let ask = || bed.asker.ask(bed.app, &call, T0_MS);
    let (first, second, third) = tokio::join!(ask(), ask(), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let asked = Instant::now();
        let answer = ask().await;
        assert!(asked.elapsed() < Duration::from_millis(100), "{answer:?}");
        answer
    });
    assert!(began.elapsed() < Duration::from_secs(3));
    for answer in [&first, &second, &third] {
        assert!(matches!(answer, Answer::Abnormal(_)), "{answer:?}");
    }
    // Their places are free again.
    let again = ask().await;
    assert!(
        matches!(&again, Answer::Abnormal(why) if why.contains("no answer")),
        "{again:?}"
    );
}
