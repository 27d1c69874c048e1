//! The report as a picture: how far each row is from its threshold.

use std::path::Path;

use plotters::{
    coord::Shift,
    prelude::*,
    style::{FontStyle, register_font},
};

use crate::{Growth, GrowthPoint, Report, Soak, soak::SERIES};

/// How many times the threshold a bar shows at most.
const SHOWN_MAX: f64 = 3.0;

/// Letters are measured with a font of ours: a machine may have none. It is the one of `entente load --plot`.
const FONT: &[u8] = include_bytes!("../../node/cli/src/load/fonts/Roboto-Regular.ttf");

type Drawing<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// An empty picture.
fn paper(path: &Path, size: (u32, u32)) -> Result<Drawing<'_>, Box<dyn std::error::Error>> {
    register_font("sans-serif", FontStyle::Normal, FONT).map_err(|_| "the font of the pictures cannot be read")?;
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE)?;
    Ok(area)
}

/// Draws one bar a row: 1 is the threshold, more is better.
///
/// # Errors
/// Where the file cannot be written.
pub fn draw(report: &Report, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let rows = i32::try_from(report.results.len())?;
    let height = 80 + 46 * rows;
    let area = paper(path, (1000, height.cast_unsigned()))?;
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
    let area = paper(path, (1000, 420))?;
    let (left, right) = area.split_horizontally(500);
    growth_panel(&left, "blocks of the ledger", "read a receipt", &growth.blocks)?;
    growth_panel(&right, "rows of the state", "read a row", &growth.rows)?;
    area.present()?;
    Ok(())
}

fn growth_panel(
    area: &Drawing<'_>,
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
    let all = || lines.iter().flat_map(|(_, line, _)| line).map(|(_, times)| *times);
    let (lowest, highest) = (all().fold(0.5, f64::min), all().fold(2.0, f64::max));
    let sizes = (first.size as f64 / 1.5..last.size as f64 * 1.5).log_scale();
    let mut chart = ChartBuilder::on(area)
        .caption(format!("Cost by {title}, as a multiple of the first"), ("sans-serif", 17))
        .margin(14)
        .x_label_area_size(36)
        .y_label_area_size(44)
        .build_cartesian_2d(sizes, (lowest / 1.2..highest * 3.0).log_scale())?;
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
    let area = paper(path, (1000, 780))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Row, SoakSample};

    #[test]
    fn every_picture_is_drawn_with_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.svg");
        let words = |words: &[&str]| {
            let text = std::fs::read_to_string(&path).unwrap();
            words.iter().for_each(|word| assert!(text.contains(word), "{word}: {text}"));
        };
        let mut report = Report::new(2, 20_000.0);
        report.results.push(Row::new("a row", 0.6, ">= 0.50"));
        draw(&report, &path).unwrap();
        words(&["a row: 0.600 (reach &gt;= 0.50)"]);

        let point = |size| GrowthPoint { size, open: size as f64, write: 7.0, read: 0.1, bytes: 1 };
        draw_growth(&Growth { blocks: vec![point(10), point(1000)], rows: vec![point(10), point(100)] }, &path)
            .unwrap();
        words(&["rows of the state", "read a receipt", "write a block, synced"]);

        let sample =
            |seconds| SoakSample { seconds, transactions: 9, resident_bytes: 1 << 20, files: 3, disk_bytes: 900 };
        let samples = vec![sample(0.0), sample(60.0)];
        draw_soak(&Soak { rate: 5, committed: 9, failed: 0, samples }, &path).unwrap();
        words(&["resident memory, MiB (5 transfers a second)", "open files", "disk, bytes a transaction"]);
    }
}
