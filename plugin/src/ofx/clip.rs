//! Clips: inputs and outputs of the effect.
//! <https://openfx.readthedocs.io/en/main/Reference/ofxImageClip.html>

use std::ffi::CStr;
use std::ptr;

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::colour::*;
use openfx::sys::image_effect_v1::image_effect::*;

use super::entry::EffectRef;
use super::geometry::Region;
use super::host::call;
use super::image::Image;
use super::pixels::Depth;
use super::props::{Props, c_text};
use super::status::{Error, Result, answered, check};

/// A clip of an instance.
#[derive(Clone, Copy)]
pub(crate) struct Clip<'a> {
    effect: &'a EffectRef<'a>,
    handle: OfxImageClipHandle,
    props: Props<'a>,
}

impl<'a> EffectRef<'a> {
    /// Defines a clip during description.
    pub(crate) fn define_clip(&'a self, name: &CStr) -> Result<Props<'a>> {
        let mut handle = ptr::null_mut();
        let suite = &self.host().effect;
        let status = call!(suite, clipDefine(self.raw(), name.as_ptr(), &mut handle))?;
        check(status, || format!("clipDefine({name:?})"))?;
        Ok(self.host().wrap(handle))
    }

    /// The clip of that name; `None` if the host has none. For a missing clip, MLT returns OK with
    /// a null handle.
    pub(crate) fn clip(&'a self, name: &CStr) -> Option<Clip<'a>> {
        let (mut handle, mut props) = (ptr::null_mut(), ptr::null_mut());
        let suite = &self.host().effect;
        let status =
            call!(suite, clipGetHandle(self.raw(), name.as_ptr(), &mut handle, &mut props)).ok()?;
        if status != kOfxStatOK || handle.is_null() {
            return None;
        }
        if props.is_null() {
            let status = call!(suite, clipGetPropertySet(handle, &mut props));
            answered(status)?;
        }
        Some(Clip { effect: self, handle, props: self.host().wrap(props) })
    }
}

impl EffectRef<'_> {
    /// Whether the host reports a range other than 0..0 for any of the clips that every effect has.
    fn knows_ranges(&self) -> bool {
        [kOfxImageEffectOutputClipName, kOfxImageEffectSimpleSourceClipName].into_iter().any(
            |name| {
                let range = self.clip(name).and_then(|clip| clip.told_range());
                range.is_some_and(|range| range != (0.0, 0.0))
            },
        )
    }
}

impl<'a> Clip<'a> {
    /// Whether the host reports that nothing is connected. The opposite proves little: Resolve
    /// reports every clip as connected and MLT says nothing, so a picture must be requested.
    pub(crate) fn is_surely_unconnected(&self) -> bool {
        self.props.int(kOfxImageClipPropConnected) == Some(0)
    }

    /// The colourspace of the clip's pictures, if the host manages colours.
    /// <https://openfx.readthedocs.io/en/main/Reference/ofxColour.html>
    pub(crate) fn colourspace(&self) -> Option<String> {
        const AS_CLIP: &str = "OfxColourspace_";
        let name = self.props.string(kOfxImageClipPropColourspace)?;
        let name = match name.strip_prefix(AS_CLIP) {
            Some(other) => {
                self.effect.clip(&c_text(other))?.props.string(kOfxImageClipPropColourspace)?
            }
            None => name,
        };
        // Two clips that refer to each other name no colourspace.
        (!name.starts_with(AS_CLIP)).then_some(name)
    }

    /// First and last frame, if the host reports them and they make sense.
    ///
    /// A reader reports 0..0 for its only picture, but so do hosts that know nothing about ranges.
    /// It is believed if the host has shown that it knows some ranges.
    pub(crate) fn frame_range(&self) -> Option<(f64, f64)> {
        let range = self.told_range()?;
        (range != (0.0, 0.0) || self.effect.knows_ranges()).then_some(range)
    }

    fn told_range(&self) -> Option<(f64, f64)> {
        let [first, last] = self.props.doubles::<2>(kOfxImageEffectPropFrameRange)?;
        (first.is_finite() && last.is_finite() && first <= last).then_some((first, last))
    }

    /// Frames per second as reported by the host; some hosts report 0 or NaN.
    pub(crate) fn frame_rate(&self) -> Option<f64> {
        self.props.double(kOfxImageEffectPropFrameRate)
    }

    /// The same, before the host adapted the clip to the project.
    pub(crate) fn unmapped_frame_rate(&self) -> Option<f64> {
        self.props.double(kOfxImageEffectPropUnmappedFrameRate)
    }

    /// `time` clamped to the clip's own range, because hosts deliver nothing beyond a still
    /// picture's frame.
    pub(crate) fn nearest_time(&self, time: f64) -> f64 {
        match self.frame_range() {
            // A range without length is a still, which is held for ever.
            Some((first, last)) if last > first => time.clamp(first, last),
            _ => time,
        }
    }

    /// Whether the clip has its own frame at `time`, rather than one held from before or after.
    pub(crate) fn has_frame(&self, time: f64) -> bool {
        self.frame_range().is_none_or(|(first, last)| (first - 0.5..last + 0.5).contains(&time))
    }

    /// How the clip's samples are stored, if the host says so before a picture is fetched.
    pub(crate) fn depth(&self) -> Option<Depth> {
        let name = self.props.string(kOfxImageEffectPropPixelDepth)?;
        Depth::ALL.into_iter().find(|depth| depth.name().to_str() == Ok(&name))
    }

    /// Ratio of a pixel's width to its height; 1 if the host does not say.
    pub(crate) fn pixel_aspect(&self) -> f64 {
        let told = self.props.double(kOfxImagePropPixelAspectRatio);
        told.filter(|aspect| aspect.is_finite() && *aspect > 0.0).unwrap_or(1.0)
    }

    /// Where the clip has pixels at `time`, in canonical coordinates.
    pub(crate) fn region_of_definition(&self, time: f64) -> Option<Region> {
        let mut rect = OfxRectD { x1: 0.0, y1: 0.0, x2: 0.0, y2: 0.0 };
        let suite = &self.effect.host().effect;
        let status = call!(suite, clipGetRegionOfDefinition(self.handle, time, &mut rect));
        answered(status)?;
        let region = Region { x1: rect.x1, y1: rect.y1, x2: rect.x2, y2: rect.y2 };
        region.is_usable().then_some(region)
    }

    /// The clip's picture at `time`; `None` if there is none, in whichever way the host says so.
    ///
    /// # Errors
    /// [`Error::BadArgument`] when there is a picture but its description makes no sense.
    pub(crate) fn image(&self, time: f64) -> Result<Option<Image<'a>>> {
        let mut handle = ptr::null_mut();
        let suite = &self.effect.host().effect;
        let status = call!(suite, clipGetImage(self.handle, time, ptr::null(), &mut handle))?;
        if status != kOfxStatOK || handle.is_null() {
            return Ok(None);
        }
        Image::open(self.effect.host(), handle, &self.props)
    }

    /// Like [`Clip::image`], but for the output, which must exist.
    pub(crate) fn output_image(&self, time: f64) -> Result<Image<'a>> {
        self.image(time)?.ok_or(Error::HostLacks("an output image"))
    }
}
