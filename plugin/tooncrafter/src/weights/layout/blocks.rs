//! The blocks of the UNet and the sketch encoder.

use super::list::List;
use crate::config::LevelsConfig;

/// The differences between UNet and sketch encoder, and what they share.
pub(super) struct Blocks<'a> {
    pub(super) levels: &'a LevelsConfig,
    pub(super) temporal_conv: bool,
    pub(super) temporal_attention: bool,
    pub(super) image_context: bool,
}

impl Blocks<'_> {
    pub(super) fn res_block(&self, list: &mut List, from: usize, to: usize) {
        list.norm("in_layers.0", from);
        list.conv("in_layers.2", from, to, 3);
        list.linear("emb_layers.1", self.levels.embed_dim(), to);
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
        let context = Some((self.levels.context_dim, self.image_context));
        let rank = if self.levels.use_linear { 2 } else { 4 };
        transformer(list, width, width, self.levels.transformer_depth, context, rank);
    }

    fn temporal(&self, list: &mut List, width: usize) {
        let rank = if self.levels.use_linear { 2 } else { 3 };
        transformer(list, width, width, self.levels.transformer_depth, None, rank);
    }

    /// The layers of a block after its residual block at sub-index 0.
    pub(super) fn attention(&self, list: &mut List, width: usize) {
        list.at("1", |list| self.spatial(list, width));
        if self.temporal_attention {
            list.at("2", |list| self.temporal(list, width));
        }
    }

    /// An embedding of a number.
    pub(super) fn embedding(&self, list: &mut List, name: &str) {
        let embed = self.levels.embed_dim();
        list.linear(&format!("{name}.0"), self.levels.model_channels, embed);
        list.linear(&format!("{name}.2"), embed, embed);
    }

    /// The way down after the first convolution. Returns the width of every output, including that
    /// of the convolution.
    pub(super) fn input_blocks(&self, list: &mut List) -> Vec<usize> {
        let (base, mult) = (self.levels.model_channels, &self.levels.channel_mult);
        let mut widths = vec![base];
        for (level, factor) in mult.iter().enumerate() {
            for _ in 0..self.levels.num_res_blocks {
                let (from, to) = (widths[widths.len() - 1], factor * base);
                list.at(&format!("input_blocks.{}", widths.len()), |list| {
                    list.at("0", |list| self.res_block(list, from, to));
                    if self.levels.has_attention(level) {
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

    pub(super) fn middle_block(&self, list: &mut List, width: usize) {
        list.at("middle_block", |list| {
            list.at("0", |list| self.res_block(list, width, width));
            self.attention(list, width);
            let last = if self.temporal_attention { "3" } else { "2" };
            list.at(last, |list| self.res_block(list, width, width));
        });
    }
}

/// A transformer of `depth` blocks. `context` is the context's width and whether image tokens have
/// their own keys; `rank` is that of the projections' weights: 2 for linear layers, 3 and 4 for
/// convolutions with kernel 1.
pub(super) fn transformer(
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
