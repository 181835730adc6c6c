//! Line art: a sitting cat reaches after a butterfly; the head tilts, the tail lifts. Black lines on
//! white.

use kurbo::{Affine, Point, Vec2};

use super::blend;
use crate::curve::{Curve, tube};
use crate::sheet::{Ground, Medium, Sheet, Tone, tone};

const PAPER: Tone = tone("#ffffff", "#ffffff");
const LINE: f64 = 4.6;

pub(crate) fn draw(t: f64, medium: Medium) -> Sheet {
    let medium = if medium == Medium::Paint { Medium::LineArt } else { medium };
    let mut sheet = Sheet::new(960, 720, medium, Ground::Colour("#ffffff"));
    sheet.placed(Affine::translate((40.0, 34.0)) * Affine::scale(1.12), |s| {
        tail(s, t);
        body(s, t);
        head(s, t);
        reaching_paw(s, t);
        butterfly(s, t);
    });
    sheet
}

/// Walks from `root` by lengths and turning directions (degrees, 0 is right, 90 is down).
fn chain(root: Point, steps: impl IntoIterator<Item = (f64, f64)>) -> Vec<Point> {
    let mut points = vec![root];
    for (length, degrees) in steps {
        let (s, c) = degrees.to_radians().sin_cos();
        points.push(points[points.len() - 1] + Vec2::new(c, s) * length);
    }
    points
}

fn tail(sheet: &mut Sheet, t: f64) {
    let lengths = [52.0, 50.0, 46.0, 42.0, 36.0, 28.0];
    let low = [166.0, 172.0, 196.0, 236.0, 284.0, 318.0];
    let high = [170.0, 184.0, 214.0, 254.0, 292.0, 306.0];
    let centre =
        chain(Point::new(282.0, 500.0), (0..6).map(|i| (lengths[i], blend(t, low[i], high[i]))));
    let shape = tube(&centre, &[19.0, 19.0, 18.5, 18.0, 17.0, 14.0, 7.0], true);
    sheet.shape(&shape, PAPER, 0.0, LINE);
    // Rings near the tip.
    for i in [4, 5] {
        let along = (centre[i + 1] - centre[i - 1]) / (centre[i + 1] - centre[i - 1]).hypot();
        let side = Vec2::new(-along.y, along.x);
        for back in [0.0, 14.0] {
            let at = centre[i] - along * back;
            sheet.detail(
                &Curve::open([at + side * 15.5, at + along * 5.0, at - side * 15.5]),
                LINE * 0.55,
            );
        }
    }
}

fn body(sheet: &mut Sheet, t: f64) {
    let up = blend(t, -2.0, -10.0);
    let lean = blend(t, 2.0, 9.0);
    // The far front leg stands.
    let far = tube(
        &[
            Point::new(470.0 + lean * 0.6, 400.0),
            Point::new(482.0 + lean * 0.2, 470.0),
            Point::new(484.0, 538.0),
        ],
        &[24.0, 19.0, 17.0],
        true,
    );
    sheet.shape(&far, PAPER, 0.0, LINE);
    toes(sheet, Point::new(492.0, 545.0), 26.0, 15.0);

    let trunk = Curve::closed([
        (356.0 + lean, 262.0 + up),
        (312.0 + lean * 0.6, 320.0 + up * 0.6),
        (268.0, 404.0),
        (250.0, 478.0),
        (266.0, 534.0),
        (320.0, 556.0),
        (392.0, 556.0),
        (440.0, 520.0),
        (478.0 + lean * 0.5, 440.0),
        (490.0 + lean, 372.0 + up * 0.5),
        (478.0 + lean, 292.0 + up),
    ]);
    sheet.shape(&trunk, PAPER, 0.0, LINE);
    // Fur of the chest, stripes of the back, the haunch.
    for (x, y, w, h) in
        [(470.0, 392.0, -16.0, 16.0), (478.0, 414.0, -15.0, 15.0), (462.0, 428.0, -14.0, 14.0)]
    {
        sheet.detail(
            &Curve::open([
                (x + lean * 0.7 + w, y),
                (x + lean * 0.7 - 1.0, y + h),
                (x + lean * 0.7 + 5.0, y + 1.0),
            ]),
            LINE * 0.55,
        );
    }
    for (f, x, y) in [(0.5, 300.0, 342.0), (0.35, 280.0, 382.0), (0.15, 264.0, 424.0)] {
        let (x, y) = (x + lean * f, y + up * f);
        sheet.detail(
            &Curve::open([(x - 1.0, y - 2.0), (x + 26.0, y + 2.0), (x + 44.0, y + 16.0)]),
            LINE * 0.8,
        );
        sheet.detail(
            &Curve::open([(x - 4.0, y + 9.0), (x + 16.0, y + 12.0), (x + 28.0, y + 20.0)]),
            LINE * 0.6,
        );
    }
    sheet.ink(
        &Curve::open([
            (300.0, 548.0),
            (286.0, 500.0),
            (300.0, 446.0),
            (346.0, 420.0),
            (392.0, 438.0),
            (412.0, 484.0),
            (408.0, 532.0),
        ]),
        LINE,
    );
    sheet.shape(
        &Curve::closed([
            (346.0, 540.0),
            (372.0, 526.0),
            (414.0, 526.0),
            (438.0, 540.0),
            (436.0, 556.0),
            (400.0, 562.0),
            (350.0, 560.0),
            (336.0, 552.0),
        ]),
        PAPER,
        0.0,
        LINE,
    );
    for x in [416.0, 400.0] {
        sheet.detail(&Curve::open([(x + 6.0, 541.0), (x, 549.0), (x + 1.0, 559.0)]), LINE * 0.6);
    }
    sheet.detail(&Curve::open([(120.0, 560.0), (190.0, 566.0), (250.0, 563.0)]), LINE * 0.5);
    sheet.detail(&Curve::open([(520.0, 562.0), (600.0, 566.0), (690.0, 560.0)]), LINE * 0.5);
}

/// A paw seen from the front, with two toe lines.
fn toes(sheet: &mut Sheet, at: Point, rx: f64, ry: f64) {
    sheet.shape(&Curve::ellipse(at, rx, ry), PAPER, 0.0, LINE);
    for x in [-0.3, 0.3] {
        sheet.detail(&Curve::open([at + (x * rx, 0.0), at + (x * rx * 1.1, ry * 0.9)]), LINE * 0.6);
    }
}

fn reaching_paw(sheet: &mut Sheet, t: f64) {
    let lean = blend(t, 2.0, 9.0);
    let root = Point::new(428.0 + lean, 398.0 - lean * 0.8);
    let centre = chain(
        root,
        [
            (62.0, blend(t, 17.0, 4.0)),
            (62.0, blend(t, -28.0, -46.0)),
            (22.0, blend(t, -34.0, -52.0)),
        ],
    );
    let arm = tube(&centre[..3], &[25.0, 20.0, 17.0], true);
    sheet.limb(&arm, PAPER, 0.0, LINE);
    let along = (centre[3] - centre[2]) / 22.0;
    let side = Vec2::new(-along.y, along.x);
    let on = |reach: f64, out: f64| centre[2] + along * reach + side * out;
    let paw = Curve::closed([
        on(-10.0, -17.0),
        on(6.0, -23.0),
        on(22.0, -20.0),
        on(30.0, -9.0),
        on(32.0, 4.0),
        on(24.0, 18.0),
        on(8.0, 23.0),
        on(-10.0, 17.0),
    ]);
    sheet.shape(&paw, PAPER, 0.0, LINE);
    for out in [-7.0, 7.0] {
        sheet.detail(
            &Curve::open([on(14.0, out), on(22.0, out * 1.05), on(30.0, out * 1.0)]),
            LINE * 0.6,
        );
    }
    sheet.detail(&Curve::open([on(-26.0, -17.0), on(-22.0, -4.0)]), LINE * 0.55);
    sheet.detail(&Curve::open([on(-42.0, -19.0), on(-38.0, -3.0)]), LINE * 0.55);
}

fn head(sheet: &mut Sheet, t: f64) {
    let place = Affine::translate((blend(t, 426.0, 438.0), blend(t, 210.0, 198.0)))
        * Affine::rotate(blend(t, 0.02, -0.16));
    // Features slide over the face as it turns up after the butterfly.
    let (fx, fy) = (blend(t, 18.0, 25.0), blend(t, 8.0, -5.0));
    sheet.placed(place, |s| {
        ear(s, -1.0, fx, fy);
        ear(s, 1.0, fx, fy);
        let face = Curve::closed([
            (0.0, -92.0),
            (54.0, -84.0),
            (96.0, -44.0),
            (108.0, 6.0),
            (130.0, 34.0),
            (130.0, 34.0),
            (104.0, 42.0),
            (110.0, 64.0),
            (110.0, 64.0),
            (80.0, 66.0),
            (40.0, 88.0),
            (0.0, 94.0),
            (-40.0, 88.0),
            (-80.0, 66.0),
            (-112.0, 64.0),
            (-112.0, 64.0),
            (-104.0, 42.0),
            (-132.0, 34.0),
            (-132.0, 34.0),
            (-108.0, 6.0),
            (-96.0, -44.0),
            (-54.0, -84.0),
        ]);
        s.shape(&face, PAPER, 0.0, LINE);
        for (x, len) in [(-24.0, 30.0), (0.0, 40.0), (24.0, 30.0)] {
            let x0 = x + fx * 0.9;
            s.detail(
                &Curve::open([(x0 * 0.9, -86.0), (x0, -70.0), (x0, -88.0 + len + fy * 0.5)]),
                LINE * 0.8,
            );
        }
        for (side, y) in [(-1.0, 14.0), (-1.0, 30.0), (1.0, 14.0), (1.0, 30.0)] {
            s.detail(
                &Curve::open([(side * 106.0, y), (side * 92.0, y - 2.0), (side * 82.0, y - 8.0)]),
                LINE * 0.6,
            );
        }
        for side in [-1.0, 1.0] {
            eye(s, (fx + side * 44.0, fy - 14.0), side, fx);
        }
        muzzle(s, t, fx * 1.35, fy * 1.2);
    });
    collar(sheet, t);
}

fn ear(sheet: &mut Sheet, side: f64, fx: f64, fy: f64) {
    let p = |x: f64, y: f64| (side * x + fx * 0.25, y - fy * 0.3);
    let ear = Curve::closed([
        p(30.0, -78.0),
        p(62.0, -118.0),
        p(92.0, -150.0),
        p(92.0, -150.0),
        p(104.0, -100.0),
        p(98.0, -40.0),
    ]);
    sheet.shape(&ear, PAPER, 0.0, LINE);
    sheet.detail(
        &Curve::open([
            p(54.0, -88.0),
            p(72.0, -112.0),
            p(86.0, -130.0),
            p(86.0, -130.0),
            p(92.0, -100.0),
            p(88.0, -68.0),
        ]),
        LINE * 0.65,
    );
    for x in [64.0, 74.0] {
        sheet.detail(
            &Curve::open([p(x, -80.0), p(x + 2.0, -96.0), p(x + 7.0, -108.0)]),
            LINE * 0.45,
        );
    }
}

fn eye(sheet: &mut Sheet, (x, y): (f64, f64), side: f64, fx: f64) {
    // The eye on the far side is foreshortened.
    let w = if side > 0.0 { 1.0 - 0.006 * fx } else { 1.0 };
    let p = |dx: f64, dy: f64| (x + side * dx * w, y + dy);
    let ball = Curve::closed([
        p(-25.0, 8.0),
        p(-25.0, 8.0),
        p(-16.0, -13.0),
        p(4.0, -22.0),
        p(22.0, -12.0),
        p(27.0, -2.0),
        p(27.0, -2.0),
        p(20.0, 16.0),
        p(0.0, 21.0),
        p(-16.0, 16.0),
    ]);
    sheet.shape(&ball, PAPER, 0.0, LINE * 0.8);
    sheet.inside(&ball, |s| {
        let look = (x + 5.0, y - 2.0);
        s.spot(&Curve::ellipse(look, 13.0 * w, 18.0), "#101010");
        s.glint(&Curve::ellipse((look.0 - 4.5, look.1 - 7.0), 4.6, 5.4));
        s.glint(&Curve::ellipse((look.0 + 5.0, look.1 + 7.5), 2.4, 2.8));
    });
    sheet.ink(
        &Curve::open([
            p(-27.0, 9.0),
            p(-16.0, -13.0),
            p(4.0, -22.5),
            p(22.0, -12.5),
            p(31.0, -6.0),
        ]),
        LINE * 1.3,
    );
}

fn muzzle(sheet: &mut Sheet, t: f64, x: f64, y: f64) {
    let y = y + 22.0;
    let nose = Curve::closed([
        (x - 11.0, y - 3.0),
        (x, y - 6.0),
        (x + 11.0, y - 3.0),
        (x + 3.0, y + 7.0),
        (x, y + 9.0),
        (x - 3.0, y + 7.0),
    ]);
    sheet.spot(&nose, "#101010");
    let open = blend(t, 2.0, 10.0);
    sheet.ink(
        &Curve::open([
            (x - 32.0, y + 19.0),
            (x - 17.0, y + 27.0),
            (x - 3.0, y + 20.0),
            (x, y + 9.0),
            (x, y + 9.0),
            (x + 3.0, y + 20.0),
            (x + 17.0, y + 27.0),
            (x + 32.0, y + 19.0),
        ]),
        LINE * 0.9,
    );
    sheet.detail(
        &Curve::open([(x - 9.0, y + 25.0), (x, y + 28.0 + open), (x + 9.0, y + 25.0)]),
        LINE * 0.7,
    );
    for side in [-1.0, 1.0] {
        for (i, spread) in [-12.0, 0.0, 12.0].into_iter().enumerate() {
            let from = (x + side * (38.0 + 3.0 * i as f64), y + 8.0 + spread * 0.45);
            let to = (x + side * 132.0 - x * 0.35, y - 2.0 + spread * 2.0);
            sheet.detail(
                &Curve::open([from, (0.5 * (from.0 + to.0), 0.5 * (from.1 + to.1) - 6.0), to]),
                LINE * 0.5,
            );
            sheet.spot(
                &Curve::ellipse(
                    (x + side * (18.0 + 5.0 * i as f64), y + 14.0 + 0.3 * spread),
                    1.6,
                    1.6,
                ),
                "#101010",
            );
        }
    }
}

fn collar(sheet: &mut Sheet, t: f64) {
    let (x, y) = (blend(t, 2.0, 9.0), blend(t, -3.0, -12.0));
    let band = Curve::closed([
        (350.0 + x, 286.0 + y),
        (350.0 + x, 286.0 + y),
        (400.0 + x, 312.0 + y),
        (450.0 + x, 312.0 + y),
        (484.0 + x, 294.0 + y),
        (484.0 + x, 294.0 + y),
        (487.0 + x, 308.0 + y),
        (487.0 + x, 308.0 + y),
        (452.0 + x, 327.0 + y),
        (400.0 + x, 328.0 + y),
        (345.0 + x, 300.0 + y),
        (345.0 + x, 300.0 + y),
    ]);
    sheet.shape(&band, PAPER, 0.0, LINE * 0.8);
    let bell = Point::new(436.0 + x, 334.0 + y);
    sheet.shape(&Curve::ellipse(bell, 15.0, 15.0), PAPER, 0.0, LINE * 0.9);
    sheet.detail(
        &Curve::open([bell + (-13.0, 2.0), bell + (0.0, 5.0), bell + (13.0, 2.0)]),
        LINE * 0.6,
    );
    sheet.spot(&Curve::ellipse(bell + (0.0, 8.5), 2.4, 2.4), "#101010");
}

fn butterfly(sheet: &mut Sheet, t: f64) {
    let at = Affine::translate((
        blend(t, 660.0, 644.0) + 6.0 * (t * std::f64::consts::PI).sin(),
        blend(t, 206.0, 176.0),
    )) * Affine::rotate(blend(t, 0.40, 0.22));
    // Wings seen half from the side: open first, then nearly closed.
    let fold = blend(t, 0.95, 0.72);
    sheet.placed(at, |s| {
        for side in [-1.0, 1.0] {
            let p = |x: f64, y: f64| (side * x * fold, y - (1.0 - fold) * x * 0.55);
            let low = Curve::closed([
                p(3.0, 6.0),
                p(3.0, 6.0),
                p(30.0, 10.0),
                p(42.0, 30.0),
                p(28.0, 46.0),
                p(10.0, 34.0),
            ]);
            s.shape(&low, PAPER, 0.0, LINE * 0.8);
            let high = Curve::closed([
                p(3.0, 0.0),
                p(3.0, 0.0),
                p(20.0, -34.0),
                p(50.0, -52.0),
                p(64.0, -36.0),
                p(52.0, -4.0),
                p(24.0, 8.0),
            ]);
            s.shape(&high, PAPER, 0.0, LINE * 0.8);
            s.detail(&Curve::open([p(10.0, -6.0), p(30.0, -22.0), p(46.0, -36.0)]), LINE * 0.5);
            s.detail(
                &Curve::closed([p(42.0, -24.0), p(50.0, -32.0), p(54.0, -22.0), p(46.0, -15.0)]),
                LINE * 0.5,
            );
            s.detail(
                &Curve::closed([p(24.0, 24.0), p(31.0, 22.0), p(32.0, 30.0), p(26.0, 33.0)]),
                LINE * 0.5,
            );
            s.ink(
                &Curve::open([(side * 2.0, -18.0), (side * 10.0, -34.0), (side * 18.0, -40.0)]),
                LINE * 0.5,
            );
        }
        s.spot(
            &Curve::closed([
                (0.0, -22.0),
                (5.0, -14.0),
                (4.5, 10.0),
                (0.0, 32.0),
                (-4.5, 10.0),
                (-5.0, -14.0),
            ]),
            "#101010",
        );
    });
}
