//! Numbers X, and where numbers are at home.

use axbridge_binding::{AppId, AreaCode, NumberInfo, NumberStatus, TrunkId};
use axbridge_numbering::Number;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::types::{NewNumber, NumberArea, NumberChange, NumberFilter, NumberRecord, Page};
use crate::Store;
use crate::db::writer::{Ctx, Effect};
use crate::error::StoreError;
use crate::sql::{from_json, is_unique_violation, ms, num, number, status, to_ms};
use crate::{axb, axe, axyb, ledger};

const COLUMNS: &str = "x, app, area, province, status, cause, trunk, pairs, changed_at, \
     (SELECT mode FROM apps WHERE apps.id = numbers.app), texts";

/// `cause` of a notice about a number that was taken away.
const CAUSE_DELETED: u8 = 1;

fn number_of(row: &Row<'_>) -> rusqlite::Result<NumberRecord> {
    Ok(NumberRecord {
        x: number(row, 0)?,
        app: AppId(row.get(1)?),
        area: row.get(2)?,
        province: row.get(3)?,
        status: status(row, 4)?,
        cause: row.get(5)?,
        trunk: TrunkId(row.get(6)?),
        pairs: row.get(7)?,
        changed_ms: to_ms(row.get(8)?),
        mode: from_json(row, 9)?,
        texts: row.get(10)?,
    })
}

impl NumberRecord {
    /// What calls need to know of the number.
    pub fn info(&self) -> NumberInfo {
        NumberInfo {
            app: self.app,
            mode: self.mode.into(),
            status: self.status,
            trunk: self.trunk,
            area: self.area.as_deref().and_then(AreaCode::parse),
        }
    }
}

/// The number inside a write.
pub(crate) fn find(conn: &Connection, x: Number) -> rusqlite::Result<Option<NumberRecord>> {
    let mut statement =
        conn.prepare_cached(&format!("SELECT {COLUMNS} FROM numbers WHERE x = ?1"))?;
    statement.query_row([num(x)], number_of).optional()
}

/// Every number, for filling the table.
pub(crate) fn for_each(
    conn: &Connection,
    mut visit: impl FnMut(&NumberRecord),
) -> rusqlite::Result<u64> {
    let mut statement = conn.prepare(&format!("SELECT {COLUMNS} FROM numbers"))?;
    let mut rows = statement.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        visit(&number_of(row)?);
        count += 1;
    }
    Ok(count)
}

fn add(ctx: &mut Ctx<'_>, app: AppId, new: &NewNumber) -> Result<(), StoreError> {
    let inserted = ctx.conn.prepare_cached(
        "INSERT INTO numbers(x, app, area, province, status, trunk, changed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let values = params![
        num(new.x),
        app.0,
        new.area,
        new.province,
        NumberStatus::Normal as u8,
        new.trunk.0,
        ms(ctx.now_ms)
    ];
    match { inserted }.execute(values) {
        Err(error) if is_unique_violation(&error) => {
            return Err(StoreError::AlreadyExists("a number"));
        }
        Err(error) => return Err(error.into()),
        Ok(_) => {}
    }
    publish(ctx, new.x)
}

fn publish(ctx: &mut Ctx<'_>, x: Number) -> Result<(), StoreError> {
    ctx.candidates.touch();
    let Some(record) = find(ctx.conn, x)? else {
        return Err(StoreError::NotFound("the number"));
    };
    ctx.effect(Effect::SetNumber(x, record.info()));
    Ok(())
}

impl Store {
    /// Gives numbers to an application: all of them or, when one exists already, none.
    pub async fn add_numbers(&self, app: AppId, numbers: Vec<NewNumber>) -> Result<(), StoreError> {
        if numbers.len() > 10_000 {
            return Err(StoreError::Invalid("at most 10,000 numbers at once".into()));
        }
        self.write(move |ctx| {
            let known: bool = ctx.conn.query_row(
                "SELECT EXISTS(SELECT 1 FROM apps WHERE id = ?1)",
                [app.0],
                |r| r.get(0),
            )?;
            if !known {
                return Err(StoreError::NotFound("the application"));
            }
            numbers.iter().try_for_each(|new| add(ctx, app, new))
        })
        .await
    }

    /// Changes a number. Existing bindings keep working where the new status allows it. An application that wants
    /// to is told of a new status or cause.
    pub async fn update_number(
        &self,
        x: Number,
        change: NumberChange,
    ) -> Result<NumberRecord, StoreError> {
        self.write(move |ctx| {
            let Some(mut record) = find(ctx.conn, x)? else { return Err(StoreError::NotFound("the number")) };
            let before = (record.status, record.cause);
            if let Some(status) = change.status {
                record.status = status;
                record.cause = change.cause.filter(|_| status == NumberStatus::Unavailable);
            }
            record.trunk = change.trunk.unwrap_or(record.trunk);
            record.area = change.area.or(record.area);
            record.province = change.province.or(record.province);
            record.texts = change.texts.unwrap_or(record.texts);
            record.changed_ms = ctx.now_ms;
            ctx.conn.execute(
                "UPDATE numbers SET area = ?2, province = ?3, status = ?4, cause = ?5, trunk = ?6, changed_at = ?7,
                 texts = ?8 WHERE x = ?1",
                params![
                    num(x), record.area, record.province, record.status as u8, record.cause, record.trunk.0,
                    ms(record.changed_ms), record.texts
                ],
            )?;
            publish(ctx, x)?;
            if (record.status, record.cause) != before {
                ledger::tell_number_status(ctx, &record)?;
            }
            Ok(record)
        })
        .await
    }

    /// Takes a number away. `InUse` while bindings are on it.
    pub async fn remove_number(&self, x: Number) -> Result<(), StoreError> {
        self.write(move |ctx| {
            axb::sweep_number(ctx, x)?;
            axe::sweep_number(ctx, x)?;
            axyb::sweep_number(ctx, x)?;
            let Some(mut record) = find(ctx.conn, x)? else {
                return Err(StoreError::NotFound("the number"));
            };
            if record.pairs > 0 {
                return Err(StoreError::InUse("the number"));
            }
            ctx.conn
                .execute("DELETE FROM numbers WHERE x = ?1", [num(x)])?;
            ctx.candidates.touch();
            ctx.effect(Effect::RemoveNumber(x));
            record.status = NumberStatus::Unavailable;
            record.cause = Some(CAUSE_DELETED);
            ledger::tell_number_status(ctx, &record)
        })
        .await
    }

    /// One number.
    pub async fn number(&self, x: Number) -> Result<Option<NumberRecord>, StoreError> {
        self.read(move |conn| Ok(find(conn, x)?)).await
    }

    /// Numbers in order, a page (from 1) at a time.
    pub async fn numbers(
        &self,
        filter: NumberFilter,
        page: u32,
        page_size: u32,
    ) -> Result<Page<NumberRecord>, StoreError> {
        self.read(move |conn| {
            let condition = "(?1 IS NULL OR app = ?1) AND (?2 IS NULL OR area = ?2)";
            let app = filter.app.map(|app| app.0);
            let total: i64 = conn.query_row(
                &format!("SELECT count(*) FROM numbers WHERE {condition}"),
                params![app, filter.area],
                |row| row.get(0),
            )?;
            let sql = format!(
                "SELECT {COLUMNS} FROM numbers WHERE {condition} ORDER BY x LIMIT ?3 OFFSET ?4"
            );
            let mut statement = conn.prepare_cached(&sql)?;
            let offset = u64::from(page.max(1) - 1) * u64::from(page_size);
            let items =
                statement.query_map(params![app, filter.area, page_size, ms(offset)], number_of)?;
            Ok(Page {
                items: items.collect::<Result<_, _>>()?,
                total: to_ms(total),
            })
        })
        .await
    }

    /// Adds or replaces rows that say where numbers are at home. Feed large lists in pieces of up to 10,000.
    pub async fn put_number_areas(&self, rows: Vec<NumberArea>) -> Result<(), StoreError> {
        if rows.len() > 10_000 {
            return Err(StoreError::Invalid("at most 10,000 rows at once".into()));
        }
        if rows.iter().any(|r| {
            r.prefix.is_empty()
                || r.prefix.len() > 15
                || !r.prefix.bytes().all(|b| b.is_ascii_digit())
        }) {
            return Err(StoreError::Invalid(
                "a prefix has 1 to 15 digits, country code first, no plus".into(),
            ));
        }
        self.write(move |ctx| {
            let sql =
                "INSERT OR REPLACE INTO number_areas(prefix, area, province) VALUES (?1, ?2, ?3)";
            let mut statement = ctx.conn.prepare_cached(sql)?;
            for row in &rows {
                statement.execute(params![row.prefix, row.area, row.province])?;
            }
            drop(statement);
            ctx.candidates.touch();
            Ok(())
        })
        .await
    }
}
