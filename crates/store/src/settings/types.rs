//! The shapes of applications, numbers and prompt files.

use std::fmt;

use axbridge_binding::{AppId, NumberStatus, RouteKind, TrunkId};
use axbridge_call::{Blocked, CallRules, Party, PlatformRules, RecordLayout, Trunk};
use axbridge_numbering::Number;
use serde::{Deserialize, Serialize};

/// A shared secret. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for computing a digest.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The one mode an application works in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Mode {
    /// A and B through X, both known.
    #[default]
    Axb,
    /// A behind X for everybody.
    Ax,
    /// A behind X and an extension.
    Axe,
    /// A behind X, the stranger behind Y.
    Axyb,
    /// The customer is asked at each call.
    X,
}

impl From<Mode> for RouteKind {
    fn from(mode: Mode) -> RouteKind {
        match mode {
            Mode::Axb => RouteKind::Axb,
            Mode::Ax => RouteKind::Ax,
            Mode::Axe => RouteKind::Axe,
            Mode::Axyb => RouteKind::Axyb,
            Mode::X => RouteKind::X,
        }
    }
}

/// Whether an application may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AppStatus {
    /// In use.
    #[default]
    Active,
    /// Its key is refused (1010008) and its calls are too.
    Suspended,
    /// The account is frozen (1010029).
    Frozen,
}

/// How notifications to the customer are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotificationScheme {
    /// X-AKSK.
    #[default]
    Aksk,
    /// X-WSSE.
    Wsse,
}

/// How recordings are handed out when the request does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordingFormat {
    /// As recorded: 16-bit linear PCM.
    #[default]
    Pcm,
    /// A-law, as PrivateNumber delivers.
    Alaw,
}

/// Prompt files that refused callers hear; without one the call is refused at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RefusalPrompts {
    /// No call permission.
    pub no_permission: Option<String>,
    /// Service abnormal.
    pub service_abnormal: Option<String>,
    /// Binding does not exist.
    pub no_binding: Option<String>,
}

/// AXE: extensions and the menu.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AxeSettings {
    /// Digits of an extension, 1 to 4; for good once the application is made.
    pub extension_digits: u8,
    /// Extensions on one X at most; never more than the digits allow.
    pub extensions_max: u32,
    /// How often the caller is asked, 1 to 10.
    pub tries: u8,
    /// Seconds until the first digit.
    pub first_digit_s: u8,
    /// Seconds from one digit to the next.
    pub next_digit_s: u8,
    /// What callers hear.
    pub prompts: AxePrompts,
    /// Whom A reaches without a callback record, when the binding does not say. Goes before the prompt.
    pub call_back_number: Option<String>,
}

impl Default for AxeSettings {
    fn default() -> Self {
        Self {
            extension_digits: 4,
            extensions_max: 10_000,
            tries: 3,
            first_digit_s: 10,
            next_digit_s: 4,
            prompts: AxePrompts::default(),
            call_back_number: None,
        }
    }
}

/// Prompt files of the AXE menu.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AxePrompts {
    /// Asks for the extension.
    pub ask: Option<String>,
    /// A wrong extension, asks again; without it `ask`.
    pub wrong: Option<String>,
    /// A wrong extension, then the end.
    pub wrong_end: Option<String>,
    /// No extension, then the end; without it `wrong_end`.
    pub empty_end: Option<String>,
    /// The caller waits for A.
    pub waiting: Option<String>,
    /// Nobody to be called back, then the end, when the binding does not say.
    pub no_call_back: Option<String>,
}

/// Texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmsSettings {
    /// Texts pass through the numbers of the application (AXB, AX, X mode).
    pub enabled: bool,
    /// Receiver of notifications.
    pub notify_url: Option<String>,
    /// Who is asked (`Block`): in X mode of every text, in AX of those of A that name no receiver.
    pub control_url: Option<String>,
    /// What was written is told (`smsContent`).
    pub content: bool,
}

/// Everything else about an application. Each key has a default, so that an older document stays readable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppSettings {
    /// Recording may be asked for in a binding.
    pub recording: bool,
    /// How recordings are laid out.
    pub recording_layout: RecordLayout,
    /// How recordings are handed out.
    pub recording_format: RecordingFormat,
    /// Days that a recording is kept.
    pub recording_kept_days: u16,
    /// What refused callers hear.
    pub refusal_prompts: RefusalPrompts,
    /// Receiver of call events.
    pub call_status_url: Option<String>,
    /// X mode: who is asked about each call, when not the call status URL.
    pub callin_url: Option<String>,
    /// Receiver of call records.
    pub cdr_url: Option<String>,
    /// Call records also carry what the reference gives on request: `areaCode`, `callDuration`, `callRelDirection`.
    pub cdr_on_request: bool,
    /// Receiver of number status notices, when not the call status URL.
    pub number_status_url: Option<String>,
    /// Number status notices are sent.
    pub push_number_status: bool,
    /// How notifications are signed.
    pub notification_scheme: NotificationScheme,
    /// Addresses or networks that may use the key; empty: all.
    pub ip_allow_list: Vec<String>,
    /// How long the callee may ring, in seconds.
    pub answer_timeout_s: u16,
    /// Pairs on one X at most.
    pub axb_pairs_max: u32,
    /// AX, AXYB: numbers X of one A at most.
    pub numbers_per_a_max: u32,
    /// AX: A who calls X without a temporary callee reaches who called last.
    pub ax_call_back: bool,
    /// AXE: extensions and the menu.
    pub axe: AxeSettings,
    /// AXYB: relations of one Y at most.
    pub axyb_relations_max: u32,
    /// Texts.
    pub sms: SmsSettings,
    /// Requests per second.
    pub rate_per_s: u32,
    /// Requests at once.
    pub rate_burst: u32,
    /// What its calls are allowed: hours, kinds of numbers, frequency.
    pub calls: CallRules,
    /// Binds of one number X in a day of `calls.utc_offset`; 0 = no limit (1020182).
    pub binds_per_number_per_day: u32,
}

impl Default for AppSettings {
    fn default() -> Self {
        Self {
            recording: false,
            recording_layout: RecordLayout::Mono,
            recording_format: RecordingFormat::Pcm,
            recording_kept_days: 7,
            refusal_prompts: RefusalPrompts::default(),
            call_status_url: None,
            callin_url: None,
            cdr_url: None,
            cdr_on_request: false,
            number_status_url: None,
            push_number_status: false,
            notification_scheme: NotificationScheme::Aksk,
            ip_allow_list: Vec::new(),
            answer_timeout_s: 90,
            axb_pairs_max: 5_000,
            numbers_per_a_max: 5,
            ax_call_back: false,
            axe: AxeSettings::default(),
            axyb_relations_max: 1_000,
            sms: SmsSettings::default(),
            rate_per_s: 500,
            rate_burst: 1_000,
            calls: CallRules::default(),
            binds_per_number_per_day: 0,
        }
    }
}

/// An application to be made.
#[derive(Clone, Debug)]
pub struct NewApp {
    /// Its key, unique.
    pub key: String,
    /// Its secret.
    pub secret: Secret,
    /// The account, as call records name it.
    pub sp_id: String,
    /// The mode, for good.
    pub mode: Mode,
    /// Everything else.
    pub settings: AppSettings,
}

/// An application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct App {
    /// Its number; never 0 and never used again.
    #[serde(serialize_with = "app_number")]
    pub id: AppId,
    /// Its key.
    pub key: String,
    /// Its secret; not serialised.
    #[serde(skip)]
    pub secret: Secret,
    /// The account.
    pub sp_id: String,
    /// The mode.
    pub mode: Mode,
    /// Whether it may be used.
    pub status: AppStatus,
    /// Everything else.
    pub settings: AppSettings,
    /// Unix milliseconds.
    pub created_ms: u64,
    /// Unix milliseconds.
    pub changed_ms: u64,
}

fn app_number<S: serde::Serializer>(id: &AppId, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_u32(id.0)
}

/// A number X to be given to an application.
#[derive(Clone, Debug)]
pub struct NewNumber {
    /// X.
    pub x: Number,
    /// City code with the leading 0 (`0755`), when known.
    pub area: Option<String>,
    /// Province, when known: loose choice by A's home prefers it.
    pub province: Option<String>,
    /// The trunk that calls through it leave by.
    pub trunk: TrunkId,
}

/// A number X as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberRecord {
    /// X.
    pub x: Number,
    /// Its application.
    pub app: AppId,
    /// The mode of that application.
    pub mode: Mode,
    /// City code.
    pub area: Option<String>,
    /// Province.
    pub province: Option<String>,
    /// Whether it may be used.
    pub status: NumberStatus,
    /// Why it is unavailable (PrivateNumber `cause`).
    pub cause: Option<u8>,
    /// Its trunk.
    pub trunk: TrunkId,
    /// Texts pass through it, where the application has them switched on.
    pub texts: bool,
    /// Bindings on it (of AXYB: as X or as Y), expired ones that are not swept yet included.
    pub pairs: u32,
    /// Unix milliseconds.
    pub changed_ms: u64,
}

/// A change of a number; absent = unchanged.
#[derive(Clone, Debug, Default)]
pub struct NumberChange {
    /// New status.
    pub status: Option<NumberStatus>,
    /// Cause that goes with an unavailable number; set together with `status`.
    pub cause: Option<u8>,
    /// New trunk.
    pub trunk: Option<TrunkId>,
    /// New city code.
    pub area: Option<String>,
    /// New province.
    pub province: Option<String>,
    /// Whether texts pass through it.
    pub texts: Option<bool>,
}

/// Which numbers to list.
#[derive(Clone, Debug, Default)]
pub struct NumberFilter {
    /// Of this application.
    pub app: Option<AppId>,
    /// Of this city.
    pub area: Option<String>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Items on all pages.
    pub total: u64,
}

/// Where numbers with a prefix are at home; loaded by the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberArea {
    /// Leading digits without plus, country code included: `86139000`.
    pub prefix: String,
    /// City code with the leading 0.
    pub area: String,
    /// Province.
    #[serde(default)]
    pub province: Option<String>,
}

/// Which blocked numbers to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct BlockedFilter {
    /// Of this application; 0: those that hold for all.
    pub app: Option<AppId>,
    /// On this side.
    pub party: Option<Party>,
}

/// A blocked number and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockedRecord {
    /// The entry.
    pub blocked: Blocked,
    /// Unix milliseconds.
    pub added_ms: u64,
}

/// The review state of a prompt file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptState {
    /// Waits for an operator.
    #[default]
    ToReview,
    /// May be used.
    Passed,
    /// May not be used.
    Rejected,
}

/// A prompt file, without its audio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptFile {
    /// Its application.
    pub app: AppId,
    /// File name.
    pub name: String,
    /// Review state.
    pub state: PromptState,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// Size of the file.
    pub bytes: u64,
    /// Changes whenever the audio does: what was decoded under the same version can be kept.
    pub version: u64,
    /// Unix milliseconds.
    pub changed_ms: u64,
}

/// Everything that calls look up besides bindings and numbers, as of one commit.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// All applications.
    pub apps: Vec<App>,
    /// All trunks.
    pub trunks: Vec<Trunk>,
    /// What all calls are allowed.
    pub rules: PlatformRules,
    /// Numbers that may not call or be called.
    pub blocked: Vec<Blocked>,
    /// All prompt files that passed; audio by [`crate::Store::prompt_wav`].
    pub prompts: Vec<PromptFile>,
}
