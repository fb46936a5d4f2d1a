//! The second step: Y for B, by the customer or because a stranger calls.
//!
//! A Y that serves others already goes before a free number: those are wanted as X.

use axbridge_binding::{AppId, NumberStatus, SubscriptionId};
use axbridge_numbering::Number;
use rusqlite::{OptionalExtension, params};

use super::rows::{Part, Relation, delete_part, find_live, insert_part, parts};
use super::sweep::{sweep, sweep_parts};
use super::types::{AxybBindY, AxybRelation};
use crate::Store;
use crate::axb::AreaMatch;
use crate::bound::{SWEEP_FOR_ROOM, expiry, new_id, rules};
use crate::choose::{self, Wish};
use crate::db::writer::Ctx;
use crate::error::BindError;
use crate::settings::{self, Mode};
use crate::sql::{num, number, sub};

impl Store {
    /// The second step: gives B a Y. `Bound` when B has one in this relation, `NoNumber` when there is none.
    pub async fn axyb_bind_y(&self, request: AxybBindY) -> Result<AxybRelation, BindError> {
        self.write(move |ctx| {
            let relation = find_live(ctx.conn, request.app, request.subscription, ctx.now_ms)?;
            match of_b(ctx, &relation, request.b)? {
                Some(_) => Err(BindError::Bound),
                None => give(ctx, &relation, &request),
            }
        })
        .await
    }

    /// Gives a stranger who dials X a Y, or the one that he has; preferably of the city of X. `NoNumber`: 8031.
    pub async fn axyb_allocate_y(
        &self,
        app: AppId,
        subscription: SubscriptionId,
        stranger: Number,
    ) -> Result<AxybRelation, BindError> {
        self.write(move |ctx| {
            let relation = find_live(ctx.conn, app, subscription, ctx.now_ms)?;
            if let Some(part) = of_b(ctx, &relation, stranger)? {
                return Ok(relation.with(&part));
            }
            let x = settings::find_number(ctx.conn, relation.x)?;
            let request = AxybBindY {
                app,
                subscription,
                b: stranger,
                area: x.and_then(|x| x.area),
                area_match: AreaMatch::Loose,
                yb_duration_s: None,
                pre_voice_y: None,
                user_data: None,
            };
            give(ctx, &relation, &request)
        })
        .await
    }
}

/// The part of this B; one that is over makes room.
fn of_b(ctx: &mut Ctx<'_>, relation: &Relation, b: Number) -> Result<Option<Part>, BindError> {
    let key = (sub(relation.subscription), num(b));
    let found = parts(ctx.conn, "p.subscription = ?1 AND p.b = ?2", key)?;
    let Some(part) = found.into_iter().next() else {
        return Ok(None);
    };
    if part.is_live(ctx.now_ms) {
        return Ok(Some(part));
    }
    delete_part(ctx, &part)?;
    Ok(None)
}

fn give(
    ctx: &mut Ctx<'_>,
    relation: &Relation,
    request: &AxybBindY,
) -> Result<AxybRelation, BindError> {
    let settings = rules(ctx, request.app, Mode::Axyb)?;
    if request.b == relation.a || request.b == relation.x {
        return Err(BindError::SameParty);
    }
    let wish = Wish::by_code(request.app, request.area.as_ref(), request.area_match);
    let parties = [relation.a, request.b];
    let y = pick(ctx, &wish, parties, settings.axyb_relations_max)?;
    let mut policy = relation.policy.clone();
    policy.pre_voice_callee.clone_from(&request.pre_voice_y);
    let yb_duration_s = request.yb_duration_s.unwrap_or(relation.yb_duration_s);
    let until = expiry(ctx.now_ms, yb_duration_s);
    let part = Part {
        id: new_id(),
        subscription: relation.subscription,
        x: relation.x,
        a: relation.a,
        y,
        b: request.b,
        policy,
        yb_duration_s,
        // Never longer than the relation.
        expires_at_ms: until.into_iter().chain(relation.expires_at_ms).min(),
        bound_ms: ctx.now_ms,
        user_data: request.user_data.clone(),
    };
    insert_part(ctx, relation, &part)?;
    Ok(relation.with(&part))
}

fn pick(
    ctx: &mut Ctx<'_>,
    wish: &Wish,
    parties: [Number; 2],
    parts_max: u32,
) -> Result<Number, BindError> {
    if let Some(y) = choose_y(ctx, wish, parties, parts_max)? {
        return Ok(y);
    }
    sweep(ctx, SWEEP_FOR_ROOM)?;
    sweep_parts(ctx, SWEEP_FOR_ROOM)?;
    choose_y(ctx, wish, parties, parts_max)?.ok_or(BindError::NoNumber)
}

/// In the city that is wanted a Y with room, then a free number; then, if any will do, the same anywhere.
fn choose_y(
    ctx: &mut Ctx<'_>,
    wish: &Wish,
    parties: [Number; 2],
    parts_max: u32,
) -> rusqlite::Result<Option<Number>> {
    let wishes = match wish.in_city() {
        Some(city) if wish.takes_any() => vec![city, wish.anywhere()],
        Some(city) => vec![city],
        None => vec![wish.anywhere()],
    };
    for wish in &wishes {
        if let Some(y) = shared(ctx, wish, parties, parts_max)? {
            return Ok(Some(y));
        }
        if let Some(y) = choose::free(ctx, wish, parties)? {
            return Ok(Some(y));
        }
    }
    Ok(None)
}

/// The Y that serves the fewest others and not this A.
fn shared(
    ctx: &mut Ctx<'_>,
    wish: &Wish,
    [a, b]: [Number; 2],
    parts_max: u32,
) -> rusqlite::Result<Option<Number>> {
    let sql = "SELECT n.x FROM numbers n WHERE n.app = ?1 AND n.as_y = 1 AND n.pairs < ?2 AND n.status = ?3
               AND (?4 IS NULL OR n.area = ?4) AND n.x NOT IN (?5, ?6)
               AND NOT EXISTS(SELECT 1 FROM axyb_parts p WHERE p.y = n.x AND p.a = ?5)
               ORDER BY n.pairs, n.x LIMIT 1";
    let key = params![
        wish.app.0,
        parts_max,
        NumberStatus::Normal as u8,
        wish.city(),
        num(a),
        num(b)
    ];
    let mut statement = ctx.conn.prepare_cached(sql)?;
    statement.query_row(key, |row| number(row, 0)).optional()
}
