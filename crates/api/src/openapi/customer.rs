//! The customers' surface: what all modes share, and AXB.

use serde_json::{Value, json};

use super::{
    Operation, Surface, given, kinds, list_of, ours, taken, text, the, whole, whole_within,
};
use crate::customer::{AXB_PATH, CALL_STOP_PATH, RECORD_PATH};

const DESCRIPTION: &str = "The PrivateNumber API and additions under /v1/. Requests are signed: \
Authorization `AKSK realm=\"SDP\",profile=\"UsernameToken\",type=\"Appkey\"` with X-AKSK, or the same with WSSE and \
X-WSSE. Parameters of GET and DELETE may also come in a JSON body, those of POST and PUT in the query string. Errors \
carry resultcode, resultdesc and, in plain English, detail.";

pub(super) fn document() -> Value {
    let mut operations = axb();
    operations.extend(kinds::operations());
    operations.extend(shared());
    operations.extend(ours::operations());
    document_of(operations)
}

fn document_of(operations: Vec<Operation>) -> Value {
    let mut schemas = schemas();
    merge(&mut schemas, kinds::schemas());
    merge(&mut schemas, ours::schemas());
    let surface = Surface {
        title: "axbridge: customer API",
        description: DESCRIPTION,
        security_schemes: json!({
            "authorization": {"type": "apiKey", "in": "header", "name": "Authorization"},
            "aksk": {"type": "apiKey", "in": "header", "name": "X-AKSK", "description":
                "UsernameToken Username, PasswordDigest = Base64(HMAC-SHA256(secret, Nonce + Created)), Nonce, Created"},
            "wsse": {"type": "apiKey", "in": "header", "name": "X-WSSE", "description":
                "UsernameToken Username, PasswordDigest = Base64(SHA256(Nonce + Created + secret)), Nonce, Created"},
        }),
        security: json!([{"authorization": [], "aksk": []}, {"authorization": [], "wsse": []}]),
        schemas,
    };
    super::document(surface, operations)
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}

/// The refusals that every signed operation has.
pub(super) fn refusals(operation: Operation) -> Operation {
    [
        ("400", "The authentication headers are wrong."),
        ("403", "Refused: see resultcode."),
        ("405", "This address does not take this method."),
        ("413", "The body is too long."),
        ("415", "The body is not JSON."),
        ("500", "The request was not carried out."),
    ]
    .into_iter()
    .fold(operation, |o, (status, text)| {
        o.gives_json(status, text, the("Refusal"))
    })
}

/// An operation that answers with a result and these fields.
pub(super) fn answers(operation: Operation, fields: Value) -> Operation {
    let required: Vec<String> = required_of(&fields);
    let mut properties = json!({"resultcode": {"const": "0"}, "resultdesc": {"const": "Success"}});
    merge(&mut properties, clean(fields));
    let mut names: Vec<&str> = vec!["resultcode", "resultdesc"];
    names.extend(required.iter().map(String::as_str));
    refusals(operation.gives_json("200", "Done.", given(&names, properties)))
}

/// The fields of an item of a list.
pub(super) fn item(fields: Value) -> Value {
    let required = required_of(&fields);
    let names: Vec<&str> = required.iter().map(String::as_str).collect();
    given(&names, clean(fields))
}

/// A field whose name ends in `?` may be left out.
fn required_of(fields: &Value) -> Vec<String> {
    let names = fields.as_object().into_iter().flat_map(|m| m.keys());
    names.filter(|n| !n.ends_with('?')).cloned().collect()
}

fn clean(fields: Value) -> Value {
    match fields {
        Value::Object(map) => map
            .into_iter()
            .map(|(name, schema)| (name.trim_end_matches('?').to_owned(), schema))
            .collect(),
        other => other,
    }
}

fn axb() -> Vec<Operation> {
    let at = |method, id, summary| Operation::new(method, AXB_PATH, id, summary).tag("AXB");
    vec![
        answers(
            at("post", "axbBind", "Bind two parties to a private number.")
                .takes_json(taken(&["callerNum", "calleeNum"], binding_fields(true))),
            json!({
                "subscriptionId": the("Id"), "relationNum": the("Number"), "callDirection": the("Direction"),
                "duration": whole(), "maxDuration": whole(),
            }),
        ),
        answers(
            at(
                "put",
                "axbModify",
                "Change a binding; what is absent stays.",
            )
            .takes_json(taken(&["subscriptionId"], binding_fields(false))),
            json!({}),
        ),
        answers(
            at("delete", "axbUnbind", "Unbind one, or all of a number.")
                .query("subscriptionId", false, text())
                .query("relationNum", false, the("NumberTaken")),
            json!({}),
        ),
        answers(
            at("get", "axbQuery", "Bindings by id, or of a number.")
                .query("subscriptionId", false, text())
                .query("relationNum", false, the("NumberTaken"))
                .query("callerNum", false, the("NumberTaken"))
                .query("calleeNum", false, the("NumberTaken"))
                .query("pageIndex", false, json!({"type": "integer", "default": 1}))
                .query("pageSize", false, json!({"type": "integer", "default": 50})),
            json!({
                "relationNumList": list_of(the("AxbBinding")), "totalCount": whole(), "pageIndex": whole(),
                "pageSize": whole(),
            }),
        ),
    ]
}

fn binding_fields(bind: bool) -> Value {
    let mut fields = json!({
        "callerNum": the("NumberTaken"), "calleeNum": the("NumberTaken"),
        "callDirection": whole_within(0, 2), "duration": whole_within(0, 7_776_000),
        "recordFlag": the("Flag"), "recordHintTone": the("FileName"), "maxDuration": whole_within(0, 1440),
        "lastMinVoice": the("FileName"), "privateSms": the("Flag"), "preVoice": the("PreVoiceTaken"),
        "userData": the("UserData"),
    });
    if bind {
        fields["relationNum"] = the("NumberTaken");
        fields["areaCode"] = the("AreaCode");
        fields["areaMatchMode"] = whole_within(0, 1);
    } else {
        fields["subscriptionId"] = the("IdTaken");
    }
    fields
}

fn shared() -> Vec<Operation> {
    let record = Operation::new(
        "get",
        RECORD_PATH,
        "recordDownload",
        "Where a recording can be downloaded.",
    )
    .tag("Calls")
    .query("fileName", true, text())
    .query("recordDomain", true, text())
    .query("format", false, json!({"enum": ["pcm", "alaw"]}))
    .gives_json(
        "301",
        "Location is the address, valid three days.",
        the("Success"),
    );
    let stop = Operation::new("post", CALL_STOP_PATH, "callStop", "End a call.")
        .tag("Calls")
        .about("The answer is JSON under the documented content type.")
        .takes_json(taken(
            &["sessionid", "signal"],
            json!({"sessionid": {"type": "string", "minLength": 1, "maxLength": 256}, "signal": {"const": "call_stop"}}),
        ))
        .gives("200", "The call is being released.", "text/html", text());
    vec![refusals(record), refusals(stop)]
}

fn schemas() -> Value {
    json!({
        "Refusal": given(&["resultcode", "resultdesc"], json!({
            "resultcode": {"type": "string", "pattern": "^[0-9]{7}$"}, "resultdesc": text(), "detail": text(),
        })),
        "Success": given(&["resultcode", "resultdesc"], json!({
            "resultcode": {"const": "0"}, "resultdesc": {"const": "Success"},
        })),
        "Id": {"type": "string", "format": "uuid"},
        "IdTaken": {"type": "string", "minLength": 1, "maxLength": 64},
        "Number": {"type": "string", "pattern": "^\\+[0-9]{3,15}$"},
        "NumberTaken": {"type": "string", "pattern": "^\\+[1-9][0-9]{2,14}$", "examples": ["+8613900000001"]},
        "AreaCode": super::text_to(32),
        "Direction": {"enum": [0, 1, 2]},
        "Flag": {"enum": ["true", "false", true, false, 0, 1, "0", "1", "", null]},
        "Truth": {"enum": ["true", "false"]},
        "ZeroOne": {"enum": ["0", "1", 0, 1, true, false, "true", "false", "", null]},
        "ZeroOneGiven": {"enum": ["0", "1"]},
        "FileName": {"type": ["string", "null"], "maxLength": 128},
        "UserData": {"type": ["string", "null"], "maxLength": 256, "pattern": "^[ -z|~]*$"},
        "Time": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$"},
        "PreVoiceTaken": {"type": ["object", "null"], "properties": {
            "callerHintTone": the("FileName"), "calleeHintTone": the("FileName"),
        }},
        "PreVoice": given(&[], json!({"callerHintTone": text(), "calleeHintTone": text()})),
        "AxbBinding": item(json!({
            "subscriptionId": the("Id"), "relationNum": the("Number"), "callerNum": the("Number"),
            "calleeNum": the("Number"), "callDirection": the("Direction"), "duration": whole(),
            "maxDuration": whole(), "recordFlag": the("Truth"), "recordHintTone?": text(), "lastMinVoice?": text(),
            "privateSms": the("Truth"), "preVoice?": the("PreVoice"), "subscribeTime": the("Time"),
            "userData?": text(),
        })),
    })
}
