//! Numbers that may not call or be called: exact ones (`+8613900000001`) and prefixes (`+86139*`).

use axbridge_binding::AppId;
use axbridge_call::{Blocked, Party, Pattern};
use axbridge_store::BlockedFilter;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::error::{Problem, Result};
use super::{Asked, Listed, Paging, answer, apps, done, json};
use crate::state::Api;

/// Numbers in one request.
const NUMBERS_MAX: usize = 10_000;

#[derive(Serialize)]
struct Shown {
    /// Key of the application; none: all.
    app: Option<String>,
    party: Party,
    number: String,
    added_ms: u64,
}

#[derive(Deserialize)]
pub(super) struct Filter {
    app: Option<String>,
    party: Option<Party>,
    #[serde(default)]
    reveal: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    /// Key of the application; absent: all.
    app: Option<String>,
    party: Party,
    numbers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct One {
    app: Option<String>,
    party: Party,
    number: String,
}

/// `GET /admin/v1/blocked-numbers?app=&party=&page=&page_size=&reveal=`: whole numbers only with `reveal=true`,
/// which is noted in the audit log, as are changes.
pub(super) async fn list(
    State(api): State<Api>,
    Asked(filter): Asked<Filter>,
    Asked(paging): Asked<Paging>,
) -> Result<Response> {
    let wanted = BlockedFilter {
        app: scope(&api, filter.app.as_deref()).await?,
        party: filter.party,
    };
    let (page, size) = paging.bounded();
    let found = api.store().blocked_numbers(wanted, page, size).await?;
    if filter.reveal {
        let subject = format!("page {page} of {} entries", found.total);
        noted(&api, "blocked.reveal", subject).await?;
    }
    let key_of = |app: AppId| {
        api.applications()
            .by_id(app.0)
            .map(|a| a.record.key.clone())
    };
    let shown = |r: &axbridge_store::BlockedRecord| Shown {
        app: r.blocked.app.and_then(key_of),
        party: r.blocked.party,
        number: match filter.reveal {
            true => r.blocked.pattern.to_string(),
            false => format!("{:?}", r.blocked.pattern),
        },
        added_ms: r.added_ms,
    };
    answer(
        StatusCode::OK,
        &Listed {
            items: found.items.iter().map(shown).collect(),
            total: found.total,
        },
    )
}

/// `POST /admin/v1/blocked-numbers`: `{app?, party, numbers}`, up to 10,000 at once, all or none. Calls that come from
/// now on are refused.
pub(super) async fn block(State(api): State<Api>, request: Request) -> Result<Response> {
    let block: Block = json(&api, request).await?;
    if block.numbers.len() > NUMBERS_MAX {
        return Err(Problem::invalid(
            format!("numbers has more than {NUMBERS_MAX} entries."),
            "Send them in several requests, or use prefixes.",
        ));
    }
    let app = scope(&api, block.app.as_deref()).await?;
    let entry = |(at, text): (usize, &String)| {
        Ok(Blocked {
            app,
            party: block.party,
            pattern: text.parse::<Pattern>().map_err(|e| {
                Problem::invalid(
                    format!("numbers[{at}]: {e}."),
                    "Nothing was blocked; correct it.",
                )
            })?,
        })
    };
    let entries = block
        .numbers
        .iter()
        .enumerate()
        .map(entry)
        .collect::<Result<Vec<_>>>()?;
    let new = api.store().block_numbers(entries).await?;
    let of = block.app.as_deref().unwrap_or("all applications");
    noted(&api, "blocked.add", format!("{new} of {of}")).await?;
    tracing::info!(app = app.map(|a| a.0), new, "numbers blocked");
    answer(StatusCode::OK, &serde_json::json!({ "blocked": new }))
}

/// `DELETE /admin/v1/blocked-numbers?party=&number=&app=`: lifts one entry, exactly as it was given.
pub(super) async fn unblock(State(api): State<Api>, Asked(one): Asked<One>) -> Result<Response> {
    // A plus in a query means a space unless it is coded, and many clients leave it out.
    let text = format!("+{}", one.number.trim_start_matches([' ', '+']));
    let pattern: Pattern = text.parse().map_err(|e: axbridge_call::BadPattern| {
        Problem::invalid(format!("number: {e}."), "Give it as it was blocked.")
    })?;
    let entry = Blocked {
        app: scope(&api, one.app.as_deref()).await?,
        party: one.party,
        pattern,
    };
    api.store().unblock_number(entry).await?;
    noted(&api, "blocked.remove", format!("{pattern:?}")).await?;
    tracing::info!("a number is no longer blocked");
    done()
}

/// A line in the audit log.
async fn noted(api: &Api, action: &str, subject: String) -> Result<()> {
    Ok(api
        .store()
        .audit("operator".into(), action.into(), subject)
        .await?)
}

/// The application that is meant, if one is.
async fn scope(api: &Api, key: Option<&str>) -> Result<Option<AppId>> {
    match key {
        Some(key) => Ok(Some(apps::find(api, key).await?.id)),
        None => Ok(None),
    }
}
