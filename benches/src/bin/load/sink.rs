//! A customer's server: answers every POST with 200 and counts what it was told.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use crate::Arguments;

/// By event type; `posts` for the requests themselves.
type Counts = Rc<RefCell<BTreeMap<String, u64>>>;

/// `--listen`. `GET` on any path answers the counts as JSON. Until killed.
pub async fn run(arguments: &Arguments) -> Result<()> {
    let listener = TcpListener::bind(arguments.text("listen")?).await?;
    let counts = Counts::default();
    let all = LocalSet::new();
    all.run_until(async {
        loop {
            let (stream, _) = listener.accept().await?;
            let counts = Rc::clone(&counts);
            tokio::task::spawn_local(async move {
                let _ = serve(stream, counts).await;
            });
        }
    })
    .await
}

async fn serve(mut stream: TcpStream, counts: Counts) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let text = std::str::from_utf8(&buffer[..head])?.to_ascii_lowercase();
        let mut lines = text.lines();
        let get = lines.next().is_some_and(|line| line.starts_with("get "));
        let length = lines.find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.unwrap_or("0").trim().parse()?;
        while buffer.len() < head + length {
            if stream.read_buf(&mut buffer).await? == 0 {
                bail!("half a request");
            }
        }
        let answer = if get {
            serde_json::to_string(&*counts.borrow())?
        } else {
            note(&buffer[head..head + length], &counts)?;
            String::new()
        };
        buffer.drain(..head + length);
        let length = answer.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{answer}");
        stream.write_all(answer.as_bytes()).await?;
    }
}

fn note(body: &[u8], counts: &Counts) -> Result<()> {
    let told: serde_json::Value = serde_json::from_slice(body)?;
    let kind = told["eventType"].as_str().context("no eventType")?;
    let many = told["feeLst"]
        .as_array()
        .map_or(1, |list| list.len() as u64);
    let mut counts = counts.borrow_mut();
    *counts.entry(kind.to_owned()).or_default() += many;
    *counts.entry("posts".to_owned()).or_default() += 1;
    Ok(())
}
