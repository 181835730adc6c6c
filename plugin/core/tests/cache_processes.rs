//! One cache directory, several processes at once: this test starts itself again.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use inbetween_core::cache::{DiskCache, DiskConfig};
use inbetween_core::{ContentHash, Drawn, Frame, Remarks};

const DIR: &str = "INBETWEEN_TEST_DIR";
const DRAWINGS: u8 = 12;
const ROOM_FOR: u64 = 7;
const SIDE: usize = 64;
/// Size of the file of one of these drawings, which is small because each has a single colour.
const FILE_BYTES: u64 = 250;

fn drawn(of: u8) -> Drawn {
    let pixels = vec![[f32::from(of), 0.5, 2.0, 1.0]; SIDE * SIDE];
    let frame = Frame::from_pixels(SIDE, SIDE, pixels).expect("the size matches the pixels");
    Drawn { frame, confidence: 1.0, cut: false, remarks: Remarks::default() }
}

/// One process among several: reads and writes the same few drawings in its own order.
#[test]
#[ignore = "a part of several_processes_share_one_directory, which starts it"]
fn one_process() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let cache =
        DiskCache::new(DiskConfig { dir: PathBuf::from(dir), limit_bytes: ROOM_FOR * FILE_BYTES });
    let mut order = std::process::id();
    for _ in 0..150 {
        order = order.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let of = (order >> 16) as u8 % DRAWINGS;
        let key = ContentHash::of(&[of]);
        match cache.get(&key, (SIDE, SIDE)) {
            Some(found) => assert!(found == drawn(of), "drawing {of} is another one"),
            None => {
                cache.put(&key, &drawn(of));
            }
        }
    }
    let stats = cache.stats();
    assert_eq!((stats.healed, stats.failures), (0, 0), "{stats:?}");
}

#[test]
fn several_processes_share_one_directory() {
    let dir = tempfile::tempdir().unwrap();
    let processes: Vec<_> = (0..4)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "one_process", "--ignored", "--nocapture"])
                .env(DIR, dir.path())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("1 passed"), "{said}");
    }
    let files: Vec<_> = std::fs::read_dir(dir.path().join("drawings-2"))
        .unwrap()
        .map(|file| file.unwrap())
        .filter(|file| file.path().extension().is_some_and(|extension| extension == "drawing"))
        .collect();
    let total: u64 = files.iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(!files.is_empty());
    assert!(total <= ROOM_FOR * FILE_BYTES, "{total} bytes in {} files", files.len());
}
