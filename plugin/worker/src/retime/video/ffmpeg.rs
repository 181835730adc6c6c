//! Calling ffmpeg and ffprobe.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use inbetween_core::program;

use crate::failure::{Failure, Kind, Result};

/// Most lines of errors that are shown.
const ERROR_LINES: usize = 4;

/// A call of ffmpeg that prints only errors, each line with its level.
pub(super) fn command() -> Command {
    let mut command = program::command("ffmpeg");
    command.args(["-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+error"]);
    command.stdin(Stdio::null());
    command
}

/// A call of ffprobe that answers in JSON.
pub(super) fn probe_command() -> Command {
    let mut command = program::command("ffprobe");
    command.args(["-loglevel", "level+error", "-of", "json"]).stdin(Stdio::null());
    command
}

/// A path in a form that ffmpeg cannot take for an option, a protocol or a pattern.
pub(super) fn address(path: &Path) -> OsString {
    let mut address = OsString::from("file:");
    address.push(path);
    address
}

/// What a successful program printed, and the errors that it reported nevertheless.
pub(super) struct ProgramOutput {
    pub(super) stdout: Vec<u8>,
    pub(super) errors: Vec<String>,
}

/// Runs ffmpeg or ffprobe to its end. A failure carries its error messages.
pub(super) fn run(command: &mut Command) -> Result<ProgramOutput> {
    let program = command.get_program().to_string_lossy().into_owned();
    let done = command.output().map_err(|err| cannot_start(&program, &err))?;
    let errors = errors_in(&String::from_utf8_lossy(&done.stderr));
    if done.status.success() {
        return Ok(ProgramOutput { stdout: done.stdout, errors });
    }
    Err(Failure::new(Kind::File, format!("{program}: {}", summary(&errors, done.status))))
}

pub(super) fn cannot_start(program: &str, err: &std::io::Error) -> Failure {
    let message = if err.kind() == ErrorKind::NotFound {
        format!(
            "Video files need ffmpeg, and {program} was not found. Install it (Debian, Ubuntu: apt install ffmpeg; \
             macOS: brew install ffmpeg; Windows: winget install ffmpeg) so that a terminal knows the command \
             {program}, or give a folder of pictures instead."
        )
    } else {
        format!("{program} could not be started: {err}.")
    };
    Failure::new(Kind::File, message)
}

/// The level and text of a line.
pub(super) fn parse_line(line: &str) -> Option<(&str, &str)> {
    let rest = line.trim_start();
    // "[h264 @ 0x5581] [error] text" or "[error] text".
    let rest = match rest.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((who, after)) if who.contains(" @ ") => after.trim_start(),
        _ => rest,
    };
    let (level, text) = rest.strip_prefix('[')?.split_once(']')?;
    Some((level, text.trim()))
}

/// The error messages in what a program printed.
pub(super) fn errors_in(text: &str) -> Vec<String> {
    let said = text.lines().filter_map(parse_line);
    said.filter(|(level, text)| is_error(level) && !text.is_empty())
        .map(|(_, text)| text.to_owned())
        .collect()
}

pub(super) fn is_error(level: &str) -> bool {
    ["error", "fatal", "panic"].contains(&level)
}

/// Why a program failed.
pub(super) fn summary(errors: &[String], status: std::process::ExitStatus) -> String {
    if errors.is_empty() {
        // Mostly a signal, for example because a file became larger than the system allows.
        return format!("it failed and said nothing ({status})");
    }
    errors[errors.len().saturating_sub(ERROR_LINES)..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_told_from_everything_else() {
        let text = "[info] Stream #0:0\n[h264 @ 0x5581ab] [error] error while decoding MB 3 4\n\
                    [info]     title           : [error] a film\n[fatal] o.mkv: No space left\nno level\n";
        assert_eq!(
            errors_in(text),
            ["error while decoding MB 3 4", "o.mkv: No space left"].map(String::from)
        );
    }

    #[test]
    fn a_path_is_never_an_option_or_a_protocol() {
        assert_eq!(address(Path::new("-dash.mp4")), "file:-dash.mp4");
        assert_eq!(address(Path::new("12:30:05.mp4")), "file:12:30:05.mp4");
    }
}
