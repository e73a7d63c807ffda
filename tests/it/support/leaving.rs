//! Who writes and leaves has written.

use parlor_tests::{Plan, SUPPORT_BY_CLAIMS, matrix, script};

matrix!(
    what_was_sent_before_leaving_is_stored_over_websocket,
    what_was_sent_before_leaving_is_stored_over_polling
);

async fn what_was_sent_before_leaving_is_stored_over_websocket(plan: Plan) {
    leave(plan, "websocket").await;
}

async fn what_was_sent_before_leaving_is_stored_over_polling(plan: Plan) {
    leave(plan, "polling").await;
}

async fn leave(plan: Plan, transport: &str) {
    let world = plan.start().await;
    let vars = super::people(&world).await;
    let base = format!("http://{}{SUPPORT_BY_CLAIMS}", world.entrance().address);
    script::node("support_leaving.mjs", &["--base", &base, "--transport", transport, "--vars", &vars]).await;
}
