//! Scalar functions in a form that vectorises: no branches, no calls, no tables.
//!
//! They use fused multiply-adds, which are one instruction when compiled for an instruction set
//! that has it. A processor without it (x86 before 2013) computes the same values, but slowly.

/// Adding 1.5 * 2^23 rounds to the nearest integer, which ends up in the lowest bits.
const ROUND: f32 = 12_582_912.0;

/// `e^x` in f32, with a relative error below 4e-7 inside -80..88. It is clamped outside, so that
/// small results times small factors do not become denormal: computing with denormals takes a
/// hundred times longer.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
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

/// `2^x` in f32 for `x` below 1, with a relative error below 3e-7, clamped below -115 for the reason that [`exp`] has. It takes
/// fewer steps than that.
#[inline(always)]
pub(crate) fn exp2_below_1(x: f32) -> f32 {
    let x = if x < -115.0 { -115.0 } else { x };
    let rounded = x + ROUND;
    let f = x - (rounded - ROUND);
    // Taylor series to (f ln 2)^6 / 720.
    let p = 1.540_353e-4f32;
    let p = p.mul_add(f, 1.333_355_8e-3);
    let p = p.mul_add(f, 9.618_129e-3);
    let p = p.mul_add(f, 0.055_504_11);
    let p = p.mul_add(f, 0.240_226_5);
    let p = p.mul_add(f, std::f32::consts::LN_2);
    let p = p.mul_add(f, 1.0);
    p * f32::from_bits(rounded.to_bits().wrapping_add(127) << 23)
}

/// `x * sigmoid(x)`.
#[inline(always)]
pub(crate) fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// The exact (erf) form of GELU; absolute error below 3e-7 * |x|.
#[inline(always)]
pub(crate) fn gelu(x: f32) -> f32 {
    x * 0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// The error function, absolute error below 5e-7.
///
/// `x P(x^2) / Q(x^2)`, fitted for the least largest error (6e-8) over -4..4 in double precision. Beyond, the error
/// function is 1 to the last bit, and so is the quotient at the ends. This takes half the time of a form with `exp`.
#[inline(always)]
pub(crate) fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let z = x * x;
    let p = 1.921_691_4e-8f32;
    let p = p.mul_add(z, -1.990_301_6e-6);
    let p = p.mul_add(z, 1.555_361_5e-4);
    let p = p.mul_add(z, 4.293_062_7e-3);
    let p = p.mul_add(z, 0.052_433_543);
    let p = p.mul_add(z, 0.213_945_21);
    let p = p.mul_add(z, 1.128_378_6);
    let q = 1.098_037_2e-3f32;
    let q = q.mul_add(z, 0.015_551_129);
    let q = q.mul_add(z, 0.120_799_84);
    let q = q.mul_add(z, 0.522_931_7);
    let q = q.mul_add(z, 1.0);
    x * p / q
}

/// The sum of 16 values, added in halves: as a chain each addition would wait for the one before.
#[inline(always)]
pub(crate) fn sum(lanes: &[f32; 16]) -> f32 {
    fold(lanes, |a, b| a + b)
}

/// The largest of 16 values, none of which is NaN; see [`sum`].
#[inline(always)]
pub(crate) fn largest(lanes: &[f32; 16]) -> f32 {
    fold(lanes, |a, b| if a > b { a } else { b })
}

#[inline(always)]
fn fold(lanes: &[f32; 16], pair: impl Fn(f32, f32) -> f32) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(|i| pair(lanes[i], lanes[i + 8]));
    let four: [f32; 4] = std::array::from_fn(|i| pair(eight[i], eight[i + 4]));
    pair(pair(four[0], four[2]), pair(four[1], four[3]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative error of `found`.
    fn off(found: f32, want: f64) -> f64 {
        (f64::from(found) - want).abs() / want
    }

    #[test]
    fn exp_follows_the_library() {
        for i in -8000..8700 {
            let x = i as f32 * 0.01;
            let error = off(exp(x), f64::from(x).exp());
            assert!(error < 4e-7, "exp({x}): relative error {error:e}");
        }
    }

    #[test]
    fn exp2_follows_the_library() {
        for i in -11400..100 {
            let x = i as f32 * 0.01;
            let error = off(exp2_below_1(x), f64::from(x).exp2());
            assert!(error < 3e-7, "2^{x}: relative error {error:e}");
        }
        assert!(exp2_below_1(f32::NEG_INFINITY) < 1e-34);
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

    #[test]
    fn erf_follows_its_series() {
        for i in -5000..=5000 {
            let x = f64::from(i) * 1e-3;
            // x^(2n+1) (-1)^n / (n! (2n+1)), times 2 / sqrt pi
            let (mut power, mut sum) = (x, x);
            for n in 1..150 {
                power *= -x * x / f64::from(n);
                sum += power / f64::from(2 * n + 1);
            }
            let want = sum * std::f64::consts::FRAC_2_SQRT_PI;
            let found = f64::from(erf(x as f32));
            assert!((found - want).abs() < 5e-7, "erf({x}) = {found} instead of {want}");
        }
    }

    #[test]
    fn sixteen_values_are_folded() {
        for place in 0..16 {
            let lanes = std::array::from_fn(|i| if i == place { 20.0 } else { i as f32 });
            assert_eq!(sum(&lanes), 120.0 - place as f32 + 20.0);
            assert_eq!(largest(&lanes), 20.0);
        }
    }
}
