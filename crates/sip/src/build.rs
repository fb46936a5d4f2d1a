//! Writers. Whatever a value holds, it stays inside its header: line ends never get out.

mod reason;
mod request;
mod response;

pub use reason::reason_phrase;
pub use request::RequestBuilder;
pub use response::ResponseBuilder;

use crate::name::Name;
use crate::scan::{self, TOKEN};
use smallvec::SmallVec;

/// A stretch of [`Fields::text`].
type Span = (u32, u32);

#[derive(Copy, Clone)]
enum Label {
    Known(Name),
    Raw(Span),
}

/// Header lines in the order given; all text in one buffer.
#[derive(Clone, Default)]
struct Fields {
    text: Vec<u8>,
    lines: SmallVec<[(Label, Span); 16]>,
}

impl Fields {
    fn store(&mut self, value: &[u8]) -> Span {
        let start = self.text.len();
        push_clean(&mut self.text, scan::trim(value));
        (start as u32, self.text.len() as u32)
    }

    fn span(&self, (start, end): Span) -> &[u8] {
        &self.text[start as usize..end as usize]
    }

    fn add(&mut self, name: Name, value: &[u8]) {
        let value = self.store(value);
        self.lines.push((Label::Known(name), value));
    }

    fn add_raw(&mut self, name: &str, value: &[u8]) {
        let start = self.text.len() as u32;
        self.text.extend(
            name.bytes()
                .map(|b| if TOKEN[usize::from(b)] { b } else { b'-' }),
        );
        let name = (start, self.text.len() as u32);
        let value = self.store(value);
        self.lines.push((Label::Raw(name), value));
    }

    fn set(&mut self, name: Name, value: &[u8]) {
        self.lines
            .retain(|(label, _)| !matches!(label, Label::Known(n) if *n == name));
        self.add(name, value);
    }

    fn get(&self, name: Name) -> Option<&[u8]> {
        self.lines
            .iter()
            .find(|(label, _)| matches!(label, Label::Known(n) if *n == name))
            .map(|(_, v)| self.span(*v))
    }

    /// Writes every line of that name.
    fn write(&self, name: Name, out: &mut Vec<u8>) {
        for (label, value) in &self.lines {
            if matches!(label, Label::Known(n) if *n == name) {
                write_line(out, name.as_str(), self.span(*value));
            }
        }
    }

    /// Writes the lines whose name is not in `placed`.
    fn write_rest(&self, placed: &[Name], out: &mut Vec<u8>) {
        for (label, value) in &self.lines {
            match label {
                Label::Known(name) if placed.contains(name) => {}
                Label::Known(name) => write_line(out, name.as_str(), self.span(*value)),
                Label::Raw(name) => {
                    out.extend_from_slice(self.span(*name));
                    out.extend_from_slice(b": ");
                    out.extend_from_slice(self.span(*value));
                    out.extend_from_slice(b"\r\n");
                }
            }
        }
    }
}

/// Copies text with every control character but HTAB turned into a space.
fn push_clean(out: &mut Vec<u8>, v: &[u8]) {
    out.extend(v.iter().map(|&b| {
        if (b < b' ' && b != b'\t') || b == 0x7f {
            b' '
        } else {
            b
        }
    }));
}

/// Copies a URI with whatever could end it early written as `%HH`.
fn push_uri(out: &mut Vec<u8>, v: &[u8]) {
    for &b in v {
        if b <= b' ' || b == 0x7f || matches!(b, b'<' | b'>' | b'"') {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.extend_from_slice(&[b'%', HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
        } else {
            out.push(b);
        }
    }
}

fn write_line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    push_clean(out, value);
    out.extend_from_slice(b"\r\n");
}

fn write_body(out: &mut Vec<u8>, content_type: Option<&[u8]>, body: &[u8]) {
    if let Some(content_type) = content_type {
        write_line(out, "Content-Type", content_type);
    }
    write_line(out, "Content-Length", body.len().to_string().as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
}
