//! Prompt files: audio and review state, by application and file name.

use axbridge_binding::AppId;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::types::{PromptFile, PromptState};
use crate::Store;
use crate::db::writer::Effect;
use crate::error::StoreError;
use crate::sql::{from_json, ms, next, to_json, to_ms};

/// The largest prompt file, as PrivateNumber takes it.
const WAV_BYTES_MAX: usize = 2 << 20;

const COLUMNS: &str = "app, name, state, reason, bytes, version, changed_at";

fn prompt_of(row: &Row<'_>) -> rusqlite::Result<PromptFile> {
    Ok(PromptFile {
        app: AppId(row.get(0)?),
        name: row.get(1)?,
        state: from_json(row, 2)?,
        reason: row.get(3)?,
        bytes: to_ms(row.get(4)?),
        version: to_ms(row.get(5)?),
        changed_ms: to_ms(row.get(6)?),
    })
}

pub(super) fn passed(conn: &Connection) -> rusqlite::Result<Vec<PromptFile>> {
    let sql =
        format!("SELECT {COLUMNS} FROM prompts WHERE state = '\"passed\"' ORDER BY app, name");
    let mut statement = conn.prepare_cached(&sql)?;
    let files = statement.query_map([], prompt_of)?;
    files.collect()
}

impl Store {
    /// Keeps a prompt file under its name, replacing an older one of that name. The format is the caller's
    /// to check; here only the size is.
    pub async fn put_prompt(
        &self,
        app: AppId,
        name: String,
        wav: Vec<u8>,
        state: PromptState,
    ) -> Result<PromptFile, StoreError> {
        if wav.len() > WAV_BYTES_MAX {
            return Err(StoreError::Invalid(
                "a prompt file has at most 2 MiB".into(),
            ));
        }
        self.write(move |ctx| {
            let known: bool =
                ctx.conn.query_row("SELECT EXISTS(SELECT 1 FROM apps WHERE id = ?1)", [app.0], |r| r.get(0))?;
            if !known {
                return Err(StoreError::NotFound("the application"));
            }
            let version = next(ctx.conn, "prompt version")?;
            ctx.conn.execute(
                "INSERT INTO prompts(app, name, state, reason, bytes, version, changed_at, wav)
                 VALUES (?1, ?2, ?3, NULL, ?4, ?5, ?6, ?7)
                 ON CONFLICT(app, name) DO UPDATE SET state = ?3, reason = NULL, bytes = ?4, version = ?5,
                 changed_at = ?6, wav = ?7",
                params![app.0, name, to_json(&state)?, wav.len() as i64, version, ms(ctx.now_ms), wav],
            )?;
            ctx.effect(Effect::Configuration);
            Ok(PromptFile {
                app,
                name,
                state,
                reason: None,
                bytes: wav.len() as u64,
                version: to_ms(version),
                changed_ms: ctx.now_ms,
            })
        })
        .await
    }

    /// Passes or rejects a prompt file.
    pub async fn review_prompt(
        &self,
        app: AppId,
        name: String,
        state: PromptState,
        reason: Option<String>,
    ) -> Result<(), StoreError> {
        self.write(move |ctx| {
            let changed = ctx.conn.execute(
                "UPDATE prompts SET state = ?3, reason = ?4, changed_at = ?5 WHERE app = ?1 AND name = ?2",
                params![app.0, name, to_json(&state)?, reason, ms(ctx.now_ms)],
            )?;
            if changed == 0 {
                return Err(StoreError::NotFound("the prompt file"));
            }
            ctx.effect(Effect::Configuration);
            Ok(())
        })
        .await
    }

    /// Removes a prompt file. Bindings that name it play nothing from then on.
    pub async fn delete_prompt(&self, app: AppId, name: String) -> Result<(), StoreError> {
        self.write(move |ctx| {
            if ctx.conn.execute(
                "DELETE FROM prompts WHERE app = ?1 AND name = ?2",
                params![app.0, name],
            )? == 0
            {
                return Err(StoreError::NotFound("the prompt file"));
            }
            ctx.effect(Effect::Configuration);
            Ok(())
        })
        .await
    }

    /// Prompt files of an application, by name.
    pub async fn prompts(&self, app: AppId) -> Result<Vec<PromptFile>, StoreError> {
        self.read(move |conn| {
            let sql = format!("SELECT {COLUMNS} FROM prompts WHERE app = ?1 ORDER BY name");
            let mut statement = conn.prepare_cached(&sql)?;
            let files = statement.query_map([app.0], prompt_of)?;
            Ok(files.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// One prompt file, without its audio.
    pub async fn prompt(&self, app: AppId, name: String) -> Result<Option<PromptFile>, StoreError> {
        self.read(move |conn| {
            let sql = format!("SELECT {COLUMNS} FROM prompts WHERE app = ?1 AND name = ?2");
            Ok(conn
                .query_row(&sql, params![app.0, name], prompt_of)
                .optional()?)
        })
        .await
    }

    /// The audio of a prompt file.
    pub async fn prompt_wav(
        &self,
        app: AppId,
        name: String,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(move |conn| {
            let sql = "SELECT wav FROM prompts WHERE app = ?1 AND name = ?2";
            Ok(conn
                .query_row(sql, params![app.0, name], |row| row.get(0))
                .optional()?)
        })
        .await
    }
}
