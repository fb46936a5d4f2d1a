//! The one writer: a thread that takes what is waiting, runs it in one transaction, makes it durable, and only then
//! publishes and answers. An operation that fails is undone alone, by its savepoint.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axbridge_binding::{AppId, Ax, Axb, Axe, AxybX, AxybY, NumberInfo, SubscriptionId, Table};
use axbridge_numbering::Number;
use rusqlite::Connection;
use tokio::sync::{mpsc, watch};

use crate::choose::Candidates;
use crate::config::Clock;
use crate::error::StoreError;

/// A binding as calls see it.
#[derive(Debug)]
pub(crate) enum Bound {
    Axb(Axb),
    Ax(Ax),
    Axe(Axe),
    AxybX(AxybX),
    AxybY(AxybY),
}

impl Bound {
    /// Puts it in the table. Only the table's own bounds can refuse it (millions of distinct policies): the
    /// binding is kept and is served when there is room and it is written again.
    pub fn show(&self, table: &Table) -> bool {
        let (shown, subscription) = match self {
            Bound::Axb(axb) => (table.publish_axb(axb), axb.subscription),
            Bound::Ax(ax) => (table.publish_ax(ax), ax.subscription),
            Bound::Axe(axe) => (table.publish_axe(axe), axe.subscription),
            Bound::AxybX(part) => (table.publish_axyb_x(part), part.subscription),
            Bound::AxybY(part) => (table.publish_axyb_y(part), part.subscription),
        };
        if let Err(error) = &shown {
            tracing::error!(%error, %subscription, "a binding is not served");
        }
        shown.is_ok()
    }
}

/// What becomes visible to calls once the transaction is durable, in the order of the writes.
#[derive(Debug)]
pub(crate) enum Effect {
    Publish(Box<Bound>),
    Withdraw {
        x: Number,
        subscription: SubscriptionId,
    },
    /// The second part of an AXYB relation, by its own id.
    WithdrawY {
        x: Number,
        y: Number,
        id: SubscriptionId,
    },
    /// Whether A of the application's AX bindings reaches who called last.
    CallBack(AppId, bool),
    SetNumber(Number, NumberInfo),
    RemoveNumber(Number),
    /// Applications, trunks or prompts changed.
    Configuration,
    /// Something is to be delivered.
    Outbox,
}

/// What an operation may use while it runs.
pub(crate) struct Ctx<'a> {
    pub conn: &'a Connection,
    pub now_ms: u64,
    pub rng: &'a mut Rng,
    pub candidates: &'a mut Candidates,
    pub view: &'a mut Option<Arc<Table>>,
    effects: &'a mut Vec<Effect>,
}

impl Ctx<'_> {
    /// Says what calls must see after the commit.
    pub fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
}

/// One waiting operation.
pub(crate) trait Job: Send {
    /// Runs inside its savepoint; `false` undoes what it did.
    fn run(&mut self, ctx: &mut Ctx<'_>) -> bool;
    /// After the commit (`None`) or when nothing could be kept.
    fn finish(self: Box<Self>, failure: Option<StoreError>);
}

type Answer<T, E> = Box<dyn FnOnce(Result<T, E>) + Send>;

/// A job made of a closure and the place where its answer goes.
struct Closure<F, T, E> {
    op: Option<F>,
    result: Option<Result<T, E>>,
    answer: Answer<T, E>,
}

impl<F, T, E> Job for Closure<F, T, E>
where
    F: FnOnce(&mut Ctx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, ctx: &mut Ctx<'_>) -> bool {
        let Some(op) = self.op.take() else {
            return false;
        };
        let result = op(ctx);
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn finish(self: Box<Self>, failure: Option<StoreError>) {
        let this = *self;
        let result = match (failure, this.result) {
            // An operation that was refused says why, whatever became of the others.
            (_, Some(Err(error))) => Err(error),
            (Some(failure), _) => Err(failure.into()),
            (None, Some(ok)) => ok,
            (None, None) => Err(StoreError::Unavailable("the operation broke off".into()).into()),
        };
        (this.answer)(result);
    }
}

pub(crate) enum Message {
    Job(Box<dyn Job>),
    Stop,
}

/// The way in to the writer.
#[derive(Clone)]
pub(crate) struct WriterHandle {
    tx: mpsc::Sender<Message>,
}

impl WriterHandle {
    pub fn submit<F, T, E>(&self, op: F, answer: Answer<T, E>)
    where
        F: FnOnce(&mut Ctx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let job = Box::new(Closure {
            op: Some(op),
            result: None,
            answer,
        });
        // A full queue is answered at once: waiting longer would not make the disk faster.
        let refused = match self.tx.try_send(Message::Job(job)) {
            Ok(()) => return,
            Err(refused) => refused,
        };
        let error = match &refused {
            mpsc::error::TrySendError::Full(_) => StoreError::Overloaded(self.tx.max_capacity()),
            mpsc::error::TrySendError::Closed(_) => {
                StoreError::Unavailable("the store is closed".into())
            }
        };
        if let Message::Job(job) = refused.into_inner() {
            job.finish(Some(error));
        }
    }

    /// Runs an operation and waits for it; not for asynchronous callers.
    pub fn write_blocking<F, T, E>(&self, op: F) -> Result<T, E>
    where
        F: FnOnce(&mut Ctx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (tx, rx) = std::sync::mpsc::sync_channel(1);
        self.submit(op, Box::new(move |result| drop(tx.send(result))));
        rx.recv()
            .unwrap_or_else(|_| Err(StoreError::Unavailable("the store is closed".into()).into()))
    }

    /// Asks the thread to end after what is queued.
    pub fn stop_blocking(&self) {
        let mut message = Message::Stop;
        // The queue may be full: the thread empties it, so this ends.
        while let Err(mpsc::error::TrySendError::Full(back)) = self.tx.try_send(message) {
            message = back;
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

/// xorshift64*: only spreads bindings over numbers; nothing secret hangs on it.
#[derive(Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.word()) * bound as u128) >> 64) as usize
    }

    /// From 0 to the bound, which may come.
    pub fn up_to(&mut self, bound: u64) -> u64 {
        ((u128::from(self.word()) * (u128::from(bound) + 1)) >> 64) as u64
    }

    fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

pub(crate) struct WriterSetup {
    pub conn: Connection,
    pub queue: usize,
    pub batch_max: usize,
    pub clock: Clock,
    pub seed: u64,
    pub changes: watch::Sender<u64>,
    pub outbox_changes: watch::Sender<u64>,
}

struct Writer {
    conn: Connection,
    batch_max: usize,
    clock: Clock,
    rng: Rng,
    candidates: Candidates,
    view: Option<Arc<Table>>,
    changes: watch::Sender<u64>,
    outbox_changes: watch::Sender<u64>,
}

/// Starts the thread.
pub(crate) fn start(
    setup: WriterSetup,
) -> std::io::Result<(WriterHandle, std::thread::JoinHandle<()>)> {
    let (tx, mut rx) = mpsc::channel(setup.queue);
    let mut writer = Writer {
        conn: setup.conn,
        batch_max: setup.batch_max,
        clock: setup.clock,
        rng: Rng::new(setup.seed),
        candidates: Candidates::default(),
        view: None,
        changes: setup.changes,
        outbox_changes: setup.outbox_changes,
    };
    let thread = std::thread::Builder::new()
        .name("store-writer".into())
        .spawn(move || {
            let mut batch = Vec::new();
            while let Some(Message::Job(job)) = rx.blocking_recv() {
                batch.push(job);
                let mut stop = false;
                while batch.len() < writer.batch_max {
                    match rx.try_recv() {
                        Ok(Message::Job(job)) => batch.push(job),
                        Ok(Message::Stop) => {
                            stop = true;
                            break;
                        }
                        Err(_) => break,
                    }
                }
                writer.run_batch(&mut batch);
                if stop {
                    break;
                }
            }
        })?;
    Ok((WriterHandle { tx }, thread))
}

impl Writer {
    fn run_batch(&mut self, batch: &mut Vec<Box<dyn Job>>) {
        let mut effects = Vec::new();
        let failure = self.transact(batch, &mut effects).err();
        if let Some(error) = &failure {
            tracing::error!(%error, operations = batch.len(), "a batch of writes was lost");
            if !self.conn.is_autocommit() {
                let _ = self.conn.execute_batch("ROLLBACK");
            }
            self.candidates.undone();
        } else {
            self.apply(effects);
        }
        self.candidates.settled();
        for job in batch.drain(..) {
            job.finish(failure.clone());
        }
    }

    fn transact(
        &mut self,
        batch: &mut [Box<dyn Job>],
        effects: &mut Vec<Effect>,
    ) -> Result<(), StoreError> {
        let conn = &self.conn;
        conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        // Alone, an operation needs no savepoint: undoing it is undoing the transaction. A savepoint costs a copy of
        // every page that the operation changes, and a batch of facts changes hundreds.
        let alone = batch.len() == 1;
        for job in batch.iter_mut() {
            if !alone {
                conn.prepare_cached("SAVEPOINT op")?.execute([])?;
            }
            let mark = effects.len();
            let mut ctx = Ctx {
                conn,
                now_ms: (self.clock)(),
                rng: &mut self.rng,
                candidates: &mut self.candidates,
                view: &mut self.view,
                effects,
            };
            let keep = catch_unwind(AssertUnwindSafe(|| job.run(&mut ctx))).unwrap_or(false);
            if conn.is_autocommit() {
                // SQLite has rolled the whole transaction back by itself (disk full, I/O error).
                return Err(StoreError::Unavailable(
                    "the transaction was rolled back by the database".into(),
                ));
            }
            if !keep {
                effects.truncate(mark);
                self.candidates.undone();
                if alone {
                    conn.prepare_cached("ROLLBACK")?.execute([])?;
                    return Ok(());
                }
                conn.prepare_cached("ROLLBACK TO op")?.execute([])?;
            }
            if !alone {
                conn.prepare_cached("RELEASE op")?.execute([])?;
            }
        }
        conn.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    fn apply(&mut self, effects: Vec<Effect>) {
        let (mut configuration, mut outbox) = (false, false);
        for effect in effects {
            match effect {
                Effect::Configuration => configuration = true,
                Effect::Outbox => outbox = true,
                other => {
                    if let Some(table) = &self.view {
                        show(table, other);
                    }
                }
            }
        }
        if configuration {
            self.changes.send_modify(|version| *version += 1);
        }
        if outbox {
            self.outbox_changes.send_modify(|version| *version += 1);
        }
    }
}

fn show(table: &Table, effect: Effect) {
    match effect {
        Effect::Publish(bound) => {
            bound.show(table);
        }
        Effect::Withdraw { x, subscription } => {
            table.withdraw(x, subscription);
        }
        Effect::WithdrawY { x, y, id } => {
            table.withdraw_axyb_y(x, y, id);
        }
        Effect::CallBack(app, on) => table.set_call_back(app, on),
        Effect::SetNumber(x, info) => table.set_number(x, info),
        Effect::RemoveNumber(x) => {
            table.remove_number(x);
        }
        Effect::Configuration | Effect::Outbox => {}
    }
}
