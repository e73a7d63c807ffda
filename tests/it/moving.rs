//! People who are moved here with the hashes that their shop's database has of their passwords: the real program seeds them,
//! they sign in by both dialects that have a login, and from then on their hashes are Parlor's own.

use parlor_tests::{Backend, Configuration, Entrance, Plan, Program, SUPPORT_BY_COOKIE, Topology};
use serde_json::{Value, json};
use toml::Table;

/// What Node's `bcryptjs` 3.0.3 makes of "correct horse" with `hashSync(password, 10)`, as shops do.
const BCRYPT: &str = "$2b$10$7/f07vdmWccRnG423V8eo.zNVM/TACX/SKXu1vQ9SbBPaRVZ2pkwC";

/// What Node's `argon2` 0.45.1 makes of it with `hash(password)`.
const ARGON2: &str =
    "$argon2id$v=19$m=65536,p=4,t=3$rnQUa55J+eix2tIbrGB7dQ$PAPrevEWQlZSE0EhP4TZEFTqO3tJMK67z+Y4/tjxiXA";

#[test]
fn who_was_moved_with_a_hash_signs_in_on_sqlite() {
    parlor_tests::run(Plan::new(Topology::Local, Backend::Sqlite), |_| async {
        let program = Program::new();
        let url = format!("sqlite://{}", program.folder().join("parlor.db").display());
        move_in(program, &url).await;
    });
}

#[test]
fn who_was_moved_with_a_hash_signs_in_and_has_one_of_our_own_on_postgres() {
    parlor_tests::run(Plan::new(Topology::Local, Backend::Postgres), |_| async {
        let database = parlor_testdb::Database::create();
        move_in(Program::new(), &database.url()).await;
        let hashes = database.rows("select password_hash from \"user\" order by username");
        assert_eq!(hashes.len(), 3, "{hashes:?}");
        for hash in &hashes[..2] {
            assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        }
        assert_eq!(hashes[2], BCRYPT, "who has not signed in since has the old one");
    });
}

async fn move_in(mut program: Program, database_url: &str) {
    let mount = Table::from_iter([("login_issuer".to_owned(), "legacy".into())]);
    let configuration = Configuration::new(database_url, &mount, &Table::new());
    let path = |name: &str| program.folder().join(name).to_str().unwrap().to_owned();
    let (config, seed) = (path("parlor.toml"), path("shop.toml"));
    let table = configuration.server(&[("data_dir", program.data_dir().to_str().unwrap())]);
    std::fs::write(&config, toml::to_string(&table).unwrap()).unwrap();
    std::fs::write(&seed, people(&configuration.tenant)).unwrap();
    let run = |arguments: &[&str]| {
        let output = program.run(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["migrate", "up", "--config", &config]);
    assert!(run(&["seed", &seed, "--config", &config]).contains("3 of 3 people"));

    for _ in 0..2 {
        let address = program.serve_with(&["--config", &config]);
        sign_in(&Entrance::new(address, &configuration.tenant)).await;
        // Seeding again puts no old hash back over a renewed one.
        let output = program.run(&["seed", &seed, "--config", &config]);
        assert!(String::from_utf8_lossy(&output.stdout).contains("0 of 3 people"), "{output:?}");
        program.kill();
    }
}

fn people(tenant: &str) -> String {
    let person = |name: &str, role: &str, id: &str, hash: &str| {
        format!(
            "[[user]]\ntenant = \"{tenant}\"\nusername = \"{name}\"\nemail = \"{name}\"\nroles = [\"{role}\"]\n\
             password_hash = '{hash}'\nidentities = {{ {id} }}\n"
        )
    };
    [
        format!("[[tenant]]\nslug = \"{tenant}\"\n"),
        person("ann@x.test", "customer", "shop = \"2\"", BCRYPT),
        person("bob@x.test", "admin", "legacy = \"64b000000000000000000001\"", ARGON2),
        person("cid@x.test", "customer", "shop = \"3\"", BCRYPT),
    ]
    .concat()
}

async fn sign_in(entrance: &Entrance) {
    let shop = format!("{SUPPORT_BY_COOKIE}/api/auth/login");
    let support = async |password: &str| {
        let body = json!({"email": "ann@x.test", "password": password});
        entrance.http().post(&shop, &body).await
    };
    let wrong = support("wrong horse").await.expect(401);
    assert!(wrong["message"].is_string());
    let answer = support("correct horse").await.expect(200);
    assert_eq!(answer["data"]["user"]["id"], 2);

    let staff = async |password: &str| {
        let body = json!({"username": "bob@x.test", "password": password});
        entrance.staff_rest().post("/auth/login", &body).await
    };
    staff("wrong horse").await.expect(400);
    let answer: Value = staff("correct horse").await.expect(200);
    assert_eq!((&answer["role"], &answer["userId"]), (&json!("admin"), &json!("64b000000000000000000001")));
}
