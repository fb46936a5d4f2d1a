//! The operator's surface.

use serde_json::{Value, json};

use super::{Operation, Surface, given, list_of, settings, taken, text, the, whole};

const DESCRIPTION: &str = "Applications, numbers, voice files, trunks, calls, records, recordings, bans, the outbox. \
Send Authorization: Bearer with the operator token of the server's configuration. Errors carry a stable word, what is \
wrong and what to do.";

pub(super) fn document() -> Value {
    let mut operations = open();
    operations.extend(applications());
    operations.extend(prompts());
    operations.extend(numbers());
    operations.extend(limits());
    operations.extend(trunks());
    operations.extend(calls());
    operations.extend(rest());
    let mut schemas = settings::schemas();
    if let (Value::Object(all), Value::Object(own)) = (&mut schemas, schemas_here()) {
        all.extend(own);
    }
    let surface = Surface {
        title: "axbridge: operator API",
        description: DESCRIPTION,
        security_schemes: json!({"token": {"type": "http", "scheme": "bearer"}}),
        security: json!([{"token": []}]),
        schemas,
    };
    super::document(surface, operations)
}

/// An operation with the problems that all share.
fn at(method: &'static str, path: &'static str, id: &str, summary: &str) -> Operation {
    [
        ("400", "Something in the request does not fit."),
        ("401", "The token is missing or wrong."),
        ("403", "Closed or banned."),
        ("404", "There is no such thing."),
        ("405", "This address does not take this method."),
        ("500", "The request was not carried out."),
        ("503", "Too many writes are waiting."),
    ]
    .into_iter()
    .fold(Operation::new(method, path, id, summary), |o, (s, t)| {
        o.gives_json(s, t, the("Problem"))
    })
}

fn conflict(operation: Operation) -> Operation {
    operation.gives_json("409", "It exists already, or is in use.", the("Problem"))
}

fn too_long(operation: Operation) -> Operation {
    operation.gives_json("413", "The body is too long.", the("Problem"))
}

fn page_of(schema: Value) -> Value {
    given(
        &["items", "total"],
        json!({"items": list_of(schema), "total": whole()}),
    )
}

fn paged(operation: Operation) -> Operation {
    operation
        .query(
            "page",
            false,
            json!({"type": "integer", "minimum": 0, "maximum": u32::MAX, "default": 1}),
        )
        .query(
            "page_size",
            false,
            json!({"type": "integer", "minimum": 0, "maximum": u32::MAX, "default": 100}),
        )
}

fn open() -> Vec<Operation> {
    let status = given(&["status"], json!({"status": {"enum": ["ok", "ready"]}}));
    let plain = |path, id, summary| Operation::new("get", path, id, summary).open();
    vec![
        plain("/admin/v1/health", "health", "The process answers.").gives_json(
            "200",
            "It does.",
            status.clone(),
        ),
        plain("/admin/v1/ready", "ready", "The store answers too.")
            .gives_json("200", "It does.", status)
            .gives_json("503", "It does not.", the("Problem")),
        plain("/admin/v1/openapi.json", "openapi", "This document.").gives_json(
            "200",
            "An OpenAPI document.",
            json!({"type": "object"}),
        ),
    ]
}

fn applications() -> Vec<Operation> {
    let (all, one) = ("/admin/v1/applications", "/admin/v1/applications/{key}");
    let credentials = json!({"type": ["string", "null"]});
    vec![
        at("get", all, "applications", "All applications.").gives_json("200", "The list.", page_of(the("Application"))),
        too_long(conflict(at("post", all, "applicationCreate", "Make one; the secret is shown once.")))
            .takes_json(given(
                &[],
                json!({
                    "key": credentials, "secret": credentials, "sp_id": {"type": "string", "maxLength": 32},
                    "mode": the("Mode"), "settings": the("AppSettings"),
                }),
            ))
            .gives_json("201", "It is made.", the("Application")),
        at("get", one, "application", "One.").gives_json("200", "It.", the("Application")),
        too_long(conflict(at("patch", one, "applicationChange", "Change one.")))
            .takes_json(given(
                &[],
                json!({
                    "secret": credentials, "sp_id": {"type": ["string", "null"], "maxLength": 32},
                    "status": {"enum": ["active", "suspended", "frozen", null]},
                    "settings": the("AppSettingsChange"),
                }),
            ))
            .gives_json("200", "It is changed.", the("Application")),
        conflict(at("delete", one, "applicationRemove", "Remove one; it must have no numbers."))
            .gives_nothing("204", "It is gone."),
    ]
}

fn prompts() -> Vec<Operation> {
    let all = "/admin/v1/applications/{key}/prompts";
    let one = "/admin/v1/applications/{key}/prompts/{name}";
    let wav = || json!({"type": "string", "contentMediaType": "audio/wav"});
    let form = || json!({"type": "object", "properties": {"file": {"type": "string", "contentMediaType": "audio/wav"}}});
    vec![
        at("get", all, "prompts", "Voice files of an application.").gives_json(
            "200",
            "The list.",
            page_of(the("Prompt")),
        ),
        too_long(at(
            "post",
            all,
            "promptUploadForm",
            "Upload one; its file name is the prompt's.",
        ))
        .takes("multipart/form-data", form())
        .gives_json("415", "It is not a form.", the("Problem"))
        .gives_json("201", "It is stored.", the("Prompt")),
        at("get", one, "promptAudio", "The audio.").gives(
            "200",
            "The WAV file.",
            "audio/wav",
            wav(),
        ),
        too_long(at("put", one, "promptUpload", "Upload or replace one."))
            .takes("audio/wav", wav())
            .takes("multipart/form-data", form())
            .gives_json("201", "It is stored.", the("Prompt")),
        conflict(at("delete", one, "promptRemove", "Remove one."))
            .gives_nothing("204", "It is gone."),
        too_long(at(
            "post",
            "/admin/v1/applications/{key}/prompts/{name}/review",
            "promptReview",
            "Pass or reject one.",
        ))
        .takes_json(given(
            &["state"],
            json!({"state": the("PromptState"), "reason": {"type": ["string", "null"]}}),
        ))
        .gives_nothing("204", "It is reviewed."),
    ]
}

fn numbers() -> Vec<Operation> {
    let (all, one) = ("/admin/v1/numbers", "/admin/v1/numbers/{number}");
    let words = || json!({"type": ["string", "null"]});
    vec![
        paged(at("get", all, "numbers", "Private numbers."))
            .query("app", false, text())
            .query("area", false, text())
            .gives_json("200", "The list.", page_of(the("PrivateNumber"))),
        too_long(conflict(at("post", all, "numbersImport", "Give numbers to an application, all or none.")))
            .takes_json(given(
                &["app", "numbers"],
                json!({
                    "app": text(),
                    "numbers": {"type": "array", "maxItems": 10_000, "items": given(
                        &["number", "trunk"],
                        json!({"number": text(), "area": words(), "province": words(), "trunk": whole()}),
                    )},
                }),
            ))
            .gives_json("201", "They are there.", given(&["imported"], json!({"imported": whole()}))),
        at("get", one, "number", "One number.").gives_json("200", "It.", the("PrivateNumber")),
        too_long(conflict(at("patch", one, "numberChange", "Change its state, trunk or area.")))
            .takes_json(given(
                &[],
                json!({
                    "status": {"enum": ["normal", "suspended", "unavailable", "frozen", null]},
                    "cause": {"enum": [1, 2, 3, 5, 6, 7, 8, 9, null], "description": "Only with unavailable."},
                    "trunk": {"type": ["integer", "null"], "minimum": 0, "maximum": 65_535},
                    "area": words(), "province": words(), "texts": {"type": ["boolean", "null"]},
                }),
            ))
            .gives_json("200", "It is changed.", the("PrivateNumber")),
        conflict(at("delete", one, "numberRemove", "Take it back; it must have no bindings."))
            .gives_nothing("204", "It is gone."),
        too_long(conflict(at("post", "/admin/v1/number-areas", "numberAreas", "Say where numbers are at home.")))
            .takes_json(json!({"type": "array", "maxItems": 10_000, "items": taken(
                &["prefix", "area"],
                json!({"prefix": text(), "area": text(), "province": words()}),
            )}))
            .gives_json("200", "They are stored.", given(&["stored"], json!({"stored": whole()}))),
    ]
}

fn limits() -> Vec<Operation> {
    let (limits, blocked) = ("/admin/v1/call-limits", "/admin/v1/blocked-numbers");
    let party = || json!({"enum": ["caller", "callee"]});
    let pattern = || json!({"type": "string", "examples": ["+8613900000001", "+86139*"]});
    vec![
        at("get", limits, "callLimits", "Limits on the calls of all applications together.").gives_json(
            "200",
            "They.",
            the("CallLimits"),
        ),
        too_long(at("patch", limits, "callLimitsChange", "Change them."))
            .takes_json(the("CallLimitsChange"))
            .gives_json("200", "They are in force.", the("CallLimits")),
        paged(at("get", blocked, "blockedNumbers", "Numbers that may not call or be called; masked unless reveal is true."))
            .query("app", false, text())
            .query("party", false, party())
            .query("reveal", false, json!({"type": "boolean"}))
            .gives_json("200", "The list.", page_of(given(
                &["app", "party", "number", "added_ms"],
                json!({"app": {"type": ["string", "null"]}, "party": party(), "number": text(), "added_ms": whole()}),
            ))),
        too_long(at("post", blocked, "blockNumbers", "Block numbers or prefixes, all or none; without app: in all applications."))
            .takes_json(given(
                &["party", "numbers"],
                json!({
                    "app": {"type": ["string", "null"]}, "party": party(),
                    "numbers": {"type": "array", "maxItems": 10_000, "items": pattern()},
                }),
            ))
            .gives_json("200", "They are blocked.", given(&["blocked"], json!({"blocked": whole()}))),
        at("delete", blocked, "unblockNumber", "Lift one entry, exactly as it was given.")
            .query("app", false, text())
            .query("party", true, party())
            .query("number", true, pattern())
            .gives_nothing("204", "It is lifted."),
    ]
}

fn trunks() -> Vec<Operation> {
    let one = "/admin/v1/trunks/{id}";
    vec![
        at("get", "/admin/v1/trunks", "trunks", "Trunks to carriers.").gives_json(
            "200",
            "The list.",
            page_of(the("Trunk")),
        ),
        at("get", one, "trunk", "One trunk.").gives_json("200", "It.", the("Trunk")),
        too_long(conflict(at("put", one, "trunkPut", "Make or replace it.")))
            .takes_json(the("Trunk"))
            .gives_json("200", "It is set.", the("Trunk")),
        conflict(at(
            "delete",
            one,
            "trunkRemove",
            "Remove it; no number may leave by it.",
        ))
        .gives_nothing("204", "It is gone."),
    ]
}

fn calls() -> Vec<Operation> {
    vec![
        at(
            "get",
            "/admin/v1/calls",
            "calls",
            "Calls of this moment; numbers masked.",
        )
        .gives_json("200", "The list.", page_of(the("LiveCall"))),
        at(
            "delete",
            "/admin/v1/calls/{session}",
            "callStop",
            "End a call.",
        )
        .gives_json(
            "202",
            "It is being released.",
            given(
                &["session_id", "status"],
                json!({"session_id": text(), "status": {"const": "stopping"}}),
            ),
        ),
        at(
            "get",
            "/admin/v1/calls/{session}/trace",
            "callTrace",
            "What was decided in a call and why.",
        )
        .gives_json("200", "The trace.", the("Trace")),
        paged(at(
            "get",
            "/admin/v1/refusals",
            "refusals",
            "Calls for numbers that nobody owns, with their traces; at most five in a second are kept.",
        ))
        .gives_json("200", "The list.", page_of(the("Trace"))),
        paged(at(
            "get",
            "/admin/v1/records",
            "records",
            "Call records, masked unless reveal is true.",
        ))
        .query("app", false, text())
        .query("from_ms", false, whole())
        .query("until_ms", false, whole())
        .query("x", false, text())
        .query("party", false, text())
        .query("state_code", false, whole())
        .query("reveal", false, json!({"type": "boolean"}))
        .gives_json(
            "200",
            "The list, in the form in which customers get them.",
            page_of(json!({
                "type": "object", "required": ["sessionId", "icid"],
            })),
        ),
        paged(at(
            "get",
            "/admin/v1/recordings",
            "recordings",
            "Recordings.",
        ))
        .query("app", false, text())
        .gives_json("200", "The list.", page_of(the("Recording"))),
        at(
            "get",
            "/admin/v1/recordings/{key}/{object}",
            "recordingAudio",
            "The audio; noted in the audit log.",
        )
        .query("format", false, text())
        .gives(
            "200",
            "The WAV file.",
            "audio/wav",
            json!({"type": "string", "contentMediaType": "audio/wav"}),
        ),
    ]
}

fn rest() -> Vec<Operation> {
    vec![
        at("get", "/admin/v1/bans", "bans", "Addresses banned for failing to authenticate.").gives_json(
            "200",
            "The list.",
            page_of(given(&["address", "remaining_s"], json!({"address": text(), "remaining_s": whole()}))),
        ),
        at("delete", "/admin/v1/bans/{address}", "banLift", "Lift a ban.").gives_nothing("204", "It is lifted."),
        paged(at("get", "/admin/v1/outbox/undelivered", "undelivered", "Notifications that were given up."))
            .query("app", false, text())
            .gives_json("200", "The list.", page_of(given(
                &["id", "app", "session_id", "event", "at_ms", "queued_ms", "attempts"],
                json!({
                    "id": whole(), "app": text(), "session_id": text(), "event": text(), "at_ms": whole(),
                    "queued_ms": whole(), "attempts": whole(),
                }),
            ))),
        too_long(at("post", "/admin/v1/outbox/replay", "replay", "Send them again."))
            .takes_json(given(
                &["ids"],
                json!({"ids": {"type": "array", "maxItems": 10_000, "items": {"type": "integer"}}}),
            ))
            .gives_json("200", "They are due.", given(&["replayed"], json!({"replayed": whole()}))),
    ]
}

fn schemas_here() -> Value {
    let maybe = |kind: &str| json!({"type": [kind, "null"]});
    json!({
        "Problem": given(&["error", "message", "action"], json!({
            "error": {"type": "string", "pattern": "^[a-z_]+$"}, "message": text(), "action": text(),
        })),
        "Trace": super::ours::trace_schema(),
        "PromptState": {"enum": ["to_review", "passed", "rejected"]},
        "Prompt": given(&["name", "state", "bytes", "changed_ms"], json!({
            "name": text(), "state": the("PromptState"), "reason": text(), "bytes": whole(), "changed_ms": whole(),
            "duration_ms": whole(),
        })),
        "PrivateNumber": given(
            &["number", "app", "area", "province", "status", "cause", "trunk", "texts", "bindings", "changed_ms"],
            json!({
                "number": text(), "app": maybe("string"), "area": maybe("string"), "province": maybe("string"),
                "status": {"enum": ["normal", "suspended", "unavailable", "frozen"]}, "cause": maybe("integer"),
                "trunk": whole(), "texts": {"type": "boolean"}, "bindings": whole(), "changed_ms": whole(),
            }),
        ),
        "LiveCall": given(
            &["session_id", "app_key", "subscription_id", "caller", "x", "callee", "phase", "began_ms", "answered_ms"],
            json!({
                "session_id": text(), "app_key": text(), "subscription_id": maybe("string"), "caller": text(),
                "x": text(), "callee": maybe("string"),
                "phase": {"enum": ["incoming", "calling", "ringing", "talking", "ending"]}, "began_ms": whole(),
                "answered_ms": maybe("integer"),
            }),
        ),
        "Recording": given(
            &["object", "app", "session_id", "bytes", "duration_ms", "created_ms", "expires_ms"],
            json!({
                "object": text(), "app": maybe("string"), "session_id": text(), "bytes": whole(),
                "duration_ms": whole(), "created_ms": whole(), "expires_ms": whole(),
            }),
        ),
    })
}
