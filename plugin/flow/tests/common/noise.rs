// This file is also part of the unit tests in `src/grain.rs`.

/// Roughly normal noise with deviation 1; each seed gives its own value.
pub(crate) fn noise(seed: u64) -> f32 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D_4C95_7F2D;
    let mut sum = 0.0;
    for _ in 0..12 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        sum += (state >> 40) as f32 / (1 << 24) as f32;
    }
    sum - 6.0
}
