//! The autoencoder.

use super::list::List;
use crate::config::VaeConfig;

pub(super) fn vae(list: &mut List, config: &VaeConfig) {
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
