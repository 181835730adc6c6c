//! A ball on paper, with a band and a mark that shows which way is up.

use inbetween_core::Frame;

pub(crate) const W: usize = 960;
pub(crate) const H: usize = 540;
/// Radius of the ball, in pixels.
pub(crate) const BALL: f32 = 75.0;

pub(crate) const PAPER: [f32; 4] = [0.95, 0.93, 0.85, 1.0];
pub(crate) const INK: [f32; 4] = [0.08, 0.08, 0.1, 1.0];
pub(crate) const RED: [f32; 4] = [0.92, 0.25, 0.2, 1.0];
pub(crate) const YELLOW: [f32; 4] = [0.98, 0.85, 0.25, 1.0];

/// Place of the mark, relative to the centre of the ball.
pub(crate) const MARK: [f32; 2] = [25.0, -38.0];

/// A pose of the ball: centre, turn in radians, stretch along its length and across.
#[derive(Clone, Copy)]
pub(crate) struct Pose {
    pub(crate) middle: [f32; 2],
    pub(crate) turn: f32,
    pub(crate) squash: [f32; 2],
}

/// The ball on paper.
pub(crate) fn ball(pose: Pose) -> Frame {
    super::painted(W, H, |x, y| colour(pose, x, y).unwrap_or(PAPER))
}

/// The ball's colour at a place; `None` beside the ball.
pub(crate) fn colour(pose: Pose, x: f32, y: f32) -> Option<[f32; 4]> {
    let (s, c) = pose.turn.sin_cos();
    let (x, y) = (x - pose.middle[0], y - pose.middle[1]);
    let (x, y) = (x / pose.squash[0], y / pose.squash[1]);
    let (u, v) = (c * x + s * y, c * y - s * x);
    let away = u.hypot(v);
    let mark = (u - MARK[0]).hypot(v - MARK[1]) < 11.0;
    if away > BALL {
        None
    } else if away > BALL - 5.0 || (v.abs() - 16.0).abs() < 2.5 || mark {
        Some(INK)
    } else {
        Some(if v.abs() < 16.0 { YELLOW } else { RED })
    }
}

/// Whether each pixel of a picture is near a colour.
pub(crate) fn of_colour(frame: &Frame, colour: [f32; 4]) -> Vec<bool> {
    let near = |p: &[f32; 4]| (0..3).all(|c| (p[c] - colour[c]).abs() < 0.2);
    frame.pixels().iter().map(near).collect()
}

/// Area, centre and number of pieces (of 30 pixels or more) of everything that is not paper.
pub(crate) fn figure(frame: &Frame) -> (f32, [f32; 2], usize) {
    let open: Vec<bool> = of_colour(frame, PAPER).iter().map(|paper| !paper).collect();
    let (mut area, mut sum) = (0.0f32, [0.0f32; 2]);
    for (i, _) in open.iter().enumerate().filter(|(_, figure)| **figure) {
        area += 1.0;
        sum[0] += (i % W) as f32;
        sum[1] += (i / W) as f32;
    }
    let pieces = sizes(open).into_iter().filter(|&size| size >= 30).count();
    (area, sum.map(|s| s / area.max(1.0)), pieces)
}

/// Number of pixels of each connected piece of what is `open` in a picture.
pub(crate) fn sizes(mut open: Vec<bool>) -> Vec<usize> {
    let mut out = Vec::new();
    for start in 0..W * H {
        let mut stack = Vec::new();
        if std::mem::take(&mut open[start]) {
            stack.push(start);
            out.push(0);
        }
        while let Some(i) = stack.pop() {
            *out.last_mut().expect("a piece was begun") += 1;
            let (x, y) = (i % W, i / W);
            for ny in y.saturating_sub(1)..(y + 2).min(H) {
                for nx in x.saturating_sub(1)..(x + 2).min(W) {
                    if std::mem::take(&mut open[ny * W + nx]) {
                        stack.push(ny * W + nx);
                    }
                }
            }
        }
    }
    out
}

pub(crate) fn pose(x: f32, y: f32, degrees: f32, squash: [f32; 2]) -> Pose {
    Pose { middle: [x, y], turn: degrees.to_radians(), squash }
}
