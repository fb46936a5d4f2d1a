//! What the status of an answer means for a text (SMPP 3.4 §5.1.3).

use rusmpp::CommandStatus;

/// Why a part was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The link is not bound, or was lost before the answer came: the part may have been taken.
    #[error("the link to the SMSC is not up")]
    NotBound,
    /// The SMSC does not take it at this moment.
    #[error("the SMSC does not take it at this moment (command_status {0:#010x})")]
    Later(u32),
    /// The SMSC will not take it.
    #[error("the SMSC refuses it (command_status {0:#010x})")]
    Refused(u32),
    /// It cannot be written in SMPP.
    #[error("it cannot be written as a short message")]
    Unwritable,
}

/// The SMSC asks to be left in peace for a moment.
pub(crate) fn is_throttling(status: CommandStatus) -> bool {
    matches!(
        status,
        CommandStatus::EsmeRthrottled | CommandStatus::EsmeRmsgqful
    )
}

/// An answer that is not `ESME_ROK` as an error.
pub(crate) fn error_of(status: CommandStatus) -> SubmitError {
    let value = u32::from(status);
    match status {
        CommandStatus::EsmeRthrottled
        | CommandStatus::EsmeRmsgqful
        | CommandStatus::EsmeRsyserr
        | CommandStatus::EsmeRinvbndsts
        | CommandStatus::EsmeRsubmitfail
        | CommandStatus::EsmeRxTAppn => SubmitError::Later(value),
        _ => SubmitError::Refused(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_and_what_does_not() {
        assert_eq!(
            error_of(CommandStatus::EsmeRthrottled),
            SubmitError::Later(0x58)
        );
        assert_eq!(
            error_of(CommandStatus::EsmeRsyserr),
            SubmitError::Later(0x08)
        );
        assert_eq!(
            error_of(CommandStatus::EsmeRinvdstadr),
            SubmitError::Refused(0x0b)
        );
        assert_eq!(
            error_of(CommandStatus::from(0x0400)),
            SubmitError::Refused(0x0400)
        );
        assert!(is_throttling(CommandStatus::EsmeRmsgqful));
        assert!(!is_throttling(CommandStatus::EsmeRsyserr));
    }
}
