//! Pins: points of a drawing whose path from key to key the artist sets.

use serde::{Deserialize, Serialize};

use crate::Error;

/// Most pins that a span may have.
pub const MOST_PINS: usize = 12;

/// A point of a figure, with its place in the first key and in the last.
///
/// Places are shares of the picture's width and height, to the right and down from its top left
/// corner: (0, 0) is the outer corner of the first pixel, (1, 1) that of the last. So they mean the
/// same at any size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pin {
    /// Its place in the first key.
    pub first: [f64; 2],
    /// Its place in the last key.
    pub last: [f64; 2],
    /// A place it passes on the way; without one, the path is straight.
    pub way: Option<WayPoint>,
}

/// A place that a pin passes, and when.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WayPoint {
    /// The position at which it is there: strictly between 0 (first key) and 1 (last key).
    pub position: f64,
    /// The place, in the same units as the ends of the pin.
    pub at: [f64; 2],
}

/// Checks the pins of a span. One end of a pin may lie outside the picture, because a figure may
/// leave it.
///
/// # Errors
/// [`Error::Setting`] when there are more than [`MOST_PINS`], when a pin has no end in the picture
/// or lies farther outside than the picture is large, or when a way point is not between the keys.
pub fn check(pins: &[Pin]) -> Result<(), Error> {
    let refuse =
        |value: String, allowed: &'static str| Err(Error::Setting { name: "Pins", value, allowed });
    if pins.len() > MOST_PINS {
        return refuse(format!("{} at once", pins.len()), "12 are the most");
    }
    // NaN fails this comparison, as it should.
    let within = |at: &[f64; 2], beyond: f64| {
        at.iter().all(|share| (-beyond..=1.0 + beyond).contains(share))
    };
    for (number, pin) in (1..).zip(pins) {
        let way = pin.way.iter().map(|way| &way.at);
        let near = [&pin.first, &pin.last].into_iter().chain(way).all(|at| within(at, 1.0));
        if !near || !within(&pin.first, 0.0) && !within(&pin.last, 0.0) {
            return refuse(
                format!("outside the picture, as pin {number} is"),
                "put at least one end on the figure that it binds, and the rest no farther outside than the \
                 picture is large",
            );
        }
        if pin.way.is_some_and(|way| !(way.position > 0.0 && way.position < 1.0)) {
            return refuse(
                format!("passed at a key, as pin {number} is"),
                "the point on the way has a time above 0 and below 1",
            );
        }
    }
    Ok(())
}

/// The message about a pin that binds nothing; `number` counts from 1.
pub fn loose(number: usize) -> String {
    format!(
        "Pin {number} lies on the background in both keys and moves nothing: put one end of it on a figure."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(first: [f64; 2], last: [f64; 2]) -> Pin {
        Pin { first, last, way: None }
    }

    #[test]
    fn a_figure_may_leave_the_picture_or_enter_it() {
        for good in
            [pin([0.0, 1.0], [1.0, 0.0]), pin([0.5; 2], [1.5, 0.5]), pin([-0.2; 2], [0.5; 2])]
        {
            check(&[good]).unwrap();
        }
        check(&[pin([0.5; 2], [0.6; 2]); MOST_PINS]).unwrap();
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let passing = |position| Pin {
            way: Some(WayPoint { position, at: [0.5; 2] }),
            ..pin([0.5; 2], [0.6; 2])
        };
        let said = |pins: &[Pin]| check(pins).unwrap_err().user_message();
        for (bad, word) in [
            (pin([1.1, 0.5], [0.5, 1.2]), "outside the picture, as pin 2 is"),
            (pin([0.5; 2], [2.1, 0.5]), "outside the picture, as pin 2 is"),
            (pin([f64::NAN, 0.5], [0.5; 2]), "outside the picture, as pin 2 is"),
            (passing(0.0), "above 0 and below 1"),
            (passing(f64::NAN), "above 0 and below 1"),
        ] {
            let said = said(&[pin([0.1; 2], [0.2; 2]), bad]);
            assert!(said.contains(word), "{said}");
        }
        assert!(said(&[pin([0.5; 2], [0.5; 2]); MOST_PINS + 1]).contains("13 at once"));
    }
}
