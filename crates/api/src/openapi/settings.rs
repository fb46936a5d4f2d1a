//! Schemas of what the operator sets: applications, trunks.

use serde_json::{Value, json};

use super::{given, list_of, text, the, whole};

fn maybe(kind: &str) -> Value {
    json!({"type": [kind, "null"]})
}

fn flag() -> Value {
    json!({"type": "boolean"})
}

fn within(min: u64, max: u64) -> Value {
    json!({"type": "integer", "minimum": min, "maximum": max})
}

/// All properties, none of them needed, nothing else: as settings are both taken and given.
fn settings(properties: Value) -> Value {
    given(&[], properties)
}

pub(super) fn schemas() -> Value {
    json!({
        "Application": given(
            &["id", "key", "sp_id", "mode", "status", "settings", "created_ms", "changed_ms"],
            json!({
                "id": whole(), "key": text(), "sp_id": text(), "mode": the("Mode"), "status": the("AppStatus"),
                "settings": the("AppSettings"), "created_ms": whole(), "changed_ms": whole(),
                "secret": {"type": "string", "description": "Only when it was just made."},
            }),
        ),
        "Mode": {"enum": ["axb", "ax", "axe", "axyb", "x"]},
        "AppStatus": {"enum": ["active", "suspended", "frozen"]},
        "AppSettings": app_settings(),
        "AppSettingsChange": {"type": "object", "description":
            "RFC 7396: absent = unchanged, null = default. The properties are those of AppSettings."},
        "RefusalPrompts": settings(json!({
            "no_permission": maybe("string"), "service_abnormal": maybe("string"), "no_binding": maybe("string"),
        })),
        "AxeSettings": settings(json!({
            "extension_digits": within(1, 4), "extensions_max": within(1, u64::from(u32::MAX)), "tries": within(1, 10),
            "first_digit_s": within(1, 255), "next_digit_s": within(1, 255), "prompts": the("AxePrompts"),
            "call_back_number": maybe("string"),
        })),
        "AxePrompts": settings(json!({
            "ask": maybe("string"), "wrong": maybe("string"), "wrong_end": maybe("string"),
            "empty_end": maybe("string"), "waiting": maybe("string"), "no_call_back": maybe("string"),
        })),
        "CallRate": settings(json!({
            "per_minute": within(0, u64::from(u32::MAX)), "per_hour": within(0, u64::from(u32::MAX)),
            "per_day": within(0, u64::from(u32::MAX)),
        })),
        "CallRules": call_rules(),
        "CallingHours": given(&["from", "until"], json!({
            "days": list_of(within(1, 7)), "from": time_of_day(), "until": time_of_day(),
        })),
        "CallLimits": settings(json!({
            "utc_offset": utc_offset(), "rate": the("CallRate"), "rate_per_account": the("CallRate"),
            "rate_per_caller": the("CallRate"), "rate_per_callee": the("CallRate"),
        })),
        "CallLimitsChange": {"type": "object", "description":
            "RFC 7396: absent = unchanged, null = default. The properties are those of CallLimits."},
        "SmsSettings": settings(json!({
            "enabled": flag(), "notify_url": maybe("string"), "control_url": maybe("string"), "content": flag(),
        })),
        "Trunk": trunk(),
        "NumberRules": settings(json!({
            "country_code": text(), "international_prefix": text(), "trunk_prefix": text(),
            "strip_in": list_of(text()),
            "out": {"enum": ["plus", "international", "national", "national_with_trunk_prefix"]},
        })),
    })
}

fn app_settings() -> Value {
    settings(json!({
        "recording": flag(), "recording_layout": {"enum": ["mono", "stereo"]},
        "recording_format": {"enum": ["pcm", "alaw"]}, "recording_kept_days": within(0, 65_535),
        "refusal_prompts": the("RefusalPrompts"), "call_status_url": maybe("string"), "callin_url": maybe("string"),
        "cdr_url": maybe("string"), "cdr_on_request": flag(), "number_status_url": maybe("string"), "push_number_status": flag(),
        "notification_scheme": {"enum": ["aksk", "wsse"]}, "ip_allow_list": list_of(text()),
        "answer_timeout_s": within(0, 65_535), "axb_pairs_max": within(0, u64::from(u32::MAX)),
        "numbers_per_a_max": within(1, u64::from(u32::MAX)), "ax_call_back": flag(), "axe": the("AxeSettings"),
        "axyb_relations_max": within(1, u64::from(u32::MAX)), "rate_per_s": within(1, u64::from(u32::MAX)),
        "rate_burst": within(1, u64::from(u32::MAX)), "calls": the("CallRules"), "sms": the("SmsSettings"),
        "binds_per_number_per_day": {"type": "integer", "minimum": 0, "maximum": u32::MAX, "description":
            "Binds of one private number in a day; 0 = no limit. Beyond: 1020182."},
    }))
}

fn call_rules() -> Value {
    let rate = |what: &str| json!({"$ref": the("CallRate")["$ref"], "description": what});
    settings(json!({
        "utc_offset": utc_offset(),
        "hours": {"type": "array", "maxItems": 32, "items": the("CallingHours"), "description":
            "When calls are allowed, by the clock of utc_offset; none: always. Otherwise 8050."},
        "fixed_callers": {"type": "boolean", "description": "Fixed lines may call; otherwise 8023."},
        "international_in": {"type": "boolean", "description": "Callers from abroad may call; otherwise 8042."},
        "international_out": {"type": "boolean", "description": "Callees abroad may be called; otherwise 8043."},
        "rate": rate("Calls of the application; beyond: 7002."),
        "rate_per_number": rate("Calls that dial one private number; beyond: 8049."),
        "rate_per_caller": rate("Calls by one caller; beyond: 8047."),
        "rate_per_callee": rate("Calls to one callee; beyond: 8048."),
        "rate_per_display": rate("Calls that display one private number; beyond: 7003."),
        "connect_rate": settings(json!({
            "calls_min": within(0, u64::from(u32::MAX)), "answered_percent_min": within(0, 100),
        })),
        "call_time": settings(json!({
            "calls_min": within(0, u64::from(u32::MAX)), "short_s": within(0, 65_535),
            "short_percent_max": within(0, 100),
        })),
    }))
}

fn utc_offset() -> Value {
    json!({"type": "string", "pattern": "^[+-](0[0-9]|1[0-4]):[0-5][0-9]$", "default": "+08:00", "description":
        "The time zone of hours and days."})
}

fn time_of_day() -> Value {
    json!({"type": "string", "pattern": "^([01][0-9]|2[0-4]):[0-5][0-9]$"})
}

fn trunk() -> Value {
    given(
        &["id", "name", "peers"],
        json!({
            "id": within(0, 65_535), "name": {"type": "string", "minLength": 1, "maxLength": 64},
            "peers": {"type": "array", "minItems": 1, "items": {"type": "string", "examples": ["203.0.113.5:5060"]}},
            "sources": list_of(text()), "transport": {"enum": ["udp", "tcp"]}, "local": maybe("string"),
            "domain": maybe("string"), "numbers": the("NumberRules"),
            "caller_from": {"type": "array", "minItems": 1, "items": {"enum": ["p_asserted_identity", "from"]}},
            "media_ip": maybe("string"), "prack": {"enum": ["never", "supported", "required"]},
            "learn_media_source": flag(),
            "follow_contact": {"type": ["boolean", "null"], "description":
                "Requests inside a dialog go where the peer's Contact or Record-Route says; false: to the address that the dialog was made with (peers behind NAT). Without it: the opposite of learn_media_source."},
            "user_phone": flag(), "asserted_identity": flag(),
            "answer_for_menu": flag(), "shows_callers": flag(),
            "texts": {"oneOf": [
                {"enum": ["none", "sip"]},
                {"type": "object", "required": ["smpp"], "additionalProperties": false,
                 "properties": {"smpp": {"type": "string", "minLength": 1, "maxLength": 64}}},
            ]},
        }),
    )
}
