//! Applications: key and secret, mode, state, settings.

use axbridge_call::Network;
use axbridge_store::{App, AppSettings, AppStatus, Mode, NewApp, Secret};
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use rand::RngCore as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{Problem, Result};
use super::{Listed, Named, answer, done, json};
use crate::state::Api;

/// An application as the operator sees it. The secret is shown once: when it is made by us or changed.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    app: &'a App,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    /// Made at random when absent.
    key: Option<String>,
    /// Made at random when absent.
    secret: Option<String>,
    #[serde(default)]
    sp_id: String,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    settings: AppSettings,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    secret: Option<String>,
    sp_id: Option<String>,
    status: Option<AppStatus>,
    /// Merged into the present settings (RFC 7396): absent = unchanged, null = default.
    settings: Option<Value>,
}

/// `GET /admin/v1/applications`.
pub(super) async fn list(State(api): State<Api>) -> Result<Response> {
    let apps = api.store().apps().await?;
    let items: Vec<Shown<'_>> = apps.iter().map(|app| Shown { app, secret: None }).collect();
    answer(
        StatusCode::OK,
        &Listed {
            total: items.len() as u64,
            items,
        },
    )
}

/// `POST /admin/v1/applications`: `{key?, secret?, sp_id?, mode?, settings?}`; answers 201 with the secret.
pub(super) async fn create(State(api): State<Api>, request: Request) -> Result<Response> {
    let new: Create = json(&api, request).await?;
    let key = new.key.unwrap_or_else(|| random(18));
    let secret = new.secret.unwrap_or_else(|| random(24));
    check_credentials(&key, &secret)?;
    check_account(&new.sp_id)?;
    check_settings(&api, &new.settings).await?;
    let new = NewApp {
        key,
        secret: Secret::new(secret),
        sp_id: new.sp_id,
        mode: new.mode,
        settings: new.settings,
    };
    let app = api.store().create_app(new).await?;
    api.reload().await?;
    tracing::info!(app = app.id.0, "application made");
    answer(
        StatusCode::CREATED,
        &Shown {
            app: &app,
            secret: Some(app.secret.reveal()),
        },
    )
}

/// `GET /admin/v1/applications/{key}`.
pub(super) async fn show(State(api): State<Api>, Named(key): Named<String>) -> Result<Response> {
    answer(
        StatusCode::OK,
        &Shown {
            app: &find(&api, &key).await?,
            secret: None,
        },
    )
}

/// `PATCH /admin/v1/applications/{key}`: `{secret?, sp_id?, status?, settings?}`.
pub(super) async fn change(
    State(api): State<Api>,
    Named(key): Named<String>,
    request: Request,
) -> Result<Response> {
    let change: Change = json(&api, request).await?;
    let mut app = find(&api, &key).await?;
    if let Some(secret) = change.secret {
        check_credentials(&app.key, &secret)?;
        app.secret = Secret::new(secret);
    }
    if let Some(sp_id) = change.sp_id {
        check_account(&sp_id)?;
        app.sp_id = sp_id;
    }
    app.status = change.status.unwrap_or(app.status);
    if let Some(patch) = change.settings {
        app.settings = merged(&app.settings, patch)?;
        check_settings(&api, &app.settings).await?;
    }
    let app = api.store().update_app(app).await?;
    api.reload().await?;
    tracing::info!(app = app.id.0, "application changed");
    answer(
        StatusCode::OK,
        &Shown {
            app: &app,
            secret: None,
        },
    )
}

/// `DELETE /admin/v1/applications/{key}`; it must have no numbers.
pub(super) async fn remove(State(api): State<Api>, Named(key): Named<String>) -> Result<Response> {
    let app = find(&api, &key).await?;
    api.store().delete_app(app.id).await?;
    api.reload().await?;
    api.auth().forget(app.id.0);
    tracing::info!(app = app.id.0, "application removed");
    done()
}

/// The application with this key.
pub(super) async fn find(api: &Api, key: &str) -> Result<App> {
    let known = api
        .applications()
        .by_key(key)
        .ok_or_else(|| Problem::not_found("the application"))?;
    api.store()
        .app(known.record.id)
        .await?
        .ok_or_else(|| Problem::not_found("the application"))
}

fn random(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    rand::rng().fill_bytes(&mut buffer);
    // Only letters and digits: keys are put into quoted headers, URLs and file names.
    URL_SAFE_NO_PAD.encode(buffer).replace(['-', '_'], "x")
}

fn check_credentials(key: &str, secret: &str) -> Result<()> {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
    if key.is_empty() || key.len() > 128 || !key.bytes().all(plain) || key.starts_with('.') {
        return Err(Problem::invalid(
            "The key must be 1 to 128 letters, digits, '-', '_' or '.', and must not begin with '.'.",
            "Choose another key, or leave it out to have one made.",
        ));
    }
    if !(8..=256).contains(&secret.len()) || !secret.bytes().all(|c| c.is_ascii_graphic()) {
        return Err(Problem::invalid(
            "The secret must be 8 to 256 printable ASCII characters without spaces.",
            "Choose another secret, or leave it out to have one made.",
        ));
    }
    Ok(())
}

fn check_account(sp_id: &str) -> Result<()> {
    if sp_id.len() <= 32 && sp_id.bytes().all(|c| c.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Problem::invalid(
        "sp_id must be at most 32 printable ASCII characters.",
        "Shorten the account name.",
    ))
}

/// A document of settings with a patch (RFC 7396) merged into it.
pub(super) fn merged<T: Serialize + DeserializeOwned>(settings: &T, patch: Value) -> Result<T> {
    let Value::Object(patch) = patch else {
        return Err(Problem::invalid(
            "settings must be an object.",
            "Send only the settings that change.",
        ));
    };
    let mut document = serde_json::to_value(settings).map_err(|_| Problem::internal())?;
    merge(&mut document, Value::Object(patch));
    serde_json::from_value(document).map_err(|e| {
        Problem::invalid(
            format!("settings do not fit: {e}."),
            "GET what you change to see the settings there are.",
        )
    })
}

/// RFC 7396. Recursion is bounded: the patch came through a JSON parser that limits depth.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(map) = target.as_object_mut() else {
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            map.remove(&name);
        } else {
            merge(map.entry(name).or_insert(Value::Null), value);
        }
    }
}

async fn check_settings(api: &Api, settings: &AppSettings) -> Result<()> {
    for (name, url) in [
        ("call_status_url", &settings.call_status_url),
        ("callin_url", &settings.callin_url),
        ("cdr_url", &settings.cdr_url),
        ("number_status_url", &settings.number_status_url),
        ("sms.notify_url", &settings.sms.notify_url),
        ("sms.control_url", &settings.sms.control_url),
    ] {
        let Some(url) = url else { continue };
        api.config().targets.check(url).await.map_err(|e| {
            Problem::invalid(
                format!("{name}: {e}."),
                "Give an http or https URL that leads to a public address.",
            )
        })?;
    }
    if let Some(bad) = settings
        .ip_allow_list
        .iter()
        .find(|n| n.parse::<Network>().is_err())
    {
        return Err(Problem::invalid(
            format!("ip_allow_list: {bad:?} is neither an address nor a network."),
            "Write 203.0.113.7 or 203.0.113.0/24.",
        ));
    }
    if settings.ip_allow_list.len() > 1000 || settings.rate_per_s == 0 || settings.rate_burst == 0 {
        return Err(Problem::invalid(
            "ip_allow_list has more than 1,000 entries, or a rate is 0.",
            "Join addresses to networks; to stop an application set its status to suspended.",
        ));
    }
    Ok(())
}
