//! AX, AXE and AXYB.

use serde_json::{Value, json};

use super::customer::{answers, item};
use super::{Operation, list_of, taken, text, the, whole, whole_within};
use crate::customer::{
    AX_CALLEE_PATH, AX_PATH, AXE_COUNT_PATH, AXE_PATH, AXE_QUERY_PATH, AXYB_PATH,
};

pub(super) fn operations() -> Vec<Operation> {
    let mut all = ax();
    all.extend(axe());
    all.extend(axyb());
    all
}

fn ax() -> Vec<Operation> {
    let at = |method, path, id, summary| Operation::new(method, path, id, summary).tag("AX");
    let one = |o: Operation| {
        o.query("subscriptionId", false, text())
            .query("privateNum", false, the("NumberTaken"))
    };
    vec![
        answers(
            at("post", AX_PATH, "axBind", "Bind a party to a private number.")
                .about("privateNum, or areaCode with privateNumType, must be given.")
                .takes_json(taken(&["origNum"], ax_fields(true))),
            json!({"origNum": the("Number"), "privateNum": the("Number"), "subscriptionId": the("Id")}),
        ),
        answers(
            at("put", AX_PATH, "axModify", "Change a binding; what is absent stays.")
                .about("subscriptionId or privateNum must be given.")
                .takes_json(taken(&[], ax_fields(false))),
            json!({}),
        ),
        answers(one(at("delete", AX_PATH, "axUnbind", "Unbind.")), json!({})),
        answers(
            one(at("get", AX_PATH, "axQuery", "Bindings by id, number or party."))
                .query("origNum", false, the("NumberTaken")),
            json!({"privateNumList": list_of(the("AxBinding"))}),
        ),
        answers(
            at("put", AX_CALLEE_PATH, "axCallee", "Set whom A reaches by calling the private number.")
                .about("subscriptionId or privateNum must be given; origNum is ignored.")
                .takes_json(taken(
                    &["calleeNum"],
                    json!({
                        "origNum": {}, "privateNum": the("NumberTaken"), "subscriptionId": the("IdTaken"),
                        "calleeNum": the("NumberTaken"), "duration": whole_within(1, 259_200),
                        "userData": the("UserData"),
                    }),
                )),
            json!({}),
        ),
    ]
}

fn ax_fields(bind: bool) -> Value {
    let mut fields = json!({
        "privateNum": the("NumberTaken"), "recordFlag": the("Flag"), "recordHintTone": the("FileName"),
        "calleeNumDisplay": the("ZeroOne"), "privateSms": the("Flag"), "preVoice": the("PreVoiceTaken"),
        "maxDuration": whole_within(0, 1440), "lastMinVoice": the("FileName"), "userData": the("UserData"),
        "callDirection": whole_within(0, 2), "turnFlag": {"enum": ["on", "off", null]},
    });
    if bind {
        fields["origNum"] = the("NumberTaken");
        fields["areaCode"] = the("AreaCode");
        fields["privateNumType"] = json!({"enum": ["mobile-virtual", null]});
        fields["areaMatchMode"] = whole_within(0, 1);
    } else {
        fields["subscriptionId"] = the("IdTaken");
    }
    fields
}

fn axe() -> Vec<Operation> {
    let at = |method, path, id, summary| Operation::new(method, path, id, summary).tag("AXE");
    let one = |o: Operation| {
        o.query("subscriptionId", false, text())
            .query("virtualNum", false, the("NumberTaken"))
            .query("extendNum", false, the("Extension"))
    };
    vec![
        answers(
            at("post", AXE_PATH, "axeBind", "Bind a party to a private number and an extension.")
                .about("virtualNum or areaCode must be given; callbackTone and callbackNum exclude each other.")
                .takes_json(taken(&["bindNum"], axe_fields(true))),
            json!({
                "subscriptionId": the("Id"), "virtualNum": the("Number"), "extendNum": the("Extension"),
                "bindExpiredTime": whole(), "callbackExpiredTime": whole(),
            }),
        ),
        answers(
            at("put", AXE_PATH, "axeModify", "Change a binding; what is absent stays.")
                .about("subscriptionId, or virtualNum with extendNum, must be given. Of both callbackNum wins.")
                .takes_json(taken(&[], axe_fields(false))),
            json!({}),
        ),
        answers(one(at("delete", AXE_PATH, "axeUnbind", "Unbind.")), json!({})),
        answers(one(at("get", AXE_PATH, "axeQuery", "One binding.")), axe_item()),
        answers(
            one(at("get", AXE_QUERY_PATH, "axeQuery2", "One binding, or those of a number by pages."))
                .query("cursor", false, text())
                .query("limit", false, json!({"type": "integer", "default": 50})),
            json!({
                "extendNumList": list_of(the("AxeBinding")), "nextCursor?": text(), "nextCusor?": text(),
            }),
        ),
        answers(
            at("get", AXE_COUNT_PATH, "axeCount", "How many bindings the numbers have.")
                .query("number", false, the("NumberTaken"))
                .query("cursor", false, text())
                .query("limit", false, json!({"type": "integer", "default": 50})),
            json!({
                "virtualNumList": list_of(item(json!({"virtualNum": the("Number"), "bindCount": whole()}))),
                "nextCursor?": text(),
            }),
        ),
    ]
}

fn axe_fields(bind: bool) -> Value {
    let life = whole_within(0, 43_200);
    let mut fields = json!({
        "virtualNum": the("NumberTaken"), "extendNum": the("ExtensionTaken"), "displayNumMode": the("ZeroOne"),
        "recordFlag": the("Flag"), "recordHintTone": the("FileName"), "callbackTone": the("FileName"),
        "callbackNum": {"anyOf": [the("NumberTaken"), {"enum": ["", null]}]}, "timeUnit": whole_within(0, 1),
        "bindExpiredTime": life, "callbackExpiredTime": life, "userData": the("UserData"),
    });
    if bind {
        fields["bindNum"] = the("NumberTaken");
        fields["areaCode"] = the("AreaCode");
        fields["areaMatchMode"] = whole_within(0, 1);
    } else {
        fields["subscriptionId"] = the("IdTaken");
    }
    fields
}

fn axe_item() -> Value {
    json!({
        "subscriptionId": the("Id"), "virtualNum": the("Number"), "extendNum": the("Extension"),
        "bindNum": the("Number"), "displayNumMode": the("ZeroOneGiven"), "recordFlag": the("Truth"),
        "recordHintTone?": text(), "callbackTone?": text(), "callbackNum?": the("Number"),
        "timeUnit": the("ZeroOneGiven"), "bindExpiredTime": whole(), "callbackExpiredTime": whole(),
        "userData?": text(),
    })
}

fn axyb() -> Vec<Operation> {
    let at = |method, id, summary| {
        Operation::new(method, AXYB_PATH, id, summary)
            .tag("AXYB")
            .query("app_key", false, text())
    };
    let life = json!({"anyOf": [{"type": "integer", "minimum": 60, "maximum": 7_776_000},
        {"type": "string", "pattern": "^[0-9]*$"}, {"enum": [0, null]}]});
    vec![
        answers(
            at("post", "axybBind", "Give a party its private number.")
                .about("Without subscriptionId: A gets X. With it: B gets Y in that relation.")
                .takes_json(taken(
                    &["origNum"],
                    json!({
                        "origNum": the("NumberTaken"), "subscriptionId": the("IdTaken"), "areaCode": the("AreaCode"),
                        "areaMatchMode": whole_within(0, 1), "callDirection": whole_within(0, 2), "duration": life,
                        "ybDuration": life, "recordFlag": the("Flag"), "recordHintTone": the("FileName"),
                        "preVoiceX": the("FileName"), "preVoiceY": the("FileName"), "userData": the("UserData"),
                    }),
                )),
            json!({"subscriptionId": the("Id"), "relationNumber": the("Number")}),
        ),
        answers(
            at("delete", "axybUnbind", "Unbind a relation, or one Y of it.")
                .query("subscriptionId", true, text())
                .query("yNum", false, the("NumberTaken"))
                .query("bNum", false, the("NumberTaken")),
            json!({}),
        ),
        answers(
            at("get", "axybQuery", "The relations of an id or of a number.")
                .query("subscriptionId", false, text())
                .query("relationNum", false, the("NumberTaken")),
            json!({"xyRelationNumList": list_of(the("AxybRelation"))}),
        ),
    ]
}

pub(super) fn schemas() -> Value {
    json!({
        "Extension": {"type": "string", "pattern": "^[0-9]{1,4}$"},
        "ExtensionTaken": {"type": ["string", "null"], "pattern": "^[0-9]{0,4}$"},
        "AxBinding": item(json!({
            "origNum": the("Number"), "privateNum": the("Number"), "privateNumType": {"const": "mobile-virtual"},
            "subscribeTime": the("Time"), "subscriptionId": the("Id"), "recordFlag": the("Truth"),
            "recordHintTone?": text(), "calleeNumDisplay": the("ZeroOneGiven"), "privateSms": the("Truth"),
            "preVoice?": the("PreVoice"), "maxDuration": whole(), "lastMinVoice?": text(),
            "callDirection?": the("Direction"), "turnFlag": {"enum": ["on", "off"]}, "userData?": text(),
        })),
        "AxeBinding": item(axe_item()),
        "AxybRelation": item(json!({
            "bindId": the("Id"), "numA": the("Number"), "numX": the("Number"), "numY?": the("Number"),
            "numB?": the("Number"), "recordFlag": the("Truth"), "recordHintTone?": text(),
            "subscribeTime": the("Time"), "callDirection": the("Direction"),
            "duration": {"type": "string", "pattern": "^[0-9]+$"},
            "ybDuration": {"type": "string", "pattern": "^[0-9]+$"}, "preVoiceX?": text(), "preVoiceY?": text(),
            "userData?": text(),
        })),
    })
}
