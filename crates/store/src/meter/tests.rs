//! The laws of metering, against a reckoning that counts second by second.

use proptest::prelude::*;

use super::*;

fn tariffs() -> impl Strategy<Value = Tariff> {
    let rounding = prop_oneof![Just(Rounding::Second), Just(Rounding::StartedMinute)];
    (rounding, 0_i64..400, 0_i64..200, 0_u64..200).prop_map(
        |(rounding, rate_per_minute, minimum_amount, free_seconds)| Tariff {
            rounding,
            rate_per_minute,
            minimum_amount,
            free_seconds,
        },
    )
}

/// What it costs, counted: sixtieths of the unit for each second that is not free.
fn counted(tariff: &Tariff, seconds: u64) -> i64 {
    let (mut sixtieths, mut in_minute) = (0_i64, 0);
    for second in 0..seconds {
        if second < tariff.free_seconds {
            continue;
        }
        match tariff.rounding {
            Rounding::Second => sixtieths += tariff.rate_per_minute,
            Rounding::StartedMinute => {
                if in_minute == 0 {
                    sixtieths += tariff.rate_per_minute * 60;
                }
                in_minute = (in_minute + 1) % 60;
            }
        }
    }
    if sixtieths == 0 { 0 } else { ((sixtieths + 59) / 60).max(tariff.minimum_amount) }
}

proptest! {
    #[test]
    fn it_costs_what_is_counted(tariff in tariffs(), seconds in 0_u64..2_000) {
        prop_assert_eq!(tariff.cost(seconds), Some(counted(&tariff, seconds)));
    }

    #[test]
    fn more_time_never_costs_less(tariff in tariffs(), seconds in 0_u64..2_000, more in 0_u64..500) {
        prop_assert!(tariff.cost(seconds) <= tariff.cost(seconds + more));
    }

    #[test]
    fn a_balance_lasts_for_what_it_pays_and_not_a_second_longer(tariff in tariffs(), balance in 0_i64..5_000) {
        match tariff.lasts(balance) {
            Lasts::Forever => prop_assert_eq!(tariff.rate_per_minute, 0),
            Lasts::Seconds(seconds) => {
                prop_assert!(tariff.cost(seconds).unwrap() <= balance);
                prop_assert!(tariff.cost(seconds + 1).unwrap() > balance);
            }
        }
    }

    #[test]
    fn whole_minutes_add_up(rate in 0_i64..10_000, minutes in 0_u64..500, more in 0_u64..500) {
        for rounding in [Rounding::Second, Rounding::StartedMinute] {
            let tariff = Tariff { rounding, rate_per_minute: rate, minimum_amount: 0, free_seconds: 0 };
            let cost = |minutes: u64| tariff.cost(minutes * 60).unwrap();
            prop_assert_eq!(cost(minutes) + cost(more), cost(minutes + more));
        }
    }

    #[test]
    fn a_share_and_the_rest_are_all_of_it(amount in 0_i64..i64::MAX, share in 0_i64..=SHARE_WHOLE) {
        let (part, rest) = shared(amount, share);
        prop_assert!(part >= 0 && rest >= 0);
        prop_assert_eq!(part + rest, amount);
    }

    #[test]
    fn no_number_is_too_large(rate in any::<i64>(), minimum_amount in any::<i64>(), free_seconds in any::<u64>(),
        seconds in any::<u64>(), balance in any::<i64>(), lead in any::<u64>()) {
        for rounding in [Rounding::Second, Rounding::StartedMinute] {
            let tariff = Tariff { rounding, rate_per_minute: rate, minimum_amount, free_seconds };
            let _ = (tariff.cost(seconds), tariff.lasts(balance), tariff.warns_at(balance, lead));
        }
    }
}

#[test]
fn the_rules_of_the_front_ends() {
    let per_second =
        Tariff { rounding: Rounding::Second, rate_per_minute: 10, minimum_amount: 0, free_seconds: 0 };
    // "61 seconds at 10 coins a minute are 11 coins."
    assert_eq!(per_second.cost(61), Some(11));
    assert_eq!((per_second.cost(0), per_second.cost(1), per_second.cost(6)), (Some(0), Some(1), Some(1)));
    let started = Tariff { rounding: Rounding::StartedMinute, free_seconds: 180, ..per_second };
    assert_eq!((started.cost(180), started.cost(181), started.cost(241)), (Some(0), Some(10), Some(20)));
    assert_eq!(per_second.lasts(100), Lasts::Seconds(600));
    assert_eq!(per_second.warns_at(100, 60), Some(540));
    assert_eq!(per_second.warns_at(1, 60), Some(0), "at once");
    assert_eq!(Tariff { rate_per_minute: 0, ..per_second }.warns_at(0, 60), None);
}
