//! axbridge: the program.
fn main() {}
