//! The report as a picture: how far each row is from its threshold.

use std::path::Path;

use plotters::prelude::*;

use crate::{Growth, GrowthPoint, Report, Soak, soak::SERIES};

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

/// Draws what a ledger's size costs: one panel for blocks and one for rows, each cost as a multiple of what it is at the
/// smallest size. A flat line is a cost that size does not change.
///
/// # Errors
/// Where the file cannot be written.
pub fn draw_growth(growth: &Growth, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(path, (1000, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    let (left, right) = area.split_horizontally(500);
    growth_panel(&left, "blocks of the ledger", "read a receipt", &growth.blocks)?;
    growth_panel(&right, "rows of the state", "read a row", &growth.rows)?;
    area.present()?;
    Ok(())
}

fn growth_panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    title: &str,
    read: &str,
    points: &[GrowthPoint],
) -> Result<(), Box<dyn std::error::Error>> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Ok(()) };
    let series = |cost: fn(&GrowthPoint) -> f64| -> Vec<(f64, f64)> {
        points.iter().map(|point| (point.size as f64, cost(point) / cost(first))).collect()
    };
    let lines = [
        ("open", series(|point| point.open), RGBColor(60, 100, 170)),
        ("write a block, synced", series(|point| point.write), RGBColor(60, 140, 90)),
        (read, series(|point| point.read), RGBColor(190, 110, 40)),
    ];
    let highest = lines.iter().flat_map(|(_, line, _)| line).map(|(_, times)| *times).fold(2.0, f64::max);
    let sizes = (first.size as f64 / 1.5..last.size as f64 * 1.5).log_scale();
    let mut chart = ChartBuilder::on(area)
        .caption(format!("Cost by {title}, as a multiple of the first"), ("sans-serif", 17))
        .margin(14)
        .x_label_area_size(36)
        .y_label_area_size(44)
        .build_cartesian_2d(sizes, 0.0..highest * 1.15)?;
    chart.configure_mesh().x_desc(title).y_desc("times").x_label_formatter(&|size| format!("{size:.0e}")).draw()?;
    for (name, line, color) in lines {
        let dots = line.clone();
        chart
            .draw_series(LineSeries::new(line, color.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], color.stroke_width(2)));
        chart.draw_series(dots.into_iter().map(|dot| Circle::new(dot, 4, color.filled())))?;
    }
    chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).background_style(WHITE.mix(0.8)).draw()?;
    Ok(())
}

/// Draws a node over time: memory, open files, and disk by transaction.
///
/// # Errors
/// Where the file cannot be written.
pub fn draw_soak(soak: &Soak, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(path, (1000, 780)).into_drawing_area();
    area.fill(&WHITE)?;
    let panels = area.split_evenly((3, 1));
    for (panel, (name, value)) in panels.iter().zip(SERIES) {
        let points: Vec<(f64, f64)> =
            soak.samples.iter().map(|sample| (sample.seconds / 60.0, value(sample))).collect();
        let last = points.last().map_or(1.0, |point| point.0);
        let highest = points.iter().map(|point| point.1).fold(1.0, f64::max);
        let mut chart = ChartBuilder::on(panel)
            .caption(format!("{name} ({} transfers a second)", soak.rate), ("sans-serif", 17))
            .margin(10)
            .x_label_area_size(34)
            .y_label_area_size(60)
            .build_cartesian_2d(0.0..last, 0.0..highest * 1.15)?;
        chart.configure_mesh().x_desc("minutes").draw()?;
        chart.draw_series(LineSeries::new(points, RGBColor(60, 100, 170).stroke_width(2)))?;
    }
    area.present()?;
    Ok(())
}
