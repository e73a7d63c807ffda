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
    let _ = write!(text, " faults |\n|---|{}\n", "---|".repeat(measured.columns().len() + 1));
    for (nth, server) in servers.iter().enumerate() {
        let _ = write!(text, "| {server} |");
        for column in measured.columns() {
            let _ = write!(text, " {} |", cell(rounds, nth, column));
        }
        let faults: usize = rounds.iter().map(|round| round[nth].faults.len()).sum();
        let _ = writeln!(text, " {faults} |");
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
    let unit = rounds[0][server].measures.iter().find(|measure| measure.name == column);
    match median(values) {
        Some(value) => said(value, unit.map_or(Unit::Count, |measure| measure.unit)),
        None => "–".to_owned(),
    }
}

fn ratio(column: &str, name: &str, rounds: &[Vec<Outcome>], over: usize, under: usize) -> String {
    let ratios: Vec<f64> = rounds
        .iter()
        .filter_map(|round| Some(round[over].get(column)? / round[under].get(column)?))
        .collect();
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
    fn the_median_of_an_even_number_is_between() {
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }
}
