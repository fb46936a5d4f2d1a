//! The shapes of texts in the store.

use axbridge_binding::AppId;
use axbridge_numbering::Number;
use axbridge_sms::join::Part;
use axbridge_sms::receipt::PartState;
use axbridge_sms::route::{Account, Step, Ticket};
use axbridge_sms::{SendResult, Text};

/// To whom a number X belongs, as far as texts are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextOwner {
    /// The application.
    pub app: AppId,
    /// How it stands.
    pub account: Account,
    /// Texts are switched on for the application and for this number.
    pub texts: bool,
}

/// A text to be kept.
#[derive(Clone, Debug)]
pub struct NewText {
    /// `smsIdentifier`, unique for ever.
    pub id: String,
    /// What is the same when the sender sends it again.
    pub origin: Option<String>,
    /// What is known of it.
    pub ticket: Ticket,
    /// What the sender wrote; none where that is not known (and nothing is to be done).
    pub written: Option<Text>,
    /// What is to be done first.
    pub step: Step,
    /// The parts that it was joined from; they are forgotten.
    pub joined: Option<LongText>,
}

/// A long text that is coming in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LongText {
    /// The link that it comes by.
    pub link: String,
    /// Who writes.
    pub sender: Number,
    /// X.
    pub x: Number,
    /// Tells texts of one sender to one X apart.
    pub reference: u16,
    /// Parts in all.
    pub total: u8,
}

/// What became of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartKept {
    /// It is kept; others are still to come.
    Waiting,
    /// Now all are here.
    Whole(Vec<Part>),
    /// So much waits already that it cannot be kept.
    Full,
}

/// Where a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextState {
    /// The customer is to be asked.
    Asks,
    /// It is to be sent.
    Sends,
    /// It was sent; receipts are to come.
    Waits,
    /// It is over.
    Over,
}

impl TextState {
    pub(crate) fn from_row(value: u8) -> TextState {
        match value {
            0 => TextState::Asks,
            1 => TextState::Sends,
            2 => TextState::Waits,
            _ => TextState::Over,
        }
    }

    pub(crate) fn to_row(self) -> u8 {
        match self {
            TextState::Asks => 0,
            TextState::Sends => 1,
            TextState::Waits => 2,
            TextState::Over => 3,
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            TextState::Asks => "asks",
            TextState::Sends => "sends",
            TextState::Waits => "waits",
            TextState::Over => "over",
        }
    }
}

/// A text of which something is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueText {
    /// `smsIdentifier`.
    pub id: String,
    /// What is known of it.
    pub ticket: Ticket,
    /// What the sender wrote.
    pub written: Text,
    /// What is to be done.
    pub state: DueState,
    /// Tries that failed.
    pub attempts: u32,
    /// When it was accepted, Unix milliseconds.
    pub accepted_ms: u64,
}

/// What is to be done with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DueState {
    /// Ask the customer.
    Ask,
    /// Send it.
    Send {
        /// To whom.
        receiver: Number,
        /// What they are to read.
        text: Text,
        /// Parts that were taken by the carrier already, from 1.
        sent: Vec<u8>,
    },
    /// No receipt has come in time.
    Unreported,
}

/// A part that a carrier has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentPart {
    /// Which one, from 1.
    pub number: u8,
    /// What the SMSC calls it in its receipts.
    pub remote: Option<String>,
    /// What is known of its fate.
    pub state: PartState,
}

/// Which texts to list.
#[derive(Clone, Debug, Default)]
pub struct TextFilter {
    /// Of this application.
    pub app: Option<AppId>,
    /// Through this X.
    pub x: Option<Number>,
}

/// A text without what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextRow {
    /// `smsIdentifier`.
    pub id: String,
    /// What is known of it.
    pub ticket: Ticket,
    /// Who reads it.
    pub receiver: Option<Number>,
    /// Where it stands.
    pub state: TextState,
    /// What became of it.
    pub result: Option<SendResult>,
    /// Parts sent, or to be sent.
    pub parts: u32,
    /// Tries that failed.
    pub attempts: u32,
    /// Unix milliseconds.
    pub accepted_ms: u64,
    /// Unix milliseconds.
    pub changed_ms: u64,
}
