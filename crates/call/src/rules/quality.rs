//! Callers whose calls go strangely: hardly ever answered, or hung up at once. PrivateNumber has codes for both
//! (8046, 8044) and says nothing of their conditions; here they are counted by caller and application in each hour of
//! the clock, over calls that were put through and have ended.

use axbridge_numbering::Number;
use serde::{Deserialize, Serialize};

use super::counts::{Counts, Key, Kind, Windows};
use crate::directory::App;
use crate::outcome::Bar;

/// Stops a caller for the rest of the hour when too few of its calls were answered (8046).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectRateRule {
    /// After so many calls in the hour; 0: the rule is off.
    pub calls_min: u32,
    /// Fewer answered ones than this, in percent of all, stop the caller.
    pub answered_percent_min: u8,
}

/// Stops a caller for the rest of the hour when too many of its answered calls were very short (8044).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallTimeRule {
    /// After so many answered calls in the hour; 0: the rule is off.
    pub calls_min: u32,
    /// A call below this many seconds is short.
    pub short_s: u16,
    /// More short ones than this, in percent of the answered, stop the caller.
    pub short_percent_max: u8,
}

impl Default for CallTimeRule {
    fn default() -> Self {
        CallTimeRule {
            calls_min: 0,
            short_s: 5,
            short_percent_max: 100,
        }
    }
}

impl ConnectRateRule {
    pub(super) fn check(&self) -> Result<(), String> {
        match self.answered_percent_min <= 100 {
            true => Ok(()),
            false => Err("calls.connect_rate.answered_percent_min must be 0 to 100".into()),
        }
    }
}

impl CallTimeRule {
    pub(super) fn check(&self) -> Result<(), String> {
        match self.short_percent_max <= 100 {
            true => Ok(()),
            false => Err("calls.call_time.short_percent_max must be 0 to 100".into()),
        }
    }
}

/// A call that was put through and is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// None: not answered.
    pub talked_ms: Option<u64>,
}

impl Counts {
    /// Whether the caller's calls of this hour speak against another one.
    pub(super) fn quality(&self, app: &App, caller: Number, wall_ms: u64) -> Result<(), Bar> {
        let (connect, time) = (&app.rules.connect_rate, &app.rules.call_time);
        if connect.calls_min == 0 && time.calls_min == 0 {
            return Ok(());
        }
        let hour = Windows::at(wall_ms, app.rules.utc_offset).hour;
        let [all, answered, short] = self.hourly(key(app, caller), hour, |counts| *counts);
        let percent = |part: u32, of: u32| u64::from(part) * 100 / u64::from(of.max(1));
        if connect.calls_min > 0
            && all >= connect.calls_min
            && percent(answered, all) < u64::from(connect.answered_percent_min)
        {
            return Err(Bar::ConnectRate);
        }
        if time.calls_min > 0
            && answered >= time.calls_min
            && u64::from(short) * 100 > u64::from(time.short_percent_max) * u64::from(answered)
        {
            return Err(Bar::CallTime);
        }
        Ok(())
    }

    /// Remembers how a call went, where that matters.
    pub(crate) fn note(&self, app: &App, caller: Number, wall_ms: u64, ended: Ended) {
        let (connect, time) = (&app.rules.connect_rate, &app.rules.call_time);
        if connect.calls_min == 0 && time.calls_min == 0 {
            return;
        }
        let hour = Windows::at(wall_ms, app.rules.utc_offset).hour;
        let is_short = |ms: u64| ms < u64::from(time.short_s) * 1_000;
        self.hourly(key(app, caller), hour, |[all, answered, short]| {
            *all = all.saturating_add(1);
            *answered += u32::from(ended.talked_ms.is_some());
            *short += u32::from(ended.talked_ms.is_some_and(is_short));
        });
    }
}

fn key(app: &App, caller: Number) -> Key {
    Key {
        kind: Kind::Quality,
        app: app.id.0,
        number: caller.as_u64(),
    }
}
