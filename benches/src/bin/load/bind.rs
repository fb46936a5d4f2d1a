//! Customers that bind: clients with a kept connection each, one request after the other, every one signed.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use axbridge_api::auth::Scheme;
use axbridge_api::created_text;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::pairs::{self, Pair};
use crate::{Arguments, percentiles};

const PATH: &str = "/rest/caas/relationnumber/partners/v1.0";

struct Work {
    pairs: Vec<Pair>,
    next: Cell<usize>,
    until: Instant,
    key: String,
    secret: String,
    times: RefCell<Vec<Duration>>,
    refused: Cell<u64>,
}

/// `--api --pairs --key --secret --clients --seconds`
pub async fn run(arguments: &Arguments) -> Result<()> {
    let api = arguments.text("api")?.to_owned();
    let clients: usize = arguments.parsed("clients")?;
    let begun = Instant::now();
    let work = Rc::new(Work {
        pairs: pairs::read(arguments.text("pairs")?)?,
        next: Cell::new(0),
        until: Instant::now() + Duration::from_secs(arguments.parsed("seconds")?),
        key: arguments.text("key")?.into(),
        secret: arguments.text("secret")?.into(),
        times: RefCell::default(),
        refused: Cell::new(0),
    });
    let all = LocalSet::new();
    let mut waiting = Vec::new();
    for _ in 0..clients {
        waiting.push(all.spawn_local(client(api.clone(), Rc::clone(&work))));
    }
    all.await;
    for client in waiting {
        client.await??;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let mut times = work.times.take();
    let report = serde_json::json!({
        "clients": clients, "bound": times.len(), "refused": work.refused.get(), "seconds": seconds,
        "per_s": times.len() as f64 / seconds, "answer_ms": percentiles(&mut times),
    });
    println!("{report}");
    Ok(())
}

async fn client(api: String, work: Rc<Work>) -> Result<()> {
    let mut stream = TcpStream::connect(&api).await?;
    stream.set_nodelay(true)?;
    let mut answer = Vec::new();
    while Instant::now() < work.until {
        let at = work.next.get();
        work.next.set(at + 1);
        let Some(pair) = work.pairs.get(at) else {
            break;
        };
        let request = request(&api, &work, at, pair);
        let begun = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        let bound = read_answer(&mut stream, &mut answer).await?;
        if bound {
            work.times.borrow_mut().push(begun.elapsed());
        } else {
            if work.refused.get() == 0 {
                eprintln!("refused: {}", String::from_utf8_lossy(&answer));
            }
            work.refused.set(work.refused.get() + 1);
        }
    }
    Ok(())
}

fn request(api: &str, work: &Work, at: usize, pair: &Pair) -> String {
    let body = format!(
        r#"{{"callerNum":"{}","relationNum":"{}","calleeNum":"{}"}}"#,
        pair.a.reveal(),
        pair.x.reveal(),
        pair.b.reveal()
    );
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let nonce = format!("{:x}{at:x}", now.as_nanos());
    let created = created_text(u64::try_from(now.as_millis()).unwrap_or_default());
    let digest = Scheme::Aksk.digest(&work.secret, &nonce, &created);
    let key = &work.key;
    format!(
        "POST {PATH} HTTP/1.1\r\nHost: {api}\r\nContent-Type: application/json;charset=UTF-8\r\n\
         Authorization: AKSK realm=\"SDP\",profile=\"UsernameToken\",type=\"Appkey\"\r\n\
         X-AKSK: UsernameToken Username=\"{key}\", PasswordDigest=\"{digest}\", Nonce=\"{nonce}\", \
         Created=\"{created}\"\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// True when the answer is 200 and says that the pair is bound.
async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<bool> {
    answer.clear();
    let head = loop {
        if stream.read_buf(answer).await? == 0 {
            bail!("the connection was closed");
        }
        if let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = std::str::from_utf8(&answer[..head])?.to_ascii_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.context("no Content-Length")?.trim().parse()?;
    while answer.len() < head + length {
        if stream.read_buf(answer).await? == 0 {
            bail!("the connection was closed");
        }
    }
    let body = &answer[head..];
    let done = body.windows(14).any(|part| part == b"subscriptionId");
    Ok(text.starts_with("http/1.1 200") && done)
}
