//! Which extension a binding gets when the customer names none: at random among those that are free and have
//! rested, so that who keys an old one does not reach a stranger.

use axbridge_binding::Extension;
use axbridge_numbering::Number;
use rusqlite::params;
use std::collections::HashSet;

use crate::db::writer::Ctx;
use crate::error::StoreError;
use crate::sql::{ms, num};

/// How long an extension rests, from the end of its binding.
pub(super) const KEPT_FREE_MS: u64 = 600_000;
/// As long as most are free, a few tries find one; then the free ones are counted out.
const TRIES: u32 = 8;

/// A free extension of X. 0, 00.. are given only to who asks for them.
pub(super) fn allot(
    ctx: &mut Ctx<'_>,
    x: Number,
    digits: u8,
) -> Result<Option<Extension>, StoreError> {
    let sql = "SELECT EXISTS(SELECT 1 FROM axe_bindings WHERE x = ?1 AND extension = ?2)
               OR EXISTS(SELECT 1 FROM axe_released WHERE x = ?1 AND extension = ?2 AND free_at > ?3)";
    let mut statement = ctx.conn.prepare_cached(sql)?;
    let values = usize::from(Extension::count(digits)) - 1;
    for _ in 0..TRIES {
        let value = 1 + ctx.rng.below(values) as u16;
        let Some(extension) = Extension::new(value, digits) else {
            continue;
        };
        let key = params![num(x), extension.code(), ms(ctx.now_ms)];
        if !statement.query_row(key, |row| row.get::<_, bool>(0))? {
            return Ok(Some(extension));
        }
    }
    drop(statement);
    let sql = "SELECT extension FROM axe_bindings WHERE x = ?1
               UNION SELECT extension FROM axe_released WHERE x = ?1 AND free_at > ?2";
    let mut statement = ctx.conn.prepare_cached(sql)?;
    let used: HashSet<u32> = statement
        .query_map(params![num(x), ms(ctx.now_ms)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    drop(statement);
    let free: Vec<Extension> = (1..Extension::count(digits))
        .filter_map(|value| Extension::new(value, digits))
        .filter(|extension| !used.contains(&extension.code()))
        .collect();
    Ok(match free.len() {
        0 => None,
        count => free.get(ctx.rng.below(count)).copied(),
    })
}
