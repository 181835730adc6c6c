//! `--preset`: stands for other options of the command, taken from the table of presets.

use std::ffi::OsString;

use inbetween_core::settings::list::{Mode, PRESET, Preset, SetTo};

/// The name of a setting's option on the command line.
pub(crate) fn option_of(id: &str) -> String {
    match id {
        "raiseStrength" => "strength".into(),
        "timingChart" => "chart".into(),
        "toRate" => "to".into(),
        "sketchLines" => "lines".into(),
        _ => id.chars().fold(String::new(), |name, c| {
            if c.is_uppercase() {
                name + "-" + &c.to_lowercase().to_string()
            } else {
                name + &c.to_string()
            }
        }),
    }
}

/// The command that a preset is for.
fn command(preset: Preset) -> &'static str {
    match preset.mode() {
        Mode::InBetweens => "render",
        Mode::Retime => "retime",
    }
}

/// The names of the presets for a command.
pub(crate) fn names(of: &str) -> Vec<&'static str> {
    let fits = |preset: Option<Preset>| preset.is_none_or(|preset| command(preset) == of);
    PRESET.kind.options.iter().filter(|row| fits(row.value)).map(|row| row.name).collect()
}

/// The command line with the options of its preset added. Options that are given take precedence.
pub(crate) fn expand(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let of = |name: &str| PRESET.kind.options.iter().find(|row| row.name == name)?.value;
    let given = |option: &str| {
        let (whole, begin) = (format!("--{option}"), format!("--{option}="));
        let mut texts = arguments.iter().map(|text| text.to_string_lossy());
        texts.any(|text| text == whole || text.starts_with(&begin))
    };
    let value = arguments.iter().enumerate().find_map(|(at, text)| {
        let text = text.to_str()?;
        match text.strip_prefix("--preset")? {
            "" => arguments.get(at + 1)?.to_str().map(str::to_owned),
            rest => rest.strip_prefix('=').map(str::to_owned),
        }
    });
    let Some(preset) = value.and_then(|name| of(&name)) else { return arguments };
    // A preset of another command is rejected later, when the command line is parsed.
    if arguments.get(1).is_none_or(|name| *name != *command(preset)) {
        return arguments;
    }
    let options: &[&str] = match preset.mode() {
        Mode::InBetweens => &["chart", "exposure", "engine", "quality"],
        Mode::Retime => &["quality", "to", "strength"],
    };
    let mut added = Vec::new();
    for (setting, to) in preset.sets() {
        let option = option_of(&setting.id().to_string_lossy());
        let value = match to {
            SetTo::Option(_, name) => name.to_owned(),
            SetTo::Number(number) => number.to_string(),
        };
        // Positions replace the chart, and a file's own rate stands for the project's.
        let other = option == "chart" && given("positions") || option == "to" && value == "project";
        if options.contains(&option.as_str()) && !given(&option) && !other {
            added.push(OsString::from(format!("--{option}={value}")));
        }
    }
    arguments.splice(2..2, added);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(line: &str) -> String {
        let arguments = line.split(' ').map(OsString::from).collect();
        let arguments = expand(arguments).into_iter().map(|text| text.into_string().unwrap());
        arguments.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_preset_stands_for_options_of_its_command() {
        assert_eq!(
            expanded("inbetween render a b --preset snappy-on-twos --out o"),
            "inbetween render --chart=ease-in-out --exposure=twos --engine=auto --quality=standard a b \
             --preset snappy-on-twos --out o"
        );
        assert_eq!(
            expanded("inbetween retime a b --preset=old-footage"),
            "inbetween retime --quality=standard --to=60 --strength=1 a b --preset=old-footage"
        );
    }

    #[test]
    fn what_is_given_counts_more() {
        let said =
            expanded("inbetween render a b --preset morph --positions 0.5 --exposure=threes");
        assert!(!said.contains("--chart") && !said.contains("--exposure=ones"), "{said}");
        let said = expanded("inbetween retime a b --preset finish-the-twos --quality high");
        assert!(!said.contains("--to") && !said.contains("--quality=standard"), "{said}");
    }

    #[test]
    fn without_a_preset_or_with_one_of_another_command_nothing_is_added() {
        for line in [
            "inbetween render a b --out o",
            "inbetween render a b --preset none",
            "inbetween render a b --preset old-footage",
            "inbetween doctor --preset morph",
            "inbetween render a b --preset",
        ] {
            assert_eq!(expanded(line), line);
        }
    }
}
