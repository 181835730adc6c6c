//! Foreign files where a drawing should be, and how well drawings compress.

use super::*;

/// Puts a valid cache file with these contents under the name of drawing 1.
fn plant(dir: &TempDir, holds: EntryKind, frames: &[Frame]) {
    let frames: Vec<&Frame> = frames.iter().collect();
    let file = entry::file(holds, &key(1), &frames, false, 1.0, &Remarks::default()).unwrap();
    fs::create_dir_all(drawings_dir(dir)).unwrap();
    fs::write(file_of(dir, 1), file).unwrap();
}

#[test]
fn another_size_kind_or_number_of_frames_is_removed_and_logged() {
    let lines = recorded_lines();
    let frame = |width, height| Frame::transparent(width, height).unwrap();
    let mut broken = frame(SIDE, SIDE);
    broken.pixels_mut()[5][1] = f32::NAN;
    let cases = [
        (EntryKind::Drawing, vec![frame(SIDE + 1, SIDE)]),
        (EntryKind::Drawing, vec![frame(2, 2)]),
        (EntryKind::Picture, vec![frame(SIDE, SIDE)]),
        (EntryKind::Span, vec![frame(SIDE, SIDE)]),
        (EntryKind::Drawing, vec![frame(SIDE, SIDE), frame(SIDE, SIDE)]),
        (EntryKind::Drawing, vec![broken]),
    ];
    for (at, (holds, frames)) in cases.into_iter().enumerate() {
        let dir = TempDir::new().unwrap();
        let cache = disk(&dir, 10);
        plant(&dir, holds, &frames);
        assert!(cache.get(&key(1), SIZE).is_none(), "case {at}");
        assert!(!file_of(&dir, 1).exists(), "case {at}");
        assert_eq!(cache.stats().healed, 1, "case {at}");
        let place = dir.path().display().to_string();
        assert_eq!(
            lines.lock().iter().filter(|line| line.contains(&place)).count(),
            1,
            "case {at}"
        );
        assert!(cache.put(&key(1), &drawn(1)), "case {at}");
        assert_eq!(cache.get(&key(1), SIZE), Some(drawn(1)), "case {at}");
    }
}

#[test]
fn a_span_of_another_number_of_frames_is_removed() {
    let dir = TempDir::new().unwrap();
    let cache = disk(&dir, 100);
    let frames = vec![Frame::transparent(SIDE, SIDE).unwrap(); 3];
    let get = |size, count| cache.get_span(&key(1), |found| found == size, count);
    for (size, count) in [(SIZE, 2), (SIZE, 4), ((SIDE, 1), 3)] {
        assert!(cache.put_span(&key(1), &frames));
        assert!(get(size, count).is_none());
        assert!(!cache.has_span(&key(1)));
    }
    assert!(cache.put_span(&key(1), &frames));
    assert_eq!(get(SIZE, 3), Some(frames));
}

/// Runs `work`, which must not wait for anything.
#[cfg(unix)]
fn at_once(work: impl FnOnce() + Send + 'static) {
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        work();
        let _ = done.send(());
    });
    is_done.recv_timeout(Duration::from_secs(20)).expect("it waits, or has failed");
}

#[cfg(unix)]
fn pipe(path: &Path) {
    assert!(crate::program::command("mkfifo").arg(path).status().unwrap().success());
}

#[cfg(unix)]
#[test]
fn pipes_links_to_devices_and_folders_hold_nobody_up() {
    at_once(|| {
        let dir = TempDir::new().unwrap();
        let cache = disk(&dir, 10);
        fs::create_dir_all(drawings_dir(&dir)).unwrap();
        pipe(&file_of(&dir, 1));
        std::os::unix::fs::symlink("/dev/zero", file_of(&dir, 2)).unwrap();
        fs::create_dir(file_of(&dir, 3)).unwrap();
        let kept = cache.list().unwrap();
        assert_eq!(kept.len(), 2, "a folder holds nothing of ours");
        assert!(kept.iter().all(|kept| cache.is_whole(kept).unwrap() == Some(false)));
        for of in 1..=3 {
            assert!(cache.get(&key(of), SIZE).is_none());
            assert_eq!(cache.put(&key(of), &drawn(of)), of != 3);
            assert_eq!(cache.get(&key(of), SIZE).is_some(), of != 3);
        }
        // With a foreign file in place of the lock nothing is stored, and nobody waits.
        fs::remove_file(drawings_dir(&dir).join("lock")).unwrap();
        pipe(&drawings_dir(&dir).join("lock"));
        assert!(!cache.put(&key(4), &drawn(4)));
        assert_eq!(cache.get(&key(1), SIZE), Some(drawn(1)));
    });
}

#[cfg(unix)]
#[test]
fn a_pipe_that_looks_like_a_claim_holds_nobody_up() {
    at_once(|| {
        let dir = TempDir::new().unwrap();
        fs::create_dir_all(dir.path().join("leases-1")).unwrap();
        pipe(&dir.path().join("leases-1").join(format!("{}.1", key(1))));
        let control = crate::Control::default();
        let claim = lease::claim(dir.path(), &key(1), &control, || false).unwrap();
        assert!(matches!(claim, lease::Claim::Mine(_)), "everybody computes for himself");
    });
}

#[test]
fn a_former_form_makes_room_and_what_is_not_ours_stays() {
    let dir = TempDir::new().unwrap();
    let former = dir.path().join("cache").join("drawings-1");
    fs::create_dir_all(&former).unwrap();
    fs::write(former.join("0123.drawing"), b"old").unwrap();
    fs::write(former.join("notes.txt"), b"mine").unwrap();
    disk(&dir, 10).put(&key(1), &drawn(1));
    assert!(!former.join("0123.drawing").exists());
    assert!(former.join("notes.txt").exists());
    fs::remove_dir_all(drawings_dir(&dir)).unwrap();
    fs::remove_file(former.join("notes.txt")).unwrap();
    disk(&dir, 10).put(&key(1), &drawn(1));
    assert!(!former.exists());
}

/// Flat colours, a gradient, and an outline as soft as the engines draw it.
fn cel(grain: bool) -> Frame {
    const SIDE: usize = 512;
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let pixels = (0..SIDE * SIDE).map(|at| {
        let (x, y) = ((at % SIDE) as f32, (at / SIDE) as f32);
        let away = ((x - 256.0).hypot(y - 230.0) - 120.0).abs();
        let line = (away / 1.7).min(1.0);
        let ground = if y > 380.0 { 0.3 + x / 4096.0 } else { 0.8125 };
        // Film grain in steps of 8 bits, moved by a fraction of a pixel.
        let grain = if grain { (0.6 * noise() + 0.4 * noise()) * 12.0 / 255.0 } else { 0.0 };
        let value = line * ground + grain;
        [value, value * 0.9, 0.5 * value + 0.2, 1.0]
    });
    Frame::from_pixels(SIDE, SIDE, pixels.collect()).unwrap()
}

#[test]
fn a_drawing_takes_at_most_half_of_its_pixels_and_a_clean_one_much_less() {
    let dir = TempDir::new().unwrap();
    let config = DiskConfig { dir: dir.path().join("cache"), limit_bytes: 1 << 30 };
    let cache = DiskCache::new(config);
    for (of, grain, most) in [(1, false, 0.15), (2, true, 0.5)] {
        let frame = cel(grain);
        let (size, bytes) = ((frame.width(), frame.height()), frame.byte_len());
        let drawn = Drawn { frame, confidence: 1.0, cut: false, remarks: Remarks::default() };
        assert!(cache.put(&key(of), &drawn));
        let share = fs::metadata(file_of(&dir, of)).unwrap().len() as f64 / bytes as f64;
        println!("grain {grain}: {:.1} % of its pixels", 100.0 * share);
        assert!(share <= most, "grain {grain}: {:.1} % of its pixels", 100.0 * share);
        assert_eq!(cache.get(&key(of), size), Some(drawn));
    }
}
