//! Command-line options derived from the list of settings: their help, range, choices and default.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use inbetween_core::settings::list::{
    DEVICE, GUIDANCE, MEMORY_LIMIT, MOTION, PRECISION, PROMPT, RESCALE, SEED, SOLVER, STEPS,
};
use inbetween_core::settings::{
    AnyKind, AnySetting, Choice, DeviceChoice, Integer, Number, PrecisionChoice, Setting,
    SolverChoice, Text, ToonCrafterSettings, WeightRef,
};

/// The value of a choice in which one option means `None`. The alias keeps clap from treating the
/// `Option` as an optional argument.
pub(crate) type Chosen<T> = Option<T>;

/// The setting's hint and its range.
pub(crate) fn help(of: &'static dyn AnySetting) -> String {
    let hint = of.hint().to_string_lossy();
    match of.kind() {
        AnyKind::Number(Number { range, .. }) => format!("{hint} [{} to {}]", range.0, range.1),
        AnyKind::Integer(Integer { range, .. }) => format!("{hint} [{} to {}]", range.0, range.1),
        _ => hint.into_owned(),
    }
}

/// The same for a choice that may differ between the spans of a sequence.
pub(crate) fn help_of_each_span(of: &'static dyn AnySetting) -> String {
    format!("{}. One for all spans, or one for each, with commas between them", help(of))
}

/// Reads a number within the setting's range.
pub(crate) fn number(
    of: &'static Setting<Number>,
) -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync + 'static {
    move |text| {
        let value = text.parse::<f64>().map_err(|_| "it is a number".to_owned())?;
        of.check(value).map_err(|error| error.user_message())?;
        Ok(value)
    }
}

/// Reads a whole number within the setting's range.
pub(crate) fn whole(
    of: &'static Setting<Integer>,
) -> impl Fn(&str) -> Result<u32, String> + Clone + Send + Sync + 'static {
    move |text| {
        let value = text.parse::<u64>().map_err(|_| "it is a whole number".to_owned())?;
        of.check(value).map_err(|error| error.user_message())?;
        u32::try_from(value).map_err(|error| error.to_string())
    }
}

/// Reads a sketch's frame and file: 8=sketch.png.
pub(crate) fn frame_and_file(text: &str) -> Result<(usize, PathBuf), String> {
    let parts = text.split_once('=').and_then(|(n, file)| Some((n.parse().ok()?, file.into())));
    parts.ok_or_else(|| "a sketch is written as 8=sketch.png".into())
}

/// Reads a text that is not too long for the setting.
pub(crate) fn text(
    of: &'static Setting<Text>,
) -> impl Fn(&str) -> Result<String, String> + Clone + Send + Sync + 'static {
    move |text| match of.check(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(error) => Err(error.user_message()),
    }
}

/// Reads an option of the choice by its name.
pub(crate) fn choice<T: Clone + Send + Sync + 'static>(
    of: &'static Setting<Choice<T>>,
) -> impl TypedValueParser<Value = T> {
    let names = of.kind.options.iter().map(|row| PossibleValue::new(row.name).help(row.about));
    PossibleValuesParser::new(names).map(move |name| {
        let row = of.kind.options.iter().find(|row| row.name == name);
        row.expect("clap lets only names of options through").value.clone()
    })
}

/// The name of a choice's default option.
pub(crate) fn name_of_default<T: PartialEq + 'static>(
    of: &'static Setting<Choice<T>>,
) -> &'static str {
    of.kind.options[of.kind.index_of(&of.kind.default)].name
}

/// The default of a whole number.
pub(crate) fn default_of(of: &'static Setting<Integer>) -> u32 {
    of.kind.default.unsigned_abs()
}

/// The options for ToonCrafter, shared by all commands that draw with it.
#[derive(Clone, Debug, Args)]
pub struct ToonCrafterOptions {
    #[arg(long, help = help(&PROMPT), value_parser = text(&PROMPT), default_value = "")]
    pub(crate) prompt: String,
    #[arg(long, help = help(&SEED), value_parser = whole(&SEED), default_value_t = default_of(&SEED))]
    pub(crate) seed: u32,
    #[arg(long, help = help(&STEPS), value_parser = whole(&STEPS))]
    steps: Option<u32>,
    #[arg(long, help = help(&SOLVER), value_parser = choice(&SOLVER), default_value = name_of_default(&SOLVER))]
    pub(crate) solver: SolverChoice,
    #[arg(long, help = help(&GUIDANCE), value_parser = number(&GUIDANCE), default_value_t = GUIDANCE.kind.default)]
    pub(crate) guidance: f64,
    #[arg(long, help = help(&RESCALE), value_parser = number(&RESCALE), default_value_t = RESCALE.kind.default)]
    pub(crate) rescale: f64,
    #[arg(
        long, alias = "fs", help = help(&MOTION), value_parser = number(&MOTION),
        default_value_t = MOTION.kind.default
    )]
    pub(crate) motion: f64,
    #[arg(
        long, alias = "dtype", help = help(&PRECISION), value_parser = choice(&PRECISION),
        default_value = name_of_default(&PRECISION)
    )]
    pub(crate) precision: PrecisionChoice,
    #[arg(long, help = help(&DEVICE), value_parser = choice(&DEVICE), default_value = name_of_default(&DEVICE))]
    pub(crate) device: DeviceChoice,
    #[arg(
        long, help = help(&MEMORY_LIMIT), value_parser = whole(&MEMORY_LIMIT),
        default_value_t = default_of(&MEMORY_LIMIT)
    )]
    memory_limit: u32,
}

impl ToonCrafterOptions {
    /// The number of steps, by default what the solver needs.
    pub(crate) fn steps(&self) -> u32 {
        self.steps.unwrap_or(self.solver.steps())
    }

    /// In MiB; `None` for all that is free.
    pub(crate) fn memory_limit(&self) -> Option<u32> {
        Some(self.memory_limit).filter(|&limit| limit > 0)
    }

    /// The engine's settings, with these weights.
    pub(crate) fn settings(
        &self,
        checkpoint: WeightRef,
        sketch_checkpoint: Option<WeightRef>,
    ) -> ToonCrafterSettings {
        ToonCrafterSettings {
            checkpoint,
            sketch_checkpoint,
            prompt: self.prompt.clone(),
            seed: u64::from(self.seed),
            steps: self.steps(),
            solver: self.solver,
            guidance: self.guidance,
            rescale: self.rescale,
            motion: self.motion,
            precision: self.precision,
            device: self.device,
            memory_limit_mb: self.memory_limit(),
        }
    }
}
