//! Values as shown on a display, and their lightness.

use inbetween_core::Encoding;
use inbetween_core::colour::linear_to_srgb;

/// Highlights above display white are compressed to stay below this.
const CEILING: f32 = 1.25;

/// Display value of a host value: the identity within 0..=1 of an sRGB frame; highlights are
/// compressed.
pub(crate) fn display(v: f32, encoding: Encoding) -> f32 {
    let v = v.max(0.0);
    let v = match encoding {
        Encoding::Srgb => v,
        Encoding::Linear => linear_to_srgb(v),
    };
    let room = CEILING - 1.0;
    if v <= 1.0 { v } else { 1.0 + room * (1.0 - libm::expf(-(v - 1.0) / room)) }
}

/// Approximate lightness of a colour.
pub(crate) fn grey([r, g, b]: [f32; 3]) -> f32 {
    0.3 * r + 0.6 * g + 0.1 * b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_value_is_itself_and_highlights_stay_apart() {
        for v in [0.0, 0.2, 0.7, 1.0] {
            assert_eq!(display(v, Encoding::Srgb), v);
        }
        assert!((display(0.214, Encoding::Linear) - 0.5).abs() < 1e-3);
        let shown = [1.0, 1.5, 2.0].map(|v| display(v, Encoding::Srgb));
        assert!(shown[0] < shown[1] && shown[1] < shown[2] && shown[2] < CEILING);
        assert_eq!(display(-3.0, Encoding::Linear), 0.0);
    }
}
