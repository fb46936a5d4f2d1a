//! What the operator allows, besides what is bound: lists of numbers, hours, kinds of callers, how many calls.
//!
//! Two moments are checked: when a call arrives (`arrival`), and when the callee is known (`callee`). What is counted
//! is counted in one table that all shards share (`counts`), so that a limit holds for the whole node.

mod arrival;
mod blocked;
mod callee;
mod counts;
mod hours;
mod quality;

use serde::{Deserialize, Serialize};

pub use blocked::{BadPattern, Blocked, BlockedNumbers, Party, Pattern};
pub use hours::{CallingHours, UtcOffset};
pub use quality::{CallTimeRule, ConnectRateRule};

pub(crate) use arrival::admit_caller;
pub(crate) use callee::admit_callee;
pub(crate) use counts::Counts;
pub(crate) use quality::Ended;

/// Calls at most in each minute, hour and day; 0 = no limit.
///
/// Windows are fixed: a minute, an hour and a day of the clock, the day by the time zone that goes with the rule. So
/// twice the limit can fall into one moving window, half before and half after its border.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallRate {
    /// In a minute.
    pub per_minute: u32,
    /// In an hour.
    pub per_hour: u32,
    /// In a day.
    pub per_day: u32,
}

/// What an application's calls are allowed. `calls` of its settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallRules {
    /// The time zone of hours and days.
    pub utc_offset: UtcOffset,
    /// When calls are allowed; none: always (8050).
    pub hours: Vec<CallingHours>,
    /// Fixed lines may call (8023). PrivateNumber does not let them.
    pub fixed_callers: bool,
    /// Callers from another country than their trunk's are allowed (8042).
    pub international_in: bool,
    /// Callees in another country than their trunk's are allowed (8043).
    pub international_out: bool,
    /// Calls of the application (7002).
    pub rate: CallRate,
    /// Calls that dial one of its numbers (8049).
    pub rate_per_number: CallRate,
    /// Calls by one caller (8047).
    pub rate_per_caller: CallRate,
    /// Calls to one callee (8048).
    pub rate_per_callee: CallRate,
    /// Calls in which one number is displayed (7003).
    pub rate_per_display: CallRate,
    /// A caller whose calls are hardly ever answered is stopped (8046).
    pub connect_rate: ConnectRateRule,
    /// A caller whose calls are mostly very short is stopped (8044).
    pub call_time: CallTimeRule,
}

impl Default for CallRules {
    fn default() -> Self {
        CallRules {
            utc_offset: UtcOffset::default(),
            hours: Vec::new(),
            fixed_callers: false,
            international_in: true,
            international_out: true,
            rate: CallRate::default(),
            rate_per_number: CallRate::default(),
            rate_per_caller: CallRate::default(),
            rate_per_callee: CallRate::default(),
            rate_per_display: CallRate::default(),
            connect_rate: ConnectRateRule::default(),
            call_time: CallTimeRule::default(),
        }
    }
}

impl CallRules {
    /// Windows of `hours` at most.
    pub const HOURS_MAX: usize = 32;

    /// What is wrong with them, for the operator.
    ///
    /// # Errors
    /// The setting that does not fit and what would.
    pub fn check(&self) -> Result<(), String> {
        if self.hours.len() > Self::HOURS_MAX {
            return Err(format!(
                "calls.hours has more than {} windows",
                Self::HOURS_MAX
            ));
        }
        self.connect_rate.check()?;
        self.call_time.check()
    }
}

/// What all calls of the node are allowed, of whichever application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlatformRules {
    /// The time zone of the days.
    pub utc_offset: UtcOffset,
    /// Calls of the whole node (7001).
    pub rate: CallRate,
    /// Calls of all applications of one account, the developer (7001).
    pub rate_per_account: CallRate,
    /// Calls by one caller, of all applications together (8047).
    pub rate_per_caller: CallRate,
    /// Calls to one callee, of all applications together (8048).
    pub rate_per_callee: CallRate,
}

/// Whether an application's calls are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// They are.
    #[default]
    Active,
    /// The operator has suspended the application (7106).
    Suspended,
    /// The account, the subscriber, is frozen (7108).
    Frozen,
}
