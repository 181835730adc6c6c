//! The whole figure: a child in a raincoat, with jointed arms and legs. A pose is a handful of joint
//! positions and angles; the clothes follow it.

use kurbo::{Affine, Point, Vec2};

use crate::curve::{Curve, tube};
use crate::face::{Head, Look, MIKA};
use crate::sheet::{Sheet, Tone, tone};

/// Lengths in units; a figure is about 430 units tall.
pub(crate) const THIGH: f64 = 66.0;
pub(crate) const SHIN: f64 = 64.0;
const UPPER_ARM: f64 = 56.0;
const FOREARM: f64 = 52.0;
const TORSO: f64 = 112.0;
const HEAD: f64 = 62.0;

/// Colours of the clothes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clothes {
    coat: Tone,
    lining: Tone,
    boots: Tone,
    trousers: Tone,
    pack: Tone,
}

pub(crate) const RAINWEAR: Clothes = Clothes {
    coat: tone("#f6c445", "#d99a2b"),
    lining: tone("#b9762a", "#935a26"),
    boots: tone("#d8493f", "#a83242"),
    trousers: tone("#46557f", "#333f66"),
    pack: tone("#3e8f7d", "#2b6a66"),
};

/// Hip, knee and ankle, and where the toes point (0 is level, positive is toes up), in radians.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leg {
    pub(crate) hip: Point,
    pub(crate) knee: Point,
    pub(crate) ankle: Point,
    pub(crate) toes_up: f64,
}

impl Leg {
    /// From angles: `thigh` forward of straight down, `bend` of the knee.
    pub(crate) fn swung(hip: Point, thigh: f64, bend: f64, toes_up: f64) -> Self {
        let knee = hip + down(thigh) * THIGH;
        Self { hip, knee, ankle: knee + down(thigh - bend) * SHIN, toes_up }
    }

    /// From the place of the ankle; the knee bends forward.
    pub(crate) fn reaching(hip: Point, ankle: Point, toes_up: f64) -> Self {
        let span = (ankle - hip).hypot().min((THIGH + SHIN) * 0.999);
        let axis = (ankle - hip) / (ankle - hip).hypot().max(1e-9);
        let along = (THIGH * THIGH - SHIN * SHIN + span * span) / (2.0 * span);
        let out = (THIGH * THIGH - along * along).max(0.0).sqrt();
        let knee = hip + axis * along + Vec2::new(axis.y, -axis.x) * out;
        Self { hip, knee, ankle: hip + axis * span, toes_up }
    }
}

/// `angle` forward (to the right) of straight down.
pub(crate) fn down(angle: f64) -> Vec2 {
    Vec2::new(angle.sin(), angle.cos())
}

/// One pose. `near` limbs are on our side. Angles in radians.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pose {
    pub(crate) hip: Point,
    /// Forward lean of the spine.
    pub(crate) lean: f64,
    /// Shoulder angle forward of straight down, and bend of the elbow.
    pub(crate) near_arm: (f64, f64),
    pub(crate) far_arm: (f64, f64),
    pub(crate) near_leg: Leg,
    pub(crate) far_leg: Leg,
    pub(crate) head: Head,
    /// Tilt of the head to the right.
    pub(crate) tilt: f64,
    /// How far the hem of the coat trails behind, in units, positive to the left.
    pub(crate) trail: f64,
}

/// Draws the figure with its hip at `pose.hip`; `scale` is the size of a unit in pixels.
pub(crate) fn draw(sheet: &mut Sheet, pose: &Pose, look: &Look, clothes: &Clothes, line: f64) {
    let spine = -down(-pose.lean);
    let across = Vec2::new(-spine.y, spine.x);
    let neck = pose.hip + spine * TORSO;
    let near_shoulder = neck - spine * 15.0 - across * 10.0;
    let far_shoulder = neck - spine * 14.0 + across * 18.0;
    let head_at = neck + spine * (HEAD * 0.86) + across * 7.0;
    let head_place = Affine::translate(head_at.to_vec2())
        * Affine::rotate(pose.lean * 0.4 + pose.tilt)
        * Affine::scale(HEAD);

    arm(sheet, far_shoulder, pose.far_arm, look, clothes, line, true);
    sheet.placed(head_place, |s| pose.head.back_hair(s, look));
    leg(sheet, &pose.far_leg, clothes, line, true);
    backpack(sheet, neck, spine, across, clothes, line);
    leg(sheet, &pose.near_leg, clothes, line, false);
    coat(sheet, pose, neck, spine, across, clothes, line);
    hood(sheet, neck, spine, across, clothes, line);
    sheet.placed(head_place, |s| pose.head.front(s, look));
    arm(sheet, near_shoulder, pose.near_arm, look, clothes, line, false);
}

fn darker(t: Tone, far: bool) -> Tone {
    if far { tone(t.shade, t.shade) } else { t }
}

fn leg(sheet: &mut Sheet, leg: &Leg, clothes: &Clothes, line: f64, far: bool) {
    let Leg { hip, knee, ankle, toes_up } = *leg;
    let trousers = tube(
        &[hip, hip.lerp(knee, 0.55), knee, knee.lerp(ankle, 0.5)],
        &[23.0, 20.0, 16.5, 13.5],
        true,
    );
    sheet.limb(&trousers, darker(clothes.trousers, far), 6.0, line);

    // Boot: the shaft follows the shin, the foot has its own angle.
    let shin = (ankle - knee) / (ankle - knee).hypot().max(1e-9);
    let back = Vec2::new(-shin.y, shin.x);
    let toe = Vec2::new(toes_up.cos(), -toes_up.sin());
    let sole = Vec2::new(toes_up.sin(), toes_up.cos());
    let top = knee.lerp(ankle, 0.42);
    let foot = |forward: f64, low: f64| ankle + toe * forward + sole * low;
    let boot = Curve::closed([
        top - back * 17.5,
        top - back * 17.5,
        knee.lerp(ankle, 0.75) - back * 15.5,
        foot(16.0, -3.0),
        foot(33.0, 2.0),
        foot(43.0, 10.0),
        foot(42.0, 20.0),
        foot(42.0, 20.0),
        foot(10.0, 20.0),
        foot(-17.0, 20.0),
        foot(-17.0, 20.0),
        foot(-20.0, 8.0),
        knee.lerp(ankle, 0.8) + back * 15.0,
        top + back * 17.0,
        top + back * 17.0,
        top + shin * 3.0,
    ]);
    sheet.shape(&boot, darker(clothes.boots, far), 6.0, line);
    sheet.detail(
        &Curve::open([
            top - back * 17.0 + shin * 11.0,
            top + shin * 13.5,
            top + back * 16.5 + shin * 11.0,
        ]),
        line * 0.6,
    );
    sheet.detail(&Curve::open([foot(-17.0, 13.5), foot(12.0, 14.0), foot(42.0, 13.5)]), line * 0.6);
}

fn arm(
    sheet: &mut Sheet,
    shoulder: Point,
    (swing, bend): (f64, f64),
    look: &Look,
    clothes: &Clothes,
    line: f64,
    far: bool,
) {
    let elbow = shoulder + down(swing) * UPPER_ARM;
    let along = down(swing + bend);
    let wrist = elbow + along * FOREARM;
    let side = Vec2::new(-along.y, along.x);

    // Hand first: the cuff covers its root. A mitten of fingers, and a thumb on the front side.
    let on = |reach: f64, out: f64| wrist + along * reach - side * out;
    let hand = Curve::closed([
        on(-6.0, -9.0),
        on(4.0, -11.0),
        on(16.0, -12.0),
        on(26.0, -7.0),
        on(28.0, 1.0),
        on(21.0, 7.0),
        on(21.0, 7.0),
        on(20.0, 14.0),
        on(14.0, 16.0),
        on(7.0, 10.0),
        on(-6.0, 9.0),
    ]);
    sheet.shape(&hand, darker(look.skin, far), 4.0, line);
    sheet.detail(&Curve::open([on(25.0, -3.0), on(17.0, -3.0), on(14.0, -2.0)]), line * 0.5);

    let sleeve = tube(
        &[shoulder, shoulder.lerp(elbow, 0.5), elbow, elbow.lerp(wrist, 0.55), wrist],
        &[16.0, 17.5, 16.0, 16.5, 19.0],
        false,
    );
    sheet.limb(&sleeve, darker(clothes.coat, far), 7.0, line);
    // Folds at the elbow and the seam of the cuff.
    let inner = down(swing + 0.5 * bend + 1.4);
    sheet.detail(
        &Curve::open([elbow + inner * 15.0, elbow + inner * 4.0 + along * 5.0]),
        line * 0.7,
    );
    sheet.detail(
        &Curve::open([
            wrist - along * 9.0 + side * 18.0,
            wrist - along * 6.0,
            wrist - along * 9.0 - side * 18.0,
        ]),
        line * 0.6,
    );
}

fn backpack(
    sheet: &mut Sheet,
    neck: Point,
    spine: Vec2,
    across: Vec2,
    clothes: &Clothes,
    line: f64,
) {
    let on = |up: f64, out: f64| neck + spine * up + across * out;
    let pack = Curve::closed([
        on(-12.0, -20.0),
        on(-8.0, -46.0),
        on(-24.0, -66.0),
        on(-56.0, -72.0),
        on(-84.0, -64.0),
        on(-92.0, -44.0),
        on(-90.0, -16.0),
    ]);
    sheet.shape(&pack, clothes.pack, 8.0, line);
    let flap = Curve::open([on(-44.0, -72.0), on(-52.0, -56.0), on(-50.0, -34.0)]);
    sheet.detail(&flap, line * 0.8);
    sheet.spot(&Curve::ellipse(on(-54.0, -56.0), 3.6, 3.6), "#f2e4c4");
}

fn coat(
    sheet: &mut Sheet,
    pose: &Pose,
    neck: Point,
    spine: Vec2,
    across: Vec2,
    clothes: &Clothes,
    line: f64,
) {
    let on = |up: f64, out: f64| neck + spine * up + across * out;
    // The hem reaches over both thighs, and trails.
    let low = |leg: &Leg| leg.hip.lerp(leg.knee, 0.62);
    let (a, b) = (low(&pose.near_leg), low(&pose.far_leg));
    let (front, back) = (a.x.max(b.x), a.x.min(b.x));
    let level = pose.hip.y + 40.0;
    let lift = |x: f64| -0.16 * (x - pose.hip.x).abs();
    let front_x = front + 25.0 - pose.trail * 0.25;
    let back_x = back - 27.0 - pose.trail;
    let hem_front = Point::new(front_x, level + lift(front_x));
    let hem_back = Point::new(back_x, level + lift(back_x));
    let hem = |f: f64, drop: f64| hem_back.lerp(hem_front, f) + (0.0, drop);

    let inside = Curve::closed([
        hem_back,
        hem_back,
        hem(0.25, 1.0),
        hem(0.6, 0.0),
        hem_front,
        hem_front,
        hem(0.6, -24.0),
        hem(0.3, -22.0),
    ]);
    sheet.shape(&inside, clothes.lining, 0.0, line * 0.8);
    let body = Curve::closed([
        on(2.0, -16.0),
        on(-8.0, -27.0),
        on(-44.0, -33.0),
        on(-84.0, -36.0),
        hem_back.lerp(on(-84.0, -36.0), 0.35) + (-3.0, 0.0),
        hem_back,
        hem_back,
        hem(0.16, 7.0),
        hem(0.36, 5.0),
        hem(0.55, 10.0),
        hem(0.8, 5.0),
        hem_front,
        hem_front,
        hem_front.lerp(on(-84.0, 34.0), 0.4) + (3.0, 0.0),
        on(-84.0, 35.0),
        on(-48.0, 36.0),
        on(-14.0, 30.0),
        on(2.0, 18.0),
    ]);
    sheet.shape(&body, clothes.coat, 13.0, line);
    // The front edge with its toggles, folds from the hem, a pocket.
    let opening = Curve::open([on(-6.0, 20.0), on(-50.0, 24.0), on(-88.0, 22.0), hem(0.84, 5.0)]);
    sheet.detail(&opening, line * 0.8);
    for up in [-36.0, -66.0] {
        sheet.spot(&Curve::ellipse(on(up, 15.5), 4.2, 4.6), "#7b4a22");
        sheet.detail(&Curve::open([on(up, 18.0), on(up - 1.0, 29.0)]), line * 0.7);
    }
    sheet.detail(&Curve::open([hem(0.36, 4.0), hem(0.39, -16.0), hem(0.44, -30.0)]), line * 0.7);
    sheet.detail(&Curve::open([hem(0.16, 5.0), hem(0.21, -13.0), hem(0.26, -24.0)]), line * 0.6);
    sheet.detail(&Curve::open([on(-86.0, -14.0), on(-89.0, 0.0), on(-86.0, 9.0)]), line * 0.7);
}

fn hood(sheet: &mut Sheet, neck: Point, spine: Vec2, across: Vec2, clothes: &Clothes, line: f64) {
    let on = |up: f64, out: f64| neck + spine * up + across * out;
    let hood = Curve::closed([
        on(10.0, -34.0),
        on(-4.0, -44.0),
        on(-17.0, -34.0),
        on(-20.0, -6.0),
        on(-17.0, 22.0),
        on(-6.0, 34.0),
        on(8.0, 32.0),
        on(12.0, 0.0),
    ]);
    sheet.shape(&hood, clothes.coat, 7.0, line);
    sheet.detail(&Curve::open([on(4.0, -30.0), on(-8.0, -8.0), on(-7.0, 22.0)]), line * 0.6);
}

/// The character of the walk and the street.
pub(crate) const CAST: (Look, Clothes) = (MIKA, RAINWEAR);
