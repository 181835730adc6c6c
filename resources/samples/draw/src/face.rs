//! The head of the project's character: features sit on a ball and turn with it, so a turn of the
//! head moves them along arcs and foreshortens them on the far side.

use kurbo::{Affine, Point};

use crate::curve::{Curve, tube};
use crate::sheet::{Sheet, Tone, tone};

/// Colours of one character's head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) skin: Tone,
    pub(crate) hair: Tone,
    pub(crate) hair_light: &'static str,
    pub(crate) iris: Tone,
    pub(crate) tie: Tone,
}

pub(crate) const MIKA: Look = Look {
    skin: tone("#f8d3b0", "#e6ab8c"),
    hair: tone("#8a3b2a", "#662a28"),
    hair_light: "#b4593a",
    iris: tone("#3f8f86", "#22585f"),
    tie: tone("#f2b632", "#cf8a24"),
};

pub(crate) const NORA: Look = Look {
    skin: tone("#eebd92", "#d1926f"),
    hair: tone("#343a63", "#232646"),
    hair_light: "#55609a",
    iris: tone("#a2642c", "#64391f"),
    tie: tone("#e2574c", "#b23a42"),
};

/// One pose of the head. Angles in radians.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// 0 looks at us, positive looks to the right.
    pub(crate) yaw: f64,
    /// Positive looks down.
    pub(crate) pitch: f64,
    /// How open the eyes are, 0..=1.
    pub(crate) lids: f64,
    /// How open the mouth is, 0..=1.
    pub(crate) mouth: f64,
    /// How far the hair lags behind, in head radii, positive to the right.
    pub(crate) sway: f64,
    /// Line weight in pixels.
    pub(crate) line: f64,
}

impl Head {
    /// Where a spot of the ball appears. Longitude to the right, latitude up, in degrees.
    fn on(&self, lon: f64, lat: f64, r: f64) -> Point {
        let (sl, cl) = (lon.to_radians() + self.yaw).sin_cos();
        let (sp, cp) = lat.to_radians().sin_cos();
        let (x, y, z) = (sl * cp, sp, cl * cp);
        let (ss, cc) = self.pitch.sin_cos();
        Point::new(r * x, -r * (y * cc - z * ss))
    }

    /// As [`Head::on`], but stays on the visible half: what turns away slides along the contour.
    fn on_front(&self, lon: f64, lat: f64, r: f64) -> Point {
        let edge = 93.0;
        self.on(lon.clamp(-edge - self.yaw.to_degrees(), edge - self.yaw.to_degrees()), lat, r)
    }

    fn k(&self) -> f64 {
        self.yaw.sin()
    }

    /// Draws what lies behind neck and shoulders.
    pub(crate) fn back_hair(&self, sheet: &mut Sheet, look: &Look) {
        let (k, sway, line) = (self.k(), self.sway, self.line);
        // The tail hangs from the back of the head, so it comes out on the side we look away from.
        let root = Point::new(-k * 1.04, -0.42 + 0.15 * self.pitch);
        let out = -k * 0.62;
        let tail = tube(
            &[
                root,
                root + (out * 0.9 + sway * 0.25, 0.02),
                root + (out * 1.35 + sway * 0.65, 0.62),
                root + (out * 1.30 + sway * 1.05, 1.28),
                root + (out * 1.75 + sway * 1.5, 1.86),
            ],
            &[0.12, 0.25, 0.34, 0.27, 0.004],
            false,
        );
        sheet.shape(&tail, look.hair, 0.0, line);
        sheet.stroke(
            &Curve::open([
                root + (out * 0.75 + sway * 0.3, 0.12),
                root + (out * 1.2 + sway * 0.65, 0.65),
                root + (out * 1.22 + sway, 1.2),
            ]),
            line * 2.2,
            look.hair_light,
        );
        sheet.detail(
            &Curve::open([
                root + (out * 1.2 + sway * 0.7, 0.7),
                root + (out * 1.25 + sway, 1.2),
                root + (out * 1.62 + sway * 1.4, 1.68),
            ]),
            line * 0.7,
        );
        sheet.placed(Affine::translate((-k * 1.1, -0.42)), |s| {
            s.shape(&Curve::ellipse((0.0, 0.0), 0.17, 0.2), look.tie, 0.0, line);
        });
        // The mass of hair behind the face.
        let nape = Curve::closed([
            (0.0, -1.0),
            (0.7, -0.76),
            (1.06, -0.2),
            (1.06 - 0.06 * k, 0.32),
            (0.9 - 0.2 * k, 0.78),
            (0.45 - 0.3 * k, 0.9),
            (-0.45 - 0.3 * k, 0.9),
            (-0.9 - 0.2 * k, 0.78),
            (-1.06 - 0.06 * k, 0.32),
            (-1.06, -0.2),
            (-0.7, -0.76),
        ]);
        sheet.shape(&nape, look.hair, 0.0, line);
    }

    /// Draws face and front hair.
    pub(crate) fn front(&self, sheet: &mut Sheet, look: &Look) {
        let (k, line) = (self.k(), self.line);
        let nod = 0.10 * self.pitch;
        // Half of the contour, seen from its own side: `ks` is 1 when this side is far away.
        let half = |side: f64| {
            let ks = k * side;
            [
                (side * 0.62, -0.84),
                (side * 0.955, -0.25),
                (side * (0.93 - 0.11 * ks.max(0.0)), 0.2 + nod),
                (side * (0.78 + 0.08 * ks.max(0.0) + 0.02 * ks), 0.54 + nod),
                (side * (0.40 + 0.16 * ks), 0.90 + nod),
            ]
        };
        let (right, mut left) = (half(1.0), half(-1.0));
        left.reverse();
        let mut outline = vec![(0.0, -1.0)];
        outline.extend(right);
        outline.push((0.34 * k, 1.06 + nod * 1.5));
        outline.extend(left);
        let face = Curve::closed(outline);
        sheet.shape(&face, look.skin, 0.0, line);
        sheet.inside(&face, |s| self.face_paint(s, look));
        self.features(sheet, look, &face);
        self.bangs(sheet, look);
    }

    /// Shadow of the fringe, and colour in the cheeks.
    fn face_paint(&self, sheet: &mut Sheet, look: &Look) {
        let drop = |lon, lat| self.on_front(lon, lat, 1.06) + (0.05, 0.11);
        let mut shadow: Vec<Point> =
            fringe().iter().map(|(lon, lat, _)| drop(*lon, *lat)).collect();
        shadow.push(Point::new(1.3, -1.3));
        shadow.push(Point::new(-1.3, -1.3));
        sheet.tint(&Curve::closed(shadow), look.skin.shade);
        for side in [-1.0, 1.0] {
            sheet.tint(&self.patch(side * 39.0, -27.0, 10.0, 5.0), "#ee9a86");
        }
    }

    /// An oval on the ball.
    fn patch(&self, lon: f64, lat: f64, rx: f64, ry: f64) -> Curve {
        Curve::closed((0..10).map(|i| {
            let (s, c) = (f64::from(i) * std::f64::consts::TAU / 10.0).sin_cos();
            self.on(lon + rx * c, lat - ry * s, 1.0)
        }))
    }

    fn features(&self, sheet: &mut Sheet, look: &Look, face: &Curve) {
        let line = self.line;
        sheet.inside(face, |s| {
            for side in [-1.0, 1.0] {
                self.eye(s, look, side);
            }
        });
        for side in [-1.0, 1.0] {
            let brow = Curve::open([
                self.on_front(side * 11.0, 12.5, 1.02),
                self.on_front(side * 24.0, 18.0, 1.02),
                self.on_front(side * 36.0, 13.0, 1.02),
            ]);
            sheet.ink(&brow, line * 1.25);
        }
        // The nose stands out from the ball, so it leads the turn.
        sheet.ink(
            &Curve::open([
                self.on(-1.0 + 3.0 * self.k(), -15.0, 1.09),
                self.on(3.5 * self.k(), -20.5, 1.15),
                self.on(-3.5 + self.k(), -22.5, 1.07),
            ]),
            line * 0.75,
        );
        self.draw_mouth(sheet);
    }

    fn draw_mouth(&self, sheet: &mut Sheet) {
        let (line, open) = (self.line, self.mouth);
        let lip = [(-13.0, -31.5), (-6.0, -34.0), (0.0, -34.8), (6.0, -34.0), (13.0, -31.5)];
        let upper: Vec<Point> = lip.iter().map(|(lon, lat)| self.on(*lon, *lat, 1.03)).collect();
        if open > 0.05 {
            let low = [(9.0, -38.0), (0.0, -43.5), (-9.0, -38.0)];
            let mut mouth = vec![upper[0]];
            mouth.extend(&upper);
            mouth.extend(upper.last());
            mouth.extend(low.iter().map(|(lon, lat)| {
                let shut = -34.8;
                self.on(*lon, shut + (lat - shut) * open * 1.25, 1.03)
            }));
            let mouth = Curve::closed(mouth);
            sheet.cel(&mouth, tone("#7d2b35", "#7d2b35"), 0.0);
            sheet.inside(&mouth, |s| {
                s.tint(&self.patch(0.0, -45.0 - (open - 1.0) * 8.0, 9.0, 6.0), "#e8776f");
            });
            sheet.ink(&mouth, line * 0.8);
        }
        sheet.ink(&Curve::open(upper), line);
    }

    fn eye(&self, sheet: &mut Sheet, look: &Look, side: f64) {
        let line = self.line;
        let (lon, lat) = (side * 23.5, -8.0);
        let open = self.lids;
        // Degrees from the middle of the eye; outer corner higher than the inner one.
        let on = |dx: f64, dy: f64| self.on(lon + side * dx, lat + dy, 1.0);
        let top = [(-12.5, -3.0), (-8.0, 10.5), (1.0, 15.0), (9.5, 11.0), (13.5, 1.0)]
            .map(|(dx, dy): (f64, f64)| on(dx, -6.0 + (dy + 6.0) * open));
        let low = [(9.0, -11.5), (0.0, -14.5), (-8.5, -12.0)].map(|(dx, dy)| on(dx, dy));
        if open > 0.15 {
            let mut white = vec![top[0]];
            white.extend(top);
            white.push(top[4]);
            white.extend(low);
            let white = Curve::closed(white);
            sheet.cel(&white, tone("#fffdf8", "#fffdf8"), 0.0);
            sheet.inside(&white, |s| {
                let gaze = 3.0 * self.k();
                let disc = |rx: f64, ry: f64, dy: f64| {
                    Curve::closed((0..10).map(|i| {
                        let (sn, c) = (f64::from(i) * std::f64::consts::TAU / 10.0).sin_cos();
                        self.on(lon - side * 0.5 + gaze + rx * c, lat - 0.5 + dy - ry * sn, 1.0)
                    }))
                };
                s.tint(&Curve::open(top).moved(Affine::translate((0.0, 0.05))), "#d8cfd6");
                s.cel(&disc(8.6, 12.0, 0.0), look.iris, 0.0);
                s.tint(&disc(8.6, 7.0, 5.0), look.iris.shade);
                if !s.is_sketch() {
                    s.ink(&disc(8.6, 12.0, 0.0), line * 0.6);
                }
                s.spot(&disc(4.6, 6.6, 0.5), "#17141f");
                let light = self.on(lon - 3.4 + gaze, lat + 5.0, 1.0);
                s.glint(&Curve::ellipse(light, 0.065, 0.075));
                let spark = self.on(lon + 3.6 + gaze, lat - 6.5, 1.0);
                s.glint(&Curve::ellipse(spark, 0.032, 0.038));
            });
            sheet.detail(&Curve::open(low), line * 0.55);
        }
        let mut lash = top.to_vec();
        lash.push(on(16.5, 4.0 * open - 3.0 * (1.0 - open)));
        sheet.ink(&Curve::open(lash), line * 1.9);
        sheet.detail(
            &Curve::open([on(-5.0, 18.0 * open), on(2.0, 20.0 * open), on(8.0, 17.0 * open)]),
            line * 0.45,
        );
    }

    fn bangs(&self, sheet: &mut Sheet, look: &Look) {
        let line = self.line;
        let fringe = fringe();
        let mut outline = Vec::new();
        for (lon, lat, is_tip) in &fringe {
            let lag = if *is_tip { self.sway * 0.06 } else { 0.0 };
            let p = self.on_front(*lon, *lat, 1.07) + (lag, 0.0);
            outline.push(p);
            if *is_tip {
                outline.push(p);
            }
        }
        for degrees in [12.0, 35.0, 62.0, 90.0, 118.0, 145.0, 168.0_f64] {
            let (s, c) = degrees.to_radians().sin_cos();
            outline.push(Point::new(1.12 * c, -1.15 * s));
        }
        let hair = Curve::closed(outline);
        sheet.shape(&hair, look.hair, 0.0, line);
        sheet.inside(&hair, |s| {
            // Shadow along the roots' underside, and a broken band of light round the crown.
            let band = |lon: f64, lat: f64| self.on(lon, lat, 1.08);
            for (from, to) in [(-62.0, -24.0), (-14.0, 30.0), (38.0, 52.0)] {
                let mid = 0.5 * (from + to);
                s.tint(
                    &Curve::closed([
                        band(from, 43.0),
                        band(from, 43.0),
                        band(mid, 52.0),
                        band(to, 44.0),
                        band(to, 44.0),
                        band(0.5 * (mid + to), 40.0),
                        band(mid, 44.0),
                        band(0.5 * (mid + from), 37.0),
                    ]),
                    look.hair_light,
                );
            }
            let mut dark: Vec<Point> = Vec::new();
            for (lon, lat, is_tip) in &fringe {
                let p = self.on_front(*lon, lat + if *is_tip { 1.0 } else { 9.0 }, 1.07);
                dark.push(p);
                if *is_tip {
                    dark.push(p);
                }
            }
            let mut below: Vec<Point> = fringe
                .iter()
                .rev()
                .map(|(lon, lat, _)| self.on_front(*lon, lat - 14.0, 1.07))
                .collect();
            dark.append(&mut below);
            s.tint(&Curve::closed(dark), look.hair.shade);
        });
        // Strands that run from the parting into the locks.
        for (from, to, low) in
            [(-14.0, -36.0, 16.0), (-10.0, -8.0, 17.0), (-4.0, 24.0, 18.0), (2.0, 52.0, 10.0)]
        {
            sheet.detail(
                &Curve::open([
                    self.on_front(from, 66.0, 1.08),
                    self.on_front(0.5 * (from + to) * 1.1, 46.0, 1.09),
                    self.on_front(to, low + 8.0, 1.07),
                ]),
                line * 0.6,
            );
        }
        sheet.detail(
            &Curve::open([
                self.on(-12.0, 78.0, 1.13),
                self.on(-10.0, 66.0, 1.1),
                self.on(-6.0, 55.0, 1.08),
            ]),
            line * 0.8,
        );
    }
}

/// The lower edge of the fringe from left to right: longitude, latitude, and whether it is a tip.
fn fringe() -> [(f64, f64, bool); 13] {
    [
        (-96.0, -20.0, false),
        (-86.0, -46.0, true),
        (-70.0, 2.0, false),
        (-60.0, 14.0, false),
        (-46.0, 3.0, true),
        (-32.0, 26.0, false),
        (-15.0, 9.0, true),
        (4.0, 30.0, false),
        (26.0, 11.0, true),
        (40.0, 27.0, false),
        (60.0, 10.0, false),
        (84.0, -48.0, true),
        (95.0, -20.0, false),
    ]
}
