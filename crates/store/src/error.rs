//! What can go wrong, by who is to blame.

use axbridge_binding::NumberStatus;

/// The store could not do what was asked.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum StoreError {
    /// The database did not take the operation; nothing was written. Calls go on from memory.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Too many writes are waiting; nothing was written.
    #[error("the store is overloaded: {0} writes are waiting")]
    Overloaded(usize),
    /// No such thing.
    #[error("{0} does not exist")]
    NotFound(&'static str),
    /// A thing with that key exists already.
    #[error("{0} exists already")]
    AlreadyExists(&'static str),
    /// It cannot be removed or moved while other things refer to it.
    #[error("{0} is still in use")]
    InUse(&'static str),
    /// The caller gave something that cannot be kept.
    #[error("{0}")]
    Invalid(String),
    /// What was read from the disk cannot be right.
    #[error("the stored {0} is damaged")]
    Corrupt(&'static str),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::QueryReturnedNoRows => StoreError::NotFound("the record"),
            // Not the database's fault but that of what was given: trying again would not help.
            other
                if other.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) =>
            {
                StoreError::Invalid(other.to_string())
            }
            other => StoreError::Unavailable(other.to_string()),
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        StoreError::Unavailable(error.to_string())
    }
}

/// Why a binding operation was refused. The API turns these into its result codes: in each variant those of
/// AXB, or of the kind that is named; another kind may call the same thing otherwise (see below).
///
/// | | AXB | AX | AXE |
/// | --- | --- | --- | --- |
/// | `NumberNotOfApp` | 1012001 | 1011001, unbind 1011004 | 1016001 |
/// | `NotFound` | 1012007 | 1011004 | 1016001 |
/// | `NoNumber`, `Full` | 1012008 | 1011002 | 1012008 |
/// | `Bound` | 1012010 | 1011005 | 1016002 |
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum BindError {
    /// X is not a number of this application (1012001).
    #[error("the number X does not belong to the application")]
    NumberNotOfApp,
    /// No such binding of this application (1012007).
    #[error("the binding does not exist")]
    NotFound,
    /// No X of the application fits: area, status, parties or limit (1012008).
    #[error("no number X of the application is free for these parties")]
    NoNumber,
    /// The X that was named holds as many pairs as it may (1012008).
    #[error("the number X holds as many pairs as it may")]
    Full,
    /// A or B is bound on that X already (1012010).
    #[error("a party is bound on this number X already")]
    Bound,
    /// Recording was asked for while the application has it off (1012012).
    #[error("the application has recording switched off")]
    RecordingOff,
    /// X cannot take new bindings in this state (1012102).
    #[error("the number X is not in normal state")]
    NumberUnusable(NumberStatus),
    /// X has been bound as often today as it may be (1020182).
    #[error("the number X has been bound as often today as it may")]
    DailyBinds,
    /// A, B and X must be three numbers (1010002).
    #[error("A, B and X must be three different numbers")]
    SameParty,
    /// A has as many numbers X as it may (AX 1011003, AXYB).
    #[error("the party A has as many numbers X as it may")]
    TooManyNumbers,
    /// The extension is taken, or none is free (AXE 1020167).
    #[error("the extension is taken or none is free")]
    NoExtension,
    /// The extension has not as many digits as the application's have (AXE 1010002).
    #[error("an extension of this application has {0} digits")]
    ExtensionLength(u8),
    /// `bindExpiredTime` ends before `callbackExpiredTime` (AXE 1010002).
    #[error("the binding must not end before its callback records")]
    CallBackOutlives,
    /// The application works in another mode (1010040).
    #[error("the application works in another mode")]
    WrongMode,
    /// The application does not exist.
    #[error("the application does not exist")]
    NoApp,
    /// The store itself failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for BindError {
    fn from(error: rusqlite::Error) -> Self {
        BindError::Store(error.into())
    }
}
