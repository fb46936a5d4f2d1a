//! Every way a call can end (`ending`), and what each is called on the wire and in the record (`table`).
//!
//! Codes are those of the PrivateNumber appendix (hang-up causes, release points), Q.850 and SIP.

mod ending;
mod table;
#[cfg(test)]
mod tests;

pub use ending::{Bar, Ending};

/// What an ending is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Hang-up cause (`stateCode`).
    pub state_code: u32,
    /// Its text (`stateDesc`).
    pub state_desc: &'static str,
    /// Release point (`ulFailReason`).
    pub ul_fail_reason: u32,
    /// Q.850 cause told to both legs and, when the callee never answered, in the record.
    pub q850: u8,
    /// Status that the caller gets when it was not answered.
    pub sip_status: u16,
    /// 1 the caller released, 2 the callee; none: the platform.
    pub released_by: Option<u8>,
}

/// What the record says of a second leg that was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// `fwdUnaswRsn`: Q.850.
    pub q850: u16,
    /// `sipStatusCode`: what the callee's side said, otherwise what we told the caller.
    pub sip_status: u16,
}

impl Ending {
    /// The names of this ending.
    pub fn outcome(self) -> Outcome {
        table::row(self)
    }

    /// Every way a call can end; one status stands for all that a callee may say.
    pub fn every() -> impl Iterator<Item = Ending> {
        let busy = Ending::CalleeFailed {
            status: 486,
            ringing: true,
            q850: None,
        };
        table::ENDINGS.iter().copied().chain([busy])
    }

    /// What the record says when the second leg was begun and not answered.
    pub fn unanswered(self) -> Unanswered {
        let outcome = self.outcome();
        let sip_status = match self {
            Ending::CalleeFailed { status, .. } => status,
            _ => outcome.sip_status,
        };
        Unanswered {
            q850: u16::from(outcome.q850),
            sip_status,
        }
    }
}
