//! Broken and hostile files. Each must give an error that names the file and the reason, quickly
//! and without allocating memory for what the file merely claims.

use std::time::{Duration, Instant};

use candle_core::{DType, Device};
use inbetween_tooncrafter::weights::{WeightError, WeightFile, load_tensor};

use crate::torch_writer::{Pickle, archive, one_tensor};

const EIGHT: [u8; 32] = [0; 32];

/// Eight floats in storage 0, as a view of `shape`.
fn eight_floats(offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let pickle = one_tensor(("FloatStorage", "0", 8), offset, shape, strides);
    archive(&[("data.pkl", &pickle), ("data/0", &EIGHT)])
}

fn with_pickle(pickle: &[u8]) -> Vec<u8> {
    archive(&[("data.pkl", pickle), ("data/0", &EIGHT)])
}

fn open(bytes: &[u8]) -> Result<WeightFile, WeightError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("suspect.ckpt");
    std::fs::write(&path, bytes).unwrap();
    let start = Instant::now();
    let result = WeightFile::open(&path);
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
    result
}

fn error(bytes: &[u8]) -> WeightError {
    let err = open(bytes).expect_err("must not open");
    assert!(err.to_string().contains("suspect.ckpt"), "{err}");
    assert!(err.user_message().contains("suspect.ckpt"));
    err
}

/// Expects that the file is inconsistent, for the given reason.
#[track_caller]
fn damaged(bytes: &[u8], reason: &str) {
    let err = error(bytes);
    assert!(matches!(err, WeightError::Damaged { .. }), "{err:?}");
    assert!(err.to_string().contains(reason), "{err}");
}

/// Expects that the file requests what weights never need.
#[track_caller]
fn refused(bytes: &[u8], reason: &str) {
    let err = error(bytes);
    assert!(matches!(err, WeightError::Refused { .. }), "{err:?}");
    assert!(err.to_string().contains(reason), "{err}");
}

/// Expects that the file holds no weights.
#[track_caller]
fn not_weights(bytes: &[u8], reason: &str) {
    let err = error(bytes);
    assert!(matches!(err, WeightError::NotWeights { .. }), "{err:?}");
    assert!(err.to_string().contains(reason), "{err}");
}

fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length, header.as_bytes(), data].concat()
}

#[test]
fn the_sound_file_that_the_others_are_made_from_opens() {
    let file = open(&eight_floats(0, &[2, 4], &[4, 1])).unwrap();
    assert_eq!(file.tensors()["w"].shape, [2, 4]);
}

#[test]
fn empty_file() {
    not_weights(b"", "0 bytes");
}

#[test]
fn web_page_instead_of_weights() {
    not_weights(b"<!DOCTYPE html><html>log in</html>", "web page");
}

#[test]
fn pointer_of_git_lfs() {
    not_weights(b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer");
}

#[test]
fn random_bytes() {
    let noise: Vec<u8> =
        (0..4096_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    not_weights(&noise, "neither");
}

#[test]
fn missing_file() {
    let err = WeightFile::open("no/such/suspect.ckpt").unwrap_err();
    assert!(matches!(err, WeightError::Io { .. }));
}

// Pickles.

#[test]
fn pickle_that_runs_a_command() {
    let pickle = Pickle::new().name("posix", "system").raw(b"(").text("touch owned").raw(b"tR");
    refused(&with_pickle(&pickle.done()), "posix.system");
    assert!(!std::path::Path::new("owned").exists());
}

#[test]
fn pickle_that_evaluates_code_through_a_later_name() {
    let pickle = Pickle::new().text("builtins").text("eval").raw(b"\x93");
    refused(&with_pickle(&pickle.done()), "builtins.eval");
}

#[test]
fn pickle_that_makes_an_object() {
    let pickle = Pickle::new().name("collections", "OrderedDict").raw(b")\x81");
    refused(&with_pickle(&pickle.done()), "NEWOBJ");
}

#[test]
fn pickle_with_an_instance_opcode() {
    refused(&with_pickle(&Pickle::new().raw(b"(ios\nsystem\n").done()), "INST");
}

#[test]
fn pickle_with_an_unknown_opcode() {
    refused(&with_pickle(&Pickle::new().raw(&[0xff]).done()), "0xff");
}

#[test]
fn pickle_cut_off_at_every_byte() {
    let whole = one_tensor(("FloatStorage", "0", 8), 0, &[8], &[1]);
    for length in 0..whole.len() {
        let err = error(&with_pickle(&whole[..length]));
        assert!(matches!(err, WeightError::Damaged { .. }), "cut at {length}: {err}");
    }
}

#[test]
fn pickle_whose_stack_runs_empty() {
    for bytes in [&b"R"[..], b"s", b"t", b"0", b"q\0", b"\x86", b"(u", b"a", b"Q", b"b", b"h\x07"] {
        let err = error(&with_pickle(&Pickle::new().raw(bytes).done()));
        assert!(matches!(err, WeightError::Damaged { .. }), "{bytes:?}: {err}");
    }
}

/// A text that claims four gigabytes must not have them allocated.
#[test]
fn pickle_with_a_text_of_four_gigabytes() {
    damaged(&with_pickle(&Pickle::new().raw(b"X\xff\xff\xff\xff").done()), "too early");
    let huge = Pickle::new().raw(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff").done();
    damaged(&with_pickle(&huge), "too early");
}

/// A million nested tuples: a recursive walk would overflow the stack.
#[test]
fn pickle_nested_a_million_deep() {
    // Bytes without effect in between, because otherwise the tuples would take too much memory for
    // their length.
    let nested = b"\x80\x02\x80\x02\x85".repeat(1_000_000);
    let pickle = Pickle::new().raw(b"N").raw(&nested).done();
    not_weights(&with_pickle(&pickle), "no state_dict");
    let pickle = Pickle::new().raw(b"N").raw(&[0x85; 1_000_000]).done();
    damaged(&with_pickle(&pickle), "made to fill memory");
}

#[test]
fn pickle_that_contains_itself() {
    let pickle = Pickle::new().raw(b"}q\0").text("state_dict").raw(b"h\0s").done();
    let file = open(&with_pickle(&pickle)).unwrap();
    assert!(file.tensors().is_empty());
}

/// Each step doubles what a naive reader would copy, up to 2^60 objects.
#[test]
fn pickle_that_doubles_sixty_times() {
    let doubling: Vec<u8> = b"2\x86".repeat(60);
    let pickle = Pickle::new().raw(b"N").raw(&doubling).done();
    not_weights(&with_pickle(&pickle), "no state_dict");
}

#[test]
fn pickle_far_too_large() {
    let pickle = vec![b'N'; 9 << 20];
    refused(&with_pickle(&pickle), "bytes");
}

#[test]
fn pickle_of_something_else() {
    let pickle = Pickle::new().raw(b"}").text("weights").int(1).raw(b"s").text("epoch").int(2);
    not_weights(&with_pickle(&pickle.raw(b"s").done()), "weights, epoch");
}

// Tensors that do not match their storage.

#[test]
fn storage_smaller_than_announced() {
    let pickle = one_tensor(("FloatStorage", "0", 9), 0, &[9], &[1]);
    damaged(&with_pickle(&pickle), "32 bytes");
}

#[test]
fn storage_of_another_type_than_its_size() {
    let pickle = one_tensor(("HalfStorage", "0", 8), 0, &[8], &[1]);
    damaged(&with_pickle(&pickle), "f16");
}

#[test]
fn storage_that_is_not_there() {
    let pickle = one_tensor(("FloatStorage", "7", 8), 0, &[8], &[1]);
    damaged(&with_pickle(&pickle), "storage 7 is not in the file");
}

#[test]
fn storage_of_an_unknown_class() {
    let pickle = one_tensor(("ComplexFloatStorage", "0", 4), 0, &[4], &[1]);
    refused(&with_pickle(&pickle), "torch.ComplexFloatStorage");
}

#[test]
fn storage_with_an_absurd_count() {
    let pickle = one_tensor(("FloatStorage", "0", i64::MAX), 0, &[8], &[1]);
    damaged(&with_pickle(&pickle), "announced");
}

#[test]
fn tensor_beyond_its_storage() {
    damaged(&eight_floats(1, &[8], &[1]), "reaches element 8");
    damaged(&eight_floats(0, &[2, 2], &[7, 1]), "reaches element 8");
}

/// Stride 0 turns one number into a terabyte.
#[test]
fn tensor_larger_than_its_storage() {
    damaged(&eight_floats(0, &[1 << 40], &[0]), "do not fit");
}

#[test]
fn tensor_whose_size_overflows() {
    damaged(&eight_floats(0, &[1 << 40, 1 << 40], &[1, 1]), "absurd");
    damaged(&eight_floats(i64::MAX, &[3, 2], &[i64::MAX, 1]), "absurd");
}

#[test]
fn tensor_with_negative_size_or_offset() {
    damaged(&eight_floats(0, &[-1], &[1]), "-1");
    damaged(&eight_floats(-4, &[4], &[1]), "-4");
}

#[test]
fn tensor_with_more_axes_than_strides() {
    damaged(&eight_floats(0, &[2, 2], &[1]), "2 axes and 1 strides");
}

#[test]
fn the_same_name_twice() {
    let mut pickle = Pickle::new().raw(b"}").text("state_dict").raw(b"}");
    for _ in 0..2 {
        pickle = pickle.text("w").tensor(("FloatStorage", "0", 8), 0, &[8], &[1]).raw(b"s");
    }
    damaged(&with_pickle(&pickle.raw(b"s").done()), "w appears twice");
}

// Archives.

/// Compression, without which there is no zip bomb. PyTorch never compresses.
#[test]
fn compressed_archive() {
    let mut bytes = eight_floats(0, &[8], &[1]);
    // The method is stored in the directory at the end and before each entry; 8 means "deflated".
    for (signature, method) in [(b"PK\x01\x02", 10), (b"PK\x03\x04", 8)] {
        let entry = positions(&bytes, signature)[1];
        bytes[entry + method] = 8;
    }
    refused(&bytes, "data/0 is compressed");
}

#[test]
fn archive_cut_off() {
    let whole = eight_floats(0, &[8], &[1]);
    for length in [10, 100, whole.len() / 2, whole.len() - 23, whole.len() - 1] {
        let err = error(&whole[..length]);
        assert!(matches!(err, WeightError::Damaged { .. }), "cut at {length}: {err}");
    }
}

#[test]
fn archive_without_a_pickle() {
    not_weights(&archive(&[("word/document.xml", b"<w/>")]), "no data.pkl");
}

#[test]
fn archive_in_big_endian_order() {
    let pickle = one_tensor(("FloatStorage", "0", 8), 0, &[8], &[1]);
    let entries: [(&str, &[u8]); 3] =
        [("data.pkl", &pickle), ("byteorder", b"big"), ("data/0", &EIGHT)];
    refused(&archive(&entries), "little-endian");
}

/// The directory at the end points two names to the same bytes.
#[test]
fn archive_with_overlapping_entries() {
    let pickle = one_tensor(("FloatStorage", "0", 8), 0, &[8], &[1]);
    let mut bytes = archive(&[("data.pkl", &pickle), ("data/0", &EIGHT), ("data/1", &EIGHT)]);
    let directory = positions(&bytes, b"PK\x01\x02");
    let offset_of = |entry: usize| directory[entry] + 42..directory[entry] + 46;
    let first = bytes[offset_of(1)].to_vec();
    bytes[offset_of(2)].copy_from_slice(&first);
    damaged(&bytes, "overlap");
}

/// The directory claims an entry larger than the file.
#[test]
fn archive_entry_beyond_the_file() {
    let mut bytes = eight_floats(0, &[8], &[1]);
    let entry = positions(&bytes, b"PK\x01\x02")[1];
    for at in [20, 24] {
        bytes[entry + at..entry + at + 4].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    }
    let err = error(&bytes);
    assert!(matches!(err, WeightError::Damaged { .. }), "{err}");
}

fn positions(bytes: &[u8], pattern: &[u8]) -> Vec<usize> {
    (0..bytes.len() - pattern.len()).filter(|&i| bytes[i..].starts_with(pattern)).collect()
}

// Safetensors.

#[test]
fn safetensors_header_longer_than_the_file() {
    let mut bytes = safetensors("{}", b"");
    bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    damaged(&bytes, "longer than the file");
    bytes[..8].copy_from_slice(&1000_u64.to_le_bytes());
    damaged(&bytes, "longer than the file");
}

#[test]
fn safetensors_header_that_is_no_json() {
    damaged(&safetensors("{\"w\": {\"dtype\"", b""), "header");
    damaged(&safetensors(&format!("{{\"w\":{}", "[".repeat(100_000)), b""), "header");
}

#[test]
fn safetensors_header_absurdly_long() {
    let header = format!("{{{}}}", " ".repeat(17 << 20));
    damaged(&safetensors(&header, b""), "absurdly long");
}

#[test]
fn safetensors_cut_off() {
    let header = r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    assert!(open(&safetensors(header, &[0; 8])).is_ok());
    damaged(&safetensors(header, &[0; 7]), "");
    damaged(&safetensors(header, &[0; 9]), "");
}

#[test]
fn safetensors_with_overlapping_tensors() {
    let header = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
                     "b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#;
    damaged(&safetensors(header, &[0; 12]), "");
}

#[test]
fn safetensors_whose_shape_does_not_match_its_bytes() {
    let header = r#"{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#;
    damaged(&safetensors(header, &[0; 8]), "");
    let header = r#"{"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#;
    damaged(&safetensors(header, &[0; 8]), "");
}

#[test]
fn safetensors_of_an_unknown_type() {
    let header = r#"{"w":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}}"#;
    damaged(&safetensors(header, &[0; 8]), "");
}

/// Many files with a few changed bytes: each opens or gives an error, whatever opens can be loaded
/// or gives an error, and nothing panics.
#[test]
fn files_with_changed_bytes() {
    let header = r#"{"w":{"dtype":"F16","shape":[2,4],"data_offsets":[0,16]},
                     "v":{"dtype":"F32","shape":[1],"data_offsets":[16,20]}}"#;
    let originals = [
        std::fs::read(crate::data("torch_state_dict.ckpt")).unwrap(),
        std::fs::read(crate::data("torch_module.ckpt")).unwrap(),
        eight_floats(0, &[2, 4], &[1, 2]),
        safetensors(header, &[0; 20]),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("suspect.ckpt");
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut opened = 0;
    for round in 0..1500 {
        let mut bytes = originals[round % originals.len()].clone();
        for _ in 0..=random(4) {
            let at = random(bytes.len());
            bytes[at] = match random(4) {
                0 => random(256) as u8,
                1 => bytes[at].wrapping_add(1),
                2 => bytes[at] ^ 1 << random(8),
                _ => [0, 0x7f, 0x80, 0xff][random(4)],
            };
        }
        std::fs::write(&path, &bytes).unwrap();
        let Ok(file) = WeightFile::open(&path) else { continue };
        opened += 1;
        for name in file.tensors().keys() {
            let loaded = load_tensor(&file, name, DType::F32, &Device::Cpu);
            assert!(loaded.is_err() || loaded.unwrap().elem_count() <= bytes.len());
        }
    }
    assert!(opened > 0, "some changes hit the numbers only");
}
