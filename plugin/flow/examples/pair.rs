//! Draws in-betweens of two pictures: `pair FIRST LAST OUT [COUNT]`.

use std::sync::Arc;

use anyhow::{Context, Result};
use inbetween_core::{ContentHash, Control, Engine, Frame, Job, Request, Settings};
use inbetween_flow::FlowEngine;

fn main() -> Result<()> {
    env_logger::init();
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.len() == 1 {
        let engine = FlowEngine::new()?;
        for (n, line) in std::fs::read_to_string(&args[0])?.lines().enumerate() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (first, last) = (read(words[0])?, read(words[1])?);
            let name = ContentHash([n as u8; 32]);
            draw(&engine, &first, &last, name, words[2].parse()?, words[3])?;
        }
        return Ok(());
    }
    let count: usize = args.get(3).map_or(Ok(7), |n| n.parse())?;
    let (first, last) = (read(&args[0])?, read(&args[1])?);
    let engine = FlowEngine::new()?;
    std::fs::create_dir_all(&args[2])?;
    for n in 1..=count {
        let position = n as f64 / (count + 1) as f64;
        draw(
            &engine,
            &first,
            &last,
            ContentHash([1; 32]),
            position,
            &format!("{}/{n}.png", args[2]),
        )?;
    }
    Ok(())
}

fn draw(
    engine: &FlowEngine,
    first: &Arc<Frame>,
    last: &Arc<Frame>,
    name: ContentHash,
    position: f64,
    out: &str,
) -> Result<()> {
    let request = Request {
        first: name,
        last: name,
        sketches: Vec::new(),
        position,
        settings: Settings::default(),
    };
    let job = Job { request, first: first.clone(), last: last.clone(), sketches: Vec::new() };
    let drawn = engine.draw(&job, &Control::default())?;
    if drawn.cut {
        eprintln!("cut");
    }
    let pixels: Vec<u8> = drawn
        .frame
        .pixels()
        .iter()
        .flat_map(|p| {
            let a = p[3].clamp(0.0, 1.0);
            let un = |v: f32| if a > 0.0 { v / a } else { 0.0 };
            [un(p[0]), un(p[1]), un(p[2]), a].map(|v| (v * 255.0).round().clamp(0.0, 255.0) as u8)
        })
        .collect();
    let (w, h) = (drawn.frame.width() as u32, drawn.frame.height() as u32);
    let image = image::RgbaImage::from_raw(w, h, pixels).context("size")?;
    image.save(out)?;
    Ok(())
}

fn read(path: &str) -> Result<Arc<Frame>> {
    let image = image::open(path).with_context(|| path.to_string())?.to_rgba8();
    let pixels = image
        .pixels()
        .map(|p| {
            let [r, g, b, a] = p.0.map(|v| f32::from(v) / 255.0);
            [r * a, g * a, b * a, a]
        })
        .collect();
    Ok(Arc::new(Frame::from_pixels(image.width() as usize, image.height() as usize, pixels)?))
}
