//! The render action of the dissolve, and what can go wrong in it.

use std::{
    ffi::c_int,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use half::f16;

use crate::{Effect, Flaw, Reply, ofx::*};

impl Effect {
    pub(crate) fn render(&self, arguments: Properties) -> Reply {
        let time = arguments.double(kOfxPropTime, 0).ok_or(kOfxStatFailed)?;
        let window = arguments.rectangle(kOfxImageEffectPropRenderWindow).ok_or(kOfxStatFailed)?;
        let scale = arguments.double(kOfxImageEffectPropRenderScale, 0).unwrap_or(1.0);
        let mut span = self.span(time)?;
        match self.flaw {
            Some(Flaw::Crash) => std::process::abort(),
            Some(Flaw::Hang) => loop {
                thread::sleep(Duration::from_secs(1));
            },
            Some(Flaw::NeedsChoice) if !self.has_choice() => return Err(kOfxStatFailed),
            Some(Flaw::FullScaleOnly) if scale != 1.0 => return Err(kOfxStatFailed),
            Some(Flaw::EvenOnly) if (window.x2 - window.x1) % 2 == 1 => return Err(kOfxStatFailed),
            Some(Flaw::AtOriginOnly) if (window.x1, window.y1) != (0, 0) => {
                return Err(kOfxStatFailed);
            }
            Some(Flaw::ThreadRace) => {
                static POSITION: AtomicU64 = AtomicU64::new(0);
                POSITION.store(span.position.to_bits(), Ordering::SeqCst);
                thread::sleep(Duration::from_millis(3));
                span.position = f64::from_bits(POSITION.load(Ordering::SeqCst));
            }
            Some(Flaw::Stateful) => {
                static RENDERS: AtomicUsize = AtomicUsize::new(0);
                span.position *= 1.0 / (1 + RENDERS.fetch_add(1, Ordering::SeqCst)) as f64;
            }
            Some(Flaw::TileDependent) => span.position *= f64::from(window.y2 - window.y1) / 1000.0,
            Some(Flaw::HiddenFrames) => {
                Image::fetch(self.suites, self.handle, span.from.0, time + 3.0, false);
            }
            Some(Flaw::BackgroundThread) => self.call_from_another_thread(),
            Some(Flaw::SetsInRender) => self.set_value(c"first", 1.0),
            _ => {}
        }
        let trusting = self.has(Flaw::TrustsData);
        let fetch = |(clip, time)| Image::fetch(self.suites, self.handle, clip, time, trusting);
        let (from, to) = (fetch(span.from), fetch(span.to));
        let sketch = Image::fetch(self.suites, self.handle, c"Sketch", time, trusting);
        let output =
            Image::fetch(self.suites, self.handle, kOfxImageEffectOutputClipName, time, false);
        let output = output.ok_or(kOfxStatFailed)?;
        let (Some(mut from), Some(mut to)) = (from, to) else {
            if self.has(Flaw::BlackFrame) {
                fill(&output, window);
                return Ok(kOfxStatOK);
            }
            let text = "A key is missing. Connect both clips.";
            self.suites.complain(self.handle, text, self.flaw);
            return Err(kOfxStatFailed);
        };
        if sketch.is_none() && self.has(Flaw::NeedsOptional) {
            return Err(kOfxStatFailed);
        }
        if from.depth != output.depth || to.depth != output.depth || from.samples != output.samples
        {
            return Err(kOfxStatErrFormat);
        }
        match self.flaw {
            Some(Flaw::RefusesHalf) if output.depth.as_bytes() == kOfxBitDepthHalf.to_bytes() => {
                return Err(kOfxStatErrImageFormat);
            }
            Some(Flaw::RefusesPremultiplied) => {
                let state =
                    from.props.string(kOfxImageEffectPropPreMultiplication).unwrap_or_default();
                if state.as_bytes() == kOfxImagePreMultiplied.to_bytes() {
                    return Err(kOfxStatErrImageFormat);
                }
            }
            Some(Flaw::NeedsIdentifier) => {
                from.props.string(kOfxImagePropUniqueIdentifier).ok_or(kOfxStatFailed)?;
            }
            Some(Flaw::ScaleStickler) => {
                let stated = from.props.double(kOfxImageEffectPropRenderScale, 0).unwrap_or(scale);
                if stated != scale {
                    return Err(kOfxStatFailed);
                }
            }
            Some(Flaw::PositiveRows) => {
                from.row_bytes = from.row_bytes.abs();
                to.row_bytes = to.row_bytes.abs();
                if output.row_bytes < 0 {
                    return Err(kOfxStatFailed);
                }
            }
            Some(Flaw::ReadOnly) => from.props.ints(kOfxImagePropRowBytes, &[64]),
            Some(Flaw::WritesInput) => {
                if let Some(pixel) = from.pixel(from.bounds.x1, from.bounds.y1) {
                    // SAFETY: a pixel of the image.
                    unsafe { pixel.write(pixel.read().wrapping_add(1)) };
                }
            }
            Some(Flaw::OutsideWindow) => {
                if let Some(pixel) = output.pixel(window.x1, window.y1 - 1) {
                    // SAFETY: a pixel of the image, though outside the window.
                    unsafe { pixel.write(0) };
                }
            }
            Some(Flaw::StaleHandle) => {
                if let Some(release) = self.suites.effect.clipReleaseImage {
                    // SAFETY: fetched above; the second release, by drop, is the flaw.
                    unsafe { release(from.props.raw) };
                }
            }
            _ => {}
        }
        let status = self.mix(&from, &to, &output, window, span.position);
        to.leak = self.has(Flaw::LeakImage);
        status
    }

    fn call_from_another_thread(&self) {
        let Some(abort) = self.suites.effect.abort else { return };
        let handle = self.handle as usize;
        // SAFETY: a call that the host does not allow from here, which is the flaw. The handle is
        // alive.
        let call = move || unsafe { abort(handle as OfxImageEffectHandle) };
        // Joined, so that the handle outlives the call.
        let _ = thread::spawn(call).join();
    }

    fn mix(
        &self,
        from: &Image,
        to: &Image,
        output: &Image,
        window: OfxRectI,
        position: f64,
    ) -> Reply {
        static NOISE: AtomicU64 = AtomicU64::new(1);
        let noise = if self.has(Flaw::Random) {
            NOISE.fetch_add(1, Ordering::SeqCst) as f32 / 16.0
        } else {
            0.0
        };
        let position = position as f32;
        let first = if self.has(Flaw::Unwritten) { window.y1 + 1 } else { window.y1 };
        for y in first..window.y2 {
            if self.has(Flaw::IgnoresAbort) {
                thread::sleep(Duration::from_millis(120));
            } else if self.suites.effect.abort.is_some_and(|abort| {
                // SAFETY: the handle of the render in progress.
                (unsafe { abort(self.handle) }) != 0
            }) {
                return Err(if self.has(Flaw::FatalAbort) {
                    kOfxStatErrFatal
                } else {
                    kOfxStatFailed
                });
            }
            for x in window.x1..window.x2 {
                let Some(pixel) = output.pixel(x, y) else { return Err(kOfxStatErrValue) };
                for at in 0..output.samples {
                    let turned = self.has(Flaw::UpsideDown) && from.row_bytes < 0;
                    let of = if turned { from.bounds.y1 + from.bounds.y2 - 1 - y } else { y };
                    let (a, b) = (read(from, x, of, at), read(to, x, of, at));
                    let mut value = a + (b - a) * position + noise;
                    if position == 0.0 {
                        value = a;
                    }
                    if self.has(Flaw::PassesNan) {
                        value += 0.0 * read(from, x + 1, of, at);
                    }
                    if !value.is_finite() && !self.has(Flaw::PassesNan) {
                        value = 0.0;
                    }
                    if self.has(Flaw::Clamps) {
                        value = value.clamp(0.0, 1.0);
                    }
                    // SAFETY: a sample of a pixel inside of the image.
                    unsafe { write(pixel.add(at * output.sample_bytes()), &output.depth, value) };
                }
            }
        }
        Ok(kOfxStatOK)
    }
}

fn fill(output: &Image, window: OfxRectI) {
    for (x, y) in (window.y1..window.y2).flat_map(|y| (window.x1..window.x2).map(move |x| (x, y))) {
        if let Some(pixel) = output.pixel(x, y) {
            // SAFETY: a pixel of the image.
            unsafe { pixel.write_bytes(0, output.samples * output.sample_bytes()) };
        }
    }
}

/// One sample, transparent black outside of the image.
pub(crate) fn read(image: &Image, x: c_int, y: c_int, at: usize) -> f32 {
    let Some(pixel) = image.pixel(x, y) else { return 0.0 };
    // SAFETY: the sample is inside of the pixel, which is inside of the image; rows may start anywhere, so reads
    // are unaligned.
    unsafe {
        let sample = pixel.add(at * image.sample_bytes());
        match image.depth.as_bytes() {
            name if name == kOfxBitDepthByte.to_bytes() => f32::from(sample.read()) / 255.0,
            name if name == kOfxBitDepthShort.to_bytes() => {
                f32::from(sample.cast::<u16>().read_unaligned()) / 65535.0
            }
            name if name == kOfxBitDepthHalf.to_bytes() => {
                f16::from_bits(sample.cast::<u16>().read_unaligned()).to_f32()
            }
            _ => sample.cast::<f32>().read_unaligned(),
        }
    }
}

/// # Safety
/// `sample` has room for one sample of that depth.
pub(crate) unsafe fn write(sample: *mut u8, depth: &str, value: f32) {
    // SAFETY: the caller vouches for the room.
    unsafe {
        match depth.as_bytes() {
            name if name == kOfxBitDepthByte.to_bytes() => {
                sample.write((value * 255.0).round() as u8)
            }
            name if name == kOfxBitDepthShort.to_bytes() => {
                sample.cast::<u16>().write_unaligned((value * 65535.0).round() as u16);
            }
            name if name == kOfxBitDepthHalf.to_bytes() => {
                let mut half = f16::from_f32(value);
                if half.is_infinite() && value.is_finite() {
                    half = if value > 0.0 { f16::MAX } else { f16::MIN };
                }
                sample.cast::<u16>().write_unaligned(half.to_bits());
            }
            _ => sample.cast::<f32>().write_unaligned(value),
        }
    }
}
