//! The output of `bench`, but not the durations themselves.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

mod common;

use common::{host, plugin};

fn bench(more: &[&str]) -> (bool, String, String) {
    let plugin = plugin("good");
    let mut arguments =
        vec!["bench", "--plugin", plugin.to_str().unwrap(), "--id", "org.example.good"];
    arguments.extend(["--size", "64x48", "--pairs", "2", "--rounds", "2"]);
    arguments.extend(more);
    let output = host(&arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn drawing_is_told_at_both_sizes_beside_its_peers() {
    let (fine, told, errors) = bench(&["--large", "96x64"]);
    assert!(fine, "{errors}");
    for (row, peer) in [
        ("first in-between, 64x48 float", "mixing both keys, one core"),
        ("further position, 64x48 float", "mixing both keys, one core"),
        ("finished frame handed over again", "memcpy of the frame's bytes"),
        ("first in-between, 96x64 float", "mixing both keys, one core"),
        ("further position, 96x64 float", "mixing both keys, one core"),
    ] {
        let line =
            told.lines().find(|line| line.starts_with(row)).unwrap_or_else(|| panic!("{told}"));
        assert!(line.ends_with(peer), "{line}");
        // Time, its unit, the reference's time, its unit, ratio.
        let numbers: Vec<f64> =
            line[row.len()..].split_whitespace().filter_map(|word| word.parse().ok()).collect();
        assert!(numbers.len() == 3 && numbers.iter().all(|number| *number >= 0.0), "{line}");
    }
    if cfg!(target_os = "linux") {
        assert!(told.contains("most memory, 96x64, own process"), "{told}");
    }
}

#[test]
fn the_other_process_tells_its_memory_and_what_keeps_it_from_drawing() {
    let (fine, told, errors) = bench(&["--only-drawing"]);
    assert!(fine, "{errors}");
    let figures: serde_json::Value = serde_json::from_str(&told).unwrap();
    let number = |name: &str| figures[name].as_u64();
    assert!(figures["first"]["nanos"].as_u64().is_some() && figures["further"]["nanos"].is_u64());
    if cfg!(target_os = "linux") {
        assert!(number("before_kib").unwrap() > 0 && number("peak_kib") >= number("before_kib"));
    }
    let (fine, _, errors) = bench(&["--first", "nowhere.png"]);
    assert!(!fine && errors.contains("nowhere.png"), "{errors}");
}
