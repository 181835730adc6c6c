//! A walk on a transparent ground, in two sizes of step between the keys: from the contact to the
//! down pose, and from the contact all the way to the passing pose. One planted heel carries the hip;
//! arms and legs swing against each other; hair and coat follow late.

use kurbo::{Affine, Point};

use super::blend;
use crate::face::Head;
use crate::figure::{self, CAST, Leg, Pose, SHIN, THIGH, down};
use crate::sheet::{Ground, Medium, Sheet};

const SCALE: f64 = 1.5;

/// One extreme of the walk. Angles in radians.
struct Extreme {
    /// The near leg, which bears the weight: thigh, bend of the knee, toes up.
    near_leg: [f64; 3],
    far_leg: [f64; 3],
    /// Shoulder and elbow.
    near_arm: [f64; 2],
    far_arm: [f64; 2],
    lean: f64,
    pitch: f64,
    tilt: f64,
    sway: f64,
    trail: f64,
}

const CONTACT: Extreme = Extreme {
    near_leg: [0.50, 0.10, 0.30],
    far_leg: [-0.42, 0.34, -0.66],
    near_arm: [-0.66, 0.22],
    far_arm: [0.66, 0.55],
    lean: 0.09,
    pitch: 0.10,
    tilt: 0.05,
    sway: -0.28,
    trail: 16.0,
};

const DOWN: Extreme = Extreme {
    near_leg: [0.42, 0.42, 0.0],
    far_leg: [-0.34, 0.62, -0.82],
    near_arm: [-0.50, 0.30],
    far_arm: [0.50, 0.48],
    lean: 0.12,
    pitch: 0.14,
    tilt: 0.03,
    sway: -0.20,
    trail: 12.0,
};

const PASSING: Extreme = Extreme {
    near_leg: [-0.03, 0.12, 0.0],
    far_leg: [0.58, 1.42, -0.30],
    near_arm: [-0.02, 0.38],
    far_arm: [-0.04, 0.34],
    lean: 0.05,
    pitch: -0.02,
    tilt: -0.03,
    sway: 0.04,
    trail: 5.0,
};

/// Contact to down: the keys lie close.
pub(crate) fn step(t: f64, medium: Medium) -> Sheet {
    draw(&CONTACT, &DOWN, 0.0, t, medium)
}

/// Contact to passing: limbs cross the body and each other.
pub(crate) fn stride(t: f64, medium: Medium) -> Sheet {
    // The knee of the free leg bends most on its way through.
    draw(&CONTACT, &PASSING, 0.2 * (t * std::f64::consts::PI).sin(), t, medium)
}

fn draw(a: &Extreme, b: &Extreme, extra_bend: f64, t: f64, medium: Medium) -> Sheet {
    let mut sheet = Sheet::new(720, 720, medium, Ground::Clear);
    let mix = |a: f64, b: f64| blend(t, a, b);
    let pair = |a: [f64; 2], b: [f64; 2]| (mix(a[0], b[0]), mix(a[1], b[1]));
    let leg = |a: [f64; 3], b: [f64; 3]| [0, 1, 2].map(|i| mix(a[i], b[i]));

    // The ankle of the near leg stays where the heel struck, and the hip follows from it.
    let [thigh, bend, toes_up] = leg(a.near_leg, b.near_leg);
    let ankle = Point::new(64.0, 203.0 - 5.0 * toes_up);
    let hip = ankle - down(thigh - bend) * SHIN - down(thigh) * THIGH;
    let near_leg = Leg { hip, knee: hip + down(thigh) * THIGH, ankle, toes_up };
    let [thigh, bend, toes_up] = leg(a.far_leg, b.far_leg);
    let far_leg = Leg::swung(hip + (9.0, -3.0), thigh, bend + extra_bend, toes_up);

    let pose = Pose {
        hip,
        lean: mix(a.lean, b.lean),
        near_arm: pair(a.near_arm, b.near_arm),
        far_arm: pair(a.far_arm, b.far_arm),
        near_leg,
        far_leg,
        head: Head {
            yaw: 0.46,
            pitch: mix(a.pitch, b.pitch),
            lids: 1.0,
            mouth: 0.75,
            sway: mix(a.sway, b.sway),
            line: 4.2,
        },
        tilt: mix(a.tilt, b.tilt),
        trail: mix(a.trail, b.trail),
    };
    let place = Affine::translate((330.0, 350.0)) * Affine::scale(SCALE);
    sheet.placed(place, |s| figure::draw(s, &pose, &CAST.0, &CAST.1, 4.6));
    sheet
}
