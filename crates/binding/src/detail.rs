//! What does not fit the entry of a binding of another kind than AXB, and what of it is learned or named anew
//! for the next call. Replaced whole: a reader has one state of it or the next.

use crate::beside::Kept;
use crate::kinds::{CallBack, Extension, Reached, Temporary};
use crate::types::SubscriptionId;
use axbridge_numbering::Number;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) enum Detail {
    Ax(AxDetail),
    Axe(AxeDetail),
    AxybX(AxybXDetail),
    AxybY(AxybYDetail),
}

#[derive(Debug)]
pub(crate) struct AxDetail {
    pub(crate) a: Number,
    pub(crate) show_caller: bool,
    pub(crate) turned_off: bool,
    pub(crate) temporary: Option<Temporary>,
    pub(crate) last_caller: Option<Number>,
    pub(crate) user_data: Option<Arc<str>>,
}

#[derive(Debug)]
pub(crate) struct AxeDetail {
    pub(crate) a: Number,
    pub(crate) extension: Extension,
    pub(crate) show_caller: bool,
    pub(crate) reached: Option<Reached>,
    pub(crate) otherwise: CallBack,
    pub(crate) user_data: Option<Arc<str>>,
}

#[derive(Debug)]
pub(crate) struct AxybXDetail {
    pub(crate) a: Number,
    pub(crate) user_data: Option<Arc<str>>,
}

/// One way of a second part: X to A, or Y to B.
#[derive(Debug)]
pub(crate) struct AxybYDetail {
    /// The relation's, which is not the part's own.
    pub(crate) subscription: SubscriptionId,
    pub(crate) callee: Number,
    /// The other private number of the two.
    pub(crate) display: Number,
    pub(crate) user_data: Option<Arc<str>>,
}

impl Kept for Arc<Detail> {
    fn bytes(&self) -> usize {
        let text = |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| text.len());
        let texts = match &**self {
            Detail::Ax(ax) => {
                let temporary = ax.temporary.as_ref().map_or(0, |t| text(&t.user_data));
                text(&ax.user_data) + temporary
            }
            Detail::Axe(axe) => {
                let tone = match &axe.otherwise {
                    CallBack::Tone(tone) => tone.len(),
                    CallBack::OfApplication | CallBack::Number(_) => 0,
                };
                text(&axe.user_data) + tone
            }
            Detail::AxybX(x) => text(&x.user_data),
            Detail::AxybY(y) => text(&y.user_data),
        };
        size_of::<Detail>() + texts
    }
}
