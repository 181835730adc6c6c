//! Scalar functions in a form that vectorises: no branches, no calls, no tables.
//!
//! They use fused multiply-adds, which are one instruction when compiled for an instruction set
//! that has it. A processor without it (x86 before 2013) computes the same values, but slowly.

/// `e^x` in f32, with a relative error below 4e-7 inside -80..88. It is clamped outside, so that
/// small results times small factors do not become denormal: computing with denormals takes a
/// hundred times longer.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding 1.5 * 2^23 rounds to the nearest integer, which ends up in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-80.0, 88.0);
    let rounded = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = n.mul_add(-LN2_HIGH, x);
    let r = n.mul_add(-LN2_LOW, r);
    // Taylor series to r^6 / 720: the next term is below 2e-7 for |r| <= ln(2) / 2.
    let p = 1.0f32 / 720.0;
    let p = p.mul_add(r, 1.0 / 120.0);
    let p = p.mul_add(r, 1.0 / 24.0);
    let p = p.mul_add(r, 1.0 / 6.0);
    let p = p.mul_add(r, 0.5);
    let p = p.mul_add(r, 1.0);
    let p = p.mul_add(r, 1.0);
    // 2^n: n + 127, which is in 11..=254, becomes the exponent; higher bits are shifted out. NaN
    // turns into some number here, but the product is NaN again.
    let scale = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    p * scale
}

/// `x * sigmoid(x)`.
#[inline(always)]
pub(crate) fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// The exact (erf) form of GELU; absolute error below 4e-7 * |x|.
#[inline(always)]
pub(crate) fn gelu(x: f32) -> f32 {
    x * 0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// The error function, absolute error below 4e-7.
///
/// `erfc(x) e^(x*x)` is smooth in `q = 1 / (1 + 0.36 x)`. The polynomial is a least-squares fit on
/// Chebyshev nodes over x in 0..9.5.
#[inline(always)]
pub(crate) fn erf(x: f32) -> f32 {
    let t = x.abs();
    let q = 1.0 / t.mul_add(0.36, 1.0);
    let p = 0.064_641_14f32;
    let p = p.mul_add(q, -0.347_889_54);
    let p = p.mul_add(q, 0.634_839);
    let p = p.mul_add(q, -0.453_147_4);
    let p = p.mul_add(q, 0.428_179_3);
    let p = p.mul_add(q, 0.056_446_13);
    let p = p.mul_add(q, 0.213_461_37);
    let p = p.mul_add(q, 0.200_208_3);
    let p = p.mul_add(q, 0.203_261_63);
    let tail = p * q * exp(-t * t);
    (1.0 - tail).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_follows_the_library() {
        for i in -8000..8700 {
            let x = i as f32 * 0.01;
            let want = f64::from(x).exp();
            let error = (f64::from(exp(x)) - want).abs() / want;
            assert!(error < 4e-7, "exp({x}): relative error {error:e}");
        }
    }

    #[test]
    fn gelu_knows_its_values() {
        // erf(1/sqrt 2) = 0.682689492137..., erf(3/sqrt 2) = 0.997300203936...
        for (x, want) in [(0.0, 0.0), (1.0, 0.841_344_7), (-1.0, -0.158_655_25), (3.0, 2.995_950_3)]
        {
            assert!((gelu(x) - want).abs() < 2e-6, "gelu({x}) = {}", gelu(x));
        }
        assert_eq!(gelu(20.0), 20.0);
        assert_eq!(gelu(-20.0), 0.0);
    }
}
