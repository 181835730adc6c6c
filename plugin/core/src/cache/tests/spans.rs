//! Spans: several frames of one size in one file.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::super::*;
use crate::{Frame, Remarks};

const FRAMES: usize = 3;
const SIZE: (usize, usize) = (5, 3);

fn span(of: f32) -> Vec<Frame> {
    let frame = |at: usize| {
        let pixels = (0..15).map(|pixel| [of, at as f32, pixel as f32, 1.0]).collect();
        Frame::from_pixels(5, 3, pixels).unwrap()
    };
    (0..FRAMES).map(frame).collect()
}

fn file_bytes() -> u64 {
    let frames = span(1.0);
    let frames: Vec<&Frame> = frames.iter().collect();
    entry::file(
        EntryKind::Span,
        &ContentHash::of(b"span"),
        &frames,
        false,
        1.0,
        &Remarks::default(),
    )
    .unwrap()
    .len() as u64
}

fn disk(dir: &Path, limit_bytes: u64) -> DiskCache {
    DiskCache::new(DiskConfig { dir: dir.to_owned(), limit_bytes })
}

fn file_of(dir: &Path, key: &ContentHash) -> PathBuf {
    dir.join("drawings-2").join(format!("{key}.span"))
}

#[test]
fn frames_come_back_in_order() {
    let dir = TempDir::new().unwrap();
    let (cache, key) = (disk(dir.path(), 1 << 20), ContentHash::of(b"span"));
    assert!(!cache.has_span(&key));
    assert!(cache.put_span(&key, &span(1.0)));
    assert!(cache.has_span(&key));
    assert_eq!(cache.get_span(&key, |size| size == SIZE, FRAMES), Some(span(1.0)));
    assert_eq!(fs::metadata(file_of(dir.path(), &key)).unwrap().len(), file_bytes());
    assert_eq!(cache.get_span(&ContentHash::of(b"other"), |size| size == SIZE, FRAMES), None);
}

#[test]
fn frames_that_do_not_belong_together_are_not_stored() {
    let dir = TempDir::new().unwrap();
    let (cache, key) = (disk(dir.path(), 1 << 20), ContentHash::of(b"span"));
    let mut odd = span(1.0);
    odd.push(Frame::transparent(3, 5).unwrap());
    assert!(!cache.put_span(&key, &odd));
    assert!(!cache.put_span(&key, &[]));
    assert!(!cache.has_span(&key));
}

#[test]
fn damage_anywhere_is_found_and_healed() {
    let dir = TempDir::new().unwrap();
    let (cache, key) = (disk(dir.path(), 1 << 20), ContentHash::of(b"span"));
    let path = file_of(dir.path(), &key);
    cache.put_span(&key, &span(1.0));
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(&path, bad).unwrap();
        assert!(cache.get_span(&key, |size| size == SIZE, FRAMES).is_none(), "byte {at}");
        assert!(!path.exists(), "byte {at}");
    }
    for length in [0, 20, 111, 112, 120, good.len() - 1] {
        fs::write(&path, &good[..length]).unwrap();
        assert!(cache.get_span(&key, |size| size == SIZE, FRAMES).is_none(), "{length} bytes");
    }
    assert!(cache.put_span(&key, &span(1.0)));
    assert_eq!(cache.get_span(&key, |size| size == SIZE, FRAMES), Some(span(1.0)));
}

#[test]
fn spans_pictures_and_drawings_share_one_limit() {
    let dir = TempDir::new().unwrap();
    let cache = disk(dir.path(), 3 * file_bytes());
    let key = |of: u8| ContentHash::of(&[of]);
    let frame = span(1.0).remove(0);
    let drawn =
        Drawn { frame: frame.clone(), confidence: 1.0, cut: false, remarks: Remarks::default() };
    for of in 0..12 {
        match of % 3 {
            0 => assert!(cache.put_span(&key(of), &span(f32::from(of)))),
            1 => assert!(cache.put_picture(&key(of), &frame)),
            _ => assert!(cache.put(&key(of), &drawn)),
        }
        let files = fs::read_dir(dir.path().join("drawings-2")).unwrap();
        let total: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(total <= 3 * file_bytes(), "{total} bytes after {of}");
    }
    assert_eq!(cache.get_picture(&key(10), SIZE), Some(frame));
    assert_eq!(cache.get(&key(11), SIZE), Some(drawn));
    assert!(cache.get(&key(10), SIZE).is_none(), "a picture is no drawing");
    assert!(cache.stats().evicted > 0);
}
