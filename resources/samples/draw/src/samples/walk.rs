//! A walk from the contact to the passing pose: one planted heel carries the hip over, arms and legs
//! swing against each other, hair and coat follow late. On a transparent ground.

use kurbo::{Affine, Point};

use super::blend;
use crate::face::Head;
use crate::figure::{self, CAST, Leg, Pose, SHIN, THIGH, down};
use crate::sheet::{Ground, Medium, Sheet};

const SCALE: f64 = 1.5;

pub(crate) fn draw(t: f64, medium: Medium) -> Sheet {
    let mut sheet = Sheet::new(720, 720, medium, Ground::Clear);
    // The near leg strikes with its heel and takes the weight; its ankle is where the step hangs.
    let (thigh, bend, toes_up) = (blend(t, 0.50, -0.03), blend(t, 0.10, 0.12), blend(t, 0.30, 0.0));
    let heel = Point::new(64.0, 203.0 - 5.0 * toes_up);
    let hip = heel - down(thigh - bend) * SHIN - down(thigh) * THIGH;
    let near_leg = Leg { hip, knee: hip + down(thigh) * THIGH, ankle: heel, toes_up };
    // The far leg pushes off behind and swings through, knee first.
    let lift = (t * std::f64::consts::PI).sin();
    let far_hip = hip + (9.0, -3.0);
    let far_leg = Leg::swung(
        far_hip,
        blend(t, -0.42, 0.58),
        blend(t, 0.34, 1.42) + 0.2 * lift,
        blend(t, -0.66, -0.30),
    );

    let pose = Pose {
        hip,
        lean: blend(t, 0.09, 0.05),
        near_arm: (blend(t, -0.66, -0.02), blend(t, 0.22, 0.38)),
        far_arm: (blend(t, 0.66, -0.04), blend(t, 0.55, 0.34)),
        near_leg,
        far_leg,
        head: Head {
            yaw: 0.46,
            pitch: blend(t, 0.10, -0.02),
            lids: 1.0,
            mouth: 0.75,
            sway: blend(t, -0.28, 0.04),
            line: 4.2,
        },
        tilt: blend(t, 0.05, -0.03),
        trail: blend(t, 16.0, 5.0),
    };
    let place = Affine::translate((330.0, 350.0)) * Affine::scale(SCALE);
    sheet.placed(place, |s| figure::draw(s, &pose, &CAST.0, &CAST.1, 4.6));
    sheet
}
