//! A run as a picture: heights and views over time, with the faults behind them.

use std::path::Path;

use plotters::{
    prelude::*,
    style::{FontStyle, register_font},
};

use crate::{NODES, Report, Sample};

/// Letters are measured with a font of ours: a machine may have none. It is the one of `entente load --plot`.
const FONT: &[u8] = include_bytes!("../../../node/cli/src/load/fonts/Roboto-Regular.ttf");

const COLORS: [RGBColor; NODES] =
    [RGBColor(40, 90, 160), RGBColor(190, 70, 60), RGBColor(60, 140, 90), RGBColor(170, 120, 30)];

type Error = Box<dyn std::error::Error>;
/// A line of the picture: its title, and what it shows of a node.
type Series = (&'static str, fn(&Sample) -> f64);

const SERIES: [Series; 3] = [
    ("height", |sample| sample.height as f64),
    ("view", |sample| sample.view as f64),
    ("resident memory, MiB", |sample| (sample.resident_bytes >> 20) as f64),
];

/// Draws a run.
///
/// # Errors
/// Where the file cannot be written.
pub fn draw(report: &Report, path: &Path) -> Result<(), Error> {
    register_font("sans-serif", FontStyle::Normal, FONT).map_err(|_| "the font of the pictures cannot be read")?;
    let rows = i32::try_from(report.happened.len())?;
    let legend = u32::try_from(60 + 18 * rows)?;
    let area = SVGBackend::new(path, (1200, 780 + legend)).into_drawing_area();
    area.fill(&WHITE)?;
    let (charts, names) = area.split_vertically(780);
    for (panel, series) in charts.split_evenly((3, 1)).iter().zip(SERIES) {
        draw_series(report, panel, series)?;
    }
    let title = format!(
        "seed {}: {} blocks, {} transactions told, {} violations; grey: until put right, light: until all was looked at",
        report.seed,
        report.blocks,
        report.told,
        report.violations.len()
    );
    names.draw(&Text::new(title, (20, 8), ("sans-serif", 16).into_font()))?;
    for ((number, happened), top) in report.happened.iter().enumerate().zip((34..).step_by(18)) {
        let line = format!(
            "{}: {} ({:.0} to {:.0} s, all well after {:.1} s)",
            number + 1,
            happened.name,
            happened.begins,
            happened.healed,
            happened.ends - happened.healed
        );
        names.draw(&Text::new(line, (20, top), ("sans-serif", 14).into_font()))?;
    }
    area.present()?;
    Ok(())
}

fn draw_series(
    report: &Report,
    panel: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    (title, value): Series,
) -> Result<(), Error> {
    let most = report.samples.iter().map(value).fold(1.0, f64::max) * 1.05;
    let mut chart = ChartBuilder::on(panel)
        .caption(title, ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(34)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..report.seconds.max(1.0), 0.0..most)?;
    for (number, happened) in report.happened.iter().enumerate() {
        let spans = [(happened.begins, happened.healed, 0.30), (happened.healed, happened.ends, 0.12)];
        for (from, to, shade) in spans {
            chart.draw_series([Rectangle::new([(from, 0.0), (to, most)], BLACK.mix(shade).filled())])?;
        }
        let name = (number + 1).to_string();
        chart.draw_series([Text::new(name, (happened.begins, most), ("sans-serif", 12).into_font())])?;
    }
    chart.configure_mesh().disable_x_mesh().light_line_style(TRANSPARENT).x_desc("seconds").draw()?;
    for (node, color) in COLORS.iter().enumerate() {
        let points = report.samples.iter().filter(|sample| sample.node == node);
        let line = LineSeries::new(points.map(|sample| (sample.at, value(sample))), color);
        chart
            .draw_series(line)?
            .label(format!("node{node}"))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], *color));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).draw()?;
    Ok(())
}
