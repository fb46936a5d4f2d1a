//! Applications.

use std::time::Duration;

use axbridge_binding::{AppId, Extension};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::types::{App, AppSettings, Configuration, Mode, NewApp, Secret};
use crate::Store;
use crate::daily::Daily;
use crate::db::writer::{Ctx, Effect};
use crate::error::StoreError;
use crate::sql::{from_json, is_unique_violation, ms, name_of, next, to_json, to_ms};

const COLUMNS: &str = "id, app_key, secret, sp_id, mode, status, settings, created_at, changed_at";

fn app_of(row: &Row<'_>) -> rusqlite::Result<App> {
    Ok(App {
        id: AppId(row.get(0)?),
        key: row.get(1)?,
        secret: Secret::new(row.get::<_, String>(2)?),
        sp_id: row.get(3)?,
        mode: from_json(row, 4)?,
        status: from_json(row, 5)?,
        settings: from_json(row, 6)?,
        created_ms: to_ms(row.get(7)?),
        changed_ms: to_ms(row.get(8)?),
    })
}

/// What a bind of AXB needs to know of its application.
pub(crate) struct AppLimits {
    pub mode: Mode,
    pub recording: bool,
    pub pairs_max: u32,
    pub daily: Daily,
}

pub(crate) fn limits(ctx: &Ctx<'_>, app: AppId) -> rusqlite::Result<Option<AppLimits>> {
    let mut statement = ctx
        .conn
        .prepare_cached(
            "SELECT recording, pairs_max, mode, binds_per_day,
             iif(binds_per_day > 0, json_extract(settings, '$.calls.utc_offset'), NULL) FROM apps WHERE id = ?1",
        )?;
    statement
        .query_row([app.0], |row| {
            let zone: Option<String> = row.get(4)?;
            let zone = zone.and_then(|text| text.parse().ok()).unwrap_or_default();
            Ok(AppLimits {
                recording: row.get(0)?,
                pairs_max: row.get(1)?,
                mode: from_json(row, 2)?,
                daily: Daily::new(row.get(3)?, zone, ctx.now_ms),
            })
        })
        .optional()
}

fn check(settings: &AppSettings) -> Result<(), StoreError> {
    let wrong = |text: &str| Err(StoreError::Invalid(text.into()));
    if settings.axb_pairs_max == 0 {
        return wrong("axb_pairs_max must be at least 1");
    }
    if !(1..=600).contains(&settings.answer_timeout_s) {
        return wrong("answer_timeout_s must be 1 to 600");
    }
    if settings.numbers_per_a_max == 0 || settings.axyb_relations_max == 0 {
        return wrong("numbers_per_a_max and axyb_relations_max must be at least 1");
    }
    let axe = &settings.axe;
    if !(1..=Extension::DIGITS_MAX).contains(&axe.extension_digits) || axe.extensions_max == 0 {
        return wrong("axe.extension_digits must be 1 to 4 and axe.extensions_max at least 1");
    }
    if !(1..=10).contains(&axe.tries) || axe.first_digit_s == 0 || axe.next_digit_s == 0 {
        return wrong("axe.tries must be 1 to 10 and the axe times at least 1");
    }
    if settings.recording_kept_days == 0 {
        return wrong("recording_kept_days must be at least 1");
    }
    settings.calls.check().map_err(StoreError::Invalid)
}

/// Tells calls whether A of AX reaches who called last.
fn calls_back(ctx: &mut Ctx<'_>, app: AppId, settings: &AppSettings) {
    ctx.effect(Effect::CallBack(app, settings.ax_call_back));
}

/// The applications in which A of AX reaches who called last.
pub(crate) fn calling_back(conn: &Connection) -> rusqlite::Result<Vec<AppId>> {
    let sql = "SELECT id FROM apps WHERE json_extract(settings, '$.ax_call_back')";
    let mut statement = conn.prepare(sql)?;
    let apps = statement.query_map([], |row| row.get(0).map(AppId))?;
    apps.collect()
}

/// Extensions that are bound must stay what they are.
fn same_digits(ctx: &Ctx<'_>, app: &App) -> Result<(), StoreError> {
    let sql = "SELECT settings FROM apps WHERE id = ?1";
    let mut statement = ctx.conn.prepare_cached(sql)?;
    let old: Option<AppSettings> = statement
        .query_row([app.id.0], |row| from_json(row, 0))
        .optional()?;
    match old {
        Some(old) if old.axe.extension_digits != app.settings.axe.extension_digits => Err(
            StoreError::Invalid("axe.extension_digits cannot be changed".into()),
        ),
        _ => Ok(()),
    }
}

impl Store {
    /// Makes an application. `AlreadyExists` when the key is taken.
    pub async fn create_app(&self, new: NewApp) -> Result<App, StoreError> {
        check(&new.settings)?;
        if new.key.is_empty() || new.key.len() > 128 || new.secret.reveal().is_empty() {
            return Err(StoreError::Invalid(
                "an application needs a key of 1 to 128 characters and a secret".into(),
            ));
        }
        self.write(move |ctx| {
            let settings = to_json(&new.settings)?;
            let now = ms(ctx.now_ms);
            // Never used again: an id of a removed application still stands in call records.
            let id = next(ctx.conn, "app")? as u32;
            let inserted = ctx.conn.execute(
                "INSERT INTO apps(id, app_key, secret, sp_id, mode, status, recording, pairs_max, settings, created_at, changed_at,
                 binds_per_day)
                 VALUES (?1, ?2, ?3, ?4, ?5, '\"active\"', ?6, ?7, ?8, ?9, ?9, ?10)",
                params![
                    id, new.key, new.secret.reveal(), new.sp_id, to_json(&new.mode)?, new.settings.recording,
                    new.settings.axb_pairs_max, settings, now, new.settings.binds_per_number_per_day
                ],
            );
            match inserted {
                Err(error) if is_unique_violation(&error) => return Err(StoreError::AlreadyExists("the app key")),
                other => other?,
            };
            ctx.effect(Effect::Configuration);
            calls_back(ctx, AppId(id), &new.settings);
            Ok(App {
                id: AppId(id),
                key: new.key,
                secret: new.secret,
                sp_id: new.sp_id,
                mode: new.mode,
                status: Default::default(),
                settings: new.settings,
                created_ms: ctx.now_ms,
                changed_ms: ctx.now_ms,
            })
        })
        .await
    }

    /// Replaces secret, account, status and settings; key and mode stay.
    pub async fn update_app(&self, app: App) -> Result<App, StoreError> {
        check(&app.settings)?;
        self.write(move |ctx| {
            same_digits(ctx, &app)?;
            let changed = ctx.conn.execute(
                "UPDATE apps SET secret = ?2, sp_id = ?3, status = ?4, recording = ?5, pairs_max = ?6, settings = ?7,
                 changed_at = ?8, binds_per_day = ?9 WHERE id = ?1",
                params![
                    app.id.0, app.secret.reveal(), app.sp_id, to_json(&app.status)?, app.settings.recording,
                    app.settings.axb_pairs_max, to_json(&app.settings)?, ms(ctx.now_ms),
                    app.settings.binds_per_number_per_day
                ],
            )?;
            if changed == 0 {
                return Err(StoreError::NotFound("the application"));
            }
            ctx.effect(Effect::Configuration);
            calls_back(ctx, app.id, &app.settings);
            let sql = format!("SELECT {COLUMNS} FROM apps WHERE id = ?1");
            Ok(ctx.conn.query_row(&sql, [app.id.0], app_of)?)
        })
        .await
    }

    /// Removes an application that has no numbers; its prompt files go with it.
    pub async fn delete_app(&self, app: AppId) -> Result<(), StoreError> {
        self.write(move |ctx| {
            let numbers: bool = ctx.conn.query_row(
                "SELECT EXISTS(SELECT 1 FROM numbers WHERE app = ?1)",
                [app.0],
                |r| r.get(0),
            )?;
            if numbers {
                return Err(StoreError::InUse("the application"));
            }
            ctx.conn
                .execute("DELETE FROM prompts WHERE app = ?1", [app.0])?;
            if ctx
                .conn
                .execute("DELETE FROM apps WHERE id = ?1", [app.0])?
                == 0
            {
                return Err(StoreError::NotFound("the application"));
            }
            super::platform::forget_app(ctx, app)?;
            ctx.effect(Effect::Configuration);
            ctx.effect(Effect::CallBack(app, false));
            Ok(())
        })
        .await
    }

    /// One application.
    pub async fn app(&self, app: AppId) -> Result<Option<App>, StoreError> {
        self.read(move |conn| {
            let sql = format!("SELECT {COLUMNS} FROM apps WHERE id = ?1");
            Ok(conn.query_row(&sql, [app.0], app_of).optional()?)
        })
        .await
    }

    /// All applications, by number.
    pub async fn apps(&self) -> Result<Vec<App>, StoreError> {
        self.read(|conn| {
            let mut statement =
                conn.prepare_cached(&format!("SELECT {COLUMNS} FROM apps ORDER BY id"))?;
            let apps = statement.query_map([], app_of)?;
            Ok(apps.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Applications, trunks, rules and passed prompt files, all as of one commit.
    pub async fn configuration(&self) -> Result<Configuration, StoreError> {
        self.read(|conn| {
            // One read transaction, so that the lists fit together.
            let tx = conn.unchecked_transaction()?;
            let mut statement =
                tx.prepare_cached(&format!("SELECT {COLUMNS} FROM apps ORDER BY id"))?;
            let apps = statement.query_map([], app_of)?.collect::<Result<_, _>>()?;
            let trunks = super::trunks::all(&tx)?;
            let prompts = super::prompts::passed(&tx)?;
            Ok(Configuration {
                apps,
                trunks,
                rules: super::platform::rules(&tx)?,
                blocked: super::platform::all_blocked(&tx)?,
                prompts,
            })
        })
        .await
    }

    /// A counter that grows after each commit that changes applications, trunks, rules or prompt files.
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }
}

impl App {
    /// How long the callee may ring.
    pub fn answer_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.settings.answer_timeout_s))
    }

    /// The name of the mode as the operator API writes it.
    pub fn mode_name(&self) -> String {
        name_of(&self.mode)
    }
}
