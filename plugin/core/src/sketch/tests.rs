use super::*;

const WIDTH: usize = 160;
const HEIGHT: usize = 120;

/// An antialiased diagonal, two pixels wide, and a circle: coverage 0..=1.
fn drawn(x: usize, y: usize) -> f32 {
    let (x, y) = (x as f32, y as f32);
    let diagonal = (x - y - 10.0).abs() / std::f32::consts::SQRT_2;
    let circle = ((x - 90.0).hypot(y - 60.0) - 35.0).abs();
    (1.5 - diagonal.min(circle)).clamp(0.0, 1.0)
}

/// Grain computed from a counter: nearly normal, deviation 1.
fn grain(x: usize, y: usize) -> f32 {
    let mut state = (y * WIDTH + x) as u64;
    let mut sum = 0.0;
    for _ in 0..12 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        sum += (state >> 40) as f32 / (1_u64 << 24) as f32;
        state ^= state >> 29;
    }
    sum - 6.0
}

fn picture(pixel: impl Fn(usize, usize) -> [f32; 4]) -> Frame {
    let pixels = (0..WIDTH * HEIGHT).map(|at| pixel(at % WIDTH, at / WIDTH)).collect();
    Frame::from_pixels(WIDTH, HEIGHT, pixels).unwrap()
}

fn ink(paper: [f32; 3], ink: [f32; 3], noise: f32) -> Frame {
    picture(|x, y| {
        let s = drawn(x, y);
        let mix = |c: usize| paper[c] + (ink[c] - paper[c]) * s + noise * grain(x, y);
        [mix(0), mix(1), mix(2), 1.0]
    })
}

/// Mean and largest difference between the coverage that was found and the one that was drawn.
fn errors(found: &Frame) -> (f32, f32) {
    let differences = found.pixels().iter().enumerate().map(|(at, pixel)| {
        assert!(pixel.iter().all(|s| s == &pixel[0] && (0.0..=1.0).contains(s)), "{pixel:?}");
        (pixel[0] - drawn(at % WIDTH, at / WIDTH)).abs()
    });
    let (sum, most) = differences.fold((0.0, 0.0_f32), |(sum, most), d| (sum + d, most.max(d)));
    (sum / (WIDTH * HEIGHT) as f32, most)
}

#[track_caller]
fn finds(sketch: &Frame, encoding: Encoding, lines: Lines, mean: f32, most: f32) {
    let found = normalise(sketch, encoding, lines).expect("there are lines");
    let (found_mean, found_most) = errors(&found);
    assert!(found_mean <= mean && found_most <= most, "mean {found_mean}, most {found_most}");
}

#[test]
fn ink_on_white_paper_keeps_its_soft_edges() {
    let sketch = ink([1.0; 3], [0.0; 3], 0.0);
    for lines in [Lines::Auto, Lines::DarkOnLight] {
        finds(&sketch, Encoding::Srgb, lines, 0.002, 0.05);
    }
}

#[test]
fn chalk_on_black_is_found_by_itself() {
    let sketch = ink([0.02; 3], [0.9; 3], 0.0);
    for lines in [Lines::Auto, Lines::LightOnDark] {
        finds(&sketch, Encoding::Srgb, lines, 0.003, 0.06);
    }
}

#[test]
fn pencil_on_grainy_grey_paper() {
    finds(&ink([0.72; 3], [0.3; 3], 0.015), Encoding::Srgb, Lines::Auto, 0.01, 0.35);
    finds(&ink([0.25; 3], [0.8; 3], 0.015), Encoding::Srgb, Lines::Auto, 0.01, 0.35);
}

#[test]
fn coloured_pencils_count_as_much_as_ink() {
    for pencil in [[0.95, 0.9, 0.1], [0.9, 0.2, 0.2], [0.5, 0.75, 1.0], [0.2, 0.6, 0.3]] {
        finds(&ink([0.98; 3], pencil, 0.0), Encoding::Srgb, Lines::Auto, 0.003, 0.08);
    }
}

#[test]
fn light_that_falls_off_is_no_line() {
    let shade = |x: usize| 0.9 - 0.2 * x as f32 / WIDTH as f32;
    let sketch = picture(|x, y| {
        let value = shade(x) * (1.0 - 0.8 * drawn(x, y));
        [value, value, value, 1.0]
    });
    finds(&sketch, Encoding::Srgb, Lines::Auto, 0.02, 0.3);
}

#[test]
fn strokes_on_transparency_count_by_alpha_whatever_their_colour() {
    for colour in [0.0, 0.5, 1.0] {
        let sketch = picture(|x, y| {
            let s = drawn(x, y);
            [colour * s, colour * s, colour * s, s]
        });
        for lines in [Lines::Auto, Lines::Alpha] {
            finds(&sketch, Encoding::Srgb, lines, 0.002, 0.05);
        }
    }
}

#[test]
fn a_sheet_that_fills_part_of_the_canvas_has_no_line_at_its_edge() {
    let inside = |x: usize, y: usize| (20..140).contains(&x) && (10..110).contains(&y);
    let sketch = picture(|x, y| {
        if !inside(x, y) {
            return [0.0; 4];
        }
        let value = 0.9 - 0.8 * drawn(x, y);
        [value, value, value, 1.0]
    });
    let found = normalise(&sketch, Encoding::Srgb, Lines::Auto).unwrap();
    for (at, pixel) in found.pixels().iter().enumerate() {
        let (x, y) = (at % WIDTH, at / WIDTH);
        let wanted = if inside(x, y) { drawn(x, y) } else { 0.0 };
        assert!((pixel[0] - wanted).abs() < 0.06, "{pixel:?} at {x},{y} for {wanted}");
    }
}

#[test]
fn linear_light_gives_the_same_lines() {
    let shown = ink([0.8; 3], [0.1; 3], 0.0);
    let linear = shown.clone().converted(Encoding::Srgb, Encoding::Linear);
    let lines = |frame, encoding| normalise(frame, encoding, Lines::Auto).unwrap();
    let (a, b) = (lines(&shown, Encoding::Srgb), lines(&linear, Encoding::Linear));
    for (a, b) in a.pixels().iter().zip(b.pixels()) {
        assert!((a[0] - b[0]).abs() < 1e-3, "{a:?} {b:?}");
    }
}

#[test]
fn a_filled_shape_stays_filled() {
    let sketch = picture(|x, y| {
        let value = if (30..110).contains(&x) && (20..100).contains(&y) { 0.1 } else { 1.0 };
        [value, value, value, 1.0]
    });
    let found = normalise(&sketch, Encoding::Srgb, Lines::DarkOnLight).unwrap();
    assert_eq!(found.row(60)[70][0], 1.0);
    assert_eq!(found.row(10)[10][0], 0.0);
}

#[test]
fn what_has_no_lines_is_no_sketch() {
    let plain = |value: f32, alpha: f32| picture(|_, _| [value, value, value, alpha]);
    let grainy = picture(|x, y| {
        let value = 0.8 + 0.02 * grain(x, y);
        [value, value, value, 1.0]
    });
    let sheets = [
        plain(0.0, 0.0),
        plain(0.0, 1.0),
        plain(1.0, 1.0),
        plain(0.6, 1.0),
        plain(0.2, 0.5),
        grainy,
    ];
    for (at, sheet) in sheets.iter().enumerate() {
        for lines in [Lines::Auto, Lines::Alpha] {
            assert!(normalise(sheet, Encoding::Srgb, lines).is_none(), "sheet {at}, {lines:?}");
        }
    }
    for (lines, sheet) in [(Lines::DarkOnLight, &sheets[2]), (Lines::LightOnDark, &sheets[1])] {
        assert!(normalise(sheet, Encoding::Srgb, lines).is_none(), "{lines:?}");
    }
}

#[test]
fn dust_is_no_line() {
    let sketch = picture(|x, y| if (x, y) == (40, 40) { [0.0, 0.0, 0.0, 1.0] } else { [1.0; 4] });
    assert!(normalise(&sketch, Encoding::Srgb, Lines::Auto).is_none());
}

#[test]
fn tiny_sheets_do_no_harm() {
    for (width, height) in [(1, 1), (1, 7), (3, 2)] {
        let frame = Frame::transparent(width, height).unwrap();
        for lines in [Lines::Auto, Lines::DarkOnLight, Lines::LightOnDark, Lines::Alpha] {
            assert!(normalise(&frame, Encoding::Linear, lines).is_none());
        }
    }
}
