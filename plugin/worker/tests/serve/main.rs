//! The worker with bad clients, races, kills and useless caches, using a small model.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]
#![cfg(unix)]

mod bench;
mod faults;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use inbetween_core::cache::{CacheConfig, DiskConfig};
use inbetween_core::remote::protocol::{Hello, PROTOCOL, ToWorker, message};
use inbetween_core::{Control, Drawn, Engine, Error};

use bench::Bench;

#[test]
fn a_drawing_is_the_same_with_and_without_a_cache_and_computed_once() {
    let bench = Bench::new();
    let engine = bench.engine(bench.disk());
    let drawings: Vec<Drawn> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| bench.draw(&bench.engine(bench.disk()), 0.4).unwrap()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(drawings.iter().all(|drawn| *drawn == drawings[0]));
    let spans = std::fs::read_dir(bench.path("cache/drawings-2")).unwrap().filter(|file| {
        file.as_ref().unwrap().path().extension().is_some_and(|ending| ending == "span")
    });
    assert_eq!(spans.count(), 1);
    // A file in place of the directory, so everything goes over the socket.
    std::fs::write(bench.path("no"), b"").unwrap();
    let disk = DiskConfig { dir: bench.path("no"), limit_bytes: 1 << 30 };
    let without = bench.engine(CacheConfig { memory_bytes: 0, disk: Some(disk) });
    assert_eq!(bench.draw(&without, 0.4).unwrap(), drawings[0]);
    assert_eq!(engine.status().unwrap().unwrap().clients, 0);
    assert!(engine.stop().unwrap());
    assert!(engine.status().unwrap().is_none());
}

#[test]
fn many_starts_give_one_worker_which_outlives_senseless_clients() {
    let bench = Bench::new();
    let start = || {
        Command::new(env!("CARGO_BIN_EXE_inbetween"))
            .args(["serve", "--background"])
            .env("INBETWEEN_SOCKET_DIR", bench.path("s"))
            .env("INBETWEEN_LOG_DIR", bench.path("log"))
            .spawn()
            .unwrap()
    };
    let starts: Vec<_> = (0..6).map(|_| start()).collect();
    for mut started in starts {
        assert!(started.wait().unwrap().success());
    }
    let engine = bench.engine(bench.disk());
    let pid = engine.status().unwrap().unwrap().pid;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..300 {
        let mut bytes: Vec<u8> = (0..round * 3)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) as u8
            })
            .collect();
        if round % 3 == 0 {
            let head = (bytes.len() as u32 + 1).to_le_bytes();
            bytes.splice(0..0, head.into_iter().chain([1]));
        }
        let mut stream = UnixStream::connect(bench.path("s/worker.sock")).unwrap();
        // It may have been disconnected already.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read(&mut [0; 64]);
    }
    assert_eq!(engine.status().unwrap().unwrap().pid, pid);
}

#[test]
fn hundreds_of_silent_clients_do_not_shut_out_a_host() {
    let bench = Bench::new();
    let engine = bench.engine(bench.disk());
    let wanted = bench.draw(&engine, 0.4).unwrap();
    let pid = engine.status().unwrap().unwrap().pid;
    let hello = Hello { protocol: PROTOCOL, product: "silent".into() };
    let hello = message(&ToWorker::Hello(hello)).unwrap();
    // Half of them say nothing at all; the others only introduce themselves.
    let silent: Vec<UnixStream> = (0..300)
        .map(|at| {
            let mut stream = UnixStream::connect(bench.path("s/worker.sock")).unwrap();
            if at % 2 == 0 {
                // It may have been disconnected already.
                let _ = stream.write_all(&hello);
            }
            stream
        })
        .collect();
    let start = std::time::Instant::now();
    assert!(bench.draw(&engine, 0.4).unwrap() == wanted);
    assert!(bench.draw(&bench.engine(CacheConfig::in_memory(0)), 0.4).unwrap() == wanted);
    assert_eq!(engine.status().unwrap().unwrap().pid, pid);
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    drop(silent);
}

#[test]
fn one_client_too_many_is_told_so_and_tries_again_later() {
    /// The most clients that the worker accepts.
    const MOST: usize = 128;
    let bench = Bench::new();
    let engine = bench.engine(bench.disk());
    let control = Arc::new(Control::default());
    std::thread::scope(|scope| {
        let mut waiting = Vec::new();
        while waiting.len() < MOST {
            // All wait for one drawing, which would take hours. They arrive in groups, because only
            // so many may be idle at once.
            for _ in 0..16 {
                waiting.push(scope.spawn(|| {
                    let mut job = bench.job(0.5);
                    if let Some(settings) = &mut job.request.settings.tooncrafter {
                        settings.steps = 1000;
                    }
                    engine.draw(&job, &control)
                }));
            }
            while engine.status().unwrap().is_none_or(|status| status.clients < waiting.len()) {
                assert!(waiting.iter().all(|client| !client.is_finished()));
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let refused = bench.draw(&engine, 0.4).unwrap_err();
        control.cancel();
        let told = refused.user_message();
        assert!(told.contains("has 128 others to draw for already"), "{told}");
        assert!(told.contains("Try again when some of them are done"), "{told}");
        for client in waiting {
            assert!(matches!(client.join().unwrap(), Err(Error::Cancelled)));
        }
    });
    while engine.status().unwrap().is_some_and(|status| status.clients > 0) {
        std::thread::sleep(Duration::from_millis(20));
    }
    bench.draw(&engine, 0.4).unwrap();
}

#[test]
fn a_killed_worker_costs_no_drawing_and_spoils_none() {
    let bench = Bench::new();
    let wanted: Vec<Drawn> = {
        let engine = bench.engine(CacheConfig::in_memory(0));
        (1..4).map(|at| bench.draw(&engine, f64::from(at) / 4.0).unwrap()).collect()
    };
    let mut state = 7_u64;
    for round in 0..50 {
        let _ = std::fs::remove_dir_all(bench.path("cache"));
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let after = Duration::from_millis((state >> 33) % 400);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(after);
                let worker = bench.engine(bench.disk()).status().ok().flatten();
                if let Some(worker) = worker {
                    Command::new("kill").args(["-9", &worker.pid.to_string()]).status().unwrap();
                }
            });
            for at in 1..4 {
                match bench.draw(&bench.engine(bench.disk()), f64::from(at) / 4.0) {
                    Ok(drawn) => assert!(drawn == wanted[at as usize - 1], "round {round}"),
                    Err(error) => assert!(matches!(error, Error::Worker { .. }), "{error}"),
                }
            }
        });
    }
}

#[test]
fn a_stop_is_heard_within_a_step() {
    let bench = Bench::new();
    let engine = bench.engine(bench.disk());
    let control = Arc::new(Control::default());
    std::thread::scope(|scope| {
        let drawing = scope.spawn(|| {
            let mut job = bench.job(0.5);
            if let Some(settings) = &mut job.request.settings.tooncrafter {
                settings.steps = 1000;
            }
            engine.draw(&job, &control)
        });
        while control.progress() == 0.0 {
            assert!(!drawing.is_finished());
            std::thread::sleep(Duration::from_millis(5));
        }
        control.cancel();
        assert!(matches!(drawing.join().unwrap(), Err(Error::Cancelled)));
    });
    let mut looks = 0;
    while !engine.status().unwrap().unwrap().running.is_empty() {
        looks += 1;
        assert!(looks < 2000, "the worker goes on for a client that has gone");
        std::thread::sleep(Duration::from_millis(10));
    }
}
