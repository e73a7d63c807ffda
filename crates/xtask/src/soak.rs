//! The campaign of limits: `tests/examples/soak.rs` against the real program, both built for release.
//!
//! No part of the tests, for its length; `tests/it/soak.rs` is a smaller version of it. It fails at the first promise that is
//! broken.

use anyhow::Result;

use crate::command::{cargo, execute};

pub fn run(sizes: &[String]) -> Result<()> {
    execute(cargo().args(["build", "--release", "-p", "parlor", "--locked"]))?;
    let mut soak = cargo();
    soak.args(["run", "--release", "-p", "parlor-tests", "--example", "soak", "--locked", "--"]).args(sizes);
    execute(&mut soak)
}
