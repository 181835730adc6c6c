//! `--pin`: the place of a point in the first key and in the last, in pixels.

use std::str::FromStr;

use inbetween_core::{Pin, WayPoint};

/// A pin as it is typed: pixels to the right and down from the top left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PixelPin {
    first: [f64; 2],
    last: [f64; 2],
    way: Option<(f64, [f64; 2])>,
}

impl PixelPin {
    /// The pin on keys of this width and height.
    pub(crate) fn on(&self, (width, height): (usize, usize)) -> Pin {
        let share = |[x, y]: [f64; 2]| [x / width as f64, y / height as f64];
        let way = self.way.map(|(position, at)| WayPoint { position, at: share(at) });
        Pin { first: share(self.first), last: share(self.last), way }
    }
}

impl FromStr for PixelPin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "\"{text}\" is no pin; write one as 100,80:240,60 or, with a point on the way at 0.5, as \
                 100,80:240,60@0.5:170,20"
            )
        };
        let number =
            |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let place = |text: &str| {
            let (x, y) = text.split_once(',')?;
            Some([number(x)?, number(y)?])
        };
        let ends = |text: &str| {
            let (first, last) = text.split_once(':')?;
            Some((place(first)?, place(last)?))
        };
        let passing = |text: &str| {
            let (when, at) = text.split_once(':')?;
            Some((number(when)?, place(at)?))
        };
        let (straight, way) = match text.split_once('@') {
            Some((straight, way)) => (straight, Some(passing(way).ok_or_else(wrong)?)),
            None => (text, None),
        };
        let (first, last) = ends(straight).ok_or_else(wrong)?;
        Ok(Self { first, last, way })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_in_pixels_and_kept_as_shares() {
        let pin = "100,80:-240.5, 60".parse::<PixelPin>().unwrap().on((400, 200));
        let wanted = Pin { first: [0.25, 0.4], last: [-0.60125, 0.3], way: None };
        assert_eq!(pin, wanted);
        let pin = "0,0:400,200@0.25:200,100".parse::<PixelPin>().unwrap().on((400, 200));
        assert_eq!(pin.way, Some(WayPoint { position: 0.25, at: [0.5, 0.5] }));
    }

    #[test]
    fn what_is_no_pin_is_told_how_one_is_written() {
        for wrong in
            ["", "1,2", "1,2:3", "1,2:3,x", "1,2:3,nan", "1,2:3,4@5", "1,2:3,4@:5,6", "1;2:3;4"]
        {
            let said = wrong.parse::<PixelPin>().unwrap_err();
            assert!(said.contains("100,80:240,60"), "{said}");
        }
    }
}
