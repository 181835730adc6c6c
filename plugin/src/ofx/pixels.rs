//! Converts samples of any depth to floats and back, one row at a time. Pure: no host is involved.

use std::ffi::CStr;

use half::f16;
use inbetween_core::frame::finite;
use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::image_effect::*;

/// How a sample is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// 8 bits, 255 is 1.
    Byte,
    /// 16 bits, 65535 is 1.
    Short,
    /// 16-bit float.
    Half,
    /// 32-bit float.
    Float,
}

impl Depth {
    /// Every depth, in the order in which it is declared.
    pub(crate) const ALL: [Self; 4] = [Self::Float, Self::Half, Self::Short, Self::Byte];

    /// The name that hosts use.
    pub(crate) fn name(self) -> &'static CStr {
        match self {
            Self::Byte => kOfxBitDepthByte,
            Self::Short => kOfxBitDepthShort,
            Self::Half => kOfxBitDepthHalf,
            Self::Float => kOfxBitDepthFloat,
        }
    }

    /// Bytes per sample.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Byte => 1,
            Self::Short | Self::Half => 2,
            Self::Float => 4,
        }
    }

    /// Whether values above 1 and below 0 can be stored.
    pub(crate) fn is_float(self) -> bool {
        matches!(self, Self::Half | Self::Float)
    }
}

/// The samples of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Components {
    /// Red, green, blue, alpha.
    Rgba,
    /// Red, green, blue.
    Rgb,
    /// A single value: a matte or a line test, drawn as if it were grey.
    Alpha,
}

impl Components {
    /// Every kind, in the order in which it is declared.
    pub(crate) const ALL: [Self; 3] = [Self::Rgba, Self::Rgb, Self::Alpha];

    /// The name that hosts use.
    pub(crate) fn name(self) -> &'static CStr {
        match self {
            Self::Rgba => kOfxImageComponentRGBA,
            Self::Rgb => kOfxImageComponentRGB,
            Self::Alpha => kOfxImageComponentAlpha,
        }
    }

    /// Samples per pixel.
    pub(crate) fn count(self) -> usize {
        match self {
            Self::Rgba => 4,
            Self::Rgb => 3,
            Self::Alpha => 1,
        }
    }
}

/// The relation of colour and alpha.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alpha {
    /// Colour was multiplied by alpha.
    Premultiplied,
    /// Colour is independent of alpha.
    Unpremultiplied,
    /// Alpha counts as 1.
    Opaque,
}

impl Alpha {
    /// The state of that name. Hosts that say nothing mean premultiplied, the standard's default.
    pub(crate) fn from_name(name: Option<&str>) -> Self {
        let is = |state: &CStr| name.is_some() && name == state.to_str().ok();
        if is(kOfxImageUnPreMultiplied) {
            Self::Unpremultiplied
        } else if is(kOfxImageOpaque) {
            Self::Opaque
        } else {
            Self::Premultiplied
        }
    }
}

/// How the pixels of an image are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    /// How a sample is stored.
    pub(crate) depth: Depth,
    /// Which samples a pixel has.
    pub(crate) components: Components,
    /// How colour and alpha relate.
    pub(crate) alpha: Alpha,
}

impl Format {
    /// Bytes per pixel.
    pub(crate) fn pixel_bytes(self) -> usize {
        self.depth.bytes() * self.components.count()
    }

    /// Reads a row as finite premultiplied RGBA.
    ///
    /// NaN and infinity are replaced (see [`finite`]). They indicate a broken pixel upstream and
    /// would spread to every place that motion carries them to. `row` has `pixels.len() *
    /// pixel_bytes()` bytes.
    pub(crate) fn decode_row(self, row: &[u8], pixels: &mut [[f32; 4]]) {
        match self.depth {
            Depth::Byte => self.decode(row, pixels, |[v]: [u8; 1]| f32::from(v) / 255.0),
            Depth::Short => {
                self.decode(row, pixels, |v| f32::from(u16::from_ne_bytes(v)) / 65535.0);
            }
            Depth::Half => self.decode(row, pixels, |v| finite(f16::from_ne_bytes(v).to_f32())),
            Depth::Float => self.decode(row, pixels, |v| finite(f32::from_ne_bytes(v))),
        }
    }

    fn decode<const B: usize>(
        self,
        row: &[u8],
        pixels: &mut [[f32; 4]],
        read: impl Fn([u8; B]) -> f32,
    ) {
        let samples = row.as_chunks::<B>().0;
        match self.components {
            Components::Rgba => {
                for (pixel, s) in pixels.iter_mut().zip(samples.as_chunks::<4>().0) {
                    let [r, g, b, a] = [read(s[0]), read(s[1]), read(s[2]), read(s[3])];
                    *pixel = match self.alpha {
                        Alpha::Premultiplied => [r, g, b, a],
                        Alpha::Unpremultiplied => [r * a, g * a, b * a, a],
                        Alpha::Opaque => [r, g, b, 1.0],
                    };
                }
            }
            Components::Rgb => {
                for (pixel, s) in pixels.iter_mut().zip(samples.as_chunks::<3>().0) {
                    *pixel = [read(s[0]), read(s[1]), read(s[2]), 1.0];
                }
            }
            Components::Alpha => {
                for (pixel, &s) in pixels.iter_mut().zip(samples) {
                    let value = read(s);
                    *pixel = [value, value, value, 1.0];
                }
            }
        }
    }

    /// Writes premultiplied RGBA as a row. Integer depths round to nearest and clamp to 0..=1;
    /// float depths keep values outside that range.
    pub(crate) fn encode_row(self, pixels: &[[f32; 4]], row: &mut [u8]) {
        match self.depth {
            Depth::Byte => self.encode(pixels, row, |v| [to_integer(v, 255.0) as u8]),
            Depth::Short => {
                self.encode(pixels, row, |v| (to_integer(v, 65535.0) as u16).to_ne_bytes());
            }
            Depth::Half => self.encode(pixels, row, |v| {
                let (low, high) = (f16::MIN.to_f32(), f16::MAX.to_f32());
                f16::from_f32(v.clamp(low, high)).to_ne_bytes()
            }),
            Depth::Float => self.encode(pixels, row, f32::to_ne_bytes),
        }
    }

    fn encode<const B: usize>(
        self,
        pixels: &[[f32; 4]],
        row: &mut [u8],
        write: impl Fn(f32) -> [u8; B],
    ) {
        let samples = row.as_chunks_mut::<B>().0;
        match self.components {
            Components::Rgba => {
                for (s, &pixel) in samples.as_chunks_mut::<4>().0.iter_mut().zip(pixels) {
                    *s = self.unpremultiplied_if_wanted(pixel).map(&write);
                }
            }
            Components::Rgb => {
                for (s, &[r, g, b, _]) in samples.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
                    *s = [write(r), write(g), write(b)];
                }
            }
            Components::Alpha => {
                for (s, &[value, ..]) in samples.iter_mut().zip(pixels) {
                    *s = write(value);
                }
            }
        }
    }

    fn unpremultiplied_if_wanted(self, [r, g, b, a]: [f32; 4]) -> [f32; 4] {
        match self.alpha {
            Alpha::Premultiplied => [r, g, b, a],
            Alpha::Opaque => [r, g, b, 1.0],
            // Resampled edges may have hardly any alpha but a little more colour.
            Alpha::Unpremultiplied if a > 0.0 => [finite(r / a), finite(g / a), finite(b / a), a],
            Alpha::Unpremultiplied => [0.0, 0.0, 0.0, a],
        }
    }
}

fn to_integer(value: f32, largest: f32) -> f32 {
    (value.clamp(0.0, 1.0) * largest).round()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(depth: Depth, components: Components, alpha: Alpha) -> Format {
        Format { depth, components, alpha }
    }

    fn round_trip(format: Format, row: &[u8]) -> Vec<u8> {
        let mut pixels = vec![[0.0; 4]; row.len() / format.pixel_bytes()];
        format.decode_row(row, &mut pixels);
        let mut back = vec![0; row.len()];
        format.encode_row(&pixels, &mut back);
        back
    }

    #[test]
    fn every_byte_survives_with_every_opaque_or_premultiplied_alpha() {
        let row: Vec<u8> = (0..=255).flat_map(|v| [v, 255 - v, v / 2, v]).collect();
        let premultiplied = format(Depth::Byte, Components::Rgba, Alpha::Premultiplied);
        assert_eq!(round_trip(premultiplied, &row), row);
        assert_eq!(
            round_trip(format(Depth::Byte, Components::Rgb, Alpha::Opaque), &row[..255]),
            row[..255]
        );
        assert_eq!(round_trip(format(Depth::Byte, Components::Alpha, Alpha::Opaque), &row), row);
    }

    #[test]
    fn next_to_no_alpha_makes_no_infinity() {
        for a in [1e-3, 1e-7, 1e-30, 1e-42] {
            let pixel = [0.05, -0.05, a, a];
            let straight = |depth| format(depth, Components::Rgba, Alpha::Unpremultiplied);
            let mut half = [0u8; 8];
            straight(Depth::Half).encode_row(&[pixel], &mut half);
            let half = half.as_chunks().0.iter().map(|v| f16::from_ne_bytes(*v).to_f32());
            let mut float = [0u8; 16];
            straight(Depth::Float).encode_row(&[pixel], &mut float);
            let float = float.as_chunks().0.iter().map(|v| f32::from_ne_bytes(*v));
            for v in half.chain(float) {
                assert!(v.is_finite(), "alpha {a} gives {v}");
            }
        }
    }

    #[test]
    fn every_unpremultiplied_byte_survives_unless_it_is_invisible() {
        for alpha in 0..=255u8 {
            let row: Vec<u8> = (0..=255).flat_map(|v| [v, 255 - v, v, alpha]).collect();
            let straight = format(Depth::Byte, Components::Rgba, Alpha::Unpremultiplied);
            let expected = if alpha == 0 { vec![0; row.len()] } else { row.clone() };
            assert_eq!(round_trip(straight, &row), expected, "alpha {alpha}");
        }
    }

    #[test]
    fn every_short_survives() {
        let row: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_ne_bytes).collect();
        assert_eq!(round_trip(format(Depth::Short, Components::Alpha, Alpha::Opaque), &row), row);
    }

    #[test]
    fn high_and_negative_values_survive_in_float_depths() {
        let values = [-2.5_f32, 0.0, 0.5, 1.0, 12.0, 300.0, 0.25, 1.0];
        let floats: Vec<u8> = values.iter().flat_map(|v| v.to_ne_bytes()).collect();
        let rgba = |depth| format(depth, Components::Rgba, Alpha::Premultiplied);
        assert_eq!(round_trip(rgba(Depth::Float), &floats), floats);
        let halves: Vec<u8> = values.iter().flat_map(|&v| f16::from_f32(v).to_ne_bytes()).collect();
        assert_eq!(round_trip(rgba(Depth::Half), &halves), halves);
    }

    #[test]
    fn broken_samples_become_finite() {
        let values = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0];
        let row: Vec<u8> = values.iter().flat_map(|v| v.to_ne_bytes()).collect();
        let mut pixels = [[0.0; 4]];
        format(Depth::Float, Components::Rgba, Alpha::Premultiplied).decode_row(&row, &mut pixels);
        assert_eq!(pixels, [[0.0, 65504.0, -65504.0, 1.0]]);
    }

    #[test]
    fn integer_depths_clamp() {
        let mut row = [0; 4];
        let bytes = format(Depth::Byte, Components::Rgba, Alpha::Premultiplied);
        bytes.encode_row(&[[-1.0, 2.0, 0.5, 1.0]], &mut row);
        assert_eq!(row, [0, 255, 128, 255]);
    }
}
