//! What is to be said of a drawing, as bytes behind its pixels.
//!
//! A drawing without remarks has no such bytes. Otherwise they are the number of loose pins and then each of them,
//! one byte for each.

use crate::Remarks;

pub(super) fn pack(remarks: &Remarks) -> Vec<u8> {
    let Remarks { loose_pins } = remarks;
    if *remarks == Remarks::default() {
        return Vec::new();
    }
    let mut bytes = vec![loose_pins.len() as u8];
    bytes.extend(loose_pins.iter().map(|&pin| pin as u8));
    bytes
}

/// `None` when these bytes are no remarks.
pub(super) fn unpack(bytes: &[u8]) -> Option<Remarks> {
    let Some((&count, pins)) = bytes.split_first() else { return Some(Remarks::default()) };
    let loose_pins = pins.iter().map(|&pin| usize::from(pin)).collect();
    (pins.len() == usize::from(count)).then_some(Remarks { loose_pins })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read_again_and_anything_else_refused() {
        for remarks in [
            Remarks::default(),
            Remarks { loose_pins: vec![0, 11] },
            Remarks { loose_pins: vec![3] },
        ] {
            let bytes = pack(&remarks);
            assert_eq!(unpack(&bytes), Some(remarks.clone()));
            assert_eq!(bytes.is_empty(), remarks == Remarks::default());
            if !bytes.is_empty() {
                assert_eq!(unpack(&[&bytes[..], &[0]].concat()), None);
                assert_eq!(unpack(&bytes[..bytes.len() - 1]).filter(|r| *r == remarks), None);
            }
        }
        assert_eq!(unpack(&[0, 2]), None);
    }
}
