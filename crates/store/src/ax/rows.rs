//! AX bindings as rows.

use axbridge_binding::{AppId, Ax, CallDirection, SubscriptionId, Temporary};
use axbridge_numbering::Number;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::types::{AxBinding, AxKey};
use crate::db::writer::{Bound, Ctx, Effect};
use crate::error::{BindError, StoreError};
use crate::policy::{intern, policy_at};
use crate::settings;
use crate::sql::{
    direction, ms, num, number, number_or_none, sub, subscription, text_or_none, to_ms,
};

const COLUMNS: &str = "s.subscription, s.app, s.x, s.a, s.direction, s.show_caller, s.turned_off, s.bound_at, \
     s.changed_at, s.user_data, s.named, s.named_until, s.named_user_data, s.last_caller, p.document";
const FROM: &str = "ax_bindings s JOIN policies p ON p.id = s.policy";

fn binding_of(row: &Row<'_>) -> rusqlite::Result<AxBinding> {
    let given = match row.get_ref(4)?.as_i64_or_null()? {
        Some(_) => Some(direction(row, 4)?),
        None => None,
    };
    let temporary = match number_or_none(row, 10)? {
        Some(callee) => Some(Temporary {
            callee,
            until_ms: to_ms(row.get(11)?),
            user_data: text_or_none(row, 12)?,
        }),
        None => None,
    };
    Ok(AxBinding {
        ax: Ax {
            subscription: subscription(row, 0)?,
            app: AppId(row.get(1)?),
            x: number(row, 2)?,
            a: number(row, 3)?,
            direction: given.unwrap_or(CallDirection::Both),
            show_caller: row.get(5)?,
            turned_off: row.get(6)?,
            temporary,
            last_caller: number_or_none(row, 13)?,
            policy: policy_at(row, 14)?,
            user_data: text_or_none(row, 9)?,
        },
        direction: given,
        bound_ms: to_ms(row.get(7)?),
        changed_ms: to_ms(row.get(8)?),
    })
}

/// The binding of this application.
pub(super) fn find(conn: &Connection, app: AppId, key: AxKey) -> Result<AxBinding, BindError> {
    let found = match key {
        AxKey::Subscription(id) => by_subscription(conn, id)?,
        AxKey::Number(x) => {
            let own = settings::find_number(conn, x)?.is_some_and(|n| n.app == app);
            if !own {
                return Err(BindError::NumberNotOfApp);
            }
            let sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE s.x = ?1");
            let mut statement = conn.prepare_cached(&sql)?;
            statement.query_row([num(x)], binding_of).optional()?
        }
    };
    found
        .filter(|binding| binding.ax.app == app)
        .ok_or(BindError::NotFound)
}

fn by_subscription(conn: &Connection, id: SubscriptionId) -> rusqlite::Result<Option<AxBinding>> {
    let sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE s.subscription = ?1");
    let mut statement = conn.prepare_cached(&sql)?;
    statement.query_row([sub(id)], binding_of).optional()
}

/// All bindings of this A.
pub(super) fn find_all(
    conn: &Connection,
    app: AppId,
    a: Number,
) -> rusqlite::Result<Vec<AxBinding>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM {FROM} WHERE s.a = ?1 AND s.app = ?2 ORDER BY s.subscription"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let found = statement.query_map(params![num(a), app.0], binding_of)?;
    found.collect()
}

/// Writes the row of a new binding.
pub(super) fn insert(ctx: &mut Ctx<'_>, binding: &AxBinding) -> Result<(), StoreError> {
    let ax = &binding.ax;
    let policy = intern(ctx.conn, &ax.policy)?;
    let sql = "INSERT INTO ax_bindings(subscription, app, x, a, direction, show_caller, turned_off, policy, bound_at,
               changed_at, user_data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    ctx.conn.prepare_cached(sql)?.execute(params![
        sub(ax.subscription),
        ax.app.0,
        num(ax.x),
        num(ax.a),
        binding.direction.map(u8::from),
        ax.show_caller,
        ax.turned_off,
        policy,
        ms(binding.bound_ms),
        ms(binding.changed_ms),
        ax.user_data.as_deref(),
    ])?;
    Ok(())
}

/// Writes what may change of a binding by the customer's word.
pub(super) fn update(ctx: &mut Ctx<'_>, binding: &AxBinding) -> Result<(), StoreError> {
    let ax = &binding.ax;
    let policy = intern(ctx.conn, &ax.policy)?;
    let sql = "UPDATE ax_bindings SET direction = ?2, show_caller = ?3, turned_off = ?4, policy = ?5, changed_at = ?6,
               user_data = ?7, named = ?8, named_until = ?9, named_user_data = ?10 WHERE subscription = ?1";
    let named = ax.temporary.as_ref();
    ctx.conn.prepare_cached(sql)?.execute(params![
        sub(ax.subscription),
        binding.direction.map(u8::from),
        ax.show_caller,
        ax.turned_off,
        policy,
        ms(binding.changed_ms),
        ax.user_data.as_deref(),
        named.map(|named| num(named.callee)),
        named.map(|named| ms(named.until_ms)),
        named.and_then(|named| named.user_data.as_deref()),
    ])?;
    ctx.effect(Effect::Publish(Bound::Ax(ax.clone()).into()));
    Ok(())
}

/// Notes who reached A through this binding, unless somebody did later; false when there is no such binding.
pub(crate) fn learn(
    ctx: &mut Ctx<'_>,
    id: SubscriptionId,
    caller: Number,
    at_ms: u64,
) -> Result<bool, StoreError> {
    let Some(binding) = by_subscription(ctx.conn, id)? else {
        return Ok(false);
    };
    let sql = "UPDATE ax_bindings SET last_caller = ?2, last_at = ?3 WHERE subscription = ?1 AND last_at <= ?3";
    let mut statement = ctx.conn.prepare_cached(sql)?;
    if statement.execute(params![sub(id), num(caller), ms(at_ms)])? == 1 {
        let ax = Ax {
            last_caller: Some(caller),
            ..binding.ax
        };
        ctx.effect(Effect::Publish(Bound::Ax(ax).into()));
    }
    Ok(true)
}

/// Every AX binding, for filling the table.
pub(crate) fn for_each(ctx: &Ctx<'_>, visit: &mut impl FnMut(Bound)) -> Result<(), StoreError> {
    let mut statement = ctx.conn.prepare(&format!("SELECT {COLUMNS} FROM {FROM}"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        visit(Bound::Ax(binding_of(row)?.ax));
    }
    Ok(())
}
