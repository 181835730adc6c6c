//! What a host does, as opposed to what it says about itself.

use std::ffi::{CStr, c_int};

use crate::host::pixels::Rows;
use crate::host::sys::{OfxRectD, OfxRectI};

/// What a clip without footage returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingImage {
    /// `clipGetImage` fails.
    Unconnected,
    /// A transparent black picture.
    Black,
    /// OK and a null image.
    Null,
    /// OK and an image without data, bounds or row bytes.
    NoData,
}

/// What a host does, as opposed to what it says. Checks change single fields of a profile's
/// behaviour.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    /// What clips without footage return.
    pub missing_image: MissingImage,
    /// Clips without footage are reported as connected.
    pub always_connected: bool,
    /// Row order of images.
    pub rows: Rows,
    /// Bytes between rows.
    pub padding: usize,
    /// What images report as their bytes between rows, true or not.
    pub row_bytes: Option<i32>,
    /// Where the lower left corner of every picture is, in pixels.
    pub origin: (i32, i32),
    /// Width over height of the pixels of the project and of every clip, above 0.
    pub pixel_aspect: f64,
    /// The image of the render's time is returned whatever time is requested.
    pub ignores_time: bool,
    /// Render scale that images report, whatever they were rendered for.
    pub image_scale: Option<f64>,
    /// Image identifiers are new for each fetch.
    pub random_identifiers: bool,
    /// Inputs are checked for writes when they are released.
    pub watches_inputs: bool,
    /// Message suite 2 exists, but its functions are null.
    pub null_message_two: bool,
    /// Messages are formatted without their arguments: `%s` becomes a blank.
    pub loses_message_arguments: bool,
    /// A clip that nobody defined is returned with OK and null.
    pub undefined_clip_is_null: bool,
    /// Only the clip called Source gets pictures.
    pub only_source: bool,
    /// Each frame is rendered by a separate instance.
    pub instance_per_frame: bool,
    /// Load and Describe are called again before each instance.
    pub describes_per_instance: bool,
    /// IsIdentity, GetFramesNeeded and GetTimeDomain are called.
    pub asks_planning: bool,
    /// The output contains a copy of the source before the render.
    pub prefills_output: bool,
    /// Inputs contain only what GetRegionsOfInterest asked for.
    pub crops_inputs: bool,
    /// Regions of definition of clips are reported.
    pub knows_regions: bool,
    /// Images lack properties that plug-ins rarely use: render scale, field, unique identifier.
    pub spare_images: bool,
    /// What the host wants from a plug-in without a licence, if it says so.
    pub unlicensed: Option<&'static CStr>,
    /// Colourspace of every clip in a host that manages colours. Plug-ins see it if it is set
    /// before they are described.
    pub colourspace: Option<&'static str>,
}

impl Behaviour {
    /// The region of a picture of that many pixels, in canonical coordinates.
    pub(crate) fn canonical(&self, (width, height): (usize, usize)) -> OfxRectD {
        let (x1, y1) = self.origin;
        let window = OfxRectI { x1, y1, x2: x1 + width as c_int, y2: y1 + height as c_int };
        self.region(window, 1.0)
    }

    /// The region of a window of pixels at a scale, in canonical coordinates.
    pub(crate) fn region(&self, window: OfxRectI, scale: f64) -> OfxRectD {
        let across = |v: c_int| f64::from(v) * self.pixel_aspect / scale;
        let up = |v: c_int| f64::from(v) / scale;
        OfxRectD {
            x1: across(window.x1),
            y1: up(window.y1),
            x2: across(window.x2),
            y2: up(window.y2),
        }
    }

    /// The pixels that a canonical region touches at a scale.
    pub(crate) fn pixels(&self, region: OfxRectD, scale: f64) -> OfxRectI {
        let across = scale / self.pixel_aspect;
        // `as` saturates, so a value out of range becomes the nearest integer.
        let low = |v: f64, scale: f64| (v * scale).floor() as c_int;
        let high = |v: f64, scale: f64| (v * scale).ceil() as c_int;
        OfxRectI {
            x1: low(region.x1, across),
            y1: low(region.y1, scale),
            x2: high(region.x2, across),
            y2: high(region.y2, scale),
        }
    }
}
