//! What can happen to files that several processes share, provoked on purpose.

mod hostile;
mod spans;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tempfile::TempDir;

use super::*;
use crate::{Frame, Remarks, Unsure};

const SIDE: usize = 4;
const SIZE: (usize, usize) = (SIDE, SIDE);

/// Size in bytes of each drawing's file. The drawings differ in one value, which does not change
/// the size.
fn file_bytes() -> u64 {
    let drawn = drawn(1);
    entry::file(EntryKind::Drawing, &key(1), &[&drawn.frame], true, 0.25, &drawn.remarks)
        .unwrap()
        .len() as u64
}

fn drawn(of: u8) -> Drawn {
    let pixels = (0..SIDE * SIDE).map(|at| [f32::from(of), at as f32, -0.0, 1e-40]).collect();
    let frame = Frame::from_pixels(SIDE, SIDE, pixels).unwrap();
    Drawn { frame, confidence: 0.25, cut: of % 2 == 1, remarks: Remarks::default() }
}

fn key(of: u8) -> ContentHash {
    ContentHash::of(&[of])
}

fn disk(dir: &TempDir, drawings: u64) -> DiskCache {
    let limit_bytes = drawings * file_bytes();
    DiskCache::new(DiskConfig { dir: dir.path().join("cache"), limit_bytes })
}

fn drawings_dir(dir: &TempDir) -> PathBuf {
    dir.path().join("cache").join("drawings-2")
}

fn file_of(dir: &TempDir, of: u8) -> PathBuf {
    drawings_dir(dir).join(format!("{}.drawing", key(of)))
}

fn stored(dir: &TempDir) -> usize {
    let is_drawing = |path: &Path| path.extension().is_some_and(|extension| extension == "drawing");
    let files = fs::read_dir(drawings_dir(dir)).unwrap();
    files.filter(|file| is_drawing(&file.as_ref().unwrap().path())).count()
}

/// Makes the drawing look last used `minutes` ago.
fn age(path: &Path, minutes: u64) {
    let then = SystemTime::now() - Duration::from_secs(60 * minutes);
    File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
}

#[test]
fn drawings_come_back_bit_for_bit() {
    let dir = TempDir::new().unwrap();
    let cache = disk(&dir, 10);
    for of in 0..4 {
        cache.put(&key(of), &drawn(of));
    }
    for of in 0..4 {
        let (found, wanted) = (cache.get(&key(of), SIZE).unwrap(), drawn(of));
        assert_eq!(found, wanted);
        let bits = |drawn: &Drawn| {
            drawn.frame.pixels().as_flattened().iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        };
        assert_eq!(bits(&found), bits(&wanted));
    }
    assert!(cache.get(&key(9), SIZE).is_none());
    assert_eq!(cache.stats(), DiskStats { stored: 4, ..DiskStats::default() });
    assert_eq!(fs::metadata(file_of(&dir, 0)).unwrap().len(), file_bytes());
}

#[test]
fn what_is_to_be_said_of_a_drawing_is_kept_with_it() {
    let dir = TempDir::new().unwrap();
    let cache = disk(&dir, 10);
    let unsure = Some(Unsure { share: 0.14, area: [0.25, 0.5, 0.75, 1.0] });
    for (of, loose_pins) in [(1, vec![]), (2, vec![0, 3])] {
        let said = Drawn { remarks: Remarks { loose_pins, unsure }, ..drawn(of) };
        assert!(cache.put(&key(of), &said));
        assert_eq!(cache.get(&key(of), SIZE), Some(said));
    }
    // Damage to a remark is detected in the same way as damage to a pixel.
    let file = file_of(&dir, 1);
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    assert_eq!(cache.get(&key(1), SIZE), None);
}

#[test]
fn nothing_is_made_before_the_first_drawing() {
    let dir = TempDir::new().unwrap();
    let cache = disk(&dir, 10);
    assert!(cache.get(&key(1), SIZE).is_none());
    assert_eq!(cache.stats(), DiskStats::default());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn truncated_and_lengthened_drawings_heal() {
    let dir = TempDir::new().unwrap();
    let cache = disk(&dir, 10);
    let lengths = [0, 1, 7, 8, 31, 63, 79, 80, 111, 112, 113, file_bytes() - 1, file_bytes() + 1];
    for (count, length) in lengths.into_iter().enumerate() {
        cache.put(&key(1), &drawn(1));
        File::options().write(true).open(file_of(&dir, 1)).unwrap().set_len(length).unwrap();
        assert!(cache.get(&key(1), SIZE).is_none(), "{length} bytes");
        assert!(!file_of(&dir, 1).exists(), "{length} bytes");
        assert_eq!(cache.stats().healed, count as u64 + 1);
    }
    cache.put(&key(1), &drawn(1));
    assert_eq!(cache.get(&key(1), SIZE), Some(drawn(1)));
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let dir = TempDir::new().unwrap();
    let cache = disk(&dir, 10);
    cache.put(&key(1), &drawn(1));
    let good = fs::read(file_of(&dir, 1)).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(file_of(&dir, 1), bad).unwrap();
        assert!(cache.get(&key(1), SIZE).is_none(), "byte {at}");
        assert!(!file_of(&dir, 1).exists(), "byte {at}");
    }
    assert_eq!(cache.stats().healed, good.len() as u64);
}

#[test]
fn a_drawing_under_another_name_is_not_believed() {
    let dir = TempDir::new().unwrap();
    let cache = disk(&dir, 10);
    cache.put(&key(1), &drawn(1));
    fs::rename(file_of(&dir, 1), file_of(&dir, 2)).unwrap();
    assert!(cache.get(&key(2), SIZE).is_none());
    assert_eq!(cache.stats().healed, 1);
}

#[test]
fn a_header_that_claims_a_giant_takes_no_memory() {
    let dir = TempDir::new().unwrap();
    let cache = disk(&dir, 10);
    cache.put(&key(1), &drawn(1));
    let mut bytes = fs::read(file_of(&dir, 1)).unwrap();
    for (width, height) in [(u32::MAX, u32::MAX), (32_768, 16_384), (0, 4)] {
        bytes[16..20].copy_from_slice(&width.to_le_bytes());
        bytes[20..24].copy_from_slice(&height.to_le_bytes());
        fs::write(file_of(&dir, 1), &bytes).unwrap();
        assert!(cache.get(&key(1), SIZE).is_none());
    }
    assert_eq!(cache.stats().healed, 3);
}

#[test]
fn garbage_in_the_directory_is_left_alone_and_does_no_harm() {
    let dir = TempDir::new().unwrap();
    let cache = disk(&dir, 2);
    fs::create_dir_all(drawings_dir(&dir).join("a directory")).unwrap();
    let notes = drawings_dir(&dir).join("notes.txt");
    fs::write(&notes, vec![7; 10 * file_bytes() as usize]).unwrap();
    fs::write(file_of(&dir, 1), b"garbage").unwrap();
    // A directory where a drawing should be can be neither read nor replaced.
    fs::create_dir(file_of(&dir, 2)).unwrap();

    assert!(cache.get(&key(1), SIZE).is_none());
    assert!(cache.get(&key(2), SIZE).is_none());
    cache.put(&key(2), &drawn(2));
    cache.put(&key(3), &drawn(3));
    assert_eq!(cache.get(&key(3), SIZE), Some(drawn(3)));
    assert!(notes.exists());
    assert_eq!(cache.stats().healed, 2);
    assert_eq!(cache.stats().stored, 1);
}

#[test]
fn a_directory_deleted_meanwhile_is_made_again() {
    let dir = TempDir::new().unwrap();
    let cache = disk(&dir, 10);
    cache.put(&key(1), &drawn(1));
    fs::remove_dir_all(dir.path().join("cache")).unwrap();
    assert!(cache.get(&key(1), SIZE).is_none());
    cache.put(&key(1), &drawn(1));
    assert_eq!(cache.get(&key(1), SIZE), Some(drawn(1)));
    assert_eq!(cache.stats().failures, 0);
}

#[test]
fn without_a_usable_directory_all_goes_on_in_memory() {
    let dir = TempDir::new().unwrap();
    // A file in place of the directory. It behaves like a read-only place, and does so even for
    // tests that run as root.
    fs::write(dir.path().join("cache"), b"not a directory").unwrap();
    let disk = DiskConfig { dir: dir.path().join("cache"), limit_bytes: 1 << 20 };
    let cache = Cache::new(CacheConfig { memory_bytes: 1 << 20, disk: Some(disk) });
    let picture = Arc::new(drawn(1));
    for of in 0..3 {
        assert!(cache.get(&key(of), SIZE).is_none());
        cache.put_in_memory(key(of), &picture);
        cache.put_on_disk(&key(of), &picture);
        assert!(Arc::ptr_eq(&cache.get(&key(of), SIZE).unwrap(), &picture));
    }
    let stats = cache.stats();
    assert_eq!((stats.disk.stored, stats.disk.failures), (0, 6));
    assert_eq!((stats.memory_hits, stats.misses), (3, 3));
}

#[test]
fn an_unusable_directory_is_logged_once() {
    let dir = TempDir::new().unwrap();
    let lines = recorded_lines();
    fs::write(dir.path().join("cache"), b"not a directory").unwrap();
    let cache = disk(&dir, 10);
    for of in 0..3 {
        assert!(cache.get(&key(of), SIZE).is_none());
        cache.put(&key(of), &drawn(of));
    }
    let place = dir.path().display().to_string();
    let about_it = lines.lock().iter().filter(|line| line.contains(&place)).count();
    assert_eq!(about_it, 1);
}

/// The lines that this process logs from now on. They include those of other tests.
fn recorded_lines() -> &'static Mutex<Vec<String>> {
    struct Recorder(Mutex<Vec<String>>);
    impl log::Log for Recorder {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            self.0.lock().push(record.args().to_string());
        }
        fn flush(&self) {}
    }
    static RECORDER: Recorder = Recorder(Mutex::new(Vec::new()));
    // Fails for all callers but the first, and by then the logger is already set.
    let _ = log::set_logger(&RECORDER);
    log::set_max_level(log::LevelFilter::Warn);
    &RECORDER.0
}

#[test]
fn the_longest_unused_goes_first_and_reading_is_using() {
    let dir = TempDir::new().unwrap();
    let cache = disk(&dir, 3);
    for (of, minutes) in [(1, 30), (2, 50), (3, 40)] {
        cache.put(&key(of), &drawn(of));
        age(&file_of(&dir, of), minutes);
    }
    assert!(cache.get(&key(2), SIZE).is_some());
    cache.put(&key(4), &drawn(4));
    assert!(!file_of(&dir, 3).exists());
    cache.put(&key(5), &drawn(5));
    assert!(!file_of(&dir, 1).exists());
    assert!([2, 4, 5].iter().all(|of| file_of(&dir, *of).exists()));
    assert_eq!(cache.stats().evicted, 2);
}

#[test]
fn the_limit_is_never_exceeded() {
    let dir = TempDir::new().unwrap();
    for (limit, wanted) in [(3 * file_bytes(), 3), (3 * file_bytes() - 1, 2), (file_bytes() - 1, 0)]
    {
        let config = DiskConfig { dir: dir.path().join("cache"), limit_bytes: limit };
        let cache = DiskCache::new(config);
        fs::create_dir_all(drawings_dir(&dir)).unwrap();
        for of in 0..6 {
            cache.put(&key(of), &drawn(of));
            assert!(stored(&dir) <= wanted);
        }
        assert_eq!(stored(&dir), wanted);
        fs::remove_dir_all(drawings_dir(&dir)).unwrap();
    }
}

#[test]
fn writing_again_does_not_push_others_out() {
    let dir = TempDir::new().unwrap();
    let cache = disk(&dir, 2);
    for of in [1, 2, 2, 2] {
        cache.put(&key(of), &drawn(of));
    }
    assert_eq!(stored(&dir), 2);
    assert_eq!(cache.stats().evicted, 0);
}

#[test]
fn leftovers_of_a_dead_process_go_and_those_of_a_living_one_stay() {
    let dir = TempDir::new().unwrap();
    let cache = disk(&dir, 2);
    fs::create_dir_all(drawings_dir(&dir)).unwrap();
    let [dead, living] = ["dead", "living"].map(|name| {
        let path = drawings_dir(&dir).join(format!(".writing-{name}"));
        fs::write(&path, b"half").unwrap();
        path
    });
    age(&dead, 61);
    cache.put(&key(1), &drawn(1));
    assert!(!dead.exists());
    assert!(living.exists());
}

#[test]
fn nothing_is_left_beside() {
    let dir = TempDir::new().unwrap();
    let cache = disk(&dir, 2);
    for of in 0..5 {
        cache.put(&key(of), &drawn(of));
    }
    let mut names: Vec<String> = fs::read_dir(drawings_dir(&dir))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name != "lock" && !name.ends_with(".drawing"));
    assert_eq!(names, Vec::<String>::new());
}

#[test]
fn a_lock_that_is_never_given_back_stops_storing_but_not_the_caller() {
    let dir = TempDir::new().unwrap();
    let cache = disk(&dir, 2);
    cache.put(&key(1), &drawn(1));
    let lock = File::options().write(true).open(drawings_dir(&dir).join("lock")).unwrap();
    lock.lock().unwrap();
    cache.put(&key(2), &drawn(2));
    assert!(cache.get(&key(2), SIZE).is_none());
    assert_eq!(cache.get(&key(1), SIZE), Some(drawn(1)));
    drop(lock);
    cache.put(&key(2), &drawn(2));
    assert_eq!(cache.get(&key(2), SIZE), Some(drawn(2)));
}

#[test]
fn threads_with_caches_of_their_own_share_one_directory() {
    let dir = TempDir::new().unwrap();
    let failures: Vec<DiskStats> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4_u8)
            .map(|thread| {
                let dir = &dir;
                scope.spawn(move || {
                    let cache = disk(dir, 5);
                    for round in 0..60_u8 {
                        let of = round.wrapping_mul(7).wrapping_add(thread) % 9;
                        if let Some(found) = cache.get(&key(of), SIZE) {
                            assert_eq!(found, drawn(of));
                        } else {
                            cache.put(&key(of), &drawn(of));
                        }
                    }
                    cache.stats()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(stored(&dir) <= 5);
    assert!(failures.iter().all(|stats| stats.failures == 0 && stats.healed == 0));
    assert!(failures.iter().map(|stats| stats.stored).sum::<u64>() >= 9);
}

#[test]
fn memory_lies_over_disk() {
    let dir = TempDir::new().unwrap();
    let config = CacheConfig {
        memory_bytes: 1 << 20,
        disk: Some(DiskConfig { dir: dir.path().join("cache"), limit_bytes: 1 << 20 }),
    };
    let yesterday = Cache::new(config.clone());
    yesterday.put_on_disk(&key(1), &drawn(1));
    drop(yesterday);

    let cache = Cache::new(config);
    assert!(cache.get_in_memory(&key(1), SIZE).is_none());
    let from_disk = cache.get(&key(1), SIZE).unwrap();
    assert_eq!(*from_disk, drawn(1));
    assert!(Arc::ptr_eq(&cache.get(&key(1), SIZE).unwrap(), &from_disk));
    cache.clear_memory();
    assert_eq!(*cache.get(&key(1), SIZE).unwrap(), drawn(1));
    assert!(cache.get(&key(2), SIZE).is_none());
    let stats = cache.stats();
    assert_eq!((stats.memory_hits, stats.disk_hits, stats.misses), (1, 2, 1));
    assert!(stats.memory_bytes > 0);
}

#[test]
fn clearing_leaves_nothing_to_be_found_and_nothing_of_others() {
    let dir = TempDir::new().unwrap();
    let config = DiskConfig { dir: dir.path().join("cache"), limit_bytes: 100 * file_bytes() };
    let cache = Cache::new(CacheConfig { memory_bytes: 1 << 20, disk: Some(config) });
    assert_eq!(cache.clear().unwrap(), (0, 0));
    for of in 0..3 {
        cache.put_in_memory(key(of), &Arc::new(drawn(of)));
        cache.put_on_disk(&key(of), &drawn(of));
    }
    let stranger = drawings_dir(&dir).join("notes.txt");
    fs::write(&stranger, "mine").unwrap();
    assert_eq!(cache.clear().unwrap(), (3, 3 * file_bytes()));
    assert!((0..3).all(|of| cache.get(&key(of), SIZE).is_none()));
    assert!(stranger.exists());
    cache.put_on_disk(&key(7), &drawn(7));
    assert!(cache.get(&key(7), SIZE).is_some());
}
