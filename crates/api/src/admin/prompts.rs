//! Voice files of applications: uploaded, checked, reviewed.

use axbridge_media::Prompt;
use axbridge_store::{PromptFile, PromptState};
use axum::extract::{FromRequest as _, Multipart, Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};

use super::error::{Problem, Result};
use super::{Listed, Named, answer, apps, bytes, done, is_form, json};
use crate::state::Api;

#[derive(Serialize)]
struct Shown {
    name: String,
    state: PromptState,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    bytes: u64,
    changed_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Review {
    state: PromptState,
    reason: Option<String>,
}

/// `GET /admin/v1/applications/{key}/prompts`.
pub(super) async fn list(State(api): State<Api>, Named(key): Named<String>) -> Result<Response> {
    let app = apps::find(&api, &key).await?;
    let items: Vec<Shown> = api
        .store()
        .prompts(app.id)
        .await?
        .into_iter()
        .map(|f| shown(f, None))
        .collect();
    answer(
        StatusCode::OK,
        &Listed {
            total: items.len() as u64,
            items,
        },
    )
}

/// `GET /admin/v1/applications/{key}/prompts/{name}`: the audio.
pub(super) async fn audio(
    State(api): State<Api>,
    Named((key, name)): Named<(String, String)>,
) -> Result<Response> {
    let app = apps::find(&api, &key).await?;
    let wav = api
        .store()
        .prompt_wav(app.id, name)
        .await?
        .ok_or_else(|| Problem::not_found("the prompt file"))?;
    Ok(([(CONTENT_TYPE, "audio/wav")], wav).into_response())
}

/// `PUT /admin/v1/applications/{key}/prompts/{name}`: the file as the body (`audio/wav`), or as a form.
pub(super) async fn upload(
    State(api): State<Api>,
    Named((key, name)): Named<(String, String)>,
    request: Request,
) -> Result<Response> {
    if is_form(request.headers()) {
        let (_, wav) = file_of_form(&api, request).await?;
        return keep(&api, &key, name, wav).await;
    }
    let wav = bytes(&api, request).await?;
    keep(&api, &key, name, wav).await
}

/// `POST /admin/v1/applications/{key}/prompts`: `multipart/form-data` with one file; its file name is the prompt's.
pub(super) async fn upload_form(
    State(api): State<Api>,
    Named(key): Named<String>,
    request: Request,
) -> Result<Response> {
    if !is_form(request.headers()) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not_a_form",
            "This address takes multipart/form-data.",
            "Send a form with the file, or PUT the file to .../prompts/{name}.",
        ));
    }
    let (name, wav) = file_of_form(&api, request).await?;
    let name = name.ok_or_else(|| {
        Problem::invalid("The file in the form has no name.", "Give it a file name.")
    })?;
    keep(&api, &key, name, wav).await
}

/// `POST /admin/v1/applications/{key}/prompts/{name}/review`: `{state: passed | rejected | to_review, reason?}`.
pub(super) async fn review(
    State(api): State<Api>,
    Named((key, name)): Named<(String, String)>,
    request: Request,
) -> Result<Response> {
    let review: Review = json(&api, request).await?;
    let app = apps::find(&api, &key).await?;
    api.store()
        .review_prompt(app.id, name, review.state, review.reason)
        .await?;
    api.reload().await?;
    done()
}

/// `DELETE /admin/v1/applications/{key}/prompts/{name}`.
pub(super) async fn remove(
    State(api): State<Api>,
    Named((key, name)): Named<(String, String)>,
) -> Result<Response> {
    let app = apps::find(&api, &key).await?;
    api.store().delete_prompt(app.id, name).await?;
    api.reload().await?;
    done()
}

async fn keep(api: &Api, key: &str, name: String, wav: bytes::Bytes) -> Result<Response> {
    check_name(&name)?;
    let app = apps::find(api, key).await?;
    let prompt = Prompt::from_wav(&wav).map_err(|e| {
        Problem::invalid(
            format!("The file cannot be used as a prompt: {e}."),
            "Convert it to WAV, A-law or 16-bit PCM, 8 kHz, mono, at most 2 MiB.",
        )
    })?;
    let state = if api.config().prompts_pass {
        PromptState::Passed
    } else {
        PromptState::ToReview
    };
    let file = api
        .store()
        .put_prompt(app.id, name, wav.to_vec(), state)
        .await?;
    api.reload().await?;
    answer(
        StatusCode::CREATED,
        &shown(file, Some(prompt.duration_ms())),
    )
}

/// The first file of a form.
async fn file_of_form(api: &Api, request: Request) -> Result<(Option<String>, bytes::Bytes)> {
    let broken = |_| {
        Problem::invalid(
            "The form cannot be read.",
            "Send multipart/form-data with one file.",
        )
    };
    let limit = api.config().operator_body_bytes_max;
    let request =
        request.map(|body| axum::body::Body::new(http_body_util::Limited::new(body, limit)));
    let mut form = Multipart::from_request(request, api).await.map_err(|_| {
        Problem::invalid(
            "The form cannot be read.",
            "Send multipart/form-data with one file.",
        )
    })?;
    while let Some(field) = form.next_field().await.map_err(broken)? {
        if field.file_name().is_none() {
            continue;
        }
        let name = field.file_name().map(str::to_owned);
        return Ok((name, field.bytes().await.map_err(broken)?));
    }
    Err(Problem::invalid(
        "The form holds no file.",
        "Send multipart/form-data with one file.",
    ))
}

fn check_name(name: &str) -> Result<()> {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.@".contains(&c);
    if (1..=128).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('.') {
        return Ok(());
    }
    Err(Problem::invalid(
        "A prompt's name is 1 to 128 letters, digits, '-', '_', '.' or '@', and does not begin with '.'.",
        "Rename the file.",
    ))
}

fn shown(file: PromptFile, duration_ms: Option<u64>) -> Shown {
    Shown {
        name: file.name,
        state: file.state,
        reason: file.reason,
        bytes: file.bytes,
        changed_ms: file.changed_ms,
        duration_ms,
    }
}
