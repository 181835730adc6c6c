//! Checks of a plug-in, as data: each is a row with a name, a description and a function.
//!
//! Each rule that our host watches on every call (see [`journal`](crate::host::journal)) belongs to
//! one check, so that a plug-in which breaks one rule fails one check.

mod description;
pub mod fixture;
mod host_rules;
mod life;
mod names;
pub mod outcome;
mod pixels;
mod planning;
mod robustness;

use fixture::Fixture;
use outcome::{Checked, Outcome, Stop};

/// The subject of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Loading, describing, creating and destroying.
    Life,
    /// What the plug-in says about itself and its parameters.
    Description,
    /// How it uses the host.
    HostRules,
    /// What it answers to questions about time and space.
    Planning,
    /// What it renders.
    Pixels,
    /// What it does with hostile hosts and pictures.
    Robustness,
}

/// A check.
pub struct Check {
    /// Name on the command line.
    pub name: &'static str,
    /// Its subject.
    pub theme: Theme,
    /// What is done, and what would be wrong, in prose.
    pub about: &'static str,
    run: fn(&Fixture) -> Checked,
}

impl Check {
    const fn new(
        theme: Theme,
        name: &'static str,
        run: fn(&Fixture) -> Checked,
        about: &'static str,
    ) -> Self {
        Self { name, theme, about, run }
    }

    /// The check of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        CHECKS.iter().find(|check| check.name == name)
    }

    /// Runs it in this process.
    pub fn run(&self, fixture: &Fixture) -> Outcome {
        match (self.run)(fixture) {
            Ok(outcome) => outcome,
            Err(Stop::Skip(text)) => Outcome::Skipped(text),
            Err(Stop::Fail(text)) => Outcome::Failed(text),
        }
    }
}

use Theme::{Description, HostRules, Life, Pixels, Planning, Robustness};

/// All checks, in the order in which they are run.
pub static CHECKS: &[Check] = &[
    Check::new(
        Life,
        "life-cycle",
        life::life_cycle,
        "Load, Describe, DescribeInContext, CreateInstance, DestroyInstance and Unload are \
         called once each. The descriptions must answer OK, the others OK or ReplyDefault. It is a warning \
         that MLT drops a plug-in whose Load is no OK, and that Resolve shows no controls where \
         CreateInstance is none.",
    ),
    Check::new(
        Life,
        "load-again",
        life::load_again,
        "setHost, Load and Describe are called again while instances exist, and after an \
         Unload, as MLT does. They must answer as the first time.",
    ),
    Check::new(
        Life,
        "load-time",
        life::load_time,
        "The time from opening the file to the last DescribeInContext. Hosts do this for every \
         plug-in at each start; more than 100 ms is a warning, more than 500 ms a failure. Of \
         three attempts the fastest counts: it is the plug-in's own share.",
    ),
    Check::new(
        Life,
        "unknown-actions",
        life::unknown_actions,
        "An action that no standard knows must be answered with ReplyDefault; so that new \
         actions can be added.",
    ),
    Check::new(
        Life,
        "host-order",
        life::host_order,
        "Orders of calls that hosts make: an instance that never renders, a render without \
         BeginSequenceRender, PurgeCaches and SyncPrivateData at any time, two instances \
         destroyed in the order of their making.",
    ),
    Check::new(
        Description,
        "describes-itself",
        description::describes_itself,
        "Label, group, depths, and the clips and parameters that the contexts mandate must be \
         there.",
    ),
    Check::new(
        Description,
        "param-types",
        description::param_types,
        "Integer2D and Integer3D parameters crash a page of Resolve and must not be used; \
         Parametric, Bytes and StrChoice only where the host says that it has them.",
    ),
    Check::new(
        Description,
        "param-ranges",
        description::param_ranges,
        "Every number must state a range and a display range, the one inside of the other. \
         Without them Resolve limits doubles to -1..1 and integers to 0.",
    ),
    Check::new(
        Description,
        "param-defaults",
        description::param_defaults,
        "Every default must lie in the parameter's range, and a choice's among its options.",
    ),
    Check::new(
        Description,
        "param-hints",
        description::param_hints,
        "Every parameter that holds a value should have a hint, for the person who meets it \
         first; without one it is a warning.",
    ),
    Check::new(
        Description,
        "param-names",
        description::param_names,
        "No parameter may be called as a word of Python or Lua, or as something that a node of Natron, Nuke \
         or Fusion has already. One such name takes all of a node's parameters out of Natron's scripts.",
    ),
    Check::new(
        HostRules,
        "properties-known",
        host_rules::properties_known,
        "The plug-in is led through a whole life. Every property that it reads or sets must be \
         one that a header of OpenFX or a host's vendor defines; others are misspellings.",
    ),
    Check::new(
        HostRules,
        "property-types",
        host_rules::property_types,
        "Properties must be read and set as the type they have, and within their dimension.",
    ),
    Check::new(
        HostRules,
        "properties-read-only",
        host_rules::properties_read_only,
        "Properties of images, of action arguments and of the host are the host's alone to set.",
    ),
    Check::new(
        HostRules,
        "handles",
        host_rules::handles,
        "Every handle must be one that the host gave and that is still valid, and no mandatory \
         argument NULL.",
    ),
    Check::new(
        HostRules,
        "images-released",
        host_rules::images_released,
        "Every image must be released before the action that fetched it returns.",
    ),
    Check::new(
        HostRules,
        "memory-returned",
        host_rules::memory_returned,
        "Memory of the host must be freed once, unlocked, in bounds, and before Unload or \
         DestroyInstance returns.",
    ),
    Check::new(
        HostRules,
        "background-threads",
        host_rules::background_threads,
        "The host may be called only from threads that it called itself, or that its \
         multi-thread suite started.",
    ),
    Check::new(
        HostRules,
        "calls-allowed",
        host_rules::calls_allowed,
        "Parameters may be set in CreateInstance, InstanceChanged and SyncPrivateData only. In \
         DestroyInstance nothing that needs a whole instance may be called (messages, progress, \
         time line, images, abort): hosts made with the HostSupport library end in a crash.",
    ),
    Check::new(
        HostRules,
        "definitions",
        host_rules::definitions,
        "Clips and parameters must be defined once, and only while a context is being \
         described.",
    ),
    Check::new(
        Planning,
        "frame-varying",
        planning::frame_varying,
        "Two times are rendered from clips that do not change. If the pictures differ, \
         GetClipPreferences must set FrameVarying, or Natron shows one picture for all times.",
    ),
    Check::new(
        Planning,
        "frame-rate",
        planning::frame_rate,
        "GetClipPreferences may set the output's frame rate where the host says so, to a rate; GetTimeDomain, \
         where it is answered, tells a first frame and a last one.",
    ),
    Check::new(
        Planning,
        "frames-needed",
        planning::frames_needed,
        "Every frame fetched in a render must have been announced by GetFramesNeeded.",
    ),
    Check::new(
        Planning,
        "identity",
        planning::identity,
        "Where IsIdentity names a clip and a time, a render of the same frame must give that \
         very picture.",
    ),
    Check::new(
        Planning,
        "regions",
        planning::regions,
        "GetRegionOfDefinition must answer a finite region that is not empty, \
         GetRegionsOfInterest finite regions; both at scale 1 and at scale 0.5.",
    ),
    Check::new(
        Planning,
        "cropped-inputs",
        planning::cropped_inputs,
        "Inputs that are larger than the project hold only what GetRegionsOfInterest asked for, in a host \
         that tells regions of definition and in one that does not. The picture must be the one that \
         whole inputs give.",
    ),
    Check::new(
        Pixels,
        "renders",
        pixels::renders,
        "All frames of the project are rendered with moving drawings in all mandatory clips.",
    ),
    Check::new(
        Pixels,
        "whole-window",
        pixels::whole_window,
        "Every pixel of the render window must be written.",
    ),
    Check::new(
        Pixels,
        "window-respected",
        pixels::window_respected,
        "A part of the frame is rendered into an image with guard bytes around it. Nothing \
         outside of the window may change. Hosts without tiles ask for the whole frame only.",
    ),
    Check::new(
        Pixels,
        "inputs-untouched",
        pixels::inputs_untouched,
        "Input images must come back as they were given.",
    ),
    Check::new(
        Pixels,
        "formats",
        pixels::formats,
        "Every depth with every components that plug-in and host both offer must render; and \
         the integer depths must show the same picture as one another, as must the float \
         depths.",
    ),
    Check::new(
        Pixels,
        "premultiplication",
        pixels::premultiplication,
        "Premultiplied, unpremultiplied and opaque clips must render.",
    ),
    Check::new(
        Pixels,
        "row-layouts",
        pixels::row_layouts,
        "Rows that go up or down in memory, with or without bytes between them, must give the \
         same samples.",
    ),
    Check::new(
        Pixels,
        "tiles",
        pixels::tiles,
        "A frame rendered in four uneven tiles must be the same as one rendered as a whole, \
         where plug-in and host do tiles.",
    ),
    Check::new(
        Pixels,
        "deterministic",
        pixels::deterministic,
        "The same frame rendered twice must be the same, byte for byte.",
    ),
    Check::new(
        Pixels,
        "independent",
        pixels::independent,
        "A frame must not depend on what was rendered before: frames in another order, each by \
         a new instance, must be those rendered by one instance in order.",
    ),
    Check::new(
        Pixels,
        "threads",
        pixels::threads,
        "Frames are rendered by several threads at once, on one instance or on several, as the \
         plug-in's stated thread safety allows. They must be those rendered one after the \
         other.",
    ),
    Check::new(
        Pixels,
        "render-scale",
        pixels::render_scale,
        "Render scales of 0.5, 0.25 and one third must render, in the size that they say.",
    ),
    Check::new(
        Pixels,
        "hdr-kept",
        pixels::hdr_kept,
        "Drawings of values far above 1 must not come out cut off at 1, at half and float depth.",
    ),
    Check::new(
        Robustness,
        "scale-mismatch",
        robustness::scale_mismatch,
        "Images that state another scale than the render, as those of Fusion and Vegas do, must \
         render.",
    ),
    Check::new(
        Robustness,
        "spare-images",
        robustness::spare_images,
        "Images lack their render scale, field and unique identifier. The picture must be the same; a plug-in \
         that cannot do without says so by answering ErrMissingHostFeature.",
    ),
    Check::new(
        Robustness,
        "odd-sizes",
        robustness::odd_sizes,
        "Sizes from a single pixel to odd and narrow ones, and three of a random seed, must \
         render.",
    ),
    Check::new(
        Robustness,
        "odd-bounds",
        robustness::odd_bounds,
        "Pictures whose corner is not at 0, 0 but at negative and odd coordinates must render.",
    ),
    Check::new(
        Robustness,
        "finite-output",
        robustness::finite_output,
        "NaN and infinities in the drawings must not spread to pixels where none came in. Where one pixel alone \
         decides it may be what it was; where several pictures are combined that is a warning.",
    ),
    Check::new(
        Robustness,
        "missing-clip",
        robustness::missing_clip,
        "A mandatory clip without pictures, in every way in which hosts say so, must end in a \
         failure or in a message, never in a crash. A black frame without a word fails where the plug-in \
         called the clip optional and asked for it, and is a warning else. A message must reach the user: \
         Natron loses the arguments of a format.",
    ),
    Check::new(
        Robustness,
        "optional-clip",
        robustness::optional_clip,
        "An optional clip without pictures, in the way in which the host says so, must not hinder \
         the render, and in the ways of others should not; nor must one with pictures. A clip that the plug-in asks for by a message \
         counts as mandatory.",
    ),
    Check::new(
        Robustness,
        "abort",
        robustness::abort,
        "A render that is told to abort must end soon, with OK or Failed, and leave the plug-in \
         able to render.",
    ),
    Check::new(
        Robustness,
        "choice-values",
        robustness::choice_values,
        "In a host that tells no value of a choice, the render should end in a picture or in a message.",
    ),
    Check::new(
        Robustness,
        "project-load",
        robustness::project_load,
        "Values of a project are set as newer hosts do, which tell the plug-in of each as if it had made the \
         change. InstanceChanged must answer without error, and the picture must be that of an instance \
         which had the values from its beginning.",
    ),
    Check::new(
        Robustness,
        "unlicensed",
        robustness::unlicensed,
        "A plug-in without a licence may say so only to a host that asked: others get a picture and OK. Where \
         the host wants to go on, there must be a picture too.",
    ),
    Check::new(
        Robustness,
        "param-values",
        robustness::param_values,
        "Numbers, switches and choices at their ends, and at random values of a seed, set as a \
         user would: each edit must be answered without error, and renders end in a picture or \
         in a message.",
    ),
];
