//! The denoising network and the sketch encoder.

use super::blocks::{Blocks, transformer};
use super::list::List;
use crate::config::{SketchConfig, UnetConfig};

pub(super) fn unet(list: &mut List, config: &UnetConfig) {
    let levels = &config.levels;
    let base = levels.model_channels;
    let blocks = Blocks {
        levels,
        temporal_conv: config.temporal_conv,
        temporal_attention: config.temporal_attention,
        image_context: config.image_cross_attention,
    };
    blocks.embedding(list, "time_embed");
    if config.fs_condition {
        blocks.embedding(list, "fps_embedding");
    }
    list.conv("input_blocks.0.0", config.in_channels, base, 3);
    if config.addition_attention {
        // Eight heads whatever the width, and convolutions for projections.
        let inner = 8 * levels.num_head_channels;
        list.at("init_attn.0", |list| {
            transformer(list, base, inner, levels.transformer_depth, None, 3);
        });
    }
    let mut skips = blocks.input_blocks(list);
    let mut width = skips[skips.len() - 1];
    blocks.middle_block(list, width);

    let mut index = 0;
    for (level, factor) in levels.channel_mult.iter().enumerate().rev() {
        for block in 0..=levels.num_res_blocks {
            let from = width + skips.pop().expect("one skip connection for each output block");
            width = factor * base;
            list.at(&format!("output_blocks.{index}"), |list| {
                list.at("0", |list| blocks.res_block(list, from, width));
                let mut next = 1;
                if levels.has_attention(level) {
                    blocks.attention(list, width);
                    next += 1 + usize::from(blocks.temporal_attention);
                }
                if level > 0 && block == levels.num_res_blocks {
                    list.conv(&format!("{next}.conv"), width, width, 3);
                }
            });
            index += 1;
        }
    }
    list.norm("out.0", base);
    list.conv("out.2", base, config.out_channels, 3);
}

pub(super) fn sketch_encoder(list: &mut List, config: &SketchConfig) {
    let base = config.levels.model_channels;
    let blocks = Blocks {
        levels: &config.levels,
        temporal_conv: false,
        temporal_attention: false,
        image_context: false,
    };
    blocks.embedding(list, "time_embed");
    list.conv("input_blocks.0.0", config.in_channels, base, 3);
    let widths = blocks.input_blocks(list);
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
