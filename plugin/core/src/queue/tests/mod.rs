//! The queue with an engine that waits at a gate, so that the tests control the order of events.

mod bench;

use std::sync::atomic::{AtomicUsize, Ordering};

use self::bench::{Bench, NOW, Verdict, failure, job, outcome};
use super::*;
use crate::cache::{CacheConfig, DiskConfig};
use crate::settings::{ToonCrafterSettings, WeightRef};
use crate::{Control, Frame, Remarks};

#[test]
fn a_drawing_arrives_and_stays() {
    let bench = Bench::new();
    let ticket = bench.submit(0.25, Priority::Final);
    bench.wait_for_start();
    assert!(ticket.wait_for(NOW).is_none());
    assert_eq!(ticket.progress(), 0.5);
    bench.open_gate(Verdict::Draw);
    let drawn = outcome(&ticket).unwrap();
    assert_eq!(drawn.frame.pixels()[0], [0.25; 4]);
    assert_eq!(ticket.progress(), 1.0);
    assert!(Arc::ptr_eq(&ticket.wait().unwrap(), &drawn));
    assert!(Arc::ptr_eq(&bench.queue.cached(&job(0.25).request, (2, 2)).unwrap(), &drawn));
}

#[test]
fn nothing_starts_before_the_first_submission() {
    let bench = Bench::new();
    assert!(bench.queue.cached(&job(0.5).request, (2, 2)).is_none());
    assert!(bench.queue.join(&job(0.5).request, Priority::Final).is_none());
    assert_eq!(bench.threads(), 0);
}

#[test]
fn equal_jobs_share_one_run_and_one_picture() {
    let bench = Bench::new();
    let first = bench.submit(0.5, Priority::Final);
    bench.wait_for_start();
    let second = bench.submit(0.5, Priority::Interactive);
    let third = bench.queue.join(&job(0.5).request, Priority::Final).unwrap();
    bench.open_gate(Verdict::Draw);
    let drawn = outcome(&first).unwrap();
    assert!(Arc::ptr_eq(&outcome(&second).unwrap(), &drawn));
    assert!(Arc::ptr_eq(&outcome(&third).unwrap(), &drawn));
    assert_eq!(bench.runs(), 1);
}

#[test]
fn a_finished_job_is_taken_from_the_cache() {
    let bench = Bench::new();
    bench.open_gate(Verdict::Draw);
    let drawn = outcome(&bench.submit(0.5, Priority::Final)).unwrap();
    let again = bench.submit(0.5, Priority::Final);
    assert!(Arc::ptr_eq(&again.wait_for(NOW).unwrap().unwrap(), &drawn));
    assert_eq!(bench.runs(), 1);
}

#[test]
fn different_jobs_are_drawn_each() {
    let bench = Bench::new();
    for position in [0.2, 0.4, 0.6] {
        bench.open_gate(Verdict::Draw);
        let drawn = outcome(&bench.submit(position, Priority::Final)).unwrap();
        assert_eq!(drawn.frame.pixels()[0][0], position as f32);
    }
    assert_eq!(bench.runs(), 3);
    assert_eq!(bench.threads(), 1);
}

#[test]
fn newest_interactive_goes_first_then_finals_in_order() {
    let bench = Bench::new();
    let mut tickets = vec![bench.submit(0.01, Priority::Final)];
    assert_eq!(bench.wait_for_start(), 0.01);
    for (position, priority) in [
        (0.1, Priority::Final),
        (0.2, Priority::Interactive),
        (0.3, Priority::Final),
        (0.4, Priority::Interactive),
        (0.5, Priority::Final),
        (0.3, Priority::Interactive), // A final render that the artist is now looking at.
        (0.2, Priority::Final),       // Stays interactive.
    ] {
        tickets.push(bench.submit(position, priority));
    }
    for wanted in [0.3, 0.4, 0.2, 0.1, 0.5] {
        bench.open_gate(Verdict::Draw);
        assert_eq!(bench.wait_for_start(), wanted);
    }
    bench.open_gate(Verdict::Draw);
    assert!(tickets.iter().all(|ticket| outcome(ticket).is_ok()));
}

#[test]
fn only_the_last_ticket_stops_the_run() {
    let bench = Bench::new();
    let one = bench.submit(0.5, Priority::Final);
    let two = bench.submit(0.5, Priority::Final);
    bench.wait_for_start();
    one.cancel();
    one.cancel();
    assert!(matches!(*outcome(&one).unwrap_err(), Error::Cancelled));
    drop(one);
    bench.open_gate(Verdict::Draw);
    assert!(outcome(&two).is_ok());
}

#[test]
fn giving_up_the_last_ticket_stops_the_engine() {
    let bench = Bench::new();
    let ticket = bench.submit(0.5, Priority::Final);
    bench.wait_for_start();
    bench.open_gate(Verdict::WaitForCancel);
    drop(ticket);
    // The thread is free again only if the engine noticed the cancellation.
    let next = bench.submit(0.6, Priority::Final);
    assert_eq!(bench.wait_for_start(), 0.6);
    bench.open_gate(Verdict::Draw);
    assert!(outcome(&next).is_ok());
}

#[test]
fn asking_again_after_a_cancelled_run_starts_a_new_one() {
    let bench = Bench::new();
    drop(bench.submit(0.5, Priority::Final));
    let ticket = bench.submit(0.4, Priority::Final);
    // It is a race whether 0.5 has started; either way it ends cancelled.
    let mut position = bench.wait_for_start();
    if position == 0.5 {
        bench.open_gate(Verdict::WaitForCancel);
        position = bench.wait_for_start();
    }
    assert_eq!(position, 0.4);
    ticket.cancel();
    let again = bench.submit(0.4, Priority::Final);
    bench.open_gate(Verdict::WaitForCancel);
    assert_eq!(bench.wait_for_start(), 0.4);
    bench.open_gate(Verdict::Draw);
    assert!(outcome(&again).is_ok());
    assert!(outcome(&ticket).is_err());
}

#[test]
fn a_run_that_nobody_waits_for_never_starts() {
    let bench = Bench::new();
    let running = bench.submit(0.1, Priority::Final);
    bench.wait_for_start();
    drop(bench.submit(0.2, Priority::Interactive));
    let last = bench.submit(0.3, Priority::Final);
    bench.open_gate(Verdict::Draw);
    assert_eq!(bench.wait_for_start(), 0.3);
    bench.open_gate(Verdict::Draw);
    assert!(outcome(&running).is_ok() && outcome(&last).is_ok());
    assert_eq!(bench.runs(), 2);
}

#[test]
fn cancelling_wakes_whoever_waits_on_the_same_ticket() {
    let bench = Bench::new();
    let ticket = bench.submit(0.1, Priority::Final);
    bench.wait_for_start();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| ticket.wait());
        ticket.cancel();
        assert!(matches!(*waiting.join().unwrap().unwrap_err(), Error::Cancelled));
    });
    bench.open_gate(Verdict::WaitForCancel);
}

#[test]
fn a_panic_of_the_engine_is_an_error_for_all_and_the_queue_goes_on() {
    let bench = Bench::new();
    let one = bench.submit(0.5, Priority::Final);
    let two = bench.submit(0.5, Priority::Final);
    bench.wait_for_start();
    bench.open_gate(Verdict::Panic);
    assert!(failure(&one).contains("told to panic"));
    assert!(failure(&two).contains("Flow"));
    // A failure is not cached: the same job may be tried again.
    bench.open_gate(Verdict::Draw);
    assert!(outcome(&bench.submit(0.5, Priority::Final)).is_ok());
}

#[test]
fn a_failure_of_the_engine_reaches_all() {
    let bench = Bench::new();
    let one = bench.submit(0.5, Priority::Final);
    let two = bench.submit(0.5, Priority::Interactive);
    bench.open_gate(Verdict::Fail);
    assert_eq!(failure(&one), "gated: told to");
    assert_eq!(failure(&two), "gated: told to");
    assert!(bench.queue.cached(&job(0.5).request, (2, 2)).is_none());
}

#[test]
fn a_picture_of_the_wrong_size_is_refused() {
    let bench = Bench::new();
    bench.open_gate(Verdict::DrawTooSmall);
    let ticket = bench.submit(0.5, Priority::Final);
    assert!(failure(&ticket).contains("(1, 1) pixels for keys of (2, 2)"));
    assert!(bench.queue.cached(&job(0.5).request, (2, 2)).is_none());
}

#[test]
fn a_job_that_cannot_be_drawn_fails_at_once() {
    let bench = Bench::new();
    let mut differing = job(0.5);
    differing.last = Arc::new(Frame::transparent(3, 2).unwrap());
    let mut unmatched = job(0.5);
    unmatched.sketches.push(unmatched.first.clone());
    for bad in [differing, unmatched, job(0.0), job(f64::NAN)] {
        let ticket = bench.queue.submit(bad, Priority::Final);
        assert!(ticket.wait_for(NOW).unwrap().is_err());
    }
    assert_eq!(bench.threads(), 0);
}

#[test]
fn a_missing_engine_is_named() {
    let queue = Queue::new(Vec::new(), Cache::new(CacheConfig::in_memory(0)));
    assert!(failure(&queue.submit(job(0.5), Priority::Final)).contains("Flow"));
    assert!(queue.cached(&job(0.5).request, (2, 2)).is_none());
}

#[test]
fn dropping_the_queue_stops_the_engine_and_answers_all() {
    let bench = Bench::new();
    let running = bench.submit(0.1, Priority::Final);
    bench.wait_for_start();
    let waiting = bench.submit(0.2, Priority::Final);
    bench.open_gate(Verdict::WaitForCancel);
    let Bench { queue, engine, .. } = bench;
    drop(queue);
    assert!(matches!(*running.wait_for(NOW).unwrap().unwrap_err(), Error::Cancelled));
    assert!(matches!(*waiting.wait_for(NOW).unwrap().unwrap_err(), Error::Cancelled));
    drop((running, waiting));
    // Its thread is gone, so only the test still holds the engine.
    assert_eq!(Arc::strong_count(&engine), 1);
}

#[test]
fn two_runs_at_a_time_when_told_so() {
    let bench = Bench::with_runs(2);
    let tickets = [0.1, 0.2, 0.3].map(|position| bench.submit(position, Priority::Final));
    // Both are at the gate before it opens.
    let mut started = [bench.wait_for_start(), bench.wait_for_start()];
    started.sort_by(f64::total_cmp);
    assert_eq!(started, [0.1, 0.2]);
    assert!(bench.started.try_recv().is_err());
    for _ in &tickets {
        bench.open_gate(Verdict::Draw);
    }
    assert!(tickets.iter().all(|ticket| outcome(ticket).is_ok()));
    assert_eq!(bench.threads(), 2);
}

#[test]
fn what_one_process_drew_the_next_one_finds() {
    let dir = tempfile::tempdir().unwrap();
    let disk = DiskConfig { dir: dir.path().to_path_buf(), limit_bytes: 1 << 20 };
    let config = CacheConfig { memory_bytes: 1 << 20, disk: Some(disk) };
    let today = Bench::over(Cache::new(config.clone()), 1);
    today.open_gate(Verdict::Draw);
    let drawn = outcome(&today.submit(0.5, Priority::Final)).unwrap();
    // Ends when the drawing is on disk.
    drop(today);

    let tomorrow = Bench::over(Cache::new(config.clone()), 1);
    assert_eq!(tomorrow.queue.cached(&job(0.5).request, (2, 2)), Some(drawn.clone()));
    // Those who submit without looking first get it too.
    let later = Bench::over(Cache::new(config), 1);
    assert_eq!(outcome(&later.submit(0.5, Priority::Final)).unwrap(), drawn);
    assert_eq!((tomorrow.runs(), later.runs()), (0, 0));
}

#[test]
fn many_host_threads_on_many_frames_all_get_theirs() {
    // Draws with rayon while rayon's pool is busy, as happens in a render host.
    struct ParallelEngine(AtomicUsize);
    impl Engine for ParallelEngine {
        fn kind(&self) -> EngineKind {
            EngineKind::Flow
        }
        fn version(&self) -> &str {
            "parallel"
        }
        fn draw(&self, job: &Job, control: &Control) -> Result<Drawn, Error> {
            use rayon::prelude::*;
            self.0.fetch_add(1, Ordering::SeqCst);
            let grey = job.request.position as f32;
            let pixels = (0..64 * 64).into_par_iter().map(|_| [grey; 4]).collect();
            control.check()?;
            Ok(Drawn {
                frame: Frame::from_pixels(64, 64, pixels)?,
                confidence: 1.0,
                cut: false,
                remarks: Remarks::default(),
            })
        }
    }
    let engine = Arc::new(ParallelEngine(AtomicUsize::new(0)));
    let cache = Cache::new(CacheConfig::in_memory(64 << 20));
    let queue = Queue::new(vec![engine.clone()], cache);
    std::thread::scope(|scope| {
        for thread in 0..16_usize {
            let queue = &queue;
            scope.spawn(move || {
                for round in 0..40_usize {
                    let position = ((round * 7 + thread) % 40 + 1) as f64 / 41.0;
                    let mut job = job(position);
                    job.first = Arc::new(Frame::transparent(64, 64).unwrap());
                    job.last = job.first.clone();
                    rayon::join(|| (), || ());
                    if round % 5 == thread % 5 {
                        drop(queue.submit(job, Priority::Interactive));
                        continue;
                    }
                    let ticket = queue.submit(job, Priority::Final);
                    let drawn = outcome(&ticket).unwrap();
                    assert_eq!(drawn.frame.pixels()[0][0], position as f32);
                }
            });
        }
    });
    assert!((1..=16 * 40).contains(&engine.0.load(Ordering::SeqCst)));
}

#[test]
fn the_process_has_one_queue_until_it_is_shut_down() {
    let make = || Queue::new(Vec::new(), Cache::new(CacheConfig::in_memory(0)));
    let one = of_process(make);
    let two = of_process(|| unreachable!("there is one already"));
    assert!(Arc::ptr_eq(&one, &two));
    shut_down();
    assert!(!Arc::ptr_eq(&one, &of_process(make)));
    shut_down();
}

/// Draws the first key at once, under the name of the other engine.
struct Instant;

impl Engine for Instant {
    fn kind(&self) -> EngineKind {
        EngineKind::ToonCrafter
    }

    fn version(&self) -> &str {
        "instant"
    }

    fn draw(&self, job: &Job, _control: &Control) -> Result<Drawn, Error> {
        Ok(Drawn {
            frame: (*job.first).clone(),
            confidence: 1.0,
            cut: false,
            remarks: Remarks::default(),
        })
    }
}

#[test]
fn an_engine_that_is_busy_holds_no_other_one_up() {
    let mut bench = Bench::new();
    let engines: Vec<Arc<dyn Engine>> = vec![bench.engine.clone(), Arc::new(Instant)];
    bench.queue = Queue::new(engines, Cache::new(CacheConfig::in_memory(1 << 20)));
    let busy = bench.submit(0.5, Priority::Interactive);
    bench.wait_for_start();
    let mut other = job(0.5);
    let weights = WeightRef { path: "model".into(), fingerprint: ContentHash::of(b"model") };
    other.request.settings.engine = EngineKind::ToonCrafter;
    other.request.settings.tooncrafter = Some(Box::new(ToonCrafterSettings::new(weights)));
    outcome(&bench.queue.submit(other, Priority::Final)).unwrap();
    assert!(busy.wait_for(NOW).is_none());
    assert_eq!(bench.threads(), 2);
    bench.open_gate(Verdict::Draw);
    outcome(&busy).unwrap();
}
