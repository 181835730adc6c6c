//! Sixteen channels at a time, for the transforms.

/// Number of values that the transforms take at once.
pub(super) const LANES: usize = 16;

/// Values of consecutive channels.
pub(super) type Lanes = [f32; LANES];

/// The first values of a slice.
#[inline(always)]
pub(super) fn lanes(values: &[f32]) -> Lanes {
    values[..LANES].try_into().expect("16 values")
}

#[inline(always)]
pub(super) fn add(a: Lanes, b: Lanes) -> Lanes {
    std::array::from_fn(|i| a[i] + b[i])
}

#[inline(always)]
pub(super) fn sub(a: Lanes, b: Lanes) -> Lanes {
    std::array::from_fn(|i| a[i] - b[i])
}

/// `factor * a + b`
#[inline(always)]
pub(super) fn times_plus(factor: f32, a: Lanes, b: Lanes) -> Lanes {
    std::array::from_fn(|i| factor * a[i] + b[i])
}

#[inline(always)]
pub(super) fn times(factor: f32, a: Lanes) -> Lanes {
    std::array::from_fn(|i| factor * a[i])
}
