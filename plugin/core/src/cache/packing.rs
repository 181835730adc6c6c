//! Lossless compression of pixels.
//!
//! Drawings consist of flat areas and slow gradients. Stored as 32-bit floats, neighbouring pixels
//! share most of their bits. A picture is packed in bands, and each channel of a band separately,
//! so that all cores can pack and unpack with little memory beyond the picture itself.
//!
//! | bytes | content |
//! |-------|---------|
//! | 4 for each piece | length of the piece, little-endian |
//! | the pieces | band after band; in each band red, green, blue, alpha, as the crate `pco` packs numbers |

use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress_into};
use rayon::prelude::*;

/// Pixels of a band.
const BAND: usize = 1 << 16;

/// Compression level of `pco`, 0 to 12. One step more takes much longer and gains little.
const LEVEL: usize = 6;

/// Size in bytes of the table of lengths for this many pixels.
fn table_bytes(pixels: usize) -> usize {
    pixels.div_ceil(BAND) * 4 * size_of::<u32>()
}

/// Packs pixels; `None` when the library refuses them, which should never happen.
pub(super) fn pack(pixels: &[[f32; 4]]) -> Option<Vec<u8>> {
    let config = ChunkConfig::default().with_compression_level(LEVEL);
    let piece = |band: &[[f32; 4]], channel: usize| {
        let samples: Vec<f32> = band.iter().map(|pixel| pixel[channel]).collect();
        simple_compress(&samples, &config).ok()
    };
    let bands: Option<Vec<[Vec<u8>; 4]>> = pixels
        .par_chunks(BAND)
        .map(|band| Some([piece(band, 0)?, piece(band, 1)?, piece(band, 2)?, piece(band, 3)?]))
        .collect();
    let pieces = bands?;
    let pieces = pieces.as_flattened();
    let mut packed =
        Vec::with_capacity(table_bytes(pixels.len()) + pieces.iter().map(Vec::len).sum::<usize>());
    for piece in pieces {
        packed.extend_from_slice(&u32::try_from(piece.len()).ok()?.to_le_bytes());
    }
    pieces.iter().for_each(|piece| packed.extend_from_slice(piece));
    Some(packed)
}

/// Unpacks into `pixels`; `None` when a different number of pixels was packed. Allocates no more
/// than a band for each core, whatever `packed` claims.
pub(super) fn unpack(packed: &[u8], pixels: &mut [[f32; 4]]) -> Option<()> {
    let (table, mut rest) = packed.split_at_checked(table_bytes(pixels.len()))?;
    let mut pieces = Vec::with_capacity(table.len() / size_of::<u32>());
    for length in table.as_chunks().0 {
        let (piece, after) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        pieces.push(piece);
        rest = after;
    }
    let (pieces, []) = (pieces.as_chunks::<4>().0, rest) else { return None };
    pixels.par_chunks_mut(BAND).zip(pieces).try_for_each(|(band, pieces)| {
        let mut samples = vec![0.0_f32; band.len()];
        for (channel, piece) in pieces.iter().enumerate() {
            let progress = simple_decompress_into(piece, &mut samples).ok()?;
            if !progress.finished || progress.n_processed != band.len() {
                return None;
            }
            band.iter_mut().zip(&samples).for_each(|(pixel, sample)| pixel[channel] = *sample);
        }
        Some(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(packed: &[u8], count: usize) -> Option<Vec<[u32; 4]>> {
        let mut pixels = vec![[0.0; 4]; count];
        unpack(packed, &mut pixels)?;
        Some(pixels.iter().map(|pixel| pixel.map(f32::to_bits)).collect())
    }

    #[test]
    fn every_bit_comes_back() {
        let odd = [0, 1 << 31, 1, 0x7f7f_ffff, 0x7fc0_1234, 0xff80_0000, 0x0080_0000, 0x3f80_0001];
        for count in [1, 2, 15, BAND - 1, BAND, BAND + 1, 3 * BAND + 7] {
            let mut state = 1_u32;
            let mut sample = |at: usize| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                match at % 3 {
                    0 => odd[at / 3 % odd.len()],
                    1 => state,
                    _ => 0.25_f32.to_bits(),
                }
            };
            let bits: Vec<[u32; 4]> =
                (0..count).map(|at| std::array::from_fn(|c| sample(4 * at + c))).collect();
            let pixels: Vec<_> = bits.iter().map(|pixel| pixel.map(f32::from_bits)).collect();
            let packed = pack(&pixels).unwrap();
            assert!(unpacked(&packed, count) == Some(bits), "{count} pixels");
            assert!(unpacked(&packed, count + 1).is_none(), "{count} pixels");
            assert!(unpacked(&packed[..packed.len() - 1], count).is_none(), "{count} pixels");
        }
    }

    #[test]
    fn senseless_bytes_are_refused() {
        let pixels: Vec<[f32; 4]> = (0..5000).map(|at| [at as f32, 0.5, 0.1, 1.0]).collect();
        let good = pack(&pixels).unwrap();
        let mut state = 7_u32;
        let mut refused = 0;
        for _ in 0..2000 {
            let mut bad = good.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (state >> 8) as usize % bad.len();
                bad[at] = state as u8;
            }
            // Damaged bytes give other pixels or none. They never cause a panic or take more
            // memory.
            refused += usize::from(unpacked(&bad, pixels.len()).is_none());
        }
        assert!(refused > 100, "{refused}");
    }
}
