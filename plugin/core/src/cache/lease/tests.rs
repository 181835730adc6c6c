//! Claims under races, deaths and broken directories. The files of dead owners are written by hand.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tempfile::TempDir;

use super::*;

const QUICK: Pace = Pace {
    beat: Duration::from_millis(20),
    stale: Duration::from_millis(400),
    poll: Duration::from_millis(2),
};

/// Owners never go stale, so a claim that passes on does so for another reason.
const PATIENT: Pace = Pace { stale: Duration::from_secs(3600), ..QUICK };

fn key() -> ContentHash {
    ContentHash::of(b"span")
}

fn never() -> bool {
    false
}

fn try_claim(pace: Pace, dir: &TempDir, ready: impl Fn() -> bool) -> Result<Claim, Error> {
    claim_at(pace, dir.path(), &key(), &Control::default(), ready)
}

fn files(dir: &TempDir) -> Vec<String> {
    let Ok(files) = fs::read_dir(dir.path().join("leases-1")) else { return Vec::new() };
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

/// The claim of a process on another machine that gives no more signs of life.
fn dead_claim(dir: &TempDir, generation: u64) -> PathBuf {
    let folder = dir.path().join("leases-1");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{}.{generation}", key()));
    fs::write(&path, "inbetween claim of the dead\nbeat 0000000000000007\n").unwrap();
    path
}

#[test]
fn a_claim_is_given_back() {
    let dir = TempDir::new().unwrap();
    let claim = try_claim(QUICK, &dir, never).unwrap();
    assert!(matches!(claim, Claim::Mine(_)));
    assert_eq!(files(&dir), [format!("{}.1", key())]);
    drop(claim);
    assert!(files(&dir).is_empty());
}

#[test]
fn what_is_ready_is_not_claimed() {
    let dir = TempDir::new().unwrap();
    assert!(matches!(try_claim(QUICK, &dir, || true).unwrap(), Claim::Ready));
    assert!(files(&dir).is_empty());
}

#[test]
fn of_many_one_computes_and_all_get_it() {
    let dir = TempDir::new().unwrap();
    let (ready, computed) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let claim = try_claim(PATIENT, &dir, || ready.load(Ordering::SeqCst)).unwrap();
                if let Claim::Mine(_guard) = claim {
                    computed.fetch_add(1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(30));
                    ready.store(true, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(computed.load(Ordering::SeqCst), 1);
    assert!(files(&dir).is_empty());
}

#[test]
fn after_a_failure_the_next_one_computes_and_never_two_at_once() {
    let dir = TempDir::new().unwrap();
    let (inside, turns) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let Claim::Mine(_guard) = try_claim(PATIENT, &dir, never).unwrap() else {
                        panic!("nothing is ever ready here");
                    };
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    turns.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                }
            });
        }
    });
    assert_eq!(turns.load(Ordering::SeqCst), 60);
}

#[test]
fn a_stale_claim_passes_on_to_one() {
    let dir = TempDir::new().unwrap();
    dead_claim(&dir, 3);
    let (ready, computed) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let claim = try_claim(QUICK, &dir, || ready.load(Ordering::SeqCst)).unwrap();
                if let Claim::Mine(_guard) = claim {
                    computed.fetch_add(1, Ordering::SeqCst);
                    ready.store(true, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(computed.load(Ordering::SeqCst), 1);
    assert!(files(&dir).is_empty(), "{:?}", files(&dir));
}

#[test]
fn a_living_claim_outlasts_the_time_after_which_one_is_stale() {
    let dir = TempDir::new().unwrap();
    let guard = try_claim(QUICK, &dir, never).unwrap();
    let control = Control::default();
    let (done, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            claim_at(QUICK, dir.path(), &key(), &control, || {
                looks.fetch_add(1, Ordering::SeqCst);
                done.load(Ordering::SeqCst)
            })
        });
        std::thread::sleep(3 * QUICK.stale);
        assert!(!other.is_finished(), "it was taken from its living owner");
        assert!(looks.load(Ordering::SeqCst) > 1);
        done.store(true, Ordering::SeqCst);
        assert!(matches!(other.join().unwrap().unwrap(), Claim::Ready));
    });
    drop(guard);
}

#[test]
fn a_stop_ends_the_wait() {
    let dir = TempDir::new().unwrap();
    dead_claim(&dir, 1);
    let control = Control::default();
    std::thread::scope(|scope| {
        let waiting =
            scope.spawn(|| claim_at(PATIENT, dir.path(), &key(), &control, never).map(|_| ()));
        std::thread::sleep(Duration::from_millis(20));
        control.cancel();
        assert!(matches!(waiting.join().unwrap(), Err(Error::Cancelled)));
    });
}

#[test]
fn a_directory_that_keeps_nothing_stops_nobody() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("leases-1"), b"not a directory").unwrap();
    for _ in 0..2 {
        assert!(matches!(try_claim(PATIENT, &dir, never).unwrap(), Claim::Mine(_)));
    }
}

#[test]
fn a_directory_deleted_meanwhile_does_no_harm() {
    let dir = TempDir::new().unwrap();
    let guard = try_claim(QUICK, &dir, never).unwrap();
    fs::remove_dir_all(dir.path().join("leases-1")).unwrap();
    let other = try_claim(QUICK, &dir, never).unwrap();
    assert!(matches!(other, Claim::Mine(_)));
    // The first owner must not remove a claim that is no longer its own.
    drop(guard);
    assert_eq!(files(&dir).len(), 1);
}
