//! Draws the sample pictures; `--help` lists the options.

fn main() -> anyhow::Result<()> {
    draw_samples::run()
}
