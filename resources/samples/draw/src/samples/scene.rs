//! A whole scene: the child rolls down a street on a skateboard while the camera pans along. Every
//! layer of the background moves at its own speed.

use kurbo::{Affine, Point, Vec2};

use super::{blend, cloud};
use crate::curve::{Curve, tube};
use crate::face::Head;
use crate::figure::{self, CAST, Leg, Pose};
use crate::sheet::{Ground, Medium, Sheet, Tone, tone};

const LINE: f64 = 3.0;

pub(crate) fn draw(t: f64, medium: Medium) -> Sheet {
    let mut sheet = Sheet::new(1280, 720, medium, Ground::Colour("#aee0f2"));
    sky(&mut sheet, t);
    let layer = |speed: f64| Affine::translate((-speed * t, 0.0));
    sheet.placed(layer(9.0), hills);
    sheet.placed(layer(24.0), houses);
    sheet.placed(layer(32.0), trees);
    sheet.placed(layer(40.0), pavement);
    rider(&mut sheet, t);
    sheet.placed(layer(56.0), foreground);
    sheet
}

fn rider(sheet: &mut Sheet, t: f64) {
    let scale = 1.06;
    let place = Affine::translate((blend(t, 566.0, 594.0), 452.0)) * Affine::scale(scale);
    // Feet stay on the board; the hip rises out of the crouch.
    let board = Point::new(0.0, 146.0);
    let hip = Point::new(blend(t, -14.0, -6.0), blend(t, 44.0, 24.0));
    let (front, rear) = (board + (52.0, -25.0), board + (-54.0, -25.0));
    let pose = Pose {
        hip,
        lean: blend(t, 0.28, 0.08),
        near_arm: (blend(t, -0.60, -0.92), blend(t, 0.40, 0.20)),
        far_arm: (blend(t, 0.90, 1.24), blend(t, 0.55, 0.34)),
        near_leg: Leg::reaching(hip, rear, 0.0),
        far_leg: Leg::reaching(hip + (10.0, -3.0), front, 0.0),
        head: Head {
            yaw: 0.44,
            pitch: blend(t, 0.06, -0.04),
            lids: 1.0,
            mouth: blend(t, 0.5, 1.0),
            sway: blend(t, -0.68, -0.52),
            line: 3.2,
        },
        tilt: blend(t, -0.12, -0.02),
        trail: blend(t, 22.0, 29.0),
    };
    sheet.placed(place, |s| {
        s.tint(&Curve::ellipse(board + (0.0, 27.0), 128.0, 9.0), "#6f7f8e");
        skateboard(s, board, t);
        figure::draw(s, &pose, &CAST.0, &CAST.1, 3.6);
    });
}

fn skateboard(sheet: &mut Sheet, at: Point, t: f64) {
    for side in [-1.0, 1.0] {
        let hub = at + (side * 62.0, 14.0);
        sheet.shape(&Curve::ellipse(hub, 13.0, 13.0), tone("#f3efe4", "#c9bfb8"), 4.0, 3.4);
        sheet.detail(&Curve::ellipse(hub, 5.0, 5.0), 2.0);
        for spoke in 0..3 {
            let a = t * 2.2 + f64::from(spoke) * std::f64::consts::TAU / 3.0;
            let out = Vec2::new(a.cos(), a.sin());
            sheet.detail(&Curve::open([hub + out * 5.0, hub + out * 10.0]), 2.0);
        }
    }
    let deck = Curve::closed([
        at + (-118.0, -18.0),
        at + (-122.0, -12.0),
        at + (-96.0, -1.0),
        at + (0.0, 4.0),
        at + (96.0, -1.0),
        at + (122.0, -12.0),
        at + (118.0, -18.0),
        at + (90.0, -8.0),
        at + (0.0, -5.0),
        at + (-90.0, -8.0),
    ]);
    sheet.shape(&deck, tone("#e8853a", "#b85c34"), 3.0, 3.4);
}

fn sky(sheet: &mut Sheet, t: f64) {
    sheet.tint(
        &Curve::polygon([(0.0, 0.0), (1280.0, 0.0), (1280.0, 170.0), (0.0, 170.0)]),
        "#9bd4ee",
    );
    for (x, y, s) in [(210.0, 120.0, 1.25), (700.0, 78.0, 0.9), (1130.0, 150.0, 1.1)] {
        sheet.placed(Affine::translate((x - 8.0 * t, y)) * Affine::scale(s), |p| {
            p.tint(&cloud(), "#f4fbfc")
        });
    }
}

fn hills(sheet: &mut Sheet) {
    for (points, colour) in [
        (
            [
                (-60.0, 330.0),
                (160.0, 250.0),
                (380.0, 300.0),
                (640.0, 230.0),
                (900.0, 296.0),
                (1150.0, 240.0),
                (1380.0, 300.0),
            ],
            "#93cbb5",
        ),
        (
            [
                (-60.0, 380.0),
                (120.0, 330.0),
                (400.0, 352.0),
                (620.0, 310.0),
                (960.0, 350.0),
                (1180.0, 318.0),
                (1380.0, 350.0),
            ],
            "#72b596",
        ),
    ] {
        let hill = points.into_iter().chain([
            (1380.0, 560.0),
            (1380.0, 560.0),
            (-60.0, 560.0),
            (-60.0, 560.0),
        ]);
        sheet.tint(&Curve::closed(hill), colour);
    }
}

struct House {
    x: f64,
    width: f64,
    top: f64,
    wall: Tone,
    roof: Tone,
    door: Tone,
}

const STREET: [House; 6] = [
    House {
        x: -60.0,
        width: 230.0,
        top: 300.0,
        wall: tone("#f2d7a6", "#d8b084"),
        roof: tone("#b5533f", "#8e3f39"),
        door: tone("#4f7d8f", "#3a6174"),
    },
    House {
        x: 170.0,
        width: 190.0,
        top: 236.0,
        wall: tone("#e79f83", "#c67c6b"),
        roof: tone("#6b5b7e", "#534768"),
        door: tone("#7b4a3a", "#5d372f"),
    },
    House {
        x: 360.0,
        width: 260.0,
        top: 290.0,
        wall: tone("#c9dcd3", "#a3bdb8"),
        roof: tone("#3f6f86", "#315669"),
        door: tone("#c2513f", "#96403a"),
    },
    House {
        x: 640.0,
        width: 200.0,
        top: 250.0,
        wall: tone("#f5e6bf", "#d9c095"),
        roof: tone("#c9713f", "#9f5637"),
        door: tone("#587a49", "#43603c"),
    },
    House {
        x: 840.0,
        width: 250.0,
        top: 306.0,
        wall: tone("#b9c8e6", "#94a4c8"),
        roof: tone("#5a4a66", "#453852"),
        door: tone("#e0b04a", "#b98a3a"),
    },
    House {
        x: 1100.0,
        width: 250.0,
        top: 240.0,
        wall: tone("#efb7a0", "#cf9080"),
        roof: tone("#8a4b3c", "#6b3a33"),
        door: tone("#3f6f86", "#315669"),
    },
];

fn houses(sheet: &mut Sheet) {
    for house in &STREET {
        let (x0, x1, base) = (house.x, house.x + house.width, 540.0);
        let wall = Curve::polygon([(x0, house.top), (x1, house.top), (x1, base), (x0, base)]);
        sheet.shape(&wall, house.wall, 10.0, LINE);
        let mid = 0.5 * (x0 + x1);
        let roof = Curve::polygon([
            (x0 - 14.0, house.top + 8.0),
            (mid - house.width * 0.28, house.top - 74.0),
            (mid + house.width * 0.28, house.top - 74.0),
            (x1 + 14.0, house.top + 8.0),
        ]);
        let chimney = x0 + house.width * 0.68;
        sheet.shape(
            &Curve::polygon([
                (chimney, house.top - 104.0),
                (chimney + 26.0, house.top - 104.0),
                (chimney + 26.0, house.top - 40.0),
                (chimney, house.top - 40.0),
            ]),
            house.wall,
            6.0,
            LINE,
        );
        sheet.shape(&roof, house.roof, 9.0, LINE);
        for row in 1..4 {
            let y = house.top + 8.0 - 20.0 * f64::from(row);
            let inset = (house.width * 0.22 + 14.0) * (20.0 * f64::from(row)) / 82.0;
            sheet.stroke(
                &Curve::open([(x0 - 8.0 + inset, y), (mid, y + 1.5), (x1 + 8.0 - inset, y)]),
                2.2,
                house.roof.shade,
            );
        }
        let door = Curve::closed([
            (mid - 24.0, base),
            (mid - 24.0, base),
            (mid - 24.0, base - 78.0),
            (mid, base - 98.0),
            (mid + 24.0, base - 78.0),
            (mid + 24.0, base),
            (mid + 24.0, base),
        ]);
        sheet.shape(&door, house.door, 6.0, LINE);
        sheet.spot(&Curve::ellipse((mid + 14.0, base - 42.0), 3.0, 3.0), "#f6e3a8");
        for x in [x0 + house.width * 0.2, x0 + house.width * 0.8] {
            for y in [house.top + 58.0, house.top + 150.0] {
                if y < base - 70.0 || (x - mid).abs() > 50.0 {
                    window(sheet, x, y);
                }
            }
        }
    }
}

fn window(sheet: &mut Sheet, x: f64, y: f64) {
    let pane = Curve::polygon([
        (x - 20.0, y - 26.0),
        (x + 20.0, y - 26.0),
        (x + 20.0, y + 26.0),
        (x - 20.0, y + 26.0),
    ]);
    sheet.shape(&pane, tone("#9fd0e0", "#6fa5bd"), 6.0, LINE);
    sheet.tint(
        &Curve::polygon([
            (x - 14.0, y - 4.0),
            (x + 2.0, y - 22.0),
            (x + 10.0, y - 22.0),
            (x - 14.0, y + 6.0),
        ]),
        "#d7eef3",
    );
    sheet.detail(&Curve::open([(x, y - 26.0), (x, y + 26.0)]), 2.2);
    sheet.detail(&Curve::open([(x - 20.0, y), (x + 20.0, y)]), 2.2);
    sheet.shape(
        &Curve::polygon([
            (x - 25.0, y + 25.0),
            (x + 25.0, y + 25.0),
            (x + 25.0, y + 32.0),
            (x - 25.0, y + 32.0),
        ]),
        tone("#f6efe0", "#d5c6b6"),
        3.0,
        2.4,
    );
}

fn trees(sheet: &mut Sheet) {
    for (x, s) in [(138.0, 0.92), (842.0, 1.05), (1196.0, 0.98)] {
        sheet.placed(Affine::translate((x, 552.0)) * Affine::scale(s), |p| {
            let trunk = tube(
                &[Point::new(0.0, -150.0), Point::new(2.0, -70.0), Point::new(0.0, 4.0)],
                &[11.0, 12.0, 18.0],
                false,
            );
            p.shape(&trunk, tone("#8a5a3c", "#6a4431"), 6.0, LINE);
            let crown = Curve::closed([
                (-8.0, -292.0),
                (44.0, -276.0),
                (66.0, -240.0),
                (86.0, -204.0),
                (70.0, -160.0),
                (34.0, -142.0),
                (-6.0, -134.0),
                (-46.0, -144.0),
                (-80.0, -164.0),
                (-88.0, -208.0),
                (-66.0, -244.0),
                (-46.0, -280.0),
            ]);
            p.shape(&crown, tone("#8bbf55", "#5f9a4b"), 20.0, LINE);
            for (x, y) in [(-34.0, -226.0), (20.0, -248.0), (34.0, -196.0), (-22.0, -182.0)] {
                p.detail(
                    &Curve::open([
                        (x - 14.0, y + 4.0),
                        (x - 6.0, y + 11.0),
                        (x + 4.0, y + 9.0),
                        (x + 12.0, y + 1.0),
                    ]),
                    2.6,
                );
            }
        });
    }
}

fn pavement(sheet: &mut Sheet) {
    sheet.cel(
        &Curve::polygon([(-60.0, 540.0), (1460.0, 540.0), (1460.0, 586.0), (-60.0, 586.0)]),
        tone("#d9cfc3", "#d9cfc3"),
        0.0,
    );
    sheet.cel(
        &Curve::polygon([(-60.0, 586.0), (1460.0, 586.0), (1460.0, 600.0), (-60.0, 600.0)]),
        tone("#a89d98", "#a89d98"),
        0.0,
    );
    sheet.cel(
        &Curve::polygon([(-60.0, 600.0), (1460.0, 600.0), (1460.0, 740.0), (-60.0, 740.0)]),
        tone("#8695a3", "#8695a3"),
        0.0,
    );
    for y in [540.0, 586.0, 600.0] {
        sheet.ink(&Curve::open([(-80.0, y), (700.0, y), (1480.0, y)]), LINE);
    }
    for i in 0..11 {
        let x = -40.0 + 140.0 * f64::from(i);
        sheet.detail(&Curve::open([(x, 541.0), (x - 16.0, 585.0)]), 2.0);
    }
    for i in 0..5 {
        let x = 10.0 + 300.0 * f64::from(i);
        sheet.tint(
            &Curve::polygon([(x, 676.0), (x + 150.0, 676.0), (x + 144.0, 688.0), (x - 6.0, 688.0)]),
            "#e8e4da",
        );
    }
}

fn foreground(sheet: &mut Sheet) {
    // A lamp post and a bush, nearest to the camera.
    let post = Curve::polygon([(1016.0, 90.0), (1028.0, 90.0), (1032.0, 700.0), (1012.0, 700.0)]);
    sheet.shape(&post, tone("#46506a", "#343c54"), 6.0, 3.6);
    let foot = Curve::polygon([(1004.0, 660.0), (1040.0, 660.0), (1046.0, 704.0), (998.0, 704.0)]);
    sheet.shape(&foot, tone("#46506a", "#343c54"), 6.0, 3.6);
    let lamp = Curve::closed([
        (1000.0, 92.0),
        (1000.0, 92.0),
        (990.0, 46.0),
        (998.0, 30.0),
        (1022.0, 22.0),
        (1046.0, 30.0),
        (1054.0, 46.0),
        (1044.0, 92.0),
        (1044.0, 92.0),
    ]);
    sheet.shape(&lamp, tone("#fbf1c4", "#e3cd86"), 8.0, 3.6);
    let cap = Curve::polygon([(984.0, 46.0), (1022.0, 12.0), (1060.0, 46.0)]);
    sheet.shape(&cap, tone("#46506a", "#343c54"), 5.0, 3.6);
    for x in [150.0, 1330.0] {
        let bush = Curve::closed([
            (x - 170.0, 740.0),
            (x - 160.0, 690.0),
            (x - 116.0, 668.0),
            (x - 70.0, 676.0),
            (x - 30.0, 640.0),
            (x + 30.0, 644.0),
            (x + 66.0, 676.0),
            (x + 120.0, 672.0),
            (x + 160.0, 704.0),
            (x + 170.0, 740.0),
        ]);
        sheet.shape(&bush, tone("#5f9f5a", "#437a50"), 14.0, 3.6);
        for (dx, y) in [(-100.0, 702.0), (-20.0, 676.0), (60.0, 704.0), (116.0, 706.0)] {
            sheet.detail(
                &Curve::open([
                    (x + dx - 14.0, y),
                    (x + dx - 4.0, y + 8.0),
                    (x + dx + 8.0, y + 4.0),
                ]),
                2.6,
            );
        }
    }
}
