//! Texts: what was accepted and is not yet over, in states that survive the process.
//!
//! A text is kept before its sender hears that it is; it is over when its notification is in the outbox, in one
//! transaction with the end. What was written is forgotten at that moment.

mod over;
mod parts;
mod receipts;
mod rows;
mod types;

use axbridge_numbering::Number;
use axbridge_sms::SendResult;
use axbridge_sms::join::{JoinLimits, Part};
use axbridge_sms::receipt::Receipt;
use axbridge_sms::route::{Step, Ticket};

pub(crate) use over::drop_old;
pub(crate) use parts::expire;
pub(crate) use receipts::drop_early;
pub use types::{
    DueState, DueText, LongText, NewText, PartKept, SentPart, TextFilter, TextOwner, TextRow,
    TextState,
};

use crate::Store;
use crate::error::StoreError;
use crate::settings::Page;

impl Store {
    /// To whom X belongs, and whether texts go through it; none when X is not a number of this platform.
    pub async fn text_owner(&self, x: Number) -> Result<Option<TextOwner>, StoreError> {
        self.read(move |conn| rows::owner(conn, x)).await
    }

    /// Keeps a text, with its first step. False when it is here already: the same `origin` came before.
    pub async fn text_accept(&self, text: NewText) -> Result<bool, StoreError> {
        self.write(move |ctx| {
            let new = rows::insert(ctx, &text)?;
            if let Some(long) = &text.joined {
                parts::forget(ctx.conn, long)?;
            }
            Ok(new)
        })
        .await
    }

    /// Keeps one part of a long text. The last one brings all of them; they stay until [`Store::text_accept`].
    pub async fn text_part(
        &self,
        long: LongText,
        part: Part,
        limits: JoinLimits,
    ) -> Result<PartKept, StoreError> {
        self.write(move |ctx| parts::keep(ctx, &long, &part, limits))
            .await
    }

    /// What is to be done now, the longest waiting first.
    pub async fn texts_due(&self, limit: u32) -> Result<Vec<DueText>, StoreError> {
        let now_ms = self.now_ms();
        self.read(move |conn| rows::due(conn, now_ms, limit)).await
    }

    /// When the next text is due; none when there is none.
    pub async fn texts_next_ms(&self) -> Result<Option<u64>, StoreError> {
        self.read(rows::next_due).await
    }

    /// The customer has said what becomes of a text.
    pub async fn text_answered(
        &self,
        id: String,
        ticket: Ticket,
        step: Step,
    ) -> Result<(), StoreError> {
        self.write(move |ctx| rows::answered(ctx, &id, &ticket, &step))
            .await
    }

    /// Parts of a text were taken by the carrier. They are not sent again.
    pub async fn text_parts_sent(
        &self,
        id: String,
        link: String,
        sent: Vec<SentPart>,
    ) -> Result<(), StoreError> {
        self.write(move |ctx| receipts::sent(ctx, &id, &link, &sent))
            .await
    }

    /// A text is to be tried again at `next_ms`.
    pub async fn text_later(&self, id: String, next_ms: u64) -> Result<(), StoreError> {
        self.write(move |ctx| rows::later(ctx, &id, next_ms)).await
    }

    /// Every part was sent, and receipts are to come until `until_ms`.
    pub async fn text_waits(
        &self,
        id: String,
        parts: u32,
        until_ms: u64,
    ) -> Result<(), StoreError> {
        self.write(move |ctx| {
            rows::waits(ctx, &id, parts, until_ms)?;
            receipts::settle(ctx, &id)
        })
        .await
    }

    /// A text is over: the customer will be told. `parts`: how many there were to send.
    pub async fn text_over(
        &self,
        id: String,
        result: SendResult,
        parts: u32,
    ) -> Result<(), StoreError> {
        self.write(move |ctx| over::end(ctx, &id, result, parts))
            .await
    }

    /// What an SMSC reports of a part. One that is not known (yet) is kept for a day.
    pub async fn text_receipt(&self, link: String, receipt: Receipt) -> Result<(), StoreError> {
        self.write(move |ctx| receipts::came(ctx, &link, &receipt))
            .await
    }

    /// No receipt has come in time: what was sent counts as what became of the text.
    pub async fn text_unreported(&self, id: String) -> Result<(), StoreError> {
        self.write(move |ctx| receipts::unreported(ctx, &id)).await
    }

    /// Texts of the last weeks without what was written, the newest first, a page (from 1) at a time.
    pub async fn texts(
        &self,
        filter: TextFilter,
        page: u32,
        page_size: u32,
    ) -> Result<Page<TextRow>, StoreError> {
        self.read(move |conn| rows::list(conn, &filter, page, page_size))
            .await
    }
}
