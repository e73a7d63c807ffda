//! A page that says two hundred things at once, which is the burst that the dialect lets in without a wait.

use parlor_tests::{Plan, SUPPORT_BY_CLAIMS, matrix, script};

matrix!(a_burst_over_websocket_is_handled_in_order, a_burst_over_polling_is_handled_in_order);

async fn a_burst_over_websocket_is_handled_in_order(plan: Plan) {
    burst(plan, "websocket").await;
}

async fn a_burst_over_polling_is_handled_in_order(plan: Plan) {
    burst(plan, "polling").await;
}

async fn burst(plan: Plan, transport: &str) {
    let world = plan.start().await;
    let vars = super::people(&world).await;
    let base = format!("http://{}{SUPPORT_BY_CLAIMS}", world.entrance().address);
    script::node("support_burst.mjs", &["--base", &base, "--transport", transport, "--vars", &vars]).await;
}
