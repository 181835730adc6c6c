//! Conversion keeps the numbers in half the size, with a digest that detects every change.

use std::fs;

use candle_core::{DType, Device};
use inbetween_tooncrafter::weights::layout::{ModelConfig, model};
use inbetween_tooncrafter::weights::{
    Element, NamedFile, WeightError, WeightFile, Weights, convert, digest_of, load_tensor, verify,
    write_random,
};
use tempfile::TempDir;

fn small(
    folder: &TempDir,
) -> (std::path::PathBuf, Vec<inbetween_tooncrafter::weights::layout::TensorSpec>) {
    let mut config = ModelConfig::tiny();
    config.clip.vocab = 300;
    let (path, wanted) = (folder.path().join("f32.safetensors"), model(&config));
    write_random(&path, &wanted, Element::F32, 1, &mut |_, _| ()).unwrap();
    (path, wanted)
}

#[test]
fn converted_files_are_complete_and_half_as_large() {
    let folder = TempDir::new().unwrap();
    let (path, wanted) = small(&folder);
    for (element, precision) in [(Element::F16, 1e-3), (Element::BF16, 1e-2)] {
        let out = folder.path().join(format!("{}.safetensors", element.name()));
        let mut seen = Vec::new();
        let named = NamedFile::open(&path).unwrap();
        let done = convert(&named, &out, element, &mut |done, all| seen.push((done, all))).unwrap();
        assert_eq!(done.tensors, wanted.len());
        assert_eq!(done.bytes, fs::metadata(&out).unwrap().len());
        assert!(seen.is_sorted() && seen[0].0 == 0 && seen.last().is_some_and(|s| s.0 == s.1));
        let ratio = done.bytes as f64 / fs::metadata(&path).unwrap().len() as f64;
        assert!(ratio < 0.6, "{ratio}");

        let converted = Weights::open([&out]).unwrap();
        assert!(verify(&converted, &wanted).is_complete());
        assert_eq!(digest_of(converted.files()[0].file()), Some((done.digest, true)));
        let name = "model.diffusion_model.time_embed.0.weight";
        let load = |file: &WeightFile| {
            let tensor = load_tensor(file, name, DType::F32, &Device::Cpu).unwrap();
            tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let pairs = load(named.file()).into_iter().zip(load(converted.files()[0].file()));
        let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < precision, "{worst}");
        // The schedule keeps its precision.
        let betas = &converted.files()[0].file().tensors()["betas"];
        assert_eq!(betas.element, Element::F32);
    }
}

#[test]
fn a_changed_byte_is_noticed() {
    let folder = TempDir::new().unwrap();
    let (path, _) = small(&folder);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() - 12_345;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (_, matches) = digest_of(&WeightFile::open(&path).unwrap()).unwrap();
    assert!(!matches);
}

#[test]
fn a_file_is_not_converted_onto_itself() {
    let folder = TempDir::new().unwrap();
    let (path, _) = small(&folder);
    let before = fs::read(&path).unwrap();
    let named = NamedFile::open(&path).unwrap();
    let err = convert(&named, &path, Element::F16, &mut |_, _| ()).unwrap_err();
    assert!(matches!(err, WeightError::Refused { .. }), "{err}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn nothing_is_left_where_the_folder_cannot_be_written() {
    let folder = TempDir::new().unwrap();
    let (path, _) = small(&folder);
    let named = NamedFile::open(&path).unwrap();
    let out = folder.path().join("no such folder/out.safetensors");
    let err = convert(&named, &out, Element::F16, &mut |_, _| ()).unwrap_err();
    assert!(matches!(err, WeightError::Io { .. }), "{err}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
