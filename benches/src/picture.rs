//! The report as a picture: how far each row is from its threshold.

use std::path::Path;

use plotters::prelude::*;

use crate::Report;

/// How many times the threshold a bar shows at most.
const SHOWN_MAX: f64 = 3.0;

/// Draws one bar a row: 1 is the threshold, more is better.
///
/// # Errors
/// Where the file cannot be written.
pub fn draw(report: &Report, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let rows = i32::try_from(report.results.len())?;
    let height = 80 + 46 * rows;
    let area = SVGBackend::new(path, (1000, height.cast_unsigned())).into_drawing_area();
    area.fill(&WHITE)?;
    let title = format!("{} ({} cores), V = {:.0}/s; 1 = reached, more is better", report.cpu, report.cores, report.v);
    area.draw(&Text::new(title, (20, 16), ("sans-serif", 18).into_font()))?;
    let scale = |times: f64| 20 + (times.clamp(0.0, SHOWN_MAX) / SHOWN_MAX * 960.0) as i32;
    for (row, top) in report.results.iter().zip((60..).step_by(46)) {
        let limit: f64 = row.reach.trim_start_matches(['>', '<', '=', ' ']).parse().unwrap_or(1.0);
        let times = if row.reach.starts_with(">=") { row.value / limit } else { (limit + 1e-9) / (row.value + 1e-9) };
        let color = if row.ok { RGBColor(60, 140, 90) } else { RGBColor(190, 70, 60) };
        let label = format!("{}: {:.3} (reach {})", row.name, row.value, row.reach);
        area.draw(&Text::new(label, (20, top - 4), ("sans-serif", 14).into_font()))?;
        area.draw(&Rectangle::new([(20, top + 14), (scale(times), top + 28)], color.filled()))?;
    }
    area.draw(&PathElement::new(vec![(scale(1.0), 50), (scale(1.0), height - 10)], BLACK))?;
    area.present()?;
    Ok(())
}
