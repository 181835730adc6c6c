//! `models random`: writes random weights in the released layout.

use inbetween_tooncrafter::config::SketchConfig;
use inbetween_tooncrafter::weights::layout::{ModelConfig, model, sketch, tiny_sketch};
use inbetween_tooncrafter::weights::write_random;

use super::bytes;
use crate::cli::{Random, RandomLayout};
use crate::failure::Result;
use crate::progress;
use crate::stdio::outln;

pub(crate) fn run(arguments: &Random) -> Result<()> {
    let wanted = match (arguments.layout, arguments.tiny) {
        (RandomLayout::Full, false) => model(&ModelConfig::default()),
        (RandomLayout::Full, true) => model(&ModelConfig::tiny()),
        (RandomLayout::Sketch, false) => sketch(&SketchConfig::default()),
        (RandomLayout::Sketch, true) => sketch(&tiny_sketch()),
    };
    let bar = progress::of_bytes("writing");
    let element = arguments.precision.into();
    let mut report = progress::reporter(&bar);
    let written = write_random(&arguments.file, &wanted, element, arguments.seed, &mut report)?;
    drop(report);
    bar.finish_and_clear();
    let size = bytes(written.bytes as usize);
    outln!("{}: {} tensors, {size}, random", arguments.file.display(), written.tensors);
    Ok(())
}
