//! Remarks on a drawing, as bytes that follow its pixels.
//!
//! Without remarks there are no bytes at all. Otherwise, little-endian: the number of loose pins
//! and each of their indices as one byte, a byte that is 1 where something is unsure, and then its
//! share and area as five 32-bit floats.

use crate::{Remarks, Unsure};

pub(super) fn pack(remarks: &Remarks) -> Vec<u8> {
    let Remarks { loose_pins, unsure } = remarks;
    if *remarks == Remarks::default() {
        return Vec::new();
    }
    let mut bytes = vec![loose_pins.len() as u8];
    bytes.extend(loose_pins.iter().map(|&pin| pin as u8));
    bytes.push(u8::from(unsure.is_some()));
    if let Some(Unsure { share, area }) = unsure {
        let numbers = std::iter::once(share).chain(area);
        bytes.extend(numbers.flat_map(|number| number.to_le_bytes()));
    }
    bytes
}

/// `None` when these bytes are not valid remarks.
pub(super) fn unpack(bytes: &[u8]) -> Option<Remarks> {
    let Some((&count, rest)) = bytes.split_first() else { return Some(Remarks::default()) };
    let (pins, rest) = rest.split_at_checked(usize::from(count))?;
    let loose_pins = pins.iter().map(|&pin| usize::from(pin)).collect();
    let (&unsure, rest) = rest.split_first()?;
    let unsure = match (unsure, rest.as_chunks::<4>()) {
        (0, ([], [])) => None,
        (1, (&[share, left, top, right, bottom], [])) => {
            let number =
                |bytes| Some(f32::from_le_bytes(bytes)).filter(|n| (0.0..=1.0).contains(n));
            let area = [number(left)?, number(top)?, number(right)?, number(bottom)?];
            Some(Unsure { share: number(share)?, area })
        }
        _ => return None,
    };
    Some(Remarks { loose_pins, unsure })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read_again_and_anything_else_refused() {
        let unsure = Some(Unsure { share: 0.25, area: [0.0, 0.25, 0.5, 1.0] });
        for remarks in [
            Remarks::default(),
            Remarks { loose_pins: vec![0, 11], unsure: None },
            Remarks { loose_pins: Vec::new(), unsure },
            Remarks { loose_pins: vec![3], unsure },
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
        let share = [&[0, 1][..], &f32::NAN.to_le_bytes(), &[0; 16]].concat();
        assert_eq!(unpack(&share), None);
    }
}
