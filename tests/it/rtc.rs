//! The vectors that the token formats are held to (`crates/rtc/tests/vendor.json`) are what the vendors' own packages make.

use parlor_tests::script::{node, tests_folder};

#[tokio::test]
async fn the_vectors_are_what_the_vendors_packages_make() {
    let vectors = tests_folder().join("../crates/rtc/tests/vendor.json");
    node("rtc_tokens.cjs", &[vectors.to_str().unwrap()]).await;
}
