//! One session with the SMSC, from the bind to the end of the connection.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rusmpp::pdus::{DeliverSmResp, SubmitSmResp};
use rusmpp::types::COctetString;
use rusmpp::{Command, CommandId, CommandStatus, Pdu};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep_until, timeout};

use crate::config::LinkConfig;
use crate::link::Asked;
use crate::pdu::{self, Came, PDU_MAX, PDU_MIN};
use crate::status::{SubmitError, error_of, is_throttling};

/// Texts that are being kept at once; meanwhile nothing more is read.
const KEEPING_MAX: usize = 64;
/// The pause after the SMSC has asked for one; doubled up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// What is answered to a text that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is kept and will be seen to.
    Kept,
    /// It will not be carried; the SMSC is not to bring it again.
    Refused,
    /// X is not a number of this platform.
    UnknownNumber,
    /// It is too long.
    TooLong,
    /// It cannot be kept at this moment; the SMSC may bring it again.
    Unavailable,
}

impl Kept {
    fn status(self) -> CommandStatus {
        match self {
            Kept::Kept => CommandStatus::EsmeRok,
            Kept::Refused => CommandStatus::EsmeRxPAppn,
            Kept::UnknownNumber => CommandStatus::EsmeRinvdstadr,
            Kept::TooLong => CommandStatus::EsmeRinvmsglen,
            Kept::Unavailable => CommandStatus::EsmeRxTAppn,
        }
    }
}

/// An answer on its way.
pub type Keeping = Pin<Box<dyn Future<Output = Kept> + Send>>;

/// Who keeps what an SMSC brings.
pub trait Desk: Send + Sync + 'static {
    /// Keeps a text or a receipt; [`Kept::Kept`] only when it is on the disk.
    fn keep(self: Arc<Self>, link: &str, came: Came) -> Keeping;
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error(
        "the SMSC refuses the bind (command_status {0:#010x}); check system_id, password and system_type"
    )]
    BindRefused(u32),
    #[error("the SMSC does not answer")]
    Silent,
    #[error("the SMSC ends the session")]
    Unbound,
    #[error("what the SMSC sends is not SMPP")]
    Garbled,
    #[error("the fields of the bind do not fit")]
    Misconfigured,
}

/// A part that waits for its answer.
struct Open {
    done: oneshot::Sender<Result<String, SubmitError>>,
    deadline: Instant,
}

/// A bound session.
pub(crate) struct Session<'a> {
    config: &'a LinkConfig,
    desk: &'a Arc<dyn Desk>,
    writer: OwnedWriteHalf,
    frames: mpsc::Receiver<Result<Vec<u8>, Lost>>,
    sequence: u32,
    open: HashMap<u32, Open>,
    keeping: JoinSet<(u32, CommandStatus)>,
    heard_at: Instant,
    /// An `enquire_link` that waits for its answer since then.
    enquired_at: Option<Instant>,
    /// Nothing is sent before.
    rest_until: Instant,
    pause: Duration,
    credit: u32,
}

/// Binds on a fresh connection.
pub(crate) async fn bind<'a>(
    config: &'a LinkConfig,
    desk: &'a Arc<dyn Desk>,
    stream: TcpStream,
    readers: &mut JoinSet<()>,
) -> Result<Session<'a>, Lost> {
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    // One at a time: a full place means that nothing is read from the SMSC.
    let (frames_in, frames) = mpsc::channel(1);
    readers.spawn(read_frames(reader, frames_in));
    let now = Instant::now();
    let mut session = Session {
        config,
        desk,
        writer,
        frames,
        sequence: 0,
        open: HashMap::new(),
        keeping: JoinSet::new(),
        heard_at: now,
        enquired_at: None,
        rest_until: now,
        pause: PAUSE,
        credit: 0,
    };
    let request = pdu::bind(config).ok_or(Lost::Misconfigured)?;
    session.request(request).await?;
    let limit = session.response_limit();
    let answer = timeout(limit, session.frames.recv()).await;
    let frame = answer.map_err(|_| Lost::Silent)?.ok_or(Lost::Unbound)??;
    let command = pdu::decode(&frame).map_err(|_| Lost::Garbled)?;
    match (command.id(), command.status()) {
        (CommandId::BindTransceiverResp, CommandStatus::EsmeRok) => Ok(session),
        (CommandId::BindTransceiverResp | CommandId::GenericNack, status) => {
            Err(Lost::BindRefused(status.into()))
        }
        _ => Err(Lost::Garbled),
    }
}

/// Hands on one PDU after the other, without their lengths.
async fn read_frames(mut reader: OwnedReadHalf, frames: mpsc::Sender<Result<Vec<u8>, Lost>>) {
    loop {
        let frame = read_frame(&mut reader).await;
        let ended = frame.is_err();
        if frames.send(frame).await.is_err() || ended {
            return;
        }
    }
}

async fn read_frame(reader: &mut OwnedReadHalf) -> Result<Vec<u8>, Lost> {
    let length = reader.read_u32().await? as usize;
    if !(PDU_MIN..=PDU_MAX).contains(&length) {
        return Err(Lost::Garbled);
    }
    let mut frame = vec![0; length - 4];
    reader.read_exact(&mut frame).await?;
    Ok(frame)
}

impl Session<'_> {
    /// Works until the session is over. Parts without an answer are told so.
    pub async fn work(
        mut self,
        asked: &mut mpsc::Receiver<Asked>,
        stop: impl Future<Output = ()>,
    ) -> Lost {
        tokio::pin!(stop);
        let mut tick = interval(Duration::from_millis(100));
        let lost = loop {
            let may_send = self.may_send();
            let may_read = self.keeping.len() < KEEPING_MAX;
            let next = tokio::select! {
                () = &mut stop => break self.leave().await,
                frame = self.frames.recv(), if may_read => match frame {
                    Some(Ok(frame)) => self.came(&frame).await,
                    Some(Err(lost)) => Err(lost),
                    None => Err(Lost::Unbound),
                },
                Some(part) = asked.recv(), if may_send => self.submit(part).await,
                Some(kept) = self.keeping.join_next(), if !self.keeping.is_empty() => self.kept(kept).await,
                _ = tick.tick() => self.tick().await,
            };
            if let Err(lost) = next {
                break lost;
            }
        };
        for (_, open) in self.open.drain() {
            let _ = open.done.send(Err(SubmitError::NotBound));
        }
        lost
    }

    fn response_limit(&self) -> Duration {
        Duration::from_secs(self.config.response_s.into())
    }

    fn may_send(&self) -> bool {
        self.credit > 0
            && self.open.len() < usize::from(self.config.window)
            && self.rest_until <= Instant::now()
    }

    async fn request(&mut self, pdu: impl Into<Pdu>) -> Result<u32, Lost> {
        // 1 to 0x7fffffff (§3.2).
        self.sequence = self.sequence % 0x7fff_ffff + 1;
        let sequence = self.sequence;
        self.write(&Command::new(CommandStatus::EsmeRok, sequence, pdu))
            .await?;
        Ok(sequence)
    }

    async fn write(&mut self, command: &Command) -> Result<(), Lost> {
        let octets = pdu::encode(command);
        let limit = self.response_limit();
        match timeout(limit, self.writer.write_all(&octets)).await {
            Ok(written) => Ok(written?),
            Err(_) => Err(Lost::Silent),
        }
    }

    async fn submit(&mut self, part: Asked) -> Result<(), Lost> {
        let Some(request) = pdu::submit(self.config, &part.submission) else {
            let _ = part.done.send(Err(SubmitError::Unwritable));
            return Ok(());
        };
        self.credit -= 1;
        let sequence = match self.request(request).await {
            Ok(sequence) => sequence,
            Err(lost) => {
                let _ = part.done.send(Err(SubmitError::NotBound));
                return Err(lost);
            }
        };
        let open = Open {
            done: part.done,
            deadline: Instant::now() + self.response_limit(),
        };
        self.open.insert(sequence, open);
        Ok(())
    }

    async fn came(&mut self, frame: &[u8]) -> Result<(), Lost> {
        self.heard_at = Instant::now();
        let command = match pdu::decode(frame) {
            Ok(command) => command,
            Err(unreadable) => {
                metrics::counter!("axbridge_smpp_unreadable_total").increment(1);
                return self
                    .write(&Command::new(
                        unreadable.status,
                        unreadable.sequence,
                        Pdu::GenericNack,
                    ))
                    .await;
            }
        };
        let sequence = command.sequence_number();
        let respond = |pdu: Pdu| Command::new(CommandStatus::EsmeRok, sequence, pdu);
        match command.pdu() {
            Some(Pdu::EnquireLink) => self.write(&respond(Pdu::EnquireLinkResp)).await,
            Some(Pdu::Unbind) => {
                self.write(&respond(Pdu::UnbindResp)).await?;
                Err(Lost::Unbound)
            }
            Some(Pdu::DeliverSm(delivered)) => match pdu::read(self.config, delivered) {
                Ok(came) => {
                    self.keep(sequence, came);
                    Ok(())
                }
                Err(status) => self.answer(sequence, status).await,
            },
            _ => self.answered(&command).await,
        }
    }

    /// An answer to something of ours; requests that no ESME serves are refused.
    async fn answered(&mut self, command: &Command) -> Result<(), Lost> {
        let sequence = command.sequence_number();
        match command.id() {
            CommandId::EnquireLinkResp => {
                self.enquired_at = None;
                Ok(())
            }
            CommandId::SubmitSmResp | CommandId::GenericNack => {
                let Some(open) = self.open.remove(&sequence) else {
                    return Ok(());
                };
                let status = command.status();
                if is_throttling(status) {
                    self.rest_until = Instant::now() + self.pause;
                    self.pause = (self.pause * 2).min(PAUSE_MAX);
                } else {
                    self.pause = PAUSE;
                }
                let result = match (status, command.pdu()) {
                    (CommandStatus::EsmeRok, Some(Pdu::SubmitSmResp(taken))) => Ok(id_of(taken)),
                    (CommandStatus::EsmeRok, _) => Ok(String::new()),
                    (status, _) => Err(error_of(status)),
                };
                let _ = open.done.send(result);
                Ok(())
            }
            id if u32::from(id) & 0x8000_0000 != 0 => Ok(()),
            _ => {
                let refusal =
                    Command::new(CommandStatus::EsmeRinvcmdid, sequence, Pdu::GenericNack);
                self.write(&refusal).await
            }
        }
    }

    fn keep(&mut self, sequence: u32, came: Came) {
        let keeping = Arc::clone(self.desk).keep(&self.config.name, came);
        self.keeping
            .spawn(async move { (sequence, keeping.await.status()) });
    }

    async fn kept(
        &mut self,
        kept: Result<(u32, CommandStatus), tokio::task::JoinError>,
    ) -> Result<(), Lost> {
        match kept {
            Ok((sequence, status)) => self.answer(sequence, status).await,
            // It broke off: without an answer the SMSC brings it again.
            Err(_) => Ok(()),
        }
    }

    async fn answer(&mut self, sequence: u32, status: CommandStatus) -> Result<(), Lost> {
        let response = DeliverSmResp::new(COctetString::empty(), Vec::new());
        self.write(&Command::new(status, sequence, response)).await
    }

    /// Ten times a second: new credit, answers that are late, a silent SMSC.
    async fn tick(&mut self) -> Result<(), Lost> {
        let now = Instant::now();
        let per_tick = self.config.throughput_per_s.div_ceil(10);
        // No more than a tick's worth is saved up: a second never sees more than was granted, and one tick.
        self.credit = per_tick;
        let late: Vec<u32> = self
            .open
            .iter()
            .filter(|(_, open)| open.deadline <= now)
            .map(|(sequence, _)| *sequence)
            .collect();
        for sequence in late {
            if let Some(open) = self.open.remove(&sequence) {
                let _ = open.done.send(Err(SubmitError::NotBound));
            }
        }
        match self.enquired_at {
            Some(at) if now.duration_since(at) > self.response_limit() => Err(Lost::Silent),
            Some(_) => Ok(()),
            None if now.duration_since(self.heard_at)
                > Duration::from_secs(self.config.enquire_link_s.into()) =>
            {
                self.enquired_at = Some(now);
                self.request(Pdu::EnquireLink).await.map(drop)
            }
            None => Ok(()),
        }
    }

    /// Says goodbye: what is being kept is answered first, answers to what was sent are waited for.
    async fn leave(&mut self) -> Lost {
        let until = Instant::now() + self.response_limit();
        while !(self.keeping.is_empty() && self.open.is_empty()) {
            let next = tokio::select! {
                () = sleep_until(until) => break,
                frame = self.frames.recv() => match frame {
                    Some(Ok(frame)) => self.came(&frame).await,
                    Some(Err(lost)) => Err(lost),
                    None => Err(Lost::Unbound),
                },
                Some(kept) = self.keeping.join_next(), if !self.keeping.is_empty() => self.kept(kept).await,
            };
            if let Err(lost) = next {
                return lost;
            }
        }
        if self.request(Pdu::Unbind).await.is_ok() {
            // The answer, or the end of the connection, or patience.
            let _ = timeout(Duration::from_secs(1), self.frames.recv()).await;
        }
        Lost::Unbound
    }
}

fn id_of(taken: &SubmitSmResp) -> String {
    pdu::message_id(taken.message_id().as_ref()).unwrap_or_default()
}
