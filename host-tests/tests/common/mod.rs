//! Shared by the tests: the built test plug-ins, and the command line as a user runs it.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use host_tests::pictures::picture::Picture;

/// A test plug-in's library. Cargo puts it beside the test, because it is a dev-dependency.
pub(crate) fn plugin(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let path = test.parent().unwrap().join(format!("{prefix}test_plugin_{name}{suffix}"));
    assert!(path.is_file(), "{} was not built", path.display());
    path
}

/// The host's program.
pub(crate) fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_host-tests"))
}

/// Runs the program.
#[allow(dead_code, reason = "not every test needs it")]
pub(crate) fn host(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).output().unwrap()
}

/// A drawing that depends on `seed`, with values that 8 bits can hold.
#[allow(dead_code, reason = "not every test needs it")]
pub(crate) fn drawing(seed: usize) -> Picture {
    Picture::from_fn(40, 30, |x, y| {
        let value = |k: usize| ((x * 7 * k + y * 3 + seed * 40) % 256) as f32 / 255.0;
        [value(1), value(2), value(3), 1.0]
    })
}
