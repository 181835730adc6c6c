//! Compares pictures at model size with Pillow's, which the published script uses. The file was
//! made by `data/make_pillow_resize.py`.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

use candle_core::{Device, Tensor, safetensors::load};
use inbetween_tooncrafter::preprocess::Picture;

fn samples(tensor: &Tensor) -> (usize, usize, Vec<u8>) {
    let (height, width, _) = tensor.dims3().unwrap();
    (height, width, tensor.flatten_all().unwrap().to_vec1().unwrap())
}

/// Pillow rounds to 8 bits after each of two passes, so a difference of one level is the best
/// possible result.
#[test]
fn model_size_agrees_with_pillow_within_one_level() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/pillow_resize.safetensors");
    let tensors = load(path, &Device::Cpu).unwrap();
    for case in 0..tensors.len() / 2 {
        let (height, width, input) = samples(&tensors[&format!("in.{case}")]);
        let (out_height, out_width, wanted) = samples(&tensors[&format!("out.{case}")]);
        let picture = Picture::from_rgb8(width, height, &input).unwrap();
        let seen = picture.to_model_size(out_width, out_height);
        let worst = (seen.pixels().as_flattened().iter().zip(&wanted))
            .map(|(found, &wanted)| (found * 255.0 - f32::from(wanted)).abs())
            .fold(0.0, f32::max);
        assert!(worst <= 1.2, "case {case}: {worst} levels apart");
        println!("case {case}: {worst} levels apart");
    }
}
