//! How long it takes to convert a 1080p frame between display-referred and linear values.
//!
//! `cargo run --release -p inbetween-core --example colour_speed`

use std::time::Instant;

use inbetween_core::{Encoding, Error, Frame, colour};

fn main() -> Result<(), Error> {
    let pixels = (0..1920 * 1080).map(|at| [(at % 1000) as f32 / 900.0, 0.5, 0.2, 1.0]).collect();
    let mut frame = Frame::from_pixels(1920, 1080, pixels)?;
    let mut fastest = [f64::INFINITY; 2];
    for _ in 0..20 {
        let ways = [(Encoding::Srgb, Encoding::Linear), (Encoding::Linear, Encoding::Srgb)];
        for (fastest, (from, to)) in fastest.iter_mut().zip(ways) {
            let start = Instant::now();
            colour::convert(frame.pixels_mut(), from, to);
            *fastest = fastest.min(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    println!("sRGB to linear  {:6.2} ms", fastest[0]);
    println!("linear to sRGB  {:6.2} ms", fastest[1]);
    Ok(())
}
