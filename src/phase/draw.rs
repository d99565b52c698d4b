//! The drawing of a phase plane as one self-contained SVG.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::fixed::FixedPoint;
use super::window::Window;
use super::{Axis, Plane};
use crate::units::show;

const SIZE: (u32, u32) = (820, 640);
const FIRST: RGBColor = RGBColor(0xc0, 0x39, 0x2b);
const SECOND: RGBColor = RGBColor(0x1f, 0x5f, 0xa8);
const FIELD: RGBColor = RGBColor(0x55, 0x5f, 0x6b);
const FONT: &str = "sans-serif";

/// Draws a plane: its field on a grid of `points` by `points`, both nullclines, fixed points (filled if stable) and the threshold; of a neuron of one
/// equation the derivative over the state.
///
/// # Errors
/// In words; writing to memory has none to expect.
pub fn svg(
    plane: &Plane,
    title: &str,
    window: &Window,
    curves: &[Vec<Vec<[f64; 2]>>; 2],
    found: &[FixedPoint],
    points: usize,
) -> Result<String, String> {
    let mut text = String::new();
    picture(&mut text, plane, title, window, curves, found, points).map_err(|e| e.to_string())?;
    Ok(text)
}

type Fault = Box<dyn std::error::Error>;

fn picture(
    text: &mut String,
    plane: &Plane,
    title: &str,
    window: &Window,
    curves: &[Vec<Vec<[f64; 2]>>; 2],
    found: &[FixedPoint],
    points: usize,
) -> Result<(), Fault> {
    let (x, y) = (&plane.x, plane.y.as_ref());
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let up = y.map_or(&x.rate, |y| &y.unit).factor;
    let shown = |p: [f64; 2]| (p[0] / x.unit.factor, p[1] / up);
    let (low, high) = (shown([window.x.0, window.y.0]), shown([window.x.1, window.y.1]));
    let mut chart = ChartBuilder::on(&root)
        .caption(title, (FONT, 20))
        .margin(14)
        .x_label_area_size(50)
        .y_label_area_size(76)
        .build_cartesian_2d(low.0..high.0, low.1..high.1)?;
    let plain = |v: &f64| show::number((v * 1e9).round() / 1e9);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.08))
        .x_desc(x.label())
        .y_desc(y.map_or_else(|| x.rate_label(), Axis::label))
        .axis_desc_style((FONT, 16))
        .label_style((FONT, 13))
        .x_label_formatter(&plain)
        .y_label_formatter(&plain)
        .draw()?;
    if y.is_some() {
        chart.draw_series(
            arrows(plane, window, points)
                .into_iter()
                .map(|(path, weight)| PathElement::new(path.map(shown).to_vec(), FIELD.mix(weight))),
        )?;
    }
    if let Some(v) = plane.threshold.filter(|v| (window.x.0..window.x.1).contains(v)) {
        const DASHES: usize = 40;
        let dash = |k: usize| {
            let end = |part: f64| shown([v, window.at(0.0, (k as f64 + part) / DASHES as f64)[1]]);
            PathElement::new(vec![end(0.0), end(0.55)], BLACK.mix(0.6))
        };
        chart
            .draw_series((0..DASHES).map(dash))?
            .label("spikes to the right")
            .legend(|(x, y)| PathElement::new(vec![(x, y), (x + 20, y)], BLACK.mix(0.6)));
    }
    let mut line = |pieces: Vec<Vec<(f64, f64)>>, color: RGBColor, label: String| -> Result<(), Fault> {
        chart
            .draw_series(pieces.into_iter().map(|p| PathElement::new(p, color.stroke_width(2))))?
            .label(label)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 20, y)], color.stroke_width(2)));
        Ok(())
    };
    match y {
        Some(y) => {
            for ((pieces, axis), color) in curves.iter().zip([x, y]).zip([FIRST, SECOND]) {
                let pieces = pieces.iter().map(|p| p.iter().map(|q| shown(*q)).collect()).collect();
                line(pieces, color, format!("d{}/dt = 0", axis.name))?;
            }
        }
        None => {
            const POINTS: usize = 600;
            let at = |k: usize| {
                let v = window.at(k as f64 / POINTS as f64, 0.0)[0];
                shown([v, plane.rates(v, v)[0]])
            };
            let curve: Vec<(f64, f64)> = (0..=POINTS).map(at).collect();
            let pieces = curve.split(|p| !(low.1..=high.1).contains(&p.1)).filter(|p| p.len() > 1);
            line(pieces.map(<[_]>::to_vec).collect(), FIRST, format!("d{}/dt", x.name))?;
            line(vec![vec![(low.0, 0.0), (high.0, 0.0)]], FIELD, "no change".to_owned())?;
        }
    }
    for (stable, label) in [(true, "stable fixed point"), (false, "unstable fixed point")] {
        let dots: Vec<_> = found.iter().filter(|f| f.kind.stable() == stable).map(|f| shown(f.at)).collect();
        if dots.is_empty() {
            continue;
        }
        let inside = if stable { BLACK } else { WHITE };
        chart
            .draw_series(
                dots.iter()
                    .flat_map(|p| [Circle::new(*p, 6, inside.filled()), Circle::new(*p, 6, BLACK.stroke_width(2))]),
            )?
            .label(label)
            .legend(move |(x, y)| {
                Circle::new((x + 10, y), 5, if stable { BLACK.filled() } else { BLACK.stroke_width(2) })
            });
    }
    let anchor = Pos::new(HPos::Left, VPos::Center);
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .label_font(TextStyle::from((FONT, 14)).pos(anchor))
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    root.present()?;
    Ok(())
}

/// Arrows along the field, all of one length: tail, tip, and the two sides of the head; and how dark, by speed.
fn arrows(plane: &Plane, window: &Window, points: usize) -> Vec<([[f64; 2]; 5], f64)> {
    let (wide, high) = (window.x.1 - window.x.0, window.y.1 - window.y.0);
    let cells = points.max(1) as f64;
    let mut out = Vec::new();
    for j in 0..points {
        for i in 0..points {
            let (across, up) = ((i as f64 + 0.5) / cells, (j as f64 + 0.5) / cells);
            let [x, y] = window.at(across, up);
            let [dx, dy] = plane.rates(x, y);
            let (dx, dy) = (dx / wide, dy / high);
            let speed = dx.hypot(dy);
            if !speed.is_finite() || speed == 0.0 {
                continue;
            }
            let (c, s) = (dx / speed, dy / speed);
            let from = |along: f64, aside: f64| {
                window.at(across + (along * c - aside * s) / cells, up + (along * s + aside * c) / cells)
            };
            out.push((
                [from(-0.36, 0.0), from(0.36, 0.0), from(0.14, 0.11), from(0.36, 0.0), from(0.14, -0.11)],
                speed,
            ));
        }
    }
    let mut speeds: Vec<f64> = out.iter().map(|(_, s)| *s).collect();
    speeds.sort_by(f64::total_cmp);
    let middle = speeds.get(speeds.len() / 2).copied().unwrap_or(1.0);
    for (_, speed) in &mut out {
        *speed = 0.2 + 0.6 * *speed / (*speed + middle);
    }
    out
}
