//! Writes JPEG files like the key's: with the same tables, sampling and segments. Unchanged areas
//! then keep their values, instead of being rounded again by other tables.

use jpeg_encoder::{
    ColorType, Encoder, PixelDensity, PixelDensityUnit, QuantizationTableType, SamplingFactor,
};

/// Quality if there is no key to imitate.
const QUALITY: u8 = 97;

/// Positions of the coefficients of a block in file order (ITU-T T.81, figure A.6).
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The way in which a JPEG file is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Jpeg {
    /// Numbers and contents of application segments.
    segments: Vec<(u8, Vec<u8>)>,
    /// Quantisation tables of luma and chroma, row by row.
    tables: Option<[Box<[u16; 64]>; 2]>,
    sampling: Option<SamplingFactor>,
    progressive: bool,
    /// Pixels per inch or centimetre, or the pixel aspect ratio.
    density: PixelDensity,
}

impl Jpeg {
    /// The way in which this file was written.
    pub(super) fn of(file: &[u8]) -> Self {
        let mut found = Self::default();
        let mut tables: [Option<Box<[u16; 64]>>; 4] = Default::default();
        let mut components: Vec<[u8; 3]> = Vec::new();
        for (marker, content) in segments(file) {
            match marker {
                // The encoder writes this segment itself.
                0xe0 => found.density = density_of(content).unwrap_or(found.density),
                // Left out: Adobe's segment (14), which the encoder writes itself, and the index of
                // further pictures in the file (MPF), whose offsets would be wrong.
                0xe1..=0xed if !content.starts_with(b"MPF\0") => {
                    found.segments.push((marker - 0xe0, content.to_vec()));
                }
                0xdb => read_tables(content, &mut tables),
                0xc0..=0xc2 => {
                    found.progressive = marker == 0xc2;
                    let (listed, _) = content.get(6..).unwrap_or_default().as_chunks::<3>();
                    components = listed.to_vec();
                }
                _ => {}
            }
        }
        let table = |component: Option<&[u8; 3]>| {
            component.and_then(|[_, _, table]| tables[usize::from(table & 3)].clone())
        };
        if let Some(light) = table(components.first()) {
            let colour = table(components.get(1)).unwrap_or_else(|| light.clone());
            found.tables = Some([light, colour]);
        }
        if let [[_, light, _], [_, 0x11, _], [_, 0x11, _]] = components[..] {
            found.sampling = SamplingFactor::from_factors(light >> 4, light & 15);
        }
        found
    }

    /// The same without the colour profile, for pixels that it does not apply to.
    pub(super) fn without_profile(&self) -> Self {
        let segments = self.segments.iter().filter(|(_, content)| !is_profile(content));
        Self { segments: segments.cloned().collect(), ..self.clone() }
    }

    /// Plain settings with this colour profile.
    pub(super) fn with_profile(profile: Option<&[u8]>) -> Self {
        const MOST: usize = 65_000;
        let parts: Vec<&[u8]> = profile.unwrap_or_default().chunks(MOST).collect();
        let head = |at: usize| [&b"ICC_PROFILE\0"[..], &[at as u8 + 1, parts.len() as u8]].concat();
        let segment = |(at, part): (usize, &&[u8])| (2, [&head(at), *part].concat());
        Self { segments: parts.iter().enumerate().map(segment).collect(), ..Self::default() }
    }

    /// The contents of a file with these samples of 8 bits.
    pub(super) fn encode(
        &self,
        samples: &[u8],
        (width, height): (u32, u32),
        colour: bool,
    ) -> Result<Vec<u8>, String> {
        let side = |side: u32| {
            u16::try_from(side)
                .map_err(|_| "a JPEG file has at most 65535 pixels along a side".to_owned())
        };
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, QUALITY);
        encoder.set_optimized_huffman_tables(true);
        encoder.set_sampling_factor(self.sampling.unwrap_or(SamplingFactor::R_4_4_4));
        encoder.set_progressive(self.progressive);
        encoder.set_density(self.density);
        if let Some([light, colour]) = self.tables.clone() {
            encoder.set_quantization_tables(
                QuantizationTableType::Custom(light),
                QuantizationTableType::Custom(colour),
            );
        }
        for (number, content) in &self.segments {
            encoder.add_app_segment(*number, content.clone()).map_err(|err| err.to_string())?;
        }
        let kind = if colour { ColorType::Rgb } else { ColorType::Luma };
        encoder
            .encode(samples, side(width)?, side(height)?, kind)
            .map_err(|err| err.to_string())?;
        Ok(file)
    }
}

/// The density in JFIF's segment (ITU-T T.871, clause 10.1); `None` where it makes no sense.
fn density_of(content: &[u8]) -> Option<PixelDensity> {
    let told = content.strip_prefix(b"JFIF\0")?;
    let [_, _, unit, x1, x2, y1, y2] = *told.first_chunk()?;
    let unit = match unit {
        0 => PixelDensityUnit::PixelAspectRatio,
        1 => PixelDensityUnit::Inches,
        2 => PixelDensityUnit::Centimeters,
        _ => return None,
    };
    let density = (u16::from_be_bytes([x1, x2]), u16::from_be_bytes([y1, y2]));
    (density.0 > 0 && density.1 > 0).then_some(PixelDensity { density, unit })
}

fn is_profile(content: &[u8]) -> bool {
    content.starts_with(b"ICC_PROFILE\0")
}

/// Markers and contents of the segments before the compressed picture.
fn segments(file: &[u8]) -> Vec<(u8, &[u8])> {
    let mut all = Vec::new();
    let mut at = 2;
    while let Some([0xff, marker, high, low]) = file.get(at..).and_then(|rest| rest.first_chunk()) {
        if *marker == 0xff {
            at += 1;
            continue;
        }
        let length = usize::from(u16::from_be_bytes([*high, *low])).max(2);
        let Some(content) = file.get(at + 4..at + 2 + length) else { break };
        all.push((*marker, content));
        if *marker == 0xda {
            break;
        }
        at += 2 + length;
    }
    all
}

fn read_tables(mut content: &[u8], tables: &mut [Option<Box<[u16; 64]>>; 4]) {
    while let Some((head, rest)) = content.split_first() {
        let wide = head >> 4 != 0;
        let Some((values, after)) = rest.split_at_checked(if wide { 128 } else { 64 }) else {
            return;
        };
        let mut table = Box::new([1_u16; 64]);
        for (at, place) in ZIGZAG.iter().enumerate() {
            table[*place] = if wide {
                u16::from_be_bytes([values[2 * at], values[2 * at + 1]])
            } else {
                u16::from(values[at])
            };
        }
        tables[usize::from(head & 3)] = Some(table);
        content = after;
    }
}
