//! Texts on their way between the shards and who keeps them.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axbridge_binding::TrunkId;
use axbridge_call::{TextAnswer, TextIn, TextOut, TextOutcome, TextSent};
use axbridge_numbering::Number;
use tokio::sync::oneshot;

use crate::inbox::{Control, ShardPorts};

/// An answer on its way.
pub type Keeping = Pin<Box<dyn Future<Output = TextAnswer> + Send>>;

/// Who keeps the texts that come in.
pub trait TextDesk: Send + Sync + 'static {
    /// Begins to keep a text; [`TextAnswer::Kept`] only when it is on the disk. It is driven by the thread of a shard, so
    /// heavy work belongs elsewhere: give back something that only waits for it.
    fn keep(self: Arc<Self>, text: TextIn) -> Keeping;
}

/// A [`TextDesk`] as part of a configuration.
#[derive(Clone)]
pub struct TextDeskRef(pub Arc<dyn TextDesk>);

impl fmt::Debug for TextDeskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TextDeskRef")
    }
}

/// A text to be sent as MESSAGE. `Debug` shows neither the text nor to whom it goes.
#[derive(Clone)]
pub struct Written {
    /// The trunk that it leaves by.
    pub trunk: TrunkId,
    /// X: the only number that is shown.
    pub shown: Number,
    /// Who is to read it.
    pub receiver: Number,
    /// What is written.
    pub text: String,
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Written({:?}, {} bytes)", self.trunk, self.text.len())
    }
}

/// The texts of one shard.
pub(crate) struct Texting {
    desk: Option<TextDeskRef>,
    next: u64,
    waiting: HashMap<u64, oneshot::Sender<TextOutcome>>,
}

impl Texting {
    pub fn new(desk: Option<TextDeskRef>) -> Self {
        Texting {
            desk,
            next: 0,
            waiting: HashMap::new(),
        }
    }

    /// Has a text kept; the answer comes back to the shard as a [`Control::TextAnswer`]. Runs inside the shard's runtime.
    pub fn keep(&self, shard: usize, ports: &ShardPorts, text: TextIn) {
        let key = text.key;
        let keeping = self
            .desk
            .as_ref()
            .map(|desk| Arc::clone(&desk.0).keep(text));
        let ports = ports.clone();
        let wait = async move {
            let answer = match keeping {
                Some(keeping) => keeping.await,
                None => TextAnswer::Unavailable,
            };
            let outcome = match answer {
                TextAnswer::Kept => "kept",
                TextAnswer::Unavailable => "unavailable",
                _ => "refused",
            };
            metrics::counter!("axbridge_texts_in_total", "way" => "sip", "outcome" => outcome)
                .increment(1);
            ports.control(shard, Control::TextAnswer { key, answer });
        };
        tokio::spawn(wait);
    }

    /// A text is to be sent; who waits for its fate is remembered.
    pub fn begin(&mut self, text: Written, done: oneshot::Sender<TextOutcome>) -> TextOut {
        self.next += 1;
        self.waiting.insert(self.next, done);
        TextOut {
            id: self.next,
            trunk: text.trunk,
            shown: text.shown,
            receiver: text.receiver,
            text: text.text,
        }
    }

    /// What became of a text.
    pub fn sent(&mut self, sent: TextSent) {
        if let Some(done) = self.waiting.remove(&sent.id) {
            // Who asked may have gone.
            let _ = done.send(sent.outcome);
        }
    }
}
