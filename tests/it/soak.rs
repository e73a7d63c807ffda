//! The short soak: what `cargo xtask soak` does for a quarter of an hour, in half a minute.

use parlor_tests::{
    Backend, Plan, Topology,
    soak::{self, Sizes},
};

#[test]
fn the_honest_lose_nothing_to_the_hostile() {
    parlor_tests::run(Plan::new(Topology::Local, Backend::Sqlite), |_| async {
        soak::play(Sizes::short()).await.check();
    });
}
