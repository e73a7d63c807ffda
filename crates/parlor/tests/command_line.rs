//! The program as a person meets it: help, exit codes, and what is said on which stream.

use std::{
    path::Path,
    process::{Command, Output},
};

/// Every command there is.
const COMMANDS: [&[&str]; 36] = [
    &[],
    &["serve"],
    &["migrate"],
    &["migrate", "up"],
    &["migrate", "status"],
    &["migrate", "down"],
    &["seed"],
    &["backup"],
    &["restore"],
    &["token"],
    &["token", "mint"],
    &["user"],
    &["user", "list"],
    &["user", "show"],
    &["user", "add"],
    &["user", "password"],
    &["user", "disable"],
    &["user", "enable"],
    &["user", "export"],
    &["user", "erase"],
    &["session"],
    &["session", "list"],
    &["session", "end"],
    &["key"],
    &["key", "list"],
    &["key", "create"],
    &["key", "revoke"],
    &["wallet"],
    &["wallet", "show"],
    &["wallet", "credit"],
    &["ledger"],
    &["ledger", "verify"],
    &["config"],
    &["config", "print"],
    &["config", "check"],
    &["doctor"],
];

fn parlor(folder: &Path, arguments: &[&str]) -> Output {
    parlor_with(folder, &[], arguments)
}

fn parlor_with(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    command(folder, arguments).envs(variables.iter().copied()).output().expect("the binary runs")
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlor"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PARLOR_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).args(arguments);
    command
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("it prints UTF-8")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("it prints UTF-8")
}

#[test]
fn every_command_helps() {
    let folder = tempfile::tempdir().unwrap();
    for command in COMMANDS {
        let output = parlor(folder.path(), &[command, &["--help"]].concat());
        assert_eq!(output.status.code(), Some(0), "{command:?}: {}", err(&output));
        assert!(out(&output).contains("Usage:"), "{command:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "help leaves nothing behind");
}

#[test]
fn a_wrong_command_line_is_2() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(parlor(folder.path(), &["sreve"]).status.code(), Some(2));
    assert_eq!(parlor(folder.path(), &["serve", "--listen", "8080"]).status.code(), Some(2));
    assert_eq!(parlor(folder.path(), &["user", "list"]).status.code(), Some(2));
}

#[test]
fn the_version_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let output = parlor(folder.path(), &["version"]);
    assert_eq!(out(&output), format!("parlor {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_manual_is_a_file_to_start_from() {
    let folder = tempfile::tempdir().unwrap();
    let manual = parlor(folder.path(), &["config", "print", "--defaults"]);
    std::fs::write(folder.path().join("parlor.toml"), &manual.stdout).unwrap();
    let check = parlor(folder.path(), &["config", "check", "--config", "parlor.toml"]);
    assert_eq!(check.status.code(), Some(3), "it has no secrets yet");
    assert!(err(&check).contains("secrets.edge_key: is empty; make one with"), "{}", err(&check));

    let with_secrets = out(&manual).replace("generate = false", "generate = true");
    std::fs::write(folder.path().join("parlor.toml"), with_secrets).unwrap();
    let check = parlor(folder.path(), &["config", "check", "--config", "parlor.toml"]);
    assert_eq!(check.status.code(), Some(0), "{}", err(&check));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = parlor(folder.path(), &["serve", "--config", "nowhere.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("nowhere.toml"), "{}", err(&output));
    assert_eq!(out(&output), "", "standard output is for what was asked for");
}

#[test]
fn certificates_that_cannot_be_served_with_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty.pem"), "").unwrap();
    for (certificate, told) in
        [("nowhere.pem", "nowhere.pem: No such file"), ("empty.pem", "no certificate as PEM")]
    {
        let text = format!(
            "[secrets]\ngenerate = true\n[[listener]]\ntls_certificate_file = \"{certificate}\"\ntls_key_file = \"empty.pem\"\n"
        );
        std::fs::write(folder.path().join("parlor.toml"), text).unwrap();
        for command in [["config", "check"].as_slice(), &["serve"]] {
            let output = parlor(folder.path(), &[command, &["--config", "parlor.toml"]].concat());
            assert_eq!(output.status.code(), Some(3), "{}", err(&output));
            let expected = "listener[0].tls_certificate_file: cannot be served with";
            assert!(err(&output).contains(expected) && err(&output).contains(told), "{}", err(&output));
        }
    }
}

#[test]
fn a_server_that_is_no_url_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        parlor(folder.path(), &["user", "list", "--tenant", "shop", "--server", "here", "--key", "k"]);
    assert!(err(&output).contains("\"here\" is no URL; give one such as"), "{}", err(&output));
}

#[test]
fn a_person_can_be_added_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("seed.toml"), "[[tenant]]\nslug = \"shop\"\n").unwrap();
    let seed = parlor(folder.path(), &["seed", "seed.toml"]);
    assert_eq!(seed.status.code(), Some(0), "{}", err(&seed));
    let add =
        parlor(folder.path(), &["user", "add", "--tenant", "shop", "--username", "grace", "--role", "staff"]);
    assert_eq!(add.status.code(), Some(0), "{}", err(&add));
    let again = parlor(folder.path(), &["user", "add", "--tenant", "shop", "--username", "grace"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(err(&again).contains("the username grace is taken"), "{}", err(&again));
    let list = parlor(folder.path(), &["user", "list", "--tenant", "shop", "--json"]);
    let people: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!((&people[0]["username"], &people[0]["roles"][0]), (&"grace".into(), &"staff".into()));
    let token = parlor(folder.path(), &["token", "mint", "--tenant", "shop", "--user", "grace"]);
    assert_eq!(out(&token).matches('.').count(), 2, "{}{}", out(&token), err(&token));
    for (change, disabled) in [("disable", true), ("enable", false)] {
        let changed = parlor(folder.path(), &["user", change, "--tenant", "shop", "grace"]);
        assert_eq!(changed.status.code(), Some(0), "{}", err(&changed));
        let show = parlor(folder.path(), &["user", "show", "--tenant", "shop", "grace"]);
        let person: serde_json::Value = serde_json::from_slice(&show.stdout).unwrap();
        assert_eq!(person["disabled"], disabled);
        let list = out(&parlor(folder.path(), &["user", "list", "--tenant", "shop"]));
        assert_eq!(list.contains("staff (disabled)"), disabled, "{list}");
    }
}

#[test]
fn a_person_is_written_down_and_erased_without_a_server() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("seed.toml"), "[[tenant]]\nslug = \"shop\"\n").unwrap();
    assert_eq!(parlor(folder.path(), &["seed", "seed.toml"]).status.code(), Some(0));
    let name = "needle-of-the-haystack";
    let add = parlor(folder.path(), &["user", "add", "--tenant", "shop", "--username", name]);
    assert_eq!(add.status.code(), Some(0), "{}", err(&add));
    let of_them = |command: &str, more: &[&str]| {
        parlor(folder.path(), &[&["user", command, "--tenant", "shop", name], more].concat())
    };
    let printed = of_them("export", &[]);
    assert_eq!(printed.status.code(), Some(0), "{}", err(&printed));
    let records: Vec<serde_json::Value> =
        out(&printed).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records[0]["record"], "export");
    assert_eq!((&records[1]["record"], &records[1]["username"]), (&"person".into(), &name.into()));
    assert_eq!(records.last().unwrap()["record"], "end");

    let written = of_them("export", &["--out", "person.jsonl"]);
    assert_eq!(written.status.code(), Some(0), "{}", err(&written));
    let file = folder.path().join("person.jsonl");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(std::fs::read_to_string(&file).unwrap().contains(name));
    let over = of_them("export", &["--out", "person.jsonl"]);
    assert_eq!(over.status.code(), Some(1));
    assert!(err(&over).contains("never written over"), "{}", err(&over));

    let unasked = of_them("erase", &[]);
    assert_eq!(unasked.status.code(), Some(1));
    assert!(err(&unasked).contains("give --yes"), "{}", err(&unasked));
    let erased = of_them("erase", &["--yes"]);
    assert_eq!(erased.status.code(), Some(0), "{}", err(&erased));
    let again = of_them("erase", &["--yes"]);
    assert_eq!(again.status.code(), Some(1), "{}", err(&again));
    for entry in std::fs::read_dir(folder.path().join("parlor-data")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        assert!(!bytes.windows(name.len()).any(|part| part == name.as_bytes()), "{}", path.display());
    }
}

#[test]
fn keys_are_made_listed_and_withdrawn() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("seed.toml"), "[[tenant]]\nslug = \"shop\"\n").unwrap();
    assert_eq!(parlor(folder.path(), &["seed", "seed.toml"]).status.code(), Some(0));
    let create = ["key", "create", "--tenant", "shop", "--kind", "service", "--name", "import"];
    let created = parlor(folder.path(), &create);
    assert!(out(&created).starts_with("plk_"), "{}{}", out(&created), err(&created));
    let list = parlor(folder.path(), &["key", "list", "--json"]);
    let keys: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!(keys[0]["display_name"], "import");
    assert!(!out(&list).contains(out(&created).trim()), "a list shows no secret");
    let id = keys[0]["id"].as_str().unwrap();
    let revoked = parlor(folder.path(), &["key", "revoke", id]);
    assert_eq!(revoked.status.code(), Some(0), "{}", err(&revoked));
}

#[test]
fn wallets_are_filled_once_and_the_ledger_is_proven() {
    let folder = tempfile::tempdir().unwrap();
    let seed = "[[tenant]]\nslug = \"shop\"\n[[user]]\ntenant = \"shop\"\nusername = \"ann\"\n\
                [[wallet]]\ntenant = \"shop\"\nusername = \"ann\"\namount = 40\n";
    std::fs::write(folder.path().join("seed.toml"), seed).unwrap();
    for _ in 0..2 {
        let seeded = parlor(folder.path(), &["seed", "seed.toml"]);
        assert_eq!(seeded.status.code(), Some(0), "{}", err(&seeded));
    }
    let credit = ["wallet", "credit", "--tenant", "shop", "ann", "2", "--request-id", "pay-1", "--json"];
    for _ in 0..2 {
        let credited = parlor(folder.path(), &credit);
        let wallet: serde_json::Value = serde_json::from_slice(&credited.stdout).unwrap();
        assert_eq!((&wallet["available"], &wallet["unit"]), (&42.into(), &"coin".into()));
    }
    let show = parlor(folder.path(), &["wallet", "show", "--tenant", "shop", "ann"]);
    assert!(out(&show).contains("AVAILABLE") && out(&show).contains("42"), "{}{}", out(&show), err(&show));
    let negative = parlor(folder.path(), &["wallet", "credit", "--tenant", "shop", "ann", "0"]);
    assert_eq!(negative.status.code(), Some(2));
    let proof = parlor(folder.path(), &["ledger", "verify", "--tenant", "shop", "--json"]);
    let proof: serde_json::Value = serde_json::from_slice(&proof.stdout).unwrap();
    assert_eq!((&proof["sound"], &proof["transactions"]), (&true.into(), &2.into()));
    let table = parlor(folder.path(), &["ledger", "verify", "--tenant", "shop"]);
    assert!(out(&table).contains("sound"), "{}", out(&table));
}

#[test]
fn the_doctor_finds_secrets_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(parlor(folder.path(), &["migrate", "up"]).status.code(), Some(0));
    std::fs::write(folder.path().join("seed.toml"), "").unwrap();
    assert_eq!(parlor(folder.path(), &["seed", "seed.toml"]).status.code(), Some(0));
    let secrets = folder.path().join("parlor-data/secrets.toml");
    std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = parlor(folder.path(), &["doctor"]);
    assert_eq!(output.status.code(), Some(3), "{}", out(&output));
    assert!(out(&output).contains("chmod 600"), "{}", out(&output));
}

#[test]
fn looking_makes_no_installation() {
    let folder = tempfile::tempdir().unwrap();
    let looks: [&[&str]; 8] = [
        &["user", "list", "--tenant", "demo"],
        &["user", "show", "--tenant", "demo", "ada"],
        &["user", "add", "--tenant", "demo", "--username", "ada"],
        &["key", "list"],
        &["key", "create", "--all-tenants", "--kind", "admin", "--name", "operator"],
        &["token", "mint", "--tenant", "demo", "--user", "ada"],
        &["migrate", "status"],
        &["migrate", "down", "--yes"],
    ];
    for look in looks {
        let output = parlor(folder.path(), look);
        assert_eq!(output.status.code(), Some(1), "{look:?}");
        let told = err(&output);
        assert!(told.contains("no installation in parlor-data") && told.contains("parlor seed"), "{told}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{look:?}");
    }
}

#[test]
fn a_tenant_that_is_not_there_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(parlor(folder.path(), &["migrate", "up"]).status.code(), Some(0));
    let output = parlor(folder.path(), &["user", "list", "--tenant", "shop"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("no tenant \"shop\" in parlor-data"), "{}", err(&output));
}

#[test]
fn looking_changes_no_tables() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(parlor(folder.path(), &["migrate", "up"]).status.code(), Some(0));
    assert_eq!(parlor(folder.path(), &["migrate", "down", "--yes"]).status.code(), Some(0));
    let output = parlor(folder.path(), &["user", "list", "--tenant", "demo"]);
    assert!(err(&output).contains("parlor migrate up"), "{}", err(&output));
    let status = parlor(folder.path(), &["migrate", "status"]);
    assert_eq!(out(&status).matches("missing").count(), 1, "{}", out(&status));
}

#[test]
fn steps_are_taken_back_when_it_is_meant_and_counted_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(parlor(folder.path(), &["migrate", "up"]).status.code(), Some(0));
    let steps = out(&parlor(folder.path(), &["migrate", "status"])).matches("applied").count();
    let asked = parlor(folder.path(), &["migrate", "down", "--steps", "2"]);
    assert_eq!(asked.status.code(), Some(1));
    assert!(err(&asked).contains("--yes") && err(&asked).matches("\n  m").count() == 2, "{}", err(&asked));
    let down = parlor(folder.path(), &["migrate", "down", "--steps", "99", "--yes"]);
    assert_eq!(out(&down), format!("{steps} taken back\n"));
    assert_eq!(out(&parlor(folder.path(), &["migrate", "down"])), "0 taken back\n", "nothing is lost");
}

#[test]
fn a_gateway_has_nobody_to_add_to() {
    let folder = tempfile::tempdir().unwrap();
    let text = "role = \"gateway\"\ndata_dir = \"edge\"\n\
                [gateway]\ncore_url = \"http://127.0.0.1:1\"\n[secrets]\ngenerate = true\n";
    std::fs::write(folder.path().join("parlor.toml"), text).unwrap();
    std::fs::write(folder.path().join("seed.toml"), "[[tenant]]\nslug = \"shop\"\n").unwrap();
    let commands: [&[&str]; 5] = [
        &["seed", "seed.toml"],
        &["user", "list", "--tenant", "shop"],
        &["key", "list"],
        &["token", "mint", "--tenant", "shop", "--user", "ada"],
        &["migrate", "status"],
    ];
    for command in commands {
        let output = parlor(folder.path(), &[command, &["--config", "parlor.toml"]].concat());
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        assert!(err(&output).contains("role \"gateway\" has no database"), "{}", err(&output));
        assert!(!folder.path().join("edge").exists(), "{command:?}");
    }
}

#[test]
fn a_username_is_not_blank() {
    let folder = tempfile::tempdir().unwrap();
    for blank in ["", " "] {
        let output = parlor(folder.path(), &["user", "add", "--tenant", "demo", "--username", blank]);
        assert_eq!(output.status.code(), Some(2));
        assert!(err(&output).contains("it is blank"), "{}", err(&output));
    }
}

#[test]
fn the_doctor_names_tenants_that_nobody_made() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[secrets]\ngenerate = true\n[[listener]]\naddress = \"127.0.0.1:0\"\n[[mount]]\ndialect = \"native\"\n\
                prefix = \"/native\"\ntenant = \"shop\"\n";
    std::fs::write(folder.path().join("parlor.toml"), text).unwrap();
    std::fs::write(folder.path().join("seed.toml"), "[[tenant]]\nslug = \"shop\"\n").unwrap();
    let run = |command: &[&str]| parlor(folder.path(), &[command, &["--config", "parlor.toml"]].concat());
    assert_eq!(run(&["migrate", "up"]).status.code(), Some(0));
    let ill = run(&["doctor"]);
    assert_eq!(ill.status.code(), Some(3), "{}", out(&ill));
    let told = "mount \"native\" is of tenant \"shop\", which does not exist";
    assert!(out(&ill).contains(told) && out(&ill).contains("parlor seed"), "{}", out(&ill));
    assert_eq!(run(&["seed", "seed.toml"]).status.code(), Some(0));
    let well = run(&["doctor"]);
    assert_eq!(well.status.code(), Some(0), "{}", out(&well));
}

/// What Kubernetes tells every pod of a Service named "parlor", and of one named "parlor-core".
const OF_KUBERNETES: [(&str, &str); 10] = [
    ("PARLOR_PORT", "tcp://10.0.0.7:8080"),
    ("PARLOR_SERVICE_HOST", "10.0.0.7"),
    ("PARLOR_SERVICE_PORT", "8080"),
    ("PARLOR_SERVICE_PORT_HTTP", "8080"),
    ("PARLOR_PORT_8080_TCP", "tcp://10.0.0.7:8080"),
    ("PARLOR_PORT_8080_TCP_ADDR", "10.0.0.7"),
    ("PARLOR_PORT_8080_TCP_PORT", "8080"),
    ("PARLOR_PORT_8080_TCP_PROTO", "tcp"),
    ("PARLOR_CORE_SERVICE_HOST", "10.0.0.8"),
    ("PARLOR_CORE_PORT", "tcp://10.0.0.8:8081"),
];

#[test]
fn a_variable_that_is_no_setting_warns_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [OF_KUBERNETES.as_slice(), &[("PARLOR_IMAGE_VERSION", "7")]].concat();
    let check = parlor_with(folder.path(), &variables, &["config", "check"]);
    assert_eq!(check.status.code(), Some(0), "{}", err(&check));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let serve = parlor_with(folder.path(), &variables, &["serve", "--listen", &address]);
    assert!(err(&serve).contains("cannot listen on"), "it got as far as that: {}", err(&serve));
    let doctor = parlor_with(folder.path(), &variables, &["doctor"]);
    for (name, _) in variables {
        let told = format!("{name}: is no setting");
        assert_eq!(out(&check).matches(&told).count(), 1, "{name}: {}", out(&check));
        assert_eq!(err(&serve).matches(&told).count(), 1, "{name}: {}", err(&serve));
        assert_eq!(out(&doctor).matches(&told).count(), 1, "{name}: {}", out(&doctor));
    }
}

#[test]
fn a_misspelt_setting_in_the_environment_is_refused_with_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    for (variable, nearest) in [
        ("PARLOR_LOG_FILTER", "PARLOR_LOG__FILTER"),
        ("PARLOR_LOG__FILTR", "PARLOR_LOG__FILTER"),
        ("PARLOR_DATABSE__URL", "PARLOR_DATABASE__URL"),
        ("PARLOR_CORE_LISTEN", "PARLOR_CORE__LISTEN"),
        ("PARLOR_DATADIR", "PARLOR_DATA_DIR"),
        ("PARLOR_ROEL", "PARLOR_ROLE"),
        ("PARLOR_PORT__8080", "PARLOR_"),
    ] {
        let output = parlor_with(folder.path(), &[(variable, "info")], &["config", "check"]);
        assert_eq!(output.status.code(), Some(3), "{variable}: {}{}", out(&output), err(&output));
        assert!(err(&output).contains(variable) && err(&output).contains(nearest), "{}", err(&output));
    }
}
