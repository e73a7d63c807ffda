//! The stories of `tests/transcripts/staff`, played by the official `ws` client, and the typed API as clients that are
//! not ours see it.

use std::fs;

use parlor_api::v1;
use parlor_tests::{Plan, World, matrix, script};
use serde_json::{Value, json};

/// Makes the four tests of each story, and knows their names.
macro_rules! stories {
    ($($story:ident),+ $(,)?) => {
        const STORIES: &[&str] = &[$(stringify!($story)),+];
        $(
            async fn $story(plan: Plan) {
                play(plan, stringify!($story)).await;
            }
        )+
        matrix!($($story),+);
    };
}

stories!(
    bad_input,
    clear_history,
    login,
    owned_conversation,
    t1_main_flow,
    t2_refusals,
    too_fast,
    two_devices,
);

matrix!(
    grpc_web_works_for_connect_web,
    native_grpc_works_for_grpcio,
    a_service_carries_out_a_paid_session_by_grpcio
);

async fn grpc_web_works_for_connect_web(plan: Plan) {
    let world = plan.start().await;
    let base = format!("http://{}", world.entrance().address);
    let vars = people(&world, &["admin", "customer"]);
    script::node(
        "grpc_web.mjs",
        &["--base", &base, "--tenant", &world.configuration.tenant, "--vars", &vars],
    )
    .await;
}

async fn native_grpc_works_for_grpcio(plan: Plan) {
    let world = plan.start().await;
    let address = world.entrance().address.to_string();
    let vars = people(&world, &["admin", "customer"]);
    let tenant = &world.configuration.tenant;
    script::python("native.py", &["--address", &address, "--tenant", tenant, "--vars", &vars]).await;
}

async fn a_service_carries_out_a_paid_session_by_grpcio(plan: Plan) {
    let world = plan.start().await;
    let api_key = v1::ApiKey { kind: v1::ApiKeyKind::Service.into(), ..v1::ApiKey::default() };
    let create = v1::CreateApiKeyRequest { api_key: Some(api_key), request_id: String::new() };
    let created = world.operator().await.directory().create_api_key(create).await.unwrap().into_inner();
    let address = world.entrance().address.to_string();
    script::python("business.py", &[&address, &world.configuration.tenant, &created.secret]).await;
}

#[test]
fn every_story_is_played() {
    let folder = script::tests_folder().join("transcripts/staff");
    let mut told: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    told.sort();
    assert_eq!(told, STORIES);
}

async fn play(plan: Plan, story: &str) {
    let file = script::tests_folder().join(format!("transcripts/staff/{story}.jsonl"));
    let text = fs::read_to_string(&file).unwrap();
    let header: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let needs: Vec<&str> =
        header["needs"].as_array().unwrap().iter().map(|need| need.as_str().unwrap()).collect();
    let plan = if needs.contains(&"signup") {
        plan.set_mount("login_issuer", "legacy").set_mount("allow_signup", true)
    } else {
        plan
    };
    let world = plan.start().await;
    let base = format!("http://{}/staff", world.entrance().address);
    let vars = people(&world, &needs);
    script::node("play.mjs", &[file.to_str().unwrap(), "--base", &base, "--vars", &vars]).await;
}

/// These people as the programs take them: JSON by name.
fn people(world: &World, names: &[&str]) -> String {
    let people = names.iter().map(|name| ((*name).to_owned(), person(world, name)));
    Value::Object(people.collect()).to_string()
}

/// Whom a story means by a name.
fn person(world: &World, name: &str) -> Value {
    let person = match name {
        "admin" | "staff" => world.person(name),
        "customer" | "other" => world.person("customer"),
        "expired" => world.person_for("admin", -3600),
        "signup" => return json!(true),
        _ => panic!("nobody is called {name}; see tests/transcripts/README.md"),
    };
    json!({"token": person.token, "id": person.subject, "username": person.username})
}
