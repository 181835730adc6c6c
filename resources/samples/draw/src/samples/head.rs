//! A head turns from three quarters left to three quarters right, with a blink-free, even turn: the
//! features run over the ball of the head, the tail of hair swings from one side to the other.

use kurbo::Affine;

use crate::curve::{Curve, tube};
use crate::face::{Head, NORA};
use crate::sheet::{Ground, Medium, Sheet, tone};

pub(crate) fn draw(t: f64, medium: Medium) -> Sheet {
    let mut sheet = Sheet::new(960, 720, medium, Ground::Colour("#bfe0d8"));
    let yaw = -0.51 + 1.02 * t;
    // The hair is late: it hangs where the head has been.
    let lag = (t * std::f64::consts::PI).sin();
    let head = Head {
        yaw,
        pitch: 0.06 + 0.10 * lag,
        lids: 1.0,
        mouth: 0.25 + 0.55 * t,
        sway: 0.45 * (0.5 - t) + 0.25 * lag,
        line: 6.0,
    };
    let k = yaw.sin();

    sheet.tint(&Curve::ellipse((480.0, 400.0), 330.0, 330.0), "#d9efe6");
    let place = Affine::translate((480.0 + 26.0 * k, 330.0 + 8.0 * lag)) * Affine::scale(215.0);
    sheet.placed(place, |s| head.back_hair(s, &NORA));
    shoulders(&mut sheet, k);
    sheet.placed(place, |s| head.front(s, &NORA));
    sheet
}

fn shoulders(sheet: &mut Sheet, k: f64) {
    let shirt = tone("#f4efe2", "#d3c8c4");
    let vest = tone("#4f86a8", "#37607f");
    let neck = tube(
        &[(480.0 - 6.0 * k, 460.0).into(), (480.0, 560.0).into(), (480.0, 700.0).into()],
        &[66.0, 60.0, 76.0],
        false,
    );
    sheet.shape(&neck, NORA.skin, 0.0, 5.0);
    sheet.inside(&neck, |s| {
        s.tint(&Curve::ellipse((480.0 + 44.0 * k, 500.0), 130.0, 66.0), NORA.skin.shade);
    });
    let at = |x: f64, y: f64| (480.0 + x + 14.0 * k, y);
    let body = Curve::closed([
        at(-330.0, 760.0),
        at(-318.0, 690.0),
        at(-262.0, 638.0),
        at(-160.0, 612.0),
        at(-84.0, 588.0),
        at(-84.0, 588.0),
        at(0.0, 650.0),
        at(84.0, 588.0),
        at(84.0, 588.0),
        at(160.0, 612.0),
        at(262.0, 638.0),
        at(318.0, 690.0),
        at(330.0, 760.0),
    ]);
    sheet.shape(&body, vest, 16.0, 6.0);
    for side in [-1.0, 1.0] {
        let p = |x: f64, y: f64| (480.0 + side * x + 20.0 * k, y);
        let collar = Curve::polygon([
            p(0.0, 668.0),
            p(26.0, 604.0),
            p(80.0, 566.0),
            p(140.0, 624.0),
            p(76.0, 700.0),
        ]);
        sheet.shape(&collar, shirt, 9.0, 5.0);
    }
    let bow = |side: f64| {
        Curve::closed([
            (480.0 + 24.0 * k, 664.0),
            (480.0 + 24.0 * k, 664.0),
            (480.0 + side * 40.0 + 24.0 * k, 640.0),
            (480.0 + side * 66.0 + 24.0 * k, 668.0),
            (480.0 + side * 42.0 + 24.0 * k, 700.0),
        ])
    };
    for side in [-1.0, 1.0] {
        sheet.shape(&bow(side), NORA.tie, 7.0, 5.0);
    }
    sheet.shape(&Curve::ellipse((480.0 + 24.0 * k, 668.0), 17.0, 19.0), NORA.tie, 5.0, 5.0);
}
