//! The OpenAPI documents are true: every route is in them and nothing else, and every answer of this test suite is one
//! that they describe (the harness holds each of them here).

use std::collections::BTreeSet;

use axbridge_api::Api;
use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tower::ServiceExt as _;

use crate::harness::{Answer, Harness, TOKEN};

struct Documents {
    customer: Value,
    operator: Value,
}

async fn documents(router: &Router) -> &'static Documents {
    static DOCUMENTS: OnceCell<Documents> = OnceCell::const_new();
    DOCUMENTS
        .get_or_init(async || Documents {
            customer: fetch(router, "/v1/openapi.json").await,
            operator: fetch(router, "/admin/v1/openapi.json").await,
        })
        .await
}

async fn fetch(router: &Router, path: &str) -> Value {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answer = router.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

/// Panics where an answer is not as documented.
pub async fn hold(router: &Router, method: &str, path: &str, answer: &Answer) {
    let documents = documents(router).await;
    let operator = path.starts_with("/admin/v1/");
    let document = if operator {
        &documents.operator
    } else {
        &documents.customer
    };
    let Some(item) = path_item(document, path) else {
        let allowed: &[u16] = if operator { &[401, 403, 404] } else { &[404] };
        assert!(
            allowed.contains(&answer.status.as_u16()),
            "{method} {path}: {answer:?}"
        );
        return;
    };
    let Some(operation) = item.get(method.to_ascii_lowercase()) else {
        let allowed: &[u16] = if operator { &[401, 403, 405] } else { &[405] };
        // The framework answers HEAD where it answers GET.
        let head = method == "HEAD" && item.get("get").is_some();
        assert!(
            head || allowed.contains(&answer.status.as_u16()),
            "{method} {path}: {answer:?}"
        );
        return;
    };
    let status = answer.status.as_u16().to_string();
    let told = operation["responses"].get(&status);
    let told =
        told.unwrap_or_else(|| panic!("{method} {path}: {status} is not documented: {answer:?}"));
    let Some(content) = told.get("content") else {
        assert!(answer.bytes.is_empty(), "{method} {path}: {answer:?}");
        return;
    };
    let given = answer.headers["content-type"].to_str().unwrap();
    let kind = given.split(';').next().unwrap();
    let schema = &content[kind]["schema"];
    assert!(
        !schema.is_null(),
        "{method} {path}: {kind} is not documented for {status}"
    );
    if kind == "application/json" && method != "HEAD" {
        let value: Value = serde_json::from_slice(&answer.bytes).unwrap();
        if let Err(problem) = check(document, schema, &value, "") {
            panic!("{method} {path} {status}: {problem}: {value}");
        }
    }
}

fn path_item<'a>(document: &'a Value, path: &str) -> Option<&'a Value> {
    let wanted: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let parts: Vec<&str> = template.split('/').collect();
        parts.len() == wanted.len()
            && parts
                .iter()
                .zip(&wanted)
                .all(|(p, w)| p == w || (p.starts_with('{') && !w.is_empty()))
    };
    let paths = document["paths"].as_object().unwrap();
    let exact = paths.get(path);
    exact.or_else(|| paths.iter().find(|(t, _)| fits(t)).map(|(_, item)| item))
}

/// As much of JSON Schema as these documents use; patterns of strings aside.
fn check(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("at {at:?}: {what}"));
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document
            .pointer(&reference[1..])
            .expect("a schema of this name");
        return check(document, target, value, at);
    }
    if schema.get("const").is_some_and(|c| c != value) {
        return wrong("not the constant");
    }
    if schema["enum"]
        .as_array()
        .is_some_and(|e| !e.contains(value))
    {
        return wrong("not one of the words");
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(some) => some.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !kinds.is_empty() && !kinds.iter().any(|k| is_kind(k, value)) {
        return wrong("of another type");
    }
    if schema["minimum"]
        .as_f64()
        .zip(value.as_f64())
        .is_some_and(|(min, v)| v < min)
    {
        return wrong("too small");
    }
    if schema["maximum"]
        .as_f64()
        .zip(value.as_f64())
        .is_some_and(|(max, v)| v > max)
    {
        return wrong("too large");
    }
    if let Some(map) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten() {
            if !map.contains_key(name.as_str().unwrap()) {
                return wrong(&format!("{name} is missing"));
            }
        }
        for (name, inner) in map {
            match schema["properties"].get(name) {
                Some(schema) => check(document, schema, inner, &format!("{at}/{name}"))?,
                None if schema["additionalProperties"] == false => {
                    return wrong(&format!("{name} is not documented"));
                }
                None => {}
            }
        }
    }
    if let (Some(items), Some(list)) = (schema.get("items"), value.as_array()) {
        for (n, inner) in list.iter().enumerate() {
            check(document, items, inner, &format!("{at}/{n}"))?;
        }
    }
    Ok(())
}

fn is_kind(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        other => panic!("the type {other} is not known"),
    }
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let document =
        json!({"components": {"schemas": {"N": {"type": "integer", "minimum": 1, "maximum": 3}}}});
    let schema = json!({"type": "object", "required": ["a"], "additionalProperties": false, "properties": {
        "a": {"type": "array", "items": {"$ref": "#/components/schemas/N"}}, "b": {"enum": ["x"]}, "c": {"const": 1}}});
    let fits = |value: Value| check(&document, &schema, &value, "").is_ok();
    assert!(fits(json!({"a": [1, 2], "b": "x", "c": 1})));
    for bad in [
        json!([]),
        json!({}),
        json!({"a": 1}),
        json!({"a": [0]}),
        json!({"a": [4]}),
        json!({"a": ["1"]}),
        json!({"a": [1.5]}),
        json!({"a": [], "b": "y"}),
        json!({"a": [], "c": 2}),
        json!({"a": [], "d": null}),
    ] {
        assert!(!fits(bad.clone()), "{bad}");
    }
}

fn documented(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        item.as_object()
            .unwrap()
            .keys()
            .map(move |method| (path.clone(), method.to_uppercase()))
    });
    all.collect()
}

#[tokio::test]
async fn every_route_is_documented_and_nothing_else() {
    let h = Harness::new().await;
    let documents = documents(&h.router).await;
    for (document, routes) in [
        (&documents.customer, Api::customer_routes()),
        (&documents.operator, h.api.operator_routes()),
    ] {
        let routed: BTreeSet<(String, String)> = routes
            .iter()
            .flat_map(|r| {
                r.methods
                    .split(", ")
                    .map(|m| (r.path.to_owned(), m.to_owned()))
            })
            .collect();
        assert!(routed.len() > 20);
        assert_eq!(documented(document), routed);
    }
}

#[tokio::test]
async fn the_documents_are_whole() {
    let h = Harness::new().await;
    let documents = documents(&h.router).await;
    for document in [&documents.customer, &documents.operator] {
        assert_eq!(document["openapi"], "3.1.0");
        let text = document.to_string();
        for piece in text.split("\"$ref\":\"#").skip(1) {
            let pointer = piece.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for name in schemas.keys() {
            assert!(
                text.contains(&format!("schemas/{name}\"")),
                "{name} is used nowhere"
            );
        }
        let mut ids = BTreeSet::new();
        for (path, method) in documented(document) {
            let operation = &document["paths"][&path][method.to_lowercase()];
            assert!(
                ids.insert(operation["operationId"].as_str().unwrap().to_owned()),
                "{operation}"
            );
            assert!(
                operation["summary"].as_str().unwrap().ends_with('.'),
                "{path}"
            );
            assert!(
                !operation["responses"].as_object().unwrap().is_empty(),
                "{path}"
            );
        }
    }
}

/// The names in a schema, and those in what the program writes.
fn assert_same_names(schema: &Value, written: &Value) {
    let names = |v: &Value| {
        v.as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(names(&schema["properties"]), names(written));
}

#[tokio::test]
async fn settings_are_documented_to_the_last_name() {
    let h = Harness::new().await;
    let schemas = &documents(&h.router).await.operator["components"]["schemas"];
    let app = h
        .operator(http::Method::GET, "/applications/demo", &Value::Null)
        .await
        .json();
    let settings = &app["settings"];
    assert_same_names(&schemas["AppSettings"], settings);
    assert_same_names(&schemas["RefusalPrompts"], &settings["refusal_prompts"]);
    assert_same_names(&schemas["AxeSettings"], &settings["axe"]);
    assert_same_names(&schemas["AxePrompts"], &settings["axe"]["prompts"]);
    let trunk = h
        .operator(http::Method::GET, "/trunks/1", &Value::Null)
        .await
        .json();
    assert_same_names(&schemas["Trunk"], &trunk);
    assert_same_names(&schemas["NumberRules"], &trunk["numbers"]);
}

#[tokio::test]
async fn documents_are_served_without_credentials() {
    let h = Harness::new().await;
    for path in ["/v1/openapi.json", "/admin/v1/openapi.json"] {
        let answer = h
            .send(Request::get(path).body(String::new()).unwrap())
            .await;
        assert_eq!(answer.status, 200, "{path}");
        let text = String::from_utf8(answer.bytes).unwrap();
        assert!(!text.contains(TOKEN) && !text.contains("s3cret"));
    }
}
