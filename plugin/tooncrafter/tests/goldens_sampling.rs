//! Goldens of everything around the networks: schedule tables, token ids, vision input.
//!
//! Each case is read from `MANIFEST.json` and its file; `GOLDENS_DIR` selects another folder of the
//! same format. The expected values come from the published PyTorch code.

#![allow(unreachable_pub, reason = "the modules of a test have no other readers")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

mod tensors;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use inbetween_tooncrafter::preprocess::ClipPreprocess;
use inbetween_tooncrafter::schedule::{DdimTable, NoiseSchedule, ScheduleConfig, Spacing};
use inbetween_tooncrafter::tokenizer;
use serde_json::Value;

/// A golden file and its entry in the manifest.
struct Case {
    path: PathBuf,
    entry: Value,
}

impl Case {
    fn tensors(&self) -> HashMap<String, Tensor> {
        tensors::load(&self.path, &Device::Cpu)
            .unwrap_or_else(|err| panic!("{:?}: {err}", self.path))
    }

    fn number(&self, name: &str) -> f64 {
        self.entry["config"][name]
            .as_f64()
            .unwrap_or_else(|| panic!("{:?}: no number {name} in config", self.path))
    }

    fn numbers(&self, name: &str) -> Vec<f32> {
        serde_json::from_value(self.entry["config"][name].clone())
            .unwrap_or_else(|err| panic!("{:?}: {name} in config: {err}", self.path))
    }

    /// The largest difference, relative to the largest expected value, must not exceed the
    /// manifest's tolerance.
    fn check(&self, what: &str, found: &Tensor, wanted: &Tensor) {
        let name = self.path.display();
        assert_eq!(found.dims(), wanted.dims(), "{name}: shape of {what}");
        let values = |t: &Tensor| {
            t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap()
        };
        let (found, wanted) = (values(found), values(wanted));
        let largest = wanted.iter().fold(0.0, |max: f64, v| max.max(v.abs()));
        let (at, error) = (found.iter().zip(&wanted).map(|(a, b)| (a - b).abs()))
            .map(|error| if error.is_nan() { f64::INFINITY } else { error })
            .enumerate()
            .fold((0, 0.0), |worst, (i, error)| if error > worst.1 { (i, error) } else { worst });
        let relative = if largest > 0.0 { error / largest } else { error };
        let allowed = self.entry["tolerance"]["max_rel"].as_f64().unwrap();
        assert!(
            relative <= allowed,
            "{name}: {what} is off by {relative:e} of its range (allowed {allowed:e}), worst at {at}: \
             {} instead of {}",
            found[at],
            wanted[at]
        );
        println!("{name}: {what}: {relative:.1e} of {allowed:e}");
    }
}

/// The cases whose file names start with `kind`. Fails if there are none.
fn cases(kind: &str) -> Vec<Case> {
    let given = std::env::var_os("GOLDENS_DIR").map(PathBuf::from);
    let folder = given
        .clone()
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens"));
    let text = std::fs::read_to_string(folder.join("MANIFEST.json")).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    let cases: Vec<Case> = manifest["files"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["file"].as_str().unwrap().starts_with(kind))
        .map(|entry| Case {
            path: folder.join(entry["file"].as_str().unwrap()),
            entry: entry.clone(),
        })
        .collect();
    assert!(!cases.is_empty(), "{}: no case of kind {kind}", folder.display());
    cases
}

#[test]
fn golden_schedule() {
    for case in cases("schedule") {
        let config = ScheduleConfig {
            linear_start: case.number("linear_start"),
            linear_end: case.number("linear_end"),
            timesteps: case.number("timesteps") as usize,
            base_scale: case.number("base_scale"),
            turning_step: case.number("turning_step") as usize,
        };
        let schedule = NoiseSchedule::new(&config);
        let tensors = case.tensors();
        assert!(!tensors.is_empty(), "{:?}: no table in it", case.path);
        for (name, wanted) in &tensors {
            let name = name.strip_prefix("out.").unwrap_or_else(|| panic!("unknown tensor {name}"));
            let found = schedule_table(&schedule, name);
            let found = Tensor::from_vec(found, wanted.elem_count(), &Device::Cpu).unwrap();
            if wanted.dtype() == DType::I64 {
                let found = found.to_dtype(DType::I64).unwrap().to_vec1::<i64>().unwrap();
                assert_eq!(found, wanted.to_vec1::<i64>().unwrap(), "{:?}: {name}", case.path);
            } else {
                case.check(name, &found, wanted);
            }
        }
    }
}

/// A table by its name in the golden: `betas`, `uniform.20.scale`, `uniform.20.eta1.sigmas` and so
/// on.
fn schedule_table(schedule: &NoiseSchedule, name: &str) -> Vec<f64> {
    let widen = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect();
    let roots = |of: &dyn Fn(f64) -> f64| {
        schedule.alphas_cumprod.iter().map(|&abar| of(abar).sqrt()).collect()
    };
    let parts: Vec<&str> = name.split('.').collect();
    let spacing = match parts[0] {
        "betas" => return schedule.betas.clone(),
        "alphas_cumprod" => return schedule.alphas_cumprod.clone(),
        "alphas_cumprod_prev" => return schedule.alphas_cumprod_prev.clone(),
        "sqrt_alphas_cumprod" => return roots(&|abar| abar),
        "sqrt_one_minus_alphas_cumprod" => return roots(&|abar| 1.0 - abar),
        "scale_arr" => return schedule.scale_arr.clone(),
        "uniform_trailing" => Spacing::UniformTrailing,
        "uniform" => Spacing::Uniform,
        other => panic!("unknown table {other}"),
    };
    let timesteps = spacing.timesteps(parts[1].parse().unwrap(), schedule.timesteps());
    let table = DdimTable::new(schedule, timesteps, eta_of(name).unwrap_or(0.0));
    match parts[parts.len() - 1] {
        "timesteps" => table.timesteps.iter().map(|&t| t as f64).collect(),
        "alphas" => widen(&table.alphas),
        "alphas_prev" => widen(&table.alphas_prev),
        "sqrt_one_minus_alphas" => widen(&table.sqrt_one_minus_alphas),
        "scale" => widen(&table.scale),
        "scale_prev" => widen(&table.scale_prev),
        "sigmas" => widen(&table.sigmas),
        "dir_coef_sq" => (0..table.len()).map(|i| f64::from(table.direction_squared(i))).collect(),
        other => panic!("unknown table {other}"),
    }
}

/// The eta of a table that depends on it, which stands between `eta` and the last part of the name
/// and may itself contain a point.
fn eta_of(name: &str) -> Option<f64> {
    let (head, _) = name.rsplit_once('.')?;
    let (_, eta) = head.split_once(".eta")?;
    Some(eta.parse().unwrap_or_else(|err| panic!("{name}: {eta:?} is no eta: {err}")))
}

#[test]
fn an_eta_between_whole_numbers_is_read_as_it_stands() {
    for (name, eta) in [
        ("uniform.20.eta0.sigmas", Some(0.0)),
        ("uniform.20.eta0.5.sigmas", Some(0.5)),
        ("uniform_trailing.50.eta1.dir_coef_sq", Some(1.0)),
        ("uniform_trailing.50.eta0.25.dir_coef_sq", Some(0.25)),
        ("uniform.20.alphas", None),
        ("betas", None),
    ] {
        assert_eq!(eta_of(name), eta, "{name}");
    }
    let schedule = NoiseSchedule::new(&ScheduleConfig::default());
    let sigmas = |eta: &str| schedule_table(&schedule, &format!("uniform.20.eta{eta}.sigmas"));
    for (half, whole) in sigmas("0.5").into_iter().zip(sigmas("1")) {
        assert!((half - 0.5 * whole).abs() <= 1e-6 * whole, "sigmas grow with eta: {half} {whole}");
    }
}

/// The golden's configuration says where the published sampler's radicand is negative.
#[test]
fn golden_schedule_negative_radicands() {
    let mut checked = 0;
    for case in cases("schedule") {
        let Some(wanted) = case.entry["config"]["negative_dir_coef_sq"].as_object() else {
            continue;
        };
        let schedule = NoiseSchedule::new(&ScheduleConfig::default());
        for (name, indices) in wanted {
            let found: Vec<usize> = schedule_table(&schedule, &format!("{name}.dir_coef_sq"))
                .iter()
                .enumerate()
                .filter_map(|(i, &v)| (v < 0.0).then_some(i))
                .collect();
            let wanted: Vec<usize> = serde_json::from_value(indices.clone()).unwrap();
            assert_eq!(found, wanted, "{:?}: {name}", case.path);
            checked += 1;
        }
    }
    assert!(checked > 0, "no case names its negative radicands");
}

#[test]
fn golden_tokenizer() {
    for case in cases("tokenizer") {
        let text = std::fs::read_to_string(&case.path).unwrap();
        let golden: Value = serde_json::from_str(&text).unwrap();
        let mut checked = 0;
        for entry in golden["cases"].as_array().unwrap() {
            let text = entry["text"].as_str().unwrap();
            // Decoding text that was stored in the wrong character set is deliberately not
            // supported.
            if entry["needs_mojibake_repair"] == true {
                println!("{:?}: left out, needs mojibake repair: {text:?}", case.path);
                continue;
            }
            assert_eq!(tokenizer::clean(text), entry["cleaned"].as_str().unwrap(), "{text:?}");
            let wanted: Vec<u32> = serde_json::from_value(entry["ids"].clone()).unwrap();
            assert_eq!(tokenizer::tokenize(text).to_vec(), wanted, "{text:?}");
            checked += 1;
        }
        assert!(checked > 0, "{:?}: no case left to check", case.path);
        println!("{:?}: {checked} prompts", case.path);
    }
}

#[test]
fn golden_clip_preprocess() {
    for case in cases("clip_preprocess") {
        let channels = |name: &str| <[f32; 3]>::try_from(case.numbers(name)).unwrap();
        let preprocess = ClipPreprocess {
            size: case.number("size") as usize,
            mean: channels("mean"),
            std: channels("std"),
        };
        let tensors = case.tensors();
        let mut checked = 0;
        for (name, input) in &tensors {
            let Some(picture) = name.strip_prefix("in.") else { continue };
            let input = input.to_dtype(DType::F32).unwrap();
            let input = ((input / 255.0).unwrap() - 0.5).unwrap();
            let found = preprocess.forward(&(input * 2.0).unwrap()).unwrap();
            case.check(picture, &found, &tensors[&format!("out.{picture}")]);
            checked += 1;
        }
        assert!(checked > 0, "{:?}: no picture in it", case.path);
    }
}
