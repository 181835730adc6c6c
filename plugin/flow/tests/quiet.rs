//! Creating an engine starts nothing, because hosts load plug-ins that are never used.

#![cfg(target_os = "linux")]

use inbetween_flow::FlowEngine;

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("Linux lists a process's threads").count()
}

// Alone in its file, so that no other test starts threads at the same time.
#[test]
fn no_thread_is_started_before_the_first_draw() {
    let before = threads();
    let engine = FlowEngine::new();
    assert!(engine.is_ok());
    assert_eq!(threads(), before);
}
