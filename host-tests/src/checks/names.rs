//! Names that parameters must not have: keywords of the hosts' script languages, and names that
//! their nodes already use.

/// Words of Python 3, in which Natron, Nuke, Resolve and Fusion are scripted.
const PYTHON: &str = "\
    False None True and as assert async await break class continue def del elif else except exec \
    finally for from global if import in is lambda nonlocal not or pass print raise return try \
    while with yield";

/// Words of Lua, in which Fusion and Resolve are scripted, except those that are in the Python
/// list.
const LUA: &str = "\
    do elseif end false function goto local nil repeat then true until";

/// Methods of a node, and the parameters that every node with an OpenFX effect has.
const NATRON: &str = "\
    addUserPlane beginChanges canConnectInput connectInput createChild destroy disableNode \
    disconnectInput enableLifetimeNode enablePreview endChanges forceCopy getAvailableLayers \
    getBitDepth getChildren getColor getCurrentTime getFrameRate getInput getLabel \
    getMaxInputCount getOutputFormat getParam getParams getPixelAspectRatio getPluginID \
    getPosition getPremult getRegionOfDefinition getRotoContext getScriptName getSize \
    getTrackerContext getUserPageParam hideInputs highDefUpstream hostMix inputsInfos \
    isNodeSelected isReaderNode isWriterNode lifetimeNodeRange nodeInfos onInputChanged \
    onParamChanged refreshInfoButton resetToDefaultValues setColor setLabel setPosition \
    setScriptName setSize setSubGraphEditable useFullScaleImagesWhenRenderScaleUnsupported \
    userTextArea";

/// Knobs that every node has.
const NUKE: &str = "\
    autolabel bookmark cached channels disable dope_sheet enable fringe gl_color help hide_input \
    icon indicators inject invert_mask knobChanged label lifetimeEnd lifetimeStart \
    lock_connections maskChannelInput maskChannelMask mix name note_font note_font_color \
    note_font_size onCreate onDestroy panel postage_stamp postage_stamp_frame process_mask \
    rootNodeUpdated selected tile_color updateUI useLifetime xpos ypos";

/// Inputs and attributes that every tool has.
const FUSION: &str = "\
    ApplyMaskInverted Blend CenterBias Comments Composition EffectMask EndRenderScript FitMask \
    FrameRenderScript ID MotionBlur MultiplyByMask Name Output ParentTool ProcessAlpha \
    ProcessBlue ProcessGreen ProcessRed ProcessWhenBlendIs00 Quality SampleSpread ShutterAngle \
    StartRenderScript TileColor UseGPU";

/// What already has that name, as the end of a sentence.
pub(super) fn taken_by(name: &str) -> Option<&'static str> {
    [
        (PYTHON, "a word of Python"),
        (LUA, "a word of Lua"),
        (NATRON, "taken on every node of Natron"),
        (NUKE, "taken on every node of Nuke"),
        (FUSION, "taken on every tool of Fusion"),
    ]
    .into_iter()
    .find_map(|(names, whose)| names.split_whitespace().any(|taken| taken == name).then_some(whose))
}

#[cfg(test)]
mod tests {
    use super::taken_by;

    #[test]
    fn names_are_told_apart() {
        assert_eq!(taken_by("raise"), Some("a word of Python"));
        assert_eq!(taken_by("end"), Some("a word of Lua"));
        assert_eq!(taken_by("mix"), Some("taken on every node of Nuke"));
        for free in ["raiseRate", "Transition", "engine", "Mix"] {
            assert_eq!(taken_by(free), None, "{free}");
        }
    }
}
