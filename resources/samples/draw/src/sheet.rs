//! A sheet of animation paper that writes SVG: flat colour, cel shadow, and ink lines whose weight
//! varies as a hand's does (heavier below and to the right, thin at open ends).

use std::fmt::Write as _;

use kurbo::{Affine, Point, Vec2};

use crate::curve::{Curve, normals};

/// The media that can be drawn with the same strokes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    /// Ink and paint.
    Paint,
    /// Black lines on white.
    LineArt,
    /// A few thin pencil lines on white: the main contours only.
    Sketch,
}

/// Ground under the drawing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ground {
    Clear,
    Colour(&'static str),
}

/// A flat colour and the colour of its shadow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tone {
    pub(crate) base: &'static str,
    pub(crate) shade: &'static str,
}

/// Shorthand for a [`Tone`].
pub(crate) const fn tone(base: &'static str, shade: &'static str) -> Tone {
    Tone { base, shade }
}

/// Light comes from the upper left: lines on the side of this direction are heavier.
const HEAVY_SIDE: Vec2 = Vec2::new(0.45, 0.89);

pub(crate) struct Sheet {
    width: u32,
    height: u32,
    medium: Medium,
    ink: &'static str,
    placed: Affine,
    defs: String,
    body: String,
    ids: u32,
    marks: Vec<Point>,
}

impl Sheet {
    pub(crate) fn new(width: u32, height: u32, medium: Medium, ground: Ground) -> Self {
        let mut sheet = Self {
            width,
            height,
            medium,
            ink: match medium {
                Medium::Paint => "#231b2e",
                Medium::LineArt => "#0b0b0b",
                Medium::Sketch => "#3a3a40",
            },
            placed: Affine::IDENTITY,
            defs: String::new(),
            body: String::new(),
            ids: 0,
            marks: Vec::new(),
        };
        let ground = match (medium, ground) {
            (Medium::Paint, Ground::Clear) => None,
            (Medium::Paint, Ground::Colour(c)) => Some(c),
            _ => Some("#ffffff"),
        };
        if let Some(colour) = ground {
            let _ = writeln!(
                sheet.body,
                r#"<rect width="{width}" height="{height}" fill="{colour}"/>"#
            );
        }
        sheet
    }

    pub(crate) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    pub(crate) fn is_painted(&self) -> bool {
        self.medium == Medium::Paint
    }

    pub(crate) fn is_sketch(&self) -> bool {
        self.medium == Medium::Sketch
    }

    /// Where the control points of all inked shapes lie, in drawing order: two sheets of the same
    /// scene can be compared point by point.
    pub(crate) fn marks(&self) -> &[Point] {
        &self.marks
    }

    /// Draws with everything moved by `by` (line weights stay as given).
    pub(crate) fn placed(&mut self, by: Affine, draw: impl FnOnce(&mut Self)) {
        let before = self.placed;
        self.placed *= by;
        draw(self);
        self.placed = before;
    }

    /// Draws only what lies inside `window`.
    pub(crate) fn inside(&mut self, window: &Curve, draw: impl FnOnce(&mut Self)) {
        let id = self.define(&window.moved(self.placed));
        let _ = writeln!(self.body, r#"<g clip-path="url(#c{id})">"#);
        draw(self);
        self.body.push_str("</g>\n");
    }

    /// A shape of the character: colour, a cel shadow `shadow` pixels deep, and its whole outline.
    pub(crate) fn shape(&mut self, outline: &Curve, colour: Tone, shadow: f64, line: f64) {
        self.cel(outline, colour, shadow);
        self.ink(outline, line);
    }

    /// A shape whose line is left open at the root (a limb that joins a body).
    pub(crate) fn limb(&mut self, outline: &Curve, colour: Tone, shadow: f64, line: f64) {
        self.cel(outline, colour, shadow);
        // The outline of a tube begins and ends with a doubled root point.
        let points = outline.points();
        self.ink(&Curve::open(points[1..points.len() - 1].iter().copied()), line);
    }

    /// Colour and cel shadow without a line.
    pub(crate) fn cel(&mut self, outline: &Curve, colour: Tone, shadow: f64) {
        let outline = outline.moved(self.placed);
        self.marks.extend(outline.points());
        if !self.is_painted() {
            let _ = writeln!(self.body, r##"<path d="{}" fill="#ffffff"/>"##, svg(&outline));
            return;
        }
        if shadow <= 0.0 {
            let _ = writeln!(self.body, r#"<path d="{}" fill="{}"/>"#, svg(&outline), colour.base);
            return;
        }
        // The shadow is what is left when the lit copy of the shape has moved towards the light.
        let id = self.define(&outline);
        let lit = HEAVY_SIDE * -shadow;
        let _ = writeln!(
            self.body,
            r##"<use href="#p{id}" fill="{}"/><g clip-path="url(#c{id})"><use href="#p{id}" fill="{}" transform="translate({:.1} {:.1})"/></g>"##,
            colour.shade, colour.base, lit.x, lit.y
        );
    }

    /// Flat colour that belongs to the paint only: blush, highlights, backgrounds.
    pub(crate) fn tint(&mut self, outline: &Curve, colour: &str) {
        if self.is_painted() {
            let path = svg(&outline.moved(self.placed));
            let _ = writeln!(self.body, r#"<path d="{path}" fill="{colour}"/>"#);
        }
    }

    /// A solid spot in every medium: pupils, buttons. `colour` holds for paint, ink otherwise.
    pub(crate) fn spot(&mut self, outline: &Curve, colour: &str) {
        let path = svg(&outline.moved(self.placed));
        let colour = if self.is_painted() { colour } else { self.ink };
        let _ = writeln!(self.body, r#"<path d="{path}" fill="{colour}"/>"#);
    }

    /// A white spot in every medium: the light in an eye.
    pub(crate) fn glint(&mut self, outline: &Curve) {
        let path = svg(&outline.moved(self.placed));
        let _ = writeln!(self.body, r##"<path d="{path}" fill="#ffffff"/>"##);
    }

    /// A line of the contour.
    pub(crate) fn ink(&mut self, line: &Curve, weight: f64) {
        let weight = if self.is_sketch() { weight.min(2.2) } else { weight };
        self.line(line, weight, self.ink);
    }

    /// A line inside the shape, left out of sketches.
    pub(crate) fn detail(&mut self, line: &Curve, weight: f64) {
        if !self.is_sketch() {
            self.line(line, weight, self.ink);
        }
    }

    /// A coloured line of the paint: folds, grass, ripples.
    pub(crate) fn stroke(&mut self, line: &Curve, weight: f64, colour: &str) {
        if self.is_painted() {
            self.line(line, weight, colour);
        }
    }

    fn line(&mut self, line: &Curve, weight: f64, colour: &str) {
        let line = line.moved(self.placed);
        let path = if line.is_closed() { ring(&line, weight) } else { streak(&line, weight) };
        let _ = writeln!(self.body, r#"<path d="{path}" fill="{colour}"/>"#);
    }

    fn define(&mut self, outline: &Curve) -> u32 {
        self.ids += 1;
        let id = self.ids;
        let _ = writeln!(
            self.defs,
            r##"<path id="p{id}" d="{}"/><clipPath id="c{id}"><use href="#p{id}"/></clipPath>"##,
            svg(outline)
        );
        id
    }

    /// The finished SVG document.
    pub(crate) fn finish(&self, title: &str) -> String {
        format!(
            concat!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}">"#,
                "\n<title>{title}</title>\n<defs>\n{defs}</defs>\n{body}</svg>\n"
            ),
            w = self.width,
            h = self.height,
            title = title,
            defs = self.defs,
            body = self.body
        )
    }
}

/// A closed line, heavier where the outside looks down and right.
fn ring(line: &Curve, weight: f64) -> String {
    let points = line.dense();
    let outwards = if line.is_clockwise() { 1.0 } else { -1.0 };
    let normal: Vec<Vec2> = normals(&points, true).iter().map(|n| *n * outwards).collect();
    let half = |n: &Vec2| weight * (0.36 + 0.34 * n.dot(HEAVY_SIDE).max(0.0));
    let outer: Vec<Point> = points.iter().zip(&normal).map(|(p, n)| *p + *n * half(n)).collect();
    let mut inner: Vec<Point> =
        points.iter().zip(&normal).map(|(p, n)| *p - *n * half(n)).collect();
    inner.reverse();
    format!("{}{}", loop_of(&outer), loop_of(&inner))
}

/// An open line: it swells from thin ends.
fn streak(line: &Curve, weight: f64) -> String {
    let points = line.dense();
    let normal = normals(&points, false);
    let mut along = vec![0.0];
    for pair in points.windows(2) {
        along.push(along.last().copied().unwrap_or(0.0) + (pair[1] - pair[0]).hypot());
    }
    let length = along.last().copied().unwrap_or(0.0).max(1e-9);
    // The thin part depends on the hand's speed and so on the length, but is never half of the line.
    let ease = (weight * 7.0).min(length * 0.45);
    let half = |s: f64| {
        let from_end = s.min(length - s).min(ease) / ease;
        weight * 0.5 * (0.3 + 0.7 * (from_end * std::f64::consts::FRAC_PI_2).sin())
    };
    let mut left: Vec<Point> =
        points.iter().zip(&normal).zip(&along).map(|((p, n), s)| *p + *n * half(*s)).collect();
    let right = points.iter().zip(&normal).zip(&along).rev().map(|((p, n), s)| *p - *n * half(*s));
    left.extend(right);
    loop_of(&left)
}

fn loop_of(points: &[Point]) -> String {
    let mut out = String::new();
    let mut at = (0, 0);
    for (i, p) in points.iter().enumerate() {
        let here = tenths(*p);
        if i == 0 {
            let _ = write!(out, "M{} {}l", tenth(here.0), tenth(here.1));
        } else {
            let _ = write!(out, "{} {} ", tenth(here.0 - at.0), tenth(here.1 - at.1));
        }
        at = here;
    }
    out.truncate(out.trim_end().len());
    out.push('z');
    out
}

/// SVG path data with a tenth of a pixel, relative, which keeps the files small.
fn svg(curve: &Curve) -> String {
    let mut out = String::new();
    let mut at = (0, 0);
    for (i, segment) in curve.segments().iter().enumerate() {
        if i == 0 {
            at = tenths(segment.p0);
            let _ = write!(out, "M{} {}", tenth(at.0), tenth(at.1));
        }
        out.push('c');
        for (i, p) in [segment.p1, segment.p2, segment.p3].into_iter().enumerate() {
            let to = tenths(p);
            let gap = if i > 0 { " " } else { "" };
            let _ = write!(out, "{gap}{} {}", tenth(to.0 - at.0), tenth(to.1 - at.1));
        }
        at = tenths(segment.p3);
    }
    if curve.is_closed() {
        out.push('z');
    }
    out
}

fn tenths(p: Point) -> (i64, i64) {
    ((p.x * 10.0).round() as i64, (p.y * 10.0).round() as i64)
}

fn tenth(v: i64) -> String {
    let sign = if v < 0 { "-" } else { "" };
    let (whole, part) = (v.abs() / 10, v.abs() % 10);
    if part == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}
