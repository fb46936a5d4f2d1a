//! How often a number X may be bound in a day (1020182). Counted only while the application has a limit.

use axbridge_call::UtcOffset;
use axbridge_numbering::Number;
use rusqlite::params;

use crate::db::writer::Ctx;
use crate::error::BindError;
use crate::settings::AppSettings;
use crate::sql::num;

/// The limit of an application, and which day it is there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Daily {
    /// 0: no limit.
    max: u32,
    day: i64,
}

impl Daily {
    pub fn of(settings: &AppSettings, now_ms: u64) -> Daily {
        Daily::new(
            settings.binds_per_number_per_day,
            settings.calls.utc_offset,
            now_ms,
        )
    }

    pub fn new(max: u32, zone: UtcOffset, now_ms: u64) -> Daily {
        Daily {
            max,
            day: i64::try_from(zone.local_day(now_ms)).unwrap_or(i64::MAX),
        }
    }

    /// Whether a number that was bound `times` on `day` may not be bound any more today.
    pub fn is_used_up(self, day: i64, times: u32) -> bool {
        self.max > 0 && day == self.day && times >= self.max
    }

    /// What [`Self::is_used_up`] compares with, for SQL: the day (no number has -1) and the limit.
    pub fn key(self) -> (i64, u32) {
        match self.max {
            0 => (-1, 0),
            max => (self.day, max),
        }
    }

    /// Counts a bind of a number that may be bound.
    pub fn spend(self, ctx: &Ctx<'_>, x: Number) -> Result<(), BindError> {
        if self.max == 0 {
            return Ok(());
        }
        let sql = "UPDATE numbers SET binds_today = iif(binds_day = ?2, binds_today + 1, 1), binds_day = ?2 WHERE x = ?1";
        ctx.conn
            .prepare_cached(sql)?
            .execute(params![num(x), self.day])?;
        Ok(())
    }
}
