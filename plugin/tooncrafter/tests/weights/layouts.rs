//! A small model in every accepted layout must be verified as complete and load the same numbers.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use inbetween_tooncrafter::weights::layout::{ModelConfig, TensorSpec, model, sketch, tiny_sketch};
use inbetween_tooncrafter::weights::{
    Element, Layout, NamedFile, Part, Problem, WeightError, Weights, verify, write_random,
};
use tempfile::TempDir;

use crate::torch_writer::{Form, checkpoint};

/// One tensor of each part, by its name within the part.
const SAMPLES: [(Part, &str); 7] = [
    (Part::Unet, "fps_embedding.0.weight"),
    (Part::Unet, "init_attn.0.proj_in.weight"),
    (Part::Vae, "decoder.attn_refinement.2.to_q.weight"),
    (Part::Text, "transformer.resblocks.0.attn.in_proj_weight"),
    (Part::Text, "token_embedding.weight"),
    (Part::Vision, "transformer.resblocks.1.attn.in_proj_bias"),
    (Part::Projector, "latents"),
];

/// A small model in a folder, in the released layout, `f32`.
struct Small {
    folder: TempDir,
    wanted: Vec<TensorSpec>,
    whole: PathBuf,
}

impl Small {
    fn new() -> Self {
        let mut config = ModelConfig::tiny();
        config.clip.vocab = 300;
        let folder = TempDir::new().unwrap();
        let (wanted, whole) = (model(&config), folder.path().join("whole.safetensors"));
        write_random(&whole, &wanted, Element::F32, 1, &mut |_, _| ()).unwrap();
        Self { folder, wanted, whole }
    }

    /// All tensors for which `rename` returns a name, with that name.
    fn tensors(&self, rename: impl Fn(&str) -> Option<String>) -> Vec<(String, Tensor)> {
        let all = candle_core::safetensors::load(&self.whole, &Device::Cpu).unwrap();
        let mut tensors: Vec<_> =
            all.into_iter().filter_map(|(name, tensor)| Some((rename(&name)?, tensor))).collect();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        tensors
    }

    fn safetensors(&self, name: &str, tensors: Vec<(String, Tensor)>) -> PathBuf {
        let path = self.folder.path().join(name);
        candle_core::safetensors::save(&tensors.into_iter().collect(), &path).unwrap();
        path
    }

    fn torch(&self, name: &str, tensors: &[(String, Tensor)], form: Form) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, checkpoint(tensors, form)).unwrap();
        path
    }

    /// Checks that the files together are complete and hold the numbers of the whole file, to
    /// `precision`.
    fn check<P: AsRef<Path>>(&self, paths: &[P], precision: f32) {
        let weights = Weights::open(paths).unwrap();
        let report = verify(&weights, &self.wanted);
        assert!(report.is_complete(), "{report:?}");
        let reference = Weights::open([&self.whole]).unwrap();
        for (part, name) in SAMPLES {
            let load = |weights: &Weights| {
                let vb = weights.var_builder(part, DType::F32, &Device::Cpu);
                let tensor = vb.get_unchecked(name).unwrap();
                let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                (tensor.dims().to_vec(), values)
            };
            let ((dims, found), (wanted_dims, wanted)) = (load(&weights), load(&reference));
            assert_eq!(dims, wanted_dims, "{name}");
            let worst = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst <= precision, "{part:?} {name}: {worst}");
        }
    }
}

fn is_tower(name: &str) -> bool {
    name.starts_with("cond_stage_model.") || name.starts_with("embedder.")
}

#[test]
fn complete_in_each_precision() {
    let small = Small::new();
    small.check(&[&small.whole], 0.0);
    for (dtype, precision) in [(DType::F16, 1e-3), (DType::BF16, 1e-2)] {
        let tensors = small.tensors(|name| Some(name.into()));
        let cast: Vec<(String, Tensor)> =
            tensors.into_iter().map(|(n, t)| (n, t.to_dtype(dtype).unwrap())).collect();
        let ckpt = small.torch(&format!("{dtype:?}.ckpt"), &cast, Form::StateDict);
        small.check(&[ckpt], precision);
        let path = small.safetensors(&format!("{dtype:?}.safetensors"), cast);
        small.check(&[path], precision);
    }
}

#[test]
fn torch_checkpoint_in_each_form() {
    let small = Small::new();
    let tensors = small.tensors(|name| Some(name.into()));
    for (name, form) in
        [("a.ckpt", Form::StateDict), ("b.pth", Form::Bare), ("c.ckpt", Form::Module)]
    {
        small.check(&[small.torch(name, &tensors, form)], 0.0);
    }
}

#[test]
fn old_name_of_the_frame_rate_embedding() {
    let small = Small::new();
    let tensors = small.tensors(|n| Some(n.replace("fps_embedding", "framestride_embed")));
    small.check(&[small.torch("old.ckpt", &tensors, Form::StateDict)], 0.0);
}

#[test]
fn pruned_alone_names_the_absent_towers() {
    let small = Small::new();
    let pruned = small.tensors(|name| (!is_tower(name)).then(|| name.into()));
    let weights = Weights::open([small.safetensors("pruned.safetensors", pruned)]).unwrap();
    let report = verify(&weights, &small.wanted);
    assert!(report.is_sound() && !report.is_complete());
    assert_eq!(report.absent, [Part::Text, Part::Vision]);
    let vb = weights.var_builder(Part::Text, DType::F32, &Device::Cpu);
    let err = vb.get_unchecked("token_embedding.weight").unwrap_err().to_string();
    assert!(err.contains("cond_stage_model.model.token_embedding.weight is missing"), "{err}");
}

#[test]
fn pruned_with_open_clip_towers_in_one_file() {
    let small = Small::new();
    let pruned = small.tensors(|name| (!is_tower(name)).then(|| name.into()));
    let towers = small.tensors(|name| {
        let text = name.strip_prefix("cond_stage_model.model.").map(str::to_owned);
        text.or_else(|| Some(format!("visual.{}", name.strip_prefix("embedder.model.visual.")?)))
    });
    let pruned = small.safetensors("pruned.safetensors", pruned);
    let towers = small.torch("open_clip_pytorch_model.bin", &towers, Form::Bare);
    assert_eq!(NamedFile::open(&towers).unwrap().layout(), Layout::OpenClip);
    small.check(&[pruned, towers], 0.0);
}

/// Text without its last block, as a penultimate encoder is saved, with separate q, k and v, and a
/// counter of positions beside the weights.
#[test]
fn pruned_with_transformers_towers_in_two_files() {
    let small = Small::new();
    let pruned = small.tensors(|name| (!is_tower(name)).then(|| name.into()));
    let pruned = small.safetensors("pruned.safetensors", pruned);
    let mut text = Vec::new();
    let mut vision = Vec::new();
    for (name, tensor) in small.tensors(|name| Some(name.into())) {
        let (part, prefix, rest) = if let Some(rest) = name.strip_prefix("cond_stage_model.model.")
        {
            (&mut text, "text_model", rest)
        } else if let Some(rest) = name.strip_prefix("embedder.model.visual.") {
            (&mut vision, "vision_model", rest)
        } else {
            continue;
        };
        if rest.starts_with("transformer.resblocks.2.") {
            continue;
        }
        for (name, tensor) in as_transformers(rest, tensor) {
            part.push((format!("{prefix}.{name}"), tensor));
        }
    }
    let positions = Tensor::arange(0_i64, 77, &Device::Cpu).unwrap();
    text.push(("text_model.embeddings.position_ids".into(), positions));
    let text = small.safetensors("text.safetensors", text);
    let vision = small.safetensors("vision.safetensors", vision);
    assert_eq!(NamedFile::open(&text).unwrap().layout(), Layout::Transformers);
    small.check(&[pruned, text, vision], 0.0);
}

fn as_transformers(name: &str, tensor: Tensor) -> Vec<(String, Tensor)> {
    let one = |name: String| vec![(name, tensor.clone())];
    let Some(rest) = name.strip_prefix("transformer.resblocks.") else {
        return match name {
            "token_embedding.weight" => one("embeddings.token_embedding.weight".into()),
            "positional_embedding" => one("embeddings.position_embedding.weight".into()),
            "class_embedding" => one("embeddings.class_embedding".into()),
            "conv1.weight" => one("embeddings.patch_embedding.weight".into()),
            _ => match name.split_once('.') {
                Some(("ln_final", kind)) => one(format!("final_layer_norm.{kind}")),
                Some(("ln_pre", kind)) => one(format!("pre_layrnorm.{kind}")),
                Some(("ln_post", kind)) => one(format!("post_layernorm.{kind}")),
                _ => Vec::new(),
            },
        };
    };
    let (layer, rest) = rest.split_once('.').unwrap();
    let path = format!("encoder.layers.{layer}");
    if let Some(kind) = rest.strip_prefix("attn.in_proj_") {
        let parts = tensor.chunk(3, 0).unwrap();
        let names = ["q", "k", "v"].map(|which| format!("{path}.self_attn.{which}_proj.{kind}"));
        return names.into_iter().zip(parts.into_iter().map(|t| t.contiguous().unwrap())).collect();
    }
    let (module, kind) = rest.rsplit_once('.').unwrap();
    let module = match module {
        "ln_1" => "layer_norm1",
        "ln_2" => "layer_norm2",
        "mlp.c_fc" => "mlp.fc1",
        "mlp.c_proj" => "mlp.fc2",
        "attn.out_proj" => "self_attn.out_proj",
        other => panic!("{other}"),
    };
    one(format!("{path}.{module}.{kind}"))
}

#[test]
fn unet_alone_and_the_rest() {
    let small = Small::new();
    let unet = small.tensors(|name| Some(name.strip_prefix("model.diffusion_model.")?.into()));
    let rest =
        small.tensors(|name| (!name.starts_with("model.diffusion_model.")).then(|| name.into()));
    let unet = small.safetensors("unet.safetensors", unet);
    assert_eq!(NamedFile::open(&unet).unwrap().layout(), Layout::BareUnet);
    small.check(&[unet, small.safetensors("rest.safetensors", rest)], 0.0);
}

#[test]
fn the_sketch_encoder_stands_beside_the_main_checkpoint() {
    let small = Small::new();
    let path = small.folder.path().join("sketch_encoder.safetensors");
    let wanted = sketch(&tiny_sketch());
    write_random(&path, &wanted, Element::F16, 2, &mut |_, _| ()).unwrap();
    let weights = Weights::open([&small.whole, &path]).unwrap();
    assert!(verify(&weights, &wanted).is_complete());
    assert!(verify(&weights, &small.wanted).is_complete());
    let sketch = weights.var_builder(Part::Sketch, DType::F32, &Device::Cpu);
    assert_eq!(sketch.get_unchecked("input_hint_block.0.weight").unwrap().dims(), [16, 1, 3, 3]);
    // Both files have a tensor of this name; each part gets its own.
    let unet = weights.var_builder(Part::Unet, DType::F32, &Device::Cpu);
    assert_eq!(unet.get_unchecked("input_blocks.0.0.weight").unwrap().dims()[1], 8);
    assert_eq!(sketch.get_unchecked("input_blocks.0.0.weight").unwrap().dims()[1], 4);
}

#[test]
fn missing_misshapen_mistyped_and_unknown_tensors_are_named() {
    let small = Small::new();
    let prefix = "model.diffusion_model.";
    let mut tensors =
        small.tensors(|name| (name != "model.diffusion_model.out.2.bias").then(|| name.into()));
    let integers = Tensor::zeros(32, DType::I64, &Device::Cpu).unwrap();
    for (name, tensor) in &mut tensors {
        if *name == format!("{prefix}out.0.bias") {
            *tensor = integers.clone();
        } else if *name == format!("{prefix}out.0.weight") {
            *tensor = Tensor::zeros(31, DType::F32, &Device::Cpu).unwrap();
        }
    }
    tensors.push(("model_ema.decay".into(), integers));
    let path = small.safetensors("odd.safetensors", tensors);
    let weights = Weights::open([&path]).unwrap();
    let report = verify(&weights, &small.wanted);
    let expected = [
        Problem::Shape { key: format!("{prefix}out.0.weight"), found: vec![31], wanted: vec![32] },
        Problem::Type { key: format!("{prefix}out.0.bias"), found: "64-bit integers" },
        Problem::Missing { key: format!("{prefix}out.2.bias"), wanted: vec![4] },
    ];
    assert_eq!(report.problems, expected);
    assert_eq!(report.unused, ["model_ema.decay"]);
    assert!(!report.is_sound());

    // Loading reports the same problems, with file and name.
    let vb = weights.var_builder(Part::Unet, DType::F32, &Device::Cpu);
    for (wanted, name, reason) in [
        (32, "out.0.weight", "has shape [31], the model needs [32]"),
        (32, "out.0.bias", "holds 64-bit integers"),
        (4, "out.2.bias", "is missing"),
    ] {
        let err = vb.get(wanted, name).unwrap_err().to_string();
        assert!(err.contains(reason) && err.contains(name), "{err}");
        assert!(err.contains("odd.safetensors"), "{err}");
    }
}

#[test]
fn another_model_is_refused_with_the_names_found() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("other.safetensors");
    let tensor = Tensor::zeros(2, DType::F32, &Device::Cpu).unwrap();
    candle_core::safetensors::save(&[("lm_head.weight", tensor)].into(), &path).unwrap();
    let err = NamedFile::open(&path).unwrap_err();
    assert!(matches!(err, WeightError::OtherModel { count: 1, .. }));
    assert!(err.to_string().contains("lm_head.weight"), "{err}");
}
