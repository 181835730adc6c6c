//! The ways in which our test plug-in can misbehave; one check must detect each.

/// One bad behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Sets a property that does not exist.
    UnknownProperty,
    /// Reads the time as an int.
    WrongType,
    /// Sets a property of an image.
    ReadOnly,
    /// Does not release the image of the second key.
    LeakImage,
    /// Does not free memory of the memory suite.
    LeakMemory,
    /// Writes a pixel below the render window.
    OutsideWindow,
    /// Writes to the first key.
    WritesInput,
    /// Calls the host from its own thread.
    BackgroundThread,
    /// Uses an image after releasing it.
    StaleHandle,
    /// Defines a number without range.
    NoRange,
    /// Defines a number with a range but no display range.
    NoDisplayRange,
    /// Defines a default outside of the range.
    DefaultOutside,
    /// Defines a parameter of type Integer2D.
    Integer2D,
    /// Defines a parameter without a hint.
    NoHint,
    /// Answers Load with ReplyDefault.
    LoadDefault,
    /// Answers a second Load with Failed.
    LoadOnce,
    /// Is slow to load.
    SlowLoad,
    /// Answers any action with OK.
    AnswersAnything,
    /// Does not say that the output changes over time.
    NotVarying,
    /// Sets the frame rate of the output in hosts that do not allow it.
    SetsRate,
    /// Fetches a frame that it did not announce.
    HiddenFrames,
    /// Says that the middle frame is the first key.
    FalseIdentity,
    /// Adds unseeded noise.
    Random,
    /// Renders tiles differently from wholes.
    TileDependent,
    /// Keeps the position of the render in a global.
    ThreadRace,
    /// Gives another picture after the first render of an instance.
    Stateful,
    /// Refuses odd widths.
    EvenOnly,
    /// Refuses render scales other than 1.
    FullScaleOnly,
    /// Refuses images whose scale property is not the render's.
    ScaleStickler,
    /// Passes NaN on to the neighbour.
    PassesNan,
    /// Clamps to 0..=1.
    Clamps,
    /// Lists half floats but refuses to render them.
    RefusesHalf,
    /// Refuses premultiplied images.
    RefusesPremultiplied,
    /// Renders black without a message if the second key is missing.
    BlackFrame,
    /// Fails without a message if the optional clip is missing.
    NeedsOptional,
    /// Believes every image to have data.
    TrustsData,
    /// Believes message suite 2 to have functions.
    TrustsMessages,
    /// Answers an abort with a fatal error.
    FatalAbort,
    /// Never asks whether to abort, and is slow.
    IgnoresAbort,
    /// Passes its message as an argument of a format.
    FormatsMessages,
    /// Clears its message when it is destroyed.
    ClearsTooLate,
    /// Sets a parameter while it renders.
    SetsInRender,
    /// Names a parameter like a keyword of Python.
    PythonWord,
    /// Asks for one pixel of the second key but uses all of them.
    NarrowRegions,
    /// Fails without a message if a choice has no value.
    NeedsChoice,
    /// Fails when values come from a project.
    RefusesLoad,
    /// Says that it is obsolete, without a successor.
    Obsolete,
    /// Defines a clip while it describes itself, before any context.
    DefinesEarly,
    /// Answers PurgeCaches with Failed.
    RefusesPurge,
    /// Answers GetClipPreferences with Failed, so that no host gets an instance.
    RefusesPreferences,
    /// Refuses windows that lie elsewhere than at 0, 0.
    AtOriginOnly,
    /// Answers an edit to the end of a range with Failed.
    RefusesEnds,
    /// Fails where images have no identifier.
    NeedsIdentifier,
    /// Reports that it has no licence, whatever the host then wants.
    Unlicensed,
    /// Returns an empty region of definition.
    RegionNowhere,
    /// Turns pictures upside down if their rows are stored top down.
    UpsideDown,
    /// Leaves the lowest row unwritten.
    Unwritten,
    /// Assumes that rows go upwards in memory.
    PositiveRows,
    /// Dies in the render.
    Crash,
    /// Never returns from the render.
    Hang,
}

impl Flaw {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::UnknownProperty,
        Self::WrongType,
        Self::ReadOnly,
        Self::LeakImage,
        Self::LeakMemory,
        Self::OutsideWindow,
        Self::WritesInput,
        Self::BackgroundThread,
        Self::StaleHandle,
        Self::NoRange,
        Self::NoDisplayRange,
        Self::DefaultOutside,
        Self::Integer2D,
        Self::NoHint,
        Self::LoadDefault,
        Self::LoadOnce,
        Self::SlowLoad,
        Self::AnswersAnything,
        Self::NotVarying,
        Self::SetsRate,
        Self::HiddenFrames,
        Self::FalseIdentity,
        Self::Random,
        Self::TileDependent,
        Self::ThreadRace,
        Self::Stateful,
        Self::EvenOnly,
        Self::FullScaleOnly,
        Self::ScaleStickler,
        Self::PassesNan,
        Self::Clamps,
        Self::RefusesHalf,
        Self::RefusesPremultiplied,
        Self::BlackFrame,
        Self::NeedsOptional,
        Self::TrustsData,
        Self::TrustsMessages,
        Self::FatalAbort,
        Self::IgnoresAbort,
        Self::FormatsMessages,
        Self::ClearsTooLate,
        Self::SetsInRender,
        Self::PythonWord,
        Self::NarrowRegions,
        Self::NeedsChoice,
        Self::RefusesLoad,
        Self::Obsolete,
        Self::DefinesEarly,
        Self::RefusesPurge,
        Self::RefusesPreferences,
        Self::AtOriginOnly,
        Self::RefusesEnds,
        Self::NeedsIdentifier,
        Self::Unlicensed,
        Self::RegionNowhere,
        Self::UpsideDown,
        Self::Unwritten,
        Self::PositiveRows,
        Self::Crash,
        Self::Hang,
    ];
}
