//! Parts of long texts that wait for the others, each kept before it is acknowledged.

use axbridge_numbering::Number;
use axbridge_sms::SendResult;
use axbridge_sms::coding::Coding;
use axbridge_sms::join::{JoinLimits, Part};
use axbridge_sms::route::{Step, Ticket};
use rusqlite::{Connection, Row, params};

use super::rows;
use super::types::{LongText, NewText, PartKept};
use crate::db::writer::Ctx;
use crate::error::StoreError;
use crate::settings::find_number;
use crate::sql::{ms, num, number};

const KEY: &str = "link = ?1 AND sender = ?2 AND x = ?3 AND reference = ?4 AND total = ?5";

pub(super) fn keep(
    ctx: &mut Ctx<'_>,
    long: &LongText,
    part: &Part,
    limits: JoinLimits,
) -> Result<PartKept, StoreError> {
    let parts = kept(ctx.conn, long)?;
    if parts.is_empty() && is_full(ctx.conn, long.sender, limits)? {
        return Ok(PartKept::Full);
    }
    let sql = "INSERT OR IGNORE INTO text_parts(link, sender, x, reference, total, part, coding, octets, came_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    ctx.conn.prepare_cached(sql)?.execute(params![
        long.link,
        num(long.sender),
        num(long.x),
        long.reference,
        long.total,
        part.number,
        part.coding.data_coding(),
        part.octets,
        ms(ctx.now_ms)
    ])?;
    let parts = kept(ctx.conn, long)?;
    Ok(match parts.len() >= usize::from(long.total) {
        true => PartKept::Whole(parts),
        false => PartKept::Waiting,
    })
}

fn kept(conn: &Connection, long: &LongText) -> Result<Vec<Part>, StoreError> {
    let sql = format!("SELECT part, coding, octets FROM text_parts WHERE {KEY} ORDER BY part");
    let mut statement = conn.prepare_cached(&sql)?;
    let parts = statement.query_map(
        params![
            long.link,
            num(long.sender),
            num(long.x),
            long.reference,
            long.total
        ],
        part_of,
    )?;
    Ok(parts.collect::<Result<_, _>>()?)
}

fn part_of(row: &Row<'_>) -> rusqlite::Result<Part> {
    let coding: u8 = row.get(1)?;
    Ok(Part {
        number: row.get(0)?,
        // Written by ourselves, so one of those.
        coding: Coding::from_data_coding(coding, false).unwrap_or(Coding::Gsm7),
        octets: row.get(2)?,
    })
}

fn is_full(conn: &Connection, sender: Number, limits: JoinLimits) -> Result<bool, StoreError> {
    let count = |sql: &str, sender: Option<i64>| -> Result<u32, StoreError> {
        let mut statement = conn.prepare_cached(sql)?;
        Ok(match sender {
            Some(sender) => statement.query_row([sender], |row| row.get(0))?,
            None => statement.query_row([], |row| row.get(0))?,
        })
    };
    let of_sender = "SELECT count(*) FROM (SELECT DISTINCT link, x, reference, total FROM text_parts WHERE sender = ?1)";
    // Parts instead of texts: it is counted at every first part, and an upper bound is enough.
    let of_all = "SELECT count(*) FROM text_parts";
    Ok(
        count(of_sender, Some(num(sender)))? >= limits.texts_per_sender_max
            || count(of_all, None)? >= limits.texts_max,
    )
}

pub(super) fn forget(conn: &Connection, long: &LongText) -> Result<(), StoreError> {
    let sql = format!("DELETE FROM text_parts WHERE {KEY}");
    conn.prepare_cached(&sql)?.execute(params![
        long.link,
        num(long.sender),
        num(long.x),
        long.reference,
        long.total
    ])?;
    Ok(())
}

/// Ends long texts whose last part came before `before_ms` and which are not whole: the customer is told that nothing
/// was sent, for each. Says how many.
pub(crate) fn expire(ctx: &mut Ctx<'_>, before_ms: u64, limit: u32) -> Result<u32, StoreError> {
    let sql = "SELECT link, sender, x, reference, total FROM text_parts
               GROUP BY link, sender, x, reference, total HAVING max(came_at) < ?1 LIMIT ?2";
    let mut statement = ctx.conn.prepare_cached(sql)?;
    let found = statement.query_map(params![ms(before_ms), limit], |row| {
        Ok(LongText {
            link: row.get(0)?,
            sender: number(row, 1)?,
            x: number(row, 2)?,
            reference: row.get(3)?,
            total: row.get(4)?,
        })
    })?;
    let found: Vec<LongText> = found.collect::<Result<_, _>>()?;
    drop(statement);
    for long in &found {
        forget(ctx.conn, long)?;
        tracing::info!(
            link = long.link,
            total = long.total,
            "a long text never became whole"
        );
        let Some(owner) = find_number(ctx.conn, long.x)? else {
            continue;
        };
        let new = NewText {
            id: uuid::Uuid::now_v7().to_string(),
            origin: None,
            ticket: Ticket {
                app: owner.app,
                x: long.x,
                sender: long.sender,
                trunk: owner.trunk,
                direction: 2,
                subscription: None,
                user_data: None,
            },
            written: None,
            step: Step::End(SendResult::NothingSent),
            joined: None,
        };
        rows::insert(ctx, &new)?;
    }
    Ok(found.len() as u32)
}
