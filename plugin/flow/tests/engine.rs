//! The engine's guarantees, checked on small drawings made here.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, in helpers too")]

mod common;

use inbetween_core::{
    Control, Drawn, Encoding, Engine, Error, Frame, Job, Output, Quality, Settings,
};
use inbetween_flow::{FlowEngine, Start};

/// A filled, outlined disc of `colour` at (`x`, `y`), premultiplied over `ground`.
fn disc(
    size: (usize, usize),
    at: (f32, f32),
    radius: f32,
    colour: [f32; 4],
    ground: [f32; 4],
) -> Frame {
    let (w, h) = size;
    let mut frame = Frame::transparent(w, h).unwrap();
    for (i, pixel) in frame.pixels_mut().iter_mut().enumerate() {
        let (x, y) = ((i % w) as f32, (i / w) as f32);
        let distance = (x - at.0).hypot(y - at.1);
        let cover = (radius + 0.5 - distance).clamp(0.0, 1.0);
        let fill = (radius - 2.0 - distance).clamp(0.0, 1.0);
        let line = [0.05, 0.05, 0.05, 1.0];
        *pixel = [0, 1, 2, 3].map(|c| {
            let shape = line[c] + fill * (colour[c] - line[c]);
            ground[c] + cover * (shape - ground[c])
        });
    }
    frame
}

const WHITE: [f32; 4] = [1.0; 4];
const CLEAR: [f32; 4] = [0.0; 4];
const RED: [f32; 4] = [0.8, 0.2, 0.1, 1.0];

fn job(first: &Frame, last: &Frame, position: f64, settings: Settings) -> Job {
    let mut job = common::job(first, last, position, &[]);
    job.request.settings = settings;
    job
}

fn draw(engine: &FlowEngine, first: &Frame, last: &Frame, t: f64, settings: Settings) -> Drawn {
    engine.draw(&job(first, last, t, settings), &Control::default()).unwrap()
}

/// Centre of gravity of `weight` over the frame.
fn centre(frame: &Frame, weight: impl Fn(&[f32; 4]) -> f32) -> (f32, f32) {
    let (mut x, mut y, mut sum) = (0.0, 0.0, 0.0);
    for (i, pixel) in frame.pixels().iter().enumerate() {
        let k = weight(pixel);
        x += k * (i % frame.width()) as f32;
        y += k * (i / frame.width()) as f32;
        sum += k;
    }
    (x / sum, y / sum)
}

fn assert_finite(frame: &Frame) {
    assert!(frame.pixels().iter().flatten().all(|v| v.is_finite()), "a sample is not finite");
}

/// Repeatable noise, 0..1.
fn noise(seed: u32) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(1);
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    }
}

#[test]
fn a_moved_disc_lands_where_the_position_says() {
    let engine = FlowEngine::new().unwrap();
    let first = disc((200, 140), (70.0, 70.0), 26.0, RED, WHITE);
    let last = disc((200, 140), (102.0, 82.0), 26.0, RED, WHITE);
    for t in [0.25, 0.5, 0.75] {
        let drawn = draw(&engine, &first, &last, t, Settings::default());
        assert!(!drawn.cut);
        let (x, y) = centre(&drawn.frame, |p| 1.0 - p[1]);
        let wanted = (70.0 + 32.0 * t as f32, 70.0 + 12.0 * t as f32);
        let off = (x - wanted.0).hypot(y - wanted.1);
        assert!(off < 1.5, "at {t} the disc lies at ({x}, {y}), {off} pixels off");
        // One disc, not two faint ones: as much ink as in a key.
        let ink = |f: &Frame| f.pixels().iter().filter(|p| p[1] < 0.5).count() as f32;
        let ratio = ink(&drawn.frame) / ink(&first);
        assert!((0.93..1.07).contains(&ratio), "at {t} there is {ratio} times the ink");
    }
}

#[test]
fn a_drawing_right_beside_a_key_is_that_key() {
    let engine = FlowEngine::new().unwrap();
    let first = disc((200, 140), (70.0, 70.0), 26.0, RED, WHITE);
    let last = disc((200, 140), (102.0, 82.0), 26.0, RED, WHITE);
    for (t, key) in [(1e-3, &first), (1.0 - 1e-3, &last)] {
        let drawn = draw(&engine, &first, &last, t, Settings::default()).frame;
        let pairs = drawn.pixels().iter().flatten().zip(key.pixels().iter().flatten());
        let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 0.05, "at {t} the drawing is up to {off} away from the key");
    }
    // Nothing jumps between there and the positions for which the network was trained.
    let at = |t: f64| {
        let drawn = draw(&engine, &first, &last, t, Settings::default());
        centre(&drawn.frame, |p| 1.0 - p[1]).0
    };
    let way: Vec<f32> = (0..=12).map(|i| at(0.001 + 0.0125 * f64::from(i))).collect();
    for (i, pair) in way.windows(2).enumerate() {
        let step = pair[1] - pair[0];
        assert!((0.0..1.2).contains(&step), "step {i} of {step} pixels, where 0.4 are right");
    }
}

#[test]
fn motion_is_told_in_pixels_over_the_whole_span() {
    let engine = FlowEngine::new().unwrap();
    let first = disc((200, 140), (70.0, 70.0), 26.0, RED, WHITE);
    let last = disc((200, 140), (90.0, 60.0), 26.0, RED, WHITE);
    let settings = Settings { output: Output::Motion, ..Settings::default() };
    let drawn = draw(&engine, &first, &last, 0.5, settings);
    let outline = drawn.frame.row(65)[80 - 24];
    assert!((outline[0] - 20.0).abs() < 3.0 && (outline[1] + 10.0).abs() < 3.0, "{outline:?}");
    assert_eq!((outline[2], outline[3]), (0.0, 1.0));
}

#[test]
fn confidence_is_grey_and_high_where_nothing_moves() {
    let engine = FlowEngine::new().unwrap();
    let first = disc((200, 140), (60.0, 70.0), 26.0, RED, WHITE);
    let last = disc((200, 140), (80.0, 70.0), 26.0, RED, WHITE);
    let settings = Settings { output: Output::Confidence, ..Settings::default() };
    let drawn = draw(&engine, &first, &last, 0.5, settings);
    for p in drawn.frame.pixels() {
        assert!((0.0..=1.0).contains(&p[0]) && p[0] == p[1] && p[1] == p[2] && p[3] == 1.0);
    }
    assert!(drawn.frame.row(20)[180][0] > 0.8);
    assert!(drawn.confidence > 0.5 && drawn.confidence <= 1.0);
}

#[test]
fn equal_keys_are_returned_bit_for_bit() {
    let engine = FlowEngine::new().unwrap();
    let key = disc((61, 43), (30.0, 20.0), 12.0, [9.0, -0.5, 0.1, 1.0], CLEAR);
    let drawn = draw(&engine, &key, &key, 0.37, Settings::default());
    assert_eq!(drawn.frame, key);
    assert!(!drawn.cut && drawn.confidence == 1.0);
    let settings = Settings { output: Output::Motion, ..Settings::default() };
    let still = draw(&engine, &key, &key, 0.37, settings);
    assert!(still.frame.pixels().iter().all(|p| *p == [0.0, 0.0, 0.0, 1.0]));
}

#[test]
fn at_a_cut_the_nearer_key_is_held() {
    let engine = FlowEngine::new().unwrap();
    let scene = |seed: u32, tint: [f32; 3]| {
        let mut next = noise(seed);
        let blocks: Vec<f32> = (0..16 * 12).map(|_| next()).collect();
        let mut frame = Frame::transparent(160, 120).unwrap();
        for (i, p) in frame.pixels_mut().iter_mut().enumerate() {
            let v = blocks[(i / 160 / 10) * 16 + i % 160 / 10];
            *p = [tint[0] * v, tint[1] * v, tint[2] * v, 1.0];
        }
        frame
    };
    let (first, last) = (scene(1, [1.0, 0.3, 0.1]), scene(2, [0.1, 0.5, 1.0]));
    for (t, key) in [(0.3, &first), (0.7, &last)] {
        let drawn = draw(&engine, &first, &last, t, Settings::default());
        assert!(drawn.cut);
        assert_eq!(&drawn.frame, key);
    }
}

#[test]
fn order_threads_and_memory_never_change_a_picture() {
    let first = disc((181, 127), (60.0, 60.0), 30.0, RED, WHITE);
    let last = disc((181, 127), (95.0, 70.0), 34.0, RED, WHITE);
    let positions = [0.2, 0.5, 0.8];
    let run = |threads: usize, order: &[usize]| -> Vec<Frame> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let engine = FlowEngine::new().unwrap();
            let mut frames = vec![None; positions.len()];
            for &i in order {
                let drawn = draw(&engine, &first, &last, positions[i], Settings::default());
                frames[i] = Some(drawn.frame);
            }
            frames.into_iter().map(Option::unwrap).collect()
        })
    };
    let wanted = run(1, &[0, 1, 2]);
    assert!(wanted == run(3, &[2, 0, 1]), "three threads or another order gave other pixels");
    let alone = FlowEngine::new().unwrap();
    let drawn = draw(&alone, &first, &last, 0.8, Settings::default());
    assert!(drawn.frame == wanted[2], "a fresh engine gave other pixels");
    let shared = FlowEngine::new().unwrap();
    std::thread::scope(|scope| {
        for (i, t) in positions.into_iter().enumerate() {
            let (shared, first, last, wanted) = (&shared, &first, &last, &wanted);
            scope.spawn(move || {
                let drawn = draw(shared, first, last, t, Settings::default());
                assert!(drawn.frame == wanted[i], "concurrent draws gave other pixels");
            });
        }
    });
}

#[test]
fn any_size_can_be_drawn() {
    let engine = FlowEngine::new().unwrap();
    let sizes = [(1, 1), (1, 9), (9, 1), (2, 3), (17, 33), (31, 16), (900, 3), (3, 700), (647, 41)];
    for (w, h) in sizes {
        let at = (w as f32 / 2.0, h as f32 / 2.0);
        let first = disc((w, h), at, 6.0, RED, WHITE);
        let last = disc((w, h), (at.0 + 3.0, at.1), 6.0, RED, WHITE);
        let wanted = [
            (Quality::Standard, Output::InBetween),
            (Quality::Standard, Output::Motion),
            (Quality::Standard, Output::Confidence),
            (Quality::Draft, Output::InBetween),
            (Quality::High, Output::InBetween),
        ];
        for (quality, output) in wanted {
            let settings = Settings { quality, output, ..Settings::default() };
            let drawn = draw(&engine, &first, &last, 0.4, settings);
            assert_eq!((drawn.frame.width(), drawn.frame.height()), (w, h));
            assert_finite(&drawn.frame);
        }
    }
}

#[test]
fn highlights_and_negative_light_are_kept() {
    let engine = FlowEngine::new().unwrap();
    let bright = [12.0, 8.0, 4.0, 1.0];
    let ground = [0.18, -0.02, 0.2, 1.0];
    let first = disc((200, 140), (70.0, 70.0), 26.0, bright, ground);
    let last = disc((200, 140), (90.0, 70.0), 26.0, bright, ground);
    let settings = Settings { encoding: Encoding::Linear, ..Settings::default() };
    let drawn = draw(&engine, &first, &last, 0.5, settings);
    assert!(!drawn.cut);
    let middle = drawn.frame.row(70)[80];
    let close = middle.iter().zip(bright).all(|(a, b)| (a - b).abs() < 1e-3);
    assert!(close, "the highlight became {middle:?}");
    let corner = drawn.frame.row(4)[4];
    assert!(corner.iter().zip(ground).all(|(a, b)| (a - b).abs() < 1e-5), "{corner:?}");
    // No halo: nothing brighter or darker than in the keys.
    for p in drawn.frame.pixels() {
        assert!(p[0] <= 12.0 + 1e-3 && p[1] >= -0.02 - 1e-4, "{p:?}");
    }
}

#[test]
fn alpha_moves_with_the_drawing() {
    let engine = FlowEngine::new().unwrap();
    let first = disc((200, 140), (70.0, 64.0), 26.0, RED, CLEAR);
    let last = disc((200, 140), (94.0, 76.0), 26.0, RED, CLEAR);
    let drawn = draw(&engine, &first, &last, 0.5, Settings::default());
    let (x, y) = centre(&drawn.frame, |p| p[3]);
    assert!((x - 82.0).hypot(y - 70.0) < 1.5, "the shape's alpha lies at ({x}, {y})");
    assert_eq!(drawn.frame.row(2)[2], [0.0; 4]);
    for p in drawn.frame.pixels() {
        assert!((0.0..=1.0).contains(&p[3]));
        assert!(p[..3].iter().all(|v| *v <= p[3] + 0.02), "colour beyond its alpha: {p:?}");
    }
}

#[test]
fn wild_values_give_no_nan() {
    let engine = FlowEngine::new().unwrap();
    let wild = |seed: u32| {
        let mut next = noise(seed);
        let mut frame = Frame::transparent(70, 50).unwrap();
        for p in frame.pixels_mut() {
            let scale = 10f32.powf(76.0 * next() - 38.0);
            *p = [scale * (next() - 0.5), -scale, f32::MAX * next(), 2.0 * next() - 0.5];
        }
        frame
    };
    for encoding in [Encoding::Srgb, Encoding::Linear] {
        let settings = Settings { encoding, ..Settings::default() };
        let drawn = draw(&engine, &wild(3), &wild(4), 0.5, settings);
        assert_finite(&drawn.frame);
    }
    let mut shifted = wild(3);
    shifted.pixels_mut().rotate_right(2);
    assert_finite(&draw(&engine, &wild(3), &shifted, 0.5, Settings::default()).frame);
}

#[test]
fn a_cancelled_draw_stops() {
    let engine = FlowEngine::new().unwrap();
    let first = disc((1500, 1000), (600.0, 500.0), 200.0, RED, WHITE);
    let last = disc((1500, 1000), (700.0, 500.0), 200.0, RED, WHITE);
    let job = job(&first, &last, 0.5, Settings::default());
    let control = Control::default();
    control.cancel();
    assert!(matches!(engine.draw(&job, &control), Err(Error::Cancelled)));
    assert_eq!(control.progress(), 0.0, "work was done after the stop");
    let control = Control::default();
    std::thread::scope(|scope| {
        let drawing = scope.spawn(|| engine.draw(&job, &control));
        while control.progress() == 0.0 && !drawing.is_finished() {
            std::thread::yield_now();
        }
        control.cancel();
        assert!(matches!(drawing.join().unwrap(), Err(Error::Cancelled)));
    });
    let control = Control::default();
    engine.draw(&job, &control).unwrap();
    assert_eq!(control.progress(), 1.0);
}

#[test]
fn a_wrong_job_is_refused() {
    let engine = FlowEngine::new().unwrap();
    let (a, b) = (Frame::transparent(8, 8).unwrap(), Frame::transparent(9, 8).unwrap());
    let wrong = job(&a, &b, 0.5, Settings::default());
    assert!(matches!(engine.draw(&wrong, &Control::default()), Err(Error::KeysDiffer { .. })));
    let outside = job(&a, &a, 1.0, Settings::default());
    assert!(matches!(engine.draw(&outside, &Control::default()), Err(Error::Setting { .. })));
}

#[test]
fn what_rests_is_copied_exactly() {
    let engine = FlowEngine::new().unwrap();
    let mut next = noise(5);
    let texture: Vec<f32> = (0..200 * 140).map(|_| 0.6 + 0.4 * next()).collect();
    let scene = |x: f32| {
        let mut frame = disc((200, 140), (x, 70.0), 20.0, RED, CLEAR);
        for (p, g) in frame.pixels_mut().iter_mut().zip(&texture) {
            let under = 1.0 - p[3];
            *p = [p[0] + under * g, p[1] + under * g, p[2] + under * g, 1.0];
        }
        frame
    };
    let (first, last) = (scene(60.0), scene(76.0));
    let drawn = draw(&engine, &first, &last, 0.5, Settings::default());
    for y in 0..140 {
        for x in 120..200 {
            assert_eq!(drawn.frame.row(y)[x], first.row(y)[x], "at ({x}, {y})");
        }
    }
}

#[test]
fn every_start_draws_and_names_itself() {
    let first = disc((120, 96), (50.0, 48.0), 20.0, RED, WHITE);
    let last = disc((120, 96), (58.0, 48.0), 20.0, RED, WHITE);
    let mut versions = Vec::new();
    for start in [Start::Dis, Start::Hypotheses, Start::Matcher] {
        let engine = FlowEngine::with_start(start).unwrap();
        let drawn = draw(&engine, &first, &last, 0.5, Settings::default());
        let (x, _) = centre(&drawn.frame, |p| 1.0 - p[1]);
        assert!((x - 54.0).abs() < 1.5, "{start:?}: the disc lies at {x}");
        versions.push(engine.version().to_owned());
    }
    versions.dedup();
    assert_eq!(versions.len(), 3, "{versions:?}");
}

/// Weights of another size can be used, because all sizes come from the file.
#[test]
fn a_network_of_another_size_drops_in() {
    let weights = small_network([4, 8, 12], [10, 6, 7], 2);
    let engine = FlowEngine::with_weights(&weights, Some(Start::Matcher)).unwrap();
    let first = disc((90, 70), (40.0, 35.0), 15.0, RED, WHITE);
    let last = disc((90, 70), (44.0, 35.0), 15.0, RED, WHITE);
    assert_finite(&draw(&engine, &first, &last, 0.5, Settings::default()).frame);
    assert!(engine.version().contains("tiny"));
    // A file that does not hold what its configuration promises is rejected with the name of the
    // layer.
    let broken = with_config(&weights, [4, 8, 16], [10, 6, 7], 2);
    let err = FlowEngine::with_weights(&broken, None).err().unwrap().to_string();
    assert!(err.contains("weight"), "{err}");
}

type Tensors = std::collections::BTreeMap<String, (Vec<usize>, Vec<u8>)>;

fn serialise(tensors: &Tensors, c: [usize; 3], h: [usize; 3], attention: usize) -> Vec<u8> {
    use safetensors::tensor::{Dtype, TensorView};
    let config = format!(
        r#"{{"architecture":"tweennet","version":"tiny","channels":{c:?},"hidden":{h:?},"attention":{attention},"start":"hypotheses"}}"#
    );
    let views = tensors.iter().map(|(name, (shape, bytes))| {
        (name.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    let metadata = std::collections::HashMap::from([("config".to_owned(), config)]);
    safetensors::serialize(views, Some(metadata)).unwrap()
}

fn small_network(c: [usize; 3], h: [usize; 3], attention: usize) -> Vec<u8> {
    let mut tensors = Tensors::new();
    let mut next = noise(9);
    let mut add = |name: String, shape: Vec<usize>| {
        let n: usize = shape.iter().product();
        let bytes = (0..n).flat_map(|_| (0.1 * (next() - 0.5)).to_le_bytes()).collect();
        tensors.insert(name, (shape, bytes));
    };
    let mut layer = |name: &str, shape: &[usize]| {
        add(format!("{name}.weight"), shape.to_vec());
        add(format!("{name}.bias"), vec![shape[0]]);
    };
    let mut conv = |name: &str, i: usize, o: usize| layer(name, &[o, i, 3, 3]);
    let [a, b, d] = c;
    for (name, i, o) in [("e1.0.0", 3, a), ("e1.1.0", a, a), ("e2.0.0", a, b), ("e3.0.0", b, d)] {
        conv(name, i, o);
    }
    for (name, n) in
        [("e2.1", b), ("e3.1", d), ("e3.2", d), ("d3.r", h[0]), ("d2.r", h[1]), ("d1.r", h[2])]
    {
        conv(&format!("{name}.a.0"), n, n);
        conv(&format!("{name}.b"), n, n);
    }
    for (name, f, o, before) in
        [("d3", d, h[0], 0), ("d2", b, h[1], h[0]), ("d1", a, h[2], h[1] + 9)]
    {
        conv(&format!("{name}.inp.0"), 2 * f + 6 + before, o);
        conv(&format!("{name}.o"), o, 5);
    }
    for i in 0..attention {
        for kind in ["sa", "ca"] {
            for part in ["q", "k", "v", "o"] {
                layer(&format!("{kind}.{i}.{part}"), &[d, d]);
            }
            layer(&format!("{kind}.{i}.m.0"), &[2 * d, 2 * d]);
            layer(&format!("{kind}.{i}.m.2"), &[d, 2 * d]);
            layer(&format!("{kind}.{i}.n"), &[d]);
        }
    }
    layer("proj", &[d, d]);
    layer("pk", &[d, d]);
    tensors.insert("temp".into(), (vec![], 2.0f32.to_le_bytes().to_vec()));
    serialise(&tensors, c, h, attention)
}

/// The same tensors under another configuration.
fn with_config(weights: &[u8], c: [usize; 3], h: [usize; 3], attention: usize) -> Vec<u8> {
    let file = safetensors::SafeTensors::deserialize(weights).unwrap();
    let tensors = file
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, (view.shape().to_vec(), view.data().to_vec())))
        .collect();
    serialise(&tensors, c, h, attention)
}

#[test]
fn what_leaves_the_picture_by_exactly_half_a_sample_is_drawn_like_anything_else() {
    let engine = FlowEngine::new().unwrap();
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let key = |name: &str| common::read(&fixtures.join(name), None);
    // A pan over a fractal, of which a part is found half a sample further on.
    let (first, last) = (key("fractal_a.png"), key("fractal_b.png"));
    let drawn = engine.draw(&common::job(&first, &last, 0.5, &[]), &Control::default()).unwrap();
    assert!(!drawn.cut);
}
