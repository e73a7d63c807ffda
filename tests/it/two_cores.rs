//! Two processes and one database: the second is refused, or has taken over and the first ends. Never both.

use parlor_tests::{Backend, Configuration, Entrance, Plan, Program, Topology};
use toml::Table;

/// A configuration that another folder's program shares but for its data directory.
struct Shared {
    configuration: Configuration,
}

impl Shared {
    fn of(program: &Program) -> Self {
        let url = format!("sqlite://{}", program.folder().join("parlor.db").display());
        Self { configuration: Configuration::new(&url, &Table::new(), &Table::new()) }
    }

    /// Writes it for this program, and answers its path.
    fn write(&self, program: &Program) -> String {
        let file = program.folder().join("parlor.toml");
        let table = self.configuration.server(&[("data_dir", program.data_dir().to_str().unwrap())]);
        std::fs::write(&file, toml::to_string(&table).unwrap()).unwrap();
        file.to_str().unwrap().to_owned()
    }
}

#[test]
fn a_second_server_and_commands_are_refused_beside_the_first() {
    parlor_tests::run(Plan::new(Topology::Local, Backend::Sqlite), |_| async {
        let (mut first, second) = (Program::new(), Program::new());
        let shared = Shared::of(&first);
        let address = first.serve_with(&["--config", &shared.write(&first)]);
        let file = shared.write(&second);
        let serve = second.run(&["serve", "--config", &file]);
        let said = String::from_utf8_lossy(&serve.stderr);
        assert_eq!(serve.status.code(), Some(3), "{said}");
        assert!(said.contains("node \"parlor\"") && said.contains("stop that one first"), "{said}");
        let list = second.run(&["user", "list", "--tenant", &shared.configuration.tenant, "--config", &file]);
        let said = String::from_utf8_lossy(&list.stderr);
        assert_eq!(list.status.code(), Some(3), "{said}");
        assert!(said.contains("--server and --key"), "{said}");
        let entrance = Entrance::new(address, &shared.configuration.tenant);
        assert_eq!(
            entrance.http().get("/readyz").await.status.as_u16(),
            200,
            "nothing has happened to the first"
        );
    });
}

#[test]
fn a_server_that_another_has_taken_over_from_ends_with_a_failure() {
    parlor_tests::run(Plan::new(Topology::Local, Backend::Sqlite), |_| async {
        let (mut first, mut second) = (Program::new(), Program::new());
        let shared = Shared::of(&first);
        first.serve_with(&["--config", &shared.write(&first)]);
        // As if the data directory had been copied: then its lock says nothing.
        std::fs::create_dir(second.data_dir()).unwrap();
        std::fs::copy(first.data_dir().join("home"), second.data_dir().join("home")).unwrap();
        let address = second.serve_with(&["--config", &shared.write(&second)]);
        assert_eq!(first.wait().code(), Some(1));
        let entrance = Entrance::new(address, &shared.configuration.tenant);
        assert_eq!(entrance.http().get("/readyz").await.status.as_u16(), 200);
    });
}
