//! A scenario's rounds as Markdown: each server's median, then the ratios within each round.

use std::fmt::Write as _;

use parlor_bench::outcome::{Outcome, Unit, said};

use super::{plan::Measured, server::Kind};

/// `rounds[round][server]`.
pub fn render(measured: Measured, servers: &[Kind], rounds: &[Vec<Outcome>]) -> String {
    let mut text = format!("### {measured}\n\n| server |");
    for column in measured.columns() {
        let _ = write!(text, " {column} |");
    }
    let ratios = ratio_columns(measured, servers);
    text.push_str(" faults |");
    for (column, under) in &ratios {
        let _ = write!(text, " {column} / {} |", servers[*under]);
    }
    let _ = write!(text, "\n|---|{}\n", "---|".repeat(measured.columns().len() + 1 + ratios.len()));
    for (nth, server) in servers.iter().enumerate() {
        let _ = write!(text, "| {server} |");
        for column in measured.columns() {
            let _ = write!(text, " {} |", cell(rounds, nth, column));
        }
        let faults: usize = rounds.iter().map(|round| round[nth].faults.len()).sum();
        let _ = write!(text, " {faults} |");
        for (column, under) in &ratios {
            let _ = write!(text, " {} |", bounded_ratio(rounds, column, nth, *under));
        }
        text.push('\n');
    }
    text.push('\n');
    for later in 1..servers.len() {
        for earlier in 0..later {
            let name = format!("{} / {}", servers[later], servers[earlier]);
            text.push_str(&ratio(measured.ratio_of(), &name, rounds, later, earlier));
        }
    }
    text
}

fn cell(rounds: &[Vec<Outcome>], server: usize, column: &str) -> String {
    let values: Vec<f64> = rounds.iter().filter_map(|round| round[server].get(column)).collect();
    match median(values) {
        Some(value) => said(value, unit(rounds, server, column)),
        None => "–".to_owned(),
    }
}

/// How a number is said: as a bound if it was one in any round.
fn unit(rounds: &[Vec<Outcome>], server: usize, column: &str) -> Unit {
    let measures = rounds.iter().flat_map(|round| &round[server].measures);
    let mut units = measures.filter(|measure| measure.name == column).map(|measure| measure.unit);
    let first = units.next().unwrap_or(Unit::Count);
    units.find(|unit| *unit == Unit::PerSecondAtLeast).unwrap_or(first)
}

/// The numbers whose ratios make columns, and over which of these servers.
fn ratio_columns(measured: Measured, servers: &[Kind]) -> Vec<(&'static str, usize)> {
    let (columns, references) = measured.ratio_columns();
    let places = references.iter().filter_map(|kind| servers.iter().position(|server| server == kind));
    places.flat_map(|under| columns.iter().map(move |column| (*column, under))).collect()
}

/// The median of the ratios within rounds; what is only a bound makes a bound of it, and two bounds tell nothing.
fn bounded_ratio(rounds: &[Vec<Outcome>], column: &str, over: usize, under: usize) -> String {
    let is_bound = |server| unit(rounds, server, column) == Unit::PerSecondAtLeast;
    let bound = match (over == under, is_bound(over), is_bound(under)) {
        (true, ..) | (_, false, false) => "",
        (_, true, false) => ">= ",
        (_, false, true) => "<= ",
        (_, true, true) => return "–".to_owned(),
    };
    match median(ratios(rounds, column, over, under)) {
        Some(median) => format!("{bound}{median:.2}"),
        None => "–".to_owned(),
    }
}

/// The ratios within rounds, of those that have one: a short measurement may cost less than a tick of the clock, which is nothing.
fn ratios(rounds: &[Vec<Outcome>], column: &str, over: usize, under: usize) -> Vec<f64> {
    let ratio = |round: &Vec<Outcome>| {
        let under = round[under].get(column).filter(|under| *under != 0.0)?;
        Some(round[over].get(column)? / under)
    };
    rounds.iter().filter_map(ratio).collect()
}

fn ratio(column: &str, name: &str, rounds: &[Vec<Outcome>], over: usize, under: usize) -> String {
    let ratios = ratios(rounds, column, over, under);
    let each: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
    let Some(median) = median(ratios) else {
        return String::new();
    };
    format!("{column}, {name}: {}; median **{median:.2}**\n\n", each.join(", "))
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        even if even % 2 == 0 => Some(f64::midpoint(values[middle - 1], values[middle])),
        _ => Some(values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(value: f64) -> Outcome {
        let mut outcome = Outcome::default();
        outcome.add("CPU each", value, Unit::Micros);
        outcome
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let rounds = [[2.0, 4.0], [10.0, 10.0], [1.0, 3.0]].map(|round| round.map(outcome).to_vec());
        let text = render(Measured::Room, &[Kind::Floor, Kind::Node], &rounds);
        assert!(text.contains("| floor | 2.00 µs |") && text.contains("| node | 4.00 µs |"), "{text}");
        assert!(text.contains("CPU each, node / floor: 2.00, 1.00, 3.00; median **2.00**"), "{text}");
    }

    #[test]
    fn a_knee_that_only_the_generator_bounds_is_told_as_a_bound_and_so_are_its_ratios() {
        let pairs = |cost: f64, knee: f64, unit: Unit| {
            let mut outcome = outcome(cost);
            outcome.add("knee", knee, unit);
            outcome
        };
        let round = vec![
            pairs(2.0, 8000.0, Unit::PerSecondAtLeast),
            pairs(8.0, 2000.0, Unit::PerSecond),
            pairs(4.0, 4000.0, Unit::PerSecond),
        ];
        let servers = [Kind::Ceiling, Kind::NodeStored, Kind::Parlor];
        let text = render(Measured::PairsStaff, &servers, &[round]);
        let row =
            |server: &str| text.lines().find(|line| line.starts_with(&format!("| {server} |"))).unwrap();
        assert!(
            row("ceiling").contains("| >= 8000/s (the generator's own bound) | 0 | 0.25 | >= 4.00 |"),
            "{text}"
        );
        assert!(row("parlor").ends_with("| 4000/s | 0 | 0.50 | 2.00 | 2.00 | <= 0.50 |"), "{text}");
    }

    #[test]
    fn the_median_of_an_even_number_is_between() {
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn over_nothing_there_is_no_ratio() {
        let rounds = [vec![outcome(2.0), outcome(0.0)], vec![outcome(3.0), outcome(1.5)]];
        assert_eq!(ratios(&rounds, "CPU each", 0, 1), [2.0]);
        assert_eq!(bounded_ratio(&rounds[..1], "CPU each", 0, 1), "–");
    }
}
