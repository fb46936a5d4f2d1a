//! Relations and their parts as rows.

use std::sync::Arc;

use axbridge_binding::{AppId, AxybX, AxybY, CallDirection, Policy, SubscriptionId};
use axbridge_numbering::Number;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::types::{AxybRelation, AxybYb};
use crate::bound::{count, is_live};
use crate::db::writer::{Bound, Ctx, Effect};
use crate::error::{BindError, StoreError};
use crate::policy::{intern, policy_at};
use crate::sql::{direction, ms, ms_or_none, num, number, sub, subscription, text_or_none, to_ms};

/// A and X.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    pub subscription: SubscriptionId,
    pub app: AppId,
    pub x: Number,
    pub a: Number,
    pub direction: CallDirection,
    pub policy: Policy,
    pub duration_s: u32,
    pub yb_duration_s: u32,
    pub expires_at_ms: Option<u64>,
    pub bound_ms: u64,
    pub user_data: Option<Arc<str>>,
}

/// B and Y.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub id: SubscriptionId,
    pub subscription: SubscriptionId,
    pub x: Number,
    pub a: Number,
    pub y: Number,
    pub b: Number,
    /// The relation's, with what is heard by B.
    pub policy: Policy,
    pub yb_duration_s: u32,
    pub expires_at_ms: Option<u64>,
    pub bound_ms: u64,
    /// Where it is not the relation's.
    pub user_data: Option<Arc<str>>,
}

impl Relation {
    /// Whether this application may know of it.
    pub fn is_of(&self, app: AppId, now_ms: u64) -> bool {
        self.app == app && is_live(self.expires_at_ms, now_ms)
    }

    /// What calls see of it.
    pub fn published(&self) -> AxybX {
        AxybX {
            subscription: self.subscription,
            app: self.app,
            x: self.x,
            a: self.a,
            direction: self.direction,
            expires_at_ms: self.expires_at_ms,
            user_data: self.user_data.clone(),
        }
    }

    /// The same of a part.
    pub fn published_part(&self, part: &Part) -> AxybY {
        AxybY {
            id: part.id,
            subscription: self.subscription,
            app: self.app,
            x: part.x,
            a: part.a,
            y: part.y,
            b: part.b,
            direction: self.direction,
            expires_at_ms: part.expires_at_ms,
            policy: part.policy.clone(),
            user_data: part.user_data.clone().or_else(|| self.user_data.clone()),
        }
    }

    /// As the API shows it, without a part.
    pub fn shown(&self) -> AxybRelation {
        AxybRelation {
            subscription: self.subscription,
            app: self.app,
            a: self.a,
            x: self.x,
            yb: None,
            direction: self.direction,
            policy: self.policy.clone(),
            duration_s: self.duration_s,
            yb_duration_s: self.yb_duration_s,
            expires_at_ms: self.expires_at_ms,
            user_data: self.user_data.clone(),
            changed_ms: self.bound_ms,
        }
    }

    /// As the API shows it, with a part.
    pub fn with(&self, part: &Part) -> AxybRelation {
        AxybRelation {
            yb: Some(AxybYb {
                y: part.y,
                b: part.b,
                expires_at_ms: part.expires_at_ms,
            }),
            policy: part.policy.clone(),
            yb_duration_s: part.yb_duration_s,
            user_data: part.user_data.clone().or_else(|| self.user_data.clone()),
            changed_ms: part.bound_ms,
            ..self.shown()
        }
    }
}

impl Part {
    pub fn is_live(&self, now_ms: u64) -> bool {
        is_live(self.expires_at_ms, now_ms)
    }
}

const COLUMNS: &str = "s.subscription, s.app, s.x, s.a, s.direction, s.duration_s, s.yb_duration_s, s.expires_at, \
     s.bound_at, s.user_data, q.document";
const FROM: &str = "axyb_relations s JOIN policies q ON q.id = s.policy";
const PART_COLUMNS: &str = "p.id, p.subscription, p.x, p.a, p.y, p.b, p.yb_duration_s, p.expires_at, p.bound_at, \
     p.user_data, q.document";
const PART_FROM: &str = "axyb_parts p JOIN policies q ON q.id = p.policy";

fn relation_of(row: &Row<'_>) -> rusqlite::Result<Relation> {
    Ok(Relation {
        subscription: subscription(row, 0)?,
        app: AppId(row.get(1)?),
        x: number(row, 2)?,
        a: number(row, 3)?,
        direction: direction(row, 4)?,
        duration_s: row.get(5)?,
        yb_duration_s: row.get(6)?,
        expires_at_ms: ms_or_none(row, 7)?,
        bound_ms: to_ms(row.get(8)?),
        user_data: text_or_none(row, 9)?,
        policy: policy_at(row, 10)?,
    })
}

fn part_of(row: &Row<'_>) -> rusqlite::Result<Part> {
    Ok(Part {
        id: subscription(row, 0)?,
        subscription: subscription(row, 1)?,
        x: number(row, 2)?,
        a: number(row, 3)?,
        y: number(row, 4)?,
        b: number(row, 5)?,
        yb_duration_s: row.get(6)?,
        expires_at_ms: ms_or_none(row, 7)?,
        bound_ms: to_ms(row.get(8)?),
        user_data: text_or_none(row, 9)?,
        policy: policy_at(row, 10)?,
    })
}

/// The relation for which this holds (of `s`), expired or not.
pub(super) fn find(
    conn: &Connection,
    condition: &str,
    key: impl Params,
) -> rusqlite::Result<Option<Relation>> {
    let sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE {condition}");
    let mut statement = conn.prepare_cached(&sql)?;
    statement.query_row(key, relation_of).optional()
}

/// All relations for which this holds.
pub(super) fn find_all(
    conn: &Connection,
    condition: &str,
    key: impl Params,
) -> rusqlite::Result<Vec<Relation>> {
    let sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE {condition}");
    let mut statement = conn.prepare_cached(&sql)?;
    let found = statement.query_map(key, relation_of)?;
    found.collect()
}

/// The relation of this application, unless it is over.
pub(super) fn find_live(
    conn: &Connection,
    app: AppId,
    id: SubscriptionId,
    now_ms: u64,
) -> Result<Relation, BindError> {
    let found = find(conn, "s.subscription = ?1", [sub(id)])?;
    found
        .filter(|relation| relation.is_of(app, now_ms))
        .ok_or(BindError::NotFound)
}

/// The parts for which this holds (of `p`), in the order in which they were made, expired or not.
pub(super) fn parts(
    conn: &Connection,
    condition: &str,
    key: impl Params,
) -> rusqlite::Result<Vec<Part>> {
    let sql = format!("SELECT {PART_COLUMNS} FROM {PART_FROM} WHERE {condition} ORDER BY p.id");
    let mut statement = conn.prepare_cached(&sql)?;
    let found = statement.query_map(key, part_of)?;
    found.collect()
}

/// Writes a new relation and shows it to calls.
pub(super) fn insert(ctx: &mut Ctx<'_>, relation: &Relation) -> Result<(), StoreError> {
    let policy = intern(ctx.conn, &relation.policy)?;
    let sql = "INSERT INTO axyb_relations(subscription, app, x, a, direction, policy, duration_s, yb_duration_s,
               expires_at, bound_at, user_data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    ctx.conn.prepare_cached(sql)?.execute(params![
        sub(relation.subscription),
        relation.app.0,
        num(relation.x),
        num(relation.a),
        relation.direction as u8,
        policy,
        relation.duration_s,
        relation.yb_duration_s,
        relation.expires_at_ms.map(ms),
        ms(relation.bound_ms),
        relation.user_data.as_deref(),
    ])?;
    count(ctx, relation.x, 1)?;
    ctx.effect(Effect::Publish(Bound::AxybX(relation.published()).into()));
    Ok(())
}

/// Writes a new part and shows it to calls.
pub(super) fn insert_part(
    ctx: &mut Ctx<'_>,
    relation: &Relation,
    part: &Part,
) -> Result<(), StoreError> {
    let policy = intern(ctx.conn, &part.policy)?;
    let sql = "INSERT INTO axyb_parts(id, subscription, x, a, y, b, policy, yb_duration_s, expires_at, bound_at, user_data)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    ctx.conn.prepare_cached(sql)?.execute(params![
        sub(part.id),
        sub(part.subscription),
        num(part.x),
        num(part.a),
        num(part.y),
        num(part.b),
        policy,
        part.yb_duration_s,
        part.expires_at_ms.map(ms),
        ms(part.bound_ms),
        part.user_data.as_deref(),
    ])?;
    count(ctx, part.y, 1)?;
    let sql = "UPDATE numbers SET as_y = 1 WHERE x = ?1 AND as_y = 0";
    ctx.conn.prepare_cached(sql)?.execute([num(part.y)])?;
    let part = relation.published_part(part);
    ctx.effect(Effect::Publish(Bound::AxybY(part).into()));
    Ok(())
}

/// Removes a relation with all its parts.
pub(super) fn delete(ctx: &mut Ctx<'_>, relation: &Relation) -> Result<(), StoreError> {
    let all = parts(
        ctx.conn,
        "p.subscription = ?1",
        [sub(relation.subscription)],
    )?;
    // X first: a stranger who calls meanwhile must not be given a Y of a relation that goes.
    let (x, subscription) = (relation.x, relation.subscription);
    ctx.effect(Effect::Withdraw { x, subscription });
    all.iter().try_for_each(|part| delete_part(ctx, part))?;
    let sql = "DELETE FROM axyb_relations WHERE subscription = ?1";
    ctx.conn.prepare_cached(sql)?.execute([sub(subscription)])?;
    count(ctx, x, -1)
}

/// Removes a part.
pub(super) fn delete_part(ctx: &mut Ctx<'_>, part: &Part) -> Result<(), StoreError> {
    let sql = "DELETE FROM axyb_parts WHERE id = ?1";
    ctx.conn.prepare_cached(sql)?.execute([sub(part.id)])?;
    count(ctx, part.y, -1)?;
    ctx.effect(Effect::WithdrawY {
        x: part.x,
        y: part.y,
        id: part.id,
    });
    Ok(())
}

/// Every relation and every part that is not over, for filling the table.
pub(crate) fn for_each(ctx: &Ctx<'_>, visit: &mut impl FnMut(Bound)) -> Result<(), StoreError> {
    let live = "(s.expires_at IS NULL OR s.expires_at > ?1)";
    let sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE {live}");
    let mut statement = ctx.conn.prepare(&sql)?;
    let mut rows = statement.query([ms(ctx.now_ms)])?;
    while let Some(row) = rows.next()? {
        let relation = relation_of(row)?;
        visit(Bound::AxybX(relation.published()));
        let id = [sub(relation.subscription)];
        let all = parts(ctx.conn, "p.subscription = ?1", id)?;
        let parts = all.iter().filter(|part| part.is_live(ctx.now_ms));
        parts.for_each(|part| visit(Bound::AxybY(relation.published_part(part))));
    }
    Ok(())
}
