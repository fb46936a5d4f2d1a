//! What an operator sets: applications, numbers, trunks, prompt files.

mod apps;
mod numbers;
mod platform;
mod prompts;
mod trunks;
mod types;

pub use platform::BLOCKED_MAX;
pub use types::{
    App, AppSettings, AppStatus, AxePrompts, AxeSettings, BlockedFilter, BlockedRecord,
    Configuration, Mode, NewApp, NewNumber, NotificationScheme, NumberArea, NumberChange,
    NumberFilter, NumberRecord, Page, PromptFile, PromptState, RecordingFormat, RefusalPrompts,
    Secret, SmsSettings,
};

pub(crate) use apps::{AppLimits, calling_back, limits as app_limits};
pub(crate) use numbers::{find as find_number, for_each as for_each_number};
