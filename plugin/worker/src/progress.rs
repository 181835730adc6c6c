//! Progress: bars on standard error in a terminal, plain lines in a log, or lines for render farms
//! on standard output.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::Failure;
use crate::stdio::{errln, outln};

/// Time between two lines in a log.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// A bar for bytes, with speed and remaining time.
pub(crate) fn of_bytes(what: &str) -> ProgressBar {
    bar(
        what,
        "{msg} [{wide_bar}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}, {eta} left",
    )
}

/// A bar for work in `units`, with elapsed and remaining time.
pub(crate) fn of_work(what: &str, units: u64) -> ProgressBar {
    let bar = bar(what, "{msg} [{wide_bar}] {percent}% {elapsed}, {eta} left");
    bar.set_length(units);
    bar
}

fn bar(what: &str, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("the template is a constant");
    let bar = ProgressBar::no_length().with_message(what.to_owned());
    bar.set_style(style.progress_chars("=> "));
    bar
}

/// A callback for writers of weight files.
pub(crate) fn reporter(bar: &ProgressBar) -> impl FnMut(u64, u64) + '_ {
    |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    }
}

/// How a command shows its progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgressForm {
    /// A bar on standard error, if that is a terminal.
    Bar,
    /// A line for each percent on standard output: "progress 42 %".
    Lines,
    /// The messages of Open Job Description on standard output: openjd_progress, openjd_status, openjd_fail.
    Openjd,
}

impl ProgressForm {
    /// Prints the current activity on standard output.
    fn status(self, text: &str) {
        match self {
            Self::Openjd => outln!("openjd_status: {text}"),
            Self::Lines => outln!("{text}"),
            Self::Bar => {}
        }
    }

    /// Prints a failure in the form that a farm shows beside the task.
    pub(crate) fn failed(self, failure: &Failure) {
        if self == Self::Openjd {
            outln!("openjd_fail: {}", failure.message.replace('\n', " "));
        }
    }
}

/// Prints each whole percent once on standard output.
#[derive(Debug)]
struct Percents {
    form: ProgressForm,
    told: Option<u64>,
}

impl Percents {
    fn of(form: ProgressForm) -> Self {
        Self { form, told: None }
    }

    fn tell(&mut self, percent: u64) {
        if self.told.replace(percent) == Some(percent) {
            return;
        }
        match self.form {
            ProgressForm::Openjd => outln!("openjd_progress: {percent}"),
            ProgressForm::Lines => outln!("progress {percent} %"),
            ProgressForm::Bar => {}
        }
    }
}

/// Progress of some work in the chosen form.
pub(crate) struct ProgressReporter {
    form: ProgressForm,
    bar: ProgressBar,
    percents: Percents,
}

/// Number of units of a bar that shows fractions.
const UNITS: u64 = 100_000;

impl ProgressReporter {
    pub(crate) fn new(form: ProgressForm, what: &str) -> Self {
        let bar = match form {
            ProgressForm::Bar => of_work(what, UNITS),
            ProgressForm::Lines | ProgressForm::Openjd => ProgressBar::hidden(),
        };
        Self { form, bar, percents: Percents::of(form) }
    }

    /// Shows the current activity.
    pub(crate) fn status(&self, text: &str) {
        self.bar.set_message(text.to_owned());
        self.form.status(text);
    }

    /// Shows the progress, 0 to 1.
    pub(crate) fn report(&mut self, fraction: f32) {
        self.bar.set_position((f64::from(fraction) * UNITS as f64) as u64);
        self.percents.tell((fraction.clamp(0.0, 1.0) * 100.0) as u64);
    }

    /// Removes the bar.
    pub(crate) fn done(self) {
        self.bar.finish_and_clear();
    }
}

/// Progress over frames: how many are done, how many per second, and the remaining time.
#[derive(Debug)]
pub(crate) struct Frames {
    form: ProgressForm,
    what: &'static str,
    all: u64,
    done: u64,
    percents: Percents,
    /// Frames done in this run, from which the speed is computed.
    worked: u64,
    started: Instant,
    told: Instant,
    bar: Option<ProgressBar>,
}

impl Frames {
    pub(crate) fn of(form: ProgressForm, what: &'static str, all: u64) -> Self {
        let terminal = form == ProgressForm::Bar && std::io::stderr().is_terminal();
        let bar = terminal.then(|| {
            let bar = bar(what, "{msg} [{wide_bar}] {prefix}");
            bar.set_length(all);
            bar
        });
        let now = Instant::now();
        form.status(what);
        let percents = Percents::of(form);
        Self { form, what, all, done: 0, percents, worked: 0, started: now, told: now, bar }
    }

    /// Counts one more finished frame.
    pub(crate) fn inc(&mut self) {
        self.worked += 1;
        self.skip(1);
    }

    /// Counts frames that an earlier run has finished.
    pub(crate) fn skip(&mut self, frames: u64) {
        self.done += frames;
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
            bar.set_prefix(self.text(self.started.elapsed()));
        } else if self.told.elapsed() >= BETWEEN_LINES {
            self.tell();
        }
        self.percents.tell(100 * self.done.min(self.all) / self.all.max(1));
    }

    /// Called when all frames are done. A log gets a last line.
    pub(crate) fn finish(mut self) {
        match &self.bar {
            Some(bar) => bar.finish_and_clear(),
            None => self.tell(),
        }
    }

    fn tell(&mut self) {
        let text = format!("{}: {}", self.what, self.text(self.started.elapsed()));
        match self.form {
            ProgressForm::Bar => errln!("{text}"),
            form => form.status(&text),
        }
        self.told = Instant::now();
    }

    fn text(&self, elapsed: Duration) -> String {
        let mut text = format!("{} of {} frames", self.done, self.all.max(self.done));
        let rate = self.worked as f64 / elapsed.as_secs_f64().max(1e-3);
        if self.worked > 0 {
            text += &format!(", {rate:.1} frames/s");
            let left = self.all.saturating_sub(self.done);
            if left > 0 {
                text += &format!(", {} left", clock(left as f64 / rate));
            }
        }
        text
    }
}

/// A time as 1:02:03, or 2:03.
fn clock(seconds: f64) -> String {
    let seconds = seconds.round().min(1e9) as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_rate_and_time_left_are_told() {
        let mut frames = Frames::of(ProgressForm::Bar, "drawing", 1000);
        frames.skip(100);
        assert_eq!(frames.text(Duration::from_secs(1)), "100 of 1000 frames");
        (0..50).for_each(|_| frames.inc());
        // Frames of an earlier run must not affect the speed.
        assert_eq!(
            frames.text(Duration::from_secs(25)),
            "150 of 1000 frames, 2.0 frames/s, 7:05 left"
        );
        assert_eq!(clock(7384.2), "2:03:04");
    }
}
