//! What a scenario found: named numbers, and what went wrong.

use std::{fmt, time::Duration};

use serde_json::{Map, Value, json};

use crate::{
    histogram::Histogram,
    process::{Cpu, Process},
    tally::Faults,
};

/// How a number is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Count,
    PerSecond,
    /// As many a second or more: the generator could not do more.
    PerSecondAtLeast,
    Seconds,
    Millis,
    Micros,
    Bytes,
}

/// One number.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    pub name: &'static str,
    pub value: f64,
    pub unit: Unit,
}

/// What one run of a scenario found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    pub measures: Vec<Measure>,
    /// What should not have happened. A run with faults measured something else than it says.
    pub faults: Vec<String>,
    /// How it came to its numbers.
    pub notes: Vec<String>,
}

impl Outcome {
    pub fn add(&mut self, name: &'static str, value: f64, unit: Unit) {
        self.measures.push(Measure { name, value, unit });
    }

    /// What another scenario found of the same server.
    pub fn join(&mut self, other: Self) {
        self.measures.extend(other.measures);
        self.faults.extend(other.faults);
        self.notes.extend(other.notes);
    }

    pub fn add_latency(&mut self, latency: &Histogram) {
        let millis = |duration: Duration| duration.as_secs_f64() * 1e3;
        self.add("p50", millis(latency.quantile(0.5)), Unit::Millis);
        self.add("p99", millis(latency.quantile(0.99)), Unit::Millis);
        self.add("p99.9", millis(latency.quantile(0.999)), Unit::Millis);
        self.add("max", millis(latency.max()), Unit::Millis);
    }

    /// What the server spent on so many of these.
    pub fn add_cost(&mut self, spent: Option<Cpu>, events: u64, per_second: &'static str) {
        let Some(spent) = spent else { return };
        let total = spent.total().as_secs_f64();
        let each = |seconds: f64| seconds * 1e6 / events.max(1) as f64;
        self.add("server CPU", total, Unit::Seconds);
        self.add("CPU each", each(total), Unit::Micros);
        self.add("of it user", each(spent.user.as_secs_f64()), Unit::Micros);
        self.add(per_second, events as f64 / total.max(1e-3), Unit::PerSecond);
    }

    pub fn add_faults(&mut self, faults: Faults) {
        let Faults { repeated, late, missing } = faults;
        for (count, what) in [(repeated, "repeated"), (late, "out of order"), (missing, "missing")] {
            if count > 0 {
                self.faults.push(format!("{count} deliveries {what}"));
            }
        }
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.measures.iter().find(|measure| measure.name == name).map(|measure| measure.value)
    }

    /// For programs: the numbers in their base units (seconds, bytes), and the faults.
    #[must_use]
    pub fn json(&self) -> Value {
        let measures = self.measures.iter().map(|measure| {
            let factor = match measure.unit {
                Unit::Millis => 1e-3,
                Unit::Micros => 1e-6,
                _ => 1.0,
            };
            let name = measure.name.replace([' ', '.'], "_");
            let least = if measure.unit == Unit::PerSecondAtLeast { "_at_least" } else { "" };
            (name + least, json!(measure.value * factor))
        });
        let measures = measures.collect::<Map<_, _>>();
        json!({"measures": measures, "faults": self.faults, "notes": self.notes})
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for measure in &self.measures {
            writeln!(f, "{:<28} {}", measure.name, said(measure.value, measure.unit))?;
        }
        for note in &self.notes {
            writeln!(f, "  {note}")?;
        }
        for fault in &self.faults {
            writeln!(f, "FAULT: {fault}")?;
        }
        Ok(())
    }
}

/// A number with its unit, as a person reads it.
#[must_use]
pub fn said(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Count => format!("{value:.0}"),
        Unit::PerSecond if value >= 100.0 => format!("{value:.0}/s"),
        Unit::PerSecond => format!("{value:.1}/s"),
        Unit::PerSecondAtLeast => format!(">= {} (the generator's own bound)", said(value, Unit::PerSecond)),
        Unit::Seconds => format!("{value:.2} s"),
        Unit::Millis => format!("{value:.2} ms"),
        Unit::Micros => format!("{value:.2} µs"),
        Unit::Bytes if value.abs() >= 1024.0 * 1024.0 => format!("{:.1} MiB", value / 1024.0 / 1024.0),
        Unit::Bytes => format!("{:.1} KiB", value / 1024.0),
    }
}

/// What the server spends from here on, if it is known which process it is.
pub struct Spending(Option<(Process, Cpu)>);

impl Spending {
    pub fn from_now(server: Option<Process>) -> anyhow::Result<Self> {
        Ok(Self(server.map(|server| Ok::<_, anyhow::Error>((server, server.cpu()?))).transpose()?))
    }

    pub fn so_far(&self) -> anyhow::Result<Option<Cpu>> {
        self.0.map(|(server, before)| Ok(server.cpu()?.since(before))).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_read_by_people_and_programs() {
        let mut outcome = Outcome::default();
        outcome.add("p50", 1.5, Unit::Millis);
        outcome.add_faults(Faults { missing: 2, ..Faults::default() });
        assert_eq!(
            outcome.to_string(),
            "p50                          1.50 ms\nFAULT: 2 deliveries missing\n"
        );
        assert_eq!(
            outcome.json(),
            json!({"measures": {"p50": 0.0015}, "faults": ["2 deliveries missing"], "notes": []})
        );
    }

    #[test]
    fn what_only_the_generator_bounds_is_said_to_be_more() {
        let mut outcome = Outcome::default();
        outcome.add("knee", 4000.0, Unit::PerSecondAtLeast);
        outcome.notes.push("4000/s: good".to_owned());
        let text = outcome.to_string();
        assert!(text.contains(">= 4000/s (the generator's own bound)\n  4000/s: good"), "{text}");
        assert_eq!(outcome.json()["measures"], json!({"knee_at_least": 4000.0}));
    }

    #[test]
    fn cost_is_for_each_and_for_a_second_of_cpu() {
        let mut outcome = Outcome::default();
        let spent = Cpu { user: Duration::from_secs(1), system: Duration::from_secs(3) };
        outcome.add_cost(Some(spent), 1_000_000, "deliveries per CPU second");
        assert_eq!((outcome.get("CPU each"), outcome.get("of it user")), (Some(4.0), Some(1.0)));
        assert_eq!(outcome.get("deliveries per CPU second"), Some(250_000.0));
    }
}
