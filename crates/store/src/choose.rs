//! Which X a binding gets when the customer names none.
//!
//! | areaCode | strict | loose |
//! | --- | --- | --- |
//! | given | X of that city | X of that city first, otherwise any |
//! | absent (AXB) | X of the city where A is at home | that city, then its province, then any |
//! | absent (other kinds) | any | any |
//!
//! Where A is at home is known only when the operator has loaded prefixes; otherwise strict finds nothing and
//! loose takes any. Among those that fit, the less loaded of two taken at random: that spreads bindings nearly
//! as well as knowing the least loaded of all.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use axbridge_binding::{AppId, NumberStatus};
use axbridge_numbering::Number;
use rusqlite::{Connection, OptionalExtension, params};

use crate::axb::AreaMatch;
use crate::daily::Daily;
use crate::db::writer::Ctx;
use crate::sql::{num, to_ms};

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
#[derive(Clone, Debug)]
pub(crate) enum Area {
    Named(String),
    HomeOf(Number),
    Any,
}

/// Whose X, and from where.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub app: AppId,
    pub area: Area,
    pub area_match: AreaMatch,
    /// Numbers that were bound as often today as they may are passed over.
    pub daily: Daily,
}

impl Wish {
    /// By `areaCode`; without it any X will do.
    pub fn by_code(app: AppId, area: Option<&String>, area_match: AreaMatch) -> Wish {
        Wish {
            app,
            area: area.map_or(Area::Any, |area| Area::Named(area.clone())),
            area_match,
            daily: Daily::default(),
        }
    }

    /// Among numbers that may still be bound today.
    pub fn within(self, daily: Daily) -> Wish {
        Wish { daily, ..self }
    }

    /// City and province to look in first.
    fn places(&self, conn: &Connection) -> rusqlite::Result<(Option<String>, Option<String>)> {
        Ok(match &self.area {
            Area::Named(city) => (Some(city.clone()), None),
            Area::HomeOf(a) => home(conn, *a)?.map_or((None, None), |(city, p)| (Some(city), p)),
            Area::Any => (None, None),
        })
    }

    /// The city that was named.
    pub fn city(&self) -> Option<&String> {
        match &self.area {
            Area::Named(city) => Some(city),
            Area::HomeOf(_) | Area::Any => None,
        }
    }

    /// The same wish for the city that was named and no other.
    pub fn in_city(&self) -> Option<Wish> {
        self.city().map(|_| Wish {
            area_match: AreaMatch::Strict,
            ..self.clone()
        })
    }

    /// The same wish for any place.
    pub fn anywhere(&self) -> Wish {
        Wish {
            area: Area::Any,
            ..self.clone()
        }
    }

    /// Whether every X of the application will do in the end.
    pub fn takes_any(&self) -> bool {
        matches!(self.area, Area::Any) || self.area_match == AreaMatch::Loose
    }
}

/// Finds an X that is not taken and has fewer than `pairs_max` bindings.
pub(crate) fn with_room(
    ctx: &mut Ctx<'_>,
    wish: &Wish,
    taken: HashSet<i64>,
    pairs_max: u32,
) -> rusqlite::Result<Option<Number>> {
    let (city, province) = wish.places(ctx.conn)?;
    let mut picker = Picker {
        conn: ctx.conn,
        rng: ctx.rng,
        taken,
        pairs_max,
        daily: wish.daily,
    };
    let numbers = ctx.candidates.of(ctx.conn, wish.app)?;
    let list = |map: &'_ HashMap<String, Vec<i64>>, key: &Option<String>| {
        key.as_ref()
            .and_then(|key| map.get(key))
            .cloned()
            .unwrap_or_default()
    };
    let mut found = picker.pick(&list(&numbers.by_area, &city))?;
    if found.is_none() && wish.takes_any() {
        found = picker.pick(&list(&numbers.by_province, &province))?;
        if found.is_none() {
            found = picker.pick(&numbers.all)?;
        }
    }
    Ok(found.and_then(number_of))
}

/// Finds an X without any binding, other than these numbers. Where most X are taken for good, going through
/// them would be slow: an index holds those that are free.
pub(crate) fn free(
    ctx: &mut Ctx<'_>,
    wish: &Wish,
    except: [Number; 2],
) -> rusqlite::Result<Option<Number>> {
    let (city, _) = wish.places(ctx.conn)?;
    if let Some(city) = &city
        && let Some(x) = one_free(ctx, wish, Some(city), except)?
    {
        return Ok(Some(x));
    }
    if wish.takes_any() {
        return one_free(ctx, wish, None, except);
    }
    Ok(None)
}

fn one_free(
    ctx: &mut Ctx<'_>,
    wish: &Wish,
    city: Option<&String>,
    except: [Number; 2],
) -> rusqlite::Result<Option<Number>> {
    let app = wish.app;
    let condition = format!(
        "app = ?1 AND pairs = 0 {}",
        if city.is_some() {
            "AND area = ?2"
        } else {
            "AND ?2 IS NULL"
        }
    );
    let sql = format!(
        "SELECT (SELECT min(x) FROM numbers WHERE {condition}), (SELECT max(x) FROM numbers WHERE {condition})"
    );
    let mut statement = ctx.conn.prepare_cached(&sql)?;
    let ends: (Option<i64>, Option<i64>) =
        statement.query_row(params![app.0, city], |row| Ok((row.get(0)?, row.get(1)?)))?;
    drop(statement);
    let (Some(first), Some(last)) = ends else {
        return Ok(None);
    };
    // The first from a random place on, or from the beginning.
    let from = first + ctx.rng.up_to(last.abs_diff(first)) as i64;
    let sql = format!(
        "SELECT x FROM numbers WHERE {condition} AND status = ?3 AND x >= ?4 AND x NOT IN (?5, ?6)
         AND NOT (binds_day = ?7 AND binds_today >= ?8) ORDER BY x LIMIT 1"
    );
    let mut statement = ctx.conn.prepare_cached(&sql)?;
    let (normal, [one, two]) = (NumberStatus::Normal as u8, except.map(num));
    let (day, max) = wish.daily.key();
    for from in [from, first] {
        let found: Option<i64> = statement
            .query_row(
                params![app.0, city, normal, from, one, two, day, max],
                |row| row.get(0),
            )
            .optional()?;
        if let Some(x) = found {
            return Ok(number_of(x));
        }
    }
    Ok(None)
}

fn number_of(x: i64) -> Option<Number> {
    Number::from_u64(to_ms(x)).ok()
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

struct Picker<'a> {
    conn: &'a Connection,
    rng: &'a mut crate::db::writer::Rng,
    taken: HashSet<i64>,
    pairs_max: u32,
    daily: Daily,
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
            .prepare_cached("SELECT pairs, binds_day, binds_today FROM numbers WHERE x = ?1")?;
        for &x in after.iter().chain(before) {
            if self.taken.contains(&x) {
                continue;
            }
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            let (pairs, day, times): (u32, i64, u32) = statement.query_row([x], row)?;
            if pairs < self.pairs_max && !self.daily.is_used_up(day, times) {
                return Ok(Some((x, pairs)));
            }
        }
        Ok(None)
    }
}
