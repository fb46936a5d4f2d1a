//! Two simulated phones behind their carriers. They know nothing of the platform's call logic: they write SIP from
//! templates and do what a phone does.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use axbridge_sip::{Message, Method, Name};
use bytes::Bytes;
use tokio::sync::mpsc;

use super::audio::{Audio, Heard};
use super::identity::Identity;
use super::scribe::Scribe;
use super::wire::{Wire, media_address, word};

/// How long the callee lets it ring: the pre-call prompt is heard whole, and then ring-back.
pub const RINGING: Duration = Duration::from_millis(2_500);
/// How long after the INVITE it begins to ring.
const BEFORE_RINGING: Duration = Duration::from_millis(60);

/// What a phone knows of a call that is over.
pub struct Talk {
    /// Every signalling datagram that came.
    pub datagrams: Vec<Bytes>,
    /// The INVITE that came (callee), or the answer to ours (caller).
    pub first: Message,
    /// The audio that came.
    pub heard: Heard,
    /// When the call was answered: 200 sent (callee) or received (caller).
    pub answered: Instant,
    /// When the BYE came.
    pub ended: Instant,
    /// Our addresses in this call.
    pub addresses: [SocketAddr; 2],
    /// Call-ID and tag that we made for this call.
    pub words: Vec<String>,
}

/// What both phones have.
pub struct Phone {
    wire: Wire,
    identity: Identity,
}

impl Phone {
    /// A phone of this subscriber, at its carrier's address.
    pub async fn open(
        identity: Identity,
        ip: IpAddr,
        platform: SocketAddr,
        scribe: Scribe,
    ) -> Result<Phone> {
        Ok(Phone {
            wire: Wire::open(identity.party, ip, platform, scribe).await?,
            identity,
        })
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Its carrier's signalling address.
    pub fn address(&self) -> SocketAddr {
        self.wire.local()
    }

    fn contact(&self) -> String {
        format!("<sip:{}@{}>", self.identity.canary, self.wire.local())
    }

    /// The answer to `request`: what RFC 3261 §8.2.6 copies, and what a phone adds.
    fn response(
        &self,
        request: &Message,
        status: &str,
        to_tag: &str,
        sdp: Option<String>,
    ) -> String {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for (name, header) in [(Name::Via, "Via"), (Name::RecordRoute, "Record-Route")] {
            for value in request.headers(name) {
                let _ = write!(text, "{header}: {}\r\n", String::from_utf8_lossy(value));
            }
        }
        let value =
            |name| String::from_utf8_lossy(request.header(name).unwrap_or_default()).into_owned();
        let tag = match request.to().tag() {
            None if !to_tag.is_empty() => format!(";tag={to_tag}"),
            _ => String::new(),
        };
        let _ = write!(
            text,
            "From: {}\r\nTo: {}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: {}\r\nServer: {}\r\nAllow: {ALLOW}\r\n{}",
            value(Name::From),
            value(Name::To),
            value(Name::CallId),
            value(Name::CSeq),
            self.contact(),
            self.identity.canary,
            self.identity.betraying_headers(),
        );
        with_body(text, sdp)
    }

    /// Answers a request inside a call. True when it was a BYE.
    async fn inside(&self, request: &Message, tag: &str, audio: Option<&Audio>) -> Result<bool> {
        let (status, body) = match request.cseq_method() {
            Method::Ack => return Ok(false),
            Method::Invite | Method::Update if !request.body().is_empty() => {
                ("200 OK", audio.map(|a| self.identity.sdp(a.local())))
            }
            Method::Bye | Method::Update | Method::Options | Method::Info => ("200 OK", None),
            _ => ("405 Method Not Allowed", None),
        };
        self.wire
            .send(self.response(request, status, tag, body))
            .await?;
        Ok(*request.cseq_method() == Method::Bye)
    }

    /// Asks the platform whether it is there, until it says that it knows us.
    pub async fn knock(&self, patience: Duration) -> Result<()> {
        let until = tokio::time::Instant::now() + patience;
        while tokio::time::Instant::now() < until {
            self.wire.send(self.options()).await?;
            let answer =
                tokio::time::timeout(Duration::from_millis(250), self.wire.receive()).await;
            if matches!(answer, Ok(Ok(ref r)) if r.message.status() == Some(200)) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!(
            "the platform does not answer OPTIONS of carrier {}",
            self.identity.party.letter()
        )
    }

    fn options(&self) -> String {
        let local = self.wire.local();
        let text = format!(
            "OPTIONS sip:{platform} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{local}>;tag={}\r\nTo: <sip:{platform}>\r\nCall-ID: {}\r\nCSeq: 1 OPTIONS\r\n",
            word(),
            word(),
            word(),
            platform = self.wire.platform(),
        );
        with_body(text, None)
    }
}

const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO";

fn with_body(mut head: String, sdp: Option<String>) -> String {
    let body = sdp.unwrap_or_default();
    if !body.is_empty() {
        head.push_str("Content-Type: application/sdp\r\n");
    }
    let _ = write!(head, "Content-Length: {}\r\n\r\n{body}", body.len());
    head
}

/// The state of a call that we made.
struct Outgoing {
    call_id: String,
    tag: String,
    from: String,
    /// With the tag, once there is one.
    to: String,
    /// Where requests go.
    target: String,
    cseq: u32,
    invite_branch: String,
    request_uri: String,
    last_rseq: Option<u32>,
}

impl Outgoing {
    fn request(
        &self,
        method: &str,
        cseq: u32,
        branch: &str,
        local: SocketAddr,
        more: &str,
    ) -> String {
        let uri = match method {
            "INVITE" => &self.request_uri,
            _ => &self.target,
        };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch={branch};rport\r\nMax-Forwards: 70\r\n\
             From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {}\r\n{more}",
            self.from, self.to, self.call_id, method,
        )
    }

    /// What a response tells about the dialog.
    fn learn(&mut self, response: &Message) {
        if response.to().tag().is_some() {
            self.to =
                String::from_utf8_lossy(response.header(Name::To).unwrap_or_default()).into_owned();
        }
        if let Some(contact) = response.contact() {
            self.target = String::from_utf8_lossy(contact.uri().raw()).into_owned();
        }
    }
}

impl Phone {
    /// Calls `x` and talks until the other side ends the call.
    pub async fn call(self: Arc<Self>, x: String, longest: Duration) -> Result<Talk> {
        let mut audio = Audio::open(self.wire.local().ip()).await?;
        self.wire.take_tape();
        let mut call = self.outgoing(&x);
        self.wire.send(self.invite(&call, &audio)).await?;
        let talk = self.conduct(&mut call, &mut audio);
        let ended = tokio::time::timeout(longest, talk)
            .await
            .context("the call did not end in time")?;
        let (first, answered, ended) = ended?;
        Ok(Talk {
            datagrams: self.wire.take_tape(),
            first,
            heard: audio.heard(),
            answered,
            ended,
            addresses: [self.wire.local(), audio.local()],
            words: vec![
                call.call_id.clone(),
                call.tag.clone(),
                call.invite_branch.clone(),
            ],
        })
    }

    fn outgoing(&self, x: &str) -> Outgoing {
        let (platform, canary) = (self.wire.platform(), &self.identity.canary);
        let request_uri = format!("sip:{x}@{platform};user=phone");
        let tag = word();
        Outgoing {
            call_id: format!("{}@{canary}.invalid", word()),
            from: format!(
                "\"{canary}\" <sip:{}@{canary}.invalid;user=phone>;tag={tag}",
                self.identity.number.to_global()
            ),
            tag,
            to: format!("<{request_uri}>"),
            target: request_uri.clone(),
            cseq: 1,
            invite_branch: format!("z9hG4bK{}", word()),
            request_uri,
            last_rseq: None,
        }
    }

    fn invite(&self, call: &Outgoing, audio: &Audio) -> String {
        let more = format!(
            "Contact: {}\r\nUser-Agent: {}\r\nAllow: {ALLOW}\r\nSupported: 100rel\r\n{}",
            self.contact(),
            self.identity.canary,
            self.identity.betraying_headers()
        );
        let head = call.request(
            "INVITE",
            call.cseq,
            &call.invite_branch,
            self.wire.local(),
            &more,
        );
        with_body(head, Some(self.identity.sdp(audio.local())))
    }

    async fn conduct(
        &self,
        call: &mut Outgoing,
        audio: &mut Audio,
    ) -> Result<(Message, Instant, Instant)> {
        let invite_cseq = call.cseq;
        let mut answer: Option<(Message, Instant)> = None;
        loop {
            let received = self.wire.receive().await?;
            let message = received.message;
            if message.call_id() != call.call_id.as_bytes() {
                continue;
            }
            let Some(status) = message.status() else {
                let over = self.inside(&message, "", Some(audio)).await?;
                if let (true, Some((first, answered))) = (over, answer.clone()) {
                    return Ok((first, answered, received.at));
                }
                continue;
            };
            if *message.cseq_method() != Method::Invite {
                continue;
            }
            call.learn(&message);
            if let Some(remote) = media_address(&message.body()) {
                audio.connect(remote);
            }
            match status {
                101..=199 => self.acknowledge_provisional(call, &message).await?,
                200..=299 => {
                    let branch = format!("z9hG4bK{}", word());
                    let ack = call.request("ACK", invite_cseq, &branch, self.wire.local(), "");
                    self.wire.send(with_body(ack, None)).await?;
                    audio.speak(&self.identity);
                    answer.get_or_insert((message, received.at));
                }
                300.. => {
                    // Same branch, same Request-URI as the INVITE (RFC 3261 §17.1.1.3).
                    call.target = call.request_uri.clone();
                    let ack = call.request(
                        "ACK",
                        invite_cseq,
                        &call.invite_branch.clone(),
                        self.wire.local(),
                        "",
                    );
                    self.wire.send(with_body(ack, None)).await?;
                    bail!("the call was refused with {status}");
                }
                _ => {}
            }
        }
    }

    /// PRACK, where the response asks for it (RFC 3262).
    async fn acknowledge_provisional(&self, call: &mut Outgoing, response: &Message) -> Result<()> {
        let Some(rseq) = response.rseq().filter(|_| response.requires("100rel")) else {
            return Ok(());
        };
        if call.last_rseq.is_some_and(|last| rseq <= last) {
            return Ok(());
        }
        call.last_rseq = Some(rseq);
        let invite_cseq = response.cseq().seq;
        call.cseq += 1;
        let branch = format!("z9hG4bK{}", word());
        let rack = format!("RAck: {rseq} {invite_cseq} INVITE\r\n");
        let prack = call.request("PRACK", call.cseq, &branch, self.wire.local(), &rack);
        self.wire.send(with_body(prack, None)).await
    }
}

/// The state of a call that came in.
struct Incoming {
    invite: Message,
    tag: String,
    audio: Audio,
    stage: Stage,
    answered: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    RingAt(tokio::time::Instant),
    AnswerAt(tokio::time::Instant),
    Talking,
}

impl Phone {
    /// Answers one call after the other and hands over what it knows of each that was answered.
    pub async fn answer_calls(self: Arc<Self>, talks: mpsc::UnboundedSender<Talk>) -> Result<()> {
        let mut call: Option<Incoming> = None;
        loop {
            let next = call.as_ref().and_then(|c| match c.stage {
                Stage::RingAt(at) | Stage::AnswerAt(at) => Some(at),
                Stage::Talking => None,
            });
            let due = tokio::time::sleep_until(next.unwrap_or_else(tokio::time::Instant::now));
            tokio::select! {
                received = self.wire.receive() => {
                    let received = received?;
                    if self.take(&mut call, &received.message).await?
                        && let Some(talk) = call.take().and_then(|c| self.over(c, received.at))
                    {
                        let _ = talks.send(talk);
                    }
                }
                () = due, if next.is_some() => {
                    if let Some(call) = &mut call {
                        self.advance(call).await?;
                    }
                }
            }
        }
    }

    /// One message. True when it ended the call.
    async fn take(&self, call: &mut Option<Incoming>, message: &Message) -> Result<bool> {
        if !message.is_request() {
            return Ok(false);
        }
        if message.to().tag().is_none() && *message.cseq_method() == Method::Invite {
            return self.ring(call, message).await.map(|()| false);
        }
        let Some(current) = call
            .as_mut()
            .filter(|c| c.invite.call_id() == message.call_id())
        else {
            let status = match message.cseq_method() {
                Method::Ack => return Ok(false),
                Method::Options => "200 OK",
                _ => "481 Call/Transaction Does Not Exist",
            };
            self.wire
                .send(self.response(message, status, &word(), None))
                .await?;
            return Ok(false);
        };
        match message.cseq_method() {
            Method::Ack => {
                current.audio.speak(&self.identity);
                Ok(false)
            }
            Method::Cancel => {
                self.wire
                    .send(self.response(message, "200 OK", &current.tag, None))
                    .await?;
                let gone = self.response(
                    &current.invite,
                    "487 Request Terminated",
                    &current.tag,
                    None,
                );
                self.wire.send(gone).await?;
                Ok(true)
            }
            _ => {
                self.inside(message, &current.tag, Some(&current.audio))
                    .await
            }
        }
    }

    async fn ring(&self, call: &mut Option<Incoming>, invite: &Message) -> Result<()> {
        match call {
            // Sent again because our answer was late or lost: it is on its way.
            Some(current) if current.invite.call_id() == invite.call_id() => Ok(()),
            Some(_) => {
                self.wire
                    .send(self.response(invite, "486 Busy Here", &word(), None))
                    .await
            }
            None => {
                let mut audio = Audio::open(self.wire.local().ip()).await?;
                if let Some(remote) = media_address(&invite.body()) {
                    audio.connect(remote);
                }
                self.wire
                    .send(self.response(invite, "100 Trying", "", None))
                    .await?;
                let stage = Stage::RingAt(tokio::time::Instant::now() + BEFORE_RINGING);
                *call = Some(Incoming {
                    invite: invite.clone(),
                    tag: word(),
                    audio,
                    stage,
                    answered: None,
                });
                Ok(())
            }
        }
    }

    async fn advance(&self, call: &mut Incoming) -> Result<()> {
        match call.stage {
            Stage::RingAt(_) => {
                call.stage = Stage::AnswerAt(tokio::time::Instant::now() + RINGING);
                self.wire
                    .send(self.response(&call.invite, "180 Ringing", &call.tag, None))
                    .await
            }
            Stage::AnswerAt(_) => {
                call.stage = Stage::Talking;
                call.answered = Some(Instant::now());
                let sdp = self.identity.sdp(call.audio.local());
                self.wire
                    .send(self.response(&call.invite, "200 OK", &call.tag, Some(sdp)))
                    .await
            }
            Stage::Talking => Ok(()),
        }
    }

    fn over(&self, call: Incoming, ended: Instant) -> Option<Talk> {
        let datagrams = self.wire.take_tape();
        Some(Talk {
            datagrams,
            heard: call.audio.heard(),
            answered: call.answered?,
            ended,
            addresses: [self.wire.local(), call.audio.local()],
            words: vec![call.tag],
            first: call.invite,
        })
    }
}
