//! Columns that an author made by hand survive: tokens that stood below each other in neighbouring lines, with extra spaces,
//! are set below each other again; comments at the ends of lines that began in one column begin in one column.

use super::WIDTH;
use super::layout::Line;
use super::tokens::Tok;
use crate::syntax::lex::Kind;

/// Spaces between a statement and the comment behind it.
const BEFORE_COMMENT: usize = 2;

/// A token of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    line: usize,
    cell: usize,
}

/// Adds spaces before tokens that were aligned.
pub(super) fn tokens(lines: &mut [Line], toks: &[Tok<'_>]) {
    let mut groups: Vec<Vec<Place>> = Vec::new();
    let mut before: Vec<(Place, usize)> = Vec::new();
    for line in 0..lines.len() {
        let mut here = Vec::new();
        let neighbour = line > 0 && neighbours(&lines[line - 1], &lines[line], toks);
        for cell in movable(&lines[line], toks) {
            let place = Place { line, cell };
            let tok = &toks[lines[line].cells[cell].tok];
            let above =
                before.iter().filter(|_| neighbour).find(|(p, _)| same(&toks[lines[p.line].cells[p.cell].tok], tok));
            let group = above.map_or(groups.len(), |(_, g)| *g);
            if group == groups.len() {
                groups.push(Vec::new());
            }
            groups[group].push(place);
            here.push((place, group));
        }
        before = here;
    }
    groups.retain(|g| g.len() > 1 && g.iter().any(|p| toks[lines[p.line].cells[p.cell].tok].gap > 1));
    groups.sort_by_key(|g| g.first().map(|p| (toks[lines[p.line].cells[p.cell].tok].column, p.line)));
    for group in groups {
        // The end of the token, so that numbers are set right-justified where they were; words of equal text are equally long.
        let ends: Vec<usize> = group.iter().map(|p| end(&lines[p.line], p.cell, toks)).collect();
        let target = ends.iter().copied().max().unwrap_or(0);
        let fits = group.iter().zip(&ends).all(|(p, end)| lines[p.line].width(toks) + target - end <= WIDTH);
        if fits {
            for (p, end) in group.iter().zip(ends) {
                lines[p.line].cells[p.cell].spaces += target - end;
            }
        }
    }
}

/// Whether two lines stood below each other.
fn neighbours(above: &Line, below: &Line, toks: &[Tok<'_>]) -> bool {
    let line = |l: &Line| l.cells.first().map(|c| toks[c.tok].line);
    match (line(above), line(below)) {
        (Some(a), Some(b)) => a + 1 == b,
        _ => false,
    }
}

/// The cells of a line that spaces may move: with no other line set below its `=`, on one source line, behind every bracket that the line leaves open, and with a
/// space before them in any case.
fn movable(line: &Line, toks: &[Tok<'_>]) -> Vec<usize> {
    let Some(source) = line.cells.first().map(|c| toks[c.tok].line) else { return Vec::new() };
    if line.fixed {
        return Vec::new();
    }
    let mut open = Vec::new();
    for (k, cell) in line.cells.iter().enumerate() {
        match toks[cell.tok].text {
            "(" | "[" => open.push(k),
            ")" | "]" => {
                open.pop();
            }
            _ => {}
        }
    }
    let from = open.last().map_or(1, |k| k + 1);
    let cells = line.cells.iter().enumerate().skip(from);
    cells.filter(|(_, c)| c.spaces > 0 && toks[c.tok].line == source).map(|(k, _)| k).collect()
}

/// Whether two tokens were aligned: the same word in the same column, or numbers that end in the same column.
fn same(a: &Tok<'_>, b: &Tok<'_>) -> bool {
    let end = |t: &Tok<'_>| t.column + t.text.chars().count();
    a.text == b.text && a.column == b.column || a.kind == Kind::Number && b.kind == Kind::Number && end(a) == end(b)
}

fn end(line: &Line, cell: usize, toks: &[Tok<'_>]) -> usize {
    line.indent + line.cells.iter().take(cell + 1).map(|c| c.width(toks)).sum::<usize>()
}

/// The column of every line's comment at its end; `None` for lines without one and for comments that stand alone.
pub(super) fn comments(lines: &[Line], toks: &[Tok<'_>]) -> Vec<Option<usize>> {
    let mut columns: Vec<Option<usize>> = vec![None; lines.len()];
    let mut paragraph = 0;
    for line in 0..=lines.len() {
        if line < lines.len() && !(lines[line].blank_before && line > paragraph) {
            continue;
        }
        column_of_paragraph(lines, toks, paragraph..line, &mut columns);
        paragraph = line;
    }
    columns
}

fn column_of_paragraph(
    lines: &[Line],
    toks: &[Tok<'_>],
    paragraph: std::ops::Range<usize>,
    columns: &mut [Option<usize>],
) {
    // Source column of each comment that takes part, and how far its line is indented: the comment behind an opening brace speaks of the
    // block, and those inside have a column of their own.
    let mut source: Vec<(usize, (usize, usize))> = Vec::new();
    for line in paragraph {
        let Some(comment) = &lines[line].comment else { continue };
        let trailing = !lines[line].cells.is_empty();
        // Alone on its line, but below the comment before: its continuation.
        let above = source.last().filter(|(l, (c, _))| l + 1 == line && *c == comment.column);
        if trailing {
            source.push((line, (comment.column, lines[line].indent)));
        } else if comment.column > lines[line].indent
            && let Some((_, column)) = above
        {
            source.push((line, *column));
        }
    }
    for (line, column) in &source {
        let group = source.iter().filter(|(_, c)| c == column).map(|(l, _)| *l);
        let width = group.filter(|l| !lines[*l].cells.is_empty()).map(|l| lines[l].width(toks)).max().unwrap_or(0);
        columns[*line] = Some(width + BEFORE_COMMENT);
    }
}
