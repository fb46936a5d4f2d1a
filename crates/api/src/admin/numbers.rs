//! Private numbers, and where numbers are at home.

use axbridge_binding::{NumberStatus, TrunkId};
use axbridge_numbering::Number;
use axbridge_store::{NewNumber, NumberArea, NumberChange, NumberFilter, NumberRecord};
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::error::{Problem, Result};
use super::{Asked, Listed, Named, Paging, answer, apps, done, json};
use crate::state::Api;

/// Private numbers are the operator's own, so they are shown whole.
#[derive(Serialize)]
struct Shown {
    number: String,
    app: Option<String>,
    area: Option<String>,
    province: Option<String>,
    status: &'static str,
    cause: Option<u8>,
    trunk: u16,
    texts: bool,
    bindings: u32,
    changed_ms: u64,
}

#[derive(Deserialize)]
pub(super) struct Filter {
    app: Option<String>,
    area: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Import {
    /// Key of the application that gets them.
    app: String,
    numbers: Vec<ImportNumber>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportNumber {
    number: String,
    area: Option<String>,
    province: Option<String>,
    trunk: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    status: Option<String>,
    cause: Option<u8>,
    trunk: Option<u16>,
    area: Option<String>,
    province: Option<String>,
    texts: Option<bool>,
}

/// `GET /admin/v1/numbers?app=&area=&page=&page_size=`.
pub(super) async fn list(
    State(api): State<Api>,
    Asked(filter): Asked<Filter>,
    Asked(paging): Asked<Paging>,
) -> Result<Response> {
    let app = match filter.app {
        Some(key) => Some(apps::find(&api, &key).await?.id),
        None => None,
    };
    let (page, size) = paging.bounded();
    let found = api
        .store()
        .numbers(
            NumberFilter {
                app,
                area: filter.area,
            },
            page,
            size,
        )
        .await?;
    let items: Vec<Shown> = found.items.iter().map(|n| shown(&api, n)).collect();
    answer(
        StatusCode::OK,
        &Listed {
            items,
            total: found.total,
        },
    )
}

/// `POST /admin/v1/numbers`: `{app, numbers: [{number, area?, province?, trunk}]}`, up to 10,000 at once, all or none.
pub(super) async fn import(State(api): State<Api>, request: Request) -> Result<Response> {
    let import: Import = json(&api, request).await?;
    let app = apps::find(&api, &import.app).await?;
    let trunks = api.store().trunks().await?;
    let mut numbers = Vec::with_capacity(import.numbers.len());
    for (at, new) in import.numbers.into_iter().enumerate() {
        let wrong = |what: &str| {
            Problem::invalid(
                format!("numbers[{at}]: {what}."),
                "Nothing was imported; correct it.",
            )
        };
        let x = Number::parse_global(&new.number)
            .map_err(|_| wrong("number must be global, like +8617000000009"))?;
        if !trunks.iter().any(|t| t.id.0 == new.trunk) {
            return Err(wrong("there is no such trunk"));
        }
        check_area(new.area.as_deref()).map_err(wrong)?;
        numbers.push(NewNumber {
            x,
            area: new.area,
            province: new.province,
            trunk: TrunkId(new.trunk),
        });
    }
    let count = numbers.len();
    api.store().add_numbers(app.id, numbers).await?;
    tracing::info!(app = app.id.0, count, "numbers imported");
    answer(
        StatusCode::CREATED,
        &serde_json::json!({ "imported": count }),
    )
}

/// `GET /admin/v1/numbers/{number}`.
pub(super) async fn show(State(api): State<Api>, Named(number): Named<String>) -> Result<Response> {
    let record = api
        .store()
        .number(parse(&number)?)
        .await?
        .ok_or_else(|| Problem::not_found("the number"))?;
    answer(StatusCode::OK, &shown(&api, &record))
}

/// `PATCH /admin/v1/numbers/{number}`: `{status?, cause?, trunk?, area?, province?, texts?}`; status is one of
/// `normal`, `suspended`, `unavailable`, `frozen`.
pub(super) async fn change(
    State(api): State<Api>,
    Named(number): Named<String>,
    request: Request,
) -> Result<Response> {
    let x = parse(&number)?;
    let change: Change = json(&api, request).await?;
    let status = change.status.as_deref().map(status_of).transpose()?;
    check_cause(status, change.cause)?;
    check_area(change.area.as_deref())
        .map_err(|what| Problem::invalid(format!("{what}."), "Correct area."))?;
    if let Some(trunk) = change.trunk
        && api.store().trunk(TrunkId(trunk)).await?.is_none()
    {
        return Err(Problem::not_found("the trunk"));
    }
    let change = NumberChange {
        status,
        cause: change.cause,
        trunk: change.trunk.map(TrunkId),
        area: change.area,
        province: change.province,
        texts: change.texts,
    };
    let record = api.store().update_number(x, change).await?;
    answer(StatusCode::OK, &shown(&api, &record))
}

/// `DELETE /admin/v1/numbers/{number}`; it must have no bindings.
pub(super) async fn remove(
    State(api): State<Api>,
    Named(number): Named<String>,
) -> Result<Response> {
    api.store().remove_number(parse(&number)?).await?;
    done()
}

/// `POST /admin/v1/number-areas`: `[{prefix, area, province?}]`, which areas numbers are at home in, up to 10,000 at
/// once. Needed to choose a private number by the caller's home.
pub(super) async fn areas(State(api): State<Api>, request: Request) -> Result<Response> {
    let rows: Vec<NumberArea> = json(&api, request).await?;
    let count = rows.len();
    api.store().put_number_areas(rows).await?;
    answer(StatusCode::OK, &serde_json::json!({ "stored": count }))
}

fn shown(api: &Api, record: &NumberRecord) -> Shown {
    Shown {
        number: record.x.to_global(),
        app: api
            .applications()
            .by_id(record.app.0)
            .map(|a| a.record.key.clone()),
        area: record.area.clone(),
        province: record.province.clone(),
        status: match record.status {
            NumberStatus::Normal => "normal",
            NumberStatus::Suspended => "suspended",
            NumberStatus::Unavailable => "unavailable",
            NumberStatus::Frozen => "frozen",
        },
        cause: record.cause,
        trunk: record.trunk.0,
        texts: record.texts,
        bindings: record.pairs,
        changed_ms: record.changed_ms,
    }
}

fn parse(number: &str) -> Result<Number> {
    // In a path `+` needs no coding, but many clients code it as a space.
    let text = number.replace(' ', "+");
    let text = if text.starts_with('+') {
        text
    } else {
        format!("+{text}")
    };
    Number::parse_global(&text).map_err(|_| {
        Problem::invalid(
            "This is not a number in global format.",
            "Write it like +8617000000009.",
        )
    })
}

fn status_of(word: &str) -> Result<NumberStatus> {
    match word {
        "normal" => Ok(NumberStatus::Normal),
        "suspended" => Ok(NumberStatus::Suspended),
        "unavailable" => Ok(NumberStatus::Unavailable),
        "frozen" => Ok(NumberStatus::Frozen),
        _ => Err(Problem::invalid(
            "status is none of normal, suspended, unavailable, frozen.",
            "Use one of these words.",
        )),
    }
}

/// The causes of the reference; only a number that is unavailable has one.
fn check_cause(status: Option<NumberStatus>, cause: Option<u8>) -> Result<()> {
    match cause {
        None => Ok(()),
        Some(1..=3 | 5..=9) if status == Some(NumberStatus::Unavailable) => Ok(()),
        Some(_) => Err(Problem::invalid(
            "cause is 1, 2, 3 or 5 to 9, and goes with the status unavailable.",
            "Give it with \"status\": \"unavailable\", or leave it out.",
        )),
    }
}

/// City codes are written with their leading 0.
fn check_area(area: Option<&str>) -> std::result::Result<(), &'static str> {
    match area {
        Some(a) if axbridge_binding::AreaCode::parse(a).is_none() || !a.starts_with('0') => {
            Err("area must be a city code with its leading 0, like 0755")
        }
        _ => Ok(()),
    }
}
