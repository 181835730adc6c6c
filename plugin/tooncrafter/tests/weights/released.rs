//! Compares the derived layout with the published lists of tensors in the released files.

use std::collections::BTreeMap;

use inbetween_tooncrafter::config::SketchConfig;
use inbetween_tooncrafter::weights::layout::{ModelConfig, TensorSpec, model, sketch};
use inbetween_tooncrafter::weights::{Part, WeightFile};

use crate::{data, tensors};

fn listed(name: &str) -> BTreeMap<String, Vec<usize>> {
    let text = std::fs::read_to_string(data(name)).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (name, shape) = line.split_once('\t').unwrap();
            let sides = shape.split('x').filter(|side| *side != "scalar");
            (name.to_owned(), sides.map(|side| side.parse().unwrap()).collect())
        })
        .collect()
}

fn by_name(wanted: &[TensorSpec]) -> BTreeMap<String, Vec<usize>> {
    let map: BTreeMap<_, _> = wanted.iter().map(|w| (w.name.clone(), w.shape.clone())).collect();
    assert_eq!(map.len(), wanted.len(), "a name appears twice");
    map
}

/// Expects equality, or shows the first few differences.
fn check(derived: &BTreeMap<String, Vec<usize>>, listed: &BTreeMap<String, Vec<usize>>) {
    let missing: Vec<_> =
        listed.iter().filter(|(k, v)| derived.get(*k) != Some(v)).take(5).collect();
    let extra: Vec<_> = derived.iter().filter(|(k, v)| listed.get(*k) != Some(v)).take(5).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing {missing:?}, too many {extra:?}");
}

#[test]
fn the_main_checkpoint_has_exactly_the_released_tensors() {
    let wanted = model(&ModelConfig::default());
    check(&by_name(&wanted), &listed("keys_model.tsv"));

    let parameters = |part| -> usize {
        let of_part = wanted.iter().filter(|wanted| wanted.part == Some(part));
        of_part.map(|wanted| wanted.shape.iter().product::<usize>()).sum()
    };
    assert_eq!(parameters(Part::Unet), 1_438_854_980);
    assert_eq!(parameters(Part::Vae), 99_941_907);
    assert_eq!(parameters(Part::Text), 354_032_641);
    assert_eq!(parameters(Part::Vision), 632_076_800);
    assert_eq!(parameters(Part::Projector), 48_787_456);
}

#[test]
fn the_sketch_encoder_has_exactly_the_released_tensors() {
    let wanted = sketch(&SketchConfig::default());
    check(&by_name(&wanted), &listed("keys_sketch.tsv"));
    assert_eq!(
        wanted.iter().map(|w| w.shape.iter().product::<usize>()).sum::<usize>(),
        364_227_952
    );
}

/// The goldens come from small models made by the published code, whose layouts follow the same
/// rules.
#[test]
fn small_models_of_the_goldens_have_the_derived_tensors() {
    let goldens = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens");
    let text = std::fs::read_to_string(goldens.join("MANIFEST.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut checked = 0;
    for entry in manifest["files"].as_array().unwrap() {
        let config = &entry["config"];
        let part = |name: &str| serde_json::from_value(config[name].clone());
        let wanted = if entry["file"] == "end_to_end.safetensors" {
            model(&ModelConfig {
                unet: serde_json::from_value(config["unet"].clone()).unwrap(),
                vae: serde_json::from_value(config["vae"].clone()).unwrap(),
                clip: serde_json::from_value(config["clip"].clone()).unwrap(),
                resampler: part("resampler").unwrap(),
            })
        } else if entry["file"] == "sketch_encoder.safetensors" {
            sketch(&serde_json::from_value(config.clone()).unwrap())
        } else {
            continue;
        };
        let path = goldens.join(entry["file"].as_str().unwrap());
        let mut plain = tempfile::Builder::new().suffix(".safetensors").tempfile().unwrap();
        std::io::Write::write_all(&mut plain, &tensors::read(&path).unwrap()).unwrap();
        let file = WeightFile::open(plain.path()).unwrap();
        let is_weight = |name: &str| !["in.", "out.", "tap."].iter().any(|p| name.starts_with(p));
        let listed: BTreeMap<String, Vec<usize>> = (file.tensors().iter())
            .filter(|(name, _)| is_weight(name))
            .map(|(name, stored)| (name.clone(), stored.shape.clone()))
            .collect();
        for wanted in wanted.iter().filter(|wanted| wanted.needed) {
            assert_eq!(listed.get(&wanted.name), Some(&wanted.shape), "{}", wanted.name);
        }
        let known: Vec<&str> = wanted.iter().map(|wanted| wanted.name.as_str()).collect();
        let unknown: Vec<_> =
            listed.keys().filter(|name| !known.contains(&name.as_str())).collect();
        assert!(unknown.is_empty(), "{:?}: not derived: {unknown:?}", entry["file"]);
        checked += 1;
    }
    assert_eq!(checked, 2);
}
