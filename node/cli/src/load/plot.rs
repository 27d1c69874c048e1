//! What came of a load over time, as a picture: throughput, latency and how full the blocks were.
//!
//! It is drawn at twice its size and then made smaller, which smooths every edge, with a font of our own.
#![allow(
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "places in a picture and figures for people: small and never below zero"
)]

use std::{fs, io::BufWriter, ops::Range, path::Path};

use entente_client::load::{Latency, Point, Timeline};
use plotters::{
    coord::{
        Shift,
        ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter},
    },
    prelude::*,
    style::{
        FontStyle, register_font,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::Loaded;
use crate::{output::Failure, table::thousands};

/// The picture's size in pixels, and how many times that it is drawn.
pub(super) const WIDTH: u32 = 1400;
pub(super) const HEIGHT: u32 = 1080;
const SCALE: u32 = 2;
/// More points than this are drawn as fewer, so that lines stay lines.
const POINTS_SHOWN_MAX: usize = 240;

const FONT: &str = "entente";
const REGULAR: &[u8] = include_bytes!("fonts/Roboto-Regular.ttf");
const MEDIUM: &[u8] = include_bytes!("fonts/Roboto-Medium.ttf");

const INK: RGBColor = RGBColor(17, 24, 39);
const FAINT: RGBColor = RGBColor(107, 114, 128);
const GRID: RGBColor = RGBColor(229, 231, 235);
const BLUE: RGBColor = RGBColor(37, 99, 235);
const TEAL: RGBColor = RGBColor(13, 148, 136);
const AMBER: RGBColor = RGBColor(217, 119, 6);
const ROSE: RGBColor = RGBColor(225, 29, 72);
const VIOLET: RGBColor = RGBColor(124, 58, 237);

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<<BitMapBackend<'static> as DrawingBackend>::ErrorType>>;

/// What the picture tells beside the points.
pub(super) struct Story<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) timeline: &'a Timeline,
    /// What was asked for, in words.
    pub(super) plan: String,
    /// How many transactions, and how much gas, a block may have.
    pub(super) block_transactions_max: Option<u64>,
    pub(super) block_gas_max: Option<u64>,
}

/// One line of a panel.
#[derive(Default)]
struct Series {
    name: String,
    color: RGBColor,
    dashed: bool,
    filled: bool,
    /// Runs of points: where nothing is known, one ends.
    runs: Vec<Vec<(f64, f64)>>,
}

/// One of the three diagrams.
struct Panel {
    title: &'static str,
    unit: &'static str,
    series: Vec<Series>,
    /// The highest value that the axis ever shows.
    top: Option<f64>,
}

/// Draws the picture into a PNG file.
pub(super) fn draw(story: &Story<'_>, path: &Path) -> Result<(), Failure> {
    let fault = |reason: String| Failure::new(format!("{}: {reason}", path.display()));
    for (style, bytes) in [(FontStyle::Normal, REGULAR), (FontStyle::Bold, MEDIUM)] {
        register_font(FONT, style, bytes).map_err(|_| fault("the font inside this program cannot be read".into()))?;
    }
    let (width, height) = (WIDTH * SCALE, HEIGHT * SCALE);
    let mut pixels = vec![0; width as usize * height as usize * 3];
    picture(story, &mut pixels, (width, height)).map_err(|error| fault(format!("cannot be drawn: {error}")))?;
    let pixels = smaller(&pixels);
    let file = fs::File::create(path).map_err(|error| fault(error.to_string()))?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(&pixels)?;
        writer.finish()
    });
    written.map_err(|error| fault(error.to_string()))
}

/// The picture in its size: each pixel is the middle of those that were drawn for it.
fn smaller(large: &[u8]) -> Vec<u8> {
    let (scale, row) = (SCALE as usize, (WIDTH * SCALE * 3) as usize);
    let mut small = Vec::with_capacity(large.len() / scale / scale);
    for rows in large.chunks_exact(row * scale) {
        for column in 0..WIDTH as usize {
            for color in 0..3 {
                let samples = rows.chunks_exact(row).flat_map(|row| {
                    let pixels = row.iter().skip(column * scale * 3 + color).step_by(3);
                    pixels.take(scale).map(|sample| u32::from(*sample))
                });
                let sum: u32 = samples.sum();
                small.push((sum / (SCALE * SCALE)) as u8);
            }
        }
    }
    small
}

const fn scaled(pixels: u32) -> u32 {
    pixels * SCALE
}

fn text(size: u32, style: FontStyle, color: RGBColor, anchor: HPos) -> TextStyle<'static> {
    let font = (FONT, f64::from(scaled(size)), style).into_font();
    font.color(&color).pos(Pos::new(anchor, VPos::Center))
}

fn picture(story: &Story<'_>, pixels: &mut [u8], size: (u32, u32)) -> Drawn {
    let root = BitMapBackend::with_buffer(pixels, size).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.margin(scaled(18), scaled(10), scaled(28), scaled(36));
    let (head, body) = root.split_vertically(scaled(92));
    heading(story, &head)?;
    let timeline = story.timeline.with_points_max(POINTS_SHOWN_MAX);
    let seconds = story.loaded.result.seconds.max(0.001);
    let panels = panels(story, &timeline, seconds);
    for (place, (panel, area)) in panels.iter().zip(body.split_evenly((panels.len(), 1))).enumerate() {
        draw_panel(panel, &area, seconds, place + 1 == panels.len())?;
    }
    root.present()
}

fn heading(story: &Story<'_>, area: &Area<'_>) -> Drawn {
    let result = &story.loaded.result;
    let title = format!(
        "{} transfers in {:.1} s: {} per second",
        thousands(result.committed),
        result.seconds,
        thousands(result.tps.round() as u64)
    );
    let Latency { p50, p90, p99, max } = result.latency_ms;
    let failed = match result.failed {
        0 => "none failed".to_owned(),
        failed => format!("{} failed", thousands(failed)),
    };
    let measured = format!(
        "latency p50 {} ms, p90 {} ms, p99 {} ms, max {} ms  \u{b7}  {} blocks  \u{b7}  {failed}",
        figure(p50, 1.0),
        figure(p90, 1.0),
        figure(p99, 1.0),
        figure(max, 1.0),
        thousands(result.blocks)
    );
    let left = scaled(76) as i32;
    let line =
        |words: String, top: u32, style: &TextStyle<'_>| area.draw_text(&words, style, (left, scaled(top) as i32));
    line(title, 16, &text(27, FontStyle::Bold, INK, HPos::Left))?;
    line(story.plan.clone(), 46, &text(16, FontStyle::Normal, FAINT, HPos::Left))?;
    line(measured, 69, &text(16, FontStyle::Normal, FAINT, HPos::Left))
}

/// The diagrams, from the points.
fn panels(story: &Story<'_>, timeline: &Timeline, seconds: f64) -> Vec<Panel> {
    let width = timeline.width().as_secs_f64();
    // The last point's time ends with the load; a sliver of it says nothing of a rate.
    let stretch = |place: usize| (seconds - place as f64 * width).min(width);
    let middle = |place: usize| (place as f64 * width + stretch(place).max(0.0) / 2.0).min(seconds);
    let series = |name: &str, color, value: &dyn Fn(usize, &Point) -> Option<f64>| {
        let mut runs: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
        for (place, point) in timeline.points().iter().enumerate() {
            match (value(place, point), runs.last_mut()) {
                (Some(value), Some(run)) => run.push((middle(place), value)),
                _ => runs.push(Vec::new()),
            }
        }
        runs.retain(|run| !run.is_empty());
        for run in &mut runs {
            // One point alone makes no line: it is drawn as long as its time.
            if let [(time, value)] = *run.as_slice() {
                let half = width.min(seconds) / 2.0;
                *run = vec![((time - half).max(0.0), value), ((time + half).min(seconds), value)];
            }
        }
        Series { name: name.to_owned(), color, runs, ..Series::default() }
    };
    let rate = |count: fn(&Point) -> u64| {
        move |place: usize, point: &Point| {
            let stretch = stretch(place);
            (place == 0 || stretch > width / 2.0).then(|| count(point) as f64 / stretch)
        }
    };
    let mut throughput = vec![
        Series { filled: true, ..series("committed", BLUE, &rate(|point| point.committed)) },
        Series { dashed: true, ..series("sent", INK, &rate(|point| point.sent)) },
    ];
    if story.loaded.result.failed > 0 {
        throughput.push(series("failed", ROSE, &rate(|point| point.failed)));
    }
    let latency = |name, color, quantile| series(name, color, &move |_, point: &Point| point.latency_ms(quantile));
    let latencies = vec![latency("p99", ROSE, 0.99), latency("p90", AMBER, 0.9), latency("p50", TEAL, 0.5)];
    vec![
        Panel { title: "Throughput", unit: "transactions per second", series: throughput, top: None },
        Panel { title: "Latency", unit: "milliseconds", series: latencies, top: None },
        fill(story, &series),
    ]
}

/// Makes a line of a name, a colour and what each point says.
type MakeSeries<'a> = dyn Fn(&str, RGBColor, &dyn Fn(usize, &Point) -> Option<f64>) -> Series + 'a;

/// How full blocks are, in percent of what they may have; where that is not known, how many transactions they have.
fn fill(story: &Story<'_>, series: &MakeSeries<'_>) -> Panel {
    let title = "Block fill";
    let of_blocks = |point: &Point, amount: u64, limit: u64| {
        (point.blocks > 0).then(|| amount as f64 / point.blocks as f64 / limit.max(1) as f64 * 100.0)
    };
    let Some(limit) = story.block_transactions_max else {
        let mean = |_: usize, point: &Point| of_blocks(point, point.block_transactions, 100);
        let fullest = |_: usize, point: &Point| (point.blocks > 0).then_some(point.block_transactions_max as f64);
        let series = vec![
            series("the fullest", FAINT, &fullest),
            Series { filled: true, ..series("on average", VIOLET, &mean) },
        ];
        return Panel { title, unit: "transactions in a block", series, top: None };
    };
    let fullest = |_: usize, point: &Point| {
        (point.blocks > 0).then(|| point.block_transactions_max as f64 / limit.max(1) as f64 * 100.0)
    };
    let mean = |_: usize, point: &Point| of_blocks(point, point.block_transactions, limit);
    let mut lines = vec![
        Series { dashed: true, ..series("the fullest block's transactions", VIOLET, &fullest) },
        Series { filled: true, ..series(&format!("transactions of {}", thousands(limit)), VIOLET, &mean) },
    ];
    if let Some(gas_max) = story.block_gas_max {
        let gas = |_: usize, point: &Point| of_blocks(point, point.gas_used, gas_max);
        lines.push(series(&format!("gas of {} million", thousands(gas_max / 1_000_000)), AMBER, &gas));
    }
    Panel { title, unit: "percent of what a block may have", series: lines, top: Some(100.0) }
}

fn draw_panel(panel: &Panel, area: &Area<'_>, seconds: f64, is_last: bool) -> Drawn {
    let values = panel.series.iter().flat_map(|series| series.runs.iter().flatten().map(|(_, value)| *value));
    let value_axis = Axis::above(values.fold(0.0, f64::max), 4.0, panel.top);
    let time_axis = Axis::of_time(seconds);
    let (head, body) = area.split_vertically(scaled(40));
    let mut chart = ChartBuilder::on(&body)
        .x_label_area_size(scaled(if is_last { 50 } else { 26 }))
        .y_label_area_size(scaled(76))
        .build_cartesian_2d(time_axis, value_axis)?;
    let label = text(14, FontStyle::Normal, FAINT, HPos::Center);
    let mut mesh = chart.configure_mesh();
    mesh.disable_x_mesh().light_line_style(TRANSPARENT).bold_line_style(GRID.stroke_width(SCALE));
    mesh.axis_style(FAINT.stroke_width(SCALE)).set_all_tick_mark_size(scaled(5));
    mesh.x_label_style(label.clone()).y_label_style(label.clone());
    if is_last {
        mesh.x_desc("seconds since the start").axis_desc_style(label);
    }
    mesh.draw()?;
    for series in &panel.series {
        for run in &series.runs {
            draw_run(&mut chart, series, run)?;
        }
    }
    draw_head(panel, &head)
}

type Chart<'a, 'b> = ChartContext<'a, BitMapBackend<'b>, Cartesian2d<Axis, Axis>>;

fn draw_run(chart: &mut Chart<'_, '_>, series: &Series, run: &[(f64, f64)]) -> Drawn {
    let style = series.color.stroke_width(scaled(2));
    if series.filled {
        let area = AreaSeries::new(run.iter().copied(), 0.0, series.color.mix(0.14));
        chart.draw_series(area)?;
    }
    if series.dashed {
        let line = DashedLineSeries::new(run.iter().copied(), scaled(6), scaled(4), style);
        return chart.draw_series(line).map(drop);
    }
    chart.draw_series(LineSeries::new(run.iter().copied(), style)).map(drop)
}

/// The panel's title, unit and legend, in the line above it.
fn draw_head(panel: &Panel, area: &Area<'_>) -> Drawn {
    let middle = scaled(24) as i32;
    let title = text(19, FontStyle::Bold, INK, HPos::Left);
    let unit = text(15, FontStyle::Normal, FAINT, HPos::Left);
    let left = scaled(76) as i32;
    area.draw_text(panel.title, &title, (left, middle))?;
    let (title_width, _) = area.estimate_text_size(panel.title, &title)?;
    area.draw_text(panel.unit, &unit, (left + (title_width + scaled(12)) as i32, middle))?;
    // From the right to the left.
    let mut right = area.dim_in_pixel().0 as i32;
    let name = text(15, FontStyle::Normal, INK, HPos::Left);
    for series in panel.series.iter().filter(|series| !series.runs.is_empty()) {
        let (name_width, _) = area.estimate_text_size(&series.name, &name)?;
        right -= name_width as i32;
        area.draw_text(&series.name, &name, (right, middle))?;
        right -= scaled(8) as i32;
        // The font's letters stand a little above the middle of their line.
        let middle = middle - scaled(2) as i32;
        let sample = scaled(24) as i32;
        let style = series.color.stroke_width(scaled(3));
        let gap = if series.dashed { scaled(4) as i32 } else { 0 };
        for (begin, end) in [(0, sample / 2 - gap / 2), (sample / 2 + gap / 2, sample)] {
            let ends = [(right - sample + begin, middle), (right - sample + end, middle)];
            area.draw(&PathElement::new(ends, style))?;
        }
        right -= sample + scaled(22) as i32;
    }
    Ok(())
}

/// An axis from 0, with marks at round figures.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Axis {
    end: f64,
    /// From one mark to the next: 1, 2 or 5 times a power of ten.
    step: f64,
}

impl Axis {
    /// One that shows so much, has about so many marks and ends at one; or at `top`, where more than that cannot be.
    fn above(highest: f64, marks: f64, top: Option<f64>) -> Self {
        let highest = if highest > 0.0 { highest } else { 1.0 };
        let rough = highest / marks;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0].into_iter().map(|times| times * power).find(|step| *step >= rough);
        let step = step.unwrap_or(10.0 * power);
        let end = (highest * 1.04 / step).ceil() * step;
        Self { end: top.map_or(end, |top| end.min(top.max(highest))), step }
    }

    /// One that ends with the time, or at a mark that is just behind it.
    fn of_time(seconds: f64) -> Self {
        let axis = Self::above(seconds, 10.0, None);
        let mark = (seconds / axis.step).ceil() * axis.step;
        Self { end: if mark < seconds * 1.02 { mark } else { seconds }, ..axis }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        from + (value / self.end * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        let count = (self.end / self.step + 1e-9).floor() as u32;
        (0..=count).map(|place| f64::from(place) * self.step).collect()
    }

    fn range(&self) -> Range<f64> {
        0.0..self.end
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        figure(*value, self.step)
    }
}

/// A value at an axis, with as many decimals as the step needs.
fn figure(value: f64, step: f64) -> String {
    if step >= 1.0 {
        return thousands(value.round() as u64);
    }
    let decimals = (-step.log10()).ceil().clamp(0.0, 6.0) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_above_its_values_at_a_mark() {
        for (highest, top) in
            [(0.0, None), (97.0, None), (1000.0, None), (0.031, None), (99.0, Some(100.0)), (130.0, Some(100.0))]
        {
            let Axis { end, step } = Axis::above(highest, 4.0, top);
            assert!(end >= highest, "{highest}: {end}");
            let marks = (end / step).round();
            assert!(top.is_some() || (end - marks * step).abs() < 1e-9 * end, "{highest}: {end} {step}");
            assert!((2.0..=6.0).contains(&(end / step)), "{highest}: {end} {step}");
        }
    }

    #[test]
    fn figures_are_as_long_as_the_step_wants() {
        assert_eq!(figure(12_000.0, 500.0), "12,000");
        assert_eq!(figure(0.5, 0.5), "0.5");
        assert_eq!(figure(0.030_000_1, 0.01), "0.03");
    }

    #[test]
    fn making_smaller_takes_the_middle() {
        let row = |left: u8, right: u8| [vec![left; 3], vec![right; 3]].concat().repeat(WIDTH as usize);
        let large = [row(0, 100), row(50, 250)].concat();
        assert_eq!(smaller(&large), vec![100; WIDTH as usize * 3]);
    }
}
