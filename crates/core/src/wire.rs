//! What every service writes the same way: times, numbers, people and roles.

use parlor_api::v1;
use parlor_store::{Millis, Roles, User};

const MILLIS_PER_SECOND: i64 = 1000;
const NANOS_PER_MILLI: i32 = 1_000_000;

/// A moment, as the contract writes it.
#[must_use]
pub fn timestamp(at: Millis) -> prost_types::Timestamp {
    let millis = i32::try_from(at.rem_euclid(MILLIS_PER_SECOND)).unwrap_or_default();
    prost_types::Timestamp { seconds: at.div_euclid(MILLIS_PER_SECOND), nanos: millis * NANOS_PER_MILLI }
}

/// A moment, as the store writes it; below a millisecond it is cut.
#[must_use]
pub fn millis(timestamp: &prost_types::Timestamp) -> Millis {
    let whole = timestamp.seconds.saturating_mul(MILLIS_PER_SECOND);
    whole.saturating_add(i64::from(timestamp.nanos / NANOS_PER_MILLI))
}

/// A stored number, none of which is negative.
#[must_use]
pub fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// A number of a request, as the store writes it; what is too large is as far as numbers go.
#[must_use]
pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The part of a user that travels.
#[must_use]
pub fn person(user: &User) -> v1::Person {
    v1::Person {
        user_id: user.id.to_string(),
        number: unsigned(user.number),
        display_name: user.display_name.clone(),
        username: user.username.clone().unwrap_or_default(),
        email: user.email.clone(),
        avatar_url: user.avatar_url.clone(),
        subject: user.identities.first().map(|identity| identity.subject.clone()).unwrap_or_default(),
    }
}

const ROLES: [(Roles, v1::Role); 4] = [
    (Roles::CUSTOMER, v1::Role::Customer),
    (Roles::STAFF, v1::Role::Staff),
    (Roles::ADMIN, v1::Role::Admin),
    (Roles::PROVIDER, v1::Role::Provider),
];

/// A set of roles, as the contract lists it.
#[must_use]
pub fn roles(roles: Roles) -> Vec<i32> {
    ROLES.iter().filter(|(stored, _)| roles.contains(*stored)).map(|(_, role)| (*role).into()).collect()
}

/// One role of the contract's; `None` if none was named.
#[must_use]
pub fn role(role: v1::Role) -> Option<Roles> {
    ROLES.iter().find(|(_, named)| *named == role).map(|(stored, _)| *stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_the_contract_on_both_sides_of_1970() {
        for at in [0, 1, 999, 1000, 1_795_206_390_007, -1, -1500] {
            let written = timestamp(at);
            assert!((0..1_000_000_000).contains(&written.nanos));
            assert_eq!(millis(&written), at);
        }
    }
}
