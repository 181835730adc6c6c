//! Pins as the artist set them: reads them, shows those in use, and puts new ones where they can be
//! seen.

use inbetween_core::settings::list::{PINS, PinSettings};
use inbetween_core::settings::{Point, Setting};

use super::reader::ParamReader;
use super::rows::{PIN_COUNT, USE_PINS};
use crate::ofx::{IfKnown, ParamSet, Region, Result};

/// A place in canonical coordinates: x grows to the right, y upwards, and pixels may be wider than
/// high.
pub(crate) type HostPoint = [f64; 2];

/// A pin with its places in canonical coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PinChoice {
    /// Its number, from 1.
    pub(crate) number: usize,
    pub(crate) first: HostPoint,
    pub(crate) last: HostPoint,
    /// The position at which it passes a place, and that place.
    pub(crate) way: Option<(f64, HostPoint)>,
}

impl PinChoice {
    /// Whether both its ends are still where new pins start, in a project that covers `project`.
    pub(crate) fn is_unplaced(&self, project: Option<Region>) -> bool {
        self.first == self.last && is_default(self.first, project)
    }
}

/// Whether a place is one that nobody has chosen: the middle of the project, or the plain default
/// in hosts that do not convert it to the project's coordinates.
fn is_default(place: HostPoint, project: Option<Region>) -> bool {
    let near = |other: HostPoint| (0..2).all(|c| (place[c] - other[c]).abs() < 0.51);
    place == [0.0; 2]
        || place == PINS[0].first.kind.default
        || project.is_some_and(|p| near(p.middle()))
}

/// The pins in use.
pub(crate) fn read(pick: &ParamReader<'_>) -> Result<Vec<PinChoice>> {
    if !pick.switch(&USE_PINS)? {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for (number, pin) in in_use(pick)? {
        let (Some(first), Some(last)) = (pick.point(&pin.first)?, pick.point(&pin.last)?) else {
            continue;
        };
        let when = pick.number(&pin.when)?;
        let way = if passes(when) { pick.point(&pin.way)?.map(|way| (when, way)) } else { None };
        found.push(PinChoice { number, first, last, way });
    }
    Ok(found)
}

fn in_use(pick: &ParamReader<'_>) -> Result<impl Iterator<Item = (usize, &'static PinSettings)>> {
    Ok((1..).zip(&PINS).take(pick.whole(&PIN_COUNT)? as usize))
}

/// At a key there is no way point.
fn passes(when: f64) -> bool {
    when > 0.0 && when < 1.0
}

/// Hides what is not used: everything but the switch until it is turned on.
pub(crate) fn show(params: &ParamSet<'_>, pick: &ParamReader<'_>, used: bool) {
    let count = if used { pick.whole(&PIN_COUNT).unwrap_or(0) as usize } else { 0 };
    params.set_secret(PIN_COUNT.id, !used).if_known();
    for (number, pin) in (1..).zip(&PINS) {
        let shown = number <= count;
        let bent = shown && pick.number(&pin.when).is_ok_and(passes);
        for id in [pin.first.id, pin.last.id, pin.when.id] {
            params.set_secret(id, !shown).if_known();
        }
        params.set_secret(pin.way.id, !bent).if_known();
    }
}

/// After the parameter `changed` has changed, puts pins where they can be seen. In hosts whose
/// defaults are in pixels, pins that came into use move to the middle of the project. A way point
/// that came into use moves onto the straight path. Call this in InstanceChanged only, where
/// parameters may be set.
pub(crate) fn put(
    params: &ParamSet<'_>,
    pick: &ParamReader<'_>,
    project: Option<Region>,
    changed: &str,
) -> Result<()> {
    let is = |id: &std::ffi::CStr| id.to_str() == Ok(changed);
    let at = |of: &Setting<Point>| pick.point(of).ok().flatten();
    if (is(USE_PINS.id) || is(PIN_COUNT.id)) && pick.switch(&USE_PINS)? {
        let Some(middle) = project.map(Region::middle) else { return Ok(()) };
        for (_, pin) in in_use(pick)? {
            if [&pin.first, &pin.last].into_iter().all(|of| at(of) == Some([0.0; 2])) {
                params.set_point(pin.first.id, middle).if_known();
                params.set_point(pin.last.id, middle).if_known();
            }
        }
    }
    for pin in PINS.iter().filter(|pin| is(pin.when.id)) {
        let when = pick.number(&pin.when)?;
        if let (Some(first), Some(last), Some(way)) = (at(&pin.first), at(&pin.last), at(&pin.way))
            && passes(when)
            && is_default(way, project)
        {
            let place = [0, 1].map(|c| first[c] + when * (last[c] - first[c]));
            params.set_point(pin.way.id, place).if_known();
        }
    }
    Ok(())
}
