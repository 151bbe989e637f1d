//! The table, for people on a terminal and in `docs/BENCHMARKS.md`, and the curves as pictures.

use std::{fmt::Write, fs, path::Path};

use anyhow::Context;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use plotters::prelude::*;

use crate::figure::{Figure, median, number};

/// Cost over size.
pub(crate) struct Curve {
    over: &'static str,
    what: &'static str,
    points: Vec<(f64, f64)>,
}

impl Curve {
    pub(crate) fn new(over: &'static str, what: &'static str) -> Self {
        Self {
            over,
            what,
            points: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, x: u32, y: f64) {
        self.points.push((f64::from(x), y));
    }

    /// The picture, over a logarithmic axis.
    fn draw(&self, file: &Path) -> anyhow::Result<()> {
        let area = SVGBackend::new(file, (640, 320)).into_drawing_area();
        area.fill(&WHITE)?;
        let most = self.points.iter().map(|point| point.1).fold(1.0, f64::max);
        let ends = self.points.first().zip(self.points.last());
        let ((first, _), (last, _)) = ends.context("a curve without points")?;
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .caption(self.what, ("sans-serif", 16))
            .x_label_area_size(36)
            .y_label_area_size(64)
            .build_cartesian_2d((*first..last.max(first + 1.0)).log_scale(), 0.0..most * 1.1)?;
        chart
            .configure_mesh()
            .x_desc(self.over)
            .x_label_formatter(&|x| number(*x))
            .y_label_formatter(&|y| number(*y))
            .draw()?;
        chart.draw_series(LineSeries::new(self.points.clone(), BLUE.stroke_width(2)))?;
        chart.draw_series(
            self.points
                .iter()
                .map(|at| Circle::new(*at, 4, BLUE.filled())),
        )?;
        area.present()?;
        Ok(())
    }
}

/// Everything of one run.
pub(crate) struct Report {
    pub(crate) date: String,
    pub(crate) command: String,
    pub(crate) machine: String,
    pub(crate) versions: Vec<String>,
    pub(crate) figures: Vec<Figure>,
    pub(crate) curves: Vec<Curve>,
}

const HEADER: [&str; 7] = [
    "measure", "unit", "ours", "baseline", "ratio", "to reach", "reached",
];

fn row(figure: &Figure) -> [String; 7] {
    let rounds = |values: &[f64]| {
        let each: Vec<String> = values.iter().copied().map(number).collect();
        if each.len() > 1 {
            format!("{} ({})", number(median(values)), each.join("; "))
        } else {
            each.join("")
        }
    };
    let baseline = figure.baseline.as_ref();
    [
        figure.name.clone(),
        figure.unit.to_owned(),
        rounds(&figure.ours),
        baseline.map_or_else(String::new, |(what, values)| {
            format!("{}: {what}", rounds(values))
        }),
        figure
            .ratio()
            .map_or_else(String::new, |ratio| format!("{ratio:.2}")),
        figure.goal.to_string(),
        match figure.reached() {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "–",
        }
        .to_owned(),
    ]
}

impl Report {
    /// For a terminal.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED).set_header(HEADER);
        for figure in &self.figures {
            table.add_row(row(figure));
        }
        table.to_string()
    }

    /// Writes the page, and its pictures beside it.
    pub(crate) fn write(&self, page: &Path) -> anyhow::Result<()> {
        let mut text = String::from(
            "# Benchmarks\n\nWritten by `make bench`, no figure by hand. Absolute figures say little on a machine that is shared; ratios are taken\nwithin one run, rounds of ours and of the baseline in turn, medians of the rounds (in brackets). What the measures are is\nin `tests/bench`. A run in which events of commands are lost, repeated or reordered ends without a page.\n\n",
        );
        writeln!(
            text,
            "- date: {}\n- command: `{}`\n- machine: {}",
            self.date, self.command, self.machine
        )?;
        for version in &self.versions {
            writeln!(text, "- {version}")?;
        }
        writeln!(
            text,
            "\n| {} |\n|{}",
            HEADER.join(" | "),
            " --- |".repeat(HEADER.len())
        )?;
        for figure in &self.figures {
            writeln!(text, "| {} |", row(figure).join(" | "))?;
        }
        let folder = page
            .parent()
            .context("the page is in no folder")?
            .join("benchmarks");
        fs::create_dir_all(&folder)?;
        for curve in &self.curves {
            let file = format!("{}.svg", curve.over);
            curve.draw(&folder.join(&file))?;
            writeln!(
                text,
                "\n![{} over {}](benchmarks/{file})\n",
                curve.what, curve.over
            )?;
            writeln!(text, "| {} | {} |\n| --- | --- |", curve.over, curve.what)?;
            for (x, y) in &curve.points {
                writeln!(text, "| {} | {} |", number(*x), number(*y))?;
            }
        }
        fs::write(page, text)?;
        Ok(())
    }
}
