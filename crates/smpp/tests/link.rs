//! A link against an SMSC of our own making, which reads and writes octets by hand: what the link does in time.
//! (Against an SMSC that is not ours it is tested in the black box.)

#![allow(clippy::unwrap_used)] // A test that cannot go on fails.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axbridge_numbering::Number;
use axbridge_smpp::{
    Came, Desk, Keeping, Kept, Link, LinkConfig, LinkState, Submission, SubmitError,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

const BIND: u32 = 0x0000_0009;
const SUBMIT: u32 = 0x0000_0004;
const DELIVER: u32 = 0x0000_0005;
const ENQUIRE: u32 = 0x0000_0015;
const UNBIND: u32 = 0x0000_0006;
const NACK: u32 = 0x8000_0000;
const RESP: u32 = 0x8000_0000;

/// Keeps everything, unless told otherwise.
struct Shelf {
    came: Mutex<Vec<Came>>,
    say: Mutex<Kept>,
}

impl Desk for Shelf {
    fn keep(self: Arc<Self>, link: &str, came: Came) -> Keeping {
        assert_eq!(link, "smsc");
        self.came.lock().unwrap().push(came);
        let say = *self.say.lock().unwrap();
        Box::pin(async move { say })
    }
}

struct Pdu {
    id: u32,
    status: u32,
    sequence: u32,
    body: Vec<u8>,
}

/// The other end of one connection.
struct Smsc(TcpStream);

impl Smsc {
    async fn read(&mut self) -> Option<Pdu> {
        let length = self.0.read_u32().await.ok()?;
        let (id, status, sequence) = (
            self.0.read_u32().await.ok()?,
            self.0.read_u32().await.ok()?,
            self.0.read_u32().await.ok()?,
        );
        let mut body = vec![0; length as usize - 16];
        self.0.read_exact(&mut body).await.ok()?;
        Some(Pdu {
            id,
            status,
            sequence,
            body,
        })
    }

    /// The next PDU of this kind; `enquire_link` in between is answered.
    async fn expect(&mut self, id: u32) -> Pdu {
        let wait = async {
            loop {
                let pdu = self.read().await.expect("connection");
                if pdu.id == id {
                    return pdu;
                }
                assert_eq!(pdu.id, ENQUIRE, "instead of {id:#x}");
                self.write(ENQUIRE | RESP, 0, pdu.sequence, &[]).await;
            }
        };
        timeout(Duration::from_secs(10), wait)
            .await
            .expect("in time")
    }

    async fn write(&mut self, id: u32, status: u32, sequence: u32, body: &[u8]) {
        let length = 16 + body.len() as u32;
        let mut octets = Vec::new();
        for word in [length, id, status, sequence] {
            octets.extend(word.to_be_bytes());
        }
        octets.extend(body);
        self.0.write_all(&octets).await.unwrap();
    }

    async fn deliver(&mut self, sequence: u32, text: &[u8]) {
        let body = [
            b"\0\x01\x018613900000001\0\x01\x018617000000001\0\0\0\0\0\0\0\0\0\0".as_slice(),
            &[text.len() as u8],
            text,
        ]
        .concat();
        self.write(DELIVER, 0, sequence, &body).await;
    }
}

struct Bed {
    listener: TcpListener,
    link: Link,
    shelf: Arc<Shelf>,
    stop: Option<oneshot::Sender<()>>,
    work: tokio::task::JoinHandle<()>,
}

async fn bed(change: impl FnOnce(&mut LinkConfig)) -> Bed {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut config = LinkConfig::new("smsc", "127.0.0.1", port, "axbridge");
    change(&mut config);
    config.check().unwrap();
    let shelf = Arc::new(Shelf {
        came: Mutex::default(),
        say: Mutex::new(Kept::Kept),
    });
    let (stop, stopped) = oneshot::channel();
    let desk: Arc<dyn Desk> = shelf.clone();
    let (link, work) = Link::new(config, desk, async move { drop(stopped.await) });
    Bed {
        listener,
        link,
        shelf,
        stop: Some(stop),
        work: tokio::spawn(work),
    }
}

impl Bed {
    async fn accept(&self) -> Smsc {
        let accepted = timeout(Duration::from_secs(20), self.listener.accept()).await;
        Smsc(accepted.expect("in time").unwrap().0)
    }

    async fn bound(&self) -> Smsc {
        let mut smsc = self.accept().await;
        let bind = smsc.expect(BIND).await;
        assert!(
            bind.body.starts_with(b"axbridge\0\0\0\x34"),
            "{:?}",
            bind.body
        );
        smsc.write(BIND | RESP, 0, bind.sequence, b"smsc\0").await;
        self.link.wait_for(LinkState::Bound).await;
        smsc
    }

    fn part(&self) -> Submission {
        let number = |text| Number::parse_global(text).unwrap();
        let parts = self
            .link
            .parts(number("+8617000000001"), number("+8613900000002"), "hi", 1);
        parts[0].clone()
    }

    fn submit(&self) -> tokio::task::JoinHandle<Result<String, SubmitError>> {
        let (link, part) = (self.link.clone(), self.part());
        tokio::spawn(async move { link.submit(part).await })
    }
}

#[tokio::test]
async fn a_part_is_sent_and_answered() {
    let bed = bed(|_| {}).await;
    assert_eq!(
        bed.link.submit(bed.part()).await,
        Err(SubmitError::NotBound)
    );
    let mut smsc = bed.bound().await;
    for (status, body, result) in [
        (0, &b"4d\0"[..], Ok("4d".to_owned())),
        (0x0b, b"\0", Err(SubmitError::Refused(0x0b))),
        (0x45, b"", Err(SubmitError::Later(0x45))),
    ] {
        let asked = bed.submit();
        let submit = smsc.expect(SUBMIT).await;
        smsc.write(SUBMIT | RESP, status, submit.sequence, body)
            .await;
        assert_eq!(asked.await.unwrap(), result);
    }
}

#[tokio::test]
async fn the_window_is_kept() {
    let bed = bed(|config| config.window = 2).await;
    let mut smsc = bed.bound().await;
    let asked: Vec<_> = (0..3).map(|_| bed.submit()).collect();
    let first = smsc.expect(SUBMIT).await;
    smsc.expect(SUBMIT).await;
    let third = timeout(Duration::from_millis(500), smsc.expect(SUBMIT)).await;
    assert!(third.is_err(), "a third before an answer");
    smsc.write(SUBMIT | RESP, 0, first.sequence, b"1\0").await;
    smsc.expect(SUBMIT).await;
    drop(asked);
}

#[tokio::test]
async fn the_throughput_is_kept() {
    let bed = bed(|config| {
        config.throughput_per_s = 20;
        config.window = 100;
    })
    .await;
    let mut smsc = bed.bound().await;
    let began = Instant::now();
    let _asked: Vec<_> = (0..21).map(|_| bed.submit()).collect();
    for _ in 0..21 {
        smsc.expect(SUBMIT).await;
    }
    assert!(
        began.elapsed() > Duration::from_millis(800),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn who_asks_for_rest_gets_it() {
    let bed = bed(|_| {}).await;
    let mut smsc = bed.bound().await;
    let asked = bed.submit();
    let submit = smsc.expect(SUBMIT).await;
    smsc.write(SUBMIT | RESP, 0x58, submit.sequence, b"").await;
    assert_eq!(asked.await.unwrap(), Err(SubmitError::Later(0x58)));
    let began = Instant::now();
    let _asked = bed.submit();
    smsc.expect(SUBMIT).await;
    assert!(
        began.elapsed() > Duration::from_millis(800),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn what_comes_is_answered_as_it_was_kept() {
    let bed = bed(|_| {}).await;
    let mut smsc = bed.bound().await;
    for (sequence, say, status) in [
        (1, Kept::Kept, 0),
        (2, Kept::Refused, 0x65),
        (3, Kept::UnknownNumber, 0x0b),
        (4, Kept::TooLong, 0x01),
        (5, Kept::Unavailable, 0x64),
    ] {
        *bed.shelf.say.lock().unwrap() = say;
        smsc.deliver(sequence, b"hello").await;
        let answer = smsc.expect(DELIVER | RESP).await;
        assert_eq!(
            (answer.sequence, answer.status, answer.body.as_slice()),
            (sequence, status, &b"\0"[..])
        );
    }
    let came = bed.shelf.came.lock().unwrap();
    assert!(matches!(&came[0], Came::Text { octets, .. } if octets == b"hello"));
}

#[tokio::test]
async fn questions_are_answered_and_nonsense_too() {
    let bed = bed(|_| {}).await;
    let mut smsc = bed.bound().await;
    smsc.write(ENQUIRE, 0, 9, &[]).await;
    assert_eq!(smsc.expect(ENQUIRE | RESP).await.sequence, 9);
    // A deliver_sm that is cut off.
    smsc.write(DELIVER, 0, 10, b"\0\x01").await;
    assert_eq!(smsc.expect(NACK).await.sequence, 10);
    // query_sm is for an SMSC.
    smsc.write(0x0000_0003, 0, 11, b"1\0\0\0\0").await;
    let nack = smsc.expect(NACK).await;
    assert_eq!((nack.sequence, nack.status), (11, 0x03));
    // An answer to nothing.
    smsc.write(SUBMIT | RESP, 0, 999, b"1\0").await;
    smsc.write(ENQUIRE, 0, 12, &[]).await;
    assert_eq!(smsc.expect(ENQUIRE | RESP).await.sequence, 12);
}

#[tokio::test]
async fn a_lost_session_is_bound_again_and_says_what_it_does_not_know() {
    let bed = bed(|_| {}).await;
    let mut smsc = bed.bound().await;
    let asked = bed.submit();
    smsc.expect(SUBMIT).await;
    drop(smsc);
    assert_eq!(asked.await.unwrap(), Err(SubmitError::NotBound));
    bed.link.wait_for(LinkState::Down).await;
    let mut smsc = bed.bound().await;
    let asked = bed.submit();
    let submit = smsc.expect(SUBMIT).await;
    smsc.write(SUBMIT | RESP, 0, submit.sequence, b"5\0").await;
    assert_eq!(asked.await.unwrap(), Ok("5".into()));
}

#[tokio::test]
async fn a_refused_bind_is_tried_again_with_growing_pauses() {
    let bed = bed(|_| {}).await;
    let mut times = Vec::new();
    for _ in 0..3 {
        let mut smsc = bed.accept().await;
        times.push(Instant::now());
        let bind = smsc.expect(BIND).await;
        smsc.write(BIND | RESP, 0x0e, bind.sequence, b"\0").await;
    }
    let (first, second) = (times[1] - times[0], times[2] - times[1]);
    assert!(first >= Duration::from_millis(790), "{first:?}");
    assert!(second >= Duration::from_millis(1_590), "{second:?}");
    assert_eq!(bed.link.state(), LinkState::Down);
}

#[tokio::test]
async fn a_silent_smsc_is_left() {
    let bed = bed(|config| {
        config.enquire_link_s = 1;
        config.response_s = 1;
    })
    .await;
    let mut smsc = bed.bound().await;
    let asked = bed.submit();
    assert_eq!(smsc.read().await.unwrap().id, SUBMIT);
    assert_eq!(
        asked.await.unwrap(),
        Err(SubmitError::NotBound),
        "no answer in time"
    );
    let enquire = smsc.read().await.unwrap();
    assert_eq!(enquire.id, ENQUIRE);
    assert!(smsc.read().await.is_none(), "the connection is closed");
    bed.link.wait_for(LinkState::Down).await;
}

#[tokio::test]
async fn a_length_that_cannot_be_ends_the_session() {
    for length in [0_u32, 15, 70_001, u32::MAX] {
        let bed = bed(|_| {}).await;
        let mut smsc = bed.bound().await;
        smsc.0.write_all(&length.to_be_bytes()).await.unwrap();
        assert!(smsc.read().await.is_none());
        bed.link.wait_for(LinkState::Down).await;
    }
}

#[tokio::test]
async fn the_end_is_announced() {
    let mut bed = bed(|_| {}).await;
    let mut smsc = bed.bound().await;
    let asked = bed.submit();
    let submit = smsc.expect(SUBMIT).await;
    bed.stop.take().unwrap().send(()).unwrap();
    sleep(Duration::from_millis(100)).await;
    smsc.write(SUBMIT | RESP, 0, submit.sequence, b"6\0").await;
    assert_eq!(
        asked.await.unwrap(),
        Ok("6".into()),
        "an answer on its way is waited for"
    );
    let unbind = smsc.expect(UNBIND).await;
    smsc.write(UNBIND | RESP, 0, unbind.sequence, &[]).await;
    timeout(Duration::from_secs(5), bed.work)
        .await
        .expect("ended")
        .unwrap();
}
