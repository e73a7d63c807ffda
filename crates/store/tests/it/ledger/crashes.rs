//! Storms of orders with crashes in them. A longer one is `cargo bench -p parlor-store --bench ledger`.

use super::storm::storm;
use crate::world::Place;

const ORDERS: usize = 600;

fn over(place: &Place) {
    let url = place.url();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(parlor_migration::up(&url)).unwrap();
    drop(runtime);
    let weather = storm(&url, 7, ORDERS, 4, 10);
    assert!(weather.crashes > 5 && weather.refused > 5 && weather.repeated > 5, "{weather:?}");
}

#[test]
fn no_crash_charges_twice_or_loses_anything_on_sqlite() {
    over(&Place::sqlite());
}

#[test]
fn no_crash_charges_twice_or_loses_anything_on_postgres() {
    over(&Place::postgres());
}
