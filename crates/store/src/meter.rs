//! What time costs: the rules of rounding, and what follows from them. Pure; whole numbers of the smallest unit, no fractions.
//!
//! Time is whole seconds, by the server's clock. What is free comes first; of the rest each second costs a sixtieth of the
//! rate, all of it together rounded up once, or each started minute costs the rate; and what costs anything costs the minimum.
//! Sums are made in 128 bits and checked, so no rate and no time makes one wrap.

#[cfg(test)]
mod tests;

/// Whole parts of a share: hundredths of a percent.
pub const SHARE_WHOLE: i64 = 10_000;

const SECONDS_PER_MINUTE: u64 = 60;

/// How time is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// Each second, a sixtieth of the rate; the sum is rounded up.
    Second,
    /// Each minute that has begun, the rate.
    StartedMinute,
}

/// What time costs: a tenant's rules, with a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tariff {
    pub rounding: Rounding,
    /// In the smallest unit; 0 for what costs nothing. Never negative.
    pub rate_per_minute: i64,
    /// What costs anything costs at least this. Never negative.
    pub minimum_amount: i64,
    /// So many seconds at the beginning cost nothing.
    pub free_seconds: u64,
}

/// How long a balance lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lasts {
    /// So many whole seconds, and not one more.
    Seconds(u64),
    /// It costs nothing, however long it takes.
    Forever,
}

impl Tariff {
    /// What so many seconds cost; `None` if that is more than there is a number for.
    #[must_use]
    pub fn cost(&self, seconds: u64) -> Option<i64> {
        let billed = seconds.saturating_sub(self.free_seconds);
        if billed == 0 || self.rate_per_minute <= 0 {
            return Some(0);
        }
        let rate = u128::try_from(self.rate_per_minute).ok()?;
        let counted = match self.rounding {
            Rounding::Second => (u128::from(billed) * rate).div_ceil(u128::from(SECONDS_PER_MINUTE)),
            Rounding::StartedMinute => u128::from(billed.div_ceil(SECONDS_PER_MINUTE)) * rate,
        };
        Some(i64::try_from(counted).ok()?.max(self.minimum_amount))
    }

    /// How long a balance lasts from the beginning: the most seconds that cost no more.
    #[must_use]
    pub fn lasts(&self, balance: i64) -> Lasts {
        if self.rate_per_minute <= 0 {
            return Lasts::Forever;
        }
        let (Ok(balance), Ok(rate)) = (u128::try_from(balance.max(0)), u128::try_from(self.rate_per_minute))
        else {
            return Lasts::Seconds(self.free_seconds);
        };
        let minute = u128::from(SECONDS_PER_MINUTE);
        let billed = if balance < u128::try_from(self.minimum_amount).unwrap_or(0) {
            0
        } else {
            match self.rounding {
                Rounding::Second => balance * minute / rate,
                Rounding::StartedMinute => balance / rate * minute,
            }
        };
        let billed = u64::try_from(billed).unwrap_or(u64::MAX);
        Lasts::Seconds(self.free_seconds.saturating_add(billed))
    }

    /// From which second on a payer is warned that the balance runs out, `lead` seconds before it does; `None` if it never
    /// does.
    #[must_use]
    pub fn warns_at(&self, balance: i64, lead: u64) -> Option<u64> {
        match self.lasts(balance) {
            Lasts::Seconds(seconds) => Some(seconds.saturating_sub(lead)),
            Lasts::Forever => None,
        }
    }
}

/// The share of an amount, in parts of [`SHARE_WHOLE`], rounded down, and what is left. Both together are the amount.
#[must_use]
pub fn shared(amount: i64, share: i64) -> (i64, i64) {
    let part = i128::from(amount) * i128::from(share.clamp(0, SHARE_WHOLE)) / i128::from(SHARE_WHOLE);
    let part = i64::try_from(part).unwrap_or(amount);
    (part, amount - part)
}
