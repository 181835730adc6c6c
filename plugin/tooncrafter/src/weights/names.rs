//! Maps the names in a file to the names of the released checkpoint.
//!
//! These layouts are accepted, and recognised by tensors that each of them must have:
//!
//! - the released names, including the old `framestride_embed` for `fps_embedding`;
//! - a UNet alone, without its prefix, and the sketch encoder, which never had one;
//! - OpenCLIP's own names for the towers (`visual.X`, `X`);
//! - names of the transformers library for the towers, whose separate q, k and v are joined.

use std::collections::BTreeMap;

use super::layout::Part;
use super::stored::TensorEntry;

/// How a released tensor is made from tensors of a file. All names are those in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is this tensor.
    Whole(String),
    /// Its rows are those of q, then k, then v.
    Joined([String; 3]),
}

impl Source {
    /// The tensors that it is made from.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Whole(name) => std::slice::from_ref(name),
            Self::Joined(names) => names,
        }
    }
}

/// The recognised layout of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layout {
    /// The released main checkpoint, whole or pruned.
    Released,
    /// The UNet alone.
    BareUnet,
    /// The sketch encoder.
    Sketch,
    /// One or both CLIP towers under OpenCLIP's names.
    OpenClip,
    /// One or both CLIP towers under the names of the transformers library.
    Transformers,
}

impl Layout {
    /// A name to show to people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Released => "ToonCrafter checkpoint, released names",
            Self::BareUnet => "ToonCrafter UNet without prefix",
            Self::Sketch => "ToonCrafter sketch encoder",
            Self::OpenClip => "CLIP, OpenCLIP names",
            Self::Transformers => "CLIP, transformers names",
        }
    }
}

/// Tensors that only the given layout has.
const PROBES: [(&str, Layout); 7] = [
    ("model.diffusion_model.input_blocks.0.0.weight", Layout::Released),
    ("input_hint_block.0.weight", Layout::Sketch),
    ("input_blocks.0.0.weight", Layout::BareUnet),
    ("visual.conv1.weight", Layout::OpenClip),
    ("transformer.resblocks.0.attn.in_proj_weight", Layout::OpenClip),
    ("text_model.encoder.layers.0.self_attn.q_proj.weight", Layout::Transformers),
    ("vision_model.encoder.layers.0.self_attn.q_proj.weight", Layout::Transformers),
];

/// Recognises a layout by the names in a file.
pub(super) fn detect(tensors: &BTreeMap<String, TensorEntry>) -> Option<Layout> {
    let found = PROBES.iter().find(|(name, _)| tensors.contains_key(*name)).map(|&(_, l)| l);
    // A tower of the released file that was saved separately with its full names.
    let tower = || {
        tensors.keys().any(|name| {
            name.starts_with(Part::Text.prefix()) || name.starts_with(Part::Vision.prefix())
        })
    };
    found.or_else(|| tower().then_some(Layout::Released))
}

/// The released name of every usable tensor in a file, and how it is made.
pub(super) fn released_names(
    layout: Layout,
    tensors: &BTreeMap<String, TensorEntry>,
) -> BTreeMap<String, Source> {
    tensors
        .keys()
        .filter_map(|name| {
            let (released, source) = match layout {
                Layout::Released => (name.clone(), Source::Whole(name.clone())),
                Layout::Sketch => (name.clone(), Source::Whole(name.clone())),
                Layout::BareUnet => (with(Part::Unet, name), Source::Whole(name.clone())),
                Layout::OpenClip => match name.strip_prefix("visual.") {
                    Some(rest) => (with(Part::Vision, rest), Source::Whole(name.clone())),
                    None => (with(Part::Text, name), Source::Whole(name.clone())),
                },
                Layout::Transformers => transformers_name(name)?,
            };
            Some((released.replace(".framestride_embed.", ".fps_embedding."), source))
        })
        .collect()
}

fn with(part: Part, rest: &str) -> String {
    format!("{}{rest}", part.prefix())
}

/// `None` for tensors without a place in the released layout, and for k and v, which are handled
/// with their q.
fn transformers_name(name: &str) -> Option<(String, Source)> {
    let whole = |part, rest: &str| Some((with(part, rest), Source::Whole(name.into())));
    let (part, rest) = match name.strip_prefix("text_model.") {
        Some(rest) => (Part::Text, rest),
        None => (Part::Vision, name.strip_prefix("vision_model.")?),
    };
    if let Some(rest) = rest.strip_prefix("encoder.layers.") {
        let (layer, rest) = rest.split_once('.')?;
        let block = format!("transformer.resblocks.{layer}");
        let (module, kind) = rest.rsplit_once('.')?;
        let module = match module {
            "layer_norm1" => "ln_1",
            "layer_norm2" => "ln_2",
            "mlp.fc1" => "mlp.c_fc",
            "mlp.fc2" => "mlp.c_proj",
            "self_attn.out_proj" => "attn.out_proj",
            "self_attn.q_proj" => {
                let joined = ["q", "k", "v"].map(|which| {
                    name.replace(".self_attn.q_proj.", &format!(".self_attn.{which}_proj."))
                });
                let released = format!("{block}.attn.in_proj_{kind}");
                return Some((with(part, &released), Source::Joined(joined)));
            }
            _ => return None,
        };
        return whole(part, &format!("{block}.{module}.{kind}"));
    }
    let released = match (part, rest) {
        (Part::Text, "embeddings.token_embedding.weight") => "token_embedding.weight",
        (_, "embeddings.position_embedding.weight") => "positional_embedding",
        (Part::Text, "final_layer_norm.weight") => "ln_final.weight",
        (Part::Text, "final_layer_norm.bias") => "ln_final.bias",
        (Part::Vision, "embeddings.class_embedding") => "class_embedding",
        (Part::Vision, "embeddings.patch_embedding.weight") => "conv1.weight",
        // The library's own spelling.
        (Part::Vision, "pre_layrnorm.weight") => "ln_pre.weight",
        (Part::Vision, "pre_layrnorm.bias") => "ln_pre.bias",
        (Part::Vision, "post_layernorm.weight") => "ln_post.weight",
        (Part::Vision, "post_layernorm.bias") => "ln_post.bias",
        _ => return None,
    };
    whole(part, released)
}
