//! Applications of the other modes, and what their tests share.

use http::Method;
use serde_json::{Value, json};

use crate::client::Client;
use crate::harness::{A, Answer, B, Harness, T0_CREATED, X};

/// Numbers of the application under test: the first two in 0755, the third in 010.
pub const X1: &str = "+8617000000101";
pub const X2: &str = "+8617000000102";
pub const X3: &str = "+8617000000103";
pub const C: &str = "+8613900000003";
/// An id that nothing has.
pub const NO_ID: &str = "01900000-0000-7000-8000-000000000000";

/// An application of one mode with three numbers.
pub struct Kind {
    pub h: Harness,
    pub client: Client,
}

impl Kind {
    pub async fn new(mode: &str, settings: Value) -> Self {
        let mut h = Harness::new().await;
        let app =
            json!({"key": mode, "secret": "s3cretS3cret", "mode": mode, "settings": settings});
        let made = h.operator(Method::POST, "/applications", &app).await;
        assert_eq!(made.status, 201, "{made:?}");
        let numbers = json!({"app": mode, "numbers": [
            {"number": X1, "area": "0755", "trunk": 1}, {"number": X2, "area": "0755", "trunk": 1},
            {"number": X3, "area": "010", "trunk": 1}]});
        let added = h.operator(Method::POST, "/numbers", &numbers).await;
        assert_eq!(added.status, 201, "{added:?}");
        let client = Client {
            key: mode.into(),
            secret: "s3cretS3cret".into(),
            created: T0_CREATED.into(),
        };
        h.client = client.clone();
        Self { h, client }
    }

    pub async fn call(&self, method: Method, uri: &str, body: Value) -> Answer {
        self.h.call(method, uri, &body).await
    }

    /// Uploads a prompt of half a second.
    pub async fn prompt(&self, name: &str) {
        self.h.prompt_of(&self.client.key, name).await;
    }

    /// The number takes no new bindings any more.
    pub async fn freeze(&self, number: &str) {
        let path = format!("/numbers/{number}");
        let frozen = self
            .h
            .operator(Method::PATCH, &path, &json!({"status": "frozen"}))
            .await;
        assert_eq!(frozen.status, 200);
    }
}

pub fn ok(answer: &Answer) -> Value {
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (200, "0"),
        "{answer:?}"
    );
    answer.json()
}

/// HTTP 403, this code, its documented text where one is given, and no whole number in it.
pub fn refused(answer: &Answer, code: &str, desc: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (403, code),
        "{answer:?}"
    );
    if !desc.is_empty() {
        assert_eq!(answer.json()["resultdesc"], desc);
    }
    let text = String::from_utf8_lossy(&answer.bytes);
    for number in [A, B, C, X, X1, X2, X3] {
        assert!(!text.contains(&number[1..]), "a whole number in {text}");
    }
}

/// `base` with these fields in place of its own; null takes one away.
pub fn with(base: &Value, more: Value) -> Value {
    let mut body = base.clone();
    let map = body.as_object_mut().unwrap();
    for (name, value) in more.as_object().unwrap() {
        if value.is_null() {
            map.remove(name);
        } else {
            map.insert(name.clone(), value.clone());
        }
    }
    body
}

/// A number in a query string.
pub fn q(number: &str) -> String {
    number.replace('+', "%2B")
}
