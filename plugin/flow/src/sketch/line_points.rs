//! Represents the lines of a sketch or a picture as points with a direction.

use inbetween_core::Frame;

use crate::map::{Cover, Map};

/// A point of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    /// Place in guide samples.
    pub(crate) x: f32,
    /// See `x`.
    pub(crate) y: f32,
    /// Direction of the line there, 0..π.
    pub(crate) angle: f32,
}

/// Pieces of line with fewer points are ignored.
const PIECE: usize = 7;
/// Coverage below which nothing counts as drawn.
const FAINT: f32 = 0.06;
/// The same, as a share of the coverage of the sketch's strong lines.
const PALE: f32 = 0.45;
/// Difference of Gaussians of the lightness (0..=1) above which there is a line.
const CONTRAST: f32 = 0.022;
/// Half the thickness, in samples, above which a line is a filled area.
const FILLED: f32 = 7.0;
/// Points within this distance determine a line's direction.
const AROUND: isize = 4;
const SIDE: usize = 2 * AROUND as usize + 1;
const AROUND_ONE: [(isize, isize); 8] =
    [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)];

/// The lines of a sketch (coverage in every channel) at guide size, whatever their thickness.
pub(crate) fn of_sketch(sketch: &Frame, height: usize, width: usize) -> Vec<Point> {
    let cover = reduce(sketch, height, width);
    let near = highest(&cover, 2);
    let middle = |(&v, &n): (&f32, &f32)| v > FAINT && v >= 0.5 * n;
    let mut covers: Vec<f32> =
        cover.v.iter().zip(&near).filter(|p| middle(*p)).map(|p| *p.0).collect();
    covers.sort_unstable_by(f32::total_cmp);
    // Marks much paler than the sketch's own lines are smears, however pale the lines are.
    let least = covers.get(covers.len() * 9 / 10).map_or(1.0, |strong| PALE * strong);
    let drawn = cover.v.iter().zip(&near).map(|p| middle(p) && *p.0 > least).collect();
    trace(thin(without_fills(drawn, height, width), height, width), height, width)
}

/// The lines and edges of a picture, `[3, h, w]`, display-referred. Only its top left part of
/// `height` x `width` is used.
pub(crate) fn of_picture(picture: &Map, height: usize, width: usize) -> Vec<Point> {
    let ridge = ridges(picture, height, width);
    let near = highest(&ridge, 2);
    // A dark line has paler echoes on both sides, which are not lines.
    let line = ridge.v.iter().zip(&near).map(|(&v, &n)| v > CONTRAST && v >= 0.65 * n).collect();
    trace(thin(line, height, width), height, width)
}

/// Distance of each pixel in a picture's top left part of `height` x `width` from the nearest line
/// or edge, dark or pale, in pixels: `[1, height, width]`.
pub(super) fn away(picture: &Map, height: usize, width: usize) -> Map {
    distances(ridges(picture, height, width).map(|v| f32::from(v > CONTRAST)))
}

/// Distance of each pixel of a picture of `height` x `width` from the nearest of these points, in
/// pixels: `[1, height, width]`.
pub(super) fn away_from(points: &[Point], height: usize, width: usize) -> Map {
    let mut out = Map::new(1, height, width);
    for p in points {
        out.v[(p.y as usize).min(height - 1) * width + (p.x as usize).min(width - 1)] = 1.0;
    }
    distances(out)
}

/// Distance of each sample from the nearest one that is not 0, in samples.
fn distances(marked: Map) -> Map {
    let (height, width) = (marked.h, marked.w);
    let far = (height + width) as f32;
    let mut out = marked.map(|v| if v != 0.0 { 0.0 } else { far });
    let mut sweep = |forward: bool| {
        for j in 0..height {
            let y = if forward { j } else { height - 1 - j };
            let row = if forward { y.checked_sub(1) } else { Some(y + 1).filter(|&n| n < height) };
            for i in 0..width {
                let x = if forward { i } else { width - 1 - i };
                let side =
                    if forward { x.checked_sub(1) } else { Some(x + 1).filter(|&n| n < width) };
                let mut least = out.v[y * width + x];
                if let Some(side) = side {
                    least = least.min(out.v[y * width + side] + 1.0);
                }
                if let Some(row) = row {
                    for (n, step) in [(x.wrapping_sub(1), 1.414), (x, 1.0), (x + 1, 1.414)] {
                        if n < width {
                            least = least.min(out.v[row * width + n] + step);
                        }
                    }
                }
                out.v[y * width + x] = least;
            }
        }
    };
    sweep(true);
    sweep(false);
    out
}

/// Absolute difference of Gaussians of the lightness: `[1, height, width]`.
fn ridges(picture: &Map, height: usize, width: usize) -> Map {
    let grey = crate::start::grey(picture).map(|v| v / 255.0).crop_to(height, width);
    let (mut fine, coarse) = (grey.gauss(0.9), grey.gauss(2.0));
    fine.v.iter_mut().zip(&coarse.v).for_each(|(f, c)| *f = (*f - c).abs());
    fine
}

/// Mean alpha over the area of each guide sample.
fn reduce(sketch: &Frame, h: usize, w: usize) -> Map {
    let columns = Cover::axis(sketch.width(), w);
    let rows = Cover::axis(sketch.height(), h);
    let mut out = Map::new(1, h, w);
    out.fill_bands(|band| {
        let mut sum = vec![0.0f32; sketch.width()];
        for (i, to) in band.planes[0].chunks_mut(w).enumerate() {
            let cover = &rows[band.y0 + i];
            sum.fill(0.0);
            for (k, weight) in cover.weights.iter().enumerate() {
                for (sum, pixel) in sum.iter_mut().zip(sketch.row(cover.first + k)) {
                    *sum += pixel[3].clamp(0.0, 1.0) * weight;
                }
            }
            for (to, cover) in to.iter_mut().zip(&columns) {
                *to = cover.of(&sum);
            }
        }
    });
    out
}

/// The largest sample within `r` of each sample.
fn highest(map: &Map, r: usize) -> Vec<f32> {
    let (h, w) = (map.h, map.w);
    let mut across = vec![0.0f32; h * w];
    for y in 0..h {
        let row = map.row(0, y);
        for x in 0..w {
            let near = &row[x.saturating_sub(r)..(x + r + 1).min(w)];
            across[y * w + x] = near.iter().copied().fold(0.0, f32::max);
        }
    }
    let mut out = across.clone();
    for y in 0..h {
        for n in y.saturating_sub(r)..(y + r + 1).min(h) {
            for x in 0..w {
                out[y * w + x] = out[y * w + x].max(across[n * w + x]);
            }
        }
    }
    out
}

/// Leaves only the rims of areas that are filled rather than drawn as lines.
fn without_fills(marked: Vec<bool>, h: usize, w: usize) -> Vec<bool> {
    let map = |of: &dyn Fn(usize) -> bool| Map {
        c: 1,
        h,
        w,
        v: (0..h * w).map(|i| f32::from(of(i))).collect(),
    };
    let depth = distances(map(&|i| !marked[i]));
    let from_fill = distances(map(&|i| depth.v[i] > FILLED));
    let inner = |i: usize| depth.v[i] > 1.5 && from_fill.v[i] < FILLED + 1.0;
    (0..h * w).map(|i| marked[i] && !inner(i)).collect()
}

/// Thins the marked pixels to lines of one pixel's width.
///
/// After Zhang and Suen, "A Fast Parallel Algorithm for Thinning Digital Patterns", 1984.
fn thin(mut marked: Vec<bool>, h: usize, w: usize) -> Vec<bool> {
    // Pixels on the border do not have all neighbours.
    for (i, m) in marked.iter_mut().enumerate() {
        let (y, x) = (i / w, i % w);
        *m &= y > 0 && x > 0 && y + 1 < h && x + 1 < w;
    }
    let mut left: Vec<usize> = (0..h * w).filter(|&i| marked[i]).collect();
    loop {
        let before = left.len();
        for second in [false, true] {
            let gone: Vec<usize> =
                left.iter().copied().filter(|&i| may_go(&marked, i, w, second)).collect();
            gone.iter().for_each(|&i| marked[i] = false);
            left.retain(|&i| marked[i]);
        }
        if left.len() == before {
            return marked;
        }
    }
}

fn may_go(marked: &[bool], i: usize, w: usize, second: bool) -> bool {
    // Clockwise, starting above.
    let p =
        [i - w, i - w + 1, i + 1, i + w + 1, i + w, i + w - 1, i - 1, i - w - 1].map(|n| marked[n]);
    let count = p.iter().filter(|&&m| m).count();
    let starts = (0..8).filter(|&k| !p[k] && p[(k + 1) % 8]).count();
    let [n, e, s, west] = [p[0], p[2], p[4], p[6]];
    // The first pass removes pixels on the south and east sides, the second on the north and west.
    let (pair, others) = if second { ((n, west), (e, s)) } else { ((e, s), (n, west)) };
    let open = !(pair.0 && pair.1 && (others.0 || others.1));
    (2..=6).contains(&count) && starts == 1 && open
}

/// The points of thin lines, each with its direction. Small pieces are left out.
fn trace(thin: Vec<bool>, h: usize, w: usize) -> Vec<Point> {
    let kept = without_crumbs(thin, h, w);
    let mut points = Vec::new();
    for i in (0..h * w).filter(|&i| kept[i]) {
        let (y, x) = ((i / w) as isize, (i % w) as isize);
        // Second moments about this point of the points connected to it.
        let (mut xx, mut xy, mut yy) = (0.0f32, 0.0, 0.0);
        let mut reached = [[false; SIDE]; SIDE];
        let mut open = vec![(0, 0)];
        reached[AROUND as usize][AROUND as usize] = true;
        while let Some((dy, dx)) = open.pop() {
            let (fx, fy) = (dx as f32, dy as f32);
            (xx, xy, yy) = (xx + fx * fx, xy + fx * fy, yy + fy * fy);
            for (ey, ex) in AROUND_ONE.map(|(ey, ex)| (dy + ey, dx + ex)) {
                let (ny, nx) = (y + ey, x + ex);
                let inside = ny >= 0 && nx >= 0 && ny < h as isize && nx < w as isize;
                if ey.abs().max(ex.abs()) > AROUND || !inside {
                    continue;
                }
                let reached = &mut reached[(ey + AROUND) as usize][(ex + AROUND) as usize];
                if !*reached && kept[ny as usize * w + nx as usize] {
                    *reached = true;
                    open.push((ey, ex));
                }
            }
        }
        let angle = (0.5 * libm::atan2f(2.0 * xy, xx - yy)).rem_euclid(std::f32::consts::PI);
        points.push(Point { x: x as f32, y: y as f32, angle });
    }
    points
}

fn without_crumbs(mut marked: Vec<bool>, h: usize, w: usize) -> Vec<bool> {
    let mut seen = vec![false; h * w];
    for start in 0..h * w {
        if !marked[start] || seen[start] {
            continue;
        }
        seen[start] = true;
        let mut piece = vec![start];
        let mut next = 0;
        while next < piece.len() {
            let (y, x) = (piece[next] / w, piece[next] % w);
            next += 1;
            for ny in y.saturating_sub(1)..(y + 2).min(h) {
                for n in ny * w + x.saturating_sub(1)..ny * w + (x + 2).min(w) {
                    if marked[n] && !seen[n] {
                        seen[n] = true;
                        piece.push(n);
                    }
                }
            }
        }
        if piece.len() < PIECE {
            piece.into_iter().for_each(|i| marked[i] = false);
        }
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sketch with a bar of the given thickness across its middle.
    fn bar(thick: usize) -> Frame {
        let mut frame = Frame::transparent(60, 40).unwrap();
        for y in 20 - thick / 2..20 - thick / 2 + thick {
            frame.pixels_mut()[y * 60 + 10..y * 60 + 50].fill([1.0; 4]);
        }
        frame
    }

    #[test]
    fn thick_and_thin_lines_have_the_same_middle() {
        for thick in [1, 2, 5, 9] {
            let points = of_sketch(&bar(thick), 40, 60);
            assert!(points.len() > 25, "{thick}: {} points", points.len());
            let inner = points.iter().filter(|p| p.x > 18.0 && p.x < 42.0);
            for p in inner {
                assert!((p.y - 19.7).abs() < 1.5, "{thick}: {p:?}");
                assert!(p.angle.sin() < 0.2, "{thick}: {p:?}");
            }
        }
    }

    #[test]
    fn a_drawn_line_is_one_line_without_echoes() {
        let mut picture = Map { c: 3, h: 40, w: 60, v: vec![0.9; 3 * 2400] };
        for c in 0..3 {
            for y in 19..21 {
                picture.plane_mut(c)[y * 60..(y + 1) * 60].fill(0.1);
            }
        }
        let points = of_picture(&picture, 40, 60);
        assert!(points.len() > 50);
        assert!(points.iter().all(|p| (p.y - 19.5).abs() <= 1.0), "{points:?}");
    }

    #[test]
    fn dust_is_no_line() {
        let mut frame = bar(1);
        frame.pixels_mut()[5 * 60 + 5] = [1.0; 4];
        frame.pixels_mut()[35 * 60 + 50] = [1.0; 4];
        assert!(of_sketch(&frame, 40, 60).iter().all(|p| (p.y - 20.0).abs() < 1.5));
    }
}
