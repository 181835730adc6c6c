//! A host's image: described by the host, checked here, and released when dropped.
//! <https://openfx.readthedocs.io/en/main/Reference/ofxImageEffectAPI.html>

use std::ffi::CStr;
use std::ptr::NonNull;
use std::slice;

use openfx::sys::generic::core::OfxPropertySetHandle;
use openfx::sys::image_effect_v1::image_effect::*;
use rayon::prelude::*;

use inbetween_core::frame::check_size;

use super::geometry::Rect;
use super::host::{Host, call};
use super::pixels::{Alpha, Components, Depth, Format};
use super::props::Props;
use super::status::{Error, Result};

/// An image from the host, held for as long as this value lives.
pub(crate) struct Image<'a> {
    host: &'a Host,
    handle: OfxPropertySetHandle,
    data: NonNull<u8>,
    row_bytes: isize,
    bounds: Rect,
    region_of_definition: Option<Rect>,
    format: Format,
}

// SAFETY: between clipGetImage and clipReleaseImage the pixels belong to the action that fetched
// them; within it they may be read, and disjoint rows written, from several threads.
unsafe impl Sync for Image<'_> {}

impl<'a> Image<'a> {
    /// Takes over `handle` from clipGetImage. `None` when it describes no pixels.
    pub(super) fn open(
        host: &'a Host,
        handle: OfxPropertySetHandle,
        clip: &Props<'a>,
    ) -> Result<Option<Self>> {
        let props = host.wrap(handle);
        let release = |result| {
            release(host, handle);
            result
        };
        let Some(data) = props.pointer(kOfxImagePropData) else { return release(Ok(None)) };
        let Some(bounds) = props.ints(kOfxImagePropBounds).map(Rect::from_edges) else {
            return release(Ok(None));
        };
        if bounds.is_empty() {
            return release(Ok(None));
        }
        match describe(&props, clip, bounds) {
            Ok((format, row_bytes)) => Ok(Some(Self {
                host,
                handle,
                data: data.cast(),
                row_bytes,
                bounds,
                region_of_definition: props
                    .ints(kOfxImagePropRegionOfDefinition)
                    .map(Rect::from_edges)
                    .filter(|rect| !rect.is_empty()),
                format,
            })),
            Err(error) => release(Err(error)),
        }
    }

    /// The pixels that are present, in pixel coordinates at the image's own scale.
    pub(crate) fn bounds(&self) -> Rect {
        self.bounds
    }

    /// The pixels of the whole picture, if the host reports them; at least the bounds.
    pub(crate) fn whole(&self) -> Rect {
        self.region_of_definition.map_or(self.bounds, |rect| rect.union(self.bounds))
    }

    /// How the pixels are stored.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// The pixels of row `y` (pixel coordinates, within the bounds).
    pub(crate) fn row(&self, y: i32) -> &[u8] {
        let start = self.row_start(y);
        // SAFETY: `row_start` checked `y`; the host promises `width` pixels there (checked against
        // the row stride in `describe`) until the image is released, which borrows from `self`.
        unsafe { slice::from_raw_parts(start, self.bounds.width() * self.format.pixel_bytes()) }
    }

    /// Fills `window` (clipped to the bounds) row by row, in parallel. `fill` receives the y
    /// coordinate and the bytes of the row inside the window.
    pub(crate) fn fill_rows(&mut self, window: Rect, fill: impl Fn(i32, &mut [u8]) + Sync) {
        let window = window.intersection(self.bounds);
        if window.is_empty() {
            return;
        }
        let pixel = self.format.pixel_bytes();
        let (skip, length) =
            ((window.x1 - self.bounds.x1) as usize * pixel, window.width() * pixel);
        let image = &*self;
        (window.y1..window.y2).into_par_iter().with_min_len(16).for_each(|y| {
            // SAFETY: as in `row`; `skip + length` stays within the row because the window was
            // clipped to the bounds. Rows are disjoint, each `y` is visited once, and `&mut self`
            // prevents all other access until this call returns.
            let part = unsafe { slice::from_raw_parts_mut(image.row_start(y).add(skip), length) };
            fill(y, part);
        });
    }

    /// Copies `window` from an image of the same format, bit for bit, with zeros where `source` has
    /// no pixels. Source and destination may share memory, as they do in MLT.
    pub(crate) fn copy_from(&mut self, source: &Image<'_>, window: Rect) {
        let window = window.intersection(self.bounds);
        let pixel = self.format.pixel_bytes();
        for y in window.y1..window.y2.max(window.y1) {
            let start = self.row_start(y);
            let offset = |x: i32, image: &Image<'_>| (x - image.bounds.x1) as usize * pixel;
            let row = Rect { y1: y, y2: y + 1, ..window };
            let shared = row.intersection(source.bounds);
            // SAFETY: all offsets are within one row of their image, because `window` and `shared`
            // were clipped to the bounds. `copy` allows overlap, and both images are held.
            unsafe {
                let length = |x1: i32, x2: i32| (x2 - x1) as usize * pixel;
                if shared.is_empty() {
                    start.add(offset(row.x1, self)).write_bytes(0, length(row.x1, row.x2));
                    continue;
                }
                source
                    .row_start(y)
                    .add(offset(shared.x1, source))
                    .copy_to(start.add(offset(shared.x1, self)), length(shared.x1, shared.x2));
                start.add(offset(row.x1, self)).write_bytes(0, length(row.x1, shared.x1));
                start.add(offset(shared.x2, self)).write_bytes(0, length(shared.x2, row.x2));
            }
        }
    }

    fn row_start(&self, y: i32) -> *mut u8 {
        assert!((self.bounds.y1..self.bounds.y2).contains(&y), "row {y} of {:?}", self.bounds);
        let rows = y as isize - self.bounds.y1 as isize;
        // SAFETY: the host promises that rows within the bounds are `row_bytes` apart (of either
        // sign), starting at the data pointer (kOfxImagePropRowBytes); `y` is within them.
        unsafe { self.data.as_ptr().offset(rows * self.row_bytes) }
    }
}

impl Drop for Image<'_> {
    fn drop(&mut self) {
        release(self.host, self.handle);
    }
}

fn release(host: &Host, handle: OfxPropertySetHandle) {
    let released = call!(host.effect, clipReleaseImage(handle));
    log::trace!("released an image: {released:?}");
}

/// Checks the host's description of an image that has pixels.
fn describe(props: &Props<'_>, clip: &Props<'_>, bounds: Rect) -> Result<(Format, isize)> {
    check_size(bounds.width(), bounds.height())?;
    let bad = |what, found: Option<String>| Error::BadArgument {
        what,
        found: found.unwrap_or_else(|| "missing".into()),
    };
    let depth_name = props.string(kOfxImageEffectPropPixelDepth);
    let depth = named(&Depth::ALL, Depth::name, depth_name.as_deref())
        .ok_or_else(|| bad("pixel depth", depth_name))?;
    let components_name = props.string(kOfxImageEffectPropComponents);
    let components = named(&Components::ALL, Components::name, components_name.as_deref())
        .ok_or_else(|| bad("set of components", components_name))?;
    let alpha_name = props
        .string(kOfxImageEffectPropPreMultiplication)
        .or_else(|| clip.string(kOfxImageEffectPropPreMultiplication));
    let format = Format { depth, components, alpha: Alpha::from_name(alpha_name.as_deref()) };
    let row_bytes = props.int(kOfxImagePropRowBytes);
    let needed = bounds.width() * format.pixel_bytes();
    match row_bytes {
        // Checked even for a single row, since nothing else says how many bytes there are.
        Some(stride) if stride.unsigned_abs() as usize >= needed => Ok((format, stride as isize)),
        found => Err(bad("number of bytes between rows", found.map(|stride| stride.to_string()))),
    }
}

fn named<T: Copy>(all: &[T], name: impl Fn(T) -> &'static CStr, wanted: Option<&str>) -> Option<T> {
    all.iter().copied().find(|&one| name(one).to_str().ok() == wanted)
}
