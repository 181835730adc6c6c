//! A frog leaps from one lily pad towards the next: one large arc, the body turns over its top, the
//! hind legs stretch at the start and fold at the end. With a background.

use kurbo::{Affine, Point, Vec2};

use super::{blend, cloud};
use crate::curve::{Curve, tube};
use crate::sheet::{Ground, Medium, Sheet, Tone, tone};

const GREEN: Tone = tone("#7fc04a", "#4f9142");
const BELLY: &str = "#e9efb0";
const FAR: Tone = tone("#568f41", "#568f41");
const LINE: f64 = 4.4;

pub(crate) fn draw(t: f64, medium: Medium) -> Sheet {
    let mut sheet = Sheet::new(960, 540, medium, Ground::Colour("#bfe6ee"));
    pond(&mut sheet);
    if sheet.is_painted() {
        splash(&mut sheet, t);
    }
    // A thrown body: even in x, a parabola in y.
    let flight = 4.0 * t * (1.0 - t);
    let at = (blend(t, 346.0, 682.0), blend(t, 196.0, 258.0) - 74.0 * flight);
    let turn = blend(t, -0.72, 0.50);
    let stretch = 1.0 + 0.10 * (2.0 * t - 1.0).powi(2);
    let place = Affine::translate(at)
        * Affine::rotate(turn)
        * Affine::scale_non_uniform(1.30 * stretch, 1.30 / stretch);
    sheet.placed(place, |s| frog(s, t));
    sheet
}

/// `degrees` clockwise from straight ahead.
fn ahead(degrees: f64) -> Vec2 {
    let (s, c) = degrees.to_radians().sin_cos();
    Vec2::new(c, s)
}

fn frog(sheet: &mut Sheet, t: f64) {
    hind_leg(sheet, t, Point::new(-30.0, 12.0), 8.0, FAR);
    fore_leg(sheet, t, Point::new(56.0, 16.0), 14.0, FAR);
    eye(sheet, Point::new(64.0, -52.0), 19.0);

    let body = Curve::closed([
        (-72.0, 4.0),
        (-58.0, -22.0),
        (-20.0, -42.0),
        (22.0, -50.0),
        (60.0, -46.0),
        (92.0, -26.0),
        (102.0, -6.0),
        (92.0, 12.0),
        (62.0, 30.0),
        (20.0, 42.0),
        (-26.0, 40.0),
        (-60.0, 28.0),
    ]);
    sheet.cel(&body, GREEN, 11.0);
    sheet.inside(&body, |s| {
        s.tint(
            &Curve::closed([
                (104.0, 0.0),
                (70.0, 13.0),
                (30.0, 20.0),
                (-20.0, 26.0),
                (-40.0, 40.0),
                (-10.0, 60.0),
                (60.0, 50.0),
                (104.0, 24.0),
            ]),
            BELLY,
        );
        s.tint(
            &Curve::closed([
                (100.0, 12.0),
                (62.0, 26.0),
                (20.0, 36.0),
                (-40.0, 36.0),
                (0.0, 60.0),
                (90.0, 40.0),
            ]),
            "#c6cf8c",
        );
        for (x, y, r) in [
            (-38.0, -16.0, 10.0),
            (-8.0, -28.0, 8.0),
            (-14.0, -6.0, 6.0),
            (16.0, -34.0, 6.0),
            (-54.0, 2.0, 5.0),
        ] {
            s.tint(&Curve::ellipse((x, y), r * 1.2, r), GREEN.shade);
        }
    });
    sheet.ink(&body, LINE);
    // The smile runs from the snout to below the eye, with a dimple.
    sheet.ink(
        &Curve::open([(101.0, -2.0), (88.0, 6.0), (62.0, 8.0), (40.0, -2.0), (32.0, -14.0)]),
        LINE,
    );
    sheet.detail(&Curve::open([(27.0, -12.0), (32.0, -15.0), (37.0, -15.0)]), LINE * 0.7);
    sheet.tint(&Curve::ellipse((46.0, -10.0), 9.0, 5.5), "#ec9a76");
    sheet.detail(&Curve::open([(92.0, -21.0), (94.0, -18.5), (94.5, -16.0)]), LINE * 0.8);
    eye(sheet, Point::new(38.0, -52.0), 22.0);

    hind_leg(sheet, t, Point::new(-42.0, 12.0), 0.0, GREEN);
    fore_leg(sheet, t, Point::new(40.0, 22.0), 0.0, GREEN);
}

fn eye(sheet: &mut Sheet, at: Point, r: f64) {
    sheet.shape(&Curve::ellipse(at, r, r), GREEN, 5.0, LINE);
    let ball = Curve::ellipse(at + (2.5, -2.0), r * 0.70, r * 0.72);
    sheet.cel(&ball, tone("#fff6c8", "#e2cf7c"), 4.0);
    sheet.detail(&ball, LINE * 0.7);
    sheet.spot(&Curve::ellipse(at + (6.0, -1.5), r * 0.36, r * 0.44), "#1c1a26");
    sheet.glint(&Curve::ellipse(at + (3.0, -6.0), r * 0.14, r * 0.16));
}

fn hind_leg(sheet: &mut Sheet, t: f64, hip: Point, later: f64, colour: Tone) {
    // Stretched straight back at the start, folded under the body at the end.
    let knee = hip + ahead(blend(t, 158.0, 62.0) + later) * 62.0;
    let heel = knee + ahead(blend(t, 150.0, 186.0) + later) * 66.0;
    let toes = ahead(blend(t, 136.0, 74.0) + later);
    foot(sheet, heel, toes, 54.0, colour);
    let shin = tube(&[knee, knee.lerp(heel, 0.4), heel], &[13.0, 13.0, 7.5], true);
    sheet.limb(&shin, colour, 5.0, LINE);
    let thigh = tube(
        &[hip, hip.lerp(knee, 0.35), hip.lerp(knee, 0.7), knee],
        &[20.0, 23.0, 18.0, 13.0],
        true,
    );
    sheet.limb(&thigh, colour, 7.0, LINE);
    for (f, r) in [(0.45, 5.0), (0.75, 3.5)] {
        sheet.tint(&Curve::ellipse(hip.lerp(knee, f), r * 1.2, r), GREEN.shade);
    }
}

fn fore_leg(sheet: &mut Sheet, t: f64, shoulder: Point, later: f64, colour: Tone) {
    let elbow = shoulder + ahead(blend(t, 128.0, 70.0) - later) * 30.0;
    let wrist = elbow + ahead(blend(t, 150.0, 22.0) - later) * 34.0;
    let fingers = ahead(blend(t, 142.0, 40.0) - later);
    foot(sheet, wrist, fingers, 26.0, colour);
    let arm =
        tube(&[shoulder, elbow, elbow.lerp(wrist, 0.6), wrist], &[12.0, 10.0, 8.5, 6.5], true);
    sheet.limb(&arm, colour, 4.0, LINE);
}

/// Three long toes with round tips, and the web between them.
fn foot(sheet: &mut Sheet, root: Point, along: Vec2, length: f64, colour: Tone) {
    let side = Vec2::new(-along.y, along.x);
    let on = |reach: f64, out: f64| root + along * (reach * length) + side * (out * length);
    let tip = |reach: f64, out: f64| {
        let r = 0.09;
        [
            on(reach - r, out - r),
            on(reach + 0.4 * r, out - 0.6 * r),
            on(reach + 0.4 * r, out + 0.6 * r),
            on(reach - r, out + r),
        ]
    };
    let mut outline = vec![on(-0.1, -0.12), on(0.35, -0.16)];
    outline.extend(tip(0.92, -0.36));
    outline.push(on(0.72, -0.17));
    outline.push(on(0.72, -0.17));
    outline.extend(tip(1.04, 0.0));
    outline.push(on(0.72, 0.17));
    outline.push(on(0.72, 0.17));
    outline.extend(tip(0.90, 0.36));
    outline.extend([on(0.35, 0.16), on(-0.1, 0.12)]);
    sheet.shape(&Curve::closed(outline), colour, 4.0, LINE * 0.9);
    for out in [-0.16, 0.0, 0.16] {
        sheet.detail(&Curve::open([on(0.4, out * 0.6), on(0.78, out * 1.7)]), LINE * 0.5);
    }
}

/// Drops that fall from the pad just left.
fn splash(sheet: &mut Sheet, t: f64) {
    for (x, vx, vy, r) in [
        (196.0, -46.0, 128.0, 6.0),
        (220.0, 16.0, 168.0, 7.5),
        (246.0, 62.0, 118.0, 5.0),
        (172.0, -78.0, 92.0, 4.5),
    ] {
        let time = 0.22 + t;
        let at = Point::new(x + vx * time, 412.0 - vy * time + 104.0 * time * time);
        let drop = Curve::closed([
            at + (0.0, -r * 1.7),
            at + (0.0, -r * 1.7),
            at + (r, 0.3 * r),
            at + (0.0, r * 1.2),
            at + (-r, 0.3 * r),
        ]);
        sheet.shape(&drop, tone("#e6f7fa", "#9fd3e2"), 2.0, 2.4);
    }
}

fn pond(sheet: &mut Sheet) {
    let hill = |points: [(f64, f64); 7]| {
        Curve::closed(points.into_iter().chain([
            (1000.0, 420.0),
            (1000.0, 420.0),
            (-40.0, 420.0),
            (-40.0, 420.0),
        ]))
    };
    sheet.tint(&Curve::ellipse((770.0, 96.0), 52.0, 52.0), "#fdf0b4");
    for (x, y, s) in [(180.0, 92.0, 1.0), (540.0, 60.0, 0.8)] {
        sheet.placed(Affine::translate((x, y)) * Affine::scale(s), |p| p.tint(&cloud(), "#eef9f8"));
    }
    sheet.tint(
        &hill([
            (-40.0, 300.0),
            (90.0, 246.0),
            (240.0, 262.0),
            (400.0, 226.0),
            (600.0, 262.0),
            (800.0, 236.0),
            (1000.0, 280.0),
        ]),
        "#8fc9b4",
    );
    sheet.tint(
        &hill([
            (-40.0, 330.0),
            (120.0, 308.0),
            (330.0, 326.0),
            (480.0, 300.0),
            (690.0, 324.0),
            (860.0, 296.0),
            (1000.0, 320.0),
        ]),
        "#63ab8c",
    );
    let water = Curve::polygon([(-20.0, 352.0), (980.0, 352.0), (980.0, 560.0), (-20.0, 560.0)]);
    sheet.tint(&water, "#5aa9bd");
    for (x, y, w) in [
        (90.0, 372.0, 60.0),
        (400.0, 384.0, 90.0),
        (560.0, 368.0, 50.0),
        (860.0, 378.0, 70.0),
        (480.0, 470.0, 80.0),
        (120.0, 506.0, 70.0),
        (820.0, 516.0, 90.0),
        (610.0, 520.0, 60.0),
    ] {
        sheet.stroke(
            &Curve::open([(x - w, y), (x - 0.3 * w, y - 3.0), (x + 0.3 * w, y + 2.0), (x + w, y)]),
            4.0,
            "#8fcbd6",
        );
    }
    for (x, y, rx, ry) in [(226.0, 436.0, 172.0, 40.0), (742.0, 450.0, 186.0, 43.0)] {
        sheet.tint(&Curve::ellipse((x + 6.0, y + 12.0), rx + 10.0, ry + 6.0), "#3f8aa3");
        let notch = 0.16;
        let pad = Curve::closed(
            [(x + rx * 0.12, y - ry * 0.05), (x + rx * 0.12, y - ry * 0.05)].into_iter().chain(
                (0..13).flat_map(move |i| {
                    let a =
                        notch + (std::f64::consts::TAU - 2.0 * notch) * f64::from(i) / 12.0 - 0.5;
                    let p = (x + rx * a.cos(), y + ry * a.sin());
                    if i == 0 || i == 12 { vec![p, p] } else { vec![p] }
                }),
            ),
        );
        sheet.shape(&pad, tone("#a3cf62", "#72ab55"), 9.0, 3.6);
        for a in [0.5, 1.4, 2.4, 3.3, 4.2, 5.0_f64] {
            sheet.stroke(
                &Curve::open([
                    (x + rx * 0.16, y),
                    (x + rx * 0.45 * a.cos(), y + ry * 0.42 * a.sin()),
                    (x + rx * 0.82 * a.cos(), y + ry * 0.8 * a.sin()),
                ]),
                2.6,
                "#6a9f4e",
            );
        }
    }
    // A water lily on the far pad, reeds at both sides.
    for i in 0..7 {
        let a = (f64::from(i) - 3.0) * 0.42;
        let root = Point::new(846.0, 438.0);
        let to = root + Vec2::new(a.sin() * 44.0, -a.cos() * 40.0);
        let side = Vec2::new(a.cos(), a.sin()) * 10.0;
        let petal = Curve::closed([
            root,
            root,
            root.lerp(to, 0.55) + side,
            to,
            to,
            root.lerp(to, 0.55) - side,
        ]);
        sheet.shape(&petal, tone("#fbd9e4", "#e9a5bf"), 4.0, 2.6);
    }
    for (x, h, lean, head) in [
        (36.0, 270.0, 20.0, true),
        (70.0, 200.0, 34.0, false),
        (14.0, 210.0, -14.0, false),
        (918.0, 250.0, -24.0, true),
        (946.0, 190.0, 10.0, false),
        (892.0, 180.0, -40.0, false),
    ] {
        let blade = tube(
            &[
                Point::new(x, 560.0),
                Point::new(x + lean * 0.2, 560.0 - h * 0.5),
                Point::new(x + lean, 560.0 - h),
            ],
            &[9.0, 7.0, 0.5],
            false,
        );
        sheet.shape(&blade, tone("#4f9a58", "#3a7a4f"), 3.0, 2.8);
        if head {
            let top = Curve::closed([
                (x + lean - 2.0, 560.0 - h - 52.0),
                (x + lean + 9.0, 560.0 - h - 40.0),
                (x + lean + 9.0, 560.0 - h - 4.0),
                (x + lean, 560.0 - h + 10.0),
                (x + lean - 10.0, 560.0 - h - 4.0),
                (x + lean - 10.0, 560.0 - h - 38.0),
            ]);
            sheet.shape(&top, tone("#9a6436", "#74462c"), 4.0, 2.8);
        }
    }
}
