//! The index of recordings: which object is whose, where its file is, and until when.

use axbridge_binding::AppId;
use rusqlite::{OptionalExtension, Row, params};

use crate::Store;
use crate::error::StoreError;
use crate::settings::Page;
use crate::sql::{ms, to_ms};

/// A recording that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Object name, as in the call record; unique.
    pub object: String,
    /// Whose it is.
    pub app: AppId,
    /// Its call.
    pub session: String,
    /// The file, relative to the folder of recordings.
    pub path: String,
    /// Size of the file.
    pub bytes: u64,
    /// Length of the audio.
    pub duration_ms: u64,
    /// Unix milliseconds.
    pub created_ms: u64,
    /// From then on it is not served and is deleted, Unix milliseconds.
    pub expires_ms: u64,
}

const COLUMNS: &str = "object, app, session, path, bytes, duration_ms, created_at, expires_at";

fn recording_of(row: &Row<'_>) -> rusqlite::Result<Recording> {
    Ok(Recording {
        object: row.get(0)?,
        app: AppId(row.get(1)?),
        session: row.get(2)?,
        path: row.get(3)?,
        bytes: to_ms(row.get(4)?),
        duration_ms: to_ms(row.get(5)?),
        created_ms: to_ms(row.get(6)?),
        expires_ms: to_ms(row.get(7)?),
    })
}

impl Store {
    /// Adds a recording; the same object again replaces it (a recovery may come twice).
    pub async fn add_recording(&self, recording: Recording) -> Result<(), StoreError> {
        self.write(move |ctx| {
            let r = &recording;
            let sql = format!("INSERT OR REPLACE INTO recordings({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
            ctx.conn.prepare_cached(&sql)?.execute(params![
                r.object,
                r.app.0,
                r.session,
                r.path,
                ms(r.bytes),
                ms(r.duration_ms),
                ms(r.created_ms),
                ms(r.expires_ms)
            ])?;
            Ok(())
        })
        .await
    }

    /// A recording, expired or not.
    pub async fn recording(&self, object: String) -> Result<Option<Recording>, StoreError> {
        self.read(move |conn| {
            let sql = format!("SELECT {COLUMNS} FROM recordings WHERE object = ?1");
            Ok(conn.query_row(&sql, [object], recording_of).optional()?)
        })
        .await
    }

    /// Recordings that are still served, the newest first, a page (from 1) at a time.
    pub async fn recordings(
        &self,
        app: Option<AppId>,
        page: u32,
        page_size: u32,
    ) -> Result<Page<Recording>, StoreError> {
        let now_ms = self.now_ms();
        self.read(move |conn| {
            let app = app.map(|app| app.0);
            let condition = "expires_at > ?1 AND (?2 IS NULL OR app = ?2)";
            let sql = format!("SELECT count(*) FROM recordings WHERE {condition}");
            let total: i64 = conn.prepare_cached(&sql)?.query_row(params![ms(now_ms), app], |row| row.get(0))?;
            let sql = format!(
                "SELECT {COLUMNS} FROM recordings WHERE {condition} ORDER BY expires_at DESC, object LIMIT ?3 OFFSET ?4"
            );
            let mut statement = conn.prepare_cached(&sql)?;
            let offset = u64::from(page.max(1) - 1) * u64::from(page_size);
            let found = statement.query_map(params![ms(now_ms), app, page_size, ms(offset)], recording_of)?;
            Ok(Page { items: found.collect::<Result<_, _>>()?, total: to_ms(total) })
        })
        .await
    }

    /// Up to `limit` recordings whose time is over, the oldest first.
    pub async fn expired_recordings(&self, limit: u32) -> Result<Vec<Recording>, StoreError> {
        let now_ms = self.now_ms();
        self.read(move |conn| {
            let sql = format!("SELECT {COLUMNS} FROM recordings WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2");
            let mut statement = conn.prepare_cached(&sql)?;
            let found = statement.query_map(params![ms(now_ms), limit], recording_of)?;
            Ok(found.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Takes a recording out of the index, leaving a trace in the audit log. To be called after the file is gone.
    pub async fn remove_recording(&self, object: String, actor: String) -> Result<(), StoreError> {
        self.write(move |ctx| {
            if ctx
                .conn
                .prepare_cached("DELETE FROM recordings WHERE object = ?1")?
                .execute([&object])?
                == 0
            {
                return Err(StoreError::NotFound("the recording"));
            }
            super::audit::note(ctx, &actor, "recording.delete", &object)
        })
        .await
    }
}
