//! The CLIP towers, the projector behind the image tower, and tensors that nothing reads.

use super::list::List;
use crate::config::{ClipConfig, ResamplerConfig};

fn clip_block(list: &mut List, width: usize) {
    list.norm("ln_1", width);
    list.tensor("attn.in_proj_weight", &[3 * width, width]);
    list.tensor("attn.in_proj_bias", &[3 * width]);
    list.linear("attn.out_proj", width, width);
    list.norm("ln_2", width);
    list.linear("mlp.c_fc", width, 4 * width);
    list.linear("mlp.c_proj", 4 * width, width);
}

pub(super) fn text_tower(list: &mut List, config: &ClipConfig) {
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

pub(super) fn vision_tower(list: &mut List, config: &ClipConfig) {
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

pub(super) fn projector(list: &mut List, config: &ResamplerConfig) {
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
pub(super) fn leftovers(list: &mut List, clip: &ClipConfig) {
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
