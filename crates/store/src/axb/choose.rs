//! Which X a binding gets when the customer names none.
//!
//! | areaCode | strict | loose |
//! | --- | --- | --- |
//! | given | X of that city | X of that city first, otherwise any |
//! | absent | X of the city where A is at home | that city, then its province, then any |
//!
//! Where A is at home is known only when the operator has loaded prefixes; otherwise strict finds nothing and
//! loose takes any. Among those that fit, the less loaded of two taken at random: that spreads bindings nearly
//! as well as knowing the least loaded of all.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use axbridge_binding::{AppId, NumberStatus};
use axbridge_numbering::Number;
use rusqlite::{Connection, OptionalExtension, params};

use super::types::{AreaMatch, BindRequest};
use crate::db::writer::Ctx;
use crate::sql::{ms, num, to_ms};

/// Numbers in normal state by application: a cache in the writer, dropped when a number changes.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    apps: HashMap<AppId, AppNumbers>,
    touched: bool,
}

#[derive(Debug, Default)]
struct AppNumbers {
    all: Vec<i64>,
    by_area: HashMap<String, Vec<i64>>,
    by_province: HashMap<String, Vec<i64>>,
}

impl Candidates {
    /// A number changed in this transaction.
    pub fn touch(&mut self) {
        self.apps.clear();
        self.touched = true;
    }

    /// Something in this transaction was undone: what was cached since a change may be wrong.
    pub fn undone(&mut self) {
        if self.touched {
            self.apps.clear();
        }
    }

    /// The transaction is over.
    pub fn settled(&mut self) {
        self.touched = false;
    }

    fn of(&mut self, conn: &Connection, app: AppId) -> rusqlite::Result<&AppNumbers> {
        Ok(match self.apps.entry(app) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(AppNumbers::load(conn, app)?),
        })
    }
}

impl AppNumbers {
    fn load(conn: &Connection, app: AppId) -> rusqlite::Result<Self> {
        let sql = "SELECT x, area, coalesce(province, (SELECT a.province FROM number_areas a WHERE a.area = n.area LIMIT 1))
                   FROM numbers n WHERE app = ?1 AND status = ?2 ORDER BY x";
        let mut statement = conn.prepare_cached(sql)?;
        let mut rows = statement.query(params![app.0, NumberStatus::Normal as u8])?;
        let mut numbers = Self::default();
        while let Some(row) = rows.next()? {
            let x: i64 = row.get(0)?;
            numbers.all.push(x);
            if let Some(area) = row.get::<_, Option<String>>(1)? {
                numbers.by_area.entry(area).or_default().push(x);
            }
            if let Some(province) = row.get::<_, Option<String>>(2)? {
                numbers.by_province.entry(province).or_default().push(x);
            }
        }
        Ok(numbers)
    }
}

/// The area that is wanted.
#[derive(Debug)]
pub(super) enum Area {
    Named(String),
    HomeOf(Number),
}

/// Finds an X, or none.
pub(super) fn choose(
    ctx: &mut Ctx<'_>,
    request: &BindRequest,
    area: &Area,
    pairs_max: u32,
) -> rusqlite::Result<Option<Number>> {
    let (city, province) = match area {
        Area::Named(city) => (Some(city.clone()), None),
        Area::HomeOf(a) => home(ctx.conn, *a)?.unzip(),
    };
    let province = province.flatten();
    let mut taken = taken(ctx, request.a)?;
    taken.extend(self::taken(ctx, request.b)?);
    taken.extend([num(request.a), num(request.b)]);

    let mut picker = Picker {
        conn: ctx.conn,
        rng: ctx.rng,
        taken,
        pairs_max,
    };
    let numbers = ctx.candidates.of(ctx.conn, request.app)?;
    let list = |map: &'_ HashMap<String, Vec<i64>>, key: &Option<String>| {
        key.as_ref()
            .and_then(|key| map.get(key))
            .cloned()
            .unwrap_or_default()
    };
    let mut found = picker.pick(&list(&numbers.by_area, &city))?;
    if found.is_none() && request.area_match == AreaMatch::Loose {
        found = picker.pick(&list(&numbers.by_province, &province))?;
        if found.is_none() {
            found = picker.pick(&numbers.all)?;
        }
    }
    Ok(found.and_then(|x| Number::from_u64(to_ms(x)).ok()))
}

/// City and province of the longest known prefix of the number.
fn home(conn: &Connection, number: Number) -> rusqlite::Result<Option<(String, Option<String>)>> {
    let digits = number.digits();
    let mut statement =
        conn.prepare_cached("SELECT area, province FROM number_areas WHERE prefix = ?1")?;
    for end in (1..=digits.len()).rev() {
        let row = statement
            .query_row([&digits[..end]], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if row.is_some() {
            return Ok(row);
        }
    }
    Ok(None)
}

/// The numbers on which a party is bound.
fn taken(ctx: &Ctx<'_>, party: Number) -> rusqlite::Result<HashSet<i64>> {
    let sql = "SELECT p.x FROM binding_parties p JOIN bindings s ON s.subscription = p.subscription
               WHERE p.party = ?1 AND (s.expires_at IS NULL OR s.expires_at > ?2)";
    let mut statement = ctx.conn.prepare_cached(sql)?;
    let numbers = statement.query_map([num(party), ms(ctx.now_ms)], |row| row.get(0))?;
    numbers.collect()
}

struct Picker<'a> {
    conn: &'a Connection,
    rng: &'a mut crate::db::writer::Rng,
    taken: HashSet<i64>,
    pairs_max: u32,
}

impl Picker<'_> {
    fn pick(&mut self, from: &[i64]) -> rusqlite::Result<Option<i64>> {
        let Some(first) = self.one(from)? else {
            return Ok(None);
        };
        let second = self.one(from)?.unwrap_or(first);
        let best = if second.1 < first.1 { second } else { first };
        Ok(Some(best.0))
    }

    /// The first that fits from a random place on, with its load.
    fn one(&mut self, from: &[i64]) -> rusqlite::Result<Option<(i64, u32)>> {
        if from.is_empty() {
            return Ok(None);
        }
        let start = self.rng.below(from.len());
        let (before, after) = from.split_at(start);
        let mut statement = self
            .conn
            .prepare_cached("SELECT pairs FROM numbers WHERE x = ?1")?;
        for &x in after.iter().chain(before) {
            if self.taken.contains(&x) {
                continue;
            }
            let pairs: u32 = statement.query_row([x], |row| row.get(0))?;
            if pairs < self.pairs_max {
                return Ok(Some((x, pairs)));
            }
        }
        Ok(None)
    }
}
