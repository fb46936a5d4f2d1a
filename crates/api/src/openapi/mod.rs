//! The OpenAPI 3.1 documents of the two surfaces, served by the server itself.
//!
//! They are written by hand, because the leniency of the customer API (a number or its digits, `true` or `"true"`) and
//! its codes do not follow from types. Tests hold them against the router in both directions and against every answer
//! of the test suite; what a schema does not name may not be in an answer.

mod customer;
mod kinds;
mod operator;
mod ours;
mod settings;

use std::sync::LazyLock;

use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::answer::json_text;

/// `GET /v1/openapi.json`.
pub(crate) async fn customer() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(|| customer::document().to_string());
    json_text(StatusCode::OK, TEXT.clone())
}

/// `GET /admin/v1/openapi.json`.
pub(crate) async fn operator() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(|| operator::document().to_string());
    json_text(StatusCode::OK, TEXT.clone())
}

/// What is true of a whole document.
struct Surface {
    title: &'static str,
    description: &'static str,
    security_schemes: Value,
    security: Value,
    schemas: Value,
}

fn document(surface: Surface, operations: Vec<Operation>) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations {
        let path = paths
            .entry(operation.path)
            .or_insert_with(|| Value::Object(Map::new()));
        path[operation.method] = operation.body;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": surface.title,
            "version": env!("CARGO_PKG_VERSION"),
            "description": surface.description,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": surface.security,
        "paths": paths,
        "components": {"securitySchemes": surface.security_schemes, "schemas": surface.schemas},
    })
}

/// One method of one path.
struct Operation {
    path: &'static str,
    method: &'static str,
    body: Value,
}

impl Operation {
    fn new(method: &'static str, path: &'static str, id: &str, summary: &str) -> Self {
        let parameters: Vec<Value> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| {
                json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}})
            })
            .collect();
        let body = json!({
            "operationId": id, "summary": summary, "parameters": parameters, "responses": {},
        });
        Self { path, method, body }
    }

    fn about(mut self, text: &str) -> Self {
        self.body["description"] = json!(text);
        self
    }

    fn tag(mut self, tag: &str) -> Self {
        self.body["tags"] = json!([tag]);
        self
    }

    fn open(mut self) -> Self {
        self.body["security"] = json!([]);
        self
    }

    /// A parameter of the query string.
    fn query(mut self, name: &str, required: bool, schema: Value) -> Self {
        let parameter =
            json!({"name": name, "in": "query", "required": required, "schema": schema});
        if let Some(list) = self.body["parameters"].as_array_mut() {
            list.push(parameter);
        }
        self
    }

    fn takes_json(mut self, schema: Value) -> Self {
        self.body["requestBody"] = json!({
            "required": true, "content": {"application/json": {"schema": schema}},
        });
        self
    }

    fn takes(mut self, media_type: &str, schema: Value) -> Self {
        self.body["requestBody"]["required"] = json!(true);
        self.body["requestBody"]["content"][media_type] = json!({"schema": schema});
        self
    }

    fn gives_json(self, status: &str, text: &str, schema: Value) -> Self {
        self.gives(status, text, "application/json", schema)
    }

    fn gives(mut self, status: &str, text: &str, media_type: &str, schema: Value) -> Self {
        self.body["responses"][status] = json!({
            "description": text, "content": {media_type: {"schema": schema}},
        });
        self
    }

    fn gives_nothing(mut self, status: &str, text: &str) -> Self {
        self.body["responses"][status] = json!({"description": text});
        self
    }
}

/// A schema by name.
fn the(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// An object as it is taken: what is not named is ignored.
fn taken(required: &[&str], properties: Value) -> Value {
    json!({"type": "object", "required": required, "properties": properties})
}

/// An object as it is given: nothing else is in it.
fn given(required: &[&str], properties: Value) -> Value {
    json!({
        "type": "object", "required": required, "properties": properties, "additionalProperties": false,
    })
}

fn list_of(schema: Value) -> Value {
    json!({"type": "array", "items": schema})
}

/// A string as it is given.
fn text() -> Value {
    json!({"type": "string"})
}

/// A string as it is taken: up to so many characters.
fn text_to(max: u32) -> Value {
    json!({"type": ["string", "null"], "maxLength": max})
}

/// An integer as it is given.
fn whole() -> Value {
    json!({"type": "integer", "minimum": 0})
}

/// An integer as it is taken: in its range, as a number or as its digits.
fn whole_within(min: u64, max: u64) -> Value {
    json!({"anyOf": [
        {"type": "integer", "minimum": min, "maximum": max},
        {"type": "string", "pattern": "^[0-9]*$"},
        {"type": "null"},
    ]})
}
