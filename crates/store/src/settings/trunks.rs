//! Trunks: documents that only the call side interprets.

use axbridge_binding::TrunkId;
use axbridge_call::Trunk;
use rusqlite::{Connection, OptionalExtension, params};

use crate::Store;
use crate::db::writer::Effect;
use crate::error::StoreError;
use crate::sql::{from_json, is_unique_violation, ms, to_json};

pub(super) fn all(conn: &Connection) -> rusqlite::Result<Vec<Trunk>> {
    let mut statement = conn.prepare_cached("SELECT document FROM trunks ORDER BY id")?;
    let trunks = statement.query_map([], |row| from_json(row, 0))?;
    trunks.collect()
}

impl Store {
    /// Makes or replaces the trunk with this id. `AlreadyExists` when another one has its name.
    pub async fn put_trunk(&self, trunk: Trunk) -> Result<(), StoreError> {
        self.write(move |ctx| {
            let written = ctx.conn.execute(
                "INSERT INTO trunks(id, name, document, changed_at) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT(id) DO UPDATE SET name = ?2, document = ?3, changed_at = ?4",
                params![trunk.id.0, trunk.name, to_json(&trunk)?, ms(ctx.now_ms)],
            );
            match written {
                Err(error) if is_unique_violation(&error) => {
                    return Err(StoreError::AlreadyExists("the trunk name"));
                }
                other => other?,
            };
            ctx.effect(Effect::Configuration);
            Ok(())
        })
        .await
    }

    /// Removes a trunk that no number leaves by.
    pub async fn delete_trunk(&self, id: TrunkId) -> Result<(), StoreError> {
        self.write(move |ctx| {
            let used: bool = ctx.conn.query_row(
                "SELECT EXISTS(SELECT 1 FROM numbers WHERE trunk = ?1)",
                [id.0],
                |r| r.get(0),
            )?;
            if used {
                return Err(StoreError::InUse("the trunk"));
            }
            if ctx
                .conn
                .execute("DELETE FROM trunks WHERE id = ?1", [id.0])?
                == 0
            {
                return Err(StoreError::NotFound("the trunk"));
            }
            ctx.effect(Effect::Configuration);
            Ok(())
        })
        .await
    }

    /// One trunk.
    pub async fn trunk(&self, id: TrunkId) -> Result<Option<Trunk>, StoreError> {
        self.read(move |conn| {
            let sql = "SELECT document FROM trunks WHERE id = ?1";
            Ok(conn
                .query_row(sql, [id.0], |row| from_json(row, 0))
                .optional()?)
        })
        .await
    }

    /// All trunks, by number.
    pub async fn trunks(&self) -> Result<Vec<Trunk>, StoreError> {
        self.read(|conn| Ok(all(conn)?)).await
    }
}
