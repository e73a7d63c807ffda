//! The stories of `tests/transcripts/support`, played by the official `socket.io-client` over both of its transports.

mod burst;
mod leaving;

use std::fs;

use parlor_api::v1;
use parlor_tests::{Plan, SUPPORT_BY_CLAIMS, SUPPORT_BY_COOKIE, World, script, shop_token};
use serde_json::{Value, json};

/// The issuer of the support mounts.
const ISSUER: &str = "shop";

/// Makes the eight tests of each story, and knows their names.
macro_rules! stories {
    ($($story:ident),+ $(,)?) => {
        const STORIES: &[&str] = &[$(stringify!($story)),+];

        mod websocket {
            use parlor_tests::{Plan, matrix};

            $(
                async fn $story(plan: Plan) {
                    super::play(plan, stringify!($story), "websocket").await;
                }
            )+
            matrix!($($story),+);
        }

        mod polling {
            use parlor_tests::{Plan, matrix};

            $(
                async fn $story(plan: Plan) {
                    super::play(plan, stringify!($story), "polling").await;
                }
            )+
            matrix!($($story),+);
        }
    };
}

stories!(
    admin_endpoints,
    closed_conversation,
    cookie_of_the_shop,
    customer_first,
    document_style,
    hijack,
    login_by_cookie,
    parked,
    rate,
    redelivery,
    redelivery_two_tabs,
    register,
    sign_out,
    two_tabs,
);

#[test]
fn every_story_is_played() {
    let folder = script::tests_folder().join("transcripts/support");
    let mut told: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    told.sort();
    assert_eq!(told, STORIES);
}

async fn play(plan: Plan, story: &str, transport: &str) {
    let file = script::tests_folder().join(format!("transcripts/support/{story}.jsonl"));
    let text = fs::read_to_string(&file).unwrap();
    let header: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let plan = match &header["rate"] {
        Value::Array(rate) => plan
            .set_support("rate_burst", rate[0].as_i64().unwrap())
            .set_support("rate_per_second", rate[1].as_i64().unwrap()),
        _ => plan,
    };
    let plan = match header["login"] {
        Value::Bool(false) => plan.set_support("login_issuer", "").set_support("allow_signup", false),
        _ => plan,
    };
    let prefix = match header["mount"].as_str() {
        Some("claims") => SUPPORT_BY_CLAIMS,
        Some("cookie") => SUPPORT_BY_COOKIE,
        other => panic!("no mount is called {other:?}; see tests/transcripts/README.md"),
    };
    let world = plan.start().await;
    let vars = people(&world).await;
    let base = format!("http://{}{prefix}", world.entrance().address);
    let tenant = &world.configuration.tenant;
    script::node(
        "play.mjs",
        &[
            file.to_str().unwrap(),
            "--base",
            &base,
            "--vars",
            &vars,
            "--transport",
            transport,
            "--tenant",
            tenant,
        ],
    )
    .await;
}

/// The shop's users, with the ids that its database gave them, which are not our numbers.
async fn people(world: &World) -> String {
    let stranger = v1::User { display_name: "Zoe".to_owned(), ..v1::User::default() };
    create(world, stranger, "").await;
    let mut people = serde_json::Map::new();
    for (id, name, shown, role) in [
        (1, "root", "Super Admin", v1::Role::Admin),
        (2, "ann", "Ann", v1::Role::Customer),
        (3, "bob", "Bob", v1::Role::Customer),
    ] {
        let email = format!("{name}@x.test");
        let user = v1::User {
            display_name: shown.to_owned(),
            username: email.clone(),
            email: email.clone(),
            roles: vec![role.into()],
            identities: vec![v1::Identity { issuer: ISSUER.to_owned(), subject: id.to_string() }],
            ..v1::User::default()
        };
        create(world, user, &format!("{name}-password")).await;
        let word = if role == v1::Role::Admin { "ADMIN" } else { "CUSTOMER" };
        let token = shop_token(&world.configuration.shop_secret, id, &email, word, world.now_s());
        people.insert(name.to_owned(), json!({"id": id, "token": token}));
    }
    Value::Object(people).to_string()
}

async fn create(world: &World, user: v1::User, password: &str) {
    let request = v1::UpsertUserRequest {
        user: Some(user),
        password: password.to_owned(),
        ..v1::UpsertUserRequest::default()
    };
    world.operator().await.directory().upsert_user(request).await.unwrap();
}
