//! Reports the parts of drawn frames that cannot be trusted, grouped into runs of frames.

use inbetween_core::{Drawn, Unsure};
use serde_json::{Value, json};

/// The reason why a frame is unsure.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Doubt {
    /// Part of the picture cannot be trusted; also the picture's size in pixels.
    Part(Unsure, (usize, usize)),
    /// The keys show two scenes.
    Cut,
}

/// The unsure frames, in order.
#[derive(Debug, Default)]
pub(super) struct Doubts(Vec<(u32, Doubt)>);

/// Consecutive frames with the same kind of doubt.
struct Run<'a>(&'a [(u32, Doubt)]);

impl Doubts {
    /// Records the doubt about frame `number`, if there is one.
    pub(super) fn note(&mut self, number: u32, drawn: &Drawn) {
        let size = (drawn.frame.width(), drawn.frame.height());
        let part = drawn.remarks.unsure.map(|unsure| Doubt::Part(unsure, size));
        if let Some(doubt) = if drawn.cut { Some(Doubt::Cut) } else { part } {
            self.0.push((number, doubt));
        }
    }

    fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        let goes_on = |a: &(u32, Doubt), b: &(u32, Doubt)| {
            b.0 == a.0 + 1 && matches!(a.1, Doubt::Cut) == matches!(b.1, Doubt::Cut)
        };
        self.0.chunk_by(goes_on).map(Run)
    }

    /// One line for each run.
    pub(super) fn lines(&self) -> Vec<String> {
        self.runs().map(|run| run.line()).collect()
    }

    /// One object for each run.
    pub(super) fn json(&self) -> Vec<Value> {
        self.runs().map(|run| run.json()).collect()
    }
}

impl Run<'_> {
    fn ends(&self) -> (u32, u32) {
        (self.0[0].0, self.0[self.0.len() - 1].0)
    }

    /// The frame in the middle, where an additional key helps most.
    fn middle(&self) -> u32 {
        self.0[self.0.len() / 2].0
    }

    /// The most unsure frame.
    fn worst(&self) -> Option<(u32, Unsure, (usize, usize))> {
        let parts = self.0.iter().filter_map(|(frame, doubt)| match *doubt {
            Doubt::Part(unsure, size) => Some((*frame, unsure, size)),
            Doubt::Cut => None,
        });
        parts.max_by(|a, b| a.1.share.total_cmp(&b.1.share))
    }

    fn line(&self) -> String {
        let frames = match self.ends() {
            (first, last) if first == last => format!("frame {first}"),
            (first, last) => format!("frames {first} to {last}"),
        };
        let middle = self.middle();
        match self.worst() {
            Some((_, unsure, size)) => {
                let [x, y] = around(&unsure, size);
                format!(
                    "{frames}: {:.0} % unsure around {x}, {y}; draw a key near frame {middle}, give a sketch, place \
                     pins, or use another engine",
                    100.0 * unsure.share
                )
            }
            None => format!(
                "{frames}: the keys look like two scenes, so the nearer one is held; draw a key near frame \
                 {middle}, or join them with pins"
            ),
        }
    }

    fn json(&self) -> Value {
        let (first, last) = self.ends();
        let mut told = json!({
            "first": first,
            "last": last,
            "key_near": self.middle(),
            "warning": self.line(),
            "cut": self.worst().is_none(),
        });
        if let Some((worst, unsure, size)) = self.worst() {
            let [width, height] = [size.0, size.1].map(|side| side as f32);
            let [left, top, right, bottom] = unsure.area;
            told["worst"] = json!(worst);
            told["share"] = json!(unsure.share);
            told["around"] = json!(around(&unsure, size));
            told["area"] = json!([left * width, top * height, right * width, bottom * height]);
        }
        told
    }
}

/// The centre of the unsure area, in pixels from the top left corner.
fn around(unsure: &Unsure, (width, height): (usize, usize)) -> [u32; 2] {
    let [x, y] = unsure.middle();
    [(x, width), (y, height)].map(|(share, side)| (share * side as f32).round() as u32)
}

#[cfg(test)]
mod tests {
    use inbetween_core::{Frame, Remarks};

    use super::*;

    fn drawn(share: Option<f32>, cut: bool) -> Drawn {
        let unsure = share.map(|share| Unsure { share, area: [0.25, 0.5, 0.75, 1.0] });
        let remarks = Remarks { unsure, ..Remarks::default() };
        Drawn { frame: Frame::transparent(200, 100).unwrap(), confidence: 1.0, cut, remarks }
    }

    #[test]
    fn runs_of_frames_are_told_in_one_line_each() {
        let mut doubts = Doubts::default();
        let shares = [None, Some(0.1), Some(0.14), Some(0.12), None, Some(0.3)];
        for (number, share) in (2..).zip(shares) {
            doubts.note(number, &drawn(share, false));
        }
        doubts.note(8, &drawn(None, true));
        let lines = doubts.lines();
        assert_eq!(
            lines[0],
            "frames 3 to 5: 14 % unsure around 100, 75; draw a key near frame 4, give a sketch, place pins, or use \
             another engine"
        );
        assert!(lines[1].starts_with("frame 7: 30 % unsure around 100, 75"), "{}", lines[1]);
        assert!(lines[2].starts_with("frame 8: the keys look like two scenes"), "{}", lines[2]);
        assert_eq!(lines.len(), 3);
        let json = doubts.json();
        assert_eq!((&json[0]["worst"], &json[0]["around"]), (&json!(4), &json!([100, 75])));
        assert_eq!(json[0]["area"], json!([50.0, 50.0, 150.0, 100.0]));
        assert_eq!(json[2]["cut"], json!(true));
    }
}
