//! Torture messages with a verdict each: our own set, always; the exact files of RFC 4475 and RFC 5118 where
//! the shared fixtures are at hand.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail as loudly as the tests.

use axbridge_sip::{DropReason, Fault, Message, Name, ParseError, Scheme};
use bytes::Bytes;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// `accept`, `reject 400`, `drop` or `keep-alive`.
fn verdict(result: &Result<Message, ParseError>) -> String {
    match result {
        Ok(_) => "accept".into(),
        Err(ParseError::Reject(r)) => format!("reject {}", r.status),
        Err(ParseError::Drop(DropReason::KeepAlive)) => "keep-alive".into(),
        Err(ParseError::Drop(_)) => "drop".into(),
    }
}

fn text(v: &[u8]) -> String {
    match std::str::from_utf8(v) {
        Ok(s) if !s.chars().any(char::is_control) => s.to_owned(),
        _ => v.escape_ascii().to_string(),
    }
}

fn opt(v: Option<&[u8]>) -> String {
    v.map(text).unwrap_or_default()
}

/// One fact of a message under the name that the table gives it.
fn fact(m: &Message, key: &str, raw_len: usize) -> String {
    let uri = m.uri();
    let contact = m.contact();
    let yes_no = |b: bool| if b { "yes" } else { "no" }.to_owned();
    match key {
        "method" => m.cseq_method().to_string(),
        "status" => m.status().map(|s| s.to_string()).unwrap_or_default(),
        "reason_len" => m.reason().unwrap_or_default().len().to_string(),
        "scheme" => format!("{:?}", uri.unwrap().scheme()),
        "user" => uri
            .unwrap()
            .user_decoded()
            .map(|u| text(&u))
            .unwrap_or_default(),
        "user_len" => uri.unwrap().user().unwrap_or_default().len().to_string(),
        "subscriber" => uri
            .unwrap()
            .subscriber()
            .map(|u| text(&u))
            .unwrap_or_default(),
        "host" => text(uri.unwrap().host()),
        "host_ip" => uri
            .unwrap()
            .host_ip()
            .map(|ip| ip.to_string())
            .unwrap_or_default(),
        "port" => uri
            .unwrap()
            .port()
            .map(|p| p.to_string())
            .unwrap_or_default(),
        "from_tag" => opt(m.from().tag()),
        "from_tag_len" => m.from().tag().unwrap_or_default().len().to_string(),
        "from_display" => opt(m.from().display()),
        "from_user" => m
            .from()
            .uri()
            .user_decoded()
            .map(|u| text(&u))
            .unwrap_or_default(),
        "to_tag" => opt(m.to().tag()),
        "to_user" => m
            .to()
            .uri()
            .user_decoded()
            .map(|u| text(&u))
            .unwrap_or_default(),
        "to_display_len" => m.to().display().unwrap_or_default().len().to_string(),
        "call_id_len" => m.call_id().len().to_string(),
        "cseq" => m.cseq().seq.to_string(),
        "vias" => m.vias().count().to_string(),
        "via_host" => text(m.top_via().host()),
        "via_branch" => opt(m.top_via().branch()),
        "via_unique" => yes_no(m.top_via().unique_branch().is_some()),
        "via_received" => m
            .top_via()
            .received()
            .map(|ip| ip.to_string())
            .unwrap_or_default(),
        "contacts" => m.contacts().count().to_string(),
        "contact_param" => contact
            .unwrap()
            .params()
            .iter()
            .next()
            .map_or("no".into(), |p| text(p.0)),
        "contact_uri_param" => contact
            .unwrap()
            .uri()
            .params()
            .iter()
            .next()
            .map_or("no".into(), |p| text(p.0)),
        "contact_headers" => opt(contact.unwrap().uri().headers()),
        "routes" => m.values(Name::Route).count().to_string(),
        "require" => m.values(Name::Require).count().to_string(),
        "content_type" => {
            let ty = m.content_type().unwrap_or_default();
            text(ty.split(|b| *b == b';').next().unwrap_or_default())
        }
        "max_forwards" => m.max_forwards().map(|n| n.to_string()).unwrap_or_default(),
        "body" => m.body().len().to_string(),
        "raw_tail_cut" => yes_no(m.as_bytes().len() < raw_len),
        other => panic!("the table asks for {other}, which nobody can tell"),
    }
}

#[test]
fn our_torture_messages_get_their_verdicts() {
    let dir = root().join("sip-fixtures/torture");
    let table = std::fs::read_to_string(dir.join("verdicts.tsv")).unwrap();
    let mut listed = HashSet::new();
    let mut wrong = Vec::new();
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [file, _case, expected, facts, what] = columns[..] else {
            panic!("columns of {line}")
        };
        listed.insert(file.to_owned());
        let raw = std::fs::read(dir.join(file)).unwrap();
        let result = Message::parse(Bytes::from(raw.clone()));
        if verdict(&result) != expected {
            wrong.push(format!("{file} ({what}): {result:?}, expected {expected}"));
        }
        let Ok(message) = result else { continue };
        for pair in facts.split('|').filter(|f| !f.is_empty()) {
            let (key, expected) = pair.split_once('=').unwrap();
            let found = fact(&message, key, raw.len());
            if found != expected {
                wrong.push(format!(
                    "{file} ({what}): {key} is {found:?}, expected {expected:?}"
                ));
            }
        }
        if !message.as_bytes().is_empty() && !raw.starts_with(message.as_bytes()) {
            wrong.push(format!("{file}: bytes were changed"));
        }
    }
    for entry in std::fs::read_dir(&dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name != "verdicts.tsv" && !listed.contains(&name) {
            wrong.push(format!("{name} has no verdict"));
        }
    }
    assert!(listed.len() > 70, "only {} messages listed", listed.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Verdicts for the exact RFC files that are not "accept". What a user of the parser must refuse (416, 420,
/// 415, 483, ...) is accepted here.
const REFUSED: [(&str, &str); 21] = [
    ("badinv01.dat", "reject 400"),
    ("clerr.dat", "reject 400"),
    ("ncl.dat", "reject 400"),
    ("scalar02.dat", "reject 400"),
    ("scalarlg.dat", "drop"),
    ("quotbal.dat", "reject 400"),
    ("ltgtruri.dat", "reject 400"),
    ("lwsruri.dat", "reject 400"),
    ("lwsstart.dat", "reject 400"),
    ("trws.dat", "reject 400"),
    ("regbadct.dat", "reject 400"),
    ("badaspec.dat", "reject 400"),
    ("baddn.dat", "reject 400"),
    ("badvers.dat", "reject 505"),
    ("mismatch01.dat", "reject 400"),
    ("mismatch02.dat", "reject 400"),
    ("bigcode.dat", "drop"),
    ("insuf.dat", "reject 400"),
    ("multi01.dat", "reject 400"),
    ("mcl01.dat", "reject 400"),
    ("ipv6-bad.sip", "reject 400"),
];

/// The files of a manifest, from `dir` with `suffix` added.
fn run_rfc_folder(manifest: &Path, dir: &Path, suffix: &str, expected_count: usize) {
    let Ok(table) = std::fs::read_to_string(manifest.join("MANIFEST.tsv")) else {
        println!(
            "NOT RUN: {} is absent, the exact RFC messages were not tried",
            manifest.display()
        );
        return;
    };
    let mut count = 0;
    let mut wrong = Vec::new();
    for line in table.lines().skip(1) {
        let name = format!("{}{suffix}", line.split('\t').nth(1).unwrap());
        count += 1;
        let expected = REFUSED
            .iter()
            .find(|(file, _)| *file == name)
            .map_or("accept", |(_, v)| *v);
        let result = Message::parse(Bytes::from(std::fs::read(dir.join(&name)).unwrap()));
        if verdict(&result) != expected {
            wrong.push(format!("{name}: {result:?}, expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(count, expected_count, "messages of {}", manifest.display());
}

#[test]
fn rfc_4475_files_get_their_verdicts() {
    let dir = root().join("../shared/fixtures/torture/rfc4475");
    run_rfc_folder(&dir, &dir, "", 49);
}

#[test]
fn rfc_5118_files_get_their_verdicts() {
    let fixtures = root().join("../shared/fixtures/torture");
    run_rfc_folder(
        &fixtures.join("rfc5118"),
        &fixtures.join("rfc5118-wire"),
        ".sip",
        12,
    );
}

#[test]
fn rfc_torture_messages_keep_their_meaning() {
    let dir = root().join("../shared/fixtures/torture/rfc4475");
    if !dir.is_dir() {
        println!("NOT RUN: {} is absent", dir.display());
        return;
    }
    let read =
        |name: &str| Message::parse(Bytes::from(std::fs::read(dir.join(name)).unwrap())).unwrap();
    let m = read("wsinv.dat");
    assert_eq!(m.to().tag(), Some(&b"1918181833n"[..]));
    assert_eq!(m.from().tag(), Some(&b"98asjd8"[..]));
    assert_eq!(
        (m.vias().count(), m.contacts().count(), m.body().len()),
        (3, 1, 150)
    );
    assert_eq!(m.max_forwards(), Some(68));
    assert_eq!(read("esc02.dat").contacts().count(), 2);
    assert_eq!(read("escnull.dat").contacts().count(), 2);
    assert_eq!(read("mpart01.dat").body().len(), 553);
    assert_eq!(read("unkscm.dat").uri().unwrap().scheme(), Scheme::Other);
    assert_eq!(
        read("semiuri.dat").uri().unwrap().user(),
        Some(&b"user;par=u%40example.net"[..])
    );
    assert_eq!(read("dblreq.dat").body().len(), 0);
}

/// One is cut off by a page break, one has addresses without a scheme.
const BROKEN_IN_PRINT: [&str; 2] = [
    "159-INVITE_sip_bob_client_biloxi_example_com.sip",
    "009-INVITE_sip_bob_biloxi_com_SIP_2_0.sip",
];

/// The RFCs leave bodies out in print while Content-Length stays.
#[test]
fn rfc_flow_messages_are_all_read() {
    let dir = root().join("../shared/fixtures/rfc-flows");
    if !dir.is_dir() {
        println!("NOT RUN: {} is absent", dir.display());
        return;
    }
    let mut folders = vec![dir];
    let (mut count, mut wrong) = (0, Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|e| e != "sip") {
                continue;
            }
            count += 1;
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            match Message::parse(Bytes::from(std::fs::read(&path).unwrap())) {
                Ok(_) => {}
                Err(ParseError::Reject(r)) if r.fault == Fault::BodyTruncated => {}
                Err(ParseError::Drop(DropReason::Response(Fault::BodyTruncated))) => {}
                Err(_) if BROKEN_IN_PRINT.contains(&name.as_str()) => {}
                Err(e) => wrong.push(format!("{name}: {e}")),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(count > 50, "{count} messages");
}
