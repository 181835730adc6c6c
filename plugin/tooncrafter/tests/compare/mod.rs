//! Measures how much two tensors differ, and where.

use candle_core::{DType, Device, Result, Tensor};

/// Collects the worst of several comparisons against one tolerance.
pub struct Judge {
    tolerance: f64,
    worst: Option<(f64, String)>,
    outputs: usize,
    /// The first intermediate result that exceeded the tolerance.
    parted: Option<String>,
    elsewhere: Option<&'static str>,
}

impl Judge {
    pub fn new(tolerance: f64) -> Self {
        Self { tolerance, worst: None, outputs: 0, parted: None, elsewhere: None }
    }

    /// Compares a result with the recorded one: `max |a - b| / max |b|`.
    pub fn output(&mut self, name: &str, found: &Tensor, wanted: &Tensor) -> Result<()> {
        let (error, place) = relative_error(found, wanted)?;
        self.outputs += 1;
        if self.worst.as_ref().is_none_or(|(worst, _)| error > *worst) {
            self.worst = Some((error, format!("{name}{place}")));
        }
        Ok(())
    }

    /// Records that another test checks this case.
    pub fn elsewhere(&mut self, test: &'static str) {
        self.elsewhere = Some(test);
    }

    /// Sets the tolerance, where the manifest's note says how to compare.
    pub fn allow(&mut self, tolerance: f64) {
        self.tolerance = tolerance;
    }

    /// Records where an intermediate result first exceeds the tolerance.
    pub fn tap(&mut self, name: &str, found: &Tensor, wanted: &Tensor) -> Result<()> {
        if self.parted.is_none() {
            let (error, place) = relative_error(found, wanted)?;
            if error > self.tolerance {
                self.parted = Some(format!("{name}{place} ({error:.1e})"));
            }
        }
        Ok(())
    }

    /// One line on success, the reason on failure.
    pub fn verdict(self) -> std::result::Result<String, String> {
        if let Some(test) = self.elsewhere {
            return Ok(format!("left to the test {test}"));
        }
        let Some((error, place)) = self.worst else { return Err("nothing was compared".into()) };
        if error <= self.tolerance {
            let (count, limit) = (self.outputs, self.tolerance);
            return Ok(format!("{error:.1e} of {limit:.0e} allowed ({count} outputs)"));
        }
        let parted = match self.parted {
            Some(place) => format!("; parts first at {place}"),
            None => String::new(),
        };
        Err(format!("error {error:.2e} > {:.0e} in {place}{parted}", self.tolerance))
    }
}

/// `max |a - b| / max |b|`, and the index of the worst value. Infinite for NaN and for different
/// shapes.
fn relative_error(found: &Tensor, wanted: &Tensor) -> Result<(f64, String)> {
    if found.dims() != wanted.dims() {
        return Ok((f64::INFINITY, format!(": shape {:?}, not {:?}", found.dims(), wanted.dims())));
    }
    let values = |x: &Tensor| {
        x.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()
    };
    let (a, b) = (values(found)?, values(wanted)?);
    let largest = b.iter().fold(0.0f64, |m, v| m.max(v.abs())).max(f64::MIN_POSITIVE);
    let mut worst = (0.0, 0);
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        let error = (a - b).abs();
        if error > worst.0 || !error.is_finite() {
            worst = (if error.is_finite() { error } else { f64::INFINITY }, i);
            if worst.0.is_infinite() {
                break;
            }
        }
    }
    let mut place = Vec::new();
    let mut rest = worst.1;
    for &side in wanted.dims().iter().rev() {
        place.insert(0, rest % side);
        rest /= side;
    }
    Ok((worst.0 / largest, format!("{place:?}")))
}
