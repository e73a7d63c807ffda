//! The native dialect, played by the official clients: calls, watches, refusals, and recovery across cuts and a crash.

use parlor_api::v1;
use parlor_tests::{Link, PATIENCE, Plan, Topology, World, matrix, script, talk};
use serde_json::{Value, json};

matrix!(over_websocket, over_polling, recovery_holds_across_cuts_and_a_crash);

/// The smaller version of the campaign: so many clients, for so long, cut so often.
const CLIENTS: usize = 60;

async fn over_websocket(plan: Plan) {
    play(plan, "websocket").await;
}

async fn over_polling(plan: Plan) {
    play(plan, "polling").await;
}

async fn play(plan: Plan, transport: &str) {
    let world = plan.start().await;
    let base = format!("http://{}", world.entrance().address);
    let person = |role: &str| {
        let person = world.person(role);
        json!({"token": person.token, "id": person.subject})
    };
    let vars = json!({"admin": person("admin"), "customer": person("customer")}).to_string();
    script::node("native.mjs", &["--base", &base, "--transport", transport, "--vars", &vars]).await;
}

async fn recovery_holds_across_cuts_and_a_crash(plan: Plan) {
    let mut world = plan.start().await;
    let road = Link::open(world.entrance().address).await;
    let tokens: Vec<Value> = (0..CLIENTS).map(|_| json!(world.person("customer").token)).collect();
    let (base, tokens) = (format!("http://{}", road.address()), Value::from(tokens).to_string());
    let told = world.session();
    let attendant = attendant(&world).await;
    let arguments = [
        "--base",
        &base,
        "--tokens",
        &tokens,
        "--staff",
        &attendant,
        "--key",
        &told,
        "--seconds",
        "8",
        "--every",
        "1500",
        "--away",
        "300",
    ];
    let staff = world.person("staff");
    let crash = async {
        // The clients write here when all of them are in, and have sent something.
        let mut chat = world.chat_as(&staff.token).await;
        talk::open(&mut chat, &told).await;
        let mut watch = talk::watch(&mut chat, &told, 0).await;
        while talk::message_of(&talk::next(&mut watch).await.unwrap()).is_none() {}
        drop(watch);
        world.kill_core().await;
        world.restart_core().await;
        if world.topology() == Topology::Local {
            road.lead_to(world.entrance().address);
        }
    };
    let play = script::node("native_cuts.mjs", &arguments);
    let both = async { tokio::join!(play, crash) };
    tokio::time::timeout(4 * PATIENCE, both).await.expect("everybody hears everything");
}

/// The token of somebody whom customers see as staff: what is stored of a person says so, not their token.
async fn attendant(world: &World) -> String {
    let person = world.person("staff");
    let user = v1::User {
        username: person.username,
        roles: vec![v1::Role::Staff.into()],
        identities: vec![v1::Identity { issuer: "legacy".to_owned(), subject: person.subject }],
        ..v1::User::default()
    };
    let request = v1::UpsertUserRequest { user: Some(user), ..v1::UpsertUserRequest::default() };
    world.operator().await.directory().upsert_user(request).await.unwrap();
    person.token
}
