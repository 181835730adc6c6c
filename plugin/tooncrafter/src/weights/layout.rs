//! Which tensors the released files hold, by name and shape, derived from the configuration.
//!
//! Needed tensors are those that a network reads; the others are part of the released files but
//! nothing uses them (the last text block, projections of CLIP, schedule buffers and so on).

use crate::config::{ClipConfig, ResamplerConfig, SketchConfig, UnetConfig, VaeConfig};

/// A part of the model that is loaded on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The denoising network.
    Unet,
    /// The autoencoder between pixels and latents.
    Vae,
    /// The text tower.
    Text,
    /// The image tower.
    Vision,
    /// The projector from image tokens to context tokens.
    Projector,
    /// The sketch encoder, a file of its own.
    Sketch,
}

impl Part {
    /// All parts of the main checkpoint.
    pub const MAIN: [Self; 5] = [Self::Unet, Self::Vae, Self::Text, Self::Vision, Self::Projector];

    /// What every name of this part begins with in the released file; with the dot, or empty.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Unet => "model.diffusion_model.",
            Self::Vae => "first_stage_model.",
            Self::Text => "cond_stage_model.model.",
            Self::Vision => "embedder.model.visual.",
            Self::Projector => "image_proj_model.",
            Self::Sketch => "",
        }
    }

    /// A short name for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unet => "UNet",
            Self::Vae => "VAE",
            Self::Text => "text tower",
            Self::Vision => "image tower",
            Self::Projector => "image-context projector",
            Self::Sketch => "sketch encoder",
        }
    }
}

/// One tensor of a released file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name in the released file.
    pub name: String,
    /// Its shape; empty for a single number.
    pub shape: Vec<usize>,
    /// The part it belongs to; none for the schedule buffers and leftovers.
    pub part: Option<Part>,
    /// Whether a network reads it.
    pub needed: bool,
}

/// The configurations that decide a main checkpoint's layout.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelConfig {
    /// The denoising network.
    pub unet: UnetConfig,
    /// The autoencoder.
    pub vae: VaeConfig,
    /// Both towers.
    pub clip: ClipConfig,
    /// The projector.
    pub resampler: ResamplerConfig,
}

impl ModelConfig {
    /// A model of the same topology that is small enough for tests: some 2 million parameters.
    /// It works on latents of at least 2 x 2.
    pub fn tiny() -> Self {
        Self {
            unet: UnetConfig {
                model_channels: 32,
                attention_resolutions: vec![2, 1],
                num_res_blocks: 1,
                channel_mult: vec![1, 1],
                num_head_channels: 16,
                context_dim: 32,
                ..UnetConfig::default()
            },
            vae: VaeConfig {
                ch: 32,
                ch_mult: vec![1, 1, 1, 1],
                num_res_blocks: 1,
                ..VaeConfig::default()
            },
            clip: ClipConfig {
                vwidth: 48,
                vlayers: 2,
                vheadw: 16,
                patch: 28,
                twidth: 32,
                theads: 2,
                tlayers: 3,
                ..ClipConfig::default()
            },
            resampler: ResamplerConfig {
                dim: 48,
                depth: 2,
                dim_head: 16,
                heads: 2,
                embedding_dim: 48,
                output_dim: 32,
                ..ResamplerConfig::default()
            },
        }
    }
}

/// The sketch encoder that belongs to [`ModelConfig::tiny`].
pub fn tiny_sketch() -> SketchConfig {
    SketchConfig {
        model_channels: 32,
        attention_resolutions: vec![2, 1],
        num_res_blocks: 1,
        channel_mult: vec![1, 1],
        num_head_channels: 16,
        context_dim: 32,
        ..SketchConfig::default()
    }
}

/// Everything in a main checkpoint.
pub fn model(config: &ModelConfig) -> Vec<Wanted> {
    let mut list = List::default();
    list.part(Part::Unet, |list| unet(list, &config.unet));
    list.part(Part::Vae, |list| vae(list, &config.vae));
    list.part(Part::Text, |list| text_tower(list, &config.clip));
    list.part(Part::Vision, |list| vision_tower(list, &config.clip));
    list.part(Part::Projector, |list| projector(list, &config.resampler));
    leftovers(&mut list, &config.clip);
    list.wanted
}

/// Everything in a sketch encoder's file.
pub fn sketch(config: &SketchConfig) -> Vec<Wanted> {
    let mut list = List::default();
    list.part(Part::Sketch, |list| sketch_encoder(list, config));
    list.wanted
}

/// A growing list of tensors, with the place where the next ones belong.
#[derive(Default)]
struct List {
    wanted: Vec<Wanted>,
    path: String,
    part: Option<Part>,
    unneeded: bool,
}

impl List {
    fn part(&mut self, part: Part, fill: impl FnOnce(&mut Self)) {
        self.part = Some(part);
        part.prefix().clone_into(&mut self.path);
        fill(self);
        self.path.clear();
        self.part = None;
    }

    /// What `fill` adds lies under `name`.
    fn at(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push_str(name);
        self.path.push('.');
        fill(self);
        self.path.truncate(length);
    }

    /// What `fill` adds is in the file, but no network reads it.
    fn unneeded(&mut self, fill: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.unneeded, true);
        fill(self);
        self.unneeded = before;
    }

    fn tensor(&mut self, name: &str, shape: &[usize]) {
        self.wanted.push(Wanted {
            name: format!("{}{name}", self.path),
            shape: shape.to_vec(),
            part: self.part,
            needed: !self.unneeded,
        });
    }

    fn weight_and_bias(&mut self, name: &str, shape: &[usize]) {
        self.tensor(&format!("{name}.weight"), shape);
        self.tensor(&format!("{name}.bias"), &shape[..1]);
    }

    fn norm(&mut self, name: &str, width: usize) {
        self.weight_and_bias(name, &[width]);
    }

    fn linear(&mut self, name: &str, from: usize, to: usize) {
        self.weight_and_bias(name, &[to, from]);
    }

    fn linear_no_bias(&mut self, name: &str, from: usize, to: usize) {
        self.tensor(&format!("{name}.weight"), &[to, from]);
    }

    fn conv(&mut self, name: &str, from: usize, to: usize, kernel: usize) {
        self.weight_and_bias(name, &[to, from, kernel, kernel]);
    }

    /// Over time: kernel 3 x 1 x 1.
    fn conv_time(&mut self, name: &str, width: usize) {
        self.weight_and_bias(name, &[width, width, 3, 1, 1]);
    }
}

/// What UNet and sketch encoder differ in, and what they share.
struct Blocks<'a> {
    embed: usize,
    head: usize,
    depth: usize,
    context: usize,
    linear: bool,
    temporal_conv: bool,
    temporal_attention: bool,
    image_context: bool,
    attention_resolutions: &'a [usize],
}

impl Blocks<'_> {
    fn res_block(&self, list: &mut List, from: usize, to: usize) {
        list.norm("in_layers.0", from);
        list.conv("in_layers.2", from, to, 3);
        list.linear("emb_layers.1", self.embed, to);
        list.norm("out_layers.0", to);
        list.conv("out_layers.3", to, to, 3);
        if from != to {
            list.conv("skip_connection", from, to, 1);
        }
        if self.temporal_conv {
            list.at("temopral_conv", |list| {
                for (norm, conv) in [(1, 2), (2, 3), (3, 3), (4, 3)]
                    .map(|(n, at)| (format!("conv{n}.0"), format!("conv{n}.{at}")))
                {
                    list.norm(&norm, to);
                    list.conv_time(&conv, to);
                }
            });
        }
    }

    fn spatial(&self, list: &mut List, width: usize) {
        let context = Some((self.context, self.image_context));
        transformer(list, width, width, self.depth, context, if self.linear { 2 } else { 4 });
    }

    fn temporal(&self, list: &mut List, width: usize) {
        let rank = if self.linear { 2 } else { 3 };
        transformer(list, width, width, self.depth, None, rank);
    }

    /// The layers of one block after its residual block at sub-index 0.
    fn attention(&self, list: &mut List, width: usize) {
        list.at("1", |list| self.spatial(list, width));
        if self.temporal_attention {
            list.at("2", |list| self.temporal(list, width));
        }
    }

    fn has_attention(&self, level: usize) -> bool {
        self.attention_resolutions.contains(&(1 << level))
    }

    /// The way down; returns the width of every output.
    fn input_blocks(
        &self,
        list: &mut List,
        base: usize,
        mult: &[usize],
        res_blocks: usize,
    ) -> Vec<usize> {
        let mut widths = vec![base];
        for (level, factor) in mult.iter().enumerate() {
            for _ in 0..res_blocks {
                let (from, to) = (widths[widths.len() - 1], factor * base);
                list.at(&format!("input_blocks.{}", widths.len()), |list| {
                    list.at("0", |list| self.res_block(list, from, to));
                    if self.has_attention(level) {
                        self.attention(list, to);
                    }
                });
                widths.push(to);
            }
            if level + 1 < mult.len() {
                let width = widths[widths.len() - 1];
                list.conv(&format!("input_blocks.{}.0.op", widths.len()), width, width, 3);
                widths.push(width);
            }
        }
        widths
    }

    fn middle_block(&self, list: &mut List, width: usize) {
        list.at("middle_block", |list| {
            list.at("0", |list| self.res_block(list, width, width));
            self.attention(list, width);
            let last = if self.temporal_attention { "3" } else { "2" };
            list.at(last, |list| self.res_block(list, width, width));
        });
    }
}

/// A transformer of `depth` blocks; `context`: width and whether image tokens have keys of their
/// own; `rank` of the projections' weights: 2 linear, 3 and 4 kernel-1 convolutions.
fn transformer(
    list: &mut List,
    width: usize,
    inner: usize,
    depth: usize,
    context: Option<(usize, bool)>,
    rank: usize,
) {
    let projection = |from: usize, to: usize| {
        let mut shape = vec![to, from];
        shape.resize(rank, 1);
        shape
    };
    list.norm("norm", width);
    list.weight_and_bias("proj_in", &projection(width, inner));
    for block in 0..depth {
        list.at(&format!("transformer_blocks.{block}"), |list| {
            list.at("attn1", |list| attention(list, inner, inner));
            list.linear("ff.net.0.proj", inner, 8 * inner);
            list.linear("ff.net.2", 4 * inner, inner);
            list.at("attn2", |list| {
                let (from, image_context) = context.unwrap_or((inner, false));
                attention(list, inner, from);
                if image_context {
                    list.linear_no_bias("to_k_ip", from, inner);
                    list.linear_no_bias("to_v_ip", from, inner);
                }
            });
            for norm in ["norm1", "norm2", "norm3"] {
                list.norm(norm, inner);
            }
        });
    }
    list.weight_and_bias("proj_out", &projection(inner, width));
}

fn attention(list: &mut List, inner: usize, context: usize) {
    list.linear_no_bias("to_q", inner, inner);
    list.linear_no_bias("to_k", context, inner);
    list.linear_no_bias("to_v", context, inner);
    list.linear("to_out.0", inner, inner);
}

fn unet(list: &mut List, config: &UnetConfig) {
    let base = config.model_channels;
    let blocks = Blocks {
        embed: config.embed_dim(),
        head: config.num_head_channels,
        depth: config.transformer_depth,
        context: config.context_dim,
        linear: config.use_linear,
        temporal_conv: config.temporal_conv,
        temporal_attention: config.temporal_attention,
        image_context: config.image_cross_attention,
        attention_resolutions: &config.attention_resolutions,
    };
    list.linear("time_embed.0", base, blocks.embed);
    list.linear("time_embed.2", blocks.embed, blocks.embed);
    if config.fs_condition {
        list.linear("fps_embedding.0", base, blocks.embed);
        list.linear("fps_embedding.2", blocks.embed, blocks.embed);
    }
    list.conv("input_blocks.0.0", config.in_channels, base, 3);
    if config.addition_attention {
        // Eight heads whatever the width, and convolutions for projections.
        let inner = 8 * blocks.head;
        list.at("init_attn.0", |list| {
            transformer(list, base, inner, blocks.depth, None, 3);
        });
    }
    let mult = &config.channel_mult;
    let mut skips = blocks.input_blocks(list, base, mult, config.num_res_blocks);
    let mut width = skips[skips.len() - 1];
    blocks.middle_block(list, width);

    let mut index = 0;
    for (level, factor) in mult.iter().enumerate().rev() {
        for block in 0..=config.num_res_blocks {
            let from = width + skips.pop().expect("one skip connection for each output block");
            width = factor * base;
            list.at(&format!("output_blocks.{index}"), |list| {
                list.at("0", |list| blocks.res_block(list, from, width));
                let mut next = 1;
                if blocks.has_attention(level) {
                    blocks.attention(list, width);
                    next += 1 + usize::from(blocks.temporal_attention);
                }
                if level > 0 && block == config.num_res_blocks {
                    list.conv(&format!("{next}.conv"), width, width, 3);
                }
            });
            index += 1;
        }
    }
    list.norm("out.0", base);
    list.conv("out.2", base, config.out_channels, 3);
}

fn sketch_encoder(list: &mut List, config: &SketchConfig) {
    let base = config.model_channels;
    let blocks = Blocks {
        embed: 4 * base,
        head: config.num_head_channels,
        depth: config.transformer_depth,
        context: config.context_dim,
        linear: config.use_linear_in_transformer,
        temporal_conv: false,
        temporal_attention: false,
        image_context: false,
        attention_resolutions: &config.attention_resolutions,
    };
    list.linear("time_embed.0", base, blocks.embed);
    list.linear("time_embed.2", blocks.embed, blocks.embed);
    list.conv("input_blocks.0.0", config.in_channels, base, 3);
    let widths = blocks.input_blocks(list, base, &config.channel_mult, config.num_res_blocks);
    for (i, &width) in widths.iter().enumerate() {
        list.conv(&format!("zero_convs.{i}.0"), width, width, 1);
    }
    let hint = [config.hint_channels, 16, 16, 32, 32, 96, 96, 256, base];
    for (i, pair) in hint.windows(2).enumerate() {
        list.conv(&format!("input_hint_block.{}", 2 * i), pair[0], pair[1], 3);
    }
    let width = widths[widths.len() - 1];
    blocks.middle_block(list, width);
    list.conv("middle_block_out.0", width, width, 1);
}

fn vae(list: &mut List, config: &VaeConfig) {
    let widths: Vec<usize> = config.ch_mult.iter().map(|factor| factor * config.ch).collect();
    let levels = widths.len();
    let (first, last) = (widths[0], widths[levels - 1]);
    list.at("encoder", |list| {
        list.conv("conv_in", config.in_channels, config.ch, 3);
        let mut from = config.ch;
        for (level, &width) in widths.iter().enumerate() {
            list.at(&format!("down.{level}"), |list| {
                for block in 0..config.num_res_blocks {
                    list.at(&format!("block.{block}"), |list| vae_block(list, from, width));
                    from = width;
                }
                if level + 1 < levels {
                    list.conv("downsample.conv", width, width, 3);
                }
            });
        }
        list.at("mid", |list| {
            list.at("block_1", |list| vae_block(list, last, last));
            list.at("attn_1", |list| vae_attention(list, last));
            list.at("block_2", |list| vae_block(list, last, last));
        });
        list.norm("norm_out", last);
        list.conv("conv_out", last, 2 * config.z_channels, 3);
    });
    list.at("decoder", |list| {
        list.conv("conv_in", config.z_channels, last, 3);
        list.at("mid", |list| {
            list.at("block_1", |list| video_block(list, last, last));
            list.at("attn_1", |list| vae_attention(list, last));
            list.at("block_2", |list| video_block(list, last, last));
        });
        let mut from = last;
        for (level, &width) in widths.iter().enumerate().rev() {
            list.at(&format!("up.{level}"), |list| {
                for block in 0..=config.num_res_blocks {
                    list.at(&format!("block.{block}"), |list| video_block(list, from, width));
                    from = width;
                }
                if level > 0 {
                    list.conv("upsample.conv", width, width, 3);
                }
            });
        }
        for (level, &width) in widths.iter().enumerate() {
            list.at(&format!("attn_refinement.{level}"), |list| {
                if config.attn_level.contains(&level) {
                    let inner = config.fusion_heads * config.fusion_dim_head;
                    list.linear_no_bias("to_q", width, inner);
                    list.linear_no_bias("to_k", width, inner);
                    list.linear_no_bias("to_v", width, inner);
                    list.linear("to_out.0", inner, width);
                    list.norm("norm", width);
                } else {
                    list.conv("conv", width, width, 1);
                }
            });
        }
        list.conv(&format!("attn_refinement.{levels}.conv"), first, first, 1);
        list.norm("norm_out", first);
        list.conv("conv_out", first, config.out_ch, 3);
        list.conv_time("conv_out.time_mix_conv", config.out_ch);
    });
    let (moments, embed) = (2 * config.z_channels, config.embed_dim);
    list.conv("quant_conv", moments, 2 * embed, 1);
    list.unneeded(|list| list.conv("post_quant_conv", embed, config.z_channels, 1));
}

fn vae_block(list: &mut List, from: usize, to: usize) {
    list.norm("norm1", from);
    list.conv("conv1", from, to, 3);
    list.norm("norm2", to);
    list.conv("conv2", to, to, 3);
    if from != to {
        list.conv("nin_shortcut", from, to, 1);
    }
}

fn video_block(list: &mut List, from: usize, to: usize) {
    list.tensor("mix_factor", &[1]);
    vae_block(list, from, to);
    list.at("time_stack", |list| {
        list.norm("in_layers.0", to);
        list.conv_time("in_layers.2", to);
        list.norm("out_layers.0", to);
        list.conv_time("out_layers.3", to);
    });
}

fn vae_attention(list: &mut List, width: usize) {
    list.norm("norm", width);
    for name in ["q", "k", "v", "proj_out"] {
        list.conv(name, width, width, 1);
    }
}

fn clip_block(list: &mut List, width: usize) {
    list.norm("ln_1", width);
    list.tensor("attn.in_proj_weight", &[3 * width, width]);
    list.tensor("attn.in_proj_bias", &[3 * width]);
    list.linear("attn.out_proj", width, width);
    list.norm("ln_2", width);
    list.linear("mlp.c_fc", width, 4 * width);
    list.linear("mlp.c_proj", 4 * width, width);
}

fn text_tower(list: &mut List, config: &ClipConfig) {
    let width = config.twidth;
    list.tensor("positional_embedding", &[config.context_length, width]);
    list.tensor("token_embedding.weight", &[config.vocab, width]);
    for block in 0..config.tlayers {
        let path = format!("transformer.resblocks.{block}");
        // "Penultimate": the last block's result is not used.
        if block + 1 < config.tlayers {
            list.at(&path, |list| clip_block(list, width));
        } else {
            list.unneeded(|list| list.at(&path, |list| clip_block(list, width)));
        }
    }
    list.norm("ln_final", width);
    list.unneeded(|list| {
        list.tensor("text_projection", &[width, width]);
        list.tensor("logit_scale", &[]);
    });
}

fn vision_tower(list: &mut List, config: &ClipConfig) {
    let width = config.vwidth;
    let tokens = (config.image_size / config.patch).pow(2) + 1;
    list.tensor("class_embedding", &[width]);
    list.tensor("positional_embedding", &[tokens, width]);
    list.tensor("conv1.weight", &[width, 3, config.patch, config.patch]);
    list.norm("ln_pre", width);
    for block in 0..config.vlayers {
        list.at(&format!("transformer.resblocks.{block}"), |list| clip_block(list, width));
    }
    list.unneeded(|list| {
        list.norm("ln_post", width);
        list.tensor("proj", &[width, config.twidth]);
    });
}

fn projector(list: &mut List, config: &ResamplerConfig) {
    let (dim, inner) = (config.dim, config.heads * config.dim_head);
    list.tensor("latents", &[1, config.num_queries * config.video_length, dim]);
    list.linear("proj_in", config.embedding_dim, dim);
    list.linear("proj_out", dim, config.output_dim);
    list.norm("norm_out", config.output_dim);
    for layer in 0..config.depth {
        list.at(&format!("layers.{layer}"), |list| {
            list.norm("0.norm1", dim);
            list.norm("0.norm2", dim);
            list.linear_no_bias("0.to_q", dim, inner);
            list.linear_no_bias("0.to_kv", dim, 2 * inner);
            list.linear_no_bias("0.to_out", inner, dim);
            list.norm("1.0", dim);
            list.linear_no_bias("1.1", dim, config.ff_mult * dim);
            list.linear_no_bias("1.3", config.ff_mult * dim, dim);
        });
    }
}

/// The image embedder's copies of the text side, and the schedule, which is recomputed.
fn leftovers(list: &mut List, clip: &ClipConfig) {
    list.unneeded(|list| {
        list.at("embedder.model", |list| {
            list.tensor("positional_embedding", &[clip.context_length, clip.twidth]);
            list.tensor("text_projection", &[clip.twidth, clip.twidth]);
            list.tensor("logit_scale", &[]);
            list.tensor("token_embedding.weight", &[clip.vocab, clip.twidth]);
            list.norm("ln_final", clip.twidth);
        });
        for buffer in [
            "betas",
            "alphas_cumprod",
            "alphas_cumprod_prev",
            "sqrt_alphas_cumprod",
            "sqrt_one_minus_alphas_cumprod",
            "log_one_minus_alphas_cumprod",
            "sqrt_recip_alphas_cumprod",
            "sqrt_recipm1_alphas_cumprod",
            "posterior_variance",
            "posterior_log_variance_clipped",
            "posterior_mean_coef1",
            "posterior_mean_coef2",
        ] {
            list.tensor(buffer, &[1000]);
        }
        list.tensor("scale_arr", &[1400]);
    });
}
