//! What an operator and a customer do before the first call, over HTTP as they would.

use anyhow::{Context, Result, bail};
use axbridge_api::customer::AXB_PATH;
use axbridge_media::tone;
use axbridge_media::wav;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::Client;
use super::hearing::Tone;
use super::hook::Hook;
use super::phone::Phone;
use super::scribe::Scribe;

/// Prompt files: name, tone, length.
const PROMPTS: [(&str, Tone, u32); 3] = [
    ("pre-call.wav", Tone::PreCall, PRE_CALL_MS),
    ("notice.wav", Tone::Notice, NOTICE_MS),
    ("last-minute.wav", Tone::LastMinute, LAST_MINUTE_MS),
];
/// Length of the pre-call prompt.
pub const PRE_CALL_MS: u32 = 1_200;
/// Length of the record notice.
pub const NOTICE_MS: u32 = 800;
/// Length of the last-minute voice.
pub const LAST_MINUTE_MS: u32 = 1_000;
/// Trunks of the two carriers.
const TRUNKS: [u16; 2] = [1, 2];
/// `maxDuration`.
pub const MAX_MINUTES: u32 = 2;

/// Application, prompts, trunks and the private number, over the operator's API.
pub async fn as_operator(
    client: &Client,
    hook: &Hook,
    phones: [&Phone; 2],
    scribe: &Scribe,
) -> Result<()> {
    let app = json!({
        "key": client.key, "secret": client.secret, "sp_id": "demo",
        "settings": {
            "recording": true, "recording_layout": "stereo",
            "call_status_url": hook.url("/events"), "cdr_url": hook.url("/records"),
        },
    });
    client
        .operator(Method::POST, "/applications", app.to_string())
        .await?;
    scribe.line("operator: application made, recording on, two channels, webhooks set");
    for (name, tone, ms) in PROMPTS {
        let samples = tone::sine(f64::from(tone.hz()), ms, tone::amplitude(-10));
        let path = format!("/applications/{}/prompts/{name}", client.key);
        client
            .operator(Method::PUT, &path, wav::write_pcm16(1, 8000, &samples))
            .await?;
        scribe.line(&format!(
            "operator: prompt {name} uploaded: {} Hz, {ms} ms ({})",
            tone.hz(),
            tone.name()
        ));
    }
    for (id, phone) in TRUNKS.into_iter().zip(phones) {
        let letter = phone.identity().party.letter();
        let trunk =
            json!({ "id": id, "name": format!("carrier-{letter}"), "peers": [phone.address()] });
        client
            .operator(Method::PUT, &format!("/trunks/{id}"), trunk.to_string())
            .await?;
        scribe.line(&format!(
            "operator: trunk {id} leads to carrier {letter} at {}",
            phone.address()
        ));
    }
    let x = scribe.numbers().x;
    let numbers =
        json!({ "app": client.key, "numbers": [{ "number": x.to_global(), "trunk": TRUNKS[1] }] });
    client
        .operator(Method::POST, "/numbers", numbers.to_string())
        .await?;
    scribe.line(&format!(
        "operator: private number X = {x} given to the application"
    ));
    Ok(())
}

/// The AXB binding, over the customers' API. Returns its id.
pub async fn as_customer(client: &Client, scribe: &Scribe) -> Result<String> {
    let numbers = scribe.numbers();
    let binding = json!({
        "callerNum": numbers.a.to_global(), "calleeNum": numbers.b.to_global(), "relationNum": numbers.x.to_global(),
        "duration": 3600, "maxDuration": MAX_MINUTES, "lastMinVoice": "last-minute.wav",
        "recordFlag": "true", "recordHintTone": "notice.wav", "preVoice": { "callerHintTone": "pre-call.wav" },
        "userData": "demo",
    });
    let answer = client
        .customer(Method::POST, AXB_PATH, Some(&binding))
        .await?;
    let body: Value = answer.json();
    if answer.status != StatusCode::OK || body["resultcode"] != "0" {
        bail!(
            "binding: {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
    }
    scribe.line("customer: A and B bound on X, answer:");
    scribe.json(&body);
    Ok(body["subscriptionId"]
        .as_str()
        .context("the answer has no subscriptionId")?
        .to_owned())
}
