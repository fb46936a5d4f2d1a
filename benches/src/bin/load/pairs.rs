//! The file of pairs: `X,A,B` on each line, as `+86...`.

use std::fs::File;
use std::io::{BufRead, BufReader};

use anyhow::{Context, Result};
use axbridge_numbering::Number;

/// One pair.
pub struct Pair {
    /// The number in between.
    pub x: Number,
    /// The one party.
    pub a: Number,
    /// The other.
    pub b: Number,
}

/// Reads all pairs.
pub fn read(path: &str) -> Result<Vec<Pair>> {
    let file = BufReader::new(File::open(path).with_context(|| path.to_owned())?);
    let mut pairs = Vec::new();
    for line in file.lines() {
        let line = line?;
        let mut numbers = line.split(',').map(Number::parse_global);
        let mut next = || -> Result<Number> {
            let number = numbers.next().with_context(|| format!("line {line:?}"))?;
            number.with_context(|| format!("line {line:?}"))
        };
        pairs.push(Pair {
            x: next()?,
            a: next()?,
            b: next()?,
        });
    }
    Ok(pairs)
}
